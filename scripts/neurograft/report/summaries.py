"""Numbers for the report: tables grouped by arm, averaged over patients, paired.

Tables are lists of dicts, and their numbers may be text. An arm is (task, source, strategy, n) within one space and
split.
"""

import math
from collections import defaultdict
from typing import Any

import numpy as np

from neurograft.core.cells import PRIMARY, control_sources
from neurograft.core.labels import ALL, REGIONS, judged_region
from neurograft.core.split_file import count_repeats
from neurograft.core.strategies import CONTROLS, EXTERNAL, strategy_order, trains_here
from neurograft.core.tables import parse_number
from neurograft.evaluation.metrics import find_metric
from neurograft.evaluation.pairing import difference_scale, list_tested
from neurograft.stats import paired_model, paired_verdict
from neurograft.stats.clustered_error import FEWEST_FOLDS, LEVEL

VERDICTS = ("helps", "hurts", "no practical difference", "undecided", "refused")


def size(n):
    """Return a training size as a number by which sizes are ordered; `all` is the largest."""
    count = parse_number(n)
    return math.inf if count is None else count


def numbers(rows, column):
    """List the numbers of a column, without the rows that have none."""
    return [value for row in rows if (value := parse_number(row.get(column))) is not None]


def arm_order(key):
    """Return the sort key of an arm: segmentation first, larger n first, controls before the others."""
    task, source, strategy, n = key
    return task != "segmentation", task, -size(n), strategy_order(strategy), source


def patient_means(scores, task, region, metric):
    """Average folds and seeds within each subject.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`.

    Returns
    -------
    dict of tuple to dict
        (task, source, strategy, n) to subject to mean value; rows without a subject are skipped.
    """
    gathered = defaultdict(lambda: defaultdict(list))
    for row in scores:
        value = parse_number(row["value"])
        wanted = (row["task"], row["region"] or "", row["metric"]) == (task, region, metric)
        if wanted and value is not None and str(row["subject"] or ""):
            key = (row["task"], str(row["source"]), row["strategy"], str(row["n"]))
            gathered[key][str(row["subject"])].append(value)
    return {
        key: {subject: float(np.mean(values)) for subject, values in sorted(gathered[key].items())}
        for key in sorted(gathered, key=arm_order)
    }


def pool_patients(scores, splits):
    """Replace each subject by its patient, so that several time points of one patient count as one patient.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`.
    splits : dict
        `results/splits.json`; a subject that is not in it keeps its name.

    Returns
    -------
    list of dict
    """
    owners = {task: split.get("patients", {}) for task, split in splits.get("tasks", {}).items()}
    return [row | {"subject": owners.get(row["task"], {}).get(row["subject"], row["subject"])} for row in scores]


def delivered_means(scores, strategy, source=""):
    """Return subject to Dice (`scored_region`) of the delivered strategy and source (of any if none is named)."""
    means = patient_means(scores, "segmentation", scored_region(scores), "dice")
    return next((scores for key, scores in means.items() if key[2] == strategy and source in ("", key[1])), {})


def scored_region(scores):
    """Return the region of segmentation that verdicts are about, of those that were scored."""
    return judged_region(row["region"] or "" for row in scores if row["task"] == "segmentation")


def region_order(region):
    """Return a key that sorts regions as the report lists them, from the outermost; the user's own by name."""
    order = (*REGIONS, ALL)
    return (order.index(region) if region in order else len(order), region)


def mean_interval(values, metric):
    """Summarise values of patients: mean, ends of its 95 % interval (None below two patients), median, spread, count.

    Parameters
    ----------
    values : iterable of float
        At least one.
    metric : str
        Whose values they are: the interval stays where a mean of them can lie.

    Returns
    -------
    dict
        `mean`, `low`, `high`, `median`, `deviation`, `worst`, `best`, `patients`.
    """
    values = np.asarray(list(values), float)
    mean = float(values.mean())
    low = high = deviation = None
    if len(values) > 1:
        deviation = float(values.std(ddof=1))
        row = find_metric(metric)
        posterior = paired_model.fit(paired_model.make_pairs(values), row["range"], row["least_spread"])
        low, high = posterior.quantile(0.025), posterior.quantile(0.975)
    return {
        "mean": mean, "low": low, "high": high, "median": float(np.median(values)), "deviation": deviation,
        "worst": float(values.min()), "best": float(values.max()), "patients": len(values),
    }  # fmt: skip


def measures(scores):
    """List the (task, region, metric) that occur, with the outermost region and Dice first."""
    metrics = {"dice": 0, "hd95": 1, "balanced-accuracy": 0, "auc": 1}
    scored = {(row["task"], row["region"] or "", row["metric"]) for row in scores}
    return sorted(scored, key=lambda m: (m[0] != "segmentation", m[0], metrics.get(m[2], 9), m[2], *region_order(m[1])))


