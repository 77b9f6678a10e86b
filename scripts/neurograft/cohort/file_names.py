"""Parse file and folder names: subject labels, BIDS entities, choice among duplicates.

Used when the Snakefile is parsed: standard library only.
"""

import hashlib
import json
import os
import re
import unicodedata

BIDS_SUFFIXES = {"T1w": "t1", "T2w": "t2", "inplaneT2": "t2", "FLAIR": "flair"}
# derivatives whose dseg files are anatomical, or predictions of this project
NOT_TUMOUR = "fmriprep|nipreps|freesurfer|fastsurfer|synthseg|cat12|qsiprep|neurograft"


def subject_label(name):
    """Reduce a name to the letters and digits that BIDS allows, without accents and `sub-`."""
    plain = unicodedata.normalize("NFKD", name.removeprefix("sub-")).encode("ascii", "ignore").decode()
    return re.sub("[^0-9A-Za-z]", "", plain)


def list_folder(folder):
    """Return the names of a folder's visible folders and files, sorted; empty lists if the folder does not exist."""
    try:
        with os.scandir(folder) as entries:
            seen = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return [], []
    return [name for name, is_folder in seen if is_folder], [name for name, is_folder in seen if not is_folder]


def list_files(folder):
    """List the visible files below a folder with their sizes and times.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    list of (str, os.stat_result)
        Sorted within each folder; links to folders are not followed.
    """
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [os.path.join(parent, name) for name in sorted(files) if not name.startswith(".")]
        found += [(path, os.stat(path)) for path in paths if os.path.isfile(path)]
    return found


def digest_files(folder):
    """Compute a digest of the names, sizes and times of the files below a folder; Snakemake would store every name.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    seen = [(path, about.st_size, about.st_mtime_ns) for path, about in list_files(folder)]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def take_one(candidates, rank):
    """Choose one file for each sequence, and note which files are left out.

    Parameters
    ----------
    candidates : dict of str to list of str
        Sequence to paths.
    rank : callable
        Maps a path to a sort key; the file with the lowest key is taken.

    Returns
    -------
    taken : dict of str to str
    notes : list of str
    """
    taken, notes = {}, []
    for sequence, paths in sorted(candidates.items()):
        taken[sequence], *others = sorted(paths, key=rank)
        if others:
            left = ", ".join(os.path.basename(path) for path in others)
            notes.append(f"{sequence}: took {os.path.basename(taken[sequence])}, left {left}")
    return taken, notes


def split_bids_name(file):
    """Split a BIDS file name into its parts.

    Returns
    -------
    entities : dict of str to str
    suffix, extension : str
        For example "T1w" and ".nii.gz".
    """
    stem, _, extension = file.partition(".")
    *pairs, suffix = stem.split("_")
    return dict(pair.split("-", 1) for pair in pairs if "-" in pair), suffix, f".{extension}"


def list_bids_images(folder):
    """Sort the images of one BIDS folder.

    T1w with the entity `ce` is contrast-enhanced T1, and inplaneT2 is T2; phase images are left out. A `dseg` counts
    as a tumour label unless its name says otherwise: another `space`, an `atlas`, or a `desc` of anatomy or
    candidates.

    Returns
    -------
    scans : dict of str to list of str
        Sequence to paths.
    labels : list of str
    """
    scans, labels = {}, []
    for file in list_folder(folder)[1]:
        entities, suffix, extension = split_bids_name(file)
        if extension not in (".nii", ".nii.gz") or entities.get("part", "mag") != "mag":
            continue
        if suffix in BIDS_SUFFIXES:
            sequence = "t1c" if suffix == "T1w" and "ce" in entities else BIDS_SUFFIXES[suffix]
            scans.setdefault(sequence, []).append(os.path.join(folder, file))
        elif suffix == "dseg" and not _says_other(entities):
            labels.append(os.path.join(folder, file))
    return scans, labels


def _says_other(entities):
    """Check whether the name of a `dseg` shows that it is not a tumour label on the grid of a scan."""
    moved = entities.get("space", "orig") not in ("orig", "individual")
    anatomy = re.search("aseg|aparc|tissue|candidates", entities.get("desc", ""), re.I)
    return moved or "atlas" in entities or anatomy is not None


def rank_bids(path):
    """Rank duplicates: not in-plane, not defaced, fewest entities, first run, then by name."""
    file = os.path.basename(path)
    entities, suffix, _ = split_bids_name(file)
    run = re.sub(r"\D", "", entities.pop("run", "")) or "0"
    return suffix.startswith("inplane"), "deface" in file.lower(), len(entities), int(run), file


def may_hold_tumours(shelf):
    """Check from its name and its `GeneratedBy` whether a folder of derivatives may contain tumour labels."""
    try:
        with open(os.path.join(shelf, "dataset_description.json"), encoding="utf-8") as file:
            makers = json.dumps(json.load(file).get("GeneratedBy", ""))
    except (OSError, ValueError, AttributeError):
        makers = ""
    return not re.search(NOT_TUMOUR, os.path.basename(shelf) + makers, re.I)
