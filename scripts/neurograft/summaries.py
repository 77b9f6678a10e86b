"""Numbers for the report: tables read as text, grouped, averaged over patients."""

import math
from collections import defaultdict

import numpy as np
from scipy.special import stdtrit

from neurograft.settings import CONTROLS

VERDICTS = ("helps", "hurts", "no evidence", "refused", "not converged")
ORDER = (
    *("scratch", "frozen-random", "frozen", "last-layers", "gradual", "fine-tune", "lp-ft", "discriminative", "l2-sp"),
    *("lora", "adabn", "coral", "dann", "supervoxels", "supervoxels-random", "supervoxels-plain"),
    "ensemble",
)


def number(value):
    """Read a number that may be text, empty, NaN or absent; None where there is none."""
    try:
        read = float(value)
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def yes(value):
    """Read a truth value that may be text."""
    return str(value).strip().lower() in ("true", "1", "yes")


def size(n):
    """Order training sizes; `all` is the largest."""
    found = number(n)
    return math.inf if found is None else found


def place(strategy):
    """Order strategies: the controls first, then as the registry has them, then by name."""
    return (ORDER.index(strategy) if strategy in ORDER else len(ORDER), strategy)


def arm_order(key):
    """Order (task, source, strategy, n): segmentation first, larger n first."""
    task, source, strategy, n = key
    return task != "segmentation", task, -size(n), place(strategy), source


def patient_means(scores, task, region, metric):
    """Average folds and seeds inside each subject.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`.

    Returns
    -------
    dict of tuple to dict
        (task, source, strategy, n) to subject to mean value; rows without a subject are passed over.
    """
    gathered = defaultdict(lambda: defaultdict(list))
    for row in scores:
        value = number(row["value"])
        mine = (row["task"], row["region"] or "", row["metric"]) == (task, region, metric)
        if mine and value is not None and str(row["subject"] or ""):
            key = (row["task"], str(row["source"]), row["strategy"], str(row["n"]))
            gathered[key][str(row["subject"])].append(value)
    return {
        key: {subject: float(np.mean(values)) for subject, values in sorted(gathered[key].items())}
        for key in sorted(gathered, key=arm_order)
    }


def pool_patients(scores, splits):
    """Put the patient in the place of the subject, so that time points of one patient count as one patient.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`.
    splits : dict
        `results/splits.json`; who is not in it keeps the subject's name.

    Returns
    -------
    list of dict
    """
    owners = {task: known.get("patients", {}) for task, known in splits.get("tasks", {}).items()}
    return [row | {"subject": owners.get(row["task"], {}).get(row["subject"], row["subject"])} for row in scores]


def delivered_means(scores, strategy, source=""):
    """Give subject to whole-tumour Dice of the delivered strategy and source (any source, where none is named)."""
    means = patient_means(scores, "segmentation", "WT", "dice")
    return next((found for key, found in means.items() if key[2] == strategy and source in ("", key[1])), {})


def mean_interval(values):
    """Give mean, ends of the 95 % t interval over patients (None below two), median, spread, count."""
    values = np.asarray(list(values), float)
    mean = float(values.mean())
    low = high = deviation = None
    if len(values) > 1:
        deviation = float(values.std(ddof=1))
        half = float(stdtrit(len(values) - 1, 0.975)) * deviation / math.sqrt(len(values))
        low, high = mean - half, mean + half
    return {
        "mean": mean, "low": low, "high": high, "median": float(np.median(values)), "deviation": deviation,
        "worst": float(values.min()), "best": float(values.max()), "patients": len(values),
    }  # fmt: skip


def measures(scores):
    """List the (task, region, metric) that occur, whole tumour and Dice first."""
    regions = {"WT": 0, "TC": 1, "ET": 2}
    metrics = {"dice": 0, "hd95": 1, "balanced-accuracy": 0, "auc": 1}
    found = {(row["task"], row["region"] or "", row["metric"]) for row in scores}
    return sorted(
        found, key=lambda m: (m[0] != "segmentation", m[0], metrics.get(m[2], 9), m[2], regions.get(m[1], 9), m[1])
    )


def pooled_scores(scores):
    """Give the cohort-level rows (no subject) as (task, source, strategy, n) to metric to mean over seeds."""
    gathered = defaultdict(lambda: defaultdict(list))
    for row in scores:
        if not str(row["subject"] or "") and number(row["value"]) is not None:
            key = (row["task"], str(row["source"]), row["strategy"], str(row["n"]))
            gathered[key][row["metric"]].append(number(row["value"]))
    return {
        key: {metric: float(np.mean(values)) for metric, values in gathered[key].items()}
        for key in sorted(gathered, key=arm_order)
    }


def primary_rows(comparison):
    """Give the rows that carry a verdict (whole-tumour Dice against scratch at the largest n), clearest first."""
    rows = [row for row in comparison if row["verdict"] and row["strategy"] not in CONTROLS]
    return sorted(rows, key=lambda row: VERDICTS.index(row["verdict"]))


def control_row(comparison, row, against="frozen-random"):
    """Give the row that compares the same arm with another control, or None."""
    same = ("task", "source", "strategy", "n", "region", "metric")
    found = [one for one in comparison if one["against"] == against and all(one[k] == row[k] for k in same)]
    return found[0] if found else None


def time_summary(times):
    """Give (task, source, strategy, n) to the medians over its cells of steps and seconds, to the end and to a Dice."""
    groups = defaultdict(list)
    for row in times:
        groups[(row["task"], str(row["source"]), row["strategy"], str(row["n"]))].append(row)
    summary = {}
    for key in sorted(groups, key=arm_order):
        rows = groups[key]
        reached = [row for row in rows if number(row.get("steps_to_dice")) is not None]
        summary[key] = {"cells": len(rows), "reached": len(reached), "dice": number(rows[0].get("dice"))}
        for name, among in (
            ("steps", rows),
            ("seconds", rows),
            ("steps_to_dice", reached),
            ("seconds_to_dice", reached),
        ):
            values = [number(row.get(name)) for row in among]
            values = [value for value in values if value is not None]
            summary[key][name] = float(np.median(values)) if values else None
    return summary


def quality_measures(quality):
    """List the numeric columns of the quality table that hold at least one number."""
    passed = {"subject", "participant_id", "site", "tumour_free", "look", "flags", "outlier"}
    columns = list(dict.fromkeys(column for row in quality for column in row if column not in passed))
    return [column for column in columns if any(number(row.get(column)) is not None for row in quality)]


def tell_flags(row):
    """Join what a row of the quality table says in words: why a subject is left out, and what is to be looked at."""
    return "; ".join(str(row[key]) for key in ("flags", "look") if row.get(key))


def is_outlier(row, column):
    """Say whether a subject stands out in a column.

    `outlier` may name the columns, separated by commas, or be true; then every column of that subject is marked.
    """
    marked = str(row.get("outlier") or "").strip()
    names = [name.strip() for name in marked.replace(";", ",").split(",")]
    return column in names or marked.lower() == "true"
