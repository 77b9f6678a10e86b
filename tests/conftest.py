"""The one run of the whole tiny configuration, and the copy of the repository, that several files look at."""

import shutil

import pytest
from hypothesis import settings
from running import ROOT, snakemake

# how long an example takes says something about the machine, not about the code
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The tiny configuration, run once."""
    folder = tmp_path_factory.mktemp("tiny")
    snakemake(folder, "--cores", 2, "--configfile", ROOT / "config/tiny.yaml")
    return folder


@pytest.fixture(scope="session")
def telling(tmp_path_factory):
    """A copy of the repository whose Snakefile prints the config that it resolved."""
    copy = tmp_path_factory.mktemp("copy") / "neurograft"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "results"))
    with open(copy / "Snakefile", "a") as file:
        file.write('\nprint("CONFIG", __import__("json").dumps(config, sort_keys=True))\n')
    return copy
