"""Functions of scipy and nibabel with exact types, which several packages need and those libraries do not give."""

from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from scipy import ndimage


def load_nifti(path: str | Path) -> nib.Nifti1Image:
    """Load a NIfTI image as nibabel does, without reading its voxels yet."""
    return cast(nib.Nifti1Image, nib.load(path))


def affine_of(scan: nib.Nifti1Image) -> np.ndarray:
    """Return the affine of an image, shape (4, 4)."""
    return cast(np.ndarray, scan.affine)


def label_pieces(mask: np.ndarray, structure: np.ndarray | None = None) -> tuple[np.ndarray, int]:
    """Label the connected components of a mask, from 1.

    Parameters
    ----------
    mask : ndarray of bool, shape (X, Y, Z)
    structure : ndarray, shape (3, 3, 3), optional
        Which neighbours are connected; by default the six face neighbours.

    Returns
    -------
    pieces : ndarray of int, shape (X, Y, Z)
        0 outside the mask.
    count : int
    """
    return cast(tuple[np.ndarray, int], ndimage.label(mask, structure))


def distance_to_outside(mask: np.ndarray, sampling: float | np.ndarray | None = None) -> np.ndarray:
    """Compute the Euclidean distance of each voxel of a mask to the nearest voxel outside it; 0 outside.

    Parameters
    ----------
    mask : ndarray of bool, shape (X, Y, Z)
    sampling : float or array_like, shape (3,), optional
        Voxel sizes; the distance is in their unit, or by default in voxels.
    """
    return cast(np.ndarray, ndimage.distance_transform_edt(mask, sampling=sampling))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill the holes of a mask, in all of its dimensions."""
    return cast(np.ndarray, ndimage.binary_fill_holes(mask))
