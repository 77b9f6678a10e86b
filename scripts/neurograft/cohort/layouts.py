"""Find the subjects of a dataset from its file names, for every layout.

The Snakefile imports this module when it is parsed, which happens in every job on a cluster. It therefore uses only
the standard library and opens no scan. (A BIDS library needs more than the whole budget of 0.5 s to list 1,000
subjects: docs/explanation/decisions/workflow.md.)
"""

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field

from neurograft.cohort.bids_folders import find_bids
from neurograft.cohort.brats_folders import find_brats
from neurograft.cohort.choices import Wishes
from neurograft.cohort.exclusions import BY_HAND, read_exclusions
from neurograft.cohort.file_names import list_folder, subject_label
from neurograft.cohort.label_tables import read_described_scheme
from neurograft.cohort.people import read_people
from neurograft.cohort.picture_folders import PictureOptions, PictureSetError, find_patients, has_masks
from neurograft.cohort.subject_entry import make_entry
from neurograft.core.sequences import SEQUENCES
from neurograft.core.tables import TableError, read_table

# further names of columns that hold paths, and of folders that are a series of a patient
COLUMN_WORDS = {
    "t1": ("t1w", "t1n", "t1_path", "t1pre"),
    "t1c": ("t1ce", "t1gd", "t1post", "t1c_path", "t1ce_path"),
    "t2": ("t2w", "t2_path"),
    "flair": ("t2f", "t2flair", "flair_path"),
    "labels": ("label", "seg", "segm", "segmentation", "mask", "lesion", "tumor", "tumour", "label_path", "seg_path"),
}
ENDINGS = (".nii", ".nii.gz", ".hdr", ".img")
SERIES = r"t1|t2|flair|dwi|adc|swi|mprage|bravo|spgr|perf|dti|dce|dsc|asl|locali[sz]er|scout|survey"


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
    wishes: Wishes = field(default_factory=Wishes)


def find_subjects(layout, root=None, *, exclude="", sequences=(), pictures=None, choose=(), **simulated):
    """List a dataset's subjects and their files from the file names alone.

    Parameters
    ----------
    layout : str
        A key of `DATASETS`.
    root : str, or list of str
        Folder (bids, brats, decathlon, dicom, images), TSV (table), or output folder of the simulated scans (phantom;
        by default `results/simulated`). The subjects of several roots are combined.
    exclude : str
        TSV of the subjects to exclude by hand (`layouts.read_exclusions`); empty for none.
    sequences : sequence of str
        The dataset's own image names, if they are not the known sequences. For pictures (layout images): what their
        channels show; empty if each picture is a subject of its own.
    pictures : dict, optional
        Fields of `picture_folders.PictureOptions` (layout images).
    choose : sequence of str
        Patterns of the files to take where several are there (`choices.Wishes`).
    **simulated : int
        `subjects`, the number to simulate (layout phantom only), and `unlabelled`, how many of these have no labels;
        they are the last ones.

    Returns
    -------
    dict of str to dict
        Subject label X (letters and digits of the original name) to `name`, `source` (folder or row), `files`
        (sequence, "labels" or "image" to path; for phantom, dicom and stacked pictures the files do not exist yet),
        `site`, `columns` (the dataset's own, str to str), `scheme` (the label scheme that the file names suggest, or
        ""), `problems`, `notes`; where names do not decide between files also `open` and `ordered`
        (`choices.Choice`); for stacked pictures also `slices`. A subject excluded by hand has no files, and the
        exclusion is its only problem.

    Raises
    ------
    CohortError
        If a root is missing or has no subject, or `exclude` has a mistake.
    """
    stacked = PictureOptions(**(pictures or {})) if layout == "images" and sequences else None
    counts = {"subjects": 0, "unlabelled": 0} | simulated
    wanted = _Wanted(sequences=tuple(sequences) or SEQUENCES, stacked=stacked, wishes=Wishes(tuple(choose)), **counts)
    listed = []
    for place in (root or [None]) if isinstance(root, list | tuple) else [root]:
        try:
            inside = DATASETS[layout](os.path.expanduser(place or ""), wanted)
        except (TableError, PictureSetError) as error:
            raise CohortError(str(error)) from None
        if not inside:
            fault = "holds no subject" if place and os.path.exists(place) else "does not exist"
            raise CohortError(
                f"dataset.root '{place or ''}' {fault}; layout {layout} expects {_expect(layout, wanted)}"
            )
        listed += inside
    found = _label_subjects(listed)
    try:
        for label, reason in (read_exclusions(exclude, found) if exclude else {}).items():
            found[label] |= {"files": {}, "problems": [f"{BY_HAND}: {reason}"]}
            found[label] = {key: value for key, value in found[label].items() if key not in ("open", "ordered")}
    except TableError as error:
        raise CohortError(f"dataset.exclude: {error}") from None
    return found


