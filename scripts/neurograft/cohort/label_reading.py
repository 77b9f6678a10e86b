"""Read a label image and check it against the scans that it belongs to."""

import os

import nibabel as nib
import numpy as np

from neurograft.cohort.label_checks import LARGEST_OUTSIDE, measure_brightness, share_outside, tell_headers
from neurograft.cohort.scan_reading import read_volume
from neurograft.cohort.subject_status import LabelFile
from neurograft.core.labels import is_own, recognise_scheme
from neurograft.imaging.headers import SMALLEST_FIELD, corner_distance, same_grid, voxel_sizes
from neurograft.imaging.nifti import ScanError, image, onto_axes

LARGEST_TUMOUR = 800.0  # ml; a larger label is a brain mask or a tissue map


def read_labels(
    path, scans, facts, naming="", wanted="auto", smallest=SMALLEST_FIELD
) -> tuple[nib.Nifti1Image, LabelFile, list[str]]:
    """Read a label image and check it against the scans.

    Parameters
    ----------
    path : str or Path
    scans : dict of str to nibabel.Nifti1Image
        Canonical; the label belongs to the first scan with the same grid.
    facts : dict of str to SequenceFile
        From `read_scan`.
    naming, wanted : str
        See `labels.recognise_scheme`.
    smallest : float
        As in `read_scan`.

    Returns
    -------
    labels : nibabel.Nifti1Image
        Canonical, uint8.
    record : LabelFile
    notes : list of str

    Raises
    ------
    ScanError
    """
    data, affine, _, notes = read_volume(path, smallest, scaled=False)
    if not np.isfinite(data).all() or np.abs(data - np.round(data)).max() > 1e-3:
        raise ScanError(f"{path} holds values that are no whole numbers; labels need nearest-neighbour resampling")
    values = [int(value) for value in np.unique(np.round(data)) if value != 0]
    try:
        scheme, certain = recognise_scheme(values, naming, wanted)
    except ValueError as error:
        how = "name them in dataset.labels" if is_own(wanted) else "set the label scheme, or dataset.labels"
        raise ScanError(f"{path}: {error}; recode the values, or {how}") from None
    affine = _follow_scan(data.shape, affine, facts)
    native = nib.Nifti1Image(np.round(data).astype(np.uint8), affine)
    lying = {name: onto_axes(native, scan.affine) for name, scan in scans.items()}
    grid_of = next((name for name, scan in scans.items() if same_grid(lying[name], scan)), None)
    if grid_of is None:
        alike = next((name for name, scan in scans.items() if lying[name].shape == scan.shape), None)
        if alike is not None:
            raise ScanError(f"{path} {tell_headers(lying[alike], scans[alike], alike)}")
        grids = ", ".join(f"{name} {scan.shape}" for name, scan in scans.items())
        raise ScanError(f"{path} {native.shape} is on the grid of no sequence ({grids}); resample it to one of them")
    volume = (data != 0).sum() * np.prod(voxel_sizes(affine)) / 1000
    if volume > LARGEST_TUMOUR and not is_own(scheme):
        raise ScanError(f"{path} marks {volume:.0f} ml, more than a tumour: a brain mask or a map of tissues?")
    share = share_outside(lying[grid_of], scans[grid_of], facts[grid_of]["stripped"])
    if share > LARGEST_OUTSIDE and not is_own(scheme):
        where = "outside of the brain" if facts[grid_of]["stripped"] else "in the air"
        raise ScanError(
            f"{path} lies {where} of {grid_of} with {share:.0%} of its voxels: is it another patient's, or mirrored?"
        )
    if not values:
        notes.append(
            "none of the labels is in the file" if is_own(scheme) else "no tumour in the label, kept as tumour-free"
        )
    on_scan = image(np.ascontiguousarray(lying[grid_of].dataobj), scans[grid_of].affine)
    record: LabelFile = {
        "file": os.path.abspath(path),
        "affine": affine.tolist(),
        "values": values,
        "scheme": scheme,
        "certain": certain,
        "grid_of": grid_of,
    }
    if "t1c" in scans and same_grid(lying["t1c"], scans["t1c"]):
        record["brightness"] = measure_brightness(lying["t1c"], scans["t1c"], values)
    if wanted != "auto":
        record["stated"] = True
    return on_scan, record, notes


def _follow_scan(shape, affine, facts) -> np.ndarray:
    """Return the label's affine, or its scan's if the label has the affine that was rejected for that scan."""
    least = 0.05 * voxel_sizes(affine).min()
    for grid in (each for each in facts.values() if "other_affine" in each and shape == tuple(each["shape"])):
        if corner_distance(shape, grid["other_affine"], affine) < least:
            return np.asarray(grid["affine"])
    return affine
