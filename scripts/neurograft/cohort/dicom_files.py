"""Read DICOM headers, sort files into series, and convert a series with dcm2niix.

Headers contain names, dates and free text. This module prints nothing, and no message repeats text from a header, a
path below the patient's folder, or the output of dcm2niix.
"""

import json
import logging
import os
import re
import subprocess
import warnings
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from neurograft.cohort.file_names import list_files, subject_label

TAGS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "Rows",
        "StudyDate", "StudyTime", "SeriesTime", "AcquisitionTime", "SeriesNumber", "ContrastBolusAgent",
        "ContrastBolusAgentSequence", "PatientIdentityRemoved")  # fmt: skip
# fields that may identify a person or place; their words are searched for in folder names and in kept header fields
PERSONAL = ("PatientName", "PatientID", "InstitutionName", "StationName", "ReferringPhysicianName", "OperatorsName")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
DICOMDIR = "1.2.840.10008.1.3.10"
# MR image, enhanced MR, enhanced MR colour, legacy converted enhanced MR
MR_IMAGES = {f"1.2.840.10008.5.1.4.1.1.4{end}" for end in ("", ".1", ".3", ".4")}
# -g i: ignore the user's defaults; -l n: signed 16-bit values (with other settings dcm2niix exits at uneven slices);
# -x i: do not crop or rotate; -z n: do not compress; -c: no comment in the image header
OPTIONS = ("-g", "i", "-b", "y", "-ba", "y", "-c", "", "-i", "n", "-l", "n", "-m", "2", "-x", "i", "-z", "n")


def list_series(folder):
    """Sort a patient's DICOM files into series by their headers.

    Parameters
    ----------
    folder : str or Path
        Files of any name in folders of any depth; other files are ignored.

    Returns
    -------
    series : list of dict
        Sorted by study, series number and time: `study` and `uid` (UIDs), `number`, `when` (times), `agent` (contrast
        agent, or ""), `images` (whether dcm2niix can convert it: MR with pixels), `files`, `personal` (words in lower
        case that may identify a person).
    facts : dict
        `damaged` (number of unreadable DICOM files), `archives` (number of zip and tar files),
        `people` (number of PatientIDs), `named` (whether the folder's
        name contains a word of PatientName or PatientID, and these are not marked as pseudonyms).
    """
    series, images, facts = {}, set(), {"damaged": 0, "archives": 0, "people": set(), "named": False}
    label = subject_label(os.path.basename(os.path.abspath(folder))).lower()
    for path, about in list_files(folder):
        facts["archives"] += path.lower().endswith(ARCHIVES)
        header = _read_header(path, about.st_size)
        if header is None or header.get("SOPInstanceUID") in images:
            continue
        if not header.get("SeriesInstanceUID") or (header["SOPClassUID"] in MR_IMAGES and not header["Rows"]):
            facts["damaged"] += 1
            continue
        images.add(header["SOPInstanceUID"] or path)
        one = series.setdefault((header["StudyInstanceUID"], header["SeriesInstanceUID"]), _describe(header))
        one["files"].append(path)
        one["personal"] |= _personal_words(header, PERSONAL)
        facts["people"] |= {header["PatientID"].strip().lower()} - {""}
        if header["PatientIdentityRemoved"] != "YES":
            facts["named"] |= any(word in label for word in _personal_words(header, PERSONAL[:2]))
    ordered = sorted(series.values(), key=lambda one: (one["when"][0], one["study"], one["number"], one["when"][1]))
    return ordered, facts | {"people": len(facts["people"])}


def _read_header(path, size):
    """Read a file's fields as text; None if it is no DICOM object, an empty dict if it is damaged."""
    import pydicom  # here, so that the workflow can be parsed without it

    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its warnings repeat field values
    try:
        with open(path, "rb") as file:
            start = file.read(132)
            bare = start[128:] != b"DICM"
            if size and bare and not _may_be_bare(start):
                return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, force=bare, specific_tags=[*TAGS, *PERSONAL])
            if bare and not header.get("SOPClassUID"):
                return None if size else {}
            if str(header.file_meta.get("MediaStorageSOPClassUID")) == DICOMDIR:
                return None
            return {name: _text(header.get(name)) for name in (*TAGS, *PERSONAL)}
    except Exception:  # the bytes can be anything, and pydicom's errors repeat them
        return {}


def _may_be_bare(start):
    """Check whether a file may be DICOM without the preamble of 128 bytes: its first field is of group 2 or 8."""
    return start[:2] in (b"\x08\x00", b"\x02\x00") and start[3:4] == b"\0" and len(start) > 16


def _text(value):
    """Return a field as text; for a DICOM sequence only whether it is filled."""
    if value is None:
        return ""
    if type(value).__name__ == "Sequence":
        return "agent" if len(value) else ""
    return str(value).strip()


def _describe(header):
    """Start a series with the header of its first file."""
    return {
        "study": header["StudyInstanceUID"],
        "uid": header["SeriesInstanceUID"],
        "number": int(header["SeriesNumber"]) if header["SeriesNumber"].isdecimal() else 0,
        "when": (header["StudyDate"] + header["StudyTime"], header["AcquisitionTime"] or header["SeriesTime"]),
        "agent": header["ContrastBolusAgent"] or header["ContrastBolusAgentSequence"],
        "images": header["Modality"] == "MR" and bool(header["Rows"]),
        "files": [],
        "personal": set(),
    }


