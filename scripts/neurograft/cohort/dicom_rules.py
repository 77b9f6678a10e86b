"""Recognise the MR sequence of a series with a table of rules that the user can edit; the first matching row applies.

Imported when the Snakefile is parsed: standard library only.
"""

import hashlib
import re

from neurograft.core.sequences import SEQUENCES
from neurograft.core.tables import TableError, read_table

RANGE = re.compile(r"(\d*\.?\d*)\.\.(\d*\.?\d*)")


def read_rules(path):
    """Read and check a table of rules such as `config/sequences.tsv`.

    Parameters
    ----------
    path : str or Path
        A TSV with the columns `sequence` (one of `SEQUENCES`, or none to leave the series out), `rank` (1 if empty;
        of several series of a sequence, the one with the lowest rank is used) and `comment`. Every other column is a
        field of the series. Its cell is empty (anything matches), `a..b` (a number from a to b; one of them may be
        missing), `-` (the field is missing or empty), or patterns joined by ` && `. Each pattern is a
        case-insensitive regular expression that must be found in the text, or must not be found if it starts with `!`.

    Returns
    -------
    list of dict
        `row` (line of the table), `sequence`, `rank`, `comment`, `cells` (field to cell, without empty cells).

    Raises
    ------
    TableError
        One line for the first mistake.
    """
    rules = []
    for number, fields in enumerate(read_table(path), start=2):
        sequence, where = fields.pop("sequence", "").strip(), f"{path}, row {number}"
        if sequence not in (*SEQUENCES, "none"):
            raise TableError(f"{where}: sequence is '{sequence}'; write one of {', '.join(SEQUENCES)}, none")
        rank = fields.pop("rank", "").strip() or "1"
        if not rank.isdecimal():
            raise TableError(f"{where}: rank is '{rank}'; write a whole number")
        comment = fields.pop("comment", "").strip()
        cells = {field: cell.strip() for field, cell in fields.items() if cell.strip()}
        for field, cell in cells.items():
            _check_cell(cell, f"{where}, column {field}")
        rules.append({"row": number, "sequence": sequence, "rank": int(rank), "comment": comment, "cells": cells})
    if not rules:
        raise TableError(f"{path} has no rule; see docs/how-to/dicom.md")
    return rules


def digest_rules(rules):
    """Compute a digest (16 hexadecimal digits) of the result of `read_rules`."""
    return hashlib.sha256(repr(rules).encode()).hexdigest()[:16]


def recognise(fields, rules):
    """Find the first rule that matches a series.

    Parameters
    ----------
    fields : dict
        From dcm2niix's sidecar, with times in seconds, and those added during conversion; see docs/how-to/dicom.md.
    rules : list of dict
        From `read_rules`.

    Returns
    -------
    dict or None
        The rule, if one matches.
    """
    told = {key.lower(): value for key, value in fields.items()}
    for rule in rules:
        if all(_fits(told.get(field.lower(), ""), cell) for field, cell in rule["cells"].items()):
            return rule
    return None


def _check_cell(cell, where):
    """Raise TableError for an invalid range or pattern."""
    ends = RANGE.fullmatch(cell)
    if ends and not _is_number(ends[1] or ends[2]):
        raise TableError(f"{where}: '{cell}' has no number; write 0.5..2, 0.5.. or ..2")
    for pattern in [] if ends else _split(cell):
        try:
            re.compile(pattern.removeprefix("!"))
        except re.error as error:
            raise TableError(f"{where}: '{pattern}' is no regular expression ({error})") from None


def _fits(value, cell):
    """Check whether a field matches a cell."""
    span = RANGE.fullmatch(cell)
    if span:
        low, high = float(span[1] or "-inf"), float(span[2] or "inf")
        return _is_number(value) and low <= float(value) <= high
    text = _plain(value)
    if cell == "-":
        return not text
    return all((re.search(one.removeprefix("!"), text, re.I) is None) == one.startswith("!") for one in _split(cell))


def _split(cell):
    """Split a cell into its patterns."""
    return [part.strip() for part in cell.split(" && ")]


def _plain(value):
    r"""Return a field as text: lists as words, and underscores, which \\b counts as letters, as blanks."""
    words = value if isinstance(value, list) else [value]
    return " ".join(str(word) for word in words).replace("_", " ").strip()


def _is_number(value):
    """Check whether a value can be read as a number."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
