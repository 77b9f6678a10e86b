"""Pictures in folders of classes, listed by name: `<class>/*.jpg`, or `train/<class>` and `test/<class>`.

Standard library only; used while the Snakefile is parsed.
"""

import hashlib
import os
from collections import Counter

from neurograft.names import list_folder, subject_label
from neurograft.tables import read_table

# how sets call their own two parts
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation"), "test"),
}


def find_images(root):
    """List the files in a folder's folders of classes.

    Parameters
    ----------
    root : str
        Holds a folder a class, or the folders of a set's own parts (`PARTS`), which hold them. A table
        `participants.tsv` in it, with the columns `filename` (path from the root) and `patient`, may say who is who.

    Returns
    -------
    list of dict
        `name` (unique also in its letters and digits), `path`, `columns`: `class`, `part` ("train", "test" or ""),
        `file` (path from the root) and those of the table, its `patient` as `stated_patient`.

    Raises
    ------
    tables.TableError
        If the table cannot be read.
    """
    folders, _ = list_folder(root)
    parted = bool(folders) and all(folder.lower() in PARTS for folder in folders)
    places = [(PARTS[part.lower()], part) for part in folders] if parted else [("", "")]
    table = os.path.join(root, "participants.tsv")
    people = {row.pop("filename", ""): row for row in read_table(table)} if os.path.exists(table) else {}
    found = []
    for part, place in places:
        for name in list_folder(os.path.join(root, place))[0]:
            for file in list_folder(os.path.join(root, place, name))[1]:
                inside = os.path.join(place, name, file)
                known = dict(people.get(inside.replace(os.sep, "/"), {}))
                columns = {"class": name, "part": part, "file": inside, "stated_patient": known.pop("patient", "")}
                found.append({"path": os.path.join(root, inside), "columns": known | columns})
    return _name_apart(found)


def _name_apart(found):
    """Name each file by its path; where only signs, accents or the suffix tell two apart, by a digest of it too."""
    plain = [os.path.splitext(one["columns"]["file"])[0].replace(os.sep, " ") for one in found]
    counts = Counter(subject_label(name).lower() for name in plain)
    named = []
    for name, one in zip(plain, found, strict=True):
        label = subject_label(name).lower()
        if not label or counts[label] > 1:
            name += " " + hashlib.sha256(one["columns"]["file"].encode("utf-8", "surrogateescape")).hexdigest()[:8]
        named.append({"name": name} | one)
    return named
