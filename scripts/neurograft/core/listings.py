"""Listings: tables of many files, so that a later job has one input instead of thousands.

Each row has a SHA-256 of the content of its files. A listing therefore changes, and reruns the jobs that read it, if
and only if one of its files changes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from neurograft.core import tables

HASH = "sha256"


def add_hash(row: Mapping[str, str], contents: Iterable[bytes]) -> dict[str, str]:
    """Add to a row the hash of its files.

    Parameters
    ----------
    row : dict of str to str
        The listing's entry of one subject or cell.
    contents : iterable of bytes
        Contents of its files, always in the same order.

    Returns
    -------
    dict of str to str
        The row, then `sha256`.
    """
    return {**row, HASH: hashlib.sha256(b"\n".join(contents)).hexdigest()}


def write_listing(path: str | Path, rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> None:
    """Write a listing as a TSV.

    Parameters
    ----------
    path : str or Path
    rows : iterable of dict
        From `add_hash`.
    columns : sequence of str
        All but the hash, which comes last.
    """
    tables.write_table(path, rows, [*columns, HASH])


def read_listing(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a listing, without their hashes."""
    return [{name: value for name, value in row.items() if name != HASH} for row in tables.read_table(path)]


def read_subjects(path: str | Path) -> dict[str, dict[str, str]]:
    """Read a listing of subjects as a dict of subject to its row."""
    return {row["subject"]: row for row in read_listing(path)}
