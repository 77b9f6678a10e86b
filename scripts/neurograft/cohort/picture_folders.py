"""Find patients from the names of 2-D pictures: folders with masks beside the pictures, or a table of pictures.

The Snakefile imports this module when it is parsed: it uses only the standard library and opens no picture.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from neurograft.cohort.file_names import list_folder
from neurograft.core.tables import TableError, parse_number, read_separated_table

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
MASK = "_mask"
DEPTH = 4  # folders below the root
KEYS = ("patient", "participant_id", "patient_id", "subject", "id")
LEFT = "left out"


class PictureSetError(ValueError):
    """An error in a set of pictures as a whole; the message is one line that says what to do."""


@dataclass(frozen=True)
class PictureOptions:
    """The block `dataset.pictures` of the configuration.

    Parameters
    ----------
    table : str
        Path of a table of pictures; empty if the patients are identified by folders.
    patients : str
        Path of a table of patients, or empty.
    person : str
        The column that identifies patients who are the same person; empty for none.
    site : str
        A regular expression whose group is the site in a patient's name; empty if the site is in a column.
    spacing : sequence of float
        Voxel size in mm from left to right, from front to back and between slices; empty if unknown.
    """

    table: str = ""
    patients: str = ""
    person: str = ""
    site: str = ""
    spacing: Sequence[float] = ()


class Slice(TypedDict):
    """The pictures of one slice.

    Attributes
    ----------
    name : str
        Name in the notes.
    files : list of str
        One file with all channels, or one for each channel, "" if missing.
    mask : str
        "" if there is none.
    """

    name: str
    files: list[str]
    mask: str


class PicturePatient(TypedDict):
    """A patient with slices in order.

    Attributes
    ----------
    name, source : str
        `source` is the patient's folder or the table.
    columns : dict of str to str
        From the tables; `patient` identifies the person, for the folds.
    slices : list of Slice
    problems, notes : list of str
        Problems that exclude the patient; names of what was left out.
    """

    name: str
    source: str
    columns: dict[str, str]
    slices: list[Slice]
    problems: list[str]
    notes: list[str]


def find_patients(root, sequences, options: PictureOptions) -> list[PicturePatient]:
    """Find the patients of a set of pictures from names alone.

    Parameters
    ----------
    root : str
        Has one folder for each patient, at any of `DEPTH` levels, with `<name>.png` beside `<name>_mask.png`; empty if
        there is a table of pictures.
    sequences : sequence of str
        Sequences of a picture, in the order of its channels; a table may have a separate picture for each.
    options : PictureOptions

    Returns
    -------
    list of PicturePatient

    Raises
    ------
    PictureSetError
        If the folders, the tables and the options do not fit together.
    TableError
        If a table cannot be read.
    """
    if options.table and root:
        raise PictureSetError(
            "dataset.root is not used beside dataset.pictures.table, which has the paths; leave it out"
        )
    found = _read_pictures(options, sequences) if options.table else _read_folders(root)
    for patient in found:
        _leave_unmasked(patient)
    if found and options.patients:
        _add_columns(found, options.patients)
    _say_whose(found, options.person)
    if found and options.site:
        _read_sites(found, options.site)
    return found


def has_masks(names) -> bool:
    """Check whether some of a folder's files are masks of others: `1_mask.png` beside `1.jpg`."""
    stems = {os.path.splitext(name)[0] for name in names}
    return any(stem.endswith(MASK) and stem.removesuffix(MASK) in stems for stem in stems)


def order_of(name):
    """Return the sort key of a slice: the last number in its name, then the name."""
    numbers = re.findall(r"\d+", name)
    return (int(numbers[-1]) if numbers else -1), name


def _patient(name, source, slices, notes=()) -> PicturePatient:
    return {"name": name, "source": source, "columns": {}, "slices": slices, "problems": [], "notes": list(notes)}


def _read_folders(root) -> list[PicturePatient]:
    """List each folder with pictures as a patient."""
    listed = _list_folders(root)
    if listed and listed[0][0] == root:
        raise PictureSetError(
            f"{root} holds pictures itself: put those of each patient into a folder of his own, or name "
            "dataset.pictures.table"
        )
    names = {os.path.basename(folder) for folder, _ in listed}
    return [_read_folder(folder, files, names) for folder, files in listed]


def _list_folders(root, depth=DEPTH):
    """List the folders that contain pictures, with their files."""
    folders, files = list_folder(root)
    found = [(root, files)] if any(name.lower().endswith(SUFFIXES) for name in files) else []
    for folder in folders if depth else ():
        found += _list_folders(os.path.join(root, folder), depth - 1)
    return found


