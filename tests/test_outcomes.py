"""From a cell's files to scores and a delivered segmentation, with known truth."""

import nibabel as nib
import numpy as np
import pytest

from neurograft import images, outcomes, splits, tables

SHAPE = (24, 26, 22)
NATIVE = np.array([[-1.0, 0, 0, 20], [0, -1, 0, 22], [0, 0, 1.0, -9], [0, 0, 0, 1]])
TEMPLATE = np.array([[1.0, 0, 0, -6], [0, 1, 0, -6], [0, 0, 1, -12], [0, 0, 0, 1]])
GRID = {"shape": [32, 32, 32], "affine": TEMPLATE.tolist()}
# template world to reference world: the reference lies 2 mm to the right
RECORD = {"to_template": np.array([[1.0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "to_reference": {}}
RECORD["grid"] = GRID


@pytest.fixture
def case(tmp_path):
    """A subject whose prediction, on the template grid, is its true tumour moved by the registration."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[6:14, 8:16, 4:12] = 2
    truth[8:12, 10:14, 6:10] = 4
    labels = tmp_path / "labels é.nii.gz"
    nib.save(nib.Nifti1Image(truth, NATIVE), labels)
    canonical = nib.as_closest_canonical(nib.load(labels))
    moved = images.resample(canonical, GRID["shape"], TEMPLATE, RECORD["to_template"], order=0)
    moved = np.asanyarray(moved.dataobj)
    folder = tmp_path / "cell"
    folder.mkdir()
    packed = {"WT": moved > 0, "TC": moved == 4, "ET": moved == 4}
    packed = {name: (255 * mask).astype(np.uint8) for name, mask in packed.items()}
    np.savez_compressed(folder / "sub-X.npz", **packed, box=[[0, n] for n in GRID["shape"]])
    cell = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "all", "fold": 0, "seed": 0}
    cell |= {"space": "MNI152", "split": "folds"}
    images.write_json(folder / "manifest.json", cell | {"trained": True, "test": ["X"], "converged": True})
    tables.write_table(folder / "history.tsv", [{"step": 1, "loss": 0.5, "train_dice": 0.9}])
    tables.write_table(folder / "seconds.tsv", [{"step": 1, "seconds": 2.0}])
    file = {"file": str(labels), "shape": list(SHAPE), "affine": NATIVE.tolist()}
    found = file | {"values": [2, 4], "grid_of": "t1c", "scheme": "brats2018"}
    status = {"subject": "X", "scheme": "brats2018", "reference": "t1c", "sequences": {"t1c": file}, "labels": found}
    row = {
        "participant_id": "X",
        "included": "true",
        "labels": "true",
        "scheme": "brats2018",
        "sequences": "t1c",
        "site": "",
    }
    split = splits.split_cohort([row], folds=2)
    return folder, split, status, truth


def write_records(folder, status):
    """Write the two records that scoring reads of a subject; say where they are."""
    files = {"status": folder / "status.json", "registered": folder / "register_scans.json"}
    images.write_json(files["status"], status)
    images.write_json(files["registered"], RECORD)
    return {"X": files}


def test_a_perfect_prediction_scores_one_on_the_native_grid(case):
    folder, split, status, _ = case
    scores = outcomes.score_cell(folder, split, write_records(folder, status))
    dice = {row["region"]: row["value"] for row in scores if row["metric"] == "dice"}
    assert dice == {"WT": 1.0, "TC": 1.0, "ET": 1.0}


def test_comparison_tables_of_one_cell(case):
    folder, split, status, _ = case
    scores = outcomes.score_cell(folder, split, write_records(folder, status))
    all_scores, comparison, again, times = outcomes.compare_cells([folder], scores, split)
    assert all_scores == scores
    assert comparison == []
    assert times[0]["steps"] == 1


def test_an_untrained_cell_has_no_scores(tmp_path):
    images.write_json(tmp_path / "manifest.json", {"task": "segmentation", "trained": False, "reason": "too few"})
    assert outcomes.score_cell(tmp_path, {}, {}) == []
