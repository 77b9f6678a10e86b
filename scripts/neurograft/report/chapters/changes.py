"""What training changed inside the networks, transferability scores, privacy and fairness, as plain values."""

from neurograft.core.strategies import CONTROLS
from neurograft.core.tables import parse_number
from neurograft.report import sentences, summaries
from neurograft.report.charts import transfer
from neurograft.report.sentences import format_interval, format_number, format_significant, stack

PANELS_SHOWN = 6


def describe_layers(layers, features, primary):
    """Return a panel for each arm: what changed in every layer and stage, and what was frozen, by name and count.

    Parameters
    ----------
    layers, features : list of dict
        Rows of `layers.tsv` and `features.tsv` of results/evaluation.
    primary : dict

    Returns
    -------
    dict
        `panels` and `more`: the panels that are shown at once, and those that are folded away. Each has `title`, `n`,
        `svg`, `layers`, `trained` (counts), `weights`, `weights_trained` (numbers), `frozen` (names), `moved` (the
        layers of the encoder that changed most, in words) and `cells`.
    """
    tables = [summaries.group_by_arm(summaries.keep_primary(table, primary)) for table in (layers, features)]
    wanted = [arm for arm in dict.fromkeys((*tables[0], *tables[1])) if tables[0].get(arm)]
    largest = {}
    for arm in wanted:
        largest[arm[0]] = max(largest.get(arm[0], 0), summaries.size(arm[3]))
    shown = [arm for arm in sorted(wanted, key=summaries.arm_order) if summaries.size(arm[3]) == largest[arm[0]]]
    # adapted networks first, then the controls
    shown.sort(key=lambda arm: arm[2] in CONTROLS)
    read = {arm: _read_layers(tables[0][arm]) for arm in shown}
    ends = transfer.find_ends([row for rows in read.values() for row in rows])
    panels = [
        {"title": sentences.name_arm_key(arm), "n": arm[3], "task": arm[0], "cells": tables[0][arm][0].get("cells", "")}
        | _layer_panel(read[arm], _read_stages(tables[1].get(arm, [])), ends)
        for arm in shown
    ]
    return {"panels": panels[:PANELS_SHOWN], "more": panels[PANELS_SHOWN:]}


def _read_layers(rows):
    """Read the layers of an arm from input to output: the finest stage first, then what follows the encoder."""
    read = [
        {"layer": row["layer"], "stage": str(row["stage"] or ""), "part": row["part"],
         "values": parse_number(row["values"]) or 0, "trained": bool(parse_number(row["trained"])),
         "change": parse_number(row["change"]),
         # the statistics of a decoder start at 0 and 1, and a change relative to that means nothing
         "statistics": parse_number(row["statistics_change"]) if row["part"] == "encoder" else None}
        for row in rows
    ]  # fmt: skip
    return sorted(read, key=lambda row: (row["part"] != "encoder", parse_number(row["stage"]) or 0))


def _read_stages(rows):
    """Read the similarities of an arm, the finest stage first."""
    stages = []
    for row in sorted(rows, key=lambda row: parse_number(row["stage"]) or 0):
        cka = parse_number(row["cka"])
        if cka is not None:
            ends = {
                name: cka if parse_number(row[name]) is None else parse_number(row[name]) for name in ("low", "high")
            }
            stages.append({"stage": str(row["stage"]), "cka": cka} | ends)
    return stages


def _layer_panel(layers, stages, ends):
    """Draw the layers of one arm and list what was frozen."""
    most = sorted((row for row in layers if row["part"] == "encoder" and row["change"]), key=lambda row: -row["change"])
    return {
        "svg": transfer.draw_layers(layers, stages, ends),
        "layers": len(layers), "trained": sum(row["trained"] for row in layers),
        "weights": f"{sum(row['values'] for row in layers):,.0f}",
        "weights_trained": f"{sum(row['values'] for row in layers if row['trained']):,.0f}",
        "frozen": [row["layer"] for row in layers if not row["trained"]],
        "moved": ", ".join(f"{row['layer']} ({format_significant(row['change'], 2)})" for row in most[:3]),
    }  # fmt: skip


def describe_audit(scores, audit):
    """Tabulate the transferability scores, with sources as rows and scores as columns, and their audit.

    Parameters
    ----------
    scores, audit : list of dict
        Rows of `transfer_scores.tsv` and `audit.tsv`.

    Returns
    -------
    dict
        `spaces` (name, heads, rows), `audit` (rows), `reasons`: why some values are missing.
    """
    spaces = []
    for space in dict.fromkeys(row["space"] for row in scores):
        rows_here = [row for row in scores if row["space"] == space]
        names = list(dict.fromkeys(row["score"] for row in rows_here))
        by_source = {}
        for row in rows_here:
            by_source.setdefault(row["source"], {})[row["score"]] = format_number(row["value"])
        better = {row["score"]: " ↓" if row.get("better") == "lower" else " ↑" for row in rows_here}
        rows = [[source, *(values.get(name, "–") for name in names)] for source, values in by_source.items()]
        spaces.append({"name": space, "heads": [name + better[name] for name in names], "rows": rows})
    judged = [
        [row["score"], row["sources"], format_number(row["tau"], 2, signed=True),
         format_interval(row["low"], row["high"], 2, signed=True), row["verdict"],
         row["reason"]]
        for row in audit
    ]  # fmt: skip
    lacking = [row for row in scores if row.get("reason")]
    reasons = dict.fromkeys(f"{row['score']} of {row['source']}: {row['reason']}" for row in lacking)
    return {"spaces": spaces, "audit": judged, "reasons": list(reasons)}


def describe_privacy(rows, primary):
    """List the rows of the table of membership inference."""
    table = []
    for arm, group in summaries.group_by_arm(summaries.keep_primary(rows, primary)).items():
        for row in group:
            rate = f"at {format_number(row['fpr'], 2)}; by chance {format_number(row['chance'], 2)}"
            table.append([
                arm[0], sentences.name_arm_key(arm), arm[3], f"{row['members']}, {row['outsiders']}, {row['networks']}",
                _stack(row["auc"], format_interval(row["low"], row["high"], 2)),
                _stack(row["control"], format_interval(row["control_low"], row["control_high"], 2)),
                _stack(row["tpr"], rate), row["verdict"], row["reason"],
            ])  # fmt: skip
    return table


def describe_fairness(rows, primary):
    """List the rows of the table of gaps between groups of patients."""
    return [
        [arm[0], sentences.name_arm_key(arm), arm[3], row["attribute"], row["patients"],
         _stack(row["gap"], f"{format_number(row['expected'])} by chance", 3), format_number(row["p_adjusted"]),
         row["worst"], row["groups"], row["reason"]]
        for arm, group in summaries.group_by_arm(summaries.keep_primary(rows, primary)).items()
        for row in group
    ]  # fmt: skip


def _stack(value, below, digits=2):
    """Put a number above the value that it is compared with, or return a dash where there is no number."""
    return format_number(value) if parse_number(value) is None else stack(format_number(value, digits), below)
