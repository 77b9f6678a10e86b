"""The report's tables of what changed inside the networks, and of what else is asked of them, as plain values."""

from markupsafe import Markup

from neurograft.core.strategies import CONTROLS
from neurograft.core.tables import parse_number
from neurograft.report import sentences, summaries
from neurograft.report.chapters.experiment import short
from neurograft.report.charts import transfer

PANELS_SHOWN = 6


def tell_layers(layers, features, primary):
    """Give a panel an arm: what changed in every layer and stage, and what was frozen, by name and count.

    Parameters
    ----------
    layers, features : list of dict
        Rows of `layers.tsv` and `features.tsv` of results/evaluation.
    primary : dict

    Returns
    -------
    dict
        `panels` and `more`: the panels that are shown at once, and those behind a fold. Of each: `title`, `n`, `svg`,
        `layers`, `trained` (counts), `weights`, `weights_trained` (numbers), `frozen` (names), `moved` (the
        layers of the encoder that changed most, in words), `cells`.
    """
    tables = [summaries.group_by_arm(summaries.keep_primary(table, primary)) for table in (layers, features)]
    wanted = [arm for arm in dict.fromkeys((*tables[0], *tables[1])) if tables[0].get(arm)]
    largest = {}
    for arm in wanted:
        largest[arm[0]] = max(largest.get(arm[0], 0), summaries.size(arm[3]))
    shown = [arm for arm in sorted(wanted, key=summaries.arm_order) if summaries.size(arm[3]) == largest[arm[0]]]
    # what was adapted first, then what it is held against
    shown.sort(key=lambda arm: arm[2] in CONTROLS)
    read = {arm: _read_layers(tables[0][arm]) for arm in shown}
    ends = transfer.find_ends([row for own in read.values() for row in own])
    panels = [
        {"title": sentences.name_arm_key(arm), "n": arm[3], "task": arm[0], "cells": tables[0][arm][0].get("cells", "")}
        | _layer_panel(read[arm], _read_stages(tables[1].get(arm, [])), ends)
        for arm in shown
    ]
    return {"panels": panels[:PANELS_SHOWN], "more": panels[PANELS_SHOWN:]}


def _read_layers(rows):
    """Read the layers of an arm, from input to output: the finest stage first, then what is behind the encoder."""
    read = [
        {"layer": row["layer"], "stage": str(row["stage"] or ""), "part": row["part"],
         "values": parse_number(row["values"]) or 0, "trained": bool(parse_number(row["trained"])),
         "change": parse_number(row["change"]),
         # a decoder's statistics start at 0 and 1: what they changed by, relative to that, says nothing
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
    """Draw one arm and say what was frozen."""
    most = sorted((row for row in layers if row["part"] == "encoder" and row["change"]), key=lambda row: -row["change"])
    return {
        "svg": transfer.draw_layers(layers, stages, ends),
        "layers": len(layers), "trained": sum(row["trained"] for row in layers),
        "weights": f"{sum(row['values'] for row in layers):,.0f}",
        "weights_trained": f"{sum(row['values'] for row in layers if row['trained']):,.0f}",
        "frozen": [row["layer"] for row in layers if not row["trained"]],
        "moved": ", ".join(f"{row['layer']} ({row['change']:.2g})" for row in most[:3]),
    }  # fmt: skip


def tell_audit(scores, audit):
    """Give the transferability scores, sources down and scores across, and what they were worth.

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
        mine = [row for row in scores if row["space"] == space]
        names = list(dict.fromkeys(row["score"] for row in mine))
        found = {}
        for row in mine:
            found.setdefault(row["source"], {})[row["score"]] = short(row["value"]).replace("-", "\N{MINUS SIGN}")
        better = {row["score"]: " ↓" if row.get("better") == "lower" else " ↑" for row in mine}
        rows = [[source, *(values.get(name, "–") for name in names)] for source, values in found.items()]
        spaces.append({"name": space, "heads": [name + better[name] for name in names], "rows": rows})
    judged = [
        [row["score"], row["sources"], sentences.write_signed(row["tau"], 2),
         sentences.write_bounds(row, digits=2), row["verdict"],
         row["reason"]]
        for row in audit
    ]  # fmt: skip
    lacking = [row for row in scores if row.get("reason")]
    reasons = dict.fromkeys(f"{row['score']} of {row['source']}: {row['reason']}" for row in lacking)
    return {"spaces": spaces, "audit": judged, "reasons": list(reasons)}


def tell_privacy(rows, primary):
    """Give the table of membership inference."""
    table = []
    for arm, own in summaries.group_by_arm(summaries.keep_primary(rows, primary)).items():
        for row in own:
            rate = f"at {short(row['fpr'], 2)}; by chance {short(row['chance'], 2)}"
            table.append([
                arm[0], sentences.name_arm_key(arm), arm[3], f"{row['members']}, {row['outsiders']}, {row['networks']}",
                _stack(row["auc"], f"{short(row['low'], 2)} to {short(row['high'], 2)}"),
                _stack(row["control"], f"{short(row['control_low'], 2)} to {short(row['control_high'], 2)}"),
                _stack(row["tpr"], rate), row["verdict"], row["reason"],
            ])  # fmt: skip
    return table


def tell_fairness(rows, primary):
    """Give the table of gaps between groups of patients."""
    return [
        [arm[0], sentences.name_arm_key(arm), arm[3], row["attribute"], row["patients"],
         _stack(row["gap"], f"{short(row['expected'])} by chance", 3), short(row["p_adjusted"]), row["worst"],
         row["groups"], row["reason"]]
        for arm, own in summaries.group_by_arm(summaries.keep_primary(rows, primary)).items()
        for row in own
    ]  # fmt: skip


def _stack(value, below, digits=2):
    """Write a number above what it is read against; a dash where there is no number."""
    if parse_number(value) is None:
        return "–"
    return Markup("{}<br><small>{}</small>").format(short(value, digits), below)
