"""The report's chapters as plain values for the templates: tables in, words, charts and cells out."""

import math
from collections import Counter, defaultdict

from markupsafe import Markup

from neurograft.core import strategies
from neurograft.core.tables import parse_boolean, parse_number
from neurograft.evaluation.metrics import METRICS, keep_in_range
from neurograft.report import sentences, summaries
from neurograft.report.charts.cohort import GREY, draw_bars, draw_forest, draw_patients, draw_training, thin_curve

DELIVERED_SHOWN = 3
MAIN_METRICS = ("dice", "balanced-accuracy", "auc")
MOST_DRAWN = 200  # patients in one chart


def short(value, digits=3):
    """Write a number, or a dash where there is none."""
    read = parse_number(value)
    return "–" if read is None else f"{read:.{digits}f}"


def name_measure(region, metric):
    """Name a column of the results."""
    return f"{region} {sentences.MEASURES.get(metric, metric)}".strip()


def tell_flow(cohort, splits):
    """Say how many subjects went where, and why those left out were left out."""
    included = [row for row in cohort if parse_boolean(row["included"])]
    labelled = [row for row in included if parse_boolean(row["labels"])]
    left_out = [
        {"subject": subject, "task": task, "reason": reason}
        for task, known in splits.get("tasks", {}).items()
        for subject, reason in known.get("left_out", {}).items()
    ]
    tasks = [
        {
            "task": task, "trainable": parse_boolean(known.get("trainable")), "reason": known.get("reason", ""),
            "patients": len(known.get("subjects", [])), "folds": len(known.get("folds", [])),
            "sequences": ", ".join(known.get("sequences", [])), "target": known.get("target", ""),
            "regions": ", ".join(known.get("regions", [])), "classes": ", ".join(map(str, known.get("classes", []))),
        }
        for task, known in splits.get("tasks", {}).items()
    ]  # fmt: skip
    return {
        "found": len(cohort), "included": len(included), "labelled": len(labelled),
        "unlabelled": len(included) - len(labelled), "tasks": tasks, "left_out": left_out,
        "excluded": [row for row in cohort if not parse_boolean(row["included"])],
        "incomplete": sentences.list_incomplete(splits),
        "sites": Counter(row.get("site") or "not stated" for row in included).most_common(),
    }  # fmt: skip


def tell_training(cells, times):
    """Give a panel for each strategy's training, the unfinished cells, and the times."""
    groups = defaultdict(list)
    for cell in cells:
        if cell.get("history"):
            label = (
                f"{cell['task']}, {sentences.name_arm(cell)}, n {cell['n']}, fold {cell['fold']}, seed {cell['seed']}"
            )
            one = {"label": label, "converged": parse_boolean(cell.get("converged", True)), "history": cell["history"]}
            groups[(cell["task"], str(cell["source"]), cell["strategy"], str(cell["n"]))].append(one)
    tasks = {}
    for key in sorted(groups, key=summaries.arm_order):
        panel = {
            "title": sentences.name_arm({"source": key[1], "strategy": key[2]}),
            "n": key[3],
            "cells": len(groups[key]),
        }
        panel["falling"] = sum(not cell["converged"] for cell in groups[key])
        tasks.setdefault(key[0], []).append((panel, groups[key]))
    panels = []
    for task, entries in tasks.items():
        tracks = [thin_curve(cell["history"], "loss") for _, group in entries for cell in group]
        high = max((float(track[:, 1].max()) for track in tracks if len(track)), default=1)
        drawn = [panel | {"chart": draw_training(group, "loss", 0, high)} for panel, group in entries]
        panels.append({"task": task, "panels": drawn})
    rows = []
    for key, row in summaries.time_summary(times).items():
        reached = f"{row['reached']} of {row['cells']}"
        rows.append([
            key[0], sentences.name_arm({"source": key[1], "strategy": key[2]}), key[3], short(row["steps"], 0),
            short(row["seconds"], 0), short(row["steps_to_dice"], 0), short(row["seconds_to_dice"], 0), reached,
        ])  # fmt: skip
    falling = [cell for group in groups.values() for cell in group if not cell["converged"]]
    dice = next((parse_number(row.get("dice")) for row in times if parse_number(row.get("dice")) is not None), None)
    return {"tasks": panels, "times": rows, "dice": dice, "falling": [cell["label"] for cell in falling]}


