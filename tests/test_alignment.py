"""A pair that cannot be aligned is said to be so, and a second start finds what the first does not."""

import numpy as np
import pytest
from planted import TRUTHS, error, planted, seen_by
from scipy import ndimage

from neurograft import alignment, images, linear_engines, registration


@pytest.fixture(scope="module")
def brain():
    """The MNI152 T1 at 2 mm."""
    return registration.load_template("MNI152", 2.0)


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
