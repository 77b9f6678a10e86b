"""Read and write tab-separated tables, the same way everywhere."""

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

Row = TypeVar("Row")


class TableError(ValueError):
    """A table that cannot be read; the message is one line that says what to do."""


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Read a TSV with every field as text.

    Parameters
    ----------
    path : str or Path
        UTF-8, with or without a byte order mark; the first line names the columns. Blank lines are skipped, and
        missing last fields are empty.

    Returns
    -------
    list of dict of str to str

    Raises
    ------
    TableError
        If it cannot be opened or decoded, a column name is empty or duplicated, or a row has more fields than there
        are columns.
    """
    # not the csv module, which interprets quotes: one stray quote would swallow the rows below it
    return _make_rows(path, [line.split("\t") for line in _read_text(path).split("\n")], "a tab")


def read_separated_table(path: str | Path) -> list[dict[str, str]]:
    """Read a user's table separated by tabs, semicolons or commas: the most frequent of these in the first line.

    Parameters
    ----------
    path : str or Path
        As in `read_table`; with semicolons or commas, fields may be in double quotes.

    Returns
    -------
    list of dict of str to str

    Raises
    ------
    TableError
        As `read_table`, or if quotes are not closed.
    """
    text = _read_text(path)
    header = text.partition("\n")[0]
    separator = max("\t;,", key=header.count)
    if separator == "\t":
        return read_table(path)
    try:
        fields = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise TableError(f"{path} cannot be read ({error}); save it again, or separate it by tabs") from None
    return _make_rows(path, fields or [[""]], f"a '{separator}'")


def _read_text(path: str | Path) -> str:
    """Read a whole table as text, with line ends normalised."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"{path} is not encoded in UTF-8; save it as 'UTF-8, tab-separated'") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror}); give the path of a TSV") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _make_rows(path: str | Path, lines: Sequence[Sequence[str]], separator: str) -> list[dict[str, str]]:
    """Turn lines into rows, with the column names of the first line."""
    header = [name.strip() for name in lines[0]]
    if len(set(header)) < len(header) or "" in header:
        raise TableError(f"{path}: every column needs a name of its own; the first line is {header}")
    rows: list[dict[str, str]] = []
    for number, fields in enumerate(lines[1:], start=2):
        if len(fields) > len(header):
            count = f"row {number} has {len(fields)} fields for {len(header)} columns"
            raise TableError(f"{path}: {count}; remove {separator}")
        if any(field.strip() for field in fields):
            rows.append(dict.fromkeys(header, "") | dict(zip(header, fields, strict=False)))
    return rows


def read_typed_table(path: str | Path, row_type: type[Row]) -> list[Row]:
    """Read a TSV into typed rows: `read_table`, then `parse_rows`."""
    try:
        return parse_rows(read_table(path), row_type)
    except TableError as error:
        raise TableError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def parse_rows(rows: Iterable[Mapping[str, str]], row_type: type[Row]) -> list[Row]:
    """Turn rows of text into typed rows.

    Parameters
    ----------
    rows : iterable of dict of str to str
    row_type : type
        A `TypedDict` whose fields are columns. `int`, `float` and `bool` fields are parsed; all other columns stay
        text. A `NotRequired` field may be missing.

    Returns
    -------
    list of dict
        An empty number, or `n/a`, is NaN.

    Raises
    ------
    TableError
        If a column is missing, or a value does not have its column's type.
    """
    types = {name: kind for name, kind in get_type_hints(row_type).items() if kind in PARSERS}
    required = cast("frozenset[str]", row_type.__required_keys__)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] # of every TypedDict
    parsed: list[Any] = []
    for number, row in enumerate(rows, start=2):
        missing = sorted(required - row.keys())
        if missing:
            raise TableError(f"the column {missing[0]} is missing; there are {', '.join(row)}")
        fields: dict[str, Any] = dict(row)
        for name in types.keys() & row.keys():
            try:
                fields[name] = PARSERS[types[name]](row[name])
            except ValueError:
                fault = f"row {number}: {name} is '{row[name]}'; it takes {KINDS[types[name]]}"
                raise TableError(fault) from None
        parsed.append(fields)
    return parsed


def write_table(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write rows atomically as a TSV.

    Booleans become `true` and `false`, None becomes an empty field, and NaN becomes `n/a`. Tabs and line ends inside a
    value become blanks.

    Parameters
    ----------
    path : str or Path
        Its folder is created.
    rows : iterable of dict
    columns : sequence of str, optional
        The header; by default all keys in the order of their first appearance. Needed if there may be no rows.
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


def _text(value: Any) -> str:
    """Format one field as text."""
    if value is None:
        return ""
    if value is True or value is False or type(value).__name__ == "bool":  # NumPy's bool too
        return "true" if value else "false"
    if isinstance(value, float) and value != value:
        return "n/a"
    return str(value).replace("\r\n", " ").translate({9: " ", 10: " ", 13: " "})


def parse_number(value: Any) -> float | None:
    """Parse a number that may be text; return None if it is empty, absent, not finite or not a number."""
    try:
        read = float(value)
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def parse_boolean(value: Any) -> bool:
    """Parse a truth value that may be text: true, yes or 1 in any case."""
    return str(value).strip().lower() in ("true", "1", "yes")


def _parse_float(text: str) -> float:
    """Parse a float as written by `write_table`."""
    return math.nan if text in ("", "n/a") else float(text)


def _parse_flag(text: str) -> bool:
    """Parse a truth value as written by `write_table`."""
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


# column types of typed tables: their parsers, and their names in error messages
PARSERS = {int: int, float: _parse_float, bool: _parse_flag}
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
