"""Planted transforms are found again, by every engine, on grids that differ."""

import numpy as np
import pytest
from planted import TRUTHS, error, planted, seen_by

from neurograft import images, linear_engines, registration


@pytest.fixture(scope="module")
def brain():
    """The MNI152 T1 at 2 mm."""
    return registration.load_template("MNI152", 2.0)


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
