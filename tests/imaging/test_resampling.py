"""Copies on other grids: the same world, the same brain, no sharper than their voxels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine, voxel_sizes

from neurograft.imaging import nifti, resampling
from neurograft.imaging.masks import overlap
from neurograft.preprocessing import registration


def ball(shape=(40, 44, 36), spacing=(2.0, 2.0, 2.0), radius=24.0, turned=False):
    """A ball of 100 in a field of view whose corner is not the origin; mirrored and turned if asked for."""
    affine = np.diag([*spacing, 1.0])
    if turned:
        affine[:3, :3] = np.array([[0, -1, 0], [0, 0, 1], [1, 0, 0]]) @ affine[:3, :3]
    affine[:3, 3] = (11.0, -7.0, 30.0)
    places = (np.indices(shape).T - (np.array(shape) - 1) / 2) * spacing
    distance = np.linalg.norm(places, axis=-1).T
    return nifti.image(np.where(distance < radius, 100, 0).astype(np.float32), affine)


def middle(shape, affine):
    return apply_affine(affine, (np.array(shape) - 1) / 2)


@given(
    st.tuples(*[st.integers(8, 60)] * 3),
    st.tuples(*[st.floats(0.5, 5.0)] * 3),
    st.floats(0.5, 4.0),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_another_voxel_size_keeps_centre_directions_and_field_of_view(shape, size, spacing, turned):
    scan = ball(shape, size, 2.0, turned)
    new, affine = resampling.regridded(scan, spacing)
    np.testing.assert_allclose(middle(new, affine), middle(shape, scan.affine), atol=1e-6)
    np.testing.assert_allclose(voxel_sizes(affine), spacing)
    np.testing.assert_allclose(affine[:3, :3] / spacing, scan.affine[:3, :3] / np.array(size), atol=1e-9)
    lost = np.abs(np.array(new) * spacing - np.array(shape) * size)
    # to the nearest voxel, and never none
    assert np.all(lost <= np.maximum(spacing / 2, spacing - np.array(shape) * size) + 1e-6)


def test_without_a_voxel_size_the_grid_stays():
    scan = ball()
    shape, affine = resampling.regridded(scan, None)
    assert shape == scan.shape and affine is scan.affine


def test_only_what_a_coarser_grid_would_alias_is_blurred():
    scan = ball(spacing=(1.0, 1.0, 6.0))
    data = np.asanyarray(scan.dataobj)
    assert np.array_equal(resampling.smoothed(scan, 1.0).dataobj, data)
    coarse = np.asanyarray(resampling.smoothed(scan, 4.0).dataobj)
    assert coarse.sum() == pytest.approx(data.sum(), rel=0.01)
    # along the thick slices nothing is blurred: a column within the ball keeps its ends
    centre = tuple(n // 2 for n in data.shape[:2])
    assert np.array_equal(coarse[centre] > 50, data[centre] > 50)
    assert np.abs(np.diff(coarse, axis=0)).max() < np.abs(np.diff(data, axis=0)).max()


@pytest.mark.parametrize("turned", [False, True])
def test_a_working_copy_is_the_same_brain_isotropic_in_its_box(turned):
    scan = ball(spacing=(1.0, 2.0, 3.0), radius=15.0, turned=turned)
    small = resampling.working_copy(scan, None, 2.5, margin=8.0)
    np.testing.assert_allclose(voxel_sizes(small.affine), 2.5)
    back = np.asanyarray(resampling.resample(small, scan.shape, scan.affine).dataobj)
    assert overlap(back > 0.5 * back.max(), np.asanyarray(scan.dataobj) > 0) > 0.93
    # 30 mm across and 8 mm of zeros on either side, to a voxel
    assert all(abs(n * 2.5 - 46) <= 2 * 2.5 for n in small.shape)
    assert not np.asanyarray(small.dataobj)[[0, -1]].any()


def test_what_the_mask_leaves_out_is_not_in_the_copy():
    scan = ball()
    mask = np.asanyarray(scan.dataobj) > 0
    mask[:20] = False
    small = resampling.working_copy(scan, nifti.image(mask.astype(np.uint8), scan.affine), 2.0)
    kept = resampling.resample(small, scan.shape, scan.affine)
    found = np.asanyarray(kept.dataobj)
    assert not found[:17].any() and (found[23:30, 20:24, 16:20] > 0.9).all()


@given(st.integers(0, 1000), st.floats(0.01, 1e4), st.floats(-1e3, 1e3))
@settings(deadline=None, max_examples=30)
def test_levels_go_from_1_to_1000_whatever_the_scale_and_spikes_are_cut(seed, scale, shift):
    rng = np.random.default_rng(seed)
    values, inside = rng.normal(size=(12, 12, 12)), rng.random((12, 12, 12)) < 0.7
    spiked = values.copy()
    spiked[tuple(np.argwhere(inside)[0])] = 1e3
    for data in (values, spiked):
        found = resampling.level(data * scale + shift, inside)
        assert found[inside].min() == pytest.approx(1, abs=1e-3) and found[inside].max() == pytest.approx(1000)
        assert not found[~inside].any()
    np.testing.assert_allclose(
        resampling.level(values * scale + shift, inside), resampling.level(values, inside), atol=0.1
    )


def test_a_flat_brain_has_one_level():
    found = resampling.level(np.full((4, 4, 4), 7.0, np.float32), np.ones((4, 4, 4), bool))
    assert np.unique(found).tolist() == [1.0]


def test_the_template_s_working_copy_stays_in_place():
    """The MNI152 T1 at 2 mm, as the engines see it."""
    brain = registration.load_template("MNI152", 2.0)
    small = resampling.working_copy(brain, None, 3.0)
    moved = resampling.resample(small, brain.shape, brain.affine)
    assert overlap(np.asanyarray(moved.dataobj) > 150, np.asanyarray(brain.dataobj) > 0) > 0.95
    assert np.allclose(np.linalg.norm(small.affine[:3, :3], axis=0), 3.0)


def test_a_grid_may_have_a_voxel_size_for_each_axis():
    stack = nifti.image(np.zeros((64, 48, 5), np.float32), np.diag([0.5, 0.5, 7.0, 1.0]))
    shape, affine = resampling.regridded(stack, [2, 2, 7])
    assert shape == (16, 12, 5)
    np.testing.assert_allclose(np.diag(affine), [2, 2, 7, 1])
    # no slice is moved, and none is mixed with its neighbours
    assert affine[2, 3] == 0
    noise = nifti.image(np.random.default_rng(0).normal(size=stack.shape).astype(np.float32), stack.affine)
    alone = noise.dataobj.copy()
    alone[..., :2], alone[..., 3:] = 0, 0
    for order in (1, 3):
        whole = resampling.resample(resampling.smoothed(noise, [2, 2, 7]), shape, affine, order=order)
        single = resampling.smoothed(nifti.image(alone, stack.affine), [2, 2, 7])
        one = resampling.resample(single, shape, affine, order=order)
        np.testing.assert_allclose(whole.dataobj[..., 2], one.dataobj[..., 2], atol=1e-4)
