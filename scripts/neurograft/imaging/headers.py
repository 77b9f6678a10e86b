"""Read the voxel positions from a NIfTI header, and check whether they are plausible.

The rule, with its reasons, is in docs/explanation/decisions/cohort.md ("Orientation").
"""

import itertools
from typing import cast

import numpy as np

from neurograft.imaging.nifti import ScanError

SMALLEST_VOXEL, LARGEST_VOXEL = 0.1, 10.0  # mm
SMALLEST_FIELD = 50.0  # mm along each axis; a head needs more
SCANNER = 1  # code of an affine in scanner coordinates
MM = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}  # xyzt_units to mm; all other codes are read as mm
SIZES_AGREE = 0.02  # voxel sizes are often rounded in pixdim; a scaling to a template is larger


def voxel_sizes(affine):
    """Return the lengths of the three voxel edges in mm, shape (3,)."""
    return np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0)


def corner_distance(shape, one, other):
    """Compute the largest distance, in mm, between the positions of a grid's eight corners under two affines.

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
    """Check whether two images have the same grid, to within a twentieth of a voxel at the corners."""
    if one.shape != other.shape:
        return False
    return bool(corner_distance(one.shape, one.affine, other.affine) < 0.05 * voxel_sizes(one.affine).min())


def read_geometry(
    path, loaded, pixdim=None, smallest=SMALLEST_FIELD
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Read an image's affine, in RAS mm, from its header.

    If only one of sform and qform is set, it is used. If both agree within half a voxel, sform is used; otherwise the
    one in scanner coordinates (code 1), if only one is.

    Parameters
    ----------
    path : str or Path
        For error messages.
    loaded : nibabel.Nifti1Image
    pixdim : array_like, shape (4,), optional
        `pixdim[0:4]` as written, because nibabel corrects zero and negative values while loading, which may mirror an
        image.
    smallest : float
        Smallest field of view along each axis, in mm.

    Returns
    -------
    affine : ndarray, shape (4, 4)
    other : ndarray, shape (4, 4), or None
        The affine that was not chosen, if it places the voxels elsewhere.
    notes : list of str
        Choices and conversions.

    Raises
    ------
    ScanError
        For a series of volumes, fewer than three axes, no orientation, an affine that is zero, singular, sheared or
        contradicts the rest of the header, or an implausible voxel size or field of view.
    """
    shape = _read_shape(path, loaded)
    unit, scale = MM.get(int(loaded.header["xyzt_units"]) & 7, ("mm", 1.0))
    sform, qform = _header_affines(path, loaded, scale)
    for affine in (each for each in (sform, qform) if each is not None):
        if not np.isfinite(affine).all() or not abs(np.linalg.det(affine[:3, :3])) > 0.05 * voxel_sizes(affine).prod():
            raise ScanError(f"{path} has a zero or singular affine; convert it from DICOM again")
    pixdim = np.asarray(loaded.header["pixdim"] if pixdim is None else pixdim, float)[:4] * [1, scale, scale, scale]
    affine, other, notes = _choose(path, shape, sform, qform, loaded.header)
    if affine is qform:
        _check_qform(path, pixdim)
    else:
        _check_sizes(path, affine, pixdim)
    notes += [] if unit == "mm" else [f"lengths are in {unit} by the header, converted to mm"]
    _check_extent(path, shape, affine, unit, smallest)
    bend = corner_distance(shape, affine, _straightened(shape, affine))
    if bend > 0.5 * voxel_sizes(affine).min():
        raise ScanError(
            f"{path} has axes that are not at right angles ({bend:.1f} mm off at a corner): a tilted gantry, or the "
            "affine of a registration; resample it to a grid with right angles"
        )
    return affine, other, notes


def _read_shape(path, loaded):
    """Return the three axis lengths of a single volume."""
    shape = loaded.shape
    if len(shape) < 3 or 0 in shape:
        raise ScanError(f"{path} has the shape {shape}, not three axes; give the whole volume")
    if any(count > 1 for count in shape[3:]):
        count = int(np.prod(shape[3:]))
        raise ScanError(f"{path} is a series of {count} volumes, shape {shape}; extract the one that is meant")
    return shape[:3]


