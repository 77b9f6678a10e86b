"""The chapter on what transfer gained and changed, as plain values for the template."""

import math

import numpy as np

from neurograft.core.cells import control_sources, find_kin
from neurograft.core.strategies import CONTROLS, EXTERNAL
from neurograft.core.tables import parse_boolean, parse_number
from neurograft.report import sentences, summaries
from neurograft.report.chapters import changes, risks
from neurograft.report.chapters.experiment import name_measure
from neurograft.report.charts import cohort, transfer


def describe_transfer(results, pooled):
    """Return the values of the whole chapter.

    Parameters
    ----------
    results : results.Results
        Of every space and split.
    pooled : list of dict
        Scores of the primary space and split, pooled by patient.

    Returns
    -------
    dict
    """
    programs = find_programs(results.gain_by_budget, pooled, results.times)
    primary, kin, pooled = results.primary, find_kin(results.sources), summaries.of_networks(pooled)
    every = summaries.pool_patients(summaries.of_networks(results.scores), results.splits)
    return {
        "curves": describe_curves(pooled, results.splits, kin),
        "gains": describe_gains(results.gain_by_budget, programs),
        "labels": describe_labels(results.labels_saved, primary),
        "overfitting": describe_overfitting(results.overfitting, primary, kin, results.repeats),
        "generalisation": describe_generalisation(results.generalisation),
        "elsewhere": describe_elsewhere(every, summaries.of_networks(results.comparison), primary),
        "layers": changes.describe_layers(results.layers, results.features, primary),
        "audit": changes.describe_audit(results.transfer_scores, results.audit),
        "privacy": changes.describe_privacy(results.privacy, primary),
        "fairness": changes.describe_fairness(results.fairness, primary),
    }


def describe_curves(scores, splits, kin=None):
    """Draw the main measure over the training sizes: one panel per source, each with the controls.

    Parameters
    ----------
    scores : list of dict
        Of the primary space and split, pooled by patient.
    splits : dict
    kin : dict, optional
        From `cells.find_kin`.

    Returns
    -------
    dict
        `panels` (title and svg) and `reason`: why there are none, or an empty text.
    """
    measure = summaries.main_measure(scores)
    means = summaries.patient_means(scores, *measure)
    sizes = sorted({arm[3] for arm in means}, key=summaries.size)
    if len(sizes) < 2:
        reason = (
            f"only one training size was used, n = {sizes[0]}; curves need two or more"
            if sizes
            else "nothing was scored"
        )
        return {"panels": [], "reason": reason}
    lines = {}
    for arm in sorted(means, key=summaries.arm_order):
        scores_by_size = [means.get((*arm[:3], n)) for n in sizes]
        # one size is not a curve
        if sum(map(bool, scores_by_size)) > 1:
            lines.setdefault(arm[1:3], _curve(arm, scores_by_size, sizes))
    if not lines:
        return {"panels": [], "reason": "no strategy was trained with two or more training sizes"}
    every = [point for line in lines.values() for point in line["points"] if point]
    low = max(0.0, math.floor(10 * min(point["low"] or point["mean"] for point in every)) / 10)
    high = min(1.0, math.ceil(10 * max(point["high"] or point["mean"] for point in every)) / 10)
    names = [_name_size(n, measure[0], splits) for n in sizes]
    drawn = [
        {"title": f"{name_measure(*measure[1:])}, {title}", "svg": transfer.draw_curves(part, names, low, high)}
        for title, part in _share_panels(lines, kin)
    ]
    return {"panels": drawn, "reason": ""}


