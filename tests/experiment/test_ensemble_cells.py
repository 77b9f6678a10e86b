"""An ensemble is the mean of its members, patient by patient, and refuses members that do not belong together."""

import json

import numpy as np
import pytest

from neurograft.core import tables
from neurograft.experiment import cell_folder
from neurograft.experiment.ensemble_cells import average_predictions

BOX = np.array([[0, 4], [1, 4], [2, 4]])
CELL = {"task": "segmentation", "source": "s", "strategy": "ensemble", "space": "A", "split": "folds"}
CELL |= {"n": "all", "fold": "1", "seed": "0"}


def member(folder, strategy, value, **differs):
    """A cell's folder: every voxel of every patient has one probability."""
    manifest = {**CELL, "strategy": strategy, "trained": True, "reason": "", "converged": True, "splits": "h"}
    manifest |= {"subjects": 2, "train": ["a", "b"], "test": ["c"], "unlabelled": ["u", "v"], "outputs": ["WT"]}
    manifest |= {"pretrained_on": []} | differs
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    tables.write_table(folder / "seconds.tsv", [{"step": n, "seconds": 1.5 * n} for n in (1, 2)])
    for subject in manifest["test"] + manifest["unlabelled"]:
        np.savez_compressed(folder / f"sub-{subject}.npz", WT=np.full((4, 3, 2), value, np.uint8), box=BOX)
    return folder


def test_the_mean_of_the_probabilities(tmp_path):
    folders = [member(tmp_path / name, name, value) for name, value in (("x", 10), ("y", 20), ("z", 40))]
    manifest = average_predictions(tmp_path / "out", CELL, folders)
    for subject in ("c", "u", "v"):
        with np.load(tmp_path / f"out/sub-{subject}.npz") as packed:
            assert set(packed) == {"WT", "box"} and np.array_equal(packed["box"], BOX)
            assert packed["WT"].dtype == np.uint8 and (packed["WT"] == 23).all()
    assert [one["strategy"] for one in manifest["members"]] == ["x", "y", "z"]


def test_the_folder_is_read_as_any_other_cell(tmp_path):
    folders = [member(tmp_path / name, name, 9, converged=name == "x") for name in "xy"]
    average_predictions(tmp_path / "out", CELL, folders)
    found = cell_folder.read_cell(tmp_path / "out")
    assert (found["trained"], found["test"], found["fold"], found["history"]) == (True, ["c"], 1, [])
    assert found["converged"] is False, "one member's loss still fell"
    (row,) = tables.read_table(tmp_path / "out/seconds.tsv")
    assert float(row["seconds"]) == 6.0


def test_who_is_unlabelled_is_predicted_by_all_members(tmp_path):
    folders = [member(tmp_path / "x", "x", 9), member(tmp_path / "y", "y", 9, unlabelled=["v"])]
    assert average_predictions(tmp_path / "out", CELL, folders)["unlabelled"] == ["v"]
    assert {path.name for path in (tmp_path / "out").glob("*.npz")} == {"sub-c.npz", "sub-v.npz"}


def test_whose_scans_any_source_was_trained_on_is_kept(tmp_path):
    folders = [member(tmp_path / "x", "x", 9, pretrained_on=["u"]), member(tmp_path / "y", "y", 9)]
    assert average_predictions(tmp_path / "out", CELL, folders)["pretrained_on"] == ["u"]


def test_an_untrained_member_says_why_there_is_no_ensemble(tmp_path):
    folders = [member(tmp_path / "x", "x", 9), member(tmp_path / "y", "y", 9, trained=False, reason="too few")]
    manifest = average_predictions(tmp_path / "out", CELL, folders)
    assert (manifest["trained"], manifest["reason"]) == (False, "y: too few")
    assert not list((tmp_path / "out").glob("*.npz"))


@pytest.mark.parametrize("differs", [{"train": ["a", "c"]}, {"test": ["b"]}, {"splits": "other"}, {"outputs": ["TC"]}])
def test_members_of_other_patients_or_regions_are_refused(tmp_path, differs):
    folders = [member(tmp_path / "x", "x", 9), member(tmp_path / "y", "y", 9, **differs)]
    with pytest.raises(ValueError, match=next(iter(differs))):
        average_predictions(tmp_path / "out", CELL, folders)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("broken", [{"box": BOX + 1}, {"WT": np.zeros((4, 3, 3), np.uint8)}, {"ET": np.zeros(1)}])
def test_predictions_on_another_grid_are_refused(tmp_path, broken):
    folders = [member(tmp_path / name, name, 9) for name in "xy"]
    with np.load(folders[1] / "sub-c.npz") as packed:
        arrays = dict(packed)
    np.savez_compressed(folders[1] / "sub-c.npz", **arrays | broken)
    with pytest.raises(ValueError, match="sub-c"):
        average_predictions(tmp_path / "out", CELL, folders)
