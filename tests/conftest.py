"""The one run of the whole tiny configuration, and the copy of the repository, that several files look at."""

import os
import shutil

# two processes of two threads each wait for one another on two cores: that takes half of the time, or more. Before
# anything that asks for it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
import nibabel as nib
import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

from helpers.fake_cells import freeze, write_slices
from helpers.fake_registration import GRID, NATIVE, RECORD, SHAPE, TEMPLATE
from helpers.running import ROOT, snakemake
from neurograft.cohort import splits
from neurograft.core import files, tables
from neurograft.imaging import resampling

# how long an example takes says something about the machine, not about the code
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


FIRST = ("test_workflow.py", "test_slurm.py", "test_interruptions.py")


def pytest_collection_modifyitems(items):
    """Let one of two processes begin with the whole workflow, the other with what takes longest.

    Other files that look at the whole run come last.
    """
    looking = {item.path for item in items if "finished" in item.fixturenames}

    def place(item):
        return FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST) + (item.path in looking)

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


@pytest.fixture(scope="module")
def cell_cohort(tmp_path_factory):
    """Five labelled subjects with slices, and one without labels; folds of segmentation and classification."""
    root = tmp_path_factory.mktemp("cohört of mine")
    names = [f"p{number}" for number in range(5)]
    slices = {name: write_slices(root / name / "slices", number) for number, name in enumerate(names)}
    slices["u0"] = write_slices(root / "u0" / "slices", 9, labelled=False)
    folds = [{"test": [name], "train": [other for other in names if other != name]} for name in names]
    task = {"trainable": True, "reason": "", "sequences": ["t1c", "t2", "flair"], "subjects": names, "folds": folds}
    sites = [{"name": "A", "test": names[:2], "train": names[2:]}, {"name": "B", "test": names[2:], "train": names[:2]}]
    task |= {"sites": sites, "between": []}
    task |= {"unlabelled": ["u0"], "left_out": {}, "patients": {name: name for name in names}}
    tasks = {"segmentation": task | {"regions": ["WT", "TC", "ET"]}}
    tasks["classification"] = task | {"target": "tumour-slice", "classes": ["tumour-free", "tumour"]}
    schemes = dict.fromkeys(slices, "brats2018")
    return slices, freeze({"seed": 0, "folds": 5, "scheme": "brats2018", "schemes": schemes, "tasks": tasks})


@pytest.fixture
def registered_case(tmp_path):
    """A subject whose prediction, on the template grid, is its true tumour moved by the registration."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[6:14, 8:16, 4:12] = 2
    truth[8:12, 10:14, 6:10] = 4
    labels = tmp_path / "labels é.nii.gz"
    nib.save(nib.Nifti1Image(truth, NATIVE), labels)
    canonical = nib.as_closest_canonical(nib.load(labels))
    moved = resampling.resample(canonical, GRID["shape"], TEMPLATE, RECORD["to_template"], order=0)
    moved = np.asanyarray(moved.dataobj)
    folder = tmp_path / "cell"
    folder.mkdir()
    packed = {"WT": moved > 0, "TC": moved == 4, "ET": moved == 4}
    packed = {name: (255 * mask).astype(np.uint8) for name, mask in packed.items()}
    np.savez_compressed(folder / "sub-X.npz", **packed, box=[[0, n] for n in GRID["shape"]])
    cell = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "all", "fold": 0, "seed": 0}
    cell |= {"space": "MNI152", "split": "folds"}
    files.write_json(folder / "manifest.json", cell | {"trained": True, "test": ["X"], "converged": True})
    tables.write_table(folder / "history.tsv", [{"step": 1, "loss": 0.5, "train_dice": 0.9}])
    tables.write_table(folder / "seconds.tsv", [{"step": 1, "seconds": 2.0}])
    file = {"file": str(labels), "shape": list(SHAPE), "affine": NATIVE.tolist()}
    found = file | {"values": [2, 4], "grid_of": "t1c", "scheme": "brats2018"}
    status = {"subject": "X", "scheme": "brats2018", "reference": "t1c", "sequences": {"t1c": file}, "labels": found}
    row = {
        "participant_id": "X",
        "included": "true",
        "labels": "true",
        "scheme": "brats2018",
        "sequences": "t1c",
        "site": "",
    }
    split = splits.split_cohort([row], folds=2)
    return folder, split, status, truth