def describe_gains(rows, programs=()):
    """Draw the score over the processor minutes of the budgets, and list the gain over scratch at each budget.

    Parameters
    ----------
    rows : list of dict
        Rows of `gain_by_budget.tsv`, as text.
    programs : list of dict
        Other programs beside them (`find_programs`).

    Returns
    -------
    dict
        `panels` (title and svg), `table`, the number of `programs` and the names of those of unknown time, `untimed`;
        empty without budgets.
    """
    if not rows:
        return {"panels": [], "table": [], "programs": 0, "untimed": []}
    lines = {}
    for row in rows:
        key = row["source"], row["strategy"]
        line = lines.setdefault(key, {"label": key[1], "strategy": key[1], "points": []})
        line["points"].append(_gain_point(row))
    means = [point["mean"] for line in lines.values() for point in line["points"] if point]
    means += [program["mean"] for program in programs]
    low, high = math.floor(10 * min(means, default=0)) / 10, math.ceil(10 * max(means, default=1)) / 10
    measure = name_measure(rows[0]["region"], rows[0]["metric"])
    panels = [
        {"title": f"{measure}, {title}", "svg": transfer.draw_costs(part, low, high, programs)}
        for title, part in _share_panels(lines, None)
        if any(point for line in part for point in line["points"])
    ]
    table = [_gain_line(row) for row in rows if row["strategy"] != "scratch"]
    table += [[f"{p['label']} (external)", "–", *_tell_program(p), "–", "–", "–"] for p in programs]
    untimed = [program["label"] for program in programs if program["minutes"] is None]
    return {"panels": panels, "table": table, "programs": len(programs), "untimed": untimed}


def find_programs(gains, scores, times):
    """Find the mean score and the time of other programs' masks, in the measure of the gains.

    Parameters
    ----------
    gains : list of dict
        Rows of `gain_by_budget.tsv`.
    scores : list of dict
        Of the primary space and split, pooled by patient.
    times : list of dict
        Rows of `times.tsv`; those of a program are what the user gave for all folds, divided by them.

    Returns
    -------
    list of dict
        `label`, `mean`, `minutes` for a fold (None: not known) and `note`.
    """
    programs = []
    for row in gains[:1]:
        means = summaries.patient_means(scores, row["task"], row["region"], row["metric"])
        for (_, source, name, _), patients in means.items():
            if source != EXTERNAL:
                continue
            timed = [parse_number(t["seconds"]) for t in times if (t["source"], t["strategy"]) == (source, name)]
            spent = [seconds for seconds in timed if seconds]
            mean, minutes = float(np.mean(list(patients.values()))), float(np.mean(spent)) / 60 if spent else None
            took = f"{sentences.format_minutes(minutes)} min" if minutes else "time not known"
            note = f"mean {sentences.format_number(mean)} over {len(patients)} patients, {took}"
            programs.append({"label": name, "mean": mean, "minutes": minutes, "note": note})
    return programs


def _tell_program(program):
    """Return the cells of seconds, processor minutes and score of another program."""
    minutes = "not known" if program["minutes"] is None else sentences.format_minutes(program["minutes"])
    return "–", minutes, sentences.format_number(program["mean"])


def _gain_point(row):
    """Return one point of a line, without an interval: patients differ far more than budgets do."""
    processor = parse_number(row["processor"])
    if not processor:
        return None
    mean, steps, minutes = float(row["score"]), sentences.format_number(row["steps"], 0), processor / 60
    took = f"{sentences.format_minutes(minutes)} min"
    note = f"{steps} steps, {took}: mean {sentences.format_number(mean)} over {row['patients']} patients"
    return {"mean": mean, "low": None, "high": None, "minutes": minutes, "note": note}


def _gain_line(row):
    """Return one row of the table of gains."""
    to_end = {"mean": row["to_end"], "low": row["to_end_low"], "high": row["to_end_high"]}
    equal = {"mean": row["mean_difference"], "low": row["low"], "high": row["high"]}
    processor = parse_number(row["processor"])
    return [
        sentences.name_arm(row),
        sentences.format_number(row["steps"], 0),
        sentences.format_number(row["seconds"], 0),
        sentences.format_minutes(processor / 60) if processor else "–",
        sentences.format_number(row["score"]),
        sentences.stack_interval(equal, signed=True),
        sentences.format_number(row["p_better"]),
        sentences.stack_interval(to_end, signed=True),
    ]


def _curve(arm, scores_by_size, sizes):
    """Return one line: means over the patients who were scored at every size of the arm."""
    everywhere = set.intersection(*(set(scores) for scores in scores_by_size if scores))
    points = []
    for n, values in zip(sizes, scores_by_size, strict=True):
        kept = [value for patient, value in (values or {}).items() if patient in everywhere]
        point = summaries.mean_interval(kept, summaries.SHARE) if kept else None
        if point:
            point["note"] = f"n = {n}: mean {sentences.format_number(point['mean'])} over {len(kept)} patients"
        points.append(point)
    return {"label": arm[2], "strategy": arm[2], "points": points}


