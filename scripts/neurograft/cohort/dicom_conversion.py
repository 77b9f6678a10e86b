"""Convert a patient's DICOM folder to one anonymous NIfTI for each sequence: recognise, choose, write."""

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
        Written atomically: `<sequence>.nii.gz` with `<sequence>.json` for each chosen sequence, `series.tsv` (every
        series, and why it was taken or left), `conversion.json` (`problems` and `notes`). No file contains a name, an
        identifier, a date or free text from a header; series are identified by number.
    source : str or Path
        The patient's folder.
    rules : list of dict
        From `dicom_rules.read_rules`.
    """
    series, facts = dicom_files.list_series(source)
    # outside the results, because the output of dcm2niix is not anonymous
    with tempfile.TemporaryDirectory() as scratch, whole(folder) as part:
        part.mkdir()
        found = []
        for index, entry in enumerate(series):
            place = Path(scratch) / str(index)
            place.mkdir()
            found += _recognise_series(entry, place, rules)
        taken, notes = choose_images(found)
        for sequence, entry in taken.items():
            dicom_files.clean_image(entry["image"]).to_filename(part / f"{sequence}.nii.gz")
            write_json(part / f"{sequence}.json", dicom_files.clean_sidecar(entry["sidecar"], entry["personal"]))
        write_table(part / "series.tsv", [_tell(entry) for entry in found], COLUMNS)
        problems, more = _judge(series, facts, taken, f"{folder}/series.tsv")
        write_json(part / "conversion.json", {"problems": problems, "notes": more + notes})
    for entry in found:
        print(f"series {entry['number']}: {entry['sequence'] or 'none'}: {entry['reason'] or 'taken'}")


def _recognise_series(entry, place, rules):
    """Convert a series; identify each of its images, or record why it is left out."""
    if not entry["images"]:
        return [_leave(entry, "holds no MR images")]
    converted = dicom_files.convert_series(entry["files"], place)
    if not converted:
        return [_leave(entry, "dcm2niix cannot convert it; is a file cut off? copy it again") | {"fault": True}]
    return [_recognise_image(entry | about, rules) for about in converted]


def _recognise_image(entry, rules):
    """Identify one image by the first matching rule; the file of an image that is left out is removed."""
    image = nib.Nifti1Image.from_filename(entry["image"])
    sidecar, shape = entry["sidecar"], image.shape
    facts = {
        "Description": sidecar.get("SeriesDescription") or sidecar.get("ProtocolName") or "",
        "ContrastBolusAgent": entry["agent"],
        "Slices": shape[2] if len(shape) > 2 else 1,
        "Volumes": int(np.prod(shape[3:])),
    }
    rule = recognise(sidecar | facts, rules)
    sizes = voxel_sizes(image.affine)
    entry |= {"slices": facts["Slices"], "sizes": sizes, "rule": rule}
    if rule is None or rule["sequence"] == "none":
        entry["image"].unlink()
        return _leave(entry, rule["comment"] or "left out by its rule" if rule else "no rule fits")
    reason = "slices are missing or not evenly spaced; export the series again" if entry["uneven"] else ""
    return entry | {"sequence": rule["sequence"], "reason": reason, "fault": entry["uneven"]}


def _leave(entry, reason):
    """Mark a series as left out."""
    return entry | {"sequence": "", "reason": reason}


def choose_images(found):
    """Choose one image for each sequence, all from one study: lowest rank, most slices, smallest voxels, latest.

    Parameters
    ----------
    found : list of dict
        Every image with `study`, `number` of its series, `when`, `sequence`, `reason` (empty if it can be taken),
        `rule`, `files`, `used` (how many), `slices`, `sizes` (mm). This function sets the `reason` of images left out,
        and `visit`, the number of the study.

    Returns
    -------
    taken : dict of str to dict
    notes : list of str
    """
    faults = [entry for entry in found if entry.get("fault")]
    notes = [f"series {entry['number']} ({entry['sequence'] or 'unknown'}): {entry['reason']}" for entry in faults]
    studies = {}
    for entry in found:
        studies.setdefault(entry["study"], [])
        if entry["sequence"] and not entry["reason"]:
            studies[entry["study"]].append(entry)
    # never mix studies, because a tumour grows between two visits
    counts = [len({entry["sequence"] for entry in images}) for images in studies.values()]
    best = int(np.argmax(counts)) if counts else 0
    if sum(count > 0 for count in counts) > 1:
        notes.append(f"took study {best + 1} of {len(counts)}: the first with most sequences")
    taken = {}
    for index, images in enumerate(studies.values()):
        for sequence in SEQUENCES if index == best else ():
            fitting = sorted((entry for entry in images if entry["sequence"] == sequence), key=_preference)
            taken |= {sequence: fitting[-1]} if fitting else {}
            if len(fitting) > 1:
                left = ", ".join(str(entry["number"]) for entry in reversed(fitting[:-1]))
                notes.append(f"{sequence}: took series {fitting[-1]['number']}, left {left}")
            for entry in fitting[:-1]:
                entry["reason"] = f"series {fitting[-1]['number']} was taken for {sequence}"
        for entry in images if index != best else ():
            entry["reason"] = f"study {best + 1} was taken"
    for sequence, entry in taken.items():
        if entry["used"] < len(entry["files"]):
            notes.append(f"{sequence}: dcm2niix used {entry['used']} of {len(entry['files'])} files; is one cut off?")
    unsure = {sequence: entry for sequence, entry in taken.items() if entry["rule"]["rank"] > 1}
    notes += [f"{sequence}: series {entry['number']}, {entry['rule']['comment']}" for sequence, entry in unsure.items()]
    for entry in found:
        entry["visit"] = list(studies).index(entry["study"]) + 1
    return taken, notes


def _preference(entry):
    """Return a sort key for images of one sequence; the last is the best."""
    return -entry["rule"]["rank"], entry["slices"], -float(np.prod(entry["sizes"])), entry["when"], entry["number"]


def _tell(entry):
    """Make a row of `series.tsv`."""
    sizes = entry.get("sizes")
    return {
        "study": entry["visit"],
        "series": entry["number"],
        "sequence": entry["sequence"],
        "taken": bool(entry["sequence"] and not entry["reason"]),
        "reason": entry["reason"],
        "rule": entry["rule"]["row"] if entry.get("rule") else None,
        "files": len(entry["files"]),
        "slices": entry.get("slices"),
        "voxel_mm": None if sizes is None else " x ".join(f"{size:.3g}" for size in sizes),
    } | dicom_files.clean_sidecar(entry.get("sidecar", {}))


def _judge(series, facts, taken, table):
    """List the problems that exclude the subject, and other notes."""
    problems, notes = [], []
    if facts["damaged"]:
        notes.append(f"{facts['damaged']} of its files are empty, cut off or unreadable; copy the folder again")
    if facts["archives"]:
        notes.append(f"{facts['archives']} archives (zip or tar) in the folder are not looked into; unpack them")
    if facts["named"]:
        notes.append("the folder's name is in PatientName or PatientID; rename it if it can identify somebody")
    if facts["people"] > 1:
        problems.append(f"the folder holds DICOM of {facts['people']} PatientIDs; give each patient a folder")
    if not series:
        how = "unpack the archive" if facts["archives"] else "put the patient's DICOM files into the folder"
        problems.append(f"no DICOM series found; {how}")
    elif not taken:
        problems.append(f"none of {len(series)} DICOM series can be used: see {table} and docs/how-to/dicom.md")
    return problems, notes
