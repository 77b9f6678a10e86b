"""DICOM files on disk: their headers, the series they make up, and what dcm2niix makes of one series.

Headers hold names, dates and free text. Nothing here prints, and no message repeats what a header, a path
below the patient's folder, or dcm2niix said.
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
# what may tell who or where somebody is: searched for in the folder's name and in what is kept of a header
PERSONAL = ("PatientName", "PatientID", "InstitutionName", "StationName", "ReferringPhysicianName", "OperatorsName")
DICOMDIR = "1.2.840.10008.1.3.10"
# MR image, enhanced, enhanced in colour, enhanced of old files
MR_IMAGES = {f"1.2.840.10008.5.1.4.1.1.4{end}" for end in ("", ".1", ".3", ".4")}
# -g i: no defaults of the user's; -l n: 16-bit values with sign, the others end the program at uneven slices;
# -x i: neither cropped nor turned; -z n: not compressed; -c: no comment in the image's header
OPTIONS = ("-g", "i", "-b", "y", "-ba", "y", "-c", "", "-i", "n", "-l", "n", "-m", "2", "-x", "i", "-z", "n")


def list_series(folder):
    """Sort a patient's DICOM files into series, by their headers.

    Parameters
    ----------
    folder : str or Path
        Files of any name in folders of any depth; others are passed over.

    Returns
    -------
    series : list of dict
        In the order of study, series number and time: `study` and `uid` (UIDs), `number`, `when` (times), `agent`
        (contrast agent, or ""), `images` (whether dcm2niix can convert it: MR with pixels), `files`, `personal` (words
        that may identify somebody, in lower case).
    facts : dict
        `damaged` (number of DICOM files that cannot be read), `people` (number of PatientIDs), `named` (whether the
        folder's name is in PatientName or PatientID, and nothing says that these are pseudonyms).
    """
    series, images, facts = {}, set(), {"damaged": 0, "people": set(), "named": False}
    label = subject_label(os.path.basename(os.path.abspath(folder))).lower()
    for path, about in list_files(folder):
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
    """Read a file's fields as text; None for one that is no DICOM object, an empty dict for a damaged one."""
    import pydicom  # here, so that the workflow can be parsed without it

    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its warnings repeat the values of fields
    try:
        with open(path, "rb") as file:
            if size and file.read(132)[128:] != b"DICM":
                return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*TAGS, *PERSONAL])
            if str(header.file_meta.get("MediaStorageSOPClassUID")) == DICOMDIR:
                return None
            return {name: _text(header.get(name)) for name in (*TAGS, *PERSONAL)}
    except Exception:  # bytes of any kind come here, and what pydicom raises repeats them
        return {}


def _text(value):
    """Write a field as text; of a sequence only that there is something in it."""
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
    """Return the words of some fields, of three and more letters or digits, and each field as one word."""
    parts = [re.split(r"[\W_]+", header[name].lower()) for name in names]
    return {word for words in parts for word in (*words, "".join(words)) if len(word) > 2}


def convert_series(files, folder):
    """Convert one series alone, so that a damaged one ends nobody else's conversion (dcm2niix exits at the first).

    Parameters
    ----------
    files : sequence of str
        DICOM files of one series.
    folder : Path
        Empty, for what is written; the files are linked there under numbers, for their names may say who it is.

    Returns
    -------
    list of dict
        One for each image: `image` (path of a NIfTI), `sidecar` (as dcm2niix wrote it: not anonymous), `uneven`
        (whether the slices are not evenly spaced), `used` (how many of the files became images). Empty if dcm2niix
        failed.
    """
    import dcm2niix

    links, made = folder / "dicom", folder / "nifti"
    links.mkdir()
    made.mkdir()
    for number, file in enumerate(files):
        try:
            (links / f"{number:06d}.dcm").symlink_to(os.path.abspath(file))
        except OSError as error:  # without the file's name
            raise OSError(error.errno, f"no links in the folder for temporary files: {error.strerror}") from None
    command = [dcm2niix.bin, *OPTIONS, "-f", "image", "-o", str(made), str(links)]
    # what it prints holds paths and fields of the headers, so that it goes nowhere
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if ran.returncode:
        return []
    used = sum(int(count) for count in re.findall(rb"Convert (\d+) DICOM as", ran.stdout))
    names = sorted(path.name.removesuffix(".nii") for path in made.glob("*.nii"))
    # beside an image with uneven slices dcm2niix writes one resampled to even ones
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


def _read_sidecar(path):
    """Read a sidecar of dcm2niix; one that is missing or broken says nothing."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8", errors="replace"), strict=False)
    except (OSError, ValueError):
        return {}


def clean_image(path):
    """Read a NIfTI that dcm2niix wrote, and keep its values, scaling and position, nothing else of its header.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    nibabel.Nifti1Image
        With the values as stored, and a fresh header: times, comments and extensions are gone.
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
    """Keep of a sidecar the technical fields, and of these only what can be nothing else.

    Parameters
    ----------
    sidecar : dict
    personal : collection of str
        Words in lower case; a model's name that holds one is dropped.

    Returns
    -------
    dict
        Fields of `NUMBERS`, `CODES` and the model.
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
