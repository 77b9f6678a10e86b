"""The tables of results/evaluation on what transfer gained and changed, for a made-up run."""

import numpy as np

from neurograft.evaluation import benefit_estimates, fairness, privacy

ARM = ("task", "source", "strategy", "space", "split", "n")
STAGES = {"1": 2, "2": 6, "3": 10, "4": 20, "5": 30}
FROZEN = ("frozen", "frozen-random")
SCORES = ("logme", "h-score", "transrate", "gbc", "cc-fv", "leep")


def add_transfer(run, seed=0):
    """Return a run of `fake_run.make_run` with every optional table, and its primary space and split."""
    rng = np.random.default_rng(seed)
    first = run["cells"][0]
    primary = {"space": first["space"], "split": first["split"]}
    cells = [cell for cell in run["cells"] if cell["task"] == "segmentation"]
    home = [cell for cell in cells if all(cell[name] == value for name, value in primary.items())]
    layers = [row for cell in _arms(home) for row in _layers(rng, cell)]
    features = [row for cell in _arms(home) for row in _features(rng, cell)]
    return run | {
        "primary": primary, "layers": layers, "features": features,
        "labels_saved": _labels_saved(run, home), "time_saved": _time_saved(rng, home),
        "overfitting": _overfitting(rng, cells), "generalisation": _generalisation(rng, home),
        "privacy": [_privacy(rng, cell) for cell in _arms(home)],
        "fairness": [row for cell in _arms(home) for row in _fairness(rng, cell)],
        "transfer_scores": _transfer_scores(rng, primary["space"]), "audit": _audit(),
        "error_rates": [
            {"patients": patients, "folds": 5, "family": family, "seeds": 1, "shape": shape, "luck": 0.25,
             "studies": 1000,
             "false_verdicts": 0.02 + 0.01 * family, "false_equal": 0.01, "coverage": 0.94, "power": 0.83}
            for patients in (10, 20, 40) for family in (1, 3) for shape in ("normal", "skewed")
        ],
    }  # fmt: skip


def _arms(cells):
    """The first cell of each arm."""
    return list({tuple(str(cell[name]) for name in ARM): cell for cell in reversed(cells)}.values())[::-1]


def _arm(cell):
    return {name: cell[name] for name in ARM}


def _layers(rng, cell):
    rows = [(f"encoder.blocks.{stage}.{at}.conv", stage, "encoder") for stage, n in STAGES.items() for at in range(n)]
    rows += [(f"decoder.blocks.{at}.conv", "", "top") for at in range(10)] + [("head.conv", "", "top")]
    for at, (layer, stage, part) in enumerate(rows):
        frozen = part == "encoder" and cell["strategy"] in FROZEN
        change = 0 if frozen else float(rng.lognormal(np.log(0.02 if part == "encoder" else 0.4), 0.5))
        statistics = "" if at % 3 else (0 if frozen else float(rng.lognormal(np.log(0.1), 0.5)))
        yield _arm(cell) | {"layer": layer, "stage": stage, "part": part, "values": 1000 * (at + 1),
                            "trained": 0 if frozen else 1, "change": change, "statistics_change": statistics,
                            "cells": 5}  # fmt: skip


def _features(rng, cell):
    for stage in STAGES:
        cka = 1.0 if cell["strategy"] in FROZEN else 1 - 0.08 * int(stage) + rng.uniform(-0.03, 0.03)
        yield _arm(cell) | {"stage": stage, "samples": 512, "cka": cka, "low": cka - 0.05 * (cka < 1),
                            "high": cka, "cells": 5}  # fmt: skip


