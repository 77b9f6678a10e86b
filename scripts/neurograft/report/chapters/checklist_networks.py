"""Answers of the checklist about networks, their training, and what was transferred."""

import statistics
from collections import defaultdict

from neurograft.core.strategies import CONTROLS, ENSEMBLE, METHODS
from neurograft.core.tables import parse_boolean, parse_number
from neurograft.report import summaries
from neurograft.report.chapters.checklist_words import join_sentences, list_tasks, quote_methods
from neurograft.report.sentences import format_number, format_percent, join_names, name_arm

MOST = 8


def _model(results):
    sentences = [quote_methods(results, "MONAI Flex", "A 3-D net", "A classifier of", "Supervoxels were class")]
    counts = {cell.get("parameters_trained", 0) + cell.get("parameters_frozen", 0) for cell in results.cells}
    counts = sorted(count for count in counts if count)
    if counts:
        span = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        sentences.append(f"Values of a network: {span}")
    return join_sentences(*sentences)


def _software(results):
    return join_sentences(
        ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()) if version)
    )


def _training(results):
    networks = [cell for cell in results.main.cells if cell.get("steps")]
    if not networks:
        return ""
    open_ones = sum(not parse_boolean(cell.get("converged", True)) for cell in networks)
    block = results.config.get("train_network", {})
    rate = f"Learning rate {block['learning_rate']:g}" if "learning_rate" in block else ""
    count = f"{len(networks)} networks; the training loss of {open_ones} of them still fell at the end"
    return join_sentences(quote_methods(results, "All strategies had", "It was trained"), rate, count)


def _selection(results):
    chosen = results.recommendation.get("use") or {}
    words = (
        f"Delivered masks are of {results.strategy}, named in the configuration before training"
        if results.strategy
        else ""
    )
    if not chosen:
        return join_sentences(words)
    named = name_arm({"source": chosen.get("source", ""), "strategy": chosen["strategy"]})
    return join_sentences(
        words, f"The report recommends {named} on the cross-validated scores, so its score is that of a choice among "
        f"{len(results.recommendation.get('choices', ()))} and slightly too good")  # fmt: skip


def _ensemble(results):
    used = any(cell["strategy"] == ENSEMBLE for cell in results.cells)
    folds = "A patient without a label gets the mean of the networks of all folds" if results.strategy else ""
    return join_sentences(quote_methods(results, "The ensemble is") if used else "No ensemble was compared", folds)


def _calculation(results):
    if "segmentation" not in list_tasks(results):
        return "A labelled patient's classes are those of a network that did not see the patient; the likeliest counts."
    bounds = [row for row in results.missed_tumour if parse_number(row.get("threshold")) is not None]
    told = [
        f"{row['region']}: cut at {format_number(parse_number(row['threshold']), 2)} to miss at most "
        f"{format_percent(parse_number(row['share']), 0)} in the mean"
        for row in bounds[:MOST]
    ]
    return join_sentences(
        "A labelled patient's mask is that of a network that did not see the patient, cut at a probability of one half "
        "on the network's grid and carried to the grid of the label", "; ".join(told))  # fmt: skip


def _calibration(results):
    told = []
    for row in results.mask_calibration:
        if parse_number(row.get("temperature")) is not None:
            error, mended = (format_number(parse_number(row[name])) for name in ("error", "error_calibrated"))
            temperature = format_number(parse_number(row["temperature"]), 2)
            told.append(
                f"{row['region']}: calibration error {error}, which a temperature of {temperature} would make {mended}"
            )
    return join_sentences("Delivered probabilities are not recalibrated", "; ".join(told))


def _sources(results):
    used = {str(cell["source"]) for cell in results.cells} - {""}
    told = []
    for row in results.sources:
        if row["name"] in used:
            digest = f", SHA-256 {row['sha256'][:12]}" if row.get("sha256") else ""
            learnt = row.get("seen") or "not stated"
            told.append(f"{row['name']}: learnt from {learnt}; {row.get('licence') or 'no licence'}{digest}")
    shares = [cell["loaded_share"] for cell in results.cells if parse_number(cell.get("loaded_share")) is not None]
    loaded = f"Of the encoders' values {format_percent(min(shares))} or more were loaded" if shares else ""
    return join_sentences("; ".join(told), loaded)


def _contamination(results):
    used = {str(cell["source"]) for cell in results.cells}
    rows = [row for row in results.guard.get("sources", ()) if row["source"] in used]
    return join_sentences("; ".join(f"{row['source']}: {row['verdict']}, {row['reason']}" for row in rows))


def _compared(results):
    strategies = {str(cell["strategy"]) for cell in results.cells}
    present = [name for name in ("scratch", "frozen-random") if name in strategies]
    lacking = [name for name in ("scratch", "frozen-random") if name not in strategies]
    transferred = sorted(strategies - {*CONTROLS, *METHODS, ENSEMBLE})
    if not transferred and not present:
        return ""
    return join_sentences(
        f"Transfer by {join_names(transferred, most=20)}" if transferred else "",
        f"Controls on the same patients, folds, seeds and steps: {join_names(present)}" if present else "",
        f"Not run: {join_names(lacking)}, so that part of the question is open" if lacking else "",
    )


def _frozen(results):
    by_arm = {}
    for cell in results.main.cells:
        if cell.get("parameters_trained") is not None:
            by_arm.setdefault((cell["task"], cell["source"], cell["strategy"]), cell)
    told = []
    for (task, source, strategy), cell in sorted(by_arm.items()):
        total = cell["parameters_trained"] + cell.get("parameters_frozen", 0)
        share = format_percent(cell["parameters_trained"] / total) if total else "none"
        told.append(
            f"{task}, {name_arm({'source': source, 'strategy': strategy})}: {share} of {total:,} values trained"
        )
    return join_sentences("; ".join(told))


def _changed(results):
    change, likeness = defaultdict(list), defaultdict(list)
    for rows, column, gathered in ((results.layers, "change", change), (results.features, "cka", likeness)):
        for row in summaries.keep_primary(rows, results.primary):
            number = parse_number(row.get(column))
            if number is not None and row.get("part", "encoder") == "encoder":
                gathered[(row["task"], row["source"], row["strategy"])].append(number)
    told = []
    for key in sorted({*change, *likeness}):
        words = []
        if change[key]:
            words.append(f"median change of a layer {format_percent(statistics.median(change[key]))}")
        if likeness[key]:
            words.append(f"likeness of features before and after (CKA) {format_number(min(likeness[key]), 2)} at least")
        told.append(f"{key[0]}, {name_arm({'source': key[1], 'strategy': key[2]})}: {', '.join(words)}")
    return join_sentences("; ".join(told))


def _target_size(results):
    told = []
    for task, split in list_tasks(results).items():
        sizes = sorted({str(row["n"]) for row in results.main.scores if row["task"] == task}, key=summaries.size)
        counted = [f"{n} ({summaries.count_training(n, task, results.splits)})" if n == "all" else n for n in sizes]
        told.append(f"{task}: {', '.join(counted) or 'none'} training patients of {len(split.get('subjects', []))}")
    return join_sentences("; ".join(told))


# the name of each answer in `checklist.yaml`
ANSWERS = {
    "model": _model,
    "software": _software,
    "training": _training,
    "selection": _selection,
    "ensemble": _ensemble,
    "calculation": _calculation,
    "calibration": _calibration,
    "sources": _sources,
    "contamination": _contamination,
    "compared": _compared,
    "frozen": _frozen,
    "changed": _changed,
    "target_size": _target_size,
}
