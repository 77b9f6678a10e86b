"""A cell of classified supervoxels, from files to files, on the cohort of small slices."""

import json

import nibabel as nib
import numpy as np
import pytest

from helpers.fake_cells import cell, freeze, read_tsv
from neurograft.candidates.supervoxel_files import write_supervoxels
from neurograft.candidates.supervoxels import measure_supervoxels
from neurograft.core.sequences import SEQUENCES
from neurograft.experiment import cell_folder
from neurograft.experiment.supervoxel_cells import SupervoxelInputs, classify_supervoxels
from neurograft.imaging import packing

PLAIN = {"strategy": "supervoxels-plain", "fold": 0}


@pytest.fixture(scope="module")
def cut(cell_cohort, tmp_path_factory):
    """Supervoxels of 4 x 3 x 2 voxels of every subject."""
    root, found = tmp_path_factory.mktemp("cut"), {}
    grid = np.indices((40, 33, 8)) // np.array([4, 3, 2])[:, None, None, None]
    segments = np.ravel_multi_index(tuple(grid), (10, 11, 4)) + 1
    for subject, folder in cell_cohort[0].items():
        stack = packing.PackedArray(folder / "images.zlib")[:].astype(float).transpose(1, 2, 3, 0)
        channels = dict(zip(SEQUENCES, stack, strict=True))
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        features, _, mirror = measure_supervoxels(channels, segments, segments > 0, affine)
        drawn = folder / "labels.zlib"
        labels = nib.Nifti1Image(packing.PackedArray(drawn)[:].transpose(1, 2, 0), affine) if drawn.exists() else None
        found[subject] = root / f"sub-{subject}/space-A/supervoxels"
        found[subject].parent.mkdir(parents=True)
        write_supervoxels(found[subject], segments, features, mirror, labels)
    return found


@pytest.fixture(scope="module")
def classified(cell_cohort, cut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells") / "plain"
    classify_supervoxels(folder, cell_cohort[1], cell(**PLAIN), SupervoxelInputs(cell_cohort[0], cut))
    return folder


def flip_truth(cut, folder):
    """Give the supervoxels with those of p0 labelled in the wrong order."""
    moved = cut | {"p0": folder / "sub-p0/space-A/supervoxels"}
    moved["p0"].mkdir(parents=True)
    for file in cut["p0"].iterdir():
        (moved["p0"] / file.name).write_bytes(file.read_bytes())
    np.save(moved["p0"] / "shares.npy", np.load(moved["p0"] / "shares.npy")[::-1])
    return moved


def test_the_tumour_of_an_unseen_patient_is_found(cell_cohort, classified):
    slices, _ = cell_cohort
    with np.load(classified / "sub-p0.npz") as packed:
        predicted, box = packed["WT"] > 127, packed["box"].tolist()
    truth = packing.PackedArray(slices["p0"] / "labels.zlib")[:].transpose(1, 2, 0) > 0
    assert 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()) > 0.85
    assert box == json.loads((slices["p0"] / "index.json").read_text())["box"]


def test_the_folder_is_read_as_any_other_cell(classified):
    found = cell_folder.read_cell(classified)
    assert (found["trained"], found["converged"], found["test"], found["history"]) == (True, True, ["p0"], [])
    assert found["train"] == ["p1", "p2", "p3", "p4"] and found["features"] == "none"
    assert "z_flair" in found["columns"] and "x_mm" not in found["columns"]
    (row,) = read_tsv(classified / "seconds.tsv")
    assert float(row["seconds"]) > 0


def test_candidates_of_the_test_patient_are_judged(classified):
    (row,) = read_tsv(classified / "candidates.tsv")
    assert row["subject"] == "p0" and int(row["first_hit"]) == 1
    assert 0.3 < float(row["recall_1"]) <= float(row["recall_20"]) <= 1
    assert 0.1 < float(row["precision_20"]) <= 1


def test_the_manifest_tells_how_far_the_list_goes(classified):
    found = cell_folder.read_cell(classified)
    assert found["levels"][:2] == [0.5, 0.25] and found["recall_by_level"]


