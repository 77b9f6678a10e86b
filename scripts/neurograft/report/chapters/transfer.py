"""The report's chapter on what transfer bought and changed, as plain values for the template."""

import math

import numpy as np
from markupsafe import Markup

from neurograft.core.cells import control_sources, find_kin
from neurograft.core.strategies import CONTROLS
from neurograft.core.tables import number, yes
from neurograft.evaluation.metrics import keep_in_range
from neurograft.report import sentences, summaries
from neurograft.report.chapters import changes, risks
from neurograft.report.chapters.experiment import name_measure, short
from neurograft.report.charts import cohort, transfer


def tell_transfer(results, pooled):
    """Return everything in the chapter.

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
    primary, kin, pooled = results.primary, find_kin(results.sources), summaries.of_networks(pooled)
    every = summaries.pool_patients(summaries.of_networks(results.scores), results.splits)
    return {
        "curves": tell_curves(pooled, results.splits, kin),
        "labels": tell_labels(results.labels_saved, primary),
        "overfitting": tell_overfitting(results.overfitting, primary, kin),
        "generalisation": tell_generalisation(results.generalisation),
        "elsewhere": tell_elsewhere(every, summaries.of_networks(results.comparison), primary),
        "layers": changes.tell_layers(results.layers, results.features, primary),
        "audit": changes.tell_audit(results.transfer_scores, results.audit),
        "privacy": changes.tell_privacy(results.privacy, primary),
        "fairness": changes.tell_fairness(results.fairness, primary),
    }


def tell_curves(scores, splits, kin=None):
    """Draw the main measure over the training sizes: a panel a source, the controls in each.

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
        `panels` (title and svg) and `reason`: why there are none, or nothing.
    """
    measure = summaries.main_measure(scores)
    means = summaries.patient_means(scores, *measure)
    sizes = sorted({arm[3] for arm in means}, key=summaries.size)
    if len(sizes) < 2:
        reason = f"one training size only, n = {sizes[0]}: ask for two or more" if sizes else "nothing was scored"
        return {"panels": [], "reason": reason}
    lines = {}
    for arm in sorted(means, key=summaries.arm_order):
        own = {n: means.get((*arm[:3], n)) for n in sizes}
        # one size is no curve
        if sum(bool(found) for found in own.values()) > 1:
            lines.setdefault(arm[1:3], _curve(arm, [own[n] for n in sizes], sizes))
    if not lines:
        return {"panels": [], "reason": "no strategy was trained with two sizes or more"}
    every = [point for line in lines.values() for point in line["points"] if point]
    low = max(0.0, math.floor(10 * min(point["low"] or point["mean"] for point in every)) / 10)
    high = min(1.0, math.ceil(10 * max(point["high"] or point["mean"] for point in every)) / 10)
    names = [_name_size(n, measure[0], splits) for n in sizes]
    drawn = [
        {"title": f"{name_measure(*measure[1:])}, {title}", "svg": transfer.draw_curves(part, names, low, high)}
        for title, part in _share_panels(lines, kin)
    ]
    return {"panels": drawn, "reason": ""}


def _curve(arm, found, sizes):
    """Give one line: means over the patients that were scored at every size of the arm."""
    everywhere = set.intersection(*(set(one) for one in found if one))
    points = []
    for n, values in zip(sizes, found, strict=True):
        kept = [value for patient, value in (values or {}).items() if patient in everywhere]
        point = keep_in_range(summaries.mean_interval(kept), summaries.SHARE) if kept else None
        if point:
            point["note"] = f"n = {n}: mean {point['mean']:.3f} over {len(kept)} patients"
        points.append(point)
    return {"label": arm[2], "strategy": arm[2], "points": points}


def _share_panels(lines, kin):
    """Put the lines of each source in panels of a few, with the controls that it is held against in each."""
    panels = []
    for source in dict.fromkeys(source for source, strategy in lines if strategy not in CONTROLS):
        own = [line for (mine, strategy), line in lines.items() if mine == source and strategy not in CONTROLS]
        base = []
        for control in CONTROLS:
            having = [mine for mine, strategy in lines if strategy == control]
            base += [lines[name, control] for name in control_sources(source, having, kin)[:1]]
        for start in range(0, len(own), transfer.MOST_LINES):
            panels.append((source, base + own[start : start + transfer.MOST_LINES]))
    return panels or [("controls", list(lines.values()))]


def _name_size(n, task, splits):
    """Name a training size; of `all`, say how many patients that is."""
    counted = summaries.count_training(n, task, splits)
    return f"all ({counted:.0f})" if n == "all" and counted else n


def stack(row):
    """Write a difference above its interval, for a narrow column; a dash where there is no row."""
    if not row or number(row["low"]) is None:
        return sentences.write_signed(row["mean"]) if row else "–"
    return Markup("{}<br><small>{}</small>").format(sentences.write_signed(row["mean"]), sentences.write_bounds(row))


def tell_labels(rows, primary):
    """Give the table of labels saved."""
    table = []
    for arm, own in summaries.group_by_arm(summaries.transferred(summaries.keep_primary(rows, primary))).items():
        for row in own:
            saved = sentences.write_signed(row["saved"], 1)
            table.append([arm[0], sentences.name_arm_key(arm), row["n"],
                          short(row["patients"], 0), row["answer"] or "–",
                          row["interval"] or "–", saved, row["reason"] or ""])  # fmt: skip
    return table


def tell_overfitting(rows, primary, kin=None):
    """Give the gaps between training and test patients as a forest, a table, and warnings that name the cells."""
    found = risks.gaps_against_scratch(summaries.keep_primary(rows, primary), kin)
    panels, table, warnings = {}, [], []
    for arm, made in found.items():
        warned = [row for row in made["rows"] if yes(row.get("warning"))]
        # the reason names the cell
        warnings += [row["reason"] or f"overfitted: {arm[0]}, {risks.name_cell(row)}" for row in warned]
        sides = [
            short(made["train"]),
            short(made["test"]),
            sentences.write_signed(made["gap"]),
            stack(made),
            len(warned),
        ]
        table.append([arm[0], sentences.name_arm_key(arm), arm[3], len(made["rows"]), *sides])
        if made["mean"] is not None:
            line = {name: made[name] for name in ("mean", "low", "high")}
            line |= {"label": sentences.name_arm_key(arm), "verdict": "", "note": sentences.write_difference(made)}
            panels.setdefault((arm[0], arm[3]), []).append(line)
    forests = [{"task": task, "n": n, "svg": cohort.draw_forest(lines, "lower")} for (task, n), lines in panels.items()]
    return {"forests": forests, "table": table, "warnings": warnings}


def tell_generalisation(rows):
    """Give what is lost at sites left out of training, and how much less than scratch loses."""
    table, panels, reasons = [], {}, []
    for row in sorted(rows or (), key=lambda row: summaries.arm_order(summaries.arm_key(row))):
        own = {name: number(row[name]) for name in ("mean", "low", "high")}
        less = {name: number(row[column]) for name, column in
                (("mean", "less"), ("low", "less_low"), ("high", "less_high"))}  # fmt: skip
        counts = f"{short(row['patients'], 0)}, {short(row['sites'], 0)}"
        table.append([row["task"], sentences.name_arm(row), row["space"], row["n"], counts, short(row["in_site"]),
                      short(row["cross_site"]), stack(own), stack(less)])  # fmt: skip
        reasons += [row["reason"]] if row.get("reason") else []
        if less["mean"] is not None:
            line = less | {"label": sentences.name_arm(row), "verdict": "", "note": sentences.write_difference(less)}
            panels.setdefault((row["task"], row["space"], str(row["n"])), []).append(line)
    forests = [
        {"task": task, "space": space, "n": n, "svg": cohort.draw_forest(lines)}
        for (task, space, n), lines in panels.items()
    ]
    return {"table": table, "forests": forests, "reasons": list(dict.fromkeys(reasons))}


def tell_elsewhere(scores, comparison, primary):
    """Tabulate the spaces and splits beside the primary one: means, differences, intervals, no verdict.

    Parameters
    ----------
    scores : list of dict
        Of every space and split, pooled by patient.
    comparison : list of dict
        Of every space and split.
    primary : dict
        `space` and `split`; without them nothing is elsewhere.

    Returns
    -------
    list of list
        Task, space, split, arm, n, patients, and with their intervals the mean, the difference to scratch, and that to
        the same arm in the primary space and split, paired over patients.
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
        own = summaries.keep_primary(scores, here)
        folds = summaries.owners(own)
        for measure, there in zip(measures, home, strict=True):
            against = _against_scratch(summaries.keep_primary(comparison, here), measure)
            for arm, values in summaries.patient_means(own, *measure).items():
                found = keep_in_range(summaries.mean_interval(values.values()), measure[2])
                moved = summaries.pair_patients(values, there.get(arm, {}), folds[arm])
                table.append([arm[0], f"{space}, {split}", sentences.name_arm_key(arm), arm[3],
                              found["patients"], _plain(found),
                              stack(against.get(arm)), stack(moved)])  # fmt: skip
    return table


