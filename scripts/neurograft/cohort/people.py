"""Match the rows of a `participants.tsv` with the subjects of a dataset, however their names are written.

Used when the Snakefile is parsed: standard library only.
"""

import os
from dataclasses import dataclass, field

from neurograft.cohort.file_names import subject_label
from neurograft.core.tables import TableError, read_separated_table

KEYS = ("participant_id", "participant", "subject_id", "subject", "patient_id", "patient", "sub", "id", "filename")
FILE = "participants.tsv"


@dataclass
class People:
    """The rows of a table of participants, by subject.

    Attributes
    ----------
    path : str
        The table; "" if there is none.
    columns : dict of str to dict
        Name of a subject, as in the dataset, to his columns.
    notes : dict of str to list of str
        Name to what was odd about his rows.
    strangers : list of str
        Names in the table of nobody in the dataset.
    """

    path: str = ""
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def of(self, name: str) -> dict[str, str]:
        """Return a subject's columns; empty if he has no row."""
        return self.columns.get(name, {})

    def notes_of(self, name: str) -> list[str]:
        """Return what was odd about a subject's rows."""
        return self.notes.get(name, [])


def read_people(root: str, names: list[str]) -> People:
    """Read the table of participants of a dataset, if there is one.

    A row belongs to the subject of the same name, without `sub-`, quotes, blanks and signs, in any case; else to the
    one subject whose name is the same number (`1` for `sub-01`). Of several rows of a subject only columns that agree
    count.

    Parameters
    ----------
    root : str
    names : list of str
        The subjects, as in the dataset.

    Returns
    -------
    People

    Raises
    ------
    TableError
        If the table cannot be read or has no column of participants.
    """
    path = os.path.join(root, FILE)
    if not os.path.exists(path):
        return People()
    rows = [{_plain(key): _plain(value) for key, value in row.items()} for row in read_separated_table(path)]
    people = People(path)
    if not rows:
        return people
    key = next((column for wanted in KEYS for column in rows[0] if column.lower() == wanted), None)
    if key is None:
        raise TableError(f"{path} has the columns {', '.join(rows[0])}; name the one of the subjects {KEYS[0]}")
    owners: dict[str, list[dict[str, str]]] = {}
    listed = [row.pop(key) for row in rows]
    for stated, row in zip(listed, rows, strict=True):
        name = _find(stated, names, listed)
        if name:
            owners.setdefault(name, []).append({column: value for column, value in row.items() if column})
        elif stated:
            people.strangers.append(stated)
    for name in names:
        _join(people, name, owners.get(name, []))
    return people


def _join(people, name, rows):
    """Add the rows of one subject, in place; a column in which they differ is left empty."""
    if not rows:
        people.notes[name] = [f"has no row in {people.path}"]
        return
    columns = dict(rows[0])
    varied = [key for key in columns if len({row.get(key, "") for row in rows}) > 1]
    people.columns[name] = columns | dict.fromkeys(varied, "")
    if varied:
        people.notes[name] = [f"{', '.join(varied)}: its {len(rows)} rows in {people.path} differ, not used"]


def _find(stated, names, listed):
    """Find the subject that a row is about: the same name, letters and digits, or number; "" if no single one."""
    for form in (_name, _letters, _number):
        wanted = form(stated)
        fitting = [name for name in names if form(name) == wanted] if wanted else []
        # a number that several rows have, such as 1 and 01, says nothing
        if len(fitting) == 1 and (form is not _number or len({row for row in listed if form(row) == wanted}) == 1):
            return fitting[0]
    return ""


def _name(text):
    return text.removeprefix("sub-")


def _letters(text):
    """Return a name's letters and digits in lower case, without `sub-`."""
    low = text.strip().lower()
    return subject_label(low).lower()


def _number(text):
    """Return a name that is a number without leading zeros, with or without `sub`."""
    digits = _letters(text).removeprefix("sub")
    return (digits.lstrip("0") or "0") if digits.isdecimal() else ""


def _plain(value):
    """Strip what spreadsheets leave around a field: blanks, quotes, separators at its end."""
    value = value.strip().strip(",;").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1].replace('""', '"').strip()
    return value
