"""Rows of participants find their subjects, however they are written."""

import pytest

from neurograft.cohort import layouts
from neurograft.cohort.people import read_people
from neurograft.core.tables import TableError

NAMES = ["sub-01", "sub-02", "sub-Ab"]


ROWS = ("sub-01\tA\t5", "sub-01\tA\t6", "sub-09\tB\t1", "sub-02\tC\t2")


def write(root, *lines):
    (root / "participants.tsv").write_text("\n".join(lines) + "\n")
    return read_people(str(root), NAMES)


@pytest.mark.parametrize(
    "stated", ["sub-01", "1", "01", "SUB-01", ' "sub-01" ', "sub-01,", "sub01", "'01'", "Sub_01", "001"]
)
def test_every_spelling_of_a_number(tmp_path, stated):
    people = write(tmp_path, "participant_id\tsite", f"{stated}\tBern")
    assert people.of("sub-01") == {"site": "Bern"} and people.strangers == []


def test_other_case_columns_and_separators(tmp_path):
    people = write(tmp_path, '"Participant_ID","Site"', '"sub-ab","Bern, CH"')
    assert people.of("sub-Ab") == {"Site": "Bern, CH"}
    assert people.notes_of("sub-01") == [f"has no row in {tmp_path}/participants.tsv"]


def test_rows_of_nobody_and_two_rows(tmp_path):
    people = write(
        tmp_path, "participant_id\tsite\tage", "sub-01\tA\t5", "sub-01\tA\t6", "sub-09\tB\t1", "sub-02\tC\t2"
    )
    assert people.of("sub-01") == {"site": "A", "age": ""} and people.strangers == ["sub-09"]
    assert "age: its 2 rows" in people.notes_of("sub-01")[0] and people.notes_of("sub-02") == []


def test_a_number_that_two_rows_have_belongs_to_neither_but_by_its_name(tmp_path):
    people = write(tmp_path, "participant_id\tsite", "1\tA", "001\tB", "2\tC")
    assert people.of("sub-01") == {} and people.of("sub-02") == {"site": "C"} and people.strangers == ["1", "001"]
    people = write(tmp_path, "participant_id\tsite", "1\tA", "sub-01\tB")
    assert people.of("sub-01") == {"site": "B"} and people.strangers == ["1"]


def test_no_table_and_no_column_of_subjects(tmp_path):
    assert read_people(str(tmp_path), NAMES).notes_of("sub-01") == []
    with pytest.raises(TableError, match="name the one of the subjects participant_id"):
        write(tmp_path, "age\tsite", "4\tB")


def test_the_site_of_a_bids_subject(tmp_path):
    (tmp_path / "sub-01/anat").mkdir(parents=True)
    (tmp_path / "sub-01/anat/sub-01_T1w.nii.gz").touch()
    write(tmp_path, "participant_id\tsite\tage", "1\tBern\t50")
    (found,) = layouts.find_subjects("bids", str(tmp_path)).values()
    assert found["site"] == "Bern" and found["columns"] == {"age": "50"}