def _header_affines(path, loaded, scale):
    """Read sform and qform, converted to mm; None for one that is not set according to its code."""
    try:
        affines = loaded.get_sform(coded=True)[0], loaded.get_qform(coded=True)[0]
    except Exception:  # a quaternion of length above 1 and other nonsense
        raise ScanError(f"{path} has an orientation that cannot be read; convert it from DICOM again") from None
    if all(affine is None for affine in affines):
        raise ScanError(
            f"{path} has no orientation (sform and qform codes are 0), so left and right are unknown; "
            "convert it from DICOM again, or set the sform if you know it"
        )
    return [None if affine is None else affine * np.c_[[scale, scale, scale, 1]] for affine in affines]


def _choose(
    path, shape, sform: np.ndarray | None, qform: np.ndarray | None, header
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Choose sform or qform; also return the other one, if it places the voxels elsewhere, and a note."""
    if sform is None or qform is None:
        # `_header_affines` refuses a header without either
        return cast(np.ndarray, qform if sform is None else sform), None, []
    apart = corner_distance(shape, sform, qform)
    if apart <= 0.5 * min(voxel_sizes(sform).min(), voxel_sizes(qform).min()):
        return sform, None, []
    codes = {"sform": int(header["sform_code"]), "qform": int(header["qform_code"])}
    names = " and ".join(f"{name} (code {code})" for name, code in codes.items())
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise ScanError(f"{path}: {names} contradict each other, one has left and right swapped; set both to the true")
    scanner = [name for name, code in codes.items() if code == SCANNER]
    if len(scanner) != 1:
        raise ScanError(
            f"{path}: {names} contradict each other, {apart:.1f} mm apart at a corner, and "
            f"{'both are' if scanner else 'neither is'} the scanner's (code 1); set both to the right one"
        )
    note = f"{names} lie apart; took the {scanner[0]}, which is in the scanner's coordinates"
    return (sform, qform, [note]) if scanner == ["sform"] else (qform, sform, [note])


def _check_qform(path, pixdim):
    """Refuse a qform with voxel sizes or a sign of the third axis that programs interpret differently."""
    if not np.isfinite(pixdim).all() or not (pixdim[1:] > 0).all() or pixdim[0] not in (-1, 0, 1):
        written = ", ".join(f"{value:g}" for value in pixdim)
        raise ScanError(
            f"{path}: pixdim[0:4] is {written}, but the qform needs 1 or -1, then three sizes above 0, or the image "
            "may be mirrored; convert it from DICOM again"
        )


def _check_sizes(path, affine, pixdim):
    """Refuse an sform whose voxel sizes differ from pixdim, if pixdim is set."""
    sizes, written = voxel_sizes(affine), np.abs(pixdim[1:])
    if written.any() and not (np.abs(sizes - written) <= SIZES_AGREE * sizes).all():
        raise ScanError(
            f"{path}: voxels are {_by(written)} by pixdim and {_by(sizes)} by the sform, so volumes and distances are "
            "unknown; an sform that scales to a template is no place in the head, set it to the scanner's"
        )


def _check_extent(path, shape, affine, unit, smallest):
    """Refuse voxel sizes and fields of view that are impossible for a head scan."""
    sizes = voxel_sizes(affine)
    if sizes.min() < SMALLEST_VOXEL or sizes.max() > LARGEST_VOXEL:
        advice = (
            "correct the header (mm?)" if unit == "mm" else f"the header says {unit}; set xyzt_units to the true one"
        )
        raise ScanError(f"{path} has voxels of {_by(sizes)} mm, which no head scan has; {advice}")
    fields = sizes * shape
    if fields.min() < smallest:
        raise ScanError(
            f"{path} covers only {_by(fields)} mm, less than a brain; give a scan of the whole head, or set "
            "strip_skull.engine to none if it is cut out on purpose"
        )


def _straightened(shape, affine):
    """Return the nearest affine with right angles, the same voxel sizes and the same centre of the grid."""
    sizes = voxel_sizes(affine)
    left, _, right = np.linalg.svd(affine[:3, :3] / sizes)
    straight = affine.copy()
    straight[:3, :3] = left @ right * sizes
    middle = (np.array(shape) - 1) / 2
    straight[:3, 3] += (affine[:3, :3] - straight[:3, :3]) @ middle
    return straight


def _by(lengths):
    """Format three lengths as a x b x c."""
    return " x ".join(f"{length:.3g}" for length in lengths)