def _personal_words(header, names):
    """Return the words of some fields, and each whole field as one word, if they have at least three characters."""
    parts = [re.split(r"[\W_]+", header[name].lower()) for name in names]
    return {word for words in parts for word in (*words, "".join(words)) if len(word) > 2}


def convert_series(files, folder):
    """Convert one series on its own, because dcm2niix exits at a damaged series and would skip the others.

    Parameters
    ----------
    files : sequence of str
        DICOM files of one series.
    folder : Path
        Empty folder for the output. Files are linked there under numbers, since their names may identify the patient.

    Returns
    -------
    list of dict
        One for each image: `image` (path of a NIfTI), `sidecar` (as written by dcm2niix, not anonymous), `uneven`
        (whether the slices are unevenly spaced), `used` (how many of the files were converted). Empty if dcm2niix
        failed.
    """
    import dcm2niix

    links, made = folder / "dicom", folder / "nifti"
    links.mkdir()
    made.mkdir()
    for number, file in enumerate(files):
        try:
            _place(file, links / f"{number:06d}.dcm")
        except OSError as error:  # without the file's name
            raise OSError(error.errno, f"no links in the folder for temporary files: {error.strerror}") from None
    command = [dcm2niix.bin, *OPTIONS, "-f", "image", "-o", str(made), str(links)]
    # its output contains paths and header fields, so it is discarded
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if ran.returncode:
        return []
    used = sum(int(count) for count in re.findall(rb"Convert (\d+) DICOM as", ran.stdout))
    names = sorted(path.name.removesuffix(".nii") for path in made.glob("*.nii"))
    # for an image with uneven slices dcm2niix also writes a copy resampled to even spacing
    resampled = {name for name in names if "_Eq" in name}
    return [
        {
            "image": made / f"{name}.nii",
            "sidecar": _read_sidecar(made / f"{name}.json"),
            "uneven": any(other.startswith(f"{name}_Eq") for other in resampled),
            "used": used,
        }
        for name in names
        if name not in resampled
    ]


def _place(file, link):
    """Link a DICOM file; one without preamble is copied with one, as dcm2niix needs it."""
    with open(file, "rb") as opened:
        start = opened.read(132)
        if start[128:] == b"DICM":
            link.symlink_to(os.path.abspath(file))
            return
        content = start + opened.read()
    meta = b"" if start[:2] == b"\x02\x00" else _make_meta(start)
    link.write_bytes(bytes(128) + b"DICM" + meta + content)


def _make_meta(start):
    """Make the group 2 of a file that begins with group 8: its transfer syntax, by how its first field is written."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, generate_uid

    meta, made = FileMetaDataset(), DicomBytesIO()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    write_file_meta_info(made, meta)
    return made.getvalue()


def _read_sidecar(path):
    """Read a sidecar of dcm2niix; return an empty dict if it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8", errors="replace"), strict=False)
    except (OSError, ValueError):
        return {}


def clean_image(path):
    """Read a NIfTI written by dcm2niix; of its header keep only the scaling and the affine.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    nibabel.Nifti1Image
        The values as stored, with a new header: times, comments and extensions are removed.
    """
    loaded = nib.Nifti1Image.from_filename(path)
    stored = cast(ArrayProxy, loaded.dataobj)
    cleaned = nib.Nifti1Image(np.asanyarray(stored.get_unscaled()), loaded.affine)
    cleaned.header.set_slope_inter(stored.slope, stored.inter)
    cleaned.header.set_xyzt_units("mm")
    cleaned.set_sform(loaded.affine, code=1)
    cleaned.set_qform(loaded.affine, code=1)
    return cleaned


def clean_sidecar(sidecar, personal=()):
    """Keep the technical fields of a sidecar, and only values that cannot be anything else.

    Parameters
    ----------
    sidecar : dict
    personal : collection of str
        Words in lower case; a model name that contains one is dropped.

    Returns
    -------
    dict
        Fields of `NUMBERS` and `CODES`, and the model name.
    """
    kept = {name: sidecar[name] for name in NUMBERS if type(sidecar.get(name)) in (int, float)}
    for name, allowed in CODES.items():
        codes = re.split(r"[\s_\\]+", str(sidecar.get(name, "")).strip())
        if set(codes) <= allowed:
            kept[name] = "_".join(codes)
    model = str(sidecar.get("ManufacturersModelName", ""))
    if re.fullmatch(r"[A-Za-z0-9 .+/-]{1,32}", model) and not any(word in model.lower() for word in personal):
        kept["ManufacturersModelName"] = model
    return kept


NUMBERS = ("MagneticFieldStrength", "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "SliceThickness",
           "SpacingBetweenSlices", "EchoTrainLength", "PixelBandwidth")  # fmt: skip
CODES = {
    "Manufacturer": {"Bruker", "Canon", "GE", "Hitachi", "Hyperfine", "MRSolutions", "Philips", "Siemens", "Toshiba",
                     "UIH"},
    "MRAcquisitionType": {"2D", "3D"},
    "ScanningSequence": {"SE", "IR", "GR", "EP", "RM"},
    "SequenceVariant": {"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "NONE"},
}  # fmt: skip
