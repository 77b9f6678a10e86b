"""Versions of packages that are there, and none of others."""

from importlib.metadata import version

from neurograft import __version__
from neurograft.core.versions import read_versions


def test_what_is_not_installed_is_left_out():
    assert read_versions(["numpy", "no-such-package"]) == {"neurograft": __version__, "numpy": version("numpy")}
