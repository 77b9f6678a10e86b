"""Make, read, write and reorient NIfTI images.

Throughout neurograft, an image is a `nibabel.Nifti1Image` in canonical (RAS+) orientation with world coordinates in
millimetres.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft.core.files import whole, write_json
from neurograft.core.sequences import SEQUENCES
from neurograft.imaging import packing
from neurograft.imaging.typed import load_nifti


class ScanError(ValueError):
    """An error in one subject's file; the message says which file and what is wrong."""


def image(data, affine):
    """Make a NIfTI image with millimetre units and both sform and qform set.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : array_like, shape (4, 4)
        Voxel indices to world millimetres, RAS+.
    """
    data = np.asarray(data)
    if data.dtype == bool:
        data = data.astype(np.uint8)
    result = nib.Nifti1Image(data, np.asarray(affine, float))
    result.header.set_xyzt_units("mm")
    result.set_sform(affine, code=2)
    result.set_qform(affine, code=2)
    return result


def read_image(path):
    """Read an image written by neurograft as canonical; masks and labels as stored, intensities as float32.

    Returns
    -------
    nibabel.Nifti1Image
    """
    loaded = nib.as_closest_canonical(load_nifti(path))
    data = np.asanyarray(loaded.dataobj)
    # int16 are floats that were stored compactly (`packing`), with or without a scale
    stored = data.dtype in (np.float64, np.int16)
    return nib.Nifti1Image(data.astype(np.float32) if stored else data, loaded.affine)


def write_image(path, written, sidecar=None):
    """Write an image and its JSON sidecar, each atomically.

    Parameters
    ----------
    path : str or Path
        Ends in `.nii.gz`.
    written : nibabel.Nifti1Image
    sidecar : dict, optional
        BIDS sidecar; `path` with `.json` for `.nii.gz`.
    """
    with whole(path) as part:
        packing.save_image(part, written)
    if sidecar is not None:
        write_json(str(path).removesuffix(".nii.gz") + ".json", sidecar)


def read_scans(folder):
    """Read every `NAME.nii.gz` of a folder: the counterpart of `write_scans`.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        Sequences in the order of `SEQUENCES`, then the others (such as `labels`, or the user's own) by name.
    """
    names = {path.name.removesuffix(".nii.gz"): path for path in Path(folder).glob("*.nii.gz")}
    order = [name for name in SEQUENCES if name in names] + sorted(set(names) - set(SEQUENCES))
    return {name: read_image(names[name]) for name in order}


def write_scans(folder, scans, packed=False, threads=1):
    """Write images as `NAME.nii.gz` into a new folder, atomically: floats as int16 if `packed`, else exactly."""
    pack = packing.as_int16 if packed else packing.whole_as_int16

    def write(name, scan):
        floats = scan.get_data_dtype().kind == "f"
        packing.save_image(part / f"{name}.nii.gz", pack(scan) if floats else scan)

    with whole(folder) as part, ThreadPoolExecutor(threads) as pool:
        part.mkdir()
        # consume the results, so that exceptions are raised here
        list(pool.map(write, scans, scans.values()))


def onto_axes(moved, affine):
    """Flip and permute an image's axes to those of a grid with the same voxels, without interpolation.

    The two grids are compared with each other, not with the world axes: at 45 degrees an axis is as close to left-right
    as to front-back, and the choice would depend on rounding.

    Parameters
    ----------
    moved : nibabel.Nifti1Image
    affine : array_like, shape (4, 4)

    Returns
    -------
    nibabel.Nifti1Image
    """
    return moved.as_reoriented(nib.io_orientation(np.linalg.inv(affine) @ moved.affine))


def to_native(canonical, shape, affine):
    """Return a canonical image to the axes of its original file, voxel for voxel.

    Parameters
    ----------
    canonical : nibabel.Nifti1Image
    shape, affine
        Grid of the original file. It must be a flip and permutation of `canonical`'s grid.

    Raises
    ------
    ValueError
        If the two grids are not the same voxels.
    """
    native = onto_axes(canonical, affine)
    if native.shape != tuple(shape) or not np.allclose(native.affine, affine, atol=1e-3):
        raise ValueError("the two images are not on the same voxels")
    return image(np.asanyarray(native.dataobj), affine)
