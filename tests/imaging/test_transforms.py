"""Matrices, fields and chains of them take points where they should, and back."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from neurograft.evaluation import metrics
from neurograft.imaging import nifti, resampling, transforms

SHAPE = (24, 28, 22)
GRID = np.array([[3.0, 0, 0, -36], [0, 3, 0, -50], [0, 0, 3, -30], [0, 0, 0, 1]])
TURN = np.array([[0.9, -0.3, 0.1, 4], [0.3, 0.95, 0, -6], [-0.1, 0.05, 1.1, 2], [0, 0, 0, 1]])


def smooth_field(seed=0, largest=5.0, blur=4.0):
    """A field that stretches and presses, but does not fold."""
    rng = np.random.default_rng(seed)
    moves = np.stack([ndimage.gaussian_filter(rng.normal(size=SHAPE), blur) for _ in range(3)], axis=-1)
    return transforms.make_field(moves * largest / np.linalg.norm(moves, axis=-1).max(), GRID)


def inner_points(count=300, seed=1):
    return nib.affines.apply_affine(GRID, np.random.default_rng(seed).uniform(5, np.array(SHAPE) - 6, (count, 3)))


def ball(shape=SHAPE, affine=GRID, radius=17.0):
    points = transforms.grid_points(shape, affine)
    middle = nib.affines.apply_affine(GRID, (np.array(SHAPE) - 1) / 2)
    return np.linalg.norm(points - middle, axis=-1) < radius


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["turn", "field", "shift"]), min_size=1, max_size=5))
def test_a_chain_is_its_parts_one_after_the_other(names):
    parts = {"turn": TURN, "field": smooth_field(), "shift": nib.affines.from_matvec(np.eye(3), [1, -2, 3])}
    points = expected = inner_points(20)
    for name in names:
        expected = transforms.map_points(parts[name], expected)
    chained = transforms.chain(*(parts[name] for name in names))
    np.testing.assert_allclose(transforms.map_points(chained, points), expected, atol=1e-6)
    assert transforms.is_linear(chained) == ("field" not in names)


@pytest.mark.parametrize("largest", [3.0, 8.0, 14.0])
def test_there_and_back_ends_at_the_start(largest):
    field = smooth_field(largest=largest)
    assert transforms.stretch(field).min() > 0
    there = transforms.chain(field, TURN)
    back = transforms.invert_transform(there)
    for way in ((there, back), (back, there)):
        start = inner_points() if way[0] is there else transforms.map_points(TURN, inner_points())
        ended = transforms.map_points(transforms.chain(*way), start)
        missed = np.linalg.norm(ended - start, axis=-1)
        assert missed.max() < 0.5 * 3.0 and missed.mean() < 0.1


def test_labels_come_back():
    mask = nifti.image(ball().astype(np.uint8), GRID)
    there = smooth_field(largest=14.0)
    moved = resampling.resample_labels(mask, SHAPE, GRID, there)
    back = resampling.resample_labels(moved, SHAPE, GRID, transforms.invert_transform(there))
    returned = metrics.dice(ball(), np.asanyarray(back.dataobj) > 0)
    assert metrics.dice(ball(), np.asanyarray(moved.dataobj) > 0) < 0.95 < 0.97 <= returned


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_field_of_zeros_or_of_one_shift_is_like_its_matrix(order):
    data = nifti.image(ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 2).astype(np.float32), GRID)
    target = (35, 20, 18), np.diag([2.0, 3.0, 4.0, 1.0]) @ nib.affines.from_matvec(np.eye(3), [-14.63, -9.71, -6.17])
    shift = nib.affines.from_matvec(np.eye(3), [1.5, -2.0, 3.25])
    for moves, matrix in (((0, 0, 0), TURN), ((1.5, -2.0, 3.25), TURN @ shift)):
        field = transforms.make_field(np.broadcast_to(moves, (*SHAPE, 3)), GRID)
        found = resampling.resample(data, *target, transforms.chain(field, TURN), order)
        expected = resampling.resample(data, *target, matrix, order)
        np.testing.assert_allclose(found.dataobj, expected.dataobj, atol=2e-4 if order else 0)


@pytest.mark.parametrize("factors", [(1.1, 1.0, 1.0), (0.9, 0.9, 0.9), (1.2, 0.8, 1.3)])
def test_stretch_is_the_determinant_on_grids_that_lie_askew(factors):
    askew = TURN @ GRID
    points = transforms.grid_points(SHAPE, askew)
    field = transforms.make_field(points * factors - points, askew)
    np.testing.assert_allclose(transforms.stretch(field), np.prod(factors), rtol=1e-4)
    part = np.zeros(SHAPE, bool)
    part[4:9, 3:12, 5:7] = True
    assert transforms.volume_change(field, part) == pytest.approx(np.prod(factors) - 1, abs=1e-4)
    assert transforms.volume_change(field, part & False) == 0


def test_volume_change_is_what_the_voxels_count():
    """A ball that a field enlarges, counted after it was resampled through the way back."""
    middle = nib.affines.apply_affine(GRID, (np.array(SHAPE) - 1) / 2)
    points = transforms.grid_points(SHAPE, GRID)
    near = np.exp(-(np.linalg.norm(points - middle, axis=-1, keepdims=True) ** 2) / (2 * 25.0**2))
    there = transforms.make_field(-0.12 * near * (points - middle), GRID)
    fine = nib.affines.from_matvec(np.eye(3) * 1.5, GRID[:3, 3])
    moved = resampling.resample_labels(nifti.image(ball().astype(np.uint8), GRID), (48, 56, 44), fine, there)
    counted = np.count_nonzero(moved.dataobj) / 8 / np.count_nonzero(ball()) - 1
    found = transforms.volume_change(transforms.invert_transform(there), ball())
    assert counted > 0.1 and found == pytest.approx(counted, abs=0.03)
