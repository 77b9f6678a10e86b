"""Transforms between the world coordinates of two images, and their inverses.

A transform is a 4x4 matrix, a displacement field, or a tuple of these, of which the first is applied first. A field is
an image of shape (X, Y, Z, 3) in millimetres along the world axes (RAS); beyond its grid the edge value continues. A
transform maps world points of the fixed (target) image to world points of the moving (source) image, as needed by
`resampling.resample`.
"""

import nibabel as nib
import numpy as np
from scipy import ndimage

LARGEST_RESIDUAL = 0.01  # mm; largest error of a point mapped forwards and back
MOST_ROUNDS = 60


def is_linear(transform):
    """Check whether a transform is a single matrix."""
    return not isinstance(transform, (tuple, nib.Nifti1Image))


def chain(*transforms):
    """Compose transforms, with the first applied first; adjacent matrices are multiplied.

    Returns
    -------
    ndarray, nibabel.Nifti1Image, or tuple of these
    """
    parts = []
    for transform in transforms:
        for step in transform if isinstance(transform, tuple) else (transform,):
            if parts and is_linear(parts[-1]) and is_linear(step):
                parts[-1] = np.asarray(step) @ parts[-1]
            else:
                parts.append(step)
    return parts[0] if len(parts) == 1 else tuple(parts)


def map_points(transform, points):
    """Map world points through a transform.

    Parameters
    ----------
    transform : ndarray, nibabel.Nifti1Image, or tuple of these
    points : array_like, shape (..., 3)
        Millimetres.

    Returns
    -------
    ndarray, shape (..., 3)
    """
    points = np.asarray(points, float)
    for step in transform if isinstance(transform, tuple) else (transform,):
        if is_linear(step):
            points = points @ np.asarray(step)[:3, :3].T + np.asarray(step)[:3, 3]
        else:
            points = points + _displacement(step, points)
    return points


def _displacement(field, points):
    """Interpolate a field linearly at world points; outside its grid the edge value continues."""
    back = np.linalg.inv(field.affine)
    places = np.moveaxis(points @ back[:3, :3].T + back[:3, 3], -1, 0)
    data = np.asanyarray(field.dataobj)
    return np.stack(
        [ndimage.map_coordinates(data[..., axis], places, order=1, mode="nearest") for axis in range(3)], axis=-1
    )


def grid_points(shape, affine):
    """Return the world points of every voxel of a grid, shape (X, Y, Z, 3)."""
    affine = np.asarray(affine, float)
    return np.moveaxis(np.indices(tuple(shape)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


def invert_transform(transform):
    """Invert a transform.

    A field is inverted by damped fixed-point iteration (Chen et al. 2008, Med. Phys. 35:81), which also converges where
    the field stretches nearly threefold. Where the field folds there is no inverse, and the result is the last
    iteration.

    Parameters
    ----------
    transform : ndarray, nibabel.Nifti1Image, or tuple of these

    Returns
    -------
    The same kind: an inverted field has the grid of the field itself.
    """
    if isinstance(transform, tuple):
        return tuple(invert_transform(step) for step in reversed(transform))
    if is_linear(transform):
        return np.linalg.inv(transform)
    here = grid_points(transform.shape[:3], transform.affine)
    back = -np.asarray(transform.dataobj, float)
    for _ in range(MOST_ROUNDS):
        missed = back + _displacement(transform, here + back)
        if np.abs(missed).max() < LARGEST_RESIDUAL:
            break
        back -= 0.6 * missed
    return make_field(back, transform.affine)


def make_field(displacements, affine):
    """Make a field of displacements in mm, shape (X, Y, Z, 3), on a grid; float32."""
    field = nib.Nifti1Image(np.asarray(displacements, np.float32), np.asarray(affine, float))
    field.header.set_xyzt_units("mm")
    return field


def stretch(field):
    """Compute the Jacobian determinant of a field at each voxel: 1 preserves volume, 0 and below is folding.

    Parameters
    ----------
    field : nibabel.Nifti1Image, shape (X, Y, Z, 3)

    Returns
    -------
    ndarray, shape (X, Y, Z)
    """
    data = np.asarray(field.dataobj, float)
    per_voxel = np.stack(np.gradient(data, axis=(0, 1, 2)), axis=-1)
    # derivatives along the grid axes to derivatives along the world axes
    return np.linalg.det(np.eye(3) + per_voxel @ np.linalg.inv(field.affine[:3, :3]))


def volume_change(back, mask):
    """Compute the relative volume change of a part of the moving image when it is mapped to the fixed image.

    Parameters
    ----------
    back : nibabel.Nifti1Image, shape (X, Y, Z, 3)
        The inverted field, which maps points of the moving image to the fixed one.
    mask : ndarray of bool, shape (X, Y, Z)
        The part, on the grid of the field.

    Returns
    -------
    float
        The mean Jacobian determinant within the part, minus 1; 0 for an empty part.
    """
    return float(stretch(back)[mask].mean() - 1) if np.any(mask) else 0.0