def _labels_saved(run, cells):
    """Labels saved by the library itself, where the run has two sizes or more."""
    counts = {"all": 8} | {n: int(n) for n in ("2", "4") if any(str(cell["n"]) == n for cell in cells)}
    sizes, rows = sorted(counts, key=counts.get), []
    whole = [r for r in run["scores"] if (r["task"], r["region"], r["metric"]) == ("segmentation", "WT", "dice")]
    value = {(r["strategy"], str(r["n"]), r["subject"]): r["value"] for r in whole if r["split"] == "folds"}
    fold = {r["subject"]: r["fold"] for r in whole}
    table = {s: [[value.get((s, n, p), np.nan) for n in sizes] for p in fold] for s, _, _ in value}
    for cell in _arms(cells) if len(sizes) > 1 else ():
        if cell["strategy"] != "scratch":
            at = sorted(counts.values())
            made = benefit_estimates.labels_saved(
                table[cell["strategy"]], table["scratch"], at, counts[str(cell["n"])], list(fold.values())
            )
            rows.append(_arm(cell) | made)
    return rows


def _time_saved(rng, cells):
    rows = []
    for cell in cells:
        if cell["strategy"] != "scratch" and cell["n"] == "all":
            steps = int(rng.integers(40, 70)) if cell["strategy"] != "frozen-random" else 140
            rows.append({k: cell[k] for k in (*ARM, "fold", "seed")} | {
                "dice": 0.9, "steps_scratch": 130, "steps": steps, "steps_saved": 130 - steps,
                "seconds_scratch": 130.0, "seconds": 0.9 * steps, "seconds_saved": 130 - 0.9 * steps})  # fmt: skip
    return rows


def _overfitting(rng, cells):
    rows = []
    for cell in cells:
        small = 0.06 * (cell["strategy"] in FROZEN)
        gap = 0.05 + 0.2 * (cell["n"] == "2") - small + rng.normal(0, 0.01)
        row = {k: cell[k] for k in (*ARM, "fold", "seed")} | {"train": 0.8 + gap, "test": 0.8, "patients": 2}
        rows.append(row | {"gap": gap, "warning": gap > 0.15, "reason": _warn(cell) if gap > 0.15 else ""})
    return rows


def _warn(cell):
    return (
        f"overfitted: {cell['strategy']} from {cell['source']}, n = {cell['n']}, fold {cell['fold']}, seed 0: 0.2 above"
    )


def _generalisation(rng, cells):
    rows = []
    for cell in _arms(cells):
        scratch, drop = cell["strategy"] == "scratch", 0.05 + rng.normal(0, 0.01)
        less = {"less": "", "less_low": "", "less_high": ""}
        less = less if scratch else {"less": 0.01, "less_low": -0.01, "less_high": 0.03}
        rows.append({k: cell[k] for k in ("task", "source", "strategy", "space", "n")} | {
            "patients": 10, "sites": 4, "in_site": 0.85, "cross_site": 0.85 - drop, "mean": drop, "low": drop - 0.03,
            "high": drop + 0.03} | less | {"reason": ""})  # fmt: skip
    return rows


def _privacy(rng, cell):
    scores = [
        (fold, patient % 5, patient, patient % 5 != fold, rng.normal(0.3 * (patient % 5 != fold)))
        for fold in range(5)
        for patient in range(20)
    ]
    return _arm(cell) | privacy.compare_memberships(scores)


def _fairness(rng, cell):
    people = {f"P{at}": float(rng.normal(0.85, 0.05)) for at in range(20)}
    groups = {"sex": {p: "FM"[at % 2] for at, p in enumerate(people)}, "site": dict.fromkeys(people, "A")}
    return [_arm(cell) | row for row in fairness.subgroup_gaps(people, groups)]


def _transfer_scores(rng, space):
    names = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "alexnet", "vgg19")
    return [
        {"space": space, "source": name, "score": score, "value": "" if score == "leep" else rng.normal(0, 0.3),
         "better": "higher", "patients": 10, "left_out": 0,
         "reason": "the source has no classification head" if score == "leep" else ""}
        for name in names for score in SCORES
    ]  # fmt: skip


def _audit():
    rows = [{"score": score, "sources": 5, "tau": 0.2, "low": -0.7, "high": 0.88, "verdict": "do not use",
             "reason": "the interval contains 0"} for score in SCORES[:5]]  # fmt: skip
    return [*rows, {"score": "leep", "sources": 0, "tau": "", "low": "", "high": "", "verdict": "too few sources",
                    "reason": "0 sources; a rank correlation needs at least 5"}]  # fmt: skip
