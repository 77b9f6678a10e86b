"""What a mask shows of itself: by the book for simple shapes, and the same for labelled and unlabelled patients."""

import json

import numpy as np
import pytest

from helpers.fake_cells import write_slices
from neurograft.delivery import mask_features

SPACING = (2.0, 2.0, 2.0)
CELL = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "space": "A", "split": "folds"}
CELL |= {"n": "all", "seed": 0, "trained": True}


def cube(value=255, size=4):
    chances = np.zeros((12, 12, 12), np.uint8)
    chances[2 : 2 + size, 2 : 2 + size, 2 : 2 + size] = value
    return chances


def test_a_cube_by_the_book():
    found = mask_features.measure_mask(cube(204), SPACING)
    assert found["volume"] == pytest.approx(np.log1p(64 * 8 / 1000))
    assert found["confidence"] == pytest.approx(0.8)
    assert found["stability"] == found["largest"] == 1
    assert found["roughness"] == pytest.approx(np.log(6)), "of a cube the surface is 6 volume^(2/3)"
    assert np.isnan(found["agreement"])


def test_a_border_that_moves_with_the_threshold_is_less_stable():
    chances = cube(100, size=6)
    chances[3:6, 3:6, 3:6] = 255
    found = mask_features.measure_mask(chances, SPACING)
    assert found["stability"] == pytest.approx(2 * 27 / (27 + 216))


def test_a_second_piece_a_rough_border_and_thick_slices():
    chances = cube()
    chances[10, 10, 10] = 255
    found, smooth = (mask_features.measure_mask(each, SPACING) for each in (chances, cube()))
    assert found["largest"] == pytest.approx(64 / 65) and found["roughness"] > smooth["roughness"]
    # four slices of 8 mm: a bar of 8 x 8 x 32 mm
    assert mask_features.measure_mask(cube(), (2, 2, 8))["roughness"] == pytest.approx(
        np.log((2 * 64 + 4 * 8 * 32) / 2048 ** (2 / 3))
    )


def test_contrast_is_that_of_the_sequences_that_are_there():
    images = np.zeros((3, 12, 12, 12), np.float16)
    images[:2, :9, :9, :9] = 1  # the brain; the third sequence is missing
    images[0][cube() > 0] = 4
    assert mask_features.measure_mask(cube(), SPACING, images)["contrast"] == pytest.approx(1.5)
    everywhere = np.full((12, 12, 12), 255, np.uint8)
    assert mask_features.measure_mask(everywhere, SPACING, images)["contrast"] == 0, "nothing around it"


def test_an_empty_mask_has_numbers_too():
    found = mask_features.measure_mask(cube(60), SPACING, np.ones((1, 12, 12, 12)), [np.zeros((12, 12, 12), np.uint8)])
    assert found["confidence"] == pytest.approx(60 / 255) and found["stability"] == found["agreement"] == 1
    assert found["volume"] == found["largest"] == found["roughness"] == found["contrast"] == 0


def test_agreement_is_the_mean_dice_with_the_peers():
    shifted = np.roll(cube(), 2, axis=0)
    found = mask_features.measure_mask(cube(), SPACING, peers=[cube(), shifted, np.zeros_like(shifted)])
    assert found["agreement"] == pytest.approx((1 + 0.5 + 0) / 3)


def test_a_label_with_a_missing_part_and_one_elsewhere():
    chances, label = cube(), cube() > 0
    label[2:4] = False
    assert mask_features.measure_label(chances, label) == pytest.approx(
        {"core_outside": 0.5, "label_unseen": 0, "overlap": 1 - 2 * 32 / 96}
    )
    elsewhere = np.roll(cube() > 0, 5, axis=0)
    assert mask_features.measure_label(chances, elsewhere) == {"core_outside": 1, "label_unseen": 1, "overlap": 1}
    nothing = np.zeros_like(label)
    assert mask_features.measure_label(cube(0), nothing) == {"core_outside": 0, "label_unseen": 0, "overlap": 0}
    # a network that is unsure contradicts nothing
    assert mask_features.measure_label(cube(140), nothing)["core_outside"] == 0


def write_cell(folder, strategy, fold, test, unlabelled, **differs):
    folder.mkdir(parents=True)
    manifest = CELL | {"strategy": strategy, "fold": fold, "test": test, "unlabelled": unlabelled} | differs
    manifest |= {"outputs": ["WT"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    chances = np.zeros((40, 33, 8), np.uint8)
    chances[10:20, 8:18, 2:5] = 240
    for subject in [*test, *unlabelled]:
        np.savez_compressed(folder / f"sub-{subject}.npz", WT=chances, box=[[3, 43], [4, 37], [5, 13]])
    return folder


@pytest.fixture
def made(tmp_path):
    """Two folds of two patients and one without a label: the delivered arm, and where its cells would lie."""
    files = {name: write_slices(tmp_path / name, at, name != "u") for at, name in enumerate("abcdu")}
    folders = [
        write_cell(tmp_path / f"lp-ft{k}", "lp-ft", k, list(names), ["u"]) for k, names in enumerate(("ab", "cd"))
    ]
    split = {"tasks": {"segmentation": {"sequences": ["t1c", "flair"], "incomplete": {"u": ["flair"]}}}}
    split["schemes"] = dict.fromkeys("abcdu", "brats2018")
    return tmp_path, folders, split, files


def test_each_network_is_measured_by_itself(made):
    _, folders, split, files = made
    rows, counted = mask_features.measure_masks(folders, [], split, files)
    who = [(row["subject"], row["fold"], row["labelled"]) for row in rows]
    assert who == [("a", 0, True), ("b", 0, True), ("u", 0, False), ("c", 1, True), ("d", 1, True), ("u", 1, False)]
    assert all(set(row) == set(mask_features.COLUMNS) for row in rows if row["labelled"])
    # the prediction is the label of `write_slices`
    assert all(row["overlap"] == row["core_outside"] == row["label_unseen"] == 0 for row in rows if row["labelled"])
    assert not any("overlap" in row for row in rows if not row["labelled"])
    assert {row["subject"] for row in counted} == set("abcd")
    assert sum(row["inside"] for row in counted) == 4 * 300
    assert mask_features.list_volumes(rows) == pytest.approx(dict.fromkeys("abcd", 2.4)), "300 voxels of 8 mm3"
    assert all(row["contrast"] > 1 and np.isnan(row["agreement"]) for row in rows), "tumour is brighter by 3"


def test_only_peers_that_predicted_everybody_count(made, capfd):
    root, folders, split, files = made
    whole = [write_cell(root / f"scratch{k}", "scratch", k, list(names), ["u"]) for k, names in enumerate(("ab", "cd"))]
    part = [write_cell(root / f"frozen{k}", "frozen", k, list(names), []) for k, names in enumerate(("ab", "cd"))]
    failed = write_cell(root / "lora0", "lora", 0, ["a", "b"], ["u"], trained=False)
    rows, _ = mask_features.measure_masks(folders, [*part, failed], split, files)
    assert all(np.isnan(row["agreement"]) for row in rows)
    assert "frozen did not predict everybody" in capfd.readouterr().err
    rows, _ = mask_features.measure_masks(folders, [*part, *whole], split, files)
    assert all(row["agreement"] == 1 for row in rows)


def test_nothing_trained_means_nothing_to_measure(made):
    root, _, split, files = made
    failed = write_cell(root / "failed", "lp-ft", 0, [], [], trained=False)
    assert mask_features.measure_masks([failed], [], split, files) == ([], [])
    assert mask_features.measure_masks([], [], split, files) == ([], [])
