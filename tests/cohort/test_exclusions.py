"""Which subjects the user excludes by hand."""

import pytest

from neurograft.cohort import cohort_table, validation
from neurograft.cohort.exclusions import read_exclusions
from neurograft.cohort.layouts import CohortError, find_subjects
from neurograft.core import tables
from neurograft.pictures import reading


def write(folder, text):
    path = folder / "excluded.tsv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_names_may_be_those_of_the_dataset_or_of_the_cohort_s_table(tmp_path):
    path = write(tmp_path, "reason\tparticipant_id\twho\nmotion\tsub-a_1\tme\ncyst, no tumour\tB2\tyou\n")
    assert read_exclusions(path, {"a1", "B2", "c"}) == {"a1": "motion", "B2": "cyst, no tumour"}
    assert read_exclusions(write(tmp_path, "participant_id\treason\n"), {"a1"}) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "participant_id\treason\nphantom01\tmotion\n",
            "no subject 'phantom01' in the dataset; did you mean 'phantom001'",
        ),
        ("participant_id\treason\nnobody\tmotion\n", "no subject 'nobody' in the dataset; correct it"),
        ("participant_id\treason\nphantom001\t \n", "'phantom001' has no reason"),
        ("participant_id\treason\nphantom001\tn/a\n", "'phantom001' has no reason"),
        ("participant_id\treason\nphantom001\tx\nsub-phantom001\ty\n", "'sub-phantom001' is there twice"),
        ("participant_id\twhy\nphantom001\tx\n", "no column reason"),
        ("", "column"),
    ],
)
def test_a_mistake_stops_the_run_with_one_line(tmp_path, text, says):
    with pytest.raises(CohortError, match="^dataset.exclude: ") as caught:
        find_subjects("phantom", subjects=3, exclude=write(tmp_path, text))
    assert says in str(caught.value) and "\n" not in str(caught.value) and "excluded.tsv" in str(caught.value)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(tables.TableError, match="nowhere.tsv cannot be read"):
        read_exclusions(str(tmp_path / "nowhere.tsv"), {"a"})


def test_who_is_excluded_is_out_with_the_reason_and_nothing_of_the_others_changes(tmp_path):
    """Nothing is read: the simulated files are not even there."""
    before = find_subjects("phantom", subjects=3)
    after = find_subjects("phantom", subjects=3, exclude=write(tmp_path, "participant_id\treason\nphantom002\tcyst\n"))
    assert {name for name in before if before[name] != after[name]} == {"phantom002"}
    status, scans = validation.import_scans("phantom002", after["phantom002"], "phantom")
    (row,) = cohort_table.gather_cohort([status])
    assert (row["included"], row["reason"], scans) == (False, "excluded by hand: cyst", {})


def test_a_picture_is_left_out_too(tmp_path):
    from helpers.fake_images import make_head, save

    for number in range(3):
        save(tmp_path / f"set/glioma/p{number}.png", make_head(number))
    names = list(find_subjects("images", str(tmp_path / "set")))
    tables.write_table(tmp_path / "out.tsv", [{"participant_id": names[1], "reason": "a drawing"}])
    found = find_subjects("images", str(tmp_path / "set"), exclude=str(tmp_path / "out.tsv"))
    rows, _, record = reading.import_images(tmp_path / "slices", found, size=32)
    out = {row["participant_id"]: row["reason"] for row in rows if not row["included"]}
    assert out == {names[1]: "excluded by hand: a drawing"} and record["included"] == 2
