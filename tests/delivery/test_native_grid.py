"""From template probabilities back to the native grid: place, values, nesting."""

import nibabel as nib
import numpy as np
import pytest

from neurograft.core import labels
from neurograft.delivery.native_grid import deliver_segmentation, dseg_table, to_native_grid
from neurograft.evaluation import metrics
from neurograft.experiment import cell_folder
from neurograft.imaging import resampling

TEMPLATE_SHAPE = (60, 70, 50)
TEMPLATE = np.array([[2.0, 0, 0, -60], [0, 2, 0, -75], [0, 0, 2, -40], [0, 0, 0, 1]])


def turn(degrees, axis):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    first, second = [i for i in range(3) if i != axis]
    made = np.eye(4)
    made[[first, first, second, second], [first, second, first, second]] = cos, -sin, sin, cos
    return made


def affine_transform():
    """Template world to reference world: turned, scaled, shifted."""
    made = turn(12, 0) @ turn(-7, 2) @ np.diag([1.1, 0.95, 1.05, 1])
    made[:3, 3] = 6, -9, 4
    return made


NATIVE = {
    "canonical": np.diag([1.0, 1, 1, 1]),
    "LPS": np.diag([-1.0, -1, 1, 1]),
    "oblique, thick": turn(15, 0) @ turn(10, 1) @ np.diag([0.9, 0.9, 3, 1]),
    "axes swapped": np.array([[0, 0, 1.2, 0], [-1, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, 0, 1.0]]),
}


def native_grid(name):
    affine = NATIVE[name].copy()
    shape = {"oblique, thick": (170, 180, 50), "axes swapped": (150, 90, 110)}.get(name, (150, 150, 110))
    affine[:3, 3] -= affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return shape, affine


def world(shape, affine):
    return np.einsum("ij,j...->i...", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)