def _share_panels(lines, kin):
    """Distribute the lines of each source over panels of a few, each with the controls of the source."""
    panels = []
    for source in dict.fromkeys(source for source, strategy in lines if strategy not in CONTROLS):
        adapted = [line for (name, strategy), line in lines.items() if name == source and strategy not in CONTROLS]
        controls = []
        for control in CONTROLS:
            having = [name for name, strategy in lines if strategy == control]
            controls += [lines[name, control] for name in control_sources(source, having, kin)[:1]]
        for start in range(0, len(adapted), transfer.MOST_LINES):
            panels.append((source, controls + adapted[start : start + transfer.MOST_LINES]))
    return panels or [("controls", list(lines.values()))]


def _name_size(n, task, splits):
    """Name a training size; for `all`, add the number of patients."""
    counted = summaries.count_training(n, task, splits)
    return f"all ({sentences.format_number(counted, 0)})" if n == "all" and counted else n


def _stack(row):
    """Put a difference above its interval, or return a dash where there is no row."""
    return sentences.stack_interval(row or {}, signed=True)


def describe_labels(rows, primary):
    """List the rows of the table of labels saved."""
    table = []
    for arm, group in summaries.group_by_arm(summaries.transferred(summaries.keep_primary(rows, primary))).items():
        for row in group:
            needed = row["answer"] or sentences.NO_VALUE
            interval = sentences.shorten_interval(row["interval"]) or sentences.NO_VALUE
            saved = sentences.format_number(row["saved"], 1, signed=True)
            patients = sentences.format_number(row["patients"], 0)
            name, note = sentences.name_arm_key(arm), row["reason"] or ""
            table.append([arm[0], name, row["n"], patients, needed, interval, saved, note])
    return table


def describe_overfitting(rows, primary, kin=None, repeats=None):
    """Return the gaps between training and test patients: forest plots, a table, and warnings that name networks."""
    gaps_by_arm = risks.gaps_against_scratch(summaries.keep_primary(rows, primary), kin, repeats)
    panels, table, warnings = {}, [], []
    for arm, gaps in gaps_by_arm.items():
        warned = [row for row in gaps["rows"] if parse_boolean(row.get("warning"))]
        # the reason names the network
        warnings += [row["reason"] or f"overfitted: {arm[0]}, {risks.name_cell(row)}" for row in warned]
        sides = [
            sentences.format_number(gaps["train"]),
            sentences.format_number(gaps["test"]),
            sentences.format_number(gaps["gap"], signed=True),
            _stack(gaps),
            len(warned),
        ]
        table.append([arm[0], sentences.name_arm_key(arm), arm[3], len(gaps["rows"]), *sides])
        if gaps["mean"] is not None:
            line = {name: gaps[name] for name in ("mean", "low", "high")}
            line |= {"label": sentences.name_arm_key(arm), "verdict": "", "note": sentences.format_difference(gaps)}
            panels.setdefault((arm[0], arm[3]), []).append(line)
    forests = [{"task": task, "n": n, "svg": cohort.draw_forest(lines, "lower")} for (task, n), lines in panels.items()]
    return {"forests": forests, "table": table, "warnings": warnings}


def describe_generalisation(rows):
    """Return the drop in score at sites left out of training, and how much smaller it is than that of scratch."""
    table, panels, reasons = [], {}, []
    for row in sorted(rows or (), key=lambda row: summaries.arm_order(summaries.arm_key(row))):
        less = {name: parse_number(row[column]) for name, column in summaries.LESS_THAN_SCRATCH.items()}
        counts = f"{sentences.format_number(row['patients'], 0)}, {sentences.format_number(row['sites'], 0)}"
        means = [sentences.format_number(row[name]) for name in ("in_site", "cross_site")]
        table.append([row["task"], sentences.name_arm(row), row["space"], row["n"], counts, *means,
                      _stack(row), _stack(less)])  # fmt: skip
        reasons += [row["reason"]] if row.get("reason") else []
        if less["mean"] is not None:
            line = less | {"label": sentences.name_arm(row), "verdict": "", "note": sentences.format_difference(less)}
            panels.setdefault((row["task"], row["space"], str(row["n"])), []).append(line)
    forests = [
        {"task": task, "space": space, "n": n, "svg": cohort.draw_forest(lines)}
        for (task, space, n), lines in panels.items()
    ]
    return {"table": table, "forests": forests, "reasons": list(dict.fromkeys(reasons))}


