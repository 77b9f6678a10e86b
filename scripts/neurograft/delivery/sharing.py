"""Copies of scans for sharing: defaced, without names, and with numbers instead of subject labels."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft import __version__
from neurograft.cohort.file_opening import open_nifti
from neurograft.cohort.subject_status import SubjectStatus
from neurograft.core import files, tables
from neurograft.core.labels import is_own
from neurograft.core.sequences import OWN_SUFFIX
from neurograft.delivery import subject_figures
from neurograft.imaging import derivatives, nifti
from neurograft.imaging.typed import load_nifti

# numeric sidecar fields and their plausible ranges
NUMBERS = {
    "MagneticFieldStrength": (0.01, 20),  # T
    "EchoTime": (0, 10),  # s
    "RepetitionTime": (0, 100),  # s
    "InversionTime": (0, 100),  # s
    "FlipAngle": (0, 360),  # degrees
    "SliceThickness": (0, 50),  # mm
    "SpacingBetweenSlices": (0, 50),  # mm
    "EchoTrainLength": (1, 2000),
    "PixelBandwidth": (0, 10_000),  # Hz
    "ParallelReductionFactorInPlane": (1, 64),
}
# text sidecar fields and their allowed words; several are joined by `_`, as in dcm2niix
WORDS = {
    "Modality": {"MR"},
    "Manufacturer": {"Siemens", "GE", "Philips", "Toshiba", "Canon", "Hitachi", "UIH", "Bruker"},
    "MRAcquisitionType": {"1D", "2D", "3D"},
    "PhaseEncodingDirection": {"i", "j", "k", "i-", "j-", "k-"},
    "ScanningSequence": {"SE", "IR", "GR", "EP", "RM"},
    "SequenceVariant": {"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "NONE"},
}


def scrub_sidecar(sidecar):
    """Keep only the listed acquisition fields, and only those with an allowed value.

    Parameters
    ----------
    sidecar : object
        Content of a JSON file.

    Returns
    -------
    dict
        Without names, dates, serial numbers, protocol and series names, comments and all other fields.
    """
    fields = sidecar.items() if isinstance(sidecar, dict) else ()
    return {field: value for field, value in fields if _is_harmless(field, value)}


def _is_harmless(field, value):
    """Check whether a field is listed and its value allowed."""
    if isinstance(value, str):
        return set(value.split("_")) <= WORDS.get(field, set())
    if field not in NUMBERS or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = NUMBERS[field]
    return low <= value <= high


def read_stored(loaded):
    """Return the voxels of an image as stored, shape (X, Y, Z), and the stored value that means 0.

    Parameters
    ----------
    loaded : nibabel.Nifti1Image
        Read from a file; a fourth axis of one volume is dropped.
    """
    data = np.array(loaded.dataobj.get_unscaled()).reshape(loaded.shape[:3])
    zero = -loaded.dataobj.inter / loaded.dataobj.slope
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        zero = int(np.clip(round(zero), limits.min, limits.max))
    return data.astype(data.dtype.newbyteorder("=")), zero


def scrub_image(loaded, data):
    """Make an image of stored voxels with a new header.

    The new header has only the shape, type, slope and intercept, sform and qform, but no names, descriptions, dates,
    extensions or unused bytes.

    Parameters
    ----------
    loaded : nibabel.Nifti1Image
        Image with the grid and scale.
    data : ndarray, shape (X, Y, Z)
        As stored (`read_stored`).

    Returns
    -------
    nibabel.Nifti1Image
        For writing only: its data in memory are the stored values, not the scaled ones.
    """
    scrubbed = nib.Nifti1Image(data, loaded.affine)
    scrubbed.set_data_dtype(data.dtype)
    scrubbed.header.set_xyzt_units("mm")
    for name in ("qform", "sform"):
        affine, code = getattr(loaded, f"get_{name}")(coded=True)
        # the voxel sizes are set with the qform, so an unset qform is given the affine too
        getattr(scrubbed, f"set_{name}")(loaded.affine if affine is None else affine, code, update_affine=False)
    scrubbed.header.set_slope_inter(loaded.dataobj.slope, loaded.dataobj.inter)
    return scrubbed


DEFACED, STRIPPED = "defaced", "stripped"
NAMES = {"t1": "{}_T1w", "t1c": "ce-gadolinium_{}_T1w", "t2": "{}_T2w", "flair": "{}_FLAIR"}
TILTS = range(20, 76, 5)  # directions of the planes that cut off the face, in degrees below the horizontal
KEY = ("subject", "participant_id", "left_out")
README = """Scans of {count} participants, prepared for sharing by neurograft {version}.

