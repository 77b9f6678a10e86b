"""Read which subjects the user excludes by hand.

Used when the Snakefile is parsed: standard library only.
"""

import difflib
import os

from neurograft.cohort.file_names import subject_label
from neurograft.core.tables import TableError, read_table

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
