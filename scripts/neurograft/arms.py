"""Arms of the experiment in the report's tables: which answer the question, how they pair, what an interval says.

Tables are lists of dicts, numbers may be text. An arm is (task, source, strategy, n) within one space and split.
"""

import math
from collections import defaultdict

from neurograft import statistics, summaries, wording
from neurograft.controls import control_sources
from neurograft.settings import CONTROLS, UNTRAINED
from neurograft.summaries import number

# what an arm is judged by: of each task the first that was scored
MEASURES = (
    *(("segmentation", "WT", "dice"), ("classification", "", "balanced-accuracy")),
    ("classification", "", "accuracy"),
)
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


def key(row):
    """Give the arm of a row: task, source, strategy, n."""
    return row["task"], str(row["source"]), row["strategy"], str(row["n"])


def name(arm, n=False):
    """Name an arm given as (task, source, strategy, n)."""
    words = wording.arm({"source": arm[1], "strategy": arm[2]})
    if n and words.endswith(")"):
        return f"{words[:-1]}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{arm[3]})"
    return f"{words} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{arm[3]})" if n else words


def group(rows):
    """Group rows by arm, in the report's order."""
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {arm: groups[arm] for arm in sorted(groups, key=summaries.arm_order)}


def one_task(rows):
    """Keep the rows of one task: segmentation where there is any."""
    tasks = {row["task"] for row in rows}
    task = "segmentation" if "segmentation" in tasks else min(tasks, default="")
    return [row for row in rows if row["task"] == task]


def largest(rows):
    """Keep the rows of one task at its largest training size."""
    mine = one_task(rows)
    most = max((summaries.size(row["n"]) for row in mine), default=0)
    return [row for row in mine if summaries.size(row["n"]) == most]


def count_training(n, task, splits):
    """Give the number of training patients that a size stands for; of `all`, those of the largest fold, or None."""
    if number(n) is not None:
        return number(n)
    folds = splits.get("tasks", {}).get(task, {}).get("folds", ())
    return max((len(fold.get("train", ())) for fold in folds), default=None)


def find_control(controls, source, kin=None):
    """Give what the scratch has that a source is held against, the mean where `controls.control_sources` names several.

    Parameters
    ----------
    controls : dict of str to (float or dict of str to float)
        Source to a number, or to patient to score.
    source : str
    kin : dict of str to tuple, optional
        As in `controls.control_sources`.

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
    ends = {name: number(row.get(name)) for name in NOTHING}
    return ends if row["folds"] >= statistics.FEWEST_FOLDS else ends | {"low": None, "high": None}


def owners(scores):
    """Give arm to patient to the fold that it was tested in."""
    found = defaultdict(dict)
    for row in scores:
        found[key(row)][str(row["subject"])] = str(row["fold"])
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
    made = statistics.paired_comparison([own[one] - other[one] for one in both], [folds[one] for one in both])
    return finite(made) | {"patients": made["patients"], "folds": made["folds"]}


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
    made = statistics.paired_comparison([sum(seeds) / len(seeds) for seeds in values.values()])
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


def difference(row, digits=3, unit=""):
    """Write a mean difference with its interval, or say that there is no interval."""
    if row["mean"] is None:
        return "no estimate"
    ends = "no interval" if row["low"] is None else f"95 %: {wording.ends(row, digits=digits)}"
    return f"{wording.signed(row['mean'], digits)}{unit} ({ends})"


def finding(name_, figure, verdict):
    """Give one line of a claim: of which arm, the figure in words, what it supports."""
    return {"name": name_, "figure": figure, "verdict": verdict}


def some(names, most=3):
    """Join names, at most a few of them."""
    names = [str(one) for one in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
