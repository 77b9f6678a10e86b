"""Tests of the losses of a source as it is, before any training."""

import json
from pathlib import Path

import pytest

from helpers.fake_cells import QUICK, write_slices
from neurograft.cohort import splits
from neurograft.experiment.network_cells import CellOptions
from neurograft.experiment.source_losses import measure_source
from neurograft.sources import cohort_rows, cohort_training, table
from neurograft.sources.weights import SourceFiles, locate
from neurograft.training.loop import TrainingOptions
from neurograft.training.tasks import SubjectFiles

TABLE = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")
BLOCK = {"start": "efficientnet-lite0", "strategy": "fine-tune", "licence": ""}
ROW = cohort_rows.make_rows({"near": BLOCK}, TABLE)["cohort-near"]
START = SourceFiles(TABLE["efficientnet-lite0"], locate(TABLE["efficientnet-lite0"]))
ABOUT = {"included": "true", "sequences": "t1,t1c,t2,flair", "site": "", "reason": "", "labels": "true"}
NAMES = [f"p{number}" for number in range(4)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Four patients: their slices, rows and split."""
    root = tmp_path_factory.mktemp("here")
    slices = {name: write_slices(root / name, number) for number, name in enumerate(NAMES)}
    rows = [ABOUT | {"participant_id": name, "scheme": "brats2018"} for name in NAMES]
    return slices, rows, splits.split_cohort(rows, folds=2)


def learn(folder, cohort, steps, rows=None, slices=None):
    """Make a source of the cohort's own patients."""
    there = cohort_training.SourceCohort("near", rows or cohort[1], slices or cohort[0])
    options = TrainingOptions(steps, batch=4)
    cohort_training.pretrain_cohort(folder, ROW, START, cohort[2], there, options)
    return SourceFiles(ROW, folder / "weights")


def measure(source, cohort):
    return measure_source(source, cohort[2], SubjectFiles(cohort[0]), CellOptions(**QUICK))


def test_a_source_has_a_lower_loss_on_patients_whom_it_learnt_longer(cohort, tmp_path):
    short, longer = (measure(learn(tmp_path / str(steps), cohort, steps), cohort) for steps in (1, 12))
    assert set(short) == set(longer) == set(NAMES)
    assert all(longer[name] < short[name] for name in NAMES)
    assert measure(SourceFiles(ROW, tmp_path / "12/weights"), cohort) == longer


def test_a_source_without_a_head_of_the_task_says_so(cohort, tmp_path):
    assert measure(START, cohort).startswith("it has no head of the task: it tells nothing")
    slices = {name: write_slices(tmp_path / name, 20 + number) for number, name in enumerate(NAMES)}
    rows = [row | {"scheme": "binary"} for row in cohort[1]]
    words = measure(learn(tmp_path / "source", cohort, 1, rows, slices), cohort)
    assert words == "it has no head of the task: it tells WT, and the labels also TC, ET"


def test_a_source_that_could_not_be_made_and_a_cohort_without_folds_say_why(cohort, tmp_path):
    (tmp_path / "weights").touch()
    (tmp_path / "manifest.json").write_text(json.dumps({"made": False, "reason": "nobody is left"}))
    assert measure(SourceFiles(ROW, tmp_path / "weights"), cohort) == "nobody is left"
    segmentation = {"trainable": False, "reason": "too few"}
    split = cohort[2] | {"tasks": {"segmentation": segmentation}}
    assert measure_source(START, split, SubjectFiles({}), CellOptions(**QUICK)) == "too few"
