"""The chapters on patients, training, results, comparisons and run times, as plain values for the templates."""

import math
from collections import Counter, defaultdict

from neurograft.core import strategies
from neurograft.core.labels import ALL
from neurograft.core.region_words import name_region
from neurograft.core.tables import parse_boolean, parse_number
from neurograft.evaluation.metrics import METRICS
from neurograft.report import sentences, summaries
from neurograft.report.charts.cohort import GREY, draw_bars, draw_forest, draw_patients, draw_training, thin_curve
from neurograft.report.sentences import format_difference, format_number, stack_interval

DELIVERED_SHOWN = 3
MAIN_METRICS = ("dice", "balanced-accuracy", "auc")
MOST_DRAWN = 200  # patients in one chart


def name_measure(region, metric):
    """Name a column of the results."""
    # what is short for readers of tumours stays so
    short = name_region(region) if region == ALL else region
    return f"{short} {sentences.MEASURES.get(metric, metric)}".strip()


def describe_flow(cohort, splits):
    """Count the subjects at each step, and list why some were excluded or left out."""
    included = [row for row in cohort if parse_boolean(row["included"])]
    labelled = [row for row in included if parse_boolean(row["labels"])]
    left_out = [
        {"subject": subject, "task": task, "reason": reason}
        for task, split in splits.get("tasks", {}).items()
        for subject, reason in split.get("left_out", {}).items()
    ]
    tasks = [
        {
            "task": task, "trainable": parse_boolean(split.get("trainable")), "reason": split.get("reason", ""),
            "patients": len(split.get("subjects", [])), "folds": summaries.count_folds(split)[0],
            "repeated": sentences.describe_repeats(summaries.count_folds(split)[1]),
            "sequences": ", ".join(split.get("sequences", [])), "target": split.get("target", ""),
            "regions": ", ".join(split.get("regions", [])), "classes": ", ".join(map(str, split.get("classes", []))),
        }
        for task, split in splits.get("tasks", {}).items()
    ]  # fmt: skip
    return {
        "found": len(cohort), "included": len(included), "labelled": len(labelled),
        "unlabelled": len(included) - len(labelled), "tasks": tasks, "left_out": left_out,
        "excluded": [row for row in cohort if not parse_boolean(row["included"])],
        "incomplete": sentences.list_incomplete(splits),
        "sites": Counter(row.get("site") or "not stated" for row in included).most_common(),
    }  # fmt: skip


def describe_training(cells, times):
    """Return a panel for the training of each strategy, the networks that had not converged, and the times."""
    groups = defaultdict(list)
    for cell in cells:
        if cell.get("history"):
            label = (
                f"{cell['task']}, {sentences.name_arm(cell)}, n {cell['n']}, fold {cell['fold']}, seed {cell['seed']}"
            )
            course = {
                "label": label,
                "converged": parse_boolean(cell.get("converged", True)),
                "history": cell["history"],
            }
            groups[summaries.arm_key(cell)].append(course)
    tasks = {}
    for key in sorted(groups, key=summaries.arm_order):
        panel = {
            "title": sentences.name_arm({"source": key[1], "strategy": key[2]}),
            "n": key[3],
            "cells": len(groups[key]),
        }
        panel["falling"] = sum(not course["converged"] for course in groups[key])
        tasks.setdefault(key[0], []).append((panel, groups[key]))
    panels = []
    for task, entries in tasks.items():
        tracks = [thin_curve(cell["history"], "loss") for _, group in entries for cell in group]
        high = max((float(track[:, 1].max()) for track in tracks if len(track)), default=1)
        drawn = [panel | {"chart": draw_training(group, "loss", 0, high)} for panel, group in entries]
        panels.append({"task": task, "panels": drawn})
    rows = []
    for key, row in summaries.time_summary(times).items():
        medians = [format_number(row[name], 0) for name in ("steps", "seconds", "steps_to_dice", "seconds_to_dice")]
        reached = f"{row['reached']} of {row['cells']}"
        rows.append([key[0], sentences.name_arm_key(key), key[3], *medians, reached])
    falling = [cell for group in groups.values() for cell in group if not cell["converged"]]
    dice = next(iter(summaries.numbers(times, "dice")), None)
    return {"tasks": panels, "times": rows, "dice": dice, "falling": [cell["label"] for cell in falling]}


