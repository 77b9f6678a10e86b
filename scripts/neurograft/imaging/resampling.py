"""Resample images: interpolate them once, crop them to a box, make them coarser or isotropic.

A transform (`transforms`; most are a 4x4 matrix) maps points from the *target* grid's world to the *source* image's
world, which is the direction needed for resampling.
"""

from typing import NamedTuple

import nibabel as nib
import numpy as np
from scipy import ndimage

from neurograft.imaging.nifti import image
from neurograft.imaging.transforms import is_linear, map_points

PLANES = 16  # number of planes of a grid that are mapped through a field together


class Grid(NamedTuple):
    """The voxel grid of an image.

    Parameters
    ----------
    shape : tuple of int
        Voxels along each of the three axes.
    affine : ndarray, shape (4, 4)
        Voxel indices to world millimetres, RAS+.
    """

    shape: tuple[int, ...]
    affine: np.ndarray


def grid_of(scan):
    """Return the grid of an image.

    Returns
    -------
    Grid
    """
    return Grid(scan.shape, scan.affine)


def resample(moving, shape, affine, transform=None, order=1):
    """Interpolate an image onto a grid, once.

    Parameters
    ----------
    moving : nibabel.Nifti1Image, 3-D
    shape, affine
        The target grid.
    transform : ndarray of shape (4, 4), displacement field, or tuple of these, optional
        World millimetres of the target to world millimetres of `moving` (`transforms`); by default the identity. The
        image is interpolated only once, even through several transforms.
    order : int
        0 nearest, 1 linear, 3 cubic B-spline (clipped to the range of the input and zero, because splines overshoot at
        edges).

    Returns
    -------
    nibabel.Nifti1Image
        float32 for order > 0, else the input's type. Zero outside `moving`.
    """
    data = np.asanyarray(moving.dataobj)
    if order:
        data = data.astype(np.float32)
    if transform is not None and not is_linear(transform):
        out = _resample_through(data, moving.affine, shape, affine, transform, order)
        return image(_clip(out, data, order), affine)
    matrix = np.linalg.inv(moving.affine) @ (np.eye(4) if transform is None else transform) @ affine
    # remove rounding errors, so that a flip or the identity stays exact
    matrix = np.where(np.abs(matrix - np.round(matrix)) < 1e-6, np.round(matrix), matrix)
    shift = matrix[:3, 3]
    out = ndimage.affine_transform(
        data,
        matrix[:3, :3],
        shift,  # pyright: ignore[reportArgumentType] scipy takes one for each axis too
        tuple(shape),
        order=order,
    )
    return image(_clip(out, data, order), affine)


def _clip(out, data, order):
    """Clip the overshoot of splines to the range of the input and zero."""
    return np.clip(out, min(data.min(), 0), max(data.max(), 0), out=out) if order > 1 else out


def _resample_through(data, source, shape, affine, transform, order):
    """Interpolate through a nonlinear transform, some planes at a time to save memory."""
    out = np.zeros(tuple(shape), data.dtype)
    if order > 1:
        # any type can be the output's, the hint knows only its default
        data = ndimage.spline_filter(data, order, output=np.float32)  # pyright: ignore[reportArgumentType]
    back, affine = np.linalg.inv(source), np.asarray(affine, float)
    for first in range(0, shape[0], PLANES):
        voxels = np.indices((min(PLANES, shape[0] - first), *shape[1:])).transpose(1, 2, 3, 0) + np.array([first, 0, 0])
        points = map_points(transform, voxels @ affine[:3, :3].T + affine[:3, 3])
        places = np.moveaxis(points @ back[:3, :3].T + back[:3, 3], -1, 0)
        ndimage.map_coordinates(data, places, out[first : first + PLANES], order=order, prefilter=False)
    return out


