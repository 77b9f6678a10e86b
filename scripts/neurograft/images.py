"""NIfTI images on a reference grid: read, check, reorient, resample once, write whole.

Everywhere in neurograft an image is a `nibabel.Nifti1Image` in canonical (RAS+) orientation
whose world coordinates are millimetres, and a transform (`transforms`; most are a 4x4 matrix) takes a
point of the *target* grid's world to the *source* image's world (the direction that resampling needs).
"""

import glob
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from neurograft import packing
from neurograft.transforms import is_linear, map_points

SEQUENCES = ("t1", "t1c", "t2", "flair")
PLANES = 16  # of a grid that are mapped through a field together
SUFFIXES = {"t1": "T1w", "t1c": "T1w", "t2": "T2w", "flair": "FLAIR"}


class ScanError(ValueError):
    """A fault of one subject's file; the message says which file and what is wrong."""


@contextmanager
def whole(path):
    """Give a temporary path beside `path` and rename it onto `path` only on success.

    A killed job therefore never leaves a file, or folder, that looks finished.

    Parameters
    ----------
    path : str or Path
        The final name; its parent is created. The temporary name keeps the suffixes,
        since image writers choose the format by them. It does not exist when it is given:
        the caller makes a file or a folder of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".part-{path.name}-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        # of a job that was killed; nobody else writes this path now
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
        part = Path(folder) / path.name
        yield part
        if path.is_dir() and part.is_dir():
            path.rename(Path(folder) / "replaced")
        os.replace(part, path)


def write_json(path, value):
    """Write `value` as indented JSON, whole or not at all."""
    with whole(path) as part:
        part.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8")


def read_json(path):
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _plain(value):
    """Turn NumPy scalars, arrays and paths into what JSON knows."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)


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
    made = nib.Nifti1Image(data, np.asarray(affine, float))
    made.header.set_xyzt_units("mm")
    made.set_sform(affine, code=2)
    made.set_qform(affine, code=2)
    return made


def read_image(path):
    """Read an image that neurograft wrote, canonical; masks and labels as stored, intensities as float32.

    Returns
    -------
    nibabel.Nifti1Image
    """
    loaded = nib.as_closest_canonical(nib.load(path))
    data = np.asanyarray(loaded.dataobj)
    # int16 are floats that were stored in less space (`packing`), with a scale or without
    stored = data.dtype in (np.float64, np.int16)
    return nib.Nifti1Image(data.astype(np.float32) if stored else data, loaded.affine)


def write_image(path, written, sidecar=None):
    """Write an image, and a JSON sidecar beside it, whole or not at all.

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
        Sequences in the order of `SEQUENCES`, then the others (such as `labels`) by name.
    """
    names = {path.name.removesuffix(".nii.gz"): path for path in Path(folder).glob("*.nii.gz")}
    order = [name for name in SEQUENCES if name in names] + sorted(set(names) - set(SEQUENCES))
    return {name: read_image(names[name]) for name in order}


def write_scans(folder, scans, packed=False, threads=1):
    """Write images as `NAME.nii.gz` into a new folder, whole or not at all; floats as int16 if `packed`, or exact."""
    pack = packing.as_int16 if packed else packing.whole_as_int16

    def write(name, scan):
        floats = scan.get_data_dtype().kind == "f"
        packing.save_image(part / f"{name}.nii.gz", pack(scan) if floats else scan)

    with whole(folder) as part, ThreadPoolExecutor(threads) as pool:
        part.mkdir()
        # taken out one by one, so that what went wrong is raised here
        list(pool.map(write, scans, scans.values()))


def onto_axes(moved, affine):
    """Flip and permute an image's axes to those of a grid of the same voxels; nothing is interpolated.

    The two grids are compared with each other, not with the world: at 45 degrees an axis is as near to
    left-right as to front-back, and which of them it counts for would hang on rounding.

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
    """Put a canonical image back, voxel for voxel, onto the axes of the file it came from.

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


def resample(moving, shape, affine, transform=None, order=1):
    """Interpolate an image onto a grid, once.

    Parameters
    ----------
    moving : nibabel.Nifti1Image, 3-D
    shape, affine
        The target grid.
    transform : ndarray of shape (4, 4), displacement field, or tuple of these, optional
        World millimetres of the target to world millimetres of `moving` (`transforms`); identity if absent.
        However many its parts are, the image is interpolated once.
    order : int
        0 nearest, 1 linear, 3 cubic B-spline (clipped to the range of the input and zero, since
        splines overshoot at edges).

    Returns
    -------
    nibabel.Nifti1Image
        float32 for order > 0, else the input's type. Zero outside of `moving`.
    """
    data = np.asanyarray(moving.dataobj)
    if order:
        data = data.astype(np.float32)
    if transform is not None and not is_linear(transform):
        out = _resample_through(data, moving.affine, shape, affine, transform, order)
        return image(_clip(out, data, order), affine)
    matrix = np.linalg.inv(moving.affine) @ (np.eye(4) if transform is None else transform) @ affine
    # snap rounding noise, so that a flip or the identity stays exact
    matrix = np.where(np.abs(matrix - np.round(matrix)) < 1e-6, np.round(matrix), matrix)
    out = ndimage.affine_transform(data, matrix[:3, :3], matrix[:3, 3], tuple(shape), order=order)
    return image(_clip(out, data, order), affine)


def _clip(out, data, order):
    """Hold what splines overshoot within the range of the input and zero."""
    return np.clip(out, min(data.min(), 0), max(data.max(), 0), out=out) if order > 1 else out


def _resample_through(data, source, shape, affine, transform, order):
    """Interpolate through a transform that is no matrix, some planes at a time, since points take much memory."""
    out = np.zeros(tuple(shape), data.dtype)
    data = ndimage.spline_filter(data, order, output=np.float32) if order > 1 else data
    back, affine = np.linalg.inv(source), np.asarray(affine, float)
    for first in range(0, shape[0], PLANES):
        voxels = np.indices((min(PLANES, shape[0] - first), *shape[1:])).transpose(1, 2, 3, 0) + [first, 0, 0]
        points = map_points(transform, voxels @ affine[:3, :3].T + affine[:3, 3])
        places = np.moveaxis(points @ back[:3, :3].T + back[:3, 3], -1, 0)
        ndimage.map_coordinates(data, places, out[first : first + PLANES], order=order, prefilter=False)
    return out


def resample_labels(labels, shape, affine, transform=None):
    """Interpolate a label image so that every label keeps its volume and no value is made up.

    Each label is interpolated linearly as a mask of its own; a voxel takes the strongest.
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
    """Give the smallest box around a mask as slices, grown by `margin` voxels, within the image.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    box = ndimage.find_objects(np.asarray(mask).astype(bool).astype(np.uint8))
    if not box:
        raise ValueError("the mask is empty")
    return tuple(slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(box[0], np.shape(mask)))