def describe_results(scores):
    """Return a table for each task (strategies as rows, measures as columns) and a chart of all patients."""
    listed = summaries.measures([row for row in scores if str(row["subject"] or "")])
    pooled = summaries.pooled_scores(scores)
    tables = []
    for task in dict.fromkeys(task for task, _, _ in listed):
        columns = [(region, metric) for listed_task, region, metric in listed if listed_task == task]
        means = {column: summaries.patient_means(scores, task, *column) for column in columns}
        arms = sorted({arm for by_arm in means.values() for arm in by_arm}, key=summaries.arm_order)
        rows = []
        for key in arms:
            cells = [_score(means[column].get(key), column[1]) for column in columns]
            whole = [format_number(pooled.get(key, {}).get(metric)) for metric in _pooled_columns(pooled, task)]
            patients = max(len(means[column].get(key, {})) for column in columns)
            rows.append([sentences.name_arm({"source": key[1], "strategy": key[2]}), key[3], patients, *whole, *cells])
        heads = [f"{sentences.MEASURES.get(metric, metric)}, cohort" for metric in _pooled_columns(pooled, task)]
        heads += [name_measure(*column) + _hint(task, column[1]) for column in columns]
        tables.append({"task": task, "heads": heads, "rows": rows, "chart": _patients_chart(means, columns, task)})
    return tables


def _pooled_columns(pooled, task):
    """List the metrics that were computed over the whole cohort."""
    scored = {metric for key, values in pooled.items() if key[0] == task for metric in values}
    return [metric for metric in METRICS.get(task, {}) if metric in scored]


def _hint(task, metric):
    """Return the unit and an arrow in the good direction."""
    row = METRICS.get(task, {}).get(metric, {"unit": "", "better": ""})
    arrow = {"higher": " ↑", "lower": " ↓"}.get(str(row["better"]), "")
    return (f" ({row['unit']})" if row["unit"] else "") + arrow


def _score(values, metric):
    """Format the mean of one measure over patients, with its interval."""
    if not values:
        return sentences.NO_VALUE
    estimate = summaries.mean_interval(values.values(), metric)
    return stack_interval(estimate, 1 if metric in ("hd95", "volume-error") else 3)


def _patients_chart(means, columns, task):
    """Draw the first measure of a task for all patients at the largest n."""
    arms = means[columns[0]]
    if not arms or max(map(len, arms.values())) > MOST_DRAWN:
        return None
    most = max(summaries.size(key[3]) for key in arms)
    values = {
        sentences.name_arm({"source": key[1], "strategy": key[2]}): scores
        for key, scores in arms.items()
        if summaries.size(key[3]) == most
    }
    everything = [value for scores in values.values() for value in scores.values()]
    share = columns[0][1] not in ("hd95", "volume-error")
    low = max(0.0, math.floor(10 * min(everything) - 0.3) / 10) if share else 0.0
    high = 1.0 if share else max(everything)
    colours = {
        sentences.name_arm({"source": key[1], "strategy": key[2]}): GREY
        for key in arms
        if key[2] in strategies.CONTROLS
    }
    title = (
        f"{name_measure(*columns[0])} of every patient, n = {next(k[3] for k in arms if summaries.size(k[3]) == most)}"
    )
    return {"title": title, "svg": draw_patients(values, low, high, colours)}