def _label_subjects(listed):
    """Give each subject a label of letters and digits; who cannot have one of his own keeps that to himself."""
    groups = {}
    for entry in listed:
        groups.setdefault(subject_label(entry["name"]), []).append(entry)
    found = {}
    for label, entries in groups.items():
        names = {entry["name"].removeprefix("sub-") for entry in entries}
        for entry in entries:
            # only signs, or letters that are not a-z, tell these names apart
            apart = "" if label and len(names) == 1 else _digest(entry["name"].removeprefix("sub-"))
            key = f"{label or 'x'}{apart}"
            if key in found:
                sources = [found[key]["source"], entry["source"]]
                entry = found[key] | {"files": {}, "source": " and ".join(sources)}
                entry["problems"] = [f"{' and '.join(sources)} are both subject '{key}'; rename or remove one"]
                entry = {name: value for name, value in entry.items() if name not in ("open", "ordered")}
            elif apart and label:
                others = ", ".join(sorted(names - {entry["name"].removeprefix("sub-")}))
                entry["notes"].append(f"named like {others} but for its signs; called {key} here")
            made, own = f"results/work/sub-{label}/", f"results/work/sub-{key}/"
            entry["files"] = {kind: re.sub(f"^{made}", own, path) for kind, path in entry["files"].items()}
            found[key] = _guard_names(entry)
    return found


def _guard_names(entry):
    """Exclude a subject of names that no other program can be told: with a line break, or not in UTF-8."""
    texts = [entry["name"], *entry["files"].values()]
    strange = [text for text in texts if any(not _is_tellable(letter) for letter in text)]
    if not strange:
        return entry
    problem = f"the name {_tell(strange[0])!r} has a line break, or is not in UTF-8; rename it"
    notes = [_tell(note) for note in entry["notes"]]
    return make_entry(_tell(entry["name"]), _tell(entry["source"]), {}, problems=[problem], notes=notes)


def _is_tellable(letter):
    return letter.isprintable() or letter == " " or (ord(letter) > 127 and not 0xD800 <= ord(letter) < 0xE000)


def _tell(text):
    return "".join(letter if _is_tellable(letter) else "?" for letter in text)


def _digest(name):
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _expect(layout, wanted):
    """Describe the files that a layout expects."""
    expected = WITH_MASKS if wanted.stacked else EXPECTED[layout]
    return expected.replace(", ".join(SEQUENCES), ", ".join(wanted.sequences))


def _find_table(path, wanted):
    """Read a TSV of paths; a path that does not exist excludes that subject but does not stop the run."""
    if not os.path.exists(path):
        return []
    rows, found = [{k: _unquote(v) for k, v in row.items()} for row in read_table(path)], []
    kinds = _name_columns(path, rows, wanted.sequences)
    for number, fields in enumerate(rows, start=2):
        row = {kinds.get(key, key): value for key, value in fields.items()}
        if "participant_id" not in row or not row.keys() & set(wanted.sequences):
            needed = _expect("table", wanted)
            raise CohortError(f"{path} has the columns {', '.join(fields)}; layout table expects {needed}")
        source, files, problems = f"row {number} of {path}", {}, []
        for name in (*wanted.sequences, "labels"):
            if row.get(name, "") not in ("", "n/a"):
                files[name] = os.path.join(os.path.dirname(path), os.path.expanduser(row[name]))
                if not os.path.exists(files[name]):
                    problems.append(f"{name}: {files.pop(name)} does not exist; correct {source}")
        columns = {key: value for key, value in row.items() if key not in kinds.values()}
        found.append(make_entry(row["participant_id"], source, files, columns, problems=problems))
    return found


