"""Public releases, and which of them a patient's name is from: `config/releases.tsv` and `config/persons.tsv`."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neurograft.core.tables import TableError, read_table

# the registry of this copy of the workflow
FOLDER = Path(__file__).resolve().parents[3] / "config"
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


def read_releases(registry) -> list[Release]:
    """Read the table of public releases.

    Parameters
    ----------
    registry : str or Path
        Folder of `releases.tsv`, with the columns of `COLUMNS` (`holds` and `shares` are lists with commas), and
        `persons.tsv`, with the columns `name` and `person`: who is who elsewhere.

    Returns
    -------
    list of Release

    Raises
    ------
    TableError
        If a column is missing, a pattern is no regular expression, or a release is named that is not there.
    """
    path, persons = Path(registry) / "releases.tsv", Path(registry) / "persons.tsv"
    others = {row["name"].lower(): row["person"] for row in _read_rows(persons, ("name", "person"))}
    releases = []
    for number, row in enumerate(_read_rows(path, COLUMNS), start=2):
        try:
            pattern = re.compile(row["pattern"], re.IGNORECASE)
        except re.error as error:
            raise TableError(
                f"{path}, line {number}: '{row['pattern']}' is no regular expression ({error}); mend it"
            ) from None
        if "who" not in pattern.groupindex:
            raise TableError(f"{path}, line {number}: the pattern needs a group (?P<who>...) that tells patients apart")
        holds, shares = (tuple(filter(None, row[column].split(","))) for column in ("holds", "shares"))
        releases.append(Release(row["name"], pattern, row["person"], holds, shares, others))
    known = {release.name for release in releases}
    unknown = sorted({name for one in releases for name in (*one.holds, *one.shares)} - known)
    if unknown:
        raise TableError(
            f"{path}: holds or shares names {', '.join(unknown)}, which is no release of the table; add a row, or mend "
            "the name"
        )
    return releases


def _read_rows(path, columns):
    """Read a table and check its columns."""
    rows = read_table(path)
    missing = [column for column in columns if rows and column not in rows[0]]
    if missing:
        raise TableError(f"{Path(path)}: the column {missing[0]} is missing; add it")
    return rows


def digest_registry(folder) -> str:
    """Digest the tables and the sizes of the fingerprints of a registry, so that a changed one judges anew.

    Parameters
    ----------
    folder : str or Path
        With `releases.tsv`, `persons.tsv` and `releases/`.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    tables = [(Path(folder) / f"{name}.tsv").read_bytes() for name in ("releases", "persons")]
    stored = [(path.name, path.stat().st_size) for path in list_stored(folder)]
    return hashlib.sha256(repr((tables, stored)).encode()).hexdigest()[:16]


def list_stored(folder) -> list[Path]:
    """List the files of fingerprints in a registry, each named after its release."""
    return sorted(Path(folder).glob("releases/*.npz"))


def find_stored(folder, further: Sequence[str], releases: Sequence[Release]) -> list[tuple[str, Path]]:
    """Find the fingerprints that a cohort is compared with.

    Parameters
    ----------
    folder : str or Path
        Of the registry.
    further : sequence of str
        Files besides those in `releases/` of the registry.
    releases : sequence of Release

    Returns
    -------
    list of (str, Path)
        Name of the release, and its file.

    Raises
    ------
    TableError
        If a file is not there, or does not have the name of a release.
    """
    found = [*list_stored(folder), *map(Path, further)]
    for path in found:
        if not path.is_file():
            raise TableError(
                f"guard_leaks.releases: there is no file {path}; give the path of a results/fingerprints.npz"
            )
        if path.stem not in {release.name for release in releases}:
            raise TableError(
                f"{path} has to be named after its release, but config/releases.tsv has no {path.stem}; rename it, or "
                "add a row"
            )
    return [(path.stem, path) for path in found]


def list_releases(person: str, releases: Sequence[Release]) -> list[str]:
    """List the releases that a person is in under any of his names in `config/persons.tsv`.

    Parameters
    ----------
    person : str
        As `identify` gives it.
    releases : sequence of Release

    Returns
    -------
    list of str
    """
    found = {identify(person, releases).release} - {""}
    for release in releases:
        beginning = release.person.partition("{")[0].lower()
        names = [name for name, owner in release.persons.items() if owner == person]
        if beginning and any(name.startswith(beginning) for name in names):
            found.add(release.name)
    return sorted(found)


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