def pooled_scores(scores):
    """Return the scores of the whole cohort (no subject): (task, source, strategy, n) to metric to mean over seeds."""
    gathered = defaultdict(lambda: defaultdict(list))
    for row in scores:
        value = parse_number(row["value"])
        if not str(row["subject"] or "") and value is not None:
            gathered[arm_key(row)][row["metric"]].append(value)
    return {
        key: {metric: float(np.mean(values)) for metric, values in gathered[key].items()}
        for key in sorted(gathered, key=arm_order)
    }


def primary_rows(comparison):
    """List the rows with a verdict (Dice against scratch at the largest n), the clearest first."""
    rows = [row for row in of_networks(comparison) if row["verdict"] and row["strategy"] not in CONTROLS]
    return sorted(rows, key=lambda row: VERDICTS.index(row["verdict"]))


def external_rows(comparison):
    """List the rows with a verdict on masks of other programs: a family beside the primary one."""
    return [row for row in comparison if row["verdict"] and row["source"] == EXTERNAL]


def control_row(comparison, row, against="frozen-random"):
    """Return the row that compares the same arm with another control, or None."""
    same = ("task", "source", "strategy", "n", "region", "metric")
    rows = (other for other in comparison if other["against"] == against)
    return next((other for other in rows if all(other[key] == row[key] for key in same)), None)


def time_summary(times):
    """Summarise training times by arm: medians over its cells, to the end of training and to the set Dice.

    Parameters
    ----------
    times : list of dict
        Rows of `times.tsv`.

    Returns
    -------
    dict of tuple to dict
        (task, source, strategy, n) to `cells`, `reached` (cells that reached the Dice), `dice`, and the medians
        `steps`, `seconds`, `steps_to_dice` and `seconds_to_dice`; the last two over the cells that reached it.
    """
    groups = defaultdict(list)
    for row in times:
        groups[arm_key(row)].append(row)
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
            values = numbers(among, name)
            summary[key][name] = float(np.median(values)) if values else None
    return summary


def quality_measures(quality):
    """List the numeric columns of the quality table that hold at least one number."""
    skipped = {"subject", "participant_id", "site", "tumour_free", "look", "flags", "outlier"}
    columns = list(dict.fromkeys(column for row in quality for column in row if column not in skipped))
    return [column for column in columns if any(parse_number(row.get(column)) is not None for row in quality)]


def describe_flags(row):
    """Join the remarks of a row of the quality table: why the subject is left out, and what to look at."""
    return "; ".join(str(row[key]) for key in ("flags", "look") if row.get(key))


def is_outlier(row, column):
    """Check whether a subject is an outlier in a column.

    `outlier` names the columns, separated by commas, or is true, which marks every column of that subject.
    """
    marked = str(row.get("outlier") or "").strip()
    names = [name.strip() for name in marked.replace(";", ",").split(",")]
    return column in names or marked.lower() == "true"


# the measure by which an arm is judged: the first of its task that was scored; of segmentation in `scored_region`
MEASURES = tuple((measure["task"], measure["metric"]) for measure in PRIMARY)
# every measure above lies between 0 and 1, as this one does
SHARE = "dice"
NOT_SHOWN = "not shown"
NOTHING = {"mean": None, "low": None, "high": None}
# the columns of `generalisation.tsv` that hold how much less is lost than with scratch
LESS_THAN_SCRATCH = {"mean": "less", "low": "less_low", "high": "less_high"}


def task_measures(scores):
    """List the (task, region, metric) by which each task is judged."""
    scored = {(row["task"], row["region"] or "", row["metric"]) for row in scores if str(row["subject"] or "")}
    first = {}
    for measure in _list_measures(scores):
        if measure in scored:
            first.setdefault(measure[0], measure)
    return list(first.values())


def _list_measures(scores):
    """List `MEASURES` with their regions."""
    region = scored_region(scores)
    return [(task, region if task == "segmentation" else "", metric) for task, metric in MEASURES]


def main_measure(scores):
    """Return the (task, region, metric) by which a run is judged."""
    return next(iter(task_measures(scores)), _list_measures(scores)[0])


def keep_primary(rows, primary):
    """Keep the rows of the primary space and split; a table without such columns keeps all its rows."""
    wanted = (primary or {}).items()
    return [row for row in rows or () if all(str(row.get(name, value)) == str(value) for name, value in wanted)]


def arm_key(row):
    """Return the arm of a row: task, source, strategy, n."""
    return row["task"], str(row["source"]), row["strategy"], str(row["n"])


def group_by_arm(rows):
    """Group rows by arm, in the order of the report."""
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
    kept = keep_one_task(rows)
    most = max((size(row["n"]) for row in kept), default=0)
    return [row for row in kept if size(row["n"]) == most]


