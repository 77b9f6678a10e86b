"""Find the subjects of a dataset from its file names, for every layout.

The Snakefile imports this module when it is parsed, which happens in every job on a cluster. It therefore uses only
the standard library and opens no scan. (A BIDS library needs more than the whole budget of 0.5 s to list 1,000
subjects: docs/explanation/decisions/workflow.md.)
"""

import difflib
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass

from neurograft.cohort.file_names import (
    list_bids_images,
    list_folder,
    may_hold_tumours,
    rank_bids,
    subject_label,
    take_one,
)
from neurograft.cohort.picture_folders import PictureOptions, PictureSetError, find_patients, has_masks
from neurograft.core.sequences import SEQUENCES, list_sequences
from neurograft.core.tables import TableError, read_table

SITE_COLUMNS = ("site", "center", "centre", "site_id")
BRATS_NAMES = {
    "_t1": ("t1", "brats2018"),
    "_t1ce": ("t1c", "brats2018"),
    "_t2": ("t2", "brats2018"),
    "_flair": ("flair", "brats2018"),
    "_seg": ("labels", "brats2018"),
    "_segm": ("labels", "brats2018"),  # one case of the 2020 release has this name
    "-t1n": ("t1", "brats2023"),
    "-t1c": ("t1c", "brats2023"),
    "-t2w": ("t2", "brats2023"),
    "-t2f": ("flair", "brats2023"),
    "-seg": ("labels", "brats2023"),
}


class CohortError(ValueError):
    """An error in the dataset as a whole; the message is one line that says what to do."""


@dataclass(frozen=True)
class _Wanted:
    """Options of a layout besides its root: subjects to simulate, sequence names, picture options."""

    subjects: int = 0
    unlabelled: int = 0
    sequences: tuple[str, ...] = SEQUENCES
    # set if a subject is a patient with several pictures
    stacked: PictureOptions | None = None


def find_subjects(layout, root=None, subjects=0, unlabelled=0, exclude="", sequences=(), pictures=None):
    """List a dataset's subjects and their files from the file names alone.

    Parameters
    ----------
    layout : str
        A key of `DATASETS`.
    root : str, or list of str
        Folder (bids, brats, decathlon, dicom, images), TSV (table), or output folder of the simulated scans (phantom;
        by default `results/simulated`). The subjects of several roots are combined.
    subjects : int
        Number of subjects to simulate (layout phantom only).
    unlabelled : int
        How many of these have no labels; they are the last ones.
    exclude : str
        TSV of the subjects to exclude by hand (`layouts.read_exclusions`); empty for none.
    sequences : sequence of str
        The dataset's own image names, if they are not the known sequences. For pictures (layout images): what their
        channels show; empty if each picture is a subject of its own.
    pictures : dict, optional
        Fields of `picture_folders.PictureOptions` (layout images).

    Returns
    -------
    dict of str to dict
        Subject label X (letters and digits of the original name) to `name`, `source` (folder or row), `files`
        (sequence, "labels" or "image" to path; for phantom, dicom and stacked pictures the files do not exist yet),
        `site`, `columns` (the dataset's own, str to str), `scheme` (the label scheme that the file names suggest, or
        ""), `problems`, `notes`; for stacked pictures also `slices`. A subject excluded by hand has no files, and the
        exclusion is its only problem.

    Raises
    ------
    CohortError
        If a root is missing or has no subject, two subjects have the same label, or `exclude` has a mistake.
    """
    stacked = PictureOptions(**(pictures or {})) if layout == "images" and sequences else None
    found, wanted = {}, _Wanted(subjects, unlabelled, tuple(sequences) or SEQUENCES, stacked)
    for place in (root or [None]) if isinstance(root, list | tuple) else [root]:
        try:
            listed = DATASETS[layout](os.path.expanduser(place or ""), wanted)
        except (TableError, PictureSetError) as error:
            raise CohortError(str(error)) from None
        if not listed:
            fault = "holds no subject" if place and os.path.exists(place) else "does not exist"
            raise CohortError(
                f"dataset.root '{place or ''}' {fault}; layout {layout} expects {_expect(layout, wanted)}"
            )
        for entry in listed:
            label = subject_label(entry["name"])
            if not label:
                raise CohortError(f"{entry['source']}: give subject '{entry['name']}' a name with letters or digits")
            if label in found:
                both = f"{found[label]['source']} and {entry['source']}"
                raise CohortError(f"{both} are both subject '{label}' (only a-z and 0-9 count); rename or remove one")
            found[label] = entry
    try:
        for label, reason in (read_exclusions(exclude, found) if exclude else {}).items():
            found[label] |= {"files": {}, "problems": [f"{BY_HAND}: {reason}"]}
    except TableError as error:
        raise CohortError(f"dataset.exclude: {error}") from None
    return found


