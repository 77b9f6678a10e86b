"""Tests of the membership of sources: who is suspected, with which controls, and what cannot be tested."""

import math

import numpy as np
import pytest

from neurograft.evaluation import source_membership
from neurograft.evaluation.source_membership import NOTHING, SUSPECTED, UNTESTED

PATIENTS = [f"p{number:02d}" for number in range(24)]
LEVELS = dict(zip(PATIENTS, np.random.default_rng(0).uniform(0.2, 1.2, len(PATIENTS)), strict=True))


def make_cells(gap=0.15, seed=0, **changes):
    """Three networks of an arm: each patient in one test part and in two training parts, `gap` better there."""
    random, cells = np.random.default_rng(seed), []
    arm = {"task": "segmentation", "source": "photographs", "strategy": "fine-tune", "space": "native"}
    for fold in range(3):
        fit = [
            {"subject": name, "role": (role := "test" if name in PATIENTS[fold::3] else "train")}
            | {"loss": LEVELS[name] - gap * (role == "train") + random.normal(0, 0.03)}
            for name in PATIENTS
        ]
        cells.append({**arm, "split": "folds", "n": "all", "fold": fold, "seed": 0, "fit": fit} | changes)
    return cells


def measure(shift, patients=PATIENTS, seed=1):
    """Losses of a source, so much below those of networks that had not seen the patients."""
    random = np.random.default_rng(seed)
    return {name: LEVELS[name] - shift + random.normal(0, 0.05) for name in patients}


def probe(losses, cells, barred=()):
    patients = {name: name for name in PATIENTS}
    return source_membership.probe_sources({"s": losses}, cells, patients, barred)[0]


@pytest.mark.parametrize(
    ("shift", "outcome"),
    # worse and as good as networks that had not seen them; better, but not than those that had; better than those
    [(-0.2, NOTHING), (0.0, NOTHING), (0.1, NOTHING), (0.3, SUSPECTED)],
)
def test_a_source_is_suspected_if_it_beats_networks_that_trained_on_the_patients(shift, outcome):
    row = probe(measure(shift), make_cells())
    assert (row["outcome"], row["patients"], row["reference"]) == (outcome, 24, "fine-tune photographs")
    assert row["seen"] < row["unseen"] and row["below"] == pytest.approx(row["seen"] - row["loss"])


def test_a_source_as_good_as_its_controls_is_suspected_in_one_of_twenty_cohorts():
    rates = [
        probe(measure(0.15, seed=seed), make_cells(seed=1000 + seed))["outcome"] == SUSPECTED for seed in range(300)
    ]
    assert np.mean(rates) < 0.08


def test_the_best_networks_that_started_elsewhere_are_the_controls():
    worse = [{**cell, "fit": [{**row, "loss": row["loss"] + 1} for row in cell["fit"]]} for cell in make_cells()]
    scratch = [{**cell, "source": "s", "strategy": "scratch"} for cell in worse]
    own = make_cells(source="s")
    assert probe(measure(0.3), [*scratch, *own])["reference"] == "scratch s"
    assert probe(measure(0.3), [*scratch, *own, *make_cells()])["reference"] == "fine-tune photographs"
    # a source that has seen the patients has no networks that have not
    assert probe(measure(0.3), [*scratch, *make_cells()], barred=["photographs"])["reference"] == "scratch s"
    other = [*make_cells(split="sites"), *make_cells(n=8), *make_cells(task="classification")]
    assert probe(measure(0.3), other)["outcome"] == UNTESTED


def test_what_cannot_be_tested_says_why():
    few = probe(measure(0.3, PATIENTS[:9]), make_cells())
    assert few["outcome"] == UNTESTED and few["reason"] == "9 patients were in training and test; it takes 10"
    blind = probe(measure(0.3), make_cells(gap=0.0))
    assert blind["outcome"] == UNTESTED and "do not know their own training patients" in blind["reason"]
    assert probe("it has no head", make_cells())["reason"] == "it has no head" and math.isnan(few["loss"])


def test_subjects_of_one_patient_count_once():
    patients = {name: name[:2] + str(int(name[1:]) // 2) for name in PATIENTS}
    row = source_membership.judge_membership("s", measure(0.3), make_cells(), patients)
    assert row["patients"] == 12
