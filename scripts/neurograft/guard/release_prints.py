"""Add the fingerprints of a public release to the registry: apart, because only `snakemake add_release` does it."""

from collections.abc import Sequence
from pathlib import Path

from neurograft.core.tables import TableError
from neurograft.guard.fingerprints import Fingerprint, read_fingerprints, write_fingerprints
from neurograft.guard.recognition import shorten
from neurograft.guard.registry import read_releases


def add_release(name: str, prints: Sequence[Fingerprint], registry) -> str:
    """Add fingerprints to those of a release; a patient who is there already gets the new ones.

    Parameters
    ----------
    name : str
        Of a row of `releases.tsv`.
    prints : sequence of Fingerprint
        Under the names that the release gives its patients.
    registry : str or Path
        Folder with `releases.tsv`, `persons.tsv` and `releases/`, in which the file is written.

    Returns
    -------
    str
        A sentence that says what is there now.

    Raises
    ------
    TableError
        If the table has no such release.
    """
    registry = Path(registry)
    known = [release.name for release in read_releases(registry)]
    if name not in known:
        raise TableError(
            f"add_release.name is '{name}'; it takes one of {', '.join(known)}, or a new row of config/releases.tsv"
        )
    path = registry / "releases" / f"{name}.npz"
    kept = {one.name: one for one in read_fingerprints(path)} if path.exists() else {}
    kept |= {one.name: shorten(one) for one in prints}
    write_fingerprints(path, [kept[patient] for patient in sorted(kept)])
    return (
        f"{len(prints)} patients were written; {path} holds {len(kept)} of {name}, {path.stat().st_size / 1e6:.2f} MB"
    )