def blob(shape, affine, transform, radius=18, centre=(5, 4, 6)):
    """A ball of template world, seen on any grid (`transform`: that grid's world to template world)."""
    places = world(shape, transform @ affine)
    return ((places - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2


def prediction(radii):
    made = {}
    for name, radius in radii.items():
        smooth = sum(blob(TEMPLATE_SHAPE, TEMPLATE, np.eye(4), radius + step) for step in (-2, -1, 0, 1, 2)) / 5
        made[name] = nib.Nifti1Image(smooth.astype(np.float32), TEMPLATE)
    return made


@pytest.mark.parametrize("name", NATIVE)
def test_a_ball_comes_back_to_its_place(name):
    shape, affine = native_grid(name)
    record = {"to_template": affine_transform().tolist(), "to_reference": {}}
    radii = {"WT": 20, "TC": 13, "ET": 9}
    made, chances = deliver_segmentation([prediction(radii)], record, shape, affine, "brats2018")
    assert made.shape == shape and np.allclose(made.affine, affine) and made.get_data_dtype() == np.uint8
    data = np.asanyarray(made.dataobj)
    assert set(np.unique(data)) == {0, 1, 2, 4}
    for region, mask in labels.region_masks(data, "brats2018").items():
        truth = blob(shape, affine, np.linalg.inv(affine_transform()), radii[region])
        assert metrics.dice(truth, mask) >= 0.95
        chance = np.asanyarray(chances[region].dataobj)
        assert chance.dtype == np.float32 and chance.min() >= 0 and chance.max() <= 1


@pytest.mark.parametrize("name", NATIVE)
def test_the_box_gives_the_whole_grids_values(name):
    shape, affine = native_grid(name)
    transform = np.linalg.inv(affine_transform())
    given = prediction({"WT": 20})
    whole = np.asanyarray(resampling.resample(given["WT"], shape, affine, transform, order=1).dataobj)
    assert np.allclose(to_native_grid(given, transform, shape, affine)["WT"], whole, atol=1e-4)
    cut = to_native_grid(given, transform, shape, affine, floor=0.495)["WT"]
    assert np.array_equal(cut >= 0.5, whole >= 0.5) or metrics.dice(cut >= 0.5, whole >= 0.5) > 0.9999


def test_a_stored_prediction_is_where_it_was():
    shape, affine = native_grid("oblique, thick")
    whole = prediction({"WT": 20, "TC": 8})
    box = [[8, 50], [10, 61], [5, 44]]
    cut = tuple(slice(*ends) for ends in box)
    packed = {k: np.rint(255 * np.asanyarray(v.dataobj)[cut]).astype(np.uint8) for k, v in whole.items()}
    given = cell_folder.unpack_prediction(packed | {"box": np.array(box)}, TEMPLATE)
    made, expected = (to_native_grid(one, affine_transform(), shape, affine) for one in (given, whole))
    assert set(made) == {"WT", "TC"}
    assert np.allclose(made["WT"], expected["WT"], atol=0.003) and made["WT"].max() > 0.9


def test_another_sequence_has_its_own_place():
    shape, affine = native_grid("canonical")
    moved = np.eye(4)
    moved[:3, 3] = 8, 0, -5
    record = {"to_template": affine_transform(), "to_reference": {"flair": moved.tolist()}}
    onto = [
        deliver_segmentation([prediction({"WT": 20})], record, shape, affine, "binary", sequence)[0]
        for sequence in ("t1c", "flair")
    ]
    first, second = (np.argwhere(np.asanyarray(one.dataobj)).mean(axis=0) for one in onto)
    assert second - first == pytest.approx([8, 0, -5], abs=0.2)


def test_a_grid_as_json_and_of_a_single_volume():
    shape, affine = native_grid("LPS")
    record = {"to_template": np.eye(4).tolist()}
    first, _ = deliver_segmentation([prediction({"WT": 20})], record, shape, affine, "binary")
    second, _ = deliver_segmentation([prediction({"WT": 20})], record, [*shape, 1], affine.tolist(), "binary")
    assert second.shape == shape and np.array_equal(first.dataobj, second.dataobj)


def test_outside_of_the_native_grid_and_nothing_predicted():
    shape, affine = native_grid("canonical")
    away = np.eye(4)
    away[:3, 3] = 500
    far, _ = deliver_segmentation([prediction({"WT": 20})], {"to_template": away}, shape, affine, "binary")
    empty = {"WT": nib.Nifti1Image(np.zeros(TEMPLATE_SHAPE, np.float32), TEMPLATE)}
    none, chances = deliver_segmentation([empty], {"to_template": np.eye(4)}, shape, affine, "binary")
    for made in (far, none):
        assert made.shape == shape and not np.asanyarray(made.dataobj).any()
    assert not np.asanyarray(chances["WT"].dataobj).any()


def test_the_ensemble_is_the_mean():
    shape, affine = native_grid("canonical")
    record = {"to_template": np.eye(4)}
    large, small = prediction({"WT": 20}), prediction({"WT": 10})
    _, chances = deliver_segmentation([large, small, small], record, shape, affine, "binary")
    each = [
        np.asanyarray(deliver_segmentation([one], record, shape, affine, "binary")[1]["WT"].dataobj)
        for one in (large, small)
    ]
    mean = np.asanyarray(chances["WT"].dataobj)
    assert np.allclose(mean, (each[0] + 2 * each[1]) / 3, atol=1e-5)


def test_predictions_that_do_not_fit_are_refused():
    shape, affine = native_grid("canonical")
    record = {"to_template": np.eye(4)}
    with pytest.raises(ValueError, match="no prediction"):
        deliver_segmentation([], record, shape, affine, "binary")
    unlike = [prediction({"WT": 20}), prediction({"WT": 20, "TC": 5})]
    with pytest.raises(ValueError, match="differ in their regions"):
        deliver_segmentation(unlike, record, shape, affine, "brats2018")
    moved = {"WT": nib.Nifti1Image(np.zeros(TEMPLATE_SHAPE, np.float32), np.eye(4))}
    with pytest.raises(ValueError, match="or their grid"):
        deliver_segmentation([prediction({"WT": 20}), moved], record, shape, affine, "binary")


@pytest.mark.parametrize("scheme", labels.LABEL_SCHEMES)
def test_every_scheme_has_its_table(scheme):
    rows = dseg_table(scheme)
    assert [row["index"] for row in rows] == [0, *sorted(labels.LABEL_SCHEMES[scheme].values())]
    assert {row["name"] for row in rows[1:]} == set(labels.LABEL_SCHEMES[scheme])
    assert len({row["abbreviation"] for row in rows}) == len({row["color"] for row in rows}) == len(rows)


def test_own_labels_have_their_table():
    rows = dseg_table("posterior=2,anterior=1")
    assert [(row["index"], row["name"], row["abbreviation"]) for row in rows] == [
        (0, "background", "BG"), (1, "anterior", "anterior"), (2, "posterior", "posterior"),
    ]  # fmt: skip
    assert len({row["color"] for row in rows}) == 3
    many = dseg_table(",".join(f"l{k}={k}" for k in range(1, 12)))
    assert len(many) == 12