def describe_elsewhere(scores, comparison, primary):
    """Tabulate the other spaces and splits: means, differences and intervals, without a verdict.

    Parameters
    ----------
    scores : list of dict
        Of every space and split, pooled by patient.
    comparison : list of dict
        Of every space and split.
    primary : dict
        `space` and `split`; if empty, no row counts as another space or split.

    Returns
    -------
    list of list
        Task, space and split, arm, n, patients, and with their intervals the mean, the difference from scratch, and the
        difference from the same arm in the primary space and split, paired over patients.
    """
    if not primary:
        return []
    measures = summaries.task_measures(scores)
    home = [summaries.patient_means(summaries.keep_primary(scores, primary), *measure) for measure in measures]
    places = dict.fromkeys((str(row["space"]), str(row["split"])) for row in scores)
    table = []
    for space, split in places:
        here = {"space": space, "split": split}
        if all(str(primary.get(name)) == value for name, value in here.items()):
            continue
        scored = summaries.keep_primary(scores, here)
        folds = summaries.tested_folds(scored)
        for measure, there in zip(measures, home, strict=True):
            against = _against_scratch(summaries.keep_primary(comparison, here), measure)
            for arm, values in summaries.patient_means(scored, *measure).items():
                estimate = summaries.mean_interval(values.values(), measure[2])
                moved = summaries.pair_patients(values, there.get(arm, {}), folds[arm])
                table.append([arm[0], f"{space}, {split}", sentences.name_arm_key(arm), arm[3],
                              estimate["patients"], sentences.stack_interval(estimate),
                              _stack(against.get(arm)), _stack(moved)])  # fmt: skip
    return table


def _against_scratch(comparison, measure):
    """Return arm to its comparison with scratch in one measure."""
    rows = [row for row in comparison if row["against"] == "scratch"]
    rows = [row for row in rows if (row["task"], row["region"] or "", row["metric"]) == measure]
    return {summaries.arm_key(row): row | {"mean": row["mean_difference"]} for row in rows}


def describe_errors(rows, comparison, splits):
    """Return the simulated error rates of the verdict, and the setting that is nearest to this run.

    Parameters
    ----------
    rows : list of dict
        `error_rates.tsv`: shares from 0 to 1.
    comparison : list of dict
        Of the primary space and split.
    splits : dict

    Returns
    -------
    dict
        `table`, `nearest` (a sentence), `worst` and `lowest`: the largest share of false verdicts and the lowest
        coverage among the settings, as text.
    """
    columns = ("patients", "folds", "family", "seeds", "shape", "luck", "studies")
    shares = ("false_verdicts", "false_equal", "coverage", "power")
    table = [
        [*(row[name] for name in columns), *(sentences.format_percent(row[name]) for name in shares)] for row in rows
    ]
    errors = {"table": table, "nearest": "", "worst": "", "lowest": ""}
    for name, column, pick in (("worst", "false_verdicts", max), ("lowest", "coverage", min)):
        values = summaries.numbers(rows, column)
        errors[name] = sentences.format_percent(pick(values)) if values else ""
    judged = summaries.primary_rows(comparison)
    patients = max((parse_number(row["patients"]) or 0 for row in judged), default=0)
    if rows and patients:
        folds = summaries.count_folds(splits.get("tasks", {}).get("segmentation", {}))[0] or 5
        here = np.log([patients, folds, len(judged)])
        near = [np.abs(np.log([float(row[name]) for name in columns[:3]]) - here).sum() for row in rows]
        # among equally near settings, the one with the most false verdicts
        row = max(
            (row for row, away in zip(rows, near, strict=True) if away <= min(near) + 1e-9),
            key=lambda row: parse_number(row["false_verdicts"]) or 0,
        )
        size = f"{row['patients']} patients in {row['folds']} folds and {row['family']} comparisons"
        nearest = f"Of simulated studies of the same size as this run ({size}), at most "
        if min(near) > 1e-9:
            count = sentences.format_number(patients, 0)
            nearest = f"This run has {count} patients in {folds} folds and {len(judged)} comparisons. "
            nearest += f"Of the simulated studies nearest to it, with {size}, at most "
        errors["nearest"] = f"{nearest}{sentences.format_percent(row['false_verdicts'])} have a false verdict."
    return errors