def _expect(layout, wanted):
    """Describe the files that a layout expects."""
    expected = WITH_MASKS if wanted.stacked else EXPECTED[layout]
    return expected.replace(", ".join(SEQUENCES), ", ".join(wanted.sequences))


def _subject(name, source, files, columns, scheme="", problems=(), notes=()):
    """Build the entry of one subject; its site is taken out of the columns."""
    columns = {key: "" if value == "n/a" else value for key, value in columns.items()}
    sites = [columns.pop(key) for key in list(columns) if key.lower() in SITE_COLUMNS]
    return {
        "name": name,
        "source": source,
        "files": {kind: files[kind] for kind in (*list_sequences(files), "labels") if kind in files},
        "site": next(filter(None, sites), ""),
        "columns": columns,
        "scheme": scheme,
        "problems": list(problems),
        "notes": list(notes),
    }


def _find_brats(root, _, depth=4, path=()):
    """Find the subjects of a BraTS release, nested or not: `[HGG|LGG/]<subject>/<subject>_t1.nii.gz`."""
    folders, files = list_folder(root)
    stems = {}
    for file in files:
        match = re.match(r"(.+)([_-][a-z0-9]+)\.nii(\.gz)?$", file, re.I)
        if match and match[2].lower() in BRATS_NAMES:
            stems.setdefault(match[1], []).append((*BRATS_NAMES[match[2].lower()], os.path.join(root, file)))
    path = (*path, os.path.basename(os.path.abspath(root)))
    # a folder is one subject even if one of its files is misnamed; otherwise it holds the files of several subjects
    if len(stems) > 1 and path[-1] not in stems:
        return [_brats_subject(stem, os.path.join(root, stem), path, found) for stem, found in stems.items()]
    if stems:
        return [_brats_subject(path[-1], root, path, [file for files in stems.values() for file in files])]
    if not depth:
        return []
    return [one for folder in folders for one in _find_brats(os.path.join(root, folder), 0, depth - 1, path)]


def _brats_subject(name, source, path, found):
    """Read site, patient and grade from a BraTS name and its folders, if they are given."""
    candidates, columns = {}, {}
    for sequence, _, file in found:
        candidates.setdefault(sequence, []).append(file)
    files, notes = take_one(candidates, rank=lambda file: (not file.endswith(".gz"), file))
    # names such as Brats18_CBICA_ABM_1 and BraTS-GLI-00001-000 are patient, then number of the examination
    for pattern in (r"(brats1[789]_([a-z0-9]+)_.+)_\d+$", r"(brats-[a-z]+-\d+)()-\d+$"):
        match = re.match(pattern, name, re.I)
        if match:
            columns = {"patient": match[1], "site": match[2]}
    grades = [part.upper() for part in path if part.upper() in ("HGG", "LGG")]
    if grades:
        columns["grade"] = grades[-1]
    return _subject(name, source, files, columns, scheme=found[0][1], notes=notes)


def _find_bids(root, _):
    """Find the subjects of a BIDS dataset, with labels from the dataset itself or its derivatives."""
    people = _read_people(root)
    shelves = [os.path.join(root, "derivatives", name) for name in list_folder(os.path.join(root, "derivatives"))[0]]
    shelves = [shelf for shelf in shelves if may_hold_tumours(shelf)]
    return [_bids_subject(root, name, people, shelves) for name in list_folder(root)[0] if name.startswith("sub-")]


def _read_people(root):
    """Read `participants.tsv`, if there is one: name of the subject's folder to its columns."""
    table = os.path.join(root, "participants.tsv")
    return {row.pop("participant_id", ""): row for row in read_table(table)} if os.path.exists(table) else {}


