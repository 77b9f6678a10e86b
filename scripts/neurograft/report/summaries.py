"""Numbers for the report: tables grouped by arm, averaged over patients, paired.

Tables are lists of dicts; numbers may be text. An arm is (task, source, strategy, n) within one space and split.
"""

import math
from collections import defaultdict

import numpy as np
from scipy.special import stdtrit

from neurograft.core.cells import control_sources
from neurograft.core.strategies import CONTROLS, UNTRAINED, strategy_order
from neurograft.core.tables import parse_number
from neurograft.evaluation.metrics import keep_in_range
from neurograft.stats import comparisons

VERDICTS = ("helps", "hurts", "no evidence", "refused", "not converged")


def size(n):
    """Order training sizes; `all` is the largest."""
    found = parse_number(n)
    return math.inf if found is None else found


def arm_order(key):
    """Order (task, source, strategy, n): segmentation first, larger n first."""
    task, source, strategy, n = key
    return task != "segmentation", task, -size(n), strategy_order(strategy), source


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
        value = parse_number(row["value"])
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
        if not str(row["subject"] or "") and parse_number(row["value"]) is not None:
            key = (row["task"], str(row["source"]), row["strategy"], str(row["n"]))
            gathered[key][row["metric"]].append(parse_number(row["value"]))
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
        reached = [row for row in rows if parse_number(row.get("steps_to_dice")) is not None]
        summary[key] = {"cells": len(rows), "reached": len(reached), "dice": parse_number(rows[0].get("dice"))}
        for name, among in (
            ("steps", rows),
            ("seconds", rows),
            ("steps_to_dice", reached),
            ("seconds_to_dice", reached),
        ):
            values = [parse_number(row.get(name)) for row in among]
            values = [value for value in values if value is not None]
            summary[key][name] = float(np.median(values)) if values else None
    return summary


def quality_measures(quality):
    """List the numeric columns of the quality table that hold at least one number."""
    passed = {"subject", "participant_id", "site", "tumour_free", "look", "flags", "outlier"}
    columns = list(dict.fromkeys(column for row in quality for column in row if column not in passed))
    return [column for column in columns if any(parse_number(row.get(column)) is not None for row in quality)]


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


# what an arm is judged by: of each task the first that was scored
MEASURES = (
    *(("segmentation", "WT", "dice"), ("classification", "", "balanced-accuracy")),
    ("classification", "", "accuracy"),
)
# every measure above lies between 0 and 1, as this one does
SHARE = "dice"
NOT_SHOWN = "not shown"
NOTHING = {"mean": None, "low": None, "high": None}


def task_measures(scores):
    """Give the (task, region, metric) by which each task is judged."""
    found = {(row["task"], row["region"] or "", row["metric"]) for row in scores if str(row["subject"] or "")}
    first = {}
    for measure in MEASURES:
        if measure in found:
            first.setdefault(measure[0], measure)
    return list(first.values())


def main_measure(scores):
    """Give the (task, region, metric) that a run is judged by."""
    return next(iter(task_measures(scores)), MEASURES[0])


def keep_primary(rows, primary):
    """Keep the rows of the space and split that the verdict is about; a table without such a column keeps all."""
    wanted = (primary or {}).items()
    return [row for row in rows or () if all(str(row.get(name, value)) == str(value) for name, value in wanted)]


def arm_key(row):
    """Give the arm of a row: task, source, strategy, n."""
    return row["task"], str(row["source"]), row["strategy"], str(row["n"])


def group_by_arm(rows):
    """Group rows by arm, in the report's order."""
    groups = defaultdict(list)
    for row in rows:
        groups[arm_key(row)].append(row)
    return {arm: groups[arm] for arm in sorted(groups, key=arm_order)}


def keep_one_task(rows):
    """Keep the rows of one task: segmentation where there is any."""
    tasks = {row["task"] for row in rows}
    task = "segmentation" if "segmentation" in tasks else min(tasks, default="")
    return [row for row in rows if row["task"] == task]


