"""Read and check a subject's files, and describe every problem in plain words."""

import gzip
import os
import zlib
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from scipy import ndimage

from neurograft.cohort.header_choice import settle_open
from neurograft.cohort.prior_processing import (
    clear_background,
    lies_in_template,
    looks_stripped,
    share_one_space,
    tell_plan,
    tell_recognised,
    template_grids,
)
from neurograft.cohort.subject_status import LabelFile, SequenceFile, SubjectStatus
from neurograft.core.files import read_json
from neurograft.core.labels import is_own, recognise_scheme
from neurograft.core.sequences import list_sequences
from neurograft.imaging.headers import SMALLEST_FIELD, corner_distance, read_geometry, same_grid, voxel_sizes
from neurograft.imaging.nifti import ScanError, image, onto_axes
from neurograft.imaging.typed import fill_holes


def join_job_outputs(found, layout):
    """Complete the entry of a subject, which comes from file names, with the output of jobs.

    Parameters
    ----------
    found : dict
        The subject's entry from `layouts.find_subjects`.
    layout : str
        A key of `layouts.DATASETS`; one that is not in `JOB_OUTPUTS` adds nothing.

    Returns
    -------
    dict
        As `found`, with only the `files` that were made, and with additions to `columns`, `problems` and `notes`.
    """
    # subjects excluded by hand have no files
    return JOB_OUTPUTS.get(layout, dict)(found) if found["files"] else found


def _join_participant(found):
    """Add the columns that are stored beside the images of a simulated subject."""
    file = Path(next(iter(found["files"].values()))).with_name("participant.json")
    return found | {"columns": found["columns"] | (read_json(file) if file.exists() else {})}


def _join_conversion(found):
    """Add the record of `dicom_conversion.convert_dicom`, and keep the files that it made."""
    return _join_record(found, "conversion.json")


def _join_stack(found):
    """Add the record of `stacking.stack_pictures`, and keep the volumes that it made."""
    return _join_record(found, "stack.json")


def _join_record(found, name):
    """Add the problems and notes of a record beside the images, and keep the files that exist."""
    record = read_json(Path(next(iter(found["files"].values()))).with_name(name))
    files = {kind: path for kind, path in found["files"].items() if Path(path).exists()}
    return found | {"files": files} | {key: found[key] + record[key] for key in ("problems", "notes")}


JOB_OUTPUTS = {"phantom": _join_participant, "dicom": _join_conversion, "images": _join_stack}
STRAY_SHARE = 0.01  # largest share of the voxels that may be NaN or infinite, outside the head only
LARGEST_TUMOUR = 800.0  # ml; a larger label is a brain mask or a tissue map


def import_scans(
    subject, found, layout, reference=("t1c", "t1", "flair", "t2"), labels="auto", template=None, prepared=False
) -> tuple[SubjectStatus, dict[str, nib.Nifti1Image]]:
    """Read and check all images of a subject.

    Parameters
    ----------
    subject : str
        Label X.
    found : dict
        The subject's entry from `layouts.find_subjects`.
    layout : str
        A key of `layouts.DATASETS`.
    reference : sequence of str
        The first of these that is present is the reference sequence.
    labels : str
        "auto", a key of `labels.LABEL_SCHEMES`, or the user's own labels (`labels.write_scheme`).
    template : str, optional
        As in `templates.template_path`: the template to register the scans to, if they are not yet registered.
    prepared : bool
        Whether the scans were prepared elsewhere and are used as they are: all on one grid, of any size.

    Returns
    -------
    status : SubjectStatus
    scans : dict of str to nibabel.Nifti1Image
        Canonical float32 images, "labels" as uint8; empty if the subject is excluded.
    """
    found = settle_open(join_job_outputs(found, layout))
    problems, notes, scans, facts = list(found["problems"]), list(found["notes"]), {}, {}
    smallest = 0 if prepared else SMALLEST_FIELD
    for sequence in list_sequences(found["files"]):
        scan, sequence_facts = _try_reading(sequence, problems, notes, read_scan, found["files"][sequence], smallest)
        if sequence_facts:
            scans[sequence], facts[sequence] = scan, sequence_facts
    if not scans and not problems:
        problems.append("no sequence found; give at least one of t1, t1c, t2, flair, or those of dataset.sequences")
    order = [name for name in dict.fromkeys((*reference, *facts)) if name in scans]
    problems += _find_other_grids(scans, order) if prepared else []
    label, scheme = None, found["scheme"] if labels == "auto" else labels
    if "labels" in found["files"] and scans:
        wanted = ({name: scans[name] for name in order}, facts, found["scheme"], labels, smallest)
        scan, label = _try_reading("labels", problems, notes, read_labels, found["files"]["labels"], *wanted)
        if label:
            scans["labels"], scheme = scan, label["scheme"]
    columns = dict(found["columns"])
    status: SubjectStatus = {
        "subject": subject,
        "name": found["name"],
        "included": not problems,
        "reason": "; ".join(problems),
        "notes": notes,
        "layout": layout,
        "sequences": facts,
        "reference": order[0] if order else None,
        "coregistered": not problems
        and (prepared or share_one_space(scans, facts, 0.9 if layout == "brats" else 0.98)),
        "in_template": not problems and lies_in_template([scans[name] for name in facts], template_grids(template)),
        "prepared": prepared,
        "labels": None if problems else label,
        "scheme": scheme,
        "site": columns.pop("site", "") or found["site"],
        "columns": columns,
        "recognised": "",
        "will_do": "",
    }
    status["recognised"], status["will_do"] = tell_recognised(status), tell_plan(status, template)
    return status, {} if problems else scans


