"""The cohort as nnU-Net, MONAI and a table hold it: the folds of the split, the labels counted from 1."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from helpers.fake_masks import CELL, NAMES, make_split, make_truth, write_mask, write_statuses
from helpers.fake_registration import NATIVE, SHAPE
from neurograft.core.labels import region_masks
from neurograft.exchange.prediction_files import digest_folds, read_folds_hash
from neurograft.exchange.predictions import import_predictions
from neurograft.exchange.training_sets import gather_exported
from neurograft.experiment import cell_folder

SPLIT = make_split()
TASK = SPLIT["tasks"]["segmentation"]
RAW = "nnUNet_raw/Dataset501_neurograft"


@pytest.fixture
def exported(tmp_path):
    """What `export_scans` wrote of everybody; p2 lacks T2."""
    places = {}
    for number, subject in enumerate(NAMES):
        places[subject] = tmp_path / subject / "exported"
        write_mask(places[subject] / "labels.nii.gz", make_truth(number))
        for channel, sequence in enumerate(("t1", "t1c", "t2", "flair")):
            if (subject, sequence) != ("p2", "t2"):
                write_mask(places[subject] / f"{sequence}.nii.gz", np.full(SHAPE, 10 * number + channel, np.int16))
    return places


def read(path):
    return np.asanyarray(nib.load(path).dataobj)


def test_nnunets_raw_data_set(tmp_path, exported):
    gather_exported(tmp_path / "out", SPLIT, exported)
    raw = tmp_path / "out" / RAW
    described = json.loads((raw / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "t1c", "1": "t2", "2": "flair"} and described["numTraining"] == 4
    assert described["labels"] == {"background": 0, "necrosis": 1, "oedema": 2, "enhancing": 3}
    assert described["file_ending"] == ".nii.gz"
    names = {path.name for path in (raw / "imagesTr").iterdir()}
    assert names == {f"{subject}_{channel:04d}.nii.gz" for subject in NAMES for channel in range(3)}
    assert read(raw / "imagesTr/p3_0002.nii.gz").max() == 33 and not read(raw / "imagesTr/p2_0001.nii.gz").any()
    for number, subject in enumerate(NAMES):
        labels = nib.load(raw / f"labelsTr/{subject}.nii.gz")
        expected = np.where(make_truth(number) == 4, 3, make_truth(number))
        assert np.array_equal(np.asanyarray(labels.dataobj), expected) and np.allclose(labels.affine, NATIVE)
    for path in raw.glob("images*/*.nii.gz"):
        assert np.allclose(nib.load(path).affine, NATIVE) and nib.load(path).shape == SHAPE


def test_the_folds_are_those_of_the_split_in_every_format(tmp_path, exported):
    gather_exported(tmp_path / "out", SPLIT, exported)
    dealt = json.loads((tmp_path / "out" / RAW / "splits_final.json").read_text())
    assert dealt == [{"train": fold["train"], "val": fold["test"]} for fold in TASK["folds"]]
    tested = {subject: number for number, fold in enumerate(TASK["folds"]) for subject in fold["test"]}
    listed = json.loads((tmp_path / "out/monai_datalist.json").read_text())["training"]
    for row in listed:
        paths = [*row["image"], row["label"]]
        assert len(paths) == 4 and all((tmp_path / "out" / path).is_file() for path in paths)
        assert row["fold"] == tested[row["label"].rsplit("/", 1)[1].removesuffix(".nii.gz")]
    with open(tmp_path / "out/folds.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["subject", "patient", "fold", "t1c", "t2", "flair", "labels"]
    assert {row["subject"]: int(row["fold"]) for row in rows} == tested
    assert [[row["t1c"], row["t2"], row["flair"]] for row in rows] == [row["image"] for row in listed]


def test_the_folds_are_told_to_whoever_reads_the_export_or_nnunets_copy(tmp_path, exported):
    gather_exported(tmp_path / "out", SPLIT, exported, 7, "Mine")
    expected = digest_folds(TASK["folds"])
    assert read_folds_hash(tmp_path / "out") == expected
    assert read_folds_hash(tmp_path / "out/nnUNet_raw/Dataset007_Mine") == expected
    told = (tmp_path / "out/README.txt").read_text()
    assert "nnUNetv2_train 7 " in told and "Dataset007_Mine/splits_final.json" in told and "3 enhancing" in told
    assert "{" not in told and max(map(len, told.splitlines())) < 125


@pytest.mark.parametrize("scheme", ["brats2018", "core=1,rim=2,shell=4"])
def test_out_and_back_is_the_same(tmp_path, exported, scheme):
    """Whoever predicts the exported labels has predicted the dataset's."""
    split = make_split(scheme=scheme)
    gather_exported(tmp_path / "out", split, exported)
    raw = tmp_path / "out" / RAW
    given = {"predictions": str(raw / "labelsTr")}
    import_predictions(tmp_path / "cell", split, CELL, given, write_statuses(tmp_path))
    for subject in TASK["folds"][0]["test"]:
        truth = region_masks(make_truth(list(NAMES).index(subject)), scheme)
        packed = cell_folder.read_packed(tmp_path / "cell", subject)
        box = tuple(slice(*ends) for ends in packed["box"])
        for region, mask in truth.items():
            assert np.array_equal(packed[region] > 0, mask[box]) and mask.sum() == mask[box].sum()


def test_a_cohort_without_folds_says_why(tmp_path, exported):
    few = make_split(folds=9)
    with pytest.raises(ValueError, match="there are no folds to export: 4 usable labelled patients"):
        gather_exported(tmp_path / "out", few, exported)
    assert not (tmp_path / "out").exists()


def test_repeats_are_exported_in_a_row_and_the_list_knows_the_first(tmp_path, exported):
    split = make_split(repeats=2)
    folds = split["tasks"]["segmentation"]["folds"]
    gather_exported(tmp_path / "out", split, exported)
    dealt = json.loads((tmp_path / "out" / RAW / "splits_final.json").read_text())
    assert [fold["val"] for fold in dealt] == [fold["test"] for fold in folds] and len(dealt) == 4
    with open(tmp_path / "out/folds.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        assert row["subject"] in folds[int(row["fold"])]["test"] and int(row["fold"]) < 2
        assert row["subject"] in folds[int(row["fold_repeat_2"])]["test"] and int(row["fold_repeat_2"]) >= 2
    listed = json.loads((tmp_path / "out/monai_datalist.json").read_text())["training"]
    assert {row["fold"] for row in listed} == {0, 1}
    assert "divided 2 times anew" in (tmp_path / "out/README.txt").read_text()