desc-defaced: what lies in front of and below the brain was set to zero. Ears and the shape of the skull are still
there. desc-stripped: the image came without skull, and so without face; it was copied.
desc-brain_mask: brain masks. desc-tumour_dseg or desc-labels_dseg: the dataset's own labels.
Voxel values are otherwise those of the original files. Headers hold the grid and the scale alone, sidecars a few
acquisition parameters, and numbers stand in the place of names.
"""


def share_scans(folder, picture, subject, status: SubjectStatus, stem, margin=5.0):
    """Copy one subject's scans, masks and labels without face and names.

    Parameters
    ----------
    folder : str or Path
        Written atomically: NAME.nii.gz and NAME.json of each sequence, NAME_mask.nii.gz, `labels.nii.gz` if there are
        any, and `record.json`: `images` (sequence to "defaced" or "stripped"), `left_out` (sequence to the reason),
        `scheme` of the labels or None.
    picture : str or Path
        PNG to check before sharing. It shows the original face and must not be shared itself.
    subject : str
    status : SubjectStatus
    stem : str
        The subject's native stem (`derivatives`), for the brain masks.
    margin : float
        Distance in mm between the brain and the planes that cut off the face.
    """
    record, drawn = {"images": {}, "left_out": {}, "scheme": None}, {}
    with files.whole(folder) as part:
        part.mkdir()
        for name, sequence_file in status["sequences"].items():
            loaded = open_nifti(sequence_file["file"])[0]
            stored, zero = read_stored(loaded)
            mask = load_nifti(derivatives.brain_mask_file(stem, name))
            face = np.zeros(stored.shape, bool)
            if not sequence_file["stripped"]:
                # the mask of a prepared scan covers everything that it shows, so it cannot locate the face
                face, reason = (
                    (face, "it was prepared elsewhere, so no brain is known that would tell the face")
                    if status.get("prepared")
                    else find_face(mask, stored != zero, margin)
                )
                if reason:
                    record["left_out"][name] = reason
                    continue
            drawn[name] = (nib.Nifti1Image(stored, mask.affine), face)
            shared = np.where(face, np.array(zero, stored.dtype), stored)
            _write(
                part / name,
                loaded,
                shared,
                read_sidecar(sequence_file["file"]) | {"SkullStripped": sequence_file["stripped"]},
            )
            nifti.write_image(part / f"{name}_mask.nii.gz", mask, {"Type": "Brain"})
            record["images"][name] = STRIPPED if sequence_file["stripped"] else DEFACED
        labels = status["labels"]
        if labels and labels["grid_of"] in record["images"]:
            loaded = open_nifti(labels["file"])[0]
            _write(part / "labels", loaded, read_stored(loaded)[0], {"Scheme": labels["scheme"]})
            record["scheme"] = labels["scheme"]
        files.write_json(part / "record.json", record)
    figure = subject_figures.draw_defaced(drawn, f"sub-{subject}", status["layout"] == "phantom")
    subject_figures.save_figure(figure, picture)


def find_face(mask, shown, margin=5.0):
    """Find the voxels in front of and below the brain.

    After Quickshear (Schimke and Hale 2011, USENIX HealthSec), which places one plane against the brain's outline in
    side view. Here several planes with tilts from the forehead to the throat touch the brain, and all voxels beyond one
    of them plus the margin are face. Brain voxels are therefore never face.

    Parameters
    ----------
    mask : nibabel.Nifti1Image
        Brain mask, in any orientation.
    shown : ndarray of bool, the same shape
        True where the scan is not zero.
    margin : float
        Distance in mm between the brain and each plane.

    Returns
    -------
    face : ndarray of bool
    reason : str
        Why the image cannot be shared; empty if it can.
    """
    brain = np.asanyarray(mask.dataobj) > 0
    if not brain.any():
        return brain, "no brain was found, so the face cannot be told from it"
    turn = nib.orientations.io_orientation(mask.affine)
    upright = nib.orientations.apply_orientation(brain, turn)
    # anterior and superior coordinates in mm, in side view
    sizes = np.linalg.norm(mask.affine[:3, :3], axis=0)[np.argsort(turn[:, 0])][1:]
    forwards, upwards = (np.arange(n) * size for n, size in zip(upright.shape[1:], sizes, strict=True))
    outline = np.argwhere(upright.any(axis=0)) * sizes
    beyond = np.zeros(upright.shape[1:], bool)
    for tilt in np.radians(TILTS):
        ahead, below = np.cos(tilt), np.sin(tilt)
        # a rounding error must not cut a voxel that touches the plane
        reach = (outline @ [ahead, -below]).max() + margin + 1e-6
        beyond |= ahead * forwards[:, None] - below * upwards[None] > reach
    back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), turn)
    face = nib.orientations.apply_orientation(np.broadcast_to(beyond, upright.shape), back)
    if not (face & shown).any():
        return face, "nothing lies in front of and below the brain: the field of view may end in the face"
    return face, ""


def read_sidecar(path):
    """Read the harmless fields of a scan's sidecar; return an empty dict if it is missing or unreadable."""
    sidecar = Path(str(path).removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        return scrub_sidecar(json.loads(sidecar.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _write(path, loaded, stored, sidecar):
    nifti.write_image(f"{path}.nii.gz", scrub_image(loaded, stored), sidecar)


def gather_shared(folder, key, shared, seed=0):
    """Arrange the subjects' copies as a BIDS dataset with numbered participants.

    Parameters
    ----------
    folder : str or Path
        Written atomically.
    key : str or Path
        TSV of `KEY`: the number of each subject, and what could not be shared. Subjects already in it keep their
        numbers. It must not be shared.
    shared : dict of str to str or Path
        Subject to the folder written by `share_scans`.
    seed : int
        For the order of new numbers, which is unrelated to the names.
    """
    numbers = number_subjects(shared, tables.read_table(key) if Path(key).exists() else [], seed)
    records = {subject: files.read_json(Path(place) / "record.json") for subject, place in shared.items()}
    rows = [
        {"subject": subject, "participant_id": number,
         "left_out": "; ".join(f"{n}: {why}" for n, why in records.get(subject, {}).get("left_out", {}).items())}
        for subject, number in numbers.items()
    ]  # fmt: skip
    tables.write_table(key, rows, KEY)
    given = {number: subject for subject, number in numbers.items() if records.get(subject, {}).get("images")}
    scans = []
    with files.whole(folder) as part:
        part.mkdir()
        for number in sorted(given):
            scans += _place(part, number, Path(shared[given[number]]), records[given[number]])
        derivatives.describe_dataset(part / "dataset_description.json")
        people = [{"participant_id": number} for number in sorted(given)]
        tables.write_table(part / "participants.tsv", people, ["participant_id"])
        tables.write_table(part / "scans.tsv", scans, ("filename", "face"))
        (part / "README").write_text(README.format(count=len(given), version=__version__), encoding="utf-8")


def number_subjects(subjects, known=(), seed=0):
    """Map each subject to its participant_id: its known number, or the next one.

    Parameters
    ----------
    subjects : collection of str
    known : list of dict
        Rows of an earlier key.
    seed : int
    """
    numbers = {row["subject"]: row["participant_id"] for row in known}
    last = max((int(number.removeprefix("sub-")) for number in numbers.values()), default=0)
    new = sorted(set(subjects) - set(numbers), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    return numbers | {name: f"sub-{last + at:04d}" for at, name in enumerate(new, start=1)}


def _place(root, number, source, record):
    """Link one subject's files to their BIDS names; return the rows of `scans.tsv`."""
    anat, rows = root / number / "anat", []
    anat.mkdir(parents=True)
    for name, how in record["images"].items():
        target = f"{number}_{NAMES.get(name, f'acq-{name}_{{}}_{OWN_SUFFIX}').format(f'desc-{how}')}"
        _link(source / name, anat / target)
        _link(source / f"{name}_mask", anat / f"{number}_acq-{name}_desc-brain_mask")
        face = "cut off" if how == DEFACED else "none: it came without skull"
        rows.append({"filename": f"{number}/anat/{target}.nii.gz", "face": face})
    if record["scheme"]:
        what = "labels" if is_own(record["scheme"]) else "tumour"
        _link(source / "labels", anat / f"{number}_desc-{what}_dseg")
    return rows


def _link(source, target):
    """Hard-link an image and its sidecar to a second name, or copy them if the file system has no links."""
    for ending in (".nii.gz", ".json"):
        try:
            os.link(f"{source}{ending}", f"{target}{ending}")
        except OSError:
            shutil.copyfile(f"{source}{ending}", f"{target}{ending}")
