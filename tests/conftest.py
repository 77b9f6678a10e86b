"""The one run of the whole tiny configuration, and the copy of the repository, that several files look at."""

import shutil

import pytest
from filelock import FileLock
from hypothesis import settings
from running import ROOT, snakemake

# how long an example takes says something about the machine, not about the code
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items):
    """Where two processes share the files, one begins with the whole workflow; others that look at it come last."""
    looking = {item.path for item in items if "finished" in item.fixturenames}

    def place(item):
        return 0 if item.path.name == "test_workflow.py" else 1 + (item.path in looking)

    items.sort(key=place)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """The tiny configuration, run once, whoever needs it first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "tiny"
    with FileLock(f"{folder}.lock"):
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            snakemake(folder, "--cores", 2, "--configfile", ROOT / "config/tiny.yaml")
            (folder / "whole").touch()
    return folder


@pytest.fixture(scope="session")
def telling(tmp_path_factory):
    """A copy of the repository whose Snakefile prints the config that it resolved."""
    copy = tmp_path_factory.mktemp("copy") / "neurograft"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "results"))
    with open(copy / "Snakefile", "a") as file:
        file.write('\nprint("CONFIG", __import__("json").dumps(config, sort_keys=True))\n')
    return copy
