"""The delivered segmentation of one subject, from cells' files."""

import nibabel as nib
import numpy as np
import pytest

from helpers.fake_registration import NATIVE, RECORD
from neurograft.core import files, tables
from neurograft.delivery import segmentation


def test_delivery_gives_the_datasets_values_on_the_datasets_grid(registered_case, tmp_path):
    folder, split, status, truth = registered_case
    stem = str(tmp_path / "derivatives" / "sub-X")
    record = segmentation.deliver_subject(stem, "X", [folder], split, status, RECORD)
    found = nib.load(f"{stem}_dseg.nii.gz")
    assert np.array_equal(np.asanyarray(found.dataobj), truth)
    assert np.allclose(found.affine, NATIVE)
    assert record["delivered"]
    assert record["volume_ml"]["ET"] == pytest.approx(0.064)
    assert [row["index"] for row in tables.read_table(f"{stem}_dseg.tsv")] == ["0", "1", "2", "4"]


def test_a_missing_sequence_is_named_beside_what_was_delivered(registered_case, tmp_path):
    folder, split, status, _ = registered_case
    stem = str(tmp_path / "sub-X")
    whole = segmentation.deliver_subject(stem, "X", [folder], split, status, RECORD)
    assert "missing" not in whole and "MissingSequences" not in files.read_json(f"{stem}_dseg.json")
    split["tasks"]["segmentation"]["incomplete"] = {"X": ["t2"]}
    record = segmentation.deliver_subject(stem, "X", [folder], split, status, RECORD)
    assert record["missing"] == files.read_json(f"{stem}_dseg.json")["MissingSequences"] == ["t2"]


def test_without_a_prediction_nothing_is_delivered_and_the_reason_is_said(registered_case, tmp_path):
    folder, split, status, _ = registered_case
    stem = str(tmp_path / "derivatives" / "sub-X")
    segmentation.deliver_subject(stem, "X", [folder], split, status, RECORD)
    record = segmentation.deliver_subject(stem, "X", [], split, status, RECORD)
    assert not record["delivered"]
    assert record["reason"] == split["tasks"]["segmentation"]["reason"] != ""
    assert not list((tmp_path / "derivatives").iterdir())


def test_a_subject_of_the_pretraining_is_marked(registered_case, tmp_path):
    folder, split, status, _ = registered_case
    stem, manifest = str(tmp_path / "derivatives" / "sub-X"), files.read_json(folder / "manifest.json")
    for seen in ([], ["Y"], ["Y", "X"]):
        files.write_json(folder / "manifest.json", manifest | {"pretrained_on": seen})
        record = segmentation.deliver_subject(stem, "X", [folder], split, status, RECORD)
        assert record["delivered"] and record["seen_in_pretraining"] == ("X" in seen)


def test_a_source_that_could_not_be_made_is_the_reason(registered_case, tmp_path):
    folder, split, status, _ = registered_case
    (folder / "sub-X.npz").unlink()
    files.write_json(folder / "manifest.json", {"trained": False, "reason": "nobody to learn from"})
    split["tasks"]["segmentation"]["reason"] = ""
    record = segmentation.deliver_subject(str(tmp_path / "sub-X"), "X", [folder, folder], split, status, RECORD)
    assert not record["delivered"] and record["reason"] == "nobody to learn from"
