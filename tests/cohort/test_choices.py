"""What names mean, and how a choice is said and overruled."""

import pytest

from neurograft.cohort import choices
from neurograft.cohort.choices import Wishes


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        *[(text, "with") for text in ("postGd", "mprageCE", "gadolinium", "T1post", "t1ce", "enhanced", "stealthpost")],
        *[(text, "without") for text in ("preGd", "nonCE", "woGd", "precontrast", "T1woC", "noncontrast")],
        *[(text, "") for text in ("space", "reference", "posterior", "postop", "preop", "mprage", "highres", "tfe")],
    ],
)
def test_contrast_agent(text, agent):
    assert choices.agent_of(text) == agent


@pytest.mark.parametrize(
    ("text", "rank"),
    [("consensus", 0), ("hd-glio_corrected", 0), ("manual", 1), ("rater2", 1), ("dseg", 2), ("lesion", 2),
     ("X_pred_seg", 3), ("hd-glio", 3), ("nnUNet", 3), ("desc-automatic", 3), ("author", 2)],
)  # fmt: skip
def test_who_made_a_label(text, rank):
    assert choices.rank_maker(text) == rank


def test_numbers_are_ordered_by_their_value():
    assert sorted(["ses-10", "ses-2", "ses-a"], key=choices.natural) == ["ses-2", "ses-10", "ses-a"]
    assert choices.rank_visit("ses-preop") < choices.rank_visit("ses-01") < choices.rank_visit("ses-postop")


def test_patterns_fit_the_ends_of_paths():
    wishes = Wishes(["derivatives/manual/*", "!*_run-2_T1w.nii.gz", "a[1].nii", "/x/y.nii"])
    assert wishes.prefers("/data/set/derivatives/manual/sub-1/l.nii") and not wishes.prefers("/data/manual/l.nii")
    assert wishes.drops("/data/sub-1_run-2_T1w.nii.gz") and not wishes.drops("/data/sub-1_run-1_T1w.nii.gz")
    assert wishes.prefers("/d/a[1].nii") and not wishes.prefers("/d/a1.nii")
    assert wishes.idle(["/d/a[1].nii"]) == ["derivatives/manual/*", "!*_run-2_T1w.nii.gz", "/x/y.nii"]


def test_all_files_dropped_leave_no_file_and_a_note():
    made = choices.choose_files({"t1": ["/a/x.nii"]}, None, None, Wishes(["!x.nii"]))
    assert made.files == {} and made.notes == ["t1: left /a/x.nii out, as dataset.choose says"]
