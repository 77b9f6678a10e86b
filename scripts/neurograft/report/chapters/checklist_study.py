"""Answers of the checklist about patients, labels, the division and the conduct of the study."""

import math
import statistics
from collections import Counter, defaultdict

from neurograft.core.tables import parse_boolean, parse_number
from neurograft.evaluation import fairness
from neurograft.report import summaries
from neurograft.report.chapters import claims, experiment
from neurograft.report.chapters.checklist_words import join_sentences, list_tasks, quote_methods
from neurograft.report.chapters.methods import list_named
from neurograft.report.sentences import describe_repeats, format_number, join_names

MOST = 8


def _aims(results):
    asked, lines = results.config.get("experiment", {}), []
    for task in list_tasks(results):
        ways = join_names(list_named(asked[task], "strategies"), most=20)
        sizes = join_names([str(n) for n in list_named(asked[task], "n")] or ["all"], most=20)
        lines.append(f"{task} by {ways}, with {sizes} labelled patients")
    return join_sentences("Whether transfer learning helps these patients: " + "; ".join(lines)) if lines else ""


def _data(results):
    flow = experiment.describe_flow(results.cohort, results.splits)
    layout = results.config.get("dataset", {}).get("layout", "")
    layout = "simulated patients" if results.simulated else f"a dataset in the layout {layout}"
    return join_sentences(f"{flow['found']} subjects of {layout}, {flow['labelled']} of the included ones with labels")


def _sites(results):
    sites = experiment.describe_flow(results.cohort, results.splits)["sites"]
    return (
        join_sentences(f"{len(sites)} sites: " + ", ".join(f"{name} ({count})" for name, count in sites))
        if sites
        else ""
    )


def _flow(results):
    flow = experiment.describe_flow(results.cohort, results.splits)
    reasons = Counter(str(row.get("reason") or "no reason") for row in flow["excluded"])
    left = Counter(row["reason"] for row in flow["left_out"])
    return join_sentences(
        f"Of {flow['found']} subjects {flow['included']} were included and {len(flow['excluded'])} excluded",
        *(f"Excluded, {count}: {reason}" for reason, count in reasons.most_common(MOST)),
        *(f"Kept out of training, {count}: {reason}" for reason, count in left.most_common(MOST)),
        *(f"For {task['task']}: {task['patients']} subjects" for task in flow["tasks"] if task["trainable"]),
    )


def _characteristics(results):
    rows = {str(row["participant_id"]): row for row in results.cohort}
    listed = list(dict.fromkeys(column for row in results.cohort for column in row))
    columns = {name: fairness.name_column(listed, name) for name in fairness.COLUMNS}
    columns = {name: column for name, column in columns.items() if any(row.get(column) for row in results.cohort)}
    sentences = []
    for task, split in list_tasks(results).items():
        parts = {"all": split.get("subjects", [])}
        parts |= {f"fold {number}": fold["test"] for number, fold in enumerate(split.get("folds", [])[:MOST])}
        for name, subjects in parts.items():
            chosen = [rows[subject] for subject in subjects if subject in rows]
            told = [_count_column(attribute, column, chosen) for attribute, column in columns.items()]
            sentences.append(f"{task}, {name}: {len(subjects)} subjects" + "".join(f"; {words}" for words in told))
    lacking = [name for name in fairness.COLUMNS if name not in columns]
    return join_sentences(
        *sentences, f"The dataset has no column {', '.join(lacking)}" if sentences and lacking else ""
    )


def _count_column(attribute, column, rows):
    """Summarise a column: median and range of numbers, counts of names."""
    values = [str(row.get(column) or "").strip() for row in rows]
    known = [value for value in values if value and value != "n/a"]
    numbers = [number for number in map(parse_number, known) if number is not None and math.isfinite(number)]
    unknown = f", {len(values) - len(known)} unknown" if len(known) < len(values) else ""
    if numbers and len(numbers) == len(known) and attribute == "age":
        span = f"{format_number(min(numbers), 0)} to {format_number(max(numbers), 0)}"
        return f"{attribute} {format_number(statistics.median(numbers), 0)} ({span}){unknown}"
    counted = ", ".join(f"{name} {count}" for name, count in Counter(known).most_common(MOST))
    return f"{attribute} {counted or 'unknown'}{unknown if counted else ''}"


def _grids(results):
    files = [file for row in results.check.get("subjects", ()) if row["included"] for file in row["files"]]
    by_kind = defaultdict(Counter)
    for file in files:
        if file["size_mm"] and file["kind"] != "labels":
            by_kind[file["kind"]][f"{file['size_mm']} mm"] += 1
    told = [
        f"{kind}: {join_names([f'{size} ({n})' for size, n in sizes.most_common(3)])}"
        for kind, sizes in by_kind.items()
    ]
    return join_sentences("Voxel sizes (number of scans): " + "; ".join(told)) if told else ""


def _preparation(results):
    return quote_methods(
        results, "Scans were", "With ", "The reference was", "The bias", "Intensities", "The two-dim", "DICOM"
    )


def _missing(results):
    lacking = [
        f"{task}, {subject}: {join_names(names)}"
        for task, split in list_tasks(results).items()
        for subject, names in split.get("incomplete", {}).items()
    ]
    if not lacking:
        return "No included subject lacked a sequence that the networks use."
    handled = quote_methods(results, str(len(lacking)))
    return join_sentences(f"Subjects without a sequence: {'; '.join(lacking[:MOST])}", handled)


