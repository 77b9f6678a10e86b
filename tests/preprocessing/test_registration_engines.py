"""Every engine of deformable registration: a planted warp is found, the same brains give the same bytes."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.planted import ENGINES, FIRST, TRUTHS, error, planted, seen_by
from neurograft.imaging import nifti, resampling, transforms
from neurograft.preprocessing import registration, registration_engines

SPACING = 5.0


@pytest.fixture(scope="module")
def warped():
    """The template, its brain warped by 12 mm at most, and the warp."""
    whole = registration.load_template("MNI152", SPACING)
    inside = nifti.image((np.asanyarray(whole.dataobj) > 0).astype(np.uint8), whole.affine)
    template = resampling.working_copy(whole, inside, SPACING)
    rng = np.random.default_rng(5)
    moves = np.stack([ndimage.gaussian_filter(rng.normal(size=template.shape), 6) for _ in range(3)], axis=-1)
    truth = transforms.make_field(moves * 12 / np.linalg.norm(moves, axis=-1).max(), template.affine)
    moved = resampling.resample(template, template.shape, template.affine, transforms.invert_transform(truth))
    data = np.asanyarray(moved.dataobj) + rng.normal(0, 10, template.shape)
    return template, nifti.image((data * (data > 100)).astype(np.float32), template.affine), truth


@pytest.mark.parametrize("engine", FIRST)
def test_most_of_a_planted_warp_is_found_and_again_to_the_same_bytes(warped, engine):
    template, moved, truth = warped
    deform = registration.REGISTRATION_ENGINES[engine]["deformable"]
    counted = nifti.image(np.ones(template.shape, np.float32), template.affine)
    first, second = (deform(template, moved, counted) for _ in range(2))
    assert np.asarray(first.dataobj).tobytes() == np.asarray(second.dataobj).tobytes()
    brain = ndimage.binary_erosion(np.asanyarray(template.dataobj) > 100, iterations=2)
    missed = np.linalg.norm(np.asarray(first.dataobj)[brain] - np.asarray(truth.dataobj)[brain], axis=-1)
    moves = np.linalg.norm(np.asarray(truth.dataobj)[brain], axis=-1)
    assert missed.mean() < 0.5 * moves.mean()
    assert np.linalg.det(first.affine[:3, :3]) > 0 and first.shape[:3] == template.shape


@pytest.mark.parametrize("engine", ENGINES)
def test_what_does_not_count_does_not_pull(warped, engine):
    """A lump in the moving brain alone bends the warp there, unless it is left out."""
    template, moved, truth = warped
    deform = registration.REGISTRATION_ENGINES[engine]["deformable"]
    places = transforms.grid_points(template.shape, template.affine)
    lump = np.linalg.norm(places - np.array([-30.0, -20.0, 25.0]), axis=-1) < 15
    data = np.asanyarray(moved.dataobj).copy()
    data[lump] = 1500 * (np.linalg.norm(places[lump] - np.array([-30.0, -20.0, 25.0]), axis=-1) < 8)
    seen = nifti.image(data, moved.affine)
    # left out on the moving brain's grid, with a rim for what the engines blur
    wide = ndimage.binary_dilation(lump, iterations=2)
    missed = []
    for counted in (np.ones(template.shape), ~wide):
        found = deform(template, seen, nifti.image(counted.astype(np.float32), template.affine))
        near = wide & (np.asanyarray(template.dataobj) > 100)
        missed.append(np.linalg.norm(np.asarray(found.dataobj)[near] - np.asarray(truth.dataobj)[near], axis=-1).mean())
    assert missed[1] < missed[0]


@pytest.fixture(scope="module")
def brain():
    """The MNI152 T1 at 2 mm."""
    return registration.load_template("MNI152", 2.0)


def look(brain, engine, kind, spacing, inverted=False, tumour=False):
    """Look for a planted transform; gives what was found, after holding it against the truth, and what was seen."""
    truth = planted(*TRUTHS[kind])
    moving = seen_by(brain, truth, np.array(spacing), inverted, tumour)
    found = registration.REGISTRATION_ENGINES[engine]["linear"](brain, moving, kind)
    # half a voxel of the working grid, and always far below half a thick slice
    assert error(brain, found, truth) < 0.5 * registration_engines.WORKING_SPACING[kind] / 2
    if kind == "rigid":
        np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-4)
    return found, moving


@pytest.mark.parametrize("engine", FIRST)
def test_planted_transform_is_found_and_again_to_the_same_bytes(brain, engine):
    found, moving = look(brain, engine, "rigid", (2.0, 2.0, 2.0))
    np.testing.assert_array_equal(found, registration.REGISTRATION_ENGINES[engine]["linear"](brain, moving, "rigid"))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "spacing", "inverted"),
    [("rigid", (1.0, 1.0, 5.0), True), ("affine", (1.5, 2.5, 2.0), False)],
    ids=["thick-slices-other-contrast-tumour", "affine-tumour"],
)
def test_planted_transform_is_found_beside_a_tumour(brain, engine, kind, spacing, inverted):
    look(brain, engine, kind, spacing, inverted, tumour=True)


def test_masks_keep_the_skull_out(brain):
    truth = planted((0, 0, 5.0), (4.0, 3.0, 0.0), (1, 1, 1))
    moving = seen_by(brain, truth, np.array([2.0, 2.0, 2.0]))
    mask = nifti.image((np.asanyarray(moving.dataobj) > 20).astype(np.uint8), moving.affine)
    data = np.asanyarray(moving.dataobj).copy()
    data[:, :12, :] = 900
    found = registration_engines.align_greedy(brain, nifti.image(data, moving.affine), "rigid", moving_mask=mask)
    assert error(brain, found, truth) < 0.5
