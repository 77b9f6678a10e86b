"""Every engine of deformable registration: a planted warp is found, the same brains give the same bytes."""

import numpy as np
import pytest
from scipy import ndimage

from neurograft import images, registration, regridding, transforms

SPACING = 5.0


@pytest.fixture(scope="module")
def warped():
    """The template, its brain warped by 12 mm at most, and the warp."""
    whole = registration.load_template("MNI152", SPACING)
    inside = images.image((np.asanyarray(whole.dataobj) > 0).astype(np.uint8), whole.affine)
    template = regridding.working_copy(whole, inside, SPACING)
    rng = np.random.default_rng(5)
    moves = np.stack([ndimage.gaussian_filter(rng.normal(size=template.shape), 6) for _ in range(3)], axis=-1)
    truth = transforms.make_field(moves * 12 / np.linalg.norm(moves, axis=-1).max(), template.affine)
    moved = images.resample(template, template.shape, template.affine, transforms.invert_transform(truth))
    data = np.asanyarray(moved.dataobj) + rng.normal(0, 10, template.shape)
    return template, images.image((data * (data > 100)).astype(np.float32), template.affine), truth


@pytest.mark.parametrize("engine", registration.REGISTRATION_ENGINES)
def test_most_of_a_planted_warp_is_found_and_again_to_the_same_bytes(warped, engine):
    template, moved, truth = warped
    deform = registration.REGISTRATION_ENGINES[engine]["deformable"]
    counted = images.image(np.ones(template.shape, np.float32), template.affine)
    first, second = (deform(template, moved, counted) for _ in range(2))
    assert np.asarray(first.dataobj).tobytes() == np.asarray(second.dataobj).tobytes()
    brain = ndimage.binary_erosion(np.asanyarray(template.dataobj) > 100, iterations=2)
    missed = np.linalg.norm(np.asarray(first.dataobj)[brain] - np.asarray(truth.dataobj)[brain], axis=-1)
    moves = np.linalg.norm(np.asarray(truth.dataobj)[brain], axis=-1)
    assert missed.mean() < 0.5 * moves.mean()
    assert np.linalg.det(first.affine[:3, :3]) > 0 and first.shape[:3] == template.shape


@pytest.mark.parametrize("engine", registration.REGISTRATION_ENGINES)
def test_what_does_not_count_does_not_pull(warped, engine):
    """A lump in the moving brain alone bends the warp there, unless it is left out."""
    template, moved, truth = warped
    deform = registration.REGISTRATION_ENGINES[engine]["deformable"]
    places = transforms.grid_points(template.shape, template.affine)
    lump = np.linalg.norm(places - np.array([-30.0, -20.0, 25.0]), axis=-1) < 15
    data = np.asanyarray(moved.dataobj).copy()
    data[lump] = 1500 * (np.linalg.norm(places[lump] - np.array([-30.0, -20.0, 25.0]), axis=-1) < 8)
    seen = images.image(data, moved.affine)
    # left out on the moving brain's grid, with a rim for what the engines blur
    wide = ndimage.binary_dilation(lump, iterations=2)
    missed = []
    for counted in (np.ones(template.shape), ~wide):
        found = deform(template, seen, images.image(counted.astype(np.float32), template.affine))
        near = wide & (np.asanyarray(template.dataobj) > 100)
        missed.append(np.linalg.norm(np.asarray(found.dataobj)[near] - np.asarray(truth.dataobj)[near], axis=-1).mean())
    assert missed[1] < missed[0]