def _outcome(results):
    lines = []
    for task, split in list_tasks(results).items():
        names = split.get("regions") or [f"{split.get('target', '')}: {', '.join(map(str, split.get('classes', [])))}"]
        lines.append(f"{task}: {', '.join(map(str, names))}")
    scheme = results.splits.get("scheme")
    return join_sentences("; ".join(lines), f"Label scheme: {scheme}" if scheme else "")


def _label_doubt(results):
    if not results.label_doubt:
        return ""
    first = [str(row["subject"]) for row in results.label_doubt[:3]]
    return join_sentences(
        "Labels were compared with masks of networks that had not seen the patient; the most contradicted, worth a "
        f"second look: {join_names(first)}"
    )


def _sample_size(results):
    plan = results.plan
    if not plan or plan.get("smallest_difference") is None:
        return ""
    words = (
        f"{plan['patients']} patients, {plan['folds']} folds, {plan['seeds']} seed{'s' * (plan['seeds'] != 1)}. Before "
        f"training, the smallest difference in {plan['measure']} that could be shown with 80 % power was "
        f"{format_number(plan['smallest_difference'])} (assuming a spread between patients of "
        f"{format_number(plan['deviation'], 2)})"
    )
    needed = plan.get("needed_patients")
    return join_sentences(words, f"For the margin of {plan['margin']} it takes " +
                 (f"{needed} patients" if needed else "more than 1,000 patients"))  # fmt: skip


def _division(results):
    sentences = []
    for task, split in list_tasks(results).items():
        folds, repeats = summaries.count_folds(split)
        sentences.append(f"{task}: {folds} folds by patient{describe_repeats(repeats)}")
    if not sentences:
        return ""
    return join_sentences(
        *sentences,
        "All scans of a patient stand in one fold; networks, grey scales and thresholds were fitted to training folds",
        f"Seed {results.splits.get('seed')}, hash of the division {str(results.splits.get('hash', ''))[:12]}",
    )


def _leaks(results):
    if not results.guard:
        return ""
    leaks = [leak for leak in results.guard["leaks"] if parse_boolean(leak["leak"])]
    found = (
        f"{len(leaks)} pairs show the same head: {join_names([leak['words'] for leak in leaks])}" if leaks else "none"
    )
    words = f"Before training, {results.guard['subjects']} subjects were compared by image and name"
    return join_sentences(words, f"Pairs in two roles: {found}")


def _balance(results):
    split = list_tasks(results).get("classification")
    if not split:
        shares = "slices with and without a label are drawn by fixed shares, and each patient equally often"
        return f"Nothing was classified. For segmentation {shares}." if list_tasks(results) else ""
    column, counts = split.get("target", ""), Counter()
    for row in results.cohort:
        if str(row["participant_id"]) in split.get("subjects", ()) and row.get(column):
            counts[str(row[column])] += 1
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return join_sentences(
        f"Patients of each class: {told}" if told else "", "Balanced accuracy counts each class alike"
    )


def _elsewhere(results):
    splits = sorted({str(row["split"]) for row in results.comparison} - {str(results.primary.get("split"))})
    outside = (
        f"Also tested on sites that were not trained on: {len(results.generalisation)} comparisons"
        if results.generalisation
        else "No patient of another study was tested, and no site was held out"
    )
    others = f"Other divisions, without a verdict: {', '.join(splits)}" if splits else ""
    return join_sentences("Training and tested patients are of one cohort, divided at random", outside, others)


def _protocol(results):
    division = str(results.splits.get("hash", ""))[:12]
    planned = "; what it could show was planned from it before training (plan.json)" if results.plan else ""
    words = f"One configuration made this run{planned}; the division has the hash {division}"
    return join_sentences(words) if division else ""


def _sharing(results):
    version = f"neurograft {results.version}".rstrip()
    return join_sentences(f"Made by {version}, whose source is open; tables and this checklist lie with the report")


def _limits(results):
    listed = claims.list_claims(results)
    unmeasured = [row["claim"] for row in listed if row["state"] == claims.NOT_MEASURED]
    measured = [
        f"{row['claim']}: {row['verdict'].replace(';' + chr(10), ', ')}"
        for row in listed
        if row["state"] != claims.NOT_MEASURED
    ]
    return join_sentences("; ".join(measured), f"Not measured: {join_names(unmeasured, most=20)}" if unmeasured else "",
                 "It is research software: not for diagnosis")  # fmt: skip


def _poor_input(results):
    flagged = [str(row["subject"]) for row in results.quality if row.get("flags")]
    doubtful = [row for row in results.unlabelled_masks if row.get("advice") != "usable"]
    masks = f"{len(doubtful)} of {len(results.unlabelled_masks)} masks without a label are not said to be usable"
    names = f" ({join_names(flagged)})" if flagged else ""
    return join_sentences(
        f"Quality control flagged {len(flagged)} subjects{names}", masks if results.unlabelled_masks else ""
    )


# the name of each answer in `checklist.yaml`
ANSWERS = {
    "aims": _aims,
    "data": _data,
    "sites": _sites,
    "flow": _flow,
    "characteristics": _characteristics,
    "grids": _grids,
    "preparation": _preparation,
    "missing": _missing,
    "outcome": _outcome,
    "label_doubt": _label_doubt,
    "sample_size": _sample_size,
    "division": _division,
    "leaks": _leaks,
    "balance": _balance,
    "elsewhere": _elsewhere,
    "protocol": _protocol,
    "sharing": _sharing,
    "limits": _limits,
    "poor_input": _poor_input,
}