def keep_largest_n(rows):
    """Keep the rows of one task at its largest training size."""
    mine = keep_one_task(rows)
    most = max((size(row["n"]) for row in mine), default=0)
    return [row for row in mine if size(row["n"]) == most]


def count_training(n, task, splits):
    """Give the number of training patients that a size stands for; of `all`, those of the largest fold, or None."""
    if parse_number(n) is not None:
        return parse_number(n)
    folds = splits.get("tasks", {}).get(task, {}).get("folds", ())
    return max((len(fold.get("train", ())) for fold in folds), default=None)


def find_control(controls, source, kin=None):
    """Give what the scratch has that a source is held against, the mean where `cells.control_sources` names several.

    Parameters
    ----------
    controls : dict of str to (float or dict of str to float)
        Source to a number, or to patient to score.
    source : str
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    float or dict or None
    """
    others = [controls[name] for name in control_sources(source, list(controls), kin)]
    if len(others) < 2:
        return others[0] if others else None
    if not isinstance(others[0], dict):
        return sum(others) / len(others)
    both = set.intersection(*(set(one) for one in others))
    return {patient: sum(one[patient] for one in others) / len(others) for patient in sorted(both)}


def of_networks(rows):
    """Keep the rows of trained networks: what is said of transfer is said of them."""
    return [row for row in rows if row["strategy"] not in UNTRAINED]


def transferred(rows):
    """Keep the rows of the networks' strategies that are no controls."""
    return [row for row in of_networks(rows) if row["strategy"] not in CONTROLS]


def finite(row):
    """Give a comparison's mean and ends, None where they are no numbers or there are too few folds to trust them."""
    ends = {name: parse_number(row.get(name)) for name in NOTHING}
    return ends if row["folds"] >= comparisons.FEWEST_FOLDS else ends | {"low": None, "high": None}


def owners(scores):
    """Give arm to patient to the fold that it was tested in."""
    found = defaultdict(dict)
    for row in scores:
        found[arm_key(row)][str(row["subject"])] = str(row["fold"])
    return found


def pair_patients(own, other, folds):
    """Compare two arms over the patients that both scored.

    Parameters
    ----------
    own, other : dict of str to float
        Patient to score (`summaries.patient_means`); the difference is own minus other.
    folds : dict of str to str
        Patient to the fold in which `own` was tested.

    Returns
    -------
    dict
        `mean`, `low`, `high` (None under two patients; no interval under 3 folds), `patients`, `folds`.
    """
    both = sorted(set(own) & set(other))
    made = comparisons.paired_comparison([own[one] - other[one] for one in both], [folds[one] for one in both])
    made |= keep_in_range(finite(made), SHARE, difference=True)
    return {name: made[name] for name in (*NOTHING, "patients", "folds")}


def pair_folds(values):
    """Summarise differences over folds, seeds averaged inside a fold.

    Parameters
    ----------
    values : dict of str to list of float
        Fold to the differences of its seeds.

    Returns
    -------
    dict
        `mean`, `low`, `high` (95 % t interval over folds; none under 3 folds) and `folds`.
    """
    made = comparisons.paired_comparison([sum(seeds) / len(seeds) for seeds in values.values()])
    return finite(made | {"folds": made["patients"]}) | {"folds": made["patients"]}


def read_interval(low, high, good, bad, middle=0.0, better="higher"):
    """Say what an interval supports: the one rule for everything outside the primary family.

    Parameters
    ----------
    low, high : float or None
    good, bad : str
        Words for an interval that leaves out `middle` in the good and in the bad direction.
    middle : float
    better : {"higher", "lower"}

    Returns
    -------
    str
        `good`, `bad`, or "not shown", also where there is no interval.
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NOT_SHOWN
    above, below = (good, bad) if better == "higher" else (bad, good)
    return above if low > middle else below if high < middle else NOT_SHOWN
