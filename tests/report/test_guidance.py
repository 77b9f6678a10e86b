"""Words for every picture and every measure of quality: what is good, what is bad, what to do."""

import pytest

from helpers.fake_run import EVIL
from neurograft.core import sequences
from neurograft.preprocessing import quality_table
from neurograft.report import guidance

WORDS = guidance.read_guidance()

STRIP = {name: dict.fromkeys(sequences.SEQUENCES, 1400.0) for name in ("volume_ml", "signal_to_noise", "sharpness")}

STRIP["second"] = {"agreement": {"t1c": 0.97}}
REGISTER = {name: dict.fromkeys(("t1", "t2", "flair", "template"), 1.1) for name in ("similarity", "overlap")}
REGISTER |= {"volume_change": {"lesion": 0.0, "unheld": -0.1}, "cut": {"flair": {"area_mm2": 0.0}}}

NORMALIZE = {"contrast_to_noise": dict.fromkeys(sequences.SEQUENCES, 8.0)}

COLUMNS = [name for name in quality_table.quality_row(STRIP, REGISTER, NORMALIZE) if name not in ("look", "flags")]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_the_quality_table_has_words_of_its_own(column):
    words = guidance.quality_words(column)
    for name in ("good", "bad", "advice"):
        nothing = WORDS.unknown_quality[name]
        assert len(words[name]) > len(nothing) and words[name] != nothing
    assert words["part"] in ("T1", "T1c", "T2", "FLAIR", "template", "lesion", "unheld")
    assert column.endswith(f"_{words['part'].lower()}")
    assert (words["unit"] == "ml") == column.startswith("volume_ml")


def test_measures_are_told_apart_and_share_their_words_between_sequences():
    assert len({guidance.name_quality(column) for column in COLUMNS}) == len(COLUMNS) == 28
    assert len({guidance.quality_words(column)["title"] for column in COLUMNS}) == len(quality_table.MEASURES)
    of_pictures = {"side", "foreground", "contrast"}  # measured by `pictures.reading`
    assert set(WORDS.quality) == {*quality_table.MEASURES, *of_pictures}


def test_names_read_as_plain_words():
    assert guidance.name_quality("contrast_to_noise_t1c") == "Contrast-to-noise ratio, T1c"
    assert guidance.name_quality("overlap_template") == "Overlap of brain masks, template"
    assert guidance.name_quality("similarity") == "Registration similarity"


@pytest.mark.parametrize("column", ["similarityx_t1", "new_measure", EVIL])
def test_an_unknown_column_still_has_words_for_good_bad_and_what_to_do(column):
    words = guidance.quality_words(column)
    assert words["title"] == column.replace("_", " ") == guidance.name_quality(column)
    assert words["good"] and words["bad"] and words["advice"] and words["unit"] == words["part"] == ""


def test_every_picture_says_how_to_read_it():
    for words in WORDS.pictures.values():
        assert words["good"].endswith(".") and words["bad"].endswith(".") and words["good"] != words["bad"]
    assert len({words["title"] for words in WORDS.pictures.values()}) == len(WORDS.pictures)


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("pictures", ["title", "good", "bad"]),
        ("prepared", ["title", "good", "bad"]),
        ("own_labels", ["title", "good", "bad"]),
        ("quality", ["title", "unit", "good", "bad", "advice"]),
        ("transfer", ["good", "bad", "advice"]),
    ],
)
def test_every_entry_is_whole_and_plain_text(section, keys):
    entries = getattr(WORDS, section)
    assert entries and all(list(words) == keys for words in entries.values())
    texts = [text for words in entries.values() for text in words.values()]
    assert all(isinstance(text, str) and text == text.strip() and "  " not in text for text in texts)
    assert all(words[key] for words in entries.values() for key in keys if key != "unit")


def test_prepared_scans_and_own_labels_have_words_of_their_own():
    assert guidance.choose_pictures(False, False) == WORDS.pictures
    both = guidance.choose_pictures(True, True)
    assert list(both) == list(WORDS.pictures)
    assert both["quality"] == WORDS.prepared["quality"] and both["segmentation"] == WORDS.own_labels["segmentation"]
    assert both["candidates"] == WORDS.pictures["candidates"]
    assert not any("tumour" in text or "brain" in text.lower() for name in ("quality", "segmentation")
                   for text in both[name].values())  # fmt: skip


def test_the_file_is_read_once():
    assert guidance.read_guidance() is WORDS