def resample_labels(labels, shape, affine, transform=None):
    """Interpolate a label image so that label volumes are preserved and no new value appears.

    Each label is interpolated linearly as a separate mask; a voxel gets the label with the largest value.
    Parameters are those of `resample`.
    """
    data = np.asanyarray(labels.dataobj)
    best = np.zeros(tuple(shape), np.float32)
    out = np.zeros(tuple(shape), data.dtype)
    inside = np.ones(tuple(shape), np.float32)
    for value in np.unique(data[data > 0]):
        mask = nib.Nifti1Image((data == value).astype(np.float32), labels.affine)
        share = np.asanyarray(resample(mask, shape, affine, transform, order=1).dataobj)
        inside -= share
        winner = share > best
        out[winner] = value
        best[winner] = share[winner]
    out[inside > best] = 0
    return image(out, affine)


def grid_box(mask, margin=0):
    """Return the bounding box of a mask as slices, enlarged by `margin` voxels within the image.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    box = ndimage.find_objects(np.asarray(mask).astype(bool).astype(np.uint8))
    if not box:
        raise ValueError("the mask is empty")
    return tuple(slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(box[0], np.shape(mask)))


def regridded(like, spacing):
    """Make a grid of another voxel size with an image's field of view and centre.

    Parameters
    ----------
    like : nibabel.Nifti1Image
    spacing : float, sequence of 3 float or None
        Voxel size in mm, for all axes or for each; None keeps the image's own grid.

    Returns
    -------
    Grid
    """
    if spacing is None:
        return grid_of(like)
    size, spacing = np.linalg.norm(like.affine[:3, :3], axis=0), np.asarray(spacing, float)
    shape = np.maximum(1, np.round(np.array(like.shape) * size / spacing)).astype(int)
    affine = like.affine.copy()
    affine[:3, :3] = like.affine[:3, :3] / size * spacing
    middle = like.affine[:3, :3] @ ((np.array(like.shape) - 1) / 2) + like.affine[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(tuple(int(n) for n in shape), affine)


def smoothed(scan, spacing):
    """Blur an image just enough that a grid of `spacing` mm (of all axes or of each) does not alias."""
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    ratio = np.asarray(spacing) / size
    # full width at half maximum of the target voxel, minus (in quadrature) that of the source voxel
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0)) / 2.355
    data = np.asanyarray(scan.dataobj).astype(np.float32)
    return image(ndimage.gaussian_filter(data, np.where(sigma < 0.3, 0, sigma)), scan.affine)


def working_copy(scan, mask, spacing, margin=10.0):
    """Make the working image of an engine: skull-stripped, isotropic, cropped to the brain, with outliers clipped.

    Parameters
    ----------
    scan, mask : nibabel.Nifti1Image
        On one grid; if `mask` is None, all non-zero voxels.
    spacing, margin : float
        Voxel size and margin of zeros in mm.

    Returns
    -------
    nibabel.Nifti1Image
        float32, in the same world, 0 to about 1000 (which suits greedy's histogram and step sizes).
    """
    data = np.nan_to_num(np.asanyarray(scan.dataobj).astype(np.float32))
    inside = (data != 0) if mask is None else np.asanyarray(mask.dataobj) > 0
    data = level(data, inside)
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    box = grid_box(inside)
    first = np.array([s.start for s in box]) - margin / size
    steps = np.ceil((np.array([s.stop - 1 for s in box]) + margin / size - first) * size / spacing).astype(int) + 1
    affine = scan.affine.copy()
    affine[:3, :3] = scan.affine[:3, :3] / size * spacing
    affine[:3, 3] = scan.affine[:3, :3] @ first + scan.affine[:3, 3]
    return resample(smoothed(image(data, scan.affine), spacing), tuple(int(n) for n in steps), affine)


def level(data, inside):
    """Scale a brain to the range 1 to 1000 between its 0.5 and 99.5 percentiles, with 0 outside.

    Parameters
    ----------
    data : ndarray of float32
    inside : ndarray of bool, the same shape, not empty

    Returns
    -------
    ndarray of float32
    """
    low, high = np.percentile(data[inside], (0.5, 99.5))
    # starts at 1, so that the darkest brain voxel differs from the background
    return np.where(inside, 1 + 999 * np.clip((data - low) / max(high - low, 1e-12), 0, 1), 0)
