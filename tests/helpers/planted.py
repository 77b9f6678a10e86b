"""Brains moved by known transforms, and how far a found transform is from the known one."""

import nibabel as nib
import numpy as np
import pytest

from neurograft.imaging import nifti, resampling
from neurograft.preprocessing import registration

TRUTHS = {
    "rigid": ((6.0, -4.0, 9.0), (5.0, -8.0, 3.0), (1.0, 1.0, 1.0)),
    "affine": ((-5.0, 8.0, 4.0), (-6.0, 4.0, 10.0), (0.92, 1.08, 1.05)),
}

# engines beyond the default take minutes: CI tries each in its first test, `make test-long` in all
DEFAULT = "greedy"

ENGINES = [
    engine if engine == DEFAULT else pytest.param(engine, marks=pytest.mark.long)
    for engine in registration.REGISTRATION_ENGINES
]

FIRST = [
    engine if engine == DEFAULT else pytest.param(engine, marks=[pytest.mark.long, pytest.mark.ci])
    for engine in registration.REGISTRATION_ENGINES
]


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
    return resampling.resample(nifti.image(data, brain.affine), shape, affine, np.linalg.inv(truth))


def error(brain, found, truth):
    """Mean distance in mm over the brain between the found and the true place."""
    data = np.asanyarray(brain.dataobj)
    points = nib.affines.apply_affine(brain.affine, np.argwhere(data > 0)[::200])
    there = nib.affines.apply_affine(found, points) - nib.affines.apply_affine(truth, points)
    return np.linalg.norm(there, axis=1).mean()
