"""Keypoints of a stack of slices: blobs of the anatomy with a descriptor, which tell one head from another.

The same picture gives the same keypoints after resampling, cropping, 8-bit conversion, mirroring and a small rigid
motion; two persons have almost none in common (after Toews et al. 2013 and Chauvin et al. 2020, in two dimensions, so
that a volume can be compared with a few slices).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter

SIGMAS = 1.05 * 2 ** (np.arange(6) / 2)  # pixels; the blobs of the middle three are looked for
CELLS, ANGLES = 4, 8  # a descriptor has CELLS x CELLS x ANGLES values
LENGTH = CELLS * CELLS * ANGLES
SAMPLES = 16  # of a patch, along each side
REACH = 4.5  # half the side of a patch, in sigmas
LEAST = 0.12  # the weakest blob
MOST = 320  # keypoints of one sequence
CLIP = 0.25  # no value of a descriptor counts more, so that one strong edge does not decide


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of one stack.

    Attributes
    ----------
    places : ndarray of float32, shape (K, 3)
        Pixels of the stack: to the right, downwards, and across the slices.
    sizes : ndarray of float32, shape (K,)
        Radius in pixels.
    values : ndarray of int8, shape (K, CELLS * CELLS * ANGLES)
        Descriptors of length 127, about.
    """

    places: np.ndarray
    sizes: np.ndarray
    values: np.ndarray


def find_keypoints(stack, most=MOST):
    """Find the strongest keypoints of a stack of slices.

    Parameters
    ----------
    stack : Stack
    most : int
        How many are kept at most.

    Returns
    -------
    Keypoints
        Strongest first.
    """
    smooth = [gaussian_filter(stack.slices, (0, sigma, sigma), truncate=3.0) for sigma in SIGMAS]
    blobs = np.abs(np.diff(smooth, axis=0))
    peaks = (blobs == maximum_filter(blobs, (3, 1, 5, 5))) & (blobs > LEAST)
    peaks[[0, -1]] = False
    level, number, row, column = np.nonzero(peaks)
    strongest = np.argsort(-blobs[level, number, row, column], kind="stable")[:most]
    level, number, row, column = (part[strongest] for part in (level, number, row, column))
    values = np.zeros((len(level), LENGTH), np.float32)
    for wanted in range(1, len(SIGMAS) - 2):
        chosen = level == wanted
        places = np.stack([number[chosen], row[chosen], column[chosen]])
        values[chosen] = _describe(smooth[wanted], places, SIGMAS[wanted])
    places = np.stack([column, row, number * stack.gap], 1)
    return Keypoints(places.astype(np.float32), SIGMAS[level].astype(np.float32), np.rint(127 * values).astype(np.int8))


def _describe(smooth, places, sigma):
    """Describe patches by the directions of their gradients, cell by cell; shape (K, CELLS * CELLS * ANGLES)."""
    if not places.shape[1]:
        return np.zeros((0, LENGTH), np.float32)
    steps = (np.arange(SAMPLES + 2) - (SAMPLES + 1) / 2) * (2 * REACH * sigma / SAMPLES)
    rows = places[1][:, None, None] + steps[None, :, None] + 0 * steps
    columns = places[2][:, None, None] + 0 * steps[None, :, None] + steps
    numbers = np.broadcast_to(places[0][:, None, None], rows.shape)
    patches = map_coordinates(smooth, [numbers, rows, columns], order=1, mode="nearest")
    down = (patches[:, 2:, 1:-1] - patches[:, :-2, 1:-1]) / 2
    right = (patches[:, 1:-1, 2:] - patches[:, 1:-1, :-2]) / 2
    strength, angle = np.hypot(down, right) * WINDOW, np.arctan2(down, right) % (2 * np.pi) * ANGLES / (2 * np.pi)
    first, share = np.floor(angle).astype(int) % ANGLES, (angle % 1).astype(np.float32)
    turned = np.zeros((*strength.shape, ANGLES), np.float32)
    np.put_along_axis(turned, first[..., None], (strength * (1 - share))[..., None], -1)
    np.put_along_axis(turned, ((first + 1) % ANGLES)[..., None], (strength * share)[..., None], -1)
    pooled = np.einsum("ci,dj,kija->kcda", POOL, POOL, turned, optimize=True).reshape(len(turned), -1)
    for _ in range(2):
        pooled = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9)
        pooled = np.minimum(pooled, CLIP)
    return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9)


def _pool():
    """Give each sample's share in each cell: linear between the cells' middles; shape (CELLS, SAMPLES)."""
    place = (np.arange(SAMPLES) + 0.5) * CELLS / SAMPLES - 0.5
    return np.maximum(0, 1 - np.abs(place[None] - np.arange(CELLS)[:, None])).astype(np.float32)


def _window():
    """Give the weight of each sample of a patch: less towards its border; shape (SAMPLES, SAMPLES)."""
    place = (np.arange(SAMPLES) + 0.5) / SAMPLES * 2 - 1
    weight = np.exp(-(place**2) / 0.8)
    return (weight[:, None] * weight[None]).astype(np.float32)


POOL, WINDOW = _pool(), _window()


def turn_values(values, turn):
    """Turn descriptors as if the picture had been turned before.

    Parameters
    ----------
    values : ndarray, shape (K, CELLS * CELLS * ANGLES)
    turn : str
        A key of `TURNS`.
    """
    cells = values.reshape(-1, CELLS, CELLS, ANGLES)
    across, upside = TURNS[turn]
    angles = np.arange(ANGLES)
    if across:  # the angle a of a gradient becomes 180 degrees - a
        cells = cells[:, :, ::-1, (ANGLES // 2 - angles) % ANGLES]
    if upside:
        cells = cells[:, ::-1, :, (-angles) % ANGLES]
    return np.ascontiguousarray(cells).reshape(values.shape)


# orientation: whether left and right, and whether up and down are exchanged
TURNS = {
    "as it is": (False, False),
    "mirrored": (True, False),
    "upside down": (False, True),
    "turned by 180 degrees": (True, True),
}