def _bids_subject(root, name, people, shelves):
    """Choose a subject's session (most sequences) and files (first run); the notes record the choice.

    Labels are `*_dseg.nii.gz` beside the scans, or else in `derivatives/*/sub-X/[ses-Y/][anat/]`.
    """
    folder, sessions = os.path.join(root, name), {}
    for session in ["", *(part for part in list_folder(folder)[0] if part.startswith("ses-"))]:
        scans, labels = list_bids_images(os.path.join(folder, session, "anat"))
        if scans:
            sessions[session] = (scans, labels)
    session = max(sessions, key=lambda key: len(sessions[key][0]), default="")  # on a tie, the first
    scans, labels = sessions.get(session, ({}, []))
    if not labels:
        below = dict.fromkeys([os.path.join(session, "anat"), session, "anat", ""])
        places = [os.path.join(shelf, name, part) for shelf in shelves for part in below]
        labels = [file for place in places for file in list_bids_images(place)[1]]
    files, notes = take_one(scans | ({"labels": labels} if labels else {}), rank_bids)
    if len(sessions) > 1:
        notes.append(f"took session {session or 'without name'} of {len(sessions)}: the first with most sequences")
    columns = people.get(name) or people.get(name.removeprefix("sub-")) or {}
    return _subject(name, folder, files, columns, notes=notes)


def _find_table(path, wanted):
    """Read a TSV of paths; a path that does not exist excludes that subject but does not stop the run."""
    if not os.path.exists(path):
        return []
    reserved, found = {name.lower(): name for name in ("participant_id", "labels", *wanted.sequences)}, []
    for number, fields in enumerate(read_table(path), start=2):
        row = {reserved.get(k.lower(), k): _unquote(v) for k, v in fields.items()}
        if "participant_id" not in row or not row.keys() & set(wanted.sequences):
            needed = _expect("table", wanted)
            raise CohortError(f"{path} has the columns {', '.join(fields)}; layout table expects {needed}")
        source, files, problems = f"row {number} of {path}", {}, []
        for name in (*wanted.sequences, "labels"):
            if row.get(name, "") not in ("", "n/a"):
                files[name] = os.path.join(os.path.dirname(path), os.path.expanduser(row[name]))
                if not os.path.exists(files[name]):
                    problems.append(f"{name}: {files.pop(name)} does not exist; correct {source}")
        columns = {key: value for key, value in row.items() if key not in reserved.values()}
        found.append(_subject(row["participant_id"], source, files, columns, problems=problems))
    return found


def _unquote(value):
    """Strip outer blanks, and the quotes that a spreadsheet puts around a field with a comma."""
    value = value.strip()
    return value[1:-1].replace('""', '"') if len(value) > 1 and value[0] == value[-1] == '"' else value


def _find_decathlon(root, wanted):
    """Read a folder of images and a folder of labels with the same file names, such as `imagesTr` and `labelsTr`.

    An image is `<subject>.nii.gz` or, with several sequences, `<subject>_0000.nii.gz` and so on in their order, as in
    nnU-Net. A `participants.tsv` may give more columns.
    """
    places = {name.lower(): os.path.join(root, name) for name in list_folder(root)[0]}
    images, labels = (
        _list_volumes(next((places[name] for name in names if name in places), None))
        for names in (("imagestr", "images"), ("labelstr", "labels"))
    )
    # a four-digit suffix numbers the images if no label has it; otherwise it belongs to the subject's name
    numbered = bool(images) and all(re.search(r"_\d{4}$", stem) for stem in images) and not set(images) & set(labels)
    files = {}
    for stem, paths in images.items():
        name, kind = (stem[:-5], str(int(stem[-4:]))) if numbered else (stem, "0")
        files.setdefault(name, {}).setdefault(kind, []).extend(paths)
    for name, paths in labels.items():
        files.setdefault(name, {})["labels"] = paths
    people = _read_people(root)
    return [_decathlon_subject(name, files[name], people.get(name, {}), wanted.sequences) for name in sorted(files)]


def _list_volumes(folder):
    """List the NIfTI files of a folder: name without extension to paths."""
    found = {}
    for file in list_folder(folder)[1] if folder else ():
        match = re.match(r"(?!\.)(.+?)\.nii(\.gz)?$", file)
        if match:
            found.setdefault(match[1], []).append(os.path.join(folder, file))
    return found