def _read_folder(folder, files, names) -> PicturePatient:
    """Pair the pictures of a patient's folder with their masks; `names` are those of all patients."""
    own, notes, masks, pictures = os.path.basename(folder), [], {}, {}
    for file in files:
        stem, suffix = os.path.splitext(file)
        if suffix.lower() not in SUFFIXES:
            notes.append(f"{LEFT}: {file} is no picture")
            continue
        place, key = (masks, stem.removesuffix(MASK)) if stem.endswith(MASK) else (pictures, stem)
        if key in place:
            notes.append(f"{LEFT}: {file} has the name of {place[key]}; keep one of them")
        place.setdefault(key, file)
    named = any(_belongs(stem, own) for stem in pictures)
    slices = []
    for stem, file in sorted(pictures.items(), key=lambda pair: order_of(pair[0])):
        mask = masks.pop(stem, "")
        other = max((name for name in names - {own} if _belongs(stem, name)), key=len, default="")
        if other and named and not _belongs(stem, own):
            notes.append(f"{LEFT}: {file} is named after {other} but lies in the folder of {own}; move it")
            continue
        slices.append({
            "name": file, "files": [os.path.join(folder, file)], "mask": os.path.join(folder, mask) if mask else ""
        })  # fmt: skip
    notes += [f"{LEFT}: {mask} has no picture; add it, or remove the mask" for mask in masks.values()]
    numbers = Counter(order_of(os.path.splitext(one["name"])[0])[0] for one in slices)
    twice = [str(number) for number, count in numbers.items() if count > 1 and number >= 0]
    if twice:
        notes.append(f"several slices have the number {', '.join(twice)}; they follow each other by name")
    return _patient(own, folder, slices, notes)


def _belongs(stem, name):
    """Check whether a file is named after a patient: the patient's name, not followed by a letter or digit."""
    return stem.startswith(name) and not stem[len(name) : len(name) + 1].isalnum()


def _leave_unmasked(patient):
    """Leave out, in place, slices without mask if a patient has masks: they would count as tumour-free."""
    bare = [one["name"] for one in patient["slices"] if not one["mask"]]
    if bare and len(bare) < len(patient["slices"]):
        patient["slices"] = [one for one in patient["slices"] if one["mask"]]
        patient["notes"].append(f"{LEFT}: {', '.join(bare)}, no mask; add one (all 0 where there is nothing)")


def _read_pictures(options, sequences) -> list[PicturePatient]:
    """Read a table of pictures, with one row for each slice."""
    table = os.path.expanduser(options.table)
    reserved = {name.lower(): name for name in ("patient", "picture", "mask", "slice", *sequences)}
    rows = [
        {reserved.get(key.lower(), key): value.strip() for key, value in row.items()}
        for row in read_separated_table(table)
    ]
    if not rows:
        raise PictureSetError(f"{table} has no rows; give one for each picture")
    kinds = ["picture"] if "picture" in rows[0] else [name for name in sequences if name in rows[0]]
    if not kinds or "patient" not in rows[0]:
        raise PictureSetError(
            f"{table} has the columns {', '.join(rows[0])}; it needs patient and picture (or a path for each of "
            f"{', '.join(sequences)}), and may have mask, slice and columns of the patient"
        )
    found: dict[str, PicturePatient] = {}
    numbers, owners = {}, {}
    for number, row in enumerate(rows, start=2):
        name = row["patient"]
        if not name:
            raise PictureSetError(f"row {number} of {table} names no patient; fill in the column patient")
        patient = found.setdefault(name, _patient(name, table, []))
        wanted = kinds if kinds == ["picture"] else list(sequences)
        paths = [_resolve(table, row.get(kind, "")) for kind in (*wanted, "mask")]
        for path in filter(None, paths[:-1]):
            if owners.setdefault(path, number) != number:
                raise PictureSetError(f"{table}: the rows {owners[path]} and {number} are both {path}; keep one")
        lost = [path for path in paths if path and not os.path.exists(path)]
        if lost or not any(paths[:-1]):
            fault = f"{lost[0]} does not exist" if lost else "it names no picture"
            patient["notes"].append(f"{LEFT}: row {number} of {os.path.basename(table)}, {fault}; correct the row")
            continue
        one: Slice = {"name": _name_slice(paths), "files": paths[:-1], "mask": paths[-1]}
        patient["slices"].append(one)
        place = parse_number(row.get("slice"))
        numbers[id(one)] = order_of(os.path.splitext(one["name"])[0]) if place is None else (place, one["name"])
        _take_columns(patient, {key: value for key, value in row.items() if key not in reserved.values()})
    for patient in found.values():
        patient["slices"].sort(key=lambda one: numbers[id(one)])
        varied = [key for key, value in patient["columns"].items() if value == VARIES]
        if varied:
            patient["notes"].append(f"{', '.join(varied)}: differs between the rows of the patient, not used")
            patient["columns"] |= dict.fromkeys(varied, "")
    return list(found.values())


