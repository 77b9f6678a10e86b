"""Words for every picture and every measure of quality: what is good, what is bad, what to do."""

import pytest

from helpers.fake_run import EVIL
from neurograft.core import sequences
from neurograft.preprocessing import quality_table
from neurograft.report import guidance

STRIP = {name: dict.fromkeys(sequences.SEQUENCES, 1400.0) for name in ("volume_ml", "signal_to_noise", "sharpness")}

STRIP["second"] = {"agreement": {"t1c": 0.97}}
REGISTER = {name: dict.fromkeys(("t1", "t2", "flair", "template"), 1.1) for name in ("similarity", "overlap")}
REGISTER |= {"volume_change": {"lesion": 0.0, "unheld": -0.1}, "cut": {"flair": {"area_mm2": 0.0}}}

NORMALIZE = {"contrast_to_noise": dict.fromkeys(sequences.SEQUENCES, 8.0)}

COLUMNS = [name for name in quality_table.quality_row(STRIP, REGISTER, NORMALIZE) if name not in ("look", "flags")]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_the_quality_table_has_words_of_its_own(column):
    words = guidance.quality_words(column)
    for name, nothing in zip(("good", "bad", "advice"), guidance.UNKNOWN[1:], strict=True):
        assert len(words[name]) > len(nothing) and words[name] != nothing
    assert words["part"] in ("T1", "T1c", "T2", "FLAIR", "template", "lesion", "unheld")
    assert column.endswith(f"_{words['part'].lower()}")
    assert (words["unit"] == "ml") == column.startswith("volume_ml")


def test_measures_are_told_apart_and_share_their_words_between_sequences():
    assert len({guidance.name_quality(column) for column in COLUMNS}) == len(COLUMNS) == 28
    assert len({guidance.quality_words(column)["title"] for column in COLUMNS}) == len(quality_table.MEASURES)
    of_pictures = {"side", "foreground", "contrast"}  # measured by `image_sets`
    assert set(guidance.QUALITY) == {*quality_table.MEASURES, *of_pictures}


def test_names_read_as_plain_words():
    assert guidance.name_quality("contrast_to_noise_t1c") == "Contrast to noise, T1c"
    assert guidance.name_quality("overlap_template") == "Overlap of brain masks, template"
    assert guidance.name_quality("similarity") == "Registration similarity"


@pytest.mark.parametrize("column", ["similarityx_t1", "new_measure", EVIL])
def test_an_unknown_column_still_has_words_for_good_bad_and_what_to_do(column):
    words = guidance.quality_words(column)
    assert words["title"] == column.replace("_", " ") == guidance.name_quality(column)
    assert words["good"] and words["bad"] and words["advice"] and words["unit"] == words["part"] == ""


def test_every_picture_says_how_to_read_it():
    for title, good, bad in guidance.PICTURES.values():
        assert title and good.endswith(".") and bad.endswith(".") and good != bad
    assert len({words[0] for words in guidance.PICTURES.values()}) == len(guidance.PICTURES)