def count_training(n, task, splits):
    """Return the number of training patients of a size; `all` stands for the largest fold. None without folds."""
    if parse_number(n) is not None:
        return parse_number(n)
    about = splits.get("tasks", {}).get(task, {})
    owners = about.get("patients", {})
    trained = [{owners.get(subject, subject) for subject in fold.get("train", ())} for fold in about.get("folds", ())]
    return max(map(len, trained), default=None)


def count_folds(task):
    """Return the number of folds of a task's split in one partition, and the number of partitions."""
    folds = task.get("folds", ())
    repeats = count_repeats(folds)
    return len(folds) // repeats, repeats


def find_control(controls, source, kin=None):
    """Return the value of the scratch with which a source is compared.

    Parameters
    ----------
    controls : dict of str to float
        Source of a scratch to its value.
    source : str
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    float or None
        The mean where `cells.control_sources` names several; None where it names none.
    """
    values = [controls[name] for name in control_sources(source, list(controls), kin)]
    return sum(values) / len(values) if values else None


def find_control_scores(controls, source, kin=None):
    """Return the scores of the scratch with which a source is compared, by patient.

    Parameters
    ----------
    controls : dict of str to dict of str to float
        Source of a scratch to patient to score.
    source, kin
        As in `find_control`.

    Returns
    -------
    dict of str to float
        Means over the patients that all of them scored, where `cells.control_sources` names several.
    """
    scores = [controls[name] for name in control_sources(source, list(controls), kin)]
    both = set.intersection(*(set(each) for each in scores)) if scores else set()
    return {patient: sum(each[patient] for each in scores) / len(scores) for patient in sorted(both)}


def of_networks(rows):
    """Keep the rows of networks trained here, which alone can show an effect of transfer."""
    return [row for row in rows if trains_here(row["source"], row["strategy"])]


def transferred(rows):
    """Keep the rows of trained networks whose strategy is not a control."""
    return [row for row in of_networks(rows) if row["strategy"] not in CONTROLS]


def finite(row):
    """Return mean and ends of a comparison: None for what is no number."""
    return {name: parse_number(row.get(name)) for name in NOTHING}


def tested_folds(scores):
    """Return arm to patient to the folds in which the patient was tested, one for each partition of the cohort."""
    rows = defaultdict(list)
    for row in scores:
        rows[arm_key(row)].append((str(row["subject"]), str(row["fold"])))
    return defaultdict(dict, {arm: list_tested(tested) for arm, tested in rows.items()})


def pair_patients(scores, others, folds, level=LEVEL) -> dict[str, Any]:
    """Compare two arms over the patients that both scored.

    Parameters
    ----------
    scores, others : dict of str to float
        Patient to score (`summaries.patient_means`); the difference is `scores` minus `others`.
    folds : dict of str to tuple of str
        Patient to the folds in which `scores` was tested (`tested_folds`).
    level : float
        Of the interval.

    Returns
    -------
    dict
        `mean`, `low`, `high` (None with fewer than two patients), `patients`, `folds`.
    """
    both = sorted(set(scores) & set(others))
    differences = np.array([scores[patient] - others[patient] for patient in both])
    pairs = paired_model.Pairs(differences[:, None], paired_model.number_sets([folds[patient] for patient in both]))
    compared = paired_verdict.paired_comparison(pairs, scale=difference_scale(SHARE), level=level)
    return {**finite(compared), "patients": compared["patients"], "folds": compared["folds"]}


def pair_folds(values, repeats=None):
    """Summarise differences over folds, after averaging the seeds of a fold.

    Folds of repeated partitions test the same patients again, so that they are no further units: mean and interval are
    those of each partition, averaged.

    Parameters
    ----------
    values : dict of str to list of float
        Fold to the differences of its seeds.
    repeats : dict of str to int, optional
        Fold to its partition; without it all are of one.

    Returns
    -------
    dict
        `mean`, `low`, `high` (95 % t interval over folds; none with fewer than 3 folds) and `folds`.
    """
    partitions = defaultdict(list)
    for fold, seeds in values.items():
        partitions[(repeats or {}).get(fold, 0)].append(sum(seeds) / len(seeds))
    found = [finite(paired_verdict.paired_comparison(means)) for means in partitions.values()] or [NOTHING]
    sides = {name: [ends[name] for ends in found] for name in NOTHING}
    ends = {name: None if None in side else sum(filter(None, side)) / len(side) for name, side in sides.items()}
    if min(map(len, partitions.values()), default=0) < FEWEST_FOLDS:
        ends |= {"low": None, "high": None}
    return ends | {"folds": len(values)}


def read_interval(low, high, good, bad, middle=0.0, better="higher"):
    """Return what an interval supports: the one rule for everything except the primary comparisons.

    Parameters
    ----------
    low, high : float or None
    good, bad : str
        Words for an interval that excludes `middle` in the good and in the bad direction.
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
