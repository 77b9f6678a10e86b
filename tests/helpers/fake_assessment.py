"""Cells of a small experiment with known outcomes."""

from dataclasses import dataclass

import numpy as np

from helpers.fake_cases import CELL
from neurograft.core import files, tables

NAMES = [f"p{k:02d}" for k in range(20)]
FOLDS = [NAMES[k::5] for k in range(5)]
SITES = dict(zip(NAMES, "ABCD" * 5))
PATIENTS = {name: name for name in NAMES}
SPLIT = {"tasks": {task: {"patients": PATIENTS} for task in ("segmentation", "classification")}}
COHORT = [
    {"participant_id": name, "site": SITES[name], "Sex": "FM"[k < 10], "age": str(30 + 2 * k)}
    for k, name in enumerate(NAMES)
]


@dataclass(frozen=True)
class Course:
    """How a training went: noise of the losses, gain on its own patients, step at which the Dice has risen, speed."""

    noise: float = 0.01
    leak: float = 0.0
    arrival: int = 20
    seconds: float = 1.0
    seed: int = 0


def write_cell(folder, cell, train, test, course):
    """Write a cell's folder as a training of this course would."""
    rng = np.random.default_rng([course.seed, cell["fold"], len(train)])
    level = rng.normal(0, 0.05)
    hard = dict(zip(NAMES, np.random.default_rng(1).uniform(0.1, 0.5, len(NAMES))))
    fit = [
        {
            "subject": subject,
            "role": role,
            "loss": hard[subject] + level + rng.normal(0, course.noise) - course.leak * (role == "train"),
        }
        for role, subjects in (("train", train), ("test", test))
        for subject in subjects
    ]
    measure = "dice" if cell["task"] == "segmentation" else "accuracy"
    fit = [row | {measure: 0.9 - row["loss"] / 10} for row in fit]
    history = [
        {"step": k + 1, "loss": 0.1, f"train_{measure}": min(0.8, 0.8 * (k + 1) / course.arrival)} for k in range(40)
    ]
    trained = cell["strategy"] != "frozen"
    layers = [
        {"layer": "encoder.a", "stage": 1, "part": "encoder", "values": 9, "trained": trained}
        | {"change": 0.1 * (1 + cell["fold"]) if trained else 0.0, "statistics_change": np.nan},
        {"layer": "top.b", "stage": "", "part": "top", "values": 4, "trained": True, "change": 0.5}
        | {"statistics_change": 0.2},
    ]
    features = [{"stage": 1, "samples": 40, "cka": 1 - 0.1 * cell["fold"] if trained else 1.0}]
    folder.mkdir(parents=True)
    manifest = cell | {"trained": True, "train": train, "test": test, "subjects": len(train), "converged": True}
    files.write_json(folder / "manifest.json", manifest)
    times = [{"step": row["step"], "seconds": course.seconds * row["step"]} for row in history]
    made = {"history": history, "seconds": times, "fit": fit, "layers": layers, "features": features}
    for name, rows in made.items():
        tables.write_table(folder / f"{name}.tsv", rows)
    return folder


def run(root, strategies=("scratch", "frozen"), numbers=("all",), split="folds", source="s", quality=None, **options):
    """Write the cells of an experiment; give their folders and the scores that `quality` makes."""
    folders, scores = [], []
    owner = options.get("owner", SITES)
    tests = FOLDS if split == "folds" else [[n for n in NAMES if owner[n] == site] for site in "ABCD"]
    for strategy in strategies:
        for n in numbers:
            for fold, test in enumerate(tests):
                train = [name for name in NAMES if name not in test][: None if n == "all" else int(n)]
                cell = CELL | {"source": source, "strategy": strategy, "n": n, "fold": fold, "split": split}
                cell |= options.get("changes", {})
                folder = root / f"{source}-{strategy}-{split}-{n}-{fold}"
                folders.append(write_cell(folder, cell, train, test, Course(**options.get(strategy, {}))))
                measure = ("WT", "dice") if cell["task"] == "segmentation" else ("", "accuracy")
                for name in test:
                    value = quality(strategy, len(train), name) if quality else 0.8
                    row = {"subject": name, "region": measure[0], "metric": measure[1], "value": str(value)}
                    scores.append({key: str(cell[key]) for key in cell} | row)
    return folders, scores


def straight(strategy, size, name):
    """Rises by 0.04 with each doubling; what is not scratch is a doubling ahead."""
    return 0.5 + 0.04 * np.log2(size * (1 + (strategy != "scratch"))) + 0.001 * NAMES.index(name)