def _resolve(table, path):
    """Return a table's path relative to the working directory; "" for none."""
    return "" if path in ("", "n/a") else os.path.join(os.path.dirname(table), os.path.expanduser(path))


def _name_slice(paths):
    return os.path.basename(next(path for path in paths if path))


def _take_columns(patient, columns):
    """Copy a row's columns to the patient; values that differ between a patient's rows are marked as not usable."""
    for key, value in columns.items():
        if patient["columns"].setdefault(key, value) != value:
            patient["columns"][key] = VARIES


def _add_columns(found, path):
    """Add the columns of a table of patients, in place, matched by name or by the beginning of a name."""
    rows = read_separated_table(os.path.expanduser(path))
    header = list(rows[0]) if rows else []
    key = next((column for wanted in KEYS for column in header if column.lower() == wanted), None)
    if key is None:
        raise TableError(f"{path} has the columns {', '.join(header) or 'none'}; one must be {' or '.join(KEYS[:2])}")
    people: dict[str, dict[str, str]] = {}
    for row in rows:
        if people.setdefault(row[key].strip(), row) is not row:
            raise TableError(f"{path}: patient '{row[key].strip()}' is there twice; keep one row")
    people.pop("", None)
    matched = {patient["name"]: _match(patient["name"], people) for patient in found}
    if not any(matched.values()):
        first, other = found[0]["name"], next(iter(people), "nobody")
        raise PictureSetError(
            f"{path}: no patient of the pictures ('{first}', ...) is in column {key} ('{other}', ...)"
        )
    for patient in found:
        name = matched[patient["name"]]
        if not name:
            patient["notes"].append(f"not in {os.path.basename(path)}")
        row = people.get(name, dict.fromkeys(header, ""))
        columns = {column: value.strip() for column, value in row.items() if column != key}
        patient["columns"] = {"patient": name or patient["name"]} | columns | patient["columns"]


def _match(name, people):
    """Find a patient in a table: by the same name, or the longest name that it starts with; "" for none."""
    if name in people:
        return name
    return max((one for one in people if _belongs(name, one)), key=len, default="")


def _say_whose(found, person):
    """Fill in the column `patient`, which defines the folds, in place, and note who is kept together."""
    columns = dict.fromkeys(key for patient in found for key in patient["columns"] if key != "patient")
    if person and found and person not in columns:
        raise PictureSetError(
            f"dataset.pictures.person is '{person}', but no table has such a column; "
            + (f"choose one of {', '.join(columns)}" if columns else "name one in dataset.pictures.patients")
        )
    for patient in found:
        own = patient["columns"].get("patient") or patient["name"]
        said = patient["columns"].get(person, "") if person else ""
        patient["columns"] = {"patient": said or own} | {k: v for k, v in patient["columns"].items() if k != "patient"}
    together: dict[str, list[str]] = {}
    for patient in found:
        together.setdefault(patient["columns"]["patient"], []).append(patient["name"])
    for patient in found:
        others = [name for name in together[patient["columns"]["patient"]] if name != patient["name"]]
        if others:
            patient["notes"].append(f"the same person as {', '.join(others)}, on one side of every fold")


def _read_sites(found, pattern):
    """Extract each patient's site from the name, in place."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise PictureSetError(f"dataset.pictures.site '{pattern}' is no regular expression ({error})") from None
    if compiled.groups != 1:
        raise PictureSetError(f"dataset.pictures.site '{pattern}' needs one group in brackets, which is the site")
    matches = [compiled.search(patient["name"]) for patient in found]
    if not any(matches):
        raise PictureSetError(f"dataset.pictures.site '{pattern}' is in no patient's name ('{found[0]['name']}', ...)")
    for patient, match in zip(found, matches, strict=True):
        if match and match[1]:
            patient["columns"]["site"] = match[1]
        else:
            patient["notes"].append("dataset.pictures.site is not in the name, so the site is not known")


VARIES = "\0"  # never occurs in a table
