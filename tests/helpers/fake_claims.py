"""Rows of a run's tables, as the claims read them."""

import numpy as np

from helpers.fake_comparison import CHANCES
from neurograft.report.chapters import claims
from neurograft.report.results import Results

ARM = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "space": "MNI152", "split": "folds", "n": "8"}
SCRATCH = {"source": "none", "strategy": "scratch"}


def cell(fold, **changes):
    return ARM | {"fold": fold, "seed": 0} | changes


def spread(effect, count, noise=1.0):
    """Return values around an effect, always the same."""
    return effect + noise * np.random.default_rng(0).normal(size=count)


def scored(values, folds=5, **changes):
    return [
        cell(at % folds, **changes) | {"subject": f"P{at}", "region": "WT", "metric": "dice", "value": 0.7 + value}
        for at, value in enumerate(values)
    ]


def compared(verdict, mean, low, high, **changes):
    row = ARM | {"region": "WT", "metric": "dice", "against": "scratch", "patients": 10, "mean_difference": mean}
    row |= {"low": low, "high": high, "p": "", "p_adjusted": "", "verdict": verdict, "reason": ""}
    return row | CHANCES | {"better": "higher"} | changes


def times(effect, sure):
    rows = []
    for fold, value in enumerate(spread(40 * effect, 5 if sure else 2, 5)):
        row = cell(fold, dice=0.9, steps_scratch=100, steps=100 - value, steps_saved=value)
        rows.append(row | {"seconds_scratch": 50.0, "seconds": 50 - value / 2, "seconds_saved": value / 2})
    return {"time_saved": rows, "runtimes": [{"rule": "import_scans", "jobs": 4, "seconds_median": "5"}]}


def labels(effect, sure):
    ends = (8 + 6 * effect - 3, 8 + 6 * effect + 3)
    row = ARM | {"patients": 10, "needed": 8 + 6 * effect, "low": ends[0], "high": ends[1], "saved": 6 * effect}
    row |= {"answer": f"{8 + 6 * effect}", "interval": f"{ends[0]} to {ends[1]}", "reason": ""}
    unsure = {"low": "n/a", "high": "n/a", "interval": "", "reason": "4 patients; an interval takes at least 6"}
    return {"labels_saved": [row if sure else row | unsure]}


def transferability(effect, sure):
    control = compared("", 0.05 * effect, 0.05 * effect - 0.02, 0.05 * effect + 0.02, against="frozen-random")
    first = compared("undecided" if sure else "refused", 0.0, -0.02, 0.02)
    scores = scored([0.1, 0.0, 0.2]) + scored([0.0, 0.1, 0.3], **SCRATCH)
    return {"comparison": [first, control], "scores": scores, "audit": [{"verdict": "do not use"}]}


def gaps(effect, sure):
    rows = []
    for fold, value in enumerate(spread(-0.05 * effect, 5 if sure else 2, 0.005)):
        common = {"train": 0.9, "test": 0.8, "patients": 2, "warning": "false", "reason": ""}
        rows.append(cell(fold, gap=0.1, **SCRATCH) | common)
        rows.append(cell(fold, gap=0.1 + value) | common)
    return {"overfitting": rows}


def claim(name, **results):
    return next(row for row in claims.list_claims(Results(**results)) if row["claim"] == name)
