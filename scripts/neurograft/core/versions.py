"""Versions of software, as records name them."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from neurograft import __version__


def read_versions(names: Iterable[str]) -> dict[str, str]:
    """Read the versions of neurograft and of some packages; those that are not installed are left out.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict of str to str
    """
    versions = {"neurograft": __version__}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
