"""Planted transforms are found again, by every engine, on grids that differ."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neurograft import alignment, images, linear_engines, registration, regridding
from neurograft.quality import overlap

TRUTHS = {
    "rigid": ((6.0, -4.0, 9.0), (5.0, -8.0, 3.0), (1.0, 1.0, 1.0)),
    "affine": ((-5.0, 8.0, 4.0), (-6.0, 4.0, 10.0), (0.92, 1.08, 1.05)),
}


@pytest.fixture(scope="module")
def brain():
    """The MNI152 T1 at 2 mm."""
    return registration.load_template("MNI152", 2.0)


def planted(degrees, shift, scales):
    """A transform about the brain's middle: rotations about x, y, z, then scales, then a shift."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        step = np.eye(3)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        step[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = step @ turn
    middle = np.array([0.0, -18.0, 8.0])
    transform = np.eye(4)
    transform[:3, :3] = turn @ np.diag(scales)
    transform[:3, 3] = np.array(shift) + middle - transform[:3, :3] @ middle
    return transform


def seen_by(brain, truth, spacing, inverted=False, tumour=False):
    """What a scanner with other voxels, and another contrast, sees of the moved brain."""
    data = np.asanyarray(brain.dataobj).copy()
    inside = data > 0
    if tumour:
        ball = np.linalg.norm(np.indices(data.shape).T - np.array([30, 60, 55]), axis=-1).T < 9
        data[ball & inside] = 250
    if inverted:
        data[inside] = 300 - data[inside]
    rng = np.random.default_rng(0)
    data[inside] += rng.normal(0, 3, inside.sum())
    extent = np.array([190.0, 230.0, 200.0])
    shape = tuple(np.round(extent / spacing).astype(int))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -extent / 2 + [3.0, -15.0, 8.0]
    return images.resample(images.image(data, brain.affine), shape, affine, np.linalg.inv(truth))


def error(brain, found, truth):
    """Mean distance in mm over the brain between the found and the true place."""
    data = np.asanyarray(brain.dataobj)
    points = nib.affines.apply_affine(brain.affine, np.argwhere(data > 0)[::200])
    there = nib.affines.apply_affine(found, points) - nib.affines.apply_affine(truth, points)
    return np.linalg.norm(there, axis=1).mean()


@pytest.mark.parametrize("engine", registration.REGISTRATION_ENGINES)
@pytest.mark.parametrize(
    ("kind", "spacing", "inverted", "tumour"),
    [
        ("rigid", (2.0, 2.0, 2.0), False, False),
        ("rigid", (1.0, 1.0, 5.0), True, True),
        ("affine", (1.5, 2.5, 2.0), False, True),
    ],
    ids=["same-voxels", "thick-slices-other-contrast-tumour", "affine-tumour"],
)
def test_planted_transform_is_found(brain, engine, kind, spacing, inverted, tumour):
    truth = planted(*TRUTHS[kind])
    moving = seen_by(brain, truth, np.array(spacing), inverted, tumour)
    found = registration.REGISTRATION_ENGINES[engine]["linear"](brain, moving, kind)
    # half a voxel of the working grid, and always far below half a thick slice
    assert error(brain, found, truth) < 0.5 * linear_engines.WORKING_SPACING[kind] / 2
    if kind == "rigid":
        np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-4)


@pytest.mark.parametrize("engine", registration.REGISTRATION_ENGINES)
def test_same_pair_gives_the_same_bytes(brain, engine):
    moving = seen_by(brain, planted(*TRUTHS["rigid"]), np.array([3.0, 3.0, 3.0]))
    first, second = (registration.REGISTRATION_ENGINES[engine]["linear"](brain, moving, "rigid") for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_masks_keep_the_skull_out(brain):
    truth = planted((0, 0, 5.0), (4.0, 3.0, 0.0), (1, 1, 1))
    moving = seen_by(brain, truth, np.array([2.0, 2.0, 2.0]))
    mask = images.image((np.asanyarray(moving.dataobj) > 20).astype(np.uint8), moving.affine)
    data = np.asanyarray(moving.dataobj).copy()
    data[:, :12, :] = 900
    found = linear_engines.align_greedy(brain, images.image(data, moving.affine), "rigid", moving_mask=mask)
    assert error(brain, found, truth) < 0.5


@pytest.mark.parametrize("degrees", [(0.0, 90.0, 0.0), (0.0, 0.0, 180.0)])
def test_second_start_finds_a_brain_lying_on_its_side(brain, degrees):
    """A wrong header is too much for the first start, not for the principal axes."""
    truth = planted(degrees, (20.0, 0.0, 10.0), (1, 1, 1))
    moving = seen_by(brain, truth, np.array([2.5, 2.5, 2.5]))
    masks = [images.image((np.asanyarray(each.dataobj) > 0).astype(np.uint8), each.affine) for each in (brain, moving)]
    found, quality = alignment.align_pair(linear_engines.align_greedy, (brain, moving, *masks), "rigid", 1)
    assert not quality["fault"]
    assert quality["turn"] == pytest.approx(np.abs(degrees).sum(), abs=2)
    assert error(brain, found, truth) < 1


def test_hopeless_pair_is_said_to_be_so_and_centres_are_aligned(brain):
    noise = np.zeros((40, 40, 12), np.float32)
    noise[5:35, 18:22, 2:10] = np.random.default_rng(0).uniform(1, 100, (30, 4, 8))
    moving = images.image(noise, np.diag([3.0, 3.0, 3.0, 1.0]))
    masks = [images.image((np.asanyarray(each.dataobj) > 0).astype(np.uint8), each.affine) for each in (brain, moving)]
    found, quality = alignment.align_pair(linear_engines.align_greedy, (brain, moving, *masks), "rigid", 1)
    assert quality["fault"]
    np.testing.assert_allclose(found, alignment.centre_start(*masks))


def head_of(scan):
    return images.image((np.asanyarray(scan.dataobj) > 0).astype(np.uint8), scan.affine)


def cloud(brain):
    """A thing of a brain's size and smoothness; within a brain's own outline its similarity is 1.11, not 1.06."""
    shape = (48, 56, 46)
    egg = (((np.indices(shape).T - np.array(shape) / 2) / [16.5, 21, 15.75]) ** 2).sum(-1).T < 1
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 1.5)
    return images.image((egg * (100 + 25 * noise / noise.std())).astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0]))


def half(brain):
    """A brain of which the mask lost the upper half."""
    moving = seen_by(brain, planted(*TRUTHS["rigid"]), np.array([4.0, 4.0, 4.0]))
    data = np.asanyarray(moving.dataobj).copy()
    data[:, :, int(0.45 * data.shape[2]) :] = 0
    return images.image(data, moving.affine)


@pytest.mark.parametrize(
    ("engine", "wrong"), [*((engine, cloud) for engine in registration.REGISTRATION_ENGINES), ("simpleitk", half)]
)
def test_wrong_pair_is_refused(brain, engine, wrong):
    moving = wrong(brain)
    align = registration.REGISTRATION_ENGINES[engine]["linear"]
    _, quality = alignment.align_pair(align, (brain, moving, head_of(brain), head_of(moving)), "affine", 1)
    assert quality["fault"]


def test_working_copy_stays_in_place(brain):
    small = regridding.working_copy(brain, None, 3.0)
    moved = images.resample(small, brain.shape, brain.affine)
    assert overlap(np.asanyarray(moved.dataobj) > 150, np.asanyarray(brain.dataobj) > 0) > 0.95
    assert np.allclose(np.linalg.norm(small.affine[:3, :3], axis=0), 3.0)