def _against_scratch(comparison, measure):
    """Give arm to its comparison with scratch in one measure."""
    rows = [row for row in comparison if row["against"] == "scratch"]
    rows = [row for row in rows if (row["task"], row["region"] or "", row["metric"]) == measure]
    return {summaries.arm_key(row): row | {"mean": row["mean_difference"]} for row in rows}


def _plain(found):
    """Write a mean above its interval."""
    if found["low"] is None:
        return short(found["mean"])
    ends = f"{found['low']:.3f} to {found['high']:.3f}"
    return Markup("{}<br><small>{}</small>").format(short(found["mean"]), ends)


def tell_errors(rows, comparison, splits):
    """Give the simulated error rates of the verdict, and the row nearest to this run.

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
        `table`, `nearest` (a sentence), `worst` and `lowest`: the largest share of false verdicts and the smallest
        coverage among the rows, as text.
    """
    columns = ("patients", "folds", "family", "skew", "fold_effect", "studies")
    shares = ("false_verdicts", "coverage", "power")
    table = [[*(row[name] for name in columns), *(_percent(row[name]) for name in shares)] for row in rows]
    told = {"table": table, "nearest": "", "worst": "", "lowest": ""}
    for name, column, pick in (("worst", "false_verdicts", max), ("lowest", "coverage", min)):
        values = [number(row[column]) for row in rows if number(row[column]) is not None]
        told[name] = _percent(pick(values)) if values else ""
    judged = summaries.primary_rows(comparison)
    patients = max((number(row["patients"]) or 0 for row in judged), default=0)
    if rows and patients:
        folds = len(splits.get("tasks", {}).get("segmentation", {}).get("folds", [])) or 5
        here = np.log([patients, folds, len(judged)])
        near = [np.abs(np.log([float(row[name]) for name in columns[:3]]) - here).sum() for row in rows]
        # of those as near, the one with the most false verdicts
        row = max(
            (row for row, away in zip(rows, near, strict=True) if away <= min(near) + 1e-9),
            key=lambda row: number(row["false_verdicts"]) or 0,
        )
        size = f"{row['patients']} patients in {row['folds']} folds and {row['family']} comparisons"
        told["nearest"] = f"Of simulated studies of this run's own size, {size}, at most "
        if min(near) > 1e-9:
            own = f"This run: {patients:.0f} patients in {folds} folds, {len(judged)} comparisons."
            told["nearest"] = f"{own} Of the simulated studies nearest to it, with {size}, at most "
        told["nearest"] += f"{_percent(row['false_verdicts'])} have a false verdict."
    return told


def _percent(value):
    """Write a share in percent."""
    read = number(value)
    return "–" if read is None else f"{100 * read:.1f} %"
