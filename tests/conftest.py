"""The one run of the whole tiny configuration that several files look at."""

import pytest
from running import ROOT, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The tiny configuration, run once."""
    folder = tmp_path_factory.mktemp("tiny")
    snakemake(folder, "--cores", 2, "--configfile", ROOT / "config/tiny.yaml")
    return folder
