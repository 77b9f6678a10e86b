"""Whose a mask is, and in which fold it was made."""

import json

import pytest

from neurograft.exchange.prediction_files import (
    MaskFile,
    PredictionError,
    check_folds,
    digest_folds,
    list_inputs,
    list_masks,
    match_masks,
    read_folds_hash,
)

FOLDS = [
    {"train": ["b", "c"], "test": ["a"]},
    {"train": ["a", "c"], "test": ["b"]},
    {"train": ["a", "b"], "test": ["c"]},
]


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_flat_folder(tmp_path):
    touch(tmp_path, "b.nii.gz", "a.nii", "a.npz", "notes.txt", "inner/c.nii.gz")
    assert [(mask.stem, mask.fold) for mask in list_masks(tmp_path)] == [("a", None), ("b", None)]
    assert list_masks(tmp_path / "nowhere") == []


def test_folders_of_folds_as_nnunet_writes_them(tmp_path):
    touch(tmp_path, "fold_0/validation/a.nii.gz", "fold_0/validation/summary.json", "fold_1/b.nii.gz")
    touch(tmp_path, "fold_0/other.nii.gz", "fold_all/validation/c.nii.gz", "c.nii.gz")
    assert {(mask.stem, mask.fold) for mask in list_masks(tmp_path)} == {("a", 0), ("b", 1)}


def test_what_a_job_reads_is_what_its_rule_names(tmp_path):
    touch(tmp_path, "a.nii.gz", "dataset.json", "neurograft_folds.json", "plans.json")
    names = {path.rsplit("/", 1)[1] for path in list_inputs(tmp_path)}
    assert names == {"a.nii.gz", "dataset.json", "neurograft_folds.json"}
    assert list_inputs(tmp_path / "nowhere") == [str(tmp_path / "nowhere")], "so that it is missed from the start"


@pytest.mark.parametrize("stem", ["p1", "sub-p1", "sub-p1_dseg", "sub-p1_ses-2_desc-x_dseg", "Case_1", "sub-p1.final"])
def test_names_of_a_subject(stem):
    owned = match_masks([MaskFile("x", stem)], {"p1": "Case_1", "p10": "Case_10"})
    assert list(owned) == ["p1"]


@pytest.mark.parametrize("stem", ["p2", "sub-p2", "p1_dseg", "sub-p11", "sub-p", "Case_1_2", "sub-Case_1", ""])
def test_names_of_nobody(stem):
    assert match_masks([MaskFile("x", stem)], {"p1": "Case_1"}) == {}


def test_a_training_patients_mask_is_refused():
    check_folds({"a": [MaskFile("fold_0/a", "a", 0)], "b": [MaskFile("b", "b")]}, FOLDS)
    with pytest.raises(PredictionError, match=r"fold_1/a is the mask of a training patient: fold 1 trains on a;"):
        check_folds({"a": [MaskFile("fold_0/a", "a", 0), MaskFile("fold_1/a", "a", 1)]}, FOLDS)
    with pytest.raises(PredictionError, match="of fold 3, and there are 3 folds"):
        check_folds({"a": [MaskFile("x", "a", 3)]}, FOLDS)


def test_the_hash_is_of_who_is_in_which_fold_alone():
    turned = [{"test": fold["test"], "train": fold["train"][::-1], "name": "x"} for fold in FOLDS]
    assert digest_folds(turned) == digest_folds(FOLDS)
    assert digest_folds(FOLDS[::-1]) != digest_folds(FOLDS)
    assert digest_folds(FOLDS[:2]) != digest_folds(FOLDS)


def test_folds_are_told_by_the_exports_file_or_nnunets_copy_of_the_dataset(tmp_path):
    assert read_folds_hash(tmp_path) == read_folds_hash(tmp_path / "nowhere") == ""
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {}}))
    assert read_folds_hash(tmp_path) == "", "another's data set"
    (tmp_path / "dataset.json").write_text(json.dumps({"neurograft_folds": "abc"}))
    assert read_folds_hash(tmp_path) == "abc"
    (tmp_path / "neurograft_folds.json").write_text(json.dumps({"hash": "def"}))
    assert read_folds_hash(tmp_path) == "def"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", "\0"])
def test_a_broken_file_of_folds_is_refused(tmp_path, text):
    (tmp_path / "neurograft_folds.json").write_text(text)
    with pytest.raises(PredictionError, match=r"neurograft_folds\.json cannot be read; copy it again"):
        read_folds_hash(tmp_path)
