"""Where a NIfTI header says that the voxels are, and whether that can be true."""

import itertools

import numpy as np

from neurograft.images import ScanError

SMALLEST_VOXEL, LARGEST_VOXEL = 0.1, 10.0  # mm
SMALLEST_FIELD = 50.0  # mm along each axis; a head needs more


def voxel_sizes(affine):
    """Give the length of the three voxel edges in mm, shape (3,)."""
    return np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0)


def corner_distance(shape, one, other):
    """Give how far, in mm, two affines put the same voxel of a grid apart, at the worst of its corners.

    Parameters
    ----------
    shape : tuple of int, three axes
    one, other : array_like, shape (4, 4)

    Returns
    -------
    float
    """
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, n - 1) for n in shape))]).T
    apart = (np.asarray(one, float) - np.asarray(other, float)) @ corners
    return float(np.linalg.norm(apart[:3], axis=0).max())


def same_grid(one, other):
    """Tell whether two images have the same voxels, to a twentieth of a voxel at the corners."""
    if one.shape != other.shape:
        return False
    return bool(corner_distance(one.shape, one.affine, other.affine) < 0.05 * voxel_sizes(one.affine).min())


def check_geometry(path, loaded):
    """Check axes and position of an image by its header.

    Parameters
    ----------
    path : str or Path
        For the message.
    loaded : nibabel.Nifti1Image

    Raises
    ------
    ScanError
        For a series of volumes, fewer than three axes, no orientation, an affine that is zero, singular
        or contradicts the other one of the header, or an absurd voxel size or field of view.
    """
    shape = loaded.shape
    if len(shape) < 3 or 0 in shape:
        raise ScanError(f"{path} has the shape {shape}, not three axes; give the whole volume")
    if any(count > 1 for count in shape[3:]):
        count = int(np.prod(shape[3:]))
        raise ScanError(f"{path} is a series of {count} volumes, shape {shape}; extract the one that is meant")
    sform, qform = _header_affines(path, loaded)
    if sform is None and qform is None:
        raise ScanError(
            f"{path} has no orientation (sform and qform codes are 0), so left and right are unknown; "
            "convert it from DICOM again, or set the sform if you know it"
        )
    affine = np.asarray(loaded.affine, float)
    sizes = voxel_sizes(affine)
    if not np.isfinite(affine).all() or not abs(np.linalg.det(affine[:3, :3])) > 0.05 * np.prod(sizes):
        raise ScanError(f"{path} has a zero or singular affine; convert it from DICOM again")
    if sform is not None and qform is not None:
        apart = corner_distance(shape[:3], sform, qform)
        if not apart <= 0.5 * sizes.min():
            raise ScanError(
                f"{path}: sform and qform contradict each other, {apart:.1f} mm apart at a corner; "
                "set both to the right one"
            )
    if sizes.min() < SMALLEST_VOXEL or sizes.max() > LARGEST_VOXEL:
        raise ScanError(f"{path} has voxels of {_by(sizes)} mm, which no head scan has; correct the header (mm?)")
    fields = sizes * shape[:3]
    if fields.min() < SMALLEST_FIELD:
        raise ScanError(f"{path} covers only {_by(fields)} mm, less than a brain; give a scan of the whole head")


def _header_affines(path, loaded):
    """Read sform and qform; None for one that the header says is not set."""
    try:
        return loaded.get_sform(coded=True)[0], loaded.get_qform(coded=True)[0]
    except Exception:  # a quaternion of length above 1 and other nonsense
        raise ScanError(f"{path} has an orientation that cannot be read; convert it from DICOM again") from None


def _by(lengths):
    """Write three lengths as a x b x c."""
    return " x ".join(f"{length:.3g}" for length in lengths)
