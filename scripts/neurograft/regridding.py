"""Copies of an image on other grids: coarser, isotropic, in the brain's box."""

import numpy as np
from scipy import ndimage

from neurograft.images import grid_box, image, resample


def regridded(like, spacing):
    """Shape and affine of an image's field of view at another voxel size, about the same centre."""
    if spacing is None:
        return like.shape, like.affine
    size = np.linalg.norm(like.affine[:3, :3], axis=0)
    shape = np.maximum(1, np.round(np.array(like.shape) * size / spacing)).astype(int)
    affine = like.affine.copy()
    affine[:3, :3] = like.affine[:3, :3] / size * spacing
    middle = like.affine[:3, :3] @ ((np.array(like.shape) - 1) / 2) + like.affine[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    return tuple(int(n) for n in shape), affine


def smoothed(scan, spacing):
    """Blur an image just enough that a grid of `spacing` mm does not alias it; sharper axes stay as they are."""
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    ratio = np.asarray(spacing) / size
    # full width at half maximum of the target's voxel, minus what the source's voxel has already
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0)) / 2.355
    data = np.asanyarray(scan.dataobj).astype(np.float32)
    return image(ndimage.gaussian_filter(data, np.where(sigma < 0.3, 0, sigma)), scan.affine)


def working_copy(scan, mask, spacing, margin=10.0):
    """Make what an engine works on: the stripped brain, isotropic, in its box, spikes cut off.

    Parameters
    ----------
    scan, mask : nibabel.Nifti1Image
        On one grid; `mask` may be None for all that is not zero.
    spacing, margin : float
        Voxel size and rim of zeros in mm.

    Returns
    -------
    nibabel.Nifti1Image
        float32, in the same world, 0 to about 1000 (greedy's histogram and step sizes like it so).
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
    """Scale a brain to 1 to 1000 between its 0.5 and 99.5 percentiles, 0 outside of it.

    Parameters
    ----------
    data : ndarray of float32
    inside : ndarray of bool, the same shape, not empty

    Returns
    -------
    ndarray of float32
    """
    low, high = np.percentile(data[inside], (0.5, 99.5))
    # 1 above the background, so that the darkest voxel of the brain is still told from what is outside
    return np.where(inside, 1 + 999 * np.clip((data - low) / max(high - low, 1e-12), 0, 1), 0)
