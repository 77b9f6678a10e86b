"""Facts that come with files made during the run."""

import json

from neurograft.late_facts import join_late_facts


def test_of_a_conversion_the_files_that_came_to_be_and_what_was_said(tmp_path):
    (tmp_path / "t2.nii.gz").touch()
    (tmp_path / "conversion.json").write_text(json.dumps({"problems": ["bad"], "notes": ["new"]}))
    files = {kind: str(tmp_path / f"{kind}.nii.gz") for kind in ("t1", "t2")} | {"labels": str(tmp_path / "t2.nii.gz")}
    found = {"files": files, "problems": [], "notes": ["old"], "columns": {}}
    joined = join_late_facts(found, "dicom")
    assert list(joined["files"]) == ["t2", "labels"]
    assert (joined["problems"], joined["notes"]) == (["bad"], ["old", "new"])
    assert found["notes"] == ["old"]


def test_of_a_simulated_subject_its_columns(tmp_path):
    (tmp_path / "participant.json").write_text('{"age": "61"}')
    found = {"files": {"t1": str(tmp_path / "t1.nii.gz")}, "columns": {"site": "a"}}
    assert join_late_facts(found, "phantom")["columns"] == {"site": "a", "age": "61"}


def test_other_layouts_have_said_everything():
    assert join_late_facts({"files": {}}, "bids") == {"files": {}}
