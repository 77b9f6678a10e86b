"""From a patient's folder of DICOM to one NIfTI a sequence, without identity: recognise, choose, write."""

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft.cohort import dicom_files
from neurograft.cohort.dicom_rules import recognise
from neurograft.core.files import whole, write_json
from neurograft.core.sequences import SEQUENCES
from neurograft.core.tables import write_table
from neurograft.imaging.headers import voxel_sizes

COLUMNS = ("study", "series", "sequence", "taken", "reason", "rule", "files", "slices", "voxel_mm", "RepetitionTime",
           "EchoTime", "InversionTime", "MagneticFieldStrength")  # fmt: skip


def convert_dicom(folder, source, rules):
    """Convert a patient's DICOM files, and keep one image for each sequence that the rules recognise.

    Parameters
    ----------
    folder : str or Path
        Written whole: `<sequence>.nii.gz` with `<sequence>.json` for each sequence taken, `series.tsv` (every series,
        and why it was taken or left), `conversion.json` (`problems` and `notes`). None of it holds a name, an
        identifier, a date or free text of a header; series go by their number.
    source : str or Path
        The patient's folder.
    rules : list of dict
        What `dicom_rules.read_rules` gave.
    """
    series, facts = dicom_files.list_series(source)
    # outside of the results: what dcm2niix writes is not anonymous
    with tempfile.TemporaryDirectory() as scratch, whole(folder) as part:
        part.mkdir()
        found = []
        for index, one in enumerate(series):
            place = Path(scratch) / str(index)
            place.mkdir()
            found += _recognise_series(one, place, rules)
        taken, notes = choose_images(found)
        for sequence, one in taken.items():
            dicom_files.clean_image(one["image"]).to_filename(part / f"{sequence}.nii.gz")
            write_json(part / f"{sequence}.json", dicom_files.clean_sidecar(one["sidecar"], one["personal"]))
        write_table(part / "series.tsv", [_tell(one) for one in found], COLUMNS)
        problems, more = _judge(series, facts, taken, f"{folder}/series.tsv")
        write_json(part / "conversion.json", {"problems": problems, "notes": more + notes})
    for one in found:
        print(f"series {one['number']}: {one['sequence'] or 'none'}: {one['reason'] or 'taken'}")


def _recognise_series(one, place, rules):
    """Convert a series, and say of each of its images what it is, or why it is left."""
    if not one["images"]:
        return [_leave(one, "holds no MR images")]
    converted = dicom_files.convert_series(one["files"], place)
    if not converted:
        return [_leave(one, "dcm2niix cannot convert it; is a file cut off? copy it again") | {"fault": True}]
    return [_recognise_image(one | about, rules) for about in converted]


def _recognise_image(one, rules):
    """Identify one image by the first rule that it fits; the file of an image that is left out is removed."""
    image = nib.Nifti1Image.from_filename(one["image"])
    sidecar, shape = one["sidecar"], image.shape
    facts = {
        "Description": sidecar.get("SeriesDescription") or sidecar.get("ProtocolName") or "",
        "ContrastBolusAgent": one["agent"],
        "Slices": shape[2] if len(shape) > 2 else 1,
        "Volumes": int(np.prod(shape[3:])),
    }
    rule = recognise(sidecar | facts, rules)
    sizes = voxel_sizes(image.affine)
    one |= {"slices": facts["Slices"], "sizes": sizes, "rule": rule}
    if rule is None or rule["sequence"] == "none":
        one["image"].unlink()
        return _leave(one, rule["comment"] or "left out by its rule" if rule else "no rule fits")
    reason = "slices are missing or not evenly spaced; export the series again" if one["uneven"] else ""
    return one | {"sequence": rule["sequence"], "reason": reason, "fault": one["uneven"]}


def _leave(one, reason):
    """Mark a series as left."""
    return one | {"sequence": "", "reason": reason}


