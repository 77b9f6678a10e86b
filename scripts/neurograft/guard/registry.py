"""Public releases, and which of them a patient's name is from: `config/releases.tsv` and `config/persons.tsv`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neurograft.core.tables import TableError, read_table

COLUMNS = ("name", "pattern", "person", "holds", "shares", "about")


@dataclass(frozen=True)
class Release:
    """A public release.

    Attributes
    ----------
    name : str
    pattern : re.Pattern
        Is in the names of its patients, in any case; the group `who` tells them apart.
    person : str
        A format of `who` that names the person, the same in every release of that numbering; "" if nobody knows.
    holds, shares : tuple of str
        Releases all of whose patients, and some of whose patients, are in this one too.
    persons : dict of str to str
        Such a name to the person's name elsewhere.
    """

    name: str
    pattern: re.Pattern
    person: str = ""
    holds: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    persons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """Which release a name is from ("" if none), and which person it is ("" if nobody knows)."""

    release: str = ""
    person: str = ""


def read_releases(path, persons) -> list[Release]:
    """Read the table of public releases.

    Parameters
    ----------
    path : str or Path
        TSV with the columns of `COLUMNS`; `holds` and `shares` are lists with commas.
    persons : str or Path
        TSV with the columns `name` and `person`: who is who elsewhere.

    Returns
    -------
    list of Release

    Raises
    ------
    TableError
        If a column is missing, a pattern is no regular expression, or a release is named that is not there.
    """
    others = {row["name"].lower(): row["person"] for row in _read_rows(persons, ("name", "person"))}
    releases = []
    for number, row in enumerate(_read_rows(path, COLUMNS), start=2):
        try:
            pattern = re.compile(row["pattern"], re.IGNORECASE)
        except re.error as error:
            raise TableError(f"{path}, line {number}: '{row['pattern']}' is no regular expression ({error})") from None
        if "who" not in pattern.groupindex:
            raise TableError(f"{path}, line {number}: the pattern needs a group (?P<who>...) that tells patients apart")
        holds, shares = (tuple(filter(None, row[column].split(","))) for column in ("holds", "shares"))
        releases.append(Release(row["name"], pattern, row["person"], holds, shares, others))
    known = {release.name for release in releases}
    unknown = sorted({name for one in releases for name in (*one.holds, *one.shares)} - known)
    if unknown:
        raise TableError(f"{path}: holds or shares names {', '.join(unknown)}, which is no release of the table")
    return releases


def _read_rows(path, columns):
    """Read a table and check its columns."""
    rows = read_table(path)
    missing = [column for column in columns if rows and column not in rows[0]]
    if missing:
        raise TableError(f"{Path(path)}: the column {missing[0]} is missing; add it")
    return rows


def identify(name: str, releases: Sequence[Release]) -> Identity:
    """Tell which public release a patient's name is from.

    Parameters
    ----------
    name : str
        Of the patient, or the path of a file.
    releases : sequence of Release

    Returns
    -------
    Identity
    """
    for release in releases:
        found = release.pattern.search(name)
        if found:
            who = re.sub("[-_.]", "-" if release.name.startswith("TCGA") else "_", found["who"].upper())
            person = release.person.format(who=who) if release.person else ""
            return Identity(release.name, release.persons.get(person.lower(), person))
    return Identity()