def tell_results(scores):
    """Give a table a task (strategies down, measures across) and the chart of every patient."""
    listed = summaries.measures([row for row in scores if str(row["subject"] or "")])
    pooled = summaries.pooled_scores(scores)
    tables = []
    for task in dict.fromkeys(task for task, _, _ in listed):
        columns = [(region, metric) for one, region, metric in listed if one == task]
        means = {column: summaries.patient_means(scores, task, *column) for column in columns}
        arms = sorted({key for found in means.values() for key in found}, key=summaries.arm_order)
        rows = []
        for key in arms:
            cells = [_score(means[column].get(key), column[1]) for column in columns]
            whole = [short(pooled.get(key, {}).get(metric)) for metric in _pooled_columns(pooled, task)]
            patients = max(len(means[column].get(key, {})) for column in columns)
            rows.append([sentences.name_arm({"source": key[1], "strategy": key[2]}), key[3], patients, *whole, *cells])
        heads = [f"{sentences.MEASURES.get(metric, metric)}, cohort" for metric in _pooled_columns(pooled, task)]
        heads += [name_measure(*column) + _hint(task, column[1]) for column in columns]
        tables.append({"task": task, "heads": heads, "rows": rows, "chart": _patients_chart(means, columns, task)})
    return tables


def _pooled_columns(pooled, task):
    """List the metrics that the cohort has as a whole."""
    found = {metric for key, values in pooled.items() if key[0] == task for metric in values}
    return [metric for metric in METRICS.get(task, {}) if metric in found]


def _hint(task, metric):
    """Say the unit, and which direction is good."""
    row = METRICS.get(task, {}).get(metric, {})
    arrow = {"higher": " ↑", "lower": " ↓"}.get(row.get("better"), "")
    return (f" ({row['unit']})" if row.get("unit") else "") + arrow


def _score(values, metric):
    """Write mean and interval of one measure over patients."""
    if not values:
        return "–"
    found = keep_in_range(summaries.mean_interval(values.values()), metric)
    digits = 1 if metric in ("hd95", "volume-error") else 3
    if found["low"] is None:
        return f"{found['mean']:.{digits}f}"
    ends = f"{found['low']:.{digits}f} to {found['high']:.{digits}f}"
    return Markup("{}<br><small>{}</small>").format(f"{found['mean']:.{digits}f}", ends)


def _patients_chart(means, columns, task):
    """Draw the first measure of a task for every patient at the largest n."""
    arms = means[columns[0]]
    if not arms or max(map(len, arms.values())) > MOST_DRAWN:
        return None
    most = max(summaries.size(key[3]) for key in arms)
    values = {
        sentences.name_arm({"source": key[1], "strategy": key[2]}): found
        for key, found in arms.items()
        if summaries.size(key[3]) == most
    }
    everything = [value for found in values.values() for value in found.values()]
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


