"""Whom two cohorts share is found, by image and by the names of releases, and left out."""

from pathlib import Path

import pytest

from helpers.fake_heads import COPIES, make_head
from neurograft.guard import source_patients
from neurograft.guard.cohort_prints import ScanReader
from neurograft.imaging.nifti import write_scans

CONFIG = Path(__file__).parents[2] / "config"


def make_side(folder, heads, sequence="t1", **columns):
    """One cohort of heads by subject; the columns are dicts by subject."""
    for subject, head in heads.items():
        write_scans(folder / subject, {sequence: head})
    rows = [
        {
            "participant_id": subject,
            "included": "true",
            "labels": "true",
            "reason": "",
            "name": f"{folder.name} {subject}",
        }
        | {column: values[subject] for column, values in columns.items() if subject in values}
        for subject in heads
    ]
    reader = ScanReader({subject: str(folder / subject) for subject in heads})
    return source_patients.Side(rows, {}, reader, folder / "prints")


def compare(source, own):
    rows, record = source_patients.compare_cohorts("near", source, own, CONFIG)
    return {row["participant_id"]: row for row in rows}, record


def included(rows):
    return [subject for subject, row in rows.items() if str(row["included"]).lower() == "true"]


@pytest.mark.parametrize("kind", ["moved", "saved"])
def test_a_patient_of_both_is_left_out_though_others_have_the_same_name(tmp_path, kind):
    source = make_side(tmp_path / "near", {"01": make_head(1), "02": make_head(2), "03": make_head(3)})
    own = make_side(tmp_path / "mine", {"01": make_head(4), "02": COPIES[kind](make_head(1))})
    rows, record = compare(source, own)
    assert included(rows) == ["02", "03"]
    assert rows["01"]["reason"].startswith("the same person as mine 02 of this cohort (by image, likeness ")
    (shared,) = record["shared"]
    assert (shared["subject"], shared["own"], shared["by"]) == ("01", "02", "image") and shared["likeness"] > 0.8
    assert (record["subjects"], record["own"], record["learnt_from"], record["not_compared"]) == (3, 2, 2, 0)
    # what was given is as it was
    assert [row["included"] for row in source.rows] == ["true"] * 3


def test_a_person_of_two_releases_is_known_by_name(tmp_path):
    names = {"a": "TCGA_DU_A5TR_19970726", "b": "TCGA_HT_7884_19980913"}
    source = make_side(tmp_path / "near", {"a": make_head(1), "b": make_head(2)}, name=names)
    own = make_side(tmp_path / "mine", {"x": make_head(3)}, name={"x": "Brats18_TCIA10_628_1"})
    rows, record = compare(source, own)
    assert included(rows) == ["b"] and "as the same patient of public releases" in rows["a"]["reason"]
    assert record["shared"][0]["own_name"] == "Brats18_TCIA10_628_1" and record["releases"] == ["TCGA-LGG"]


def test_all_scans_of_a_shared_patient_are_left_out_and_whoever_has_no_labels(tmp_path):
    heads = {"a1": make_head(1), "a2": make_head(2), "b": make_head(3), "c": make_head(5)}
    source = make_side(tmp_path / "near", heads, patient={"a1": "A", "a2": "A"}, labels={"c": "false"})
    rows, record = compare(source, make_side(tmp_path / "mine", {"x": make_head(1)}))
    assert included(rows) == ["b"] and record["subjects"] == 3
    assert rows["a2"]["reason"] == "another scan of this patient shows a patient of this cohort"
    assert rows["c"]["reason"].startswith("has no labels")
    assert [one["by"] for one in record["shared"]] == ["image", "another scan of this patient"]


def test_excluded_subjects_are_no_part_of_the_comparison(tmp_path):
    own = make_side(tmp_path / "mine", {"x": make_head(1)}, included={"x": "false"})
    source = make_side(tmp_path / "near", {"a": make_head(1)}, included={"a": "false"}, reason={"a": "no scan"})
    rows, record = compare(source, own)
    assert record["subjects"] == record["own"] == 0 and rows["a"]["reason"] == "no scan"
    rows, _ = compare(make_side(tmp_path / "other", {"a": make_head(1)}), own)
    assert included(rows) == ["a"]


def test_who_has_no_sequence_in_common_is_counted_as_not_compared(tmp_path):
    source = make_side(tmp_path / "near", {"a": make_head(1)}, sequence="t2")
    rows, record = compare(source, make_side(tmp_path / "mine", {"x": make_head(2)}, sequence="t1"))
    assert record["not_compared"] == 1 and included(rows) == ["a"]
    # a name of the user's own says nothing of what it shows
    source = make_side(tmp_path / "own names", {"a": make_head(1)}, sequence="mri")
    rows, record = compare(source, make_side(tmp_path / "copy", {"x": COPIES["moved"](make_head(1))}, sequence="t1"))
    assert record["not_compared"] == 0 and included(rows) == []