def test_same_cell_same_bytes(cell_cohort, cut, classified, tmp_path):
    classify_supervoxels(tmp_path / "again", cell_cohort[1], cell(**PLAIN), SupervoxelInputs(cell_cohort[0], cut))
    for name in ("manifest.json", "candidates.tsv", "sub-p0.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (classified / name).read_bytes(), name


def test_labels_of_the_test_patient_change_no_prediction(cell_cohort, cut, classified, tmp_path):
    """The truth of the one who is predicted may judge, and nothing else."""
    moved = flip_truth(cut, tmp_path)
    classify_supervoxels(tmp_path / "other", cell_cohort[1], cell(**PLAIN), SupervoxelInputs(cell_cohort[0], moved))
    found, other = (cell_folder.read_cell(folder) for folder in (classified, tmp_path / "other"))
    assert other["levels"] == found["levels"] and other["recall_by_level"] == found["recall_by_level"]
    assert (tmp_path / "other/sub-p0.npz").read_bytes() == (classified / "sub-p0.npz").read_bytes()


def test_too_few_patients_of_a_site_change_nothing(cell_cohort, cut, classified, tmp_path):
    sites = dict.fromkeys(cell_cohort[0], "A") | {"p1": "B", "p2": ""}
    inputs = SupervoxelInputs(cell_cohort[0], cut, sites=sites)
    made = classify_supervoxels(tmp_path / "cell", cell_cohort[1], cell(**PLAIN), inputs)
    assert made["harmonised_sites"] == []
    assert (tmp_path / "cell/sub-p0.npz").read_bytes() == (classified / "sub-p0.npz").read_bytes()


@pytest.mark.parametrize("reason", ["", "the source has no weights: gone"])
def test_features_of_a_source_are_taken_where_there_are_any(cell_cohort, cut, tmp_path, reason):
    (tmp_path / "source.json").write_text(json.dumps({"reason": reason}))
    for subject in cell_cohort[0]:
        np.save(tmp_path / f"sub-{subject}.npy", np.random.default_rng(0).normal(size=(440, 30)).astype(np.float16))
    asked, inputs = cell(strategy="supervoxels", fold=0), SupervoxelInputs(cell_cohort[0], cut, "source", tmp_path)
    made = classify_supervoxels(tmp_path / "cell", cell_cohort[1], asked, inputs)
    assert made["features"] == "source"
    assert (made["trained"], made["reason"]) == (not reason, reason)
    assert (tmp_path / "cell/sub-p0.npz").exists() == (not reason)


def test_what_the_split_refuses_is_not_trained(cell_cohort, cut, tmp_path):
    made = classify_supervoxels(
        tmp_path / "cell", cell_cohort[1], cell(**PLAIN, n="9"), SupervoxelInputs(cell_cohort[0], cut)
    )
    assert not made["trained"] and "n is 9" in made["reason"]


def test_a_patient_in_two_roles_stops_it(cell_cohort, cut, tmp_path):
    slices, split = cell_cohort
    task = split["tasks"]["segmentation"]
    owners = {"tasks": {"segmentation": task | {"patients": task["patients"] | {"p1": "p0"}}}}
    with pytest.raises(ValueError, match="p"):
        classify_supervoxels(tmp_path / "cell", freeze(split | owners), cell(**PLAIN), SupervoxelInputs(slices, cut))
    assert not (tmp_path / "cell").exists()


def test_unlabelled_patients_are_predicted_where_asked_for(cell_cohort, cut, classified, tmp_path):
    inputs = SupervoxelInputs(cell_cohort[0], cut)
    made = classify_supervoxels(tmp_path / "cell", cell_cohort[1], cell(**PLAIN), inputs, predict_unlabelled=True)
    assert made["unlabelled"] == ["u0"] and not (classified / "sub-u0.npz").exists()
    with np.load(tmp_path / "cell/sub-u0.npz") as packed:
        assert packed["WT"].max() > 127
    assert [row["subject"] for row in read_tsv(tmp_path / "cell/candidates.tsv")] == ["p0"]
    assert (tmp_path / "cell/sub-p0.npz").read_bytes() == (classified / "sub-p0.npz").read_bytes()
