"""Read one scan and make all checks that need no other file."""

import os

import nibabel as nib
import numpy as np
from scipy import ndimage

from neurograft.cohort.file_opening import open_nifti
from neurograft.cohort.prior_processing import clear_background, looks_stripped
from neurograft.cohort.subject_status import SequenceFile
from neurograft.imaging.headers import SMALLEST_FIELD, read_geometry
from neurograft.imaging.nifti import ScanError, image
from neurograft.imaging.typed import fill_holes

STRAY_SHARE = 0.01  # largest share of the voxels of a head with skull that may be NaN or infinite, outside of it only
SMALLEST_PEAK, USUAL_PEAK = 1e-3, 1024.0  # intensities below the first are multiplied, up to the second


def read_volume(path, smallest, scaled=True) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, list[str]]:
    """Read a file as (float32 array of three axes, affine, the header's other affine or None, notes).

    If `scaled`, very small intensities are multiplied.
    """
    loaded, pixdim = open_nifti(path)
    affine, other, notes = read_geometry(path, loaded, pixdim, smallest)
    with np.errstate(all="ignore"):  # a value too large for float32 becomes infinite, which is caught later
        try:
            data = loaded.get_fdata(dtype=np.float32, caching="unchanged")
        except Exception as error:  # nibabel has no common exception class for broken files
            raise ScanError(f"{path} cannot be read ({error}); export or copy it again") from None
    peak = float(np.abs(data[np.isfinite(data)]).max(initial=0))
    if scaled and 0 < peak < SMALLEST_PEAK:
        # before anything is rounded, and from more digits than float32 keeps of numbers near 0
        exact = loaded.get_fdata(dtype=np.float64, caching="unchanged")
        scale = 2.0 ** np.floor(np.log2(USUAL_PEAK / np.abs(exact[np.isfinite(exact)]).max()))
        data = (exact * scale).astype(np.float32)
        notes.append(f"intensities up to {peak:.2g}, multiplied by {scale:.3g}")
    notes += [f"a series of one volume, shape {data.shape}, read as one image"] if data.ndim > 3 else []
    return np.array(data.reshape(data.shape[:3])), affine, other, notes


def read_scan(path, smallest=SMALLEST_FIELD) -> tuple[nib.Nifti1Image, SequenceFile, list[str]]:
    """Read one image and make all checks that need no other image.

    Parameters
    ----------
    path : str or Path
        NIfTI-1 or -2, gzipped or not.
    smallest : float
        Smallest field of view along each axis, in mm.

    Returns
    -------
    scan : nibabel.Nifti1Image
        Canonical, float32, finite.
    facts : SequenceFile
    notes : list of str
        Corrections that were made.

    Raises
    ------
    ScanError
        Names the file, the fault and what to do.
    """
    data, affine, other, notes = read_volume(path, smallest)
    stray = ~np.isfinite(data)
    if stray.any():
        count, rest = int(stray.sum()), np.where(stray, 0, data)
        # around a stripped brain there may be any number of them, as SPM writes it
        bare = looks_stripped(_canonical(rest, affine))
        inside = int((stray & (fill_holes(rest != 0) if bare else find_head(rest))).sum())
        if inside or (count > STRAY_SHARE * data.size and not bare):
            where = f"{inside} of them inside the head" if inside else f"{count / data.size:.1%} of the image"
            raise ScanError(f"{path} has {count} voxels that are not numbers, {where}; export it again")
        data[stray] = 0
        notes.append(f"{count} voxels outside of the head were not numbers, set to 0")
    if data.min() == data.max():
        raise ScanError(f"{path} is constant ({data.flat[0]:g} everywhere), not a scan; export it again")
    sample = data[data != 0][:: max(1, data.size // 100_000)]
    if len(np.unique(sample)) < 8:
        raise ScanError(f"{path} holds fewer than 8 grey values, so it is a mask, not a scan; give the scan itself")
    notes += clear_background(data)
    scan = _canonical(data, affine)
    facts: SequenceFile = {
        "file": os.path.abspath(path),
        "shape": list(data.shape),
        "affine": affine.tolist(),
        "stripped": looks_stripped(scan),
    }
    if other is not None:
        facts["other_affine"] = other.tolist()
    return scan, facts, notes


def _canonical(data, affine):
    """Reorient to RAS+ with a fresh header."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
    return image(np.ascontiguousarray(turned.dataobj), turned.affine)


def find_head(data):
    """Return a mask of the head: voxels above a tenth of the 99th percentile, closed, with holes filled."""
    if not data.any():
        return np.ones(data.shape, bool)
    return fill_holes(ndimage.binary_closing(data > 0.1 * np.percentile(data[data != 0], 99)))