def tell_comparison(comparison):
    """Give the forest plots, a sentence for each verdict, and the complete table."""
    regions = {"WT": 0, "TC": 1, "ET": 2}
    groups = defaultdict(list)
    # where a patient is one unit, accuracy is all that it has
    single = {row["task"] for row in comparison} - {r["task"] for r in comparison if r["metric"] in MAIN_METRICS}
    for row in comparison:
        if row["metric"] in MAIN_METRICS or (row["task"] in single and row["metric"] == "accuracy"):
            groups[(row["task"], row["region"] or "", row["metric"], row["against"], str(row["n"]))].append(row)
    controls = (*strategies.CONTROLS, *strategies.METHODS).index
    order = sorted(
        groups,
        key=lambda k: (k[0] != "segmentation", -summaries.size(k[4]), regions.get(k[1], 9), k[2], controls(k[3])),
    )
    forests = []
    for key in order:
        rows = sorted(groups[key], key=lambda row: strategies.strategy_order(row["strategy"]))
        lines = [
            {
                name: parse_number(row[column])
                for name, column in (("mean", "mean_difference"), ("low", "low"), ("high", "high"))
            }
            | {"label": sentences.name_arm(row), "verdict": row["verdict"], "note": _note(row)}
            | {"detectable": parse_number(row["detectable"]) if row["verdict"] else None}
            for row in rows
        ]
        better = METRICS.get(key[0], {}).get(key[2], {}).get("better", "higher")
        title = f"{name_measure(key[1], key[2])} against {key[3]}"
        primary = any(row["verdict"] for row in rows)
        forests.append({"title": title, "task": key[0], "n": key[4], "primary": primary,
                        "patients": max((parse_number(row["patients"]) or 0) for row in rows),
                        "svg": draw_forest(lines, better)})  # fmt: skip
    table = [
        [row["task"], sentences.name_arm(row), row["n"],
         name_measure(row["region"] or "", row["metric"]), row["against"],
         short(row["patients"], 0), short(row["mean_difference"]), short(row["low"]), short(row["high"]),
         short(row["p_adjusted"]), row["verdict"], short(row["detectable"])]
        for row in comparison
    ]  # fmt: skip
    verdicts = [
        {"verdict": row["verdict"], "mark": sentences.MARKS.get(row["verdict"], "●"),
         "sentence": sentences.comparison_sentence(row, comparison)}
        for row in summaries.primary_rows(comparison)
    ]  # fmt: skip
    transductive = any(strategies.base_strategy(row["strategy"]) in strategies.TRANSDUCTIVE for row in comparison)
    return {"forests": forests, "table": table, "verdicts": verdicts, "transductive": transductive}


def _note(row):
    """Write what stands at the right of a forest plot's row."""
    mean, low, high = (parse_number(row[key]) for key in ("mean_difference", "low", "high"))
    if mean is None:
        return row["verdict"]
    ends = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
    return f"{mean:+.3f}{ends} {row['verdict']}".strip().replace("-", "\N{MINUS SIGN}")


def choose_overlays(scores, strategy, pictures, source=""):
    """Choose subjects to show by rule, not by looks: best, median and worst whole-tumour Dice, then unlabelled ones.

    Parameters
    ----------
    scores : list of dict
    strategy, source : str
        The delivered ones.
    pictures : dict of str to dict
        Subject to picture names.

    Returns
    -------
    list of (str, str)
        Subject and why it is shown.
    """
    own = summaries.delivered_means(scores, strategy, source)
    own = {subject: value for subject, value in own.items() if "segmentation" in pictures.get(subject, {})}
    ranked = sorted(own, key=own.get)
    shown = {}
    if ranked:
        for subject, why in ((ranked[-1], "best"), (ranked[len(ranked) // 2], "median"), (ranked[0], "worst")):
            shown.setdefault(subject, f"{why} whole-tumour Dice of unseen patients, {own[subject]:.3f}")
    others = [name for name, found in sorted(pictures.items()) if "segmentation" in found and name not in own]
    for subject in others[:DELIVERED_SHOWN]:
        shown.setdefault(subject, "no score: no labels, or not in training")
    return list(shown.items())


def tell_runtimes(runtimes):
    """Draw the rules' times, longest first, and give them as a table."""
    rows = [row for row in runtimes if parse_number(row.get("seconds_median")) is not None]
    rows.sort(key=lambda row: -parse_number(row["seconds_median"]))
    drawn = []
    for row in rows:
        most = parse_number(row.get("seconds_max")) or parse_number(row["seconds_median"])
        memory = parse_number(row.get("memory_mb"))
        note = f"{parse_number(row['seconds_median']):.1f} s, at most {most:.1f} s"
        note += f", {memory / 1000:.1f} GB" if memory else ""
        note += f", {row['jobs']} jobs" if row.get("jobs") else ""
        drawn.append((row["rule"], parse_number(row["seconds_median"]), most, note))
    return draw_bars(drawn) if drawn else ""
