"""Tab-separated tables, read and written the same way everywhere."""

import math
import os
from pathlib import Path


class TableError(ValueError):
    """A table that cannot be read; one line that says what to do."""


def read_table(path):
    """Read a TSV.

    Parameters
    ----------
    path : str or Path
        UTF-8, with or without a byte order mark; the first line names the columns. Blank lines are
        skipped, missing last fields are empty.

    Returns
    -------
    list of dict of str to str

    Raises
    ------
    TableError
        If it cannot be opened or decoded, a column has no name or the name of another, or a row has more
        fields than there are columns.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"{path} is not encoded in UTF-8; save it as 'UTF-8, tab-separated'") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror}); give the path of a TSV") from None
    # not the csv module: it gives quotes a meaning, so that one stray quote swallows the rows below it
    lines = [line.split("\t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    header = [name.strip() for name in lines[0]]
    if len(set(header)) < len(header) or "" in header:
        raise TableError(f"{path}: every column needs a name of its own; the first line is {header}")
    rows = []
    for number, fields in enumerate(lines[1:], start=2):
        if len(fields) > len(header):
            raise TableError(f"{path}: row {number} has {len(fields)} fields for {len(header)} columns; remove a tab")
        if any(field.strip() for field in fields):
            rows.append(dict.fromkeys(header, "") | dict(zip(header, fields, strict=False)))
    return rows


def write_table(path, rows, columns=None):
    """Write rows as a TSV, whole or not at all.

    Booleans become `true` and `false`, None an empty field, not-a-number `n/a`; tabs and line ends inside
    a value become blanks.

    Parameters
    ----------
    path : str or Path
        Its folder is made.
    rows : iterable of dict
    columns : sequence of str, optional
        The header; by default every key in the order of its first appearance. Needed where there may be
        no row.
    """
    rows = list(rows)
    header = list(columns or dict.fromkeys(key for row in rows for key in row))
    lines = ["\t".join(_text(field) for field in fields) for fields in ([row.get(k) for k in header] for row in rows)]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    try:
        part.write_bytes(("\n".join(["\t".join(header), *lines]) + "\n").encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _text(value):
    """Write one field."""
    if value is None:
        return ""
    if value is True or value is False or type(value).__name__ == "bool":  # NumPy's bool too
        return "true" if value else "false"
    if isinstance(value, float) and value != value:
        return "n/a"
    return str(value).replace("\r\n", " ").translate({9: " ", 10: " ", 13: " "})


def parse_number(value):
    """Parse a number that may be text; return None for what is empty, absent, not finite or no number."""
    try:
        read = float(value)
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def parse_boolean(value):
    """Parse a truth value that may be text: true, yes or 1 in any case."""
    return str(value).strip().lower() in ("true", "1", "yes")