def _decathlon_subject(name, files, columns, sequences):
    """Build a subject of numbered images; an image that fits no sequence, or is there twice, is a problem."""
    named, problems = {}, []
    names = {str(number): sequence for number, sequence in enumerate(sequences)} | {"labels": "labels"}
    for kind, paths in files.items():
        sequence = names.get(kind, "")
        if not sequence:
            problems.append(f"{paths[0]}: dataset.sequences names no image {kind}, counted from 0; name it there")
        elif len(paths) > 1:
            problems.append(f"{' and '.join(sorted(paths))} are both its {sequence}; remove one")
        else:
            named[sequence] = paths[0]
    if set(named) == {"labels"} and not problems:
        problems.append(f"{named.pop('labels')} has no image of its name; add the image, or remove the labels")
    return _subject(name, next(iter(files.values()))[0], named, columns, problems=problems)


def _find_phantom(root, wanted):
    """Name the simulated subjects; their files are made during the run."""
    found = []
    for index in range(wanted.subjects):
        name = f"phantom{index + 1:03d}"
        folder = f"{root or 'results/simulated'}/sub-{name}"
        kinds = (*SEQUENCES, "labels") if index < wanted.subjects - wanted.unlabelled else SEQUENCES
        files = {kind: f"{folder}/{kind}.nii.gz" for kind in kinds}
        found.append(_subject(name, folder, files, {}, scheme="brats2018"))
    return found


def _find_dicom(root, _):
    """List each folder as a patient; its files are made during the run, except the user's own tumour labels."""
    found, people = [], _read_people(root)
    for name in list_folder(root)[0]:
        source = os.path.join(root, name)
        files = {kind: f"results/work/sub-{subject_label(name)}/converted/{kind}.nii.gz" for kind in SEQUENCES}
        for labels in (os.path.join(source, "labels.nii"), os.path.join(source, "labels.nii.gz")):
            if os.path.exists(labels):
                files["labels"] = labels
        found.append(_subject(name, source, files, people.get(name, {})))
    return found


def _find_images(root, wanted):
    """Find patients with their pictures, or single pictures in class folders, whose patients are unknown."""
    if wanted.stacked:
        patients = find_patients(root, wanted.sequences, wanted.stacked)
        return [_stacked_subject(patient, wanted.sequences) for patient in patients]
    return [_subject(one["name"], one["path"], {"image": one["path"]}, one["columns"]) for one in find_images(root)]


def _stacked_subject(patient, sequences):
    """Name the volumes into which a patient's pictures are stacked during the run."""
    kinds = [*sequences, *(["labels"] if any(one["mask"] for one in patient["slices"]) else [])]
    folder = f"results/work/sub-{subject_label(patient['name'])}/stacked"
    files = {kind: f"{folder}/{kind}.nii.gz" for kind in kinds}
    about = {key: patient[key] for key in ("name", "source", "columns", "problems", "notes")}
    return _subject(files=files, **about) | {"slices": patient["slices"]}


EXPECTED = {
    "bids": "a BIDS dataset: a folder with sub-<label>/[ses-<label>/]anat/*_T1w.nii.gz and the like",
    "brats": "a folder of BraTS cases: <case>/<case>_t1.nii.gz (2018-2021) or <case>/<case>-t1n.nii.gz (2023)",
    "table": "a tab-separated file with the column participant_id and paths in t1, t1c, t2, flair, labels",
    "decathlon": "a folder images (or imagesTr) of <subject>.nii.gz, beside it labels (or labelsTr) of the same names",
    "dicom": "one folder a patient, with DICOM files of any name in folders of any depth",
    "images": "a folder of classes, <class>/*.jpg or *.png, or two such folders, train and test",
    "phantom": "demo subjects to simulate: set their number to 1 or more",
}
WITH_MASKS = "a folder a patient, with <slice>.png beside <slice>_mask.png, or else dataset.pictures.table"
DATASETS = {
    "bids": _find_bids,
    "brats": _find_brats,
    "table": _find_table,
    "decathlon": _find_decathlon,
    "dicom": _find_dicom,
    "images": _find_images,
    "phantom": _find_phantom,
}
COLUMNS = ("participant_id", "reason")
BY_HAND = "excluded by hand"