def _find_other_grids(scans, order):
    """Describe the first prepared scan that is not on the grid of the reference."""
    other = next((name for name in order[1:] if not same_grid(scans[name], scans[order[0]])), None)
    if other is None:
        return []
    shapes = f"{scans[other].shape} and {scans[order[0]].shape} voxels, or placed elsewhere"
    return [
        f"{other} and {order[0]} are on different grids ({shapes}), and prepared scans (strip_skull.engine none) are "
        "not aligned; resample them to one grid"
    ]


def _try_reading(name, problems, notes, read, *args):
    """Read one file; an error is added to the problems, corrections to the notes."""
    try:
        scan, facts, remarks = read(*args)
    except ScanError as error:
        problems.append(f"{name}: {error}")
        return None, None
    notes += [f"{name}: {note}" for note in remarks]
    return scan, facts


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
    data, affine, other, notes = _read_volume(path, smallest)
    stray = ~np.isfinite(data)
    if stray.any():
        count = int(stray.sum())
        inside = int((stray & _head(data, stray)).sum())
        if inside or count > STRAY_SHARE * data.size:
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


def _read_volume(path, smallest) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, list[str]]:
    """Read a file as (float32 array of three axes, affine, the header's other affine or None, notes)."""
    loaded, pixdim = open_nifti(path)
    affine, other, notes = read_geometry(path, loaded, pixdim, smallest)
    with np.errstate(all="ignore"):  # a value too large for float32 becomes infinite, which is caught later
        try:
            data = loaded.get_fdata(dtype=np.float32, caching="unchanged")
        except Exception as error:  # nibabel has no common exception class for broken files
            raise ScanError(f"{path} cannot be read ({error}); export or copy it again") from None
    notes += [f"a series of one volume, shape {data.shape}, read as one image"] if data.ndim > 3 else []
    return np.array(data.reshape(data.shape[:3])), affine, other, notes


def open_nifti(path):
    """Parse a whole file in memory, so that the gzip checksum is verified; also return pixdim as written."""
    try:
        raw = Path(path).read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except FileNotFoundError:
        advice = "fetch the file that the link points to" if os.path.islink(path) else "correct the path"
        raise ScanError(f"{path} does not exist; {advice}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ScanError(f"{path} is a damaged gzip file; copy or download it again") from None
    except OSError as error:
        raise ScanError(f"{path} cannot be opened ({error.strerror}); check the file and its permissions") from None
    try:
        form = nib.Nifti2Image if 540 in (_size(raw, "little"), _size(raw, "big")) else nib.Nifti1Image
        loaded = form.from_bytes(raw)
        pixdim = form.header_class(raw[: form.header_class.sizeof_hdr], check=False)["pixdim"][:4]
        kind = np.dtype(loaded.get_data_dtype())
        offset = int(cast(ArrayProxy, loaded.dataobj).offset)
        need = offset + int(np.prod(loaded.shape, dtype=object)) * kind.itemsize
    except Exception:  # the bytes can be anything, and nibabel has no common exception class
        raise ScanError(f"{path} is not a NIfTI image (.nii or .nii.gz); convert it to NIfTI") from None
    if need > len(raw):
        raise ScanError(f"{path} is cut off ({len(raw)} of {need} bytes); copy or download it again")
    if kind.kind not in "iuf":
        raise ScanError(f"{path} holds colours or complex numbers; export it as a plain grey-value image")
    return loaded, pixdim


def _size(raw, order):
    """Read the first header field, the header size, which is 348 for NIfTI-1 and 540 for NIfTI-2."""
    return int.from_bytes(raw[:4], order)


def _head(data, stray):
    """Return a mask of the head: voxels above a tenth of the 99th percentile, closed, with holes filled."""
    finite = np.where(stray, 0, data)
    if not finite.any():
        return np.ones(data.shape, bool)
    return fill_holes(ndimage.binary_closing(finite > 0.1 * np.percentile(finite[finite != 0], 99)))


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
    data, affine, _, notes = _read_volume(path, smallest)
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
        grids = ", ".join(f"{name} {scan.shape}" for name, scan in scans.items())
        raise ScanError(f"{path} {native.shape} is on the grid of no sequence ({grids}); resample it to one of them")
    volume = (data != 0).sum() * np.prod(voxel_sizes(affine)) / 1000
    if volume > LARGEST_TUMOUR and not is_own(scheme):
        raise ScanError(f"{path} marks {volume:.0f} ml, more than a tumour: a brain mask or a map of tissues?")
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
    return on_scan, record, notes


def _follow_scan(shape, affine, facts) -> np.ndarray:
    """Return the label's affine, or its scan's if the label has the affine that was rejected for that scan."""
    least = 0.05 * voxel_sizes(affine).min()
    for grid in (each for each in facts.values() if "other_affine" in each and shape == tuple(each["shape"])):
        if corner_distance(shape, grid["other_affine"], affine) < least:
            return np.asarray(grid["affine"])
    return affine