def choose_images(found):
    """Take one image for each sequence: of one study, lowest rank, most slices, smallest voxels, the last.

    Parameters
    ----------
    found : list of dict
        Every image with `study`, `number` of its series, `when`, `sequence`, `reason` (empty if it can be taken),
        `rule`, `files`, `used` (how many), `slices`, `sizes` (mm). Filled in are `reason` of those left behind, and
        `visit`, the number of the study.

    Returns
    -------
    taken : dict of str to dict
    notes : list of str
    """
    faults = [one for one in found if one.get("fault")]
    notes = [f"series {one['number']} ({one['sequence'] or 'unknown'}): {one['reason']}" for one in faults]
    studies = {}
    for one in found:
        studies.setdefault(one["study"], [])
        if one["sequence"] and not one["reason"]:
            studies[one["study"]].append(one)
    # never a mixture: between two visits a tumour grows
    counts = [len({one["sequence"] for one in images}) for images in studies.values()]
    best = int(np.argmax(counts)) if counts else 0
    if sum(count > 0 for count in counts) > 1:
        notes.append(f"took study {best + 1} of {len(counts)}: the first with most sequences")
    taken = {}
    for index, images in enumerate(studies.values()):
        for sequence in SEQUENCES if index == best else ():
            fitting = sorted((one for one in images if one["sequence"] == sequence), key=_preference)
            taken |= {sequence: fitting[-1]} if fitting else {}
            if len(fitting) > 1:
                left = ", ".join(str(one["number"]) for one in reversed(fitting[:-1]))
                notes.append(f"{sequence}: took series {fitting[-1]['number']}, left {left}")
            for one in fitting[:-1]:
                one["reason"] = f"series {fitting[-1]['number']} was taken for {sequence}"
        for one in images if index != best else ():
            one["reason"] = f"study {best + 1} was taken"
    for sequence, one in taken.items():
        if one["used"] < len(one["files"]):
            notes.append(f"{sequence}: dcm2niix used {one['used']} of {len(one['files'])} files; is one cut off?")
    unsure = {sequence: one for sequence, one in taken.items() if one["rule"]["rank"] > 1}
    notes += [f"{sequence}: series {one['number']}, {one['rule']['comment']}" for sequence, one in unsure.items()]
    for one in found:
        one["visit"] = list(studies).index(one["study"]) + 1
    return taken, notes


def _preference(one):
    """Order images of one sequence; the last is the best."""
    return -one["rule"]["rank"], one["slices"], -float(np.prod(one["sizes"])), one["when"], one["number"]


def _tell(one):
    """Make a row of `series.tsv`."""
    sizes = one.get("sizes")
    return {
        "study": one["visit"],
        "series": one["number"],
        "sequence": one["sequence"],
        "taken": bool(one["sequence"] and not one["reason"]),
        "reason": one["reason"],
        "rule": one["rule"]["row"] if one.get("rule") else None,
        "files": len(one["files"]),
        "slices": one.get("slices"),
        "voxel_mm": None if sizes is None else " x ".join(f"{size:.3g}" for size in sizes),
    } | dicom_files.clean_sidecar(one.get("sidecar", {}))


def _judge(series, facts, taken, table):
    """List what excludes the subject, and what else should be noted."""
    problems, notes = [], []
    if facts["damaged"]:
        notes.append(f"{facts['damaged']} of its files are empty, cut off or unreadable; copy the folder again")
    if facts["named"]:
        notes.append("the folder's name is in PatientName or PatientID; rename it if it can identify somebody")
    if facts["people"] > 1:
        problems.append(f"the folder holds DICOM of {facts['people']} PatientIDs; give each patient a folder")
    if not series:
        problems.append("no DICOM series found; put the patient's DICOM files into the folder")
    elif not taken:
        problems.append(f"none of {len(series)} DICOM series can be used: see {table} and docs/how-to/dicom.md")
    return problems, notes