def read_exclusions(path, subjects):
    """Read which subjects are excluded by hand, and why.

    Parameters
    ----------
    path : str
        TSV with the columns `participant_id` and `reason`; others are ignored. Names may be written as in the dataset
        or as in `cohort.tsv`.
    subjects : collection of str
        The labels of all subjects of the dataset.

    Returns
    -------
    dict of str to str
        Label to reason.

    Raises
    ------
    TableError
        If the table cannot be read, lacks a column or a reason, or names an unknown subject or the same subject twice.
    """
    path = os.path.expanduser(path)
    # a table with only a header is valid
    rows, header = read_table(path), read_header(path)
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise TableError(f"{path} has no column {' and no column '.join(missing)}; it needs {' and '.join(COLUMNS)}")
    excluded = {}
    for row in rows:
        name, reason = row["participant_id"].strip(), row["reason"].strip()
        label = subject_label(name)
        if label not in subjects:
            near = difflib.get_close_matches(label, list(subjects), n=1)
            hint = f"did you mean '{near[0]}'?" if near else "correct it, or take its row out"
            raise TableError(f"{path}: there is no subject '{name}' in the dataset; {hint}")
        if label in excluded:
            raise TableError(f"{path}: subject '{name}' is there twice; keep one row")
        if reason in ("", "n/a"):
            raise TableError(f"{path}: subject '{name}' has no reason; write why it is excluded")
        excluded[label] = reason
    return excluded


def read_header(path):
    """Read the column names of a table, which may have no rows."""
    with open(path, encoding="utf-8-sig") as file:
        return [name.strip() for name in file.readline().split("\t")]


# folder names that datasets use for their two parts
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation"), "test"),
}


def find_images(root):
    """List the pictures in the class folders of a dataset.

    Parameters
    ----------
    root : str
        Has one folder for each class, or folders of the dataset's own parts (`PARTS`) that contain the class folders.
        A `participants.tsv` in it, with the columns `filename` (path from the root) and `patient`, may name patients.

    Returns
    -------
    list of dict
        `name` (unique even in its letters and digits alone), `path`, `columns`: `class`, `part` ("train", "test" or
        ""), `file` (path from the root) and those of the table, with its `patient` renamed to `stated_patient`.

    Raises
    ------
    tables.TableError
        If the table cannot be read.
    PictureSetError
        If there are masks, which are only allowed for patients.
    """
    folders, _ = list_folder(root)
    parted = bool(folders) and all(folder.lower() in PARTS for folder in folders)
    places = [(PARTS[part.lower()], part) for part in folders] if parted else [("", "")]
    table = os.path.join(root, "participants.tsv")
    people = {row.pop("filename", ""): row for row in read_table(table)} if os.path.exists(table) else {}
    found = []
    for part, place in places:
        for name in list_folder(os.path.join(root, place))[0]:
            files = list_folder(os.path.join(root, place, name))[1]
            if has_masks(files):
                raise PictureSetError(
                    f"{os.path.join(root, place, name)} holds masks beside pictures: say in dataset.sequences what "
                    "the pictures show, such as [t1c], so that a folder is a patient; or take the masks out"
                )
            for file in files:
                inside = os.path.join(place, name, file)
                known = dict(people.get(inside.replace(os.sep, "/"), {}))
                columns = {"class": name, "part": part, "file": inside, "stated_patient": known.pop("patient", "")}
                found.append({"path": os.path.join(root, inside), "columns": known | columns})
    return _name_apart(found)


def _name_apart(found):
    """Name each file by its path, plus a digest of it if only signs, accents or the suffix tell two files apart."""
    plain = [os.path.splitext(one["columns"]["file"])[0].replace(os.sep, " ") for one in found]
    counts = Counter(subject_label(name).lower() for name in plain)
    named = []
    for name, one in zip(plain, found, strict=True):
        label = subject_label(name).lower()
        if not label or counts[label] > 1:
            name += " " + hashlib.sha256(one["columns"]["file"].encode("utf-8", "surrogateescape")).hexdigest()[:8]
        named.append({"name": name} | one)
    return named
