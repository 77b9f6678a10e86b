"""A registered subject of two sequences, whose intensities are drawn."""

import numpy as np

from neurograft.imaging import nifti

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def make_subject(seed=0, scale=1.0, shift=0.0):
    """Make the scans and the brain of a subject as a scanner of this scale and offset would."""
    rng = np.random.default_rng(seed)
    brain = np.zeros((20, 24, 16), np.uint8)
    brain[4:16, 3:20, 2:13] = 1
    scans = {
        name: nifti.image((brain * (scale * rng.gamma(5, 20, brain.shape) + shift)).astype(np.float32), AFFINE)
        for name in ("t1c", "flair")
    }
    return scans | {"brain": nifti.image(brain, AFFINE)}
