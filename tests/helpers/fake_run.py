"""The tables of a made-up run, as the workflow would pass them to the report."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurograft.core.strategies import CONTROLS
from neurograft.evaluation.comparison import Judging, compare_strategies
from neurograft.evaluation.recommendation import recommend_strategy
from neurograft.evaluation.scores import reach_times

# text that tries to become markup wherever it appears
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
REASONS = (
    "flair.nii.gz is damaged: the gzip stream ends early; copy the file again",
    "no sequence was found; expected one of t1, t1c, t2, flair",
)
NATIVE = ("signal_to_noise", "sharpness")
GAINS = {"scratch": 0.0, "frozen-random": -0.02, "frozen": 0.012, "lp-ft": 0.028}


@dataclass(frozen=True)
class Experiment:
    """What a made-up run trained.

    Attributes
    ----------
    folds : int
        Number of folds.
    gains : dict of str to float
        Strategy to its true gain in Dice over scratch.
    falling : collection of (str, int)
        Strategy and fold of the cells that had not converged.
    sizes : sequence of str
        Training sizes.
    places : sequence of (str, str)
        Pairs of space and split, the primary one first.
    seed : int
        Of the random numbers of the whole run.
    repeats : int
        How often the patients are divided into folds.
    """

    folds: int = 5
    gains: dict = field(default_factory=lambda: dict(GAINS))
    falling: Collection = ()
    sizes: Sequence = ("all",)
    places: Sequence = (("MNI152", "folds"),)
    seed: int = 0
    repeats: int = 1


def make_run(patients=10, unlabelled=2, excluded=2, experiment=None, simulated=False, compared=True):
    """Return the fields of a made-up `results.Results`.

    Parameters
    ----------
    patients, unlabelled, excluded : int
        Numbers of subjects.
    experiment : Experiment, optional
    simulated : bool
        Whether the patients are simulated.
    compared : bool
        Whether the strategies are compared, which takes time with many patients.
    """
    experiment = experiment or Experiment()
    seed, folds, gains = experiment.seed, experiment.folds, experiment.gains
    # tables that were added later use a generator of their own, so that the older ones stay the same
    rng, more = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    labelled = [f"CBICA{i:03d}" if i % 2 else f"TCIA{i:03d}" for i in range(patients)]
    others = [f"UNL{i:03d}" for i in range(unlabelled)]
    sequences = ["t1", "t1c", "t2", "flair"]
    cohort = [
        {"participant_id": name, "included": "true", "reason": "", "sequences": ",".join(sequences),
         "labels": "true" if name in labelled else "false", "site": name[:4].rstrip("0"), "scheme": "brats2018",
         "age": str(int(rng.integers(30, 80))), "sex": rng.choice(["F", "M"])}
        for name in labelled + others
    ]  # fmt: skip
    for number in range(excluded):
        cohort.append({"participant_id": f"BAD{number}", "included": "false", "reason": REASONS[number % 2],
                       "sequences": "", "labels": "false", "site": "", "scheme": "", "age": "", "sex": ""})  # fmt: skip
    present = [row for row in cohort if row["included"] == "true"]
    quality = [
        {"subject": row["participant_id"], "site": row["site"]}
        | {f"volume_ml_{name}": f"{rng.normal(1420, 90):.1f}" for name in sequences}
        | {f"{measure}_{name}": f"{more.normal(20, 2):.3f}" for measure in NATIVE for name in sequences}
        | {f"similarity_{name}": f"{rng.normal(1.18, 0.02):.4f}" for name in ("t1", "t2", "flair", "template")}
        | {"overlap_template": f"{rng.normal(0.95, 0.01):.4f}"}
        | {f"contrast_to_noise_{name}": f"{rng.normal(8, 1.2):.3f}" for name in sequences}
        | {"tumour_free": "False", "flags": "", "outlier": ""}
        for row in present
    ]
    if len(quality) > 4:
        quality[3] |= {"similarity_template": "0.91", "outlier": "similarity_template, overlap_template"}
        quality[3] |= {"overlap_template": "0.71", "flags": "registration: similarity is low"}
        quality[4] |= {"volume_ml_t2": "912.0", "outlier": "volume_ml_t2"}
    chunks = np.array_split(np.array(labelled), folds) if patients else []
    for repeat in range(1, experiment.repeats):
        chunks = chunks + np.array_split(np.random.default_rng([seed, 2, repeat]).permutation(labelled), folds)
    parts = [{"test": list(part), "train": [one for one in labelled if one not in part]} for part in chunks]
    if experiment.repeats > 1:
        parts = [part | {"repeat": number // folds} for number, part in enumerate(parts)]
    common = {"trainable": True, "reason": "", "sequences": sequences[1:], "subjects": labelled, "folds": parts,
              "unlabelled": others, "left_out": {}, "patients": {name: name for name in labelled}}  # fmt: skip
    splits = {"hash": "5f3a" * 16, "seed": 0, "scheme": "brats2018", "tasks": {
        "segmentation": common | {"regions": ["WT", "TC", "ET"]},
        "classification": common | {"target": "tumour-slice", "classes": ["tumour-free", "tumour"]},
    }}  # fmt: skip
    cells, scores, times = [], [], []
    skill = {subject: rng.normal(0.86, 0.05) for part in parts for subject in part["test"]}
    for space, split in experiment.places:
        for n in experiment.sizes:
            made = _experiment(rng, parts, experiment, skill, {"space": space, "split": split, "n": n})
            cells, scores, times = (a + b for a, b in zip((cells, scores, times), made, strict=True))
    judging = Judging({"dice": 0.02, "accuracy": 0.02})
    verdicts = compare_strategies(scores, judging=judging) if compared else []
    answer = recommend_strategy(scores, verdicts, times, splits) if verdicts else {}
    return {
        "cohort": cohort, "quality": quality, "intensities": _intensities(more, present),
        "splits": splits, "scores": scores, "cells": cells, "times": times,
        "comparison": verdicts, "recommendation": answer, "candidates": _candidates(rng, labelled, others),
        "sources": [{"name": "efficientnet-lite0", "backbone": "efficientnet-lite0", "dimensions": "2",
                     "domain": "ImageNet photographs",
                     "location": "wheel:x", "sha256": "ab12" * 16, "licence": "Apache-2.0",
                     "citation": "Tan and Le 2019"}],
        "versions": {"neurograft": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "monai": "1.6.1"},
        "runtimes": [
            {"rule": rule, "jobs": jobs, "seconds_median": middle, "seconds_max": most, "memory_mb": memory}
            for rule, jobs, middle, most, memory in (
                ("import_scans", 14, 2.9, 4.1, 450), ("strip_skull", 12, 7.8, 11.2, 1900),
                ("register_scans", 12, 11.5, 18.4, 1500), ("train_network", 30, 148.0, 171.0, 2100),
                ("score_predictions", 30, 6.1, 8.0, 900))
        ],
        "config": {"dataset": {"layout": "phantom" if simulated else "brats"}, "register_scans": {
            "engine": "greedy", "template": "MNI152", "spacing": 1.0}, "normalize_intensity": {
            "method": "robust-zscore"}, "propose_candidates": {"engine": "simpleitk", "segments": 4000, "top": 20},
            "train_network": {"steps": 150, "batch": 12}, "deliver": {"strategy": "lp-ft"}, "experiment": {
            task: {"sources": ["efficientnet-lite0"], "strategies": list(gains), "n": ["all"], "seeds": [0]}
            for task in ("segmentation", "classification")}},
        "simulated": simulated,
    }  # fmt: skip


def _experiment(rng, parts, experiment, skill, place):
    """Make up the cells, scores and times that training would have written."""
    cells, scores, times = [], [], []
    for task in ("segmentation", "classification"):
        for strategy, gain in experiment.gains.items():
            for fold, part in enumerate(parts):
                cell = {"task": task, "source": "efficientnet-lite0",
                        "strategy": strategy} | place | {"fold": fold, "seed": 0}  # fmt: skip
                steps = np.arange(1, 151)
                loss = 0.2 + 0.9 * np.exp(-steps / (50 - 300 * gain)) + rng.normal(0, 0.03, 150)
                dice = 0.93 - 0.9 * np.exp(-steps / (45 - 300 * gain)) + rng.normal(0, 0.01, 150)
                shown = [f"{value:.4f}" if task == "segmentation" else "" for value in dice]
                history = [{"step": str(s), "loss": f"{v:.4f}", "train_dice": d,
                            "learning_rate": "0.001", "phase": "head" if s < 50 else "all"}
                           for s, v, d in zip(steps, loss, shown, strict=True)]  # fmt: skip
                converged = (strategy, fold) not in experiment.falling
                cells.append(cell | {"converged": converged, "history": history, "trained": True,
                                     "loaded_share": 1.0 if cell["strategy"] not in CONTROLS else None})  # fmt: skip
                course = [{"step": int(s), "train_dice": float(d or "nan")} for s, d in zip(steps, shown, strict=True)]
                times.append(reach_times(cell, course, list(steps * rng.uniform(0.9, 1.1))))
                # fewer labels cost scratch most, and another split costs every strategy
                few = 0 if cell["n"] == "all" else (0.3 if gain <= 0 else 0.12) / float(cell["n"])
                scores += _scores(rng, cell, part["test"], skill, gain - few - 0.05 * (cell["split"] != "folds"))
    return cells, scores, times


def _scores(rng, cell, subjects, skill, gain):
    """Scores of one cell's test patients."""
    rows = []
    for subject in subjects:
        if cell["task"] == "segmentation":
            for region, less in (("WT", 0), ("TC", 0.08), ("ET", 0.14)):
                value = float(np.clip(skill[subject] + gain - less + rng.normal(0, 0.008), 0, 1))
                values = {"dice": value, "hd95": 60 * (1 - value), "volume-error": 80 * (1 - value)}
                for metric, number in values.items():
                    rows.append(cell | {"subject": subject, "region": region, "metric": metric, "value": number})
        else:
            for metric, number in (("balanced-accuracy", skill[subject] + gain), ("brier", 0.9 - skill[subject])):
                value = float(np.clip(number + rng.normal(0, 0.02), 0, 1))
                rows.append(cell | {"subject": subject, "region": "", "metric": metric, "value": value})
    return rows


def _intensities(rng, present):
    """Percentiles of two sequences: the scanner's scale before, one scale after."""
    rows = []
    for row in present:
        for name in ("t1c", "flair"):
            gain = {"CBIC": 300, "TCIA": 900}.get(row["site"], 500) * rng.uniform(0.9, 1.1)
            for when, scale, shift in (("before", gain, 3), ("after", rng.uniform(0.9, 1.1), 0)):
                found = {f"p{q}": f"{scale * (shift + (q - 50) / 30):.4f}" for q in (5, 25, 50, 75, 95)}
                rows.append({"subject": row["participant_id"], "site": row["site"], "sequence": name, "when": when})
                rows[-1] |= found
    return rows


def _candidates(rng, labelled, others):
    """Records of propose_candidates."""
    records = {subject: {"candidates": 20, "flags": []} for subject in labelled + others}
    for subject in labelled:
        reach = rng.uniform(0.6, 0.98)
        recall = {str(k): float(reach * (1 - np.exp(-k / 4))) for k in (1, 5, 10, 20)}
        records[subject] |= {"oracle_dice": float(rng.uniform(0.86, 0.95)), "recall": recall}
    return records
