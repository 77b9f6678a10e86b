"""Axial slices as fingerprints need them: one size of head, and the contrast of every place made alike."""

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from neurograft.imaging.headers import voxel_sizes

PIXEL = 2.0  # mm
GAP = 2.5  # pixels between slices, at least
SMALL, FINE = 100.0, 0.5  # mm: a smaller field is no whole head, and gets smaller pixels
HEAD = 195.0  # mm: the length of a head with skull, where nobody says what a pixel is
DARK = 0.06  # this share of the range of grey values still counts as background
WIDE = 3.5  # pixels: detail beyond this width is taken out


@dataclass(frozen=True)
class Stack:
    """Slices in one contrast.

    Attributes
    ----------
    slices : ndarray of float32, shape (S, rows, columns)
        As pictures are shown: first row in front, first column on the head's right; first slice at the bottom. From -3
        to 3, 0 in the background.
    gap : float
        Distance of two slices, in pixels.
    """

    slices: np.ndarray
    gap: float


def cut_volume(image):
    """Cut a volume into slices.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        Canonical.

    Returns
    -------
    Stack
    """
    data, sizes = np.asarray(image.dataobj, np.float32), voxel_sizes(image.affine)
    longest = float(max(sizes[:2] * data.shape[:2]))
    pixel = PIXEL if longest >= SMALL else FINE
    height = data.shape[2] * sizes[2]
    count = min(data.shape[2], max(1, round(height / (GAP * pixel))))
    # thin slices are averaged, as a thick one would show them
    ends = np.linspace(0, data.shape[2], count + 1).round().astype(int)
    slabs = [data[:, :, low:high].mean(2).T[::-1, ::-1] for low, high in itertools.pairwise(ends)]
    return _finish([_scale(slab, sizes[0] / pixel, sizes[1] / pixel) for slab in slabs], height / count / pixel)


def stack_pictures(pictures, gap=GAP):
    """Stack the pictures of one head, of which nobody says how large a pixel is.

    Parameters
    ----------
    pictures : sequence of ndarray, shape (rows, columns)
        All of one shape.
    gap : float
        Distance of two pictures, in pixels of 2 mm: a guess.

    Returns
    -------
    Stack
    """
    pictures = np.asarray(pictures, np.float32)
    shown = pictures > pictures.min() + DARK * (np.percentile(pictures, 99.5) - pictures.min())
    lines = [np.flatnonzero(shown.mean(axis) > 0.02) for axis in ((0, 2), (0, 1))]
    longest = max((int(np.ptp(line)) + 1 for line in lines if len(line)), default=max(pictures.shape[1:]))
    factor = HEAD / longest / PIXEL
    return _finish([_scale(picture, factor, factor) for picture in pictures], gap)


def _scale(picture, across, down):
    """Scale one slice; shrinking averages."""
    shape = max(8, round(picture.shape[1] * across)), max(8, round(picture.shape[0] * down))
    how = Image.Resampling.BOX if across < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture, np.float32)).resize(shape, how))


def _finish(slices, gap):
    """Even out brightness and contrast: what is left is detail of a few millimetres."""
    stack = np.stack(slices)
    low, high = np.percentile(stack, (1, 99.5))
    values = np.clip((stack - low) / max(high - low, 1e-9), 0, 1.2).astype(np.float32)
    inside = (values > DARK).astype(np.float32)
    share = _blur(inside, WIDE) + 1e-3
    detail = (values - _blur(values * inside, WIDE) / share) * inside
    strength = np.sqrt(_blur(detail * detail, 1.5 * WIDE) / (_blur(inside, 1.5 * WIDE) + 1e-3))
    return Stack(np.clip(detail / (strength + 0.02), -3, 3), float(gap))


def _blur(stack, sigma):
    return gaussian_filter(stack, (0, sigma, sigma), truncate=2.5)