def describe_comparison(comparison):
    """Return the forest plots, a sentence for each verdict, and the complete table."""
    groups = defaultdict(list)
    # where a patient has a single prediction, accuracy is the only metric
    single = {row["task"] for row in comparison} - {r["task"] for r in comparison if r["metric"] in MAIN_METRICS}
    for row in comparison:
        if row["metric"] in MAIN_METRICS or (row["task"] in single and row["metric"] == "accuracy"):
            groups[(row["task"], row["region"] or "", row["metric"], row["against"], str(row["n"]))].append(row)
    controls = (*strategies.CONTROLS, *strategies.METHODS).index
    order = sorted(
        groups,
        key=lambda k: (
            k[0] != "segmentation",
            -summaries.size(k[4]),
            *summaries.region_order(k[1]),
            k[2],
            controls(k[3]),
        ),
    )
    forests = []
    for key in order:
        rows = sorted(groups[key], key=lambda row: strategies.strategy_order(row["strategy"]))
        better = str(METRICS.get(key[0], {}).get(key[2], {}).get("better", "higher"))
        title = f"{name_measure(key[1], key[2])} against {key[3]}"
        primary = any(row["verdict"] for row in rows)
        forests.append({"title": title, "task": key[0], "n": key[4], "primary": primary,
                        "patients": max((parse_number(row["patients"]) or 0) for row in rows),
                        "svg": draw_forest([forest_line(row) for row in rows], better)})  # fmt: skip
    table = [
        [row["task"], sentences.name_arm(row), row["n"],
         name_measure(row["region"] or "", row["metric"]), row["against"],
         format_number(row["patients"], 0),
         *(format_number(row[name], signed=True) for name in ("mean_difference", "low", "high")),
         *(sentences.format_chance(row[name]) for name in ("p_better", "p_better_margin", "p_equal", "p_worse_margin")),
         format_number(row["margin"]), format_number(row["p_adjusted"]), row["verdict"]]
        for row in comparison
    ]  # fmt: skip
    verdicts = [
        {"verdict": row["verdict"], "mark": sentences.MARKS.get(row["verdict"], "●"),
         "sentence": sentences.comparison_sentence(row, comparison)}
        for row in [*summaries.primary_rows(comparison), *summaries.external_rows(comparison)]
    ]  # fmt: skip
    transductive = any(strategies.base_strategy(row["strategy"]) in strategies.TRANSDUCTIVE for row in comparison)
    external = [row["strategy"] for row in summaries.external_rows(comparison)]
    told = {"forests": forests, "table": table, "verdicts": verdicts}
    return told | {"transductive": transductive, "external": external}


def forest_line(row):
    """Return the line of a forest plot (`draw_forest`) for a row of the comparison, its note with the verdict."""
    note = row["verdict"]
    if parse_number(row["mean_difference"]) is not None:
        note = f"{format_difference(row)} {row['verdict']}".strip()
    numbers = {name: parse_number(row[name]) for name in ("low", "high", "margin")}
    line = {"label": sentences.name_arm(row), "verdict": row["verdict"], "note": note}
    return line | {"mean": parse_number(row["mean_difference"])} | numbers


def choose_overlays(scores, strategy, pictures, source=""):
    """Choose the subjects to show by a rule: best, median and worst Dice, then unlabelled subjects.

    Parameters
    ----------
    scores : list of dict
    strategy, source : str
        Those of the delivered segmentations.
    pictures : dict of str to dict
        Subject to figure to path.

    Returns
    -------
    list of (str, str)
        Subject and why it is shown.
    """
    dice = summaries.delivered_means(scores, strategy, source)
    dice = {subject: value for subject, value in dice.items() if "segmentation" in pictures.get(subject, {})}
    whole = name_region(summaries.scored_region(scores))
    ranked = sorted(dice, key=lambda subject: dice[subject])
    shown = {}
    if ranked:
        for subject, why in ((ranked[-1], "best"), (ranked[len(ranked) // 2], "median"), (ranked[0], "worst")):
            shown.setdefault(subject, f"{why} {whole} Dice of unseen patients, {format_number(dice[subject])}")
    others = [name for name, figures in sorted(pictures.items()) if "segmentation" in figures and name not in dice]
    for subject in others[:DELIVERED_SHOWN]:
        shown.setdefault(subject, "no score (no labels, or not in the experiment)")
    return list(shown.items())


def describe_runtimes(runtimes):
    """Draw the run times of the rules, the longest first."""
    timed = [(seconds, row) for row in runtimes if (seconds := parse_number(row.get("seconds_median"))) is not None]
    drawn = []
    for seconds, row in sorted(timed, key=lambda pair: -pair[0]):
        most = parse_number(row.get("seconds_max")) or seconds
        memory = parse_number(row.get("memory_mb"))
        note = f"{format_number(seconds, 1)} s, at most {format_number(most, 1)} s"
        note += f", {format_number(memory / 1000, 1)} GB" if memory else ""
        note += f", {row['jobs']} jobs" if row.get("jobs") else ""
        drawn.append((row["rule"], seconds, most, note))
    return draw_bars(drawn) if drawn else ""