def _name_columns(path, rows, sequences):
    """Map a table's columns to `participant_id`, sequences and labels; other names count if they hold images."""
    header = list(rows[0]) if rows else []
    exact = {name.lower(): name for name in ("participant_id", "labels", *sequences)}
    kinds = {column: exact[column.lower()] for column in header if column.lower() in exact}
    words = {word: kind for kind, others in COLUMN_WORDS.items() for word in others if kind in exact.values()}
    for column in header:
        kind = words.get(column.lower())
        if kind and any(row[column].lower().endswith(ENDINGS) for row in rows):
            if kind in kinds.values():
                other = next(name for name, known in kinds.items() if known == kind)
                raise CohortError(f"{path}: the columns {other} and {column} are both its {kind}; remove one")
            kinds[column] = kind
    return kinds


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
    people, scheme = read_people(root, list(files)), read_described_scheme(root)
    return [
        _decathlon_subject(name, files[name], people, wanted.sequences) | {"scheme": scheme} for name in sorted(files)
    ]


def _list_volumes(folder):
    """List the NIfTI files of a folder: name without extension to paths."""
    found = {}
    for file in list_folder(folder)[1] if folder else ():
        match = re.match(r"(?!\.)(.+?)\.nii(\.gz)?$", file, re.I)
        if match:
            found.setdefault(match[1], []).append(os.path.join(folder, file))
    return found


def _decathlon_subject(name, files, people, sequences):
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
    source = next(iter(files.values()))[0]
    return make_entry(name, source, named, people.of(name), problems=problems, notes=people.notes_of(name))


def _find_phantom(root, wanted):
    """Name the simulated subjects; their files are made during the run."""
    found = []
    for index in range(wanted.subjects):
        name = f"phantom{index + 1:03d}"
        folder = f"{root or 'results/simulated'}/sub-{name}"
        kinds = (*SEQUENCES, "labels") if index < wanted.subjects - wanted.unlabelled else SEQUENCES
        files = {kind: f"{folder}/{kind}.nii.gz" for kind in kinds}
        found.append(make_entry(name, folder, files, scheme="brats2018"))
    return found


def _find_dicom(root, _):
    """List each folder as a patient; its files are made during the run, except the user's own tumour labels.

    A root whose folders are all named after sequences is one patient.
    """
    names = list_folder(root)[0]
    own = os.path.basename(os.path.abspath(root))
    alone = len(names) > 0 and all(re.search(rf"(?<![a-z])({SERIES})(?![a-z])", name, re.I) for name in names)
    places = {own: root} if alone else {name: os.path.join(root, name) for name in names}
    people, found = read_people(root, list(places)), []
    for name, source in places.items():
        files = {kind: f"results/work/sub-{subject_label(name)}/converted/{kind}.nii.gz" for kind in SEQUENCES}
        for labels in (os.path.join(source, "labels.nii"), os.path.join(source, "labels.nii.gz")):
            if os.path.exists(labels):
                files["labels"] = labels
        notes = people.notes_of(name)
        if alone:
            notes = [*notes, f"{root} is taken as one patient, since its folders are named after sequences"]
        found.append(make_entry(name, source, files, people.of(name), notes=notes))
    return found


def _find_images(root, wanted):
    """Find patients with their pictures, or single pictures in class folders, whose patients are unknown."""
    if wanted.stacked:
        patients = find_patients(root, wanted.sequences, wanted.stacked)
        return [_stacked_subject(patient, wanted.sequences) for patient in patients]
    return [make_entry(one["name"], one["path"], {"image": one["path"]}, one["columns"]) for one in find_images(root)]


def _stacked_subject(patient, sequences):
    """Name the volumes into which a patient's pictures are stacked during the run."""
    kinds = [*sequences, *(["labels"] if any(one["mask"] for one in patient["slices"]) else [])]
    folder = f"results/work/sub-{subject_label(patient['name'])}/stacked"
    files = {kind: f"{folder}/{kind}.nii.gz" for kind in kinds}
    about = {key: patient[key] for key in ("name", "source", "columns", "problems", "notes")}
    return make_entry(choice=files, **about) | {"slices": patient["slices"]}


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
    "bids": find_bids,
    "brats": find_brats,
    "table": _find_table,
    "decathlon": _find_decathlon,
    "dicom": _find_dicom,
    "images": _find_images,
    "phantom": _find_phantom,
}
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
