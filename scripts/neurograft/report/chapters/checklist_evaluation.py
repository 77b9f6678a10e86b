"""Answers of the checklist about scores, their uncertainty, groups of patients, failures and privacy."""

import statistics
from collections import Counter, defaultdict

from neurograft.core.tables import parse_number
from neurograft.report import summaries
from neurograft.report.chapters import experiment
from neurograft.report.chapters.checklist_words import join_sentences
from neurograft.report.sentences import (
    describe_chances,
    format_interval,
    format_number,
    format_percent,
    join_names,
    name_arm,
    name_arm_key,
)

MOST = 8


def _metrics(results):
    measured = [experiment.name_measure(region, metric) for _, region, metric in summaries.measures(results.scores)]
    return join_sentences(f"{', '.join(dict.fromkeys(measured))}, each per patient" if measured else "")


def _statistics(results):
    if not results.comparison:
        return ""
    margins = sorted({str(row["margin"]) for row in results.comparison if row.get("verdict")})
    rates = [parse_number(row.get("false_verdicts")) for row in results.error_rates]
    rates = [rate for rate in rates if rate is not None]
    worst = (
        f"In simulated studies of this size a false verdict came in at most {format_percent(max(rates))}"
        if rates
        else ""
    )
    return join_sentences(
        "Differences are paired over patients; the luck of folds and seeds is pooled in part; intervals are 95 %, and "
        "verdicts are corrected for the number of primary comparisons",
        f"Margin of practical importance: {', '.join(margins)}" if margins else "",
        worst,
    )


def _numbers(results):
    task_arms = defaultdict(set)
    for row in results.main.scores:
        if row.get("subject"):
            task_arms[(row["task"], row["source"], row["strategy"], str(row["n"]))].add(str(row["subject"]))
    told = [
        f"{key[0]}, {name_arm_key(key)}, n {key[3]}: {len(subjects)}" for key, subjects in sorted(task_arms.items())
    ]
    return join_sentences("Tested patients: " + "; ".join(told)) if told else ""


def _performance(results):
    if not results.main.scores:
        return ""
    told = []
    for task in dict.fromkeys(row["task"] for row in results.main.scores):
        rows = summaries.keep_largest_n([row for row in results.main.scores if row["task"] == task])
        pooled = [row for row in summaries.pool_patients(rows, results.splits) if str(row["subject"] or "")]
        for _, region, metric in summaries.measures(pooled)[:3]:
            for key, values in sorted(summaries.patient_means(pooled, task, region, metric).items()):
                mean = summaries.mean_interval(values.values(), metric)
                span = format_interval(mean["low"], mean["high"])
                told.append(f"{name_arm_key(key)}, {experiment.name_measure(region, metric)}: "
                            f"{format_number(mean['mean'])} ({span})")  # fmt: skip
    chances = [
        f"{name_arm(row)} against {row['against']}: {row['verdict']}; {describe_chances(row)}"
        for row in summaries.primary_rows(results.main.comparison)
        if row.get("verdict")
    ]
    return join_sentences("; ".join(told), "; ".join(chances))


def _fairness(results):
    rows = summaries.keep_primary(results.fairness, results.primary)
    judged = [row for row in rows if parse_number(row.get("gap")) is not None]
    if not rows:
        return ""
    if not judged:
        reasons = sorted({str(row["reason"]) for row in rows if row.get("reason")})
        return join_sentences(f"Groups of patients were not compared: {join_names(reasons)}")
    told = [
        f"{name_arm(row)}, {row['attribute']}: gap {format_number(parse_number(row['gap']))} (by chance "
        f"{format_number(parse_number(row['expected']))}, p {format_number(parse_number(row['p_adjusted']))})"
        for row in judged[:MOST]
    ]
    return join_sentences("; ".join(told))


def _overfitting(results):
    gaps = defaultdict(list)
    for row in summaries.keep_primary(results.overfitting, results.primary):
        number = parse_number(row.get("gap"))
        if number is not None:
            gaps[(row["task"], row["source"], row["strategy"], str(row["n"]))].append(number)
    told = [f"{key[0]}, {name_arm_key(key)}, n {key[3]}: {format_number(statistics.mean(values), signed=True)}"
            for key, values in sorted(gaps.items())]  # fmt: skip
    return (
        join_sentences("Score of training less that of unseen patients, mean over folds: " + "; ".join(told))
        if told
        else ""
    )


def _failures(results):
    delivered = summaries.delivered_means(results.main.scores, results.strategy, results.source)
    worst = sorted(delivered.items(), key=lambda pair: pair[1])[:3]
    words = ", ".join(f"{subject} {format_number(value)}" for subject, value in worst)
    reasons = Counter(cell.get("reason") or "no reason" for cell in results.cells if not cell["trained"])
    return join_sentences(
        f"Lowest {results.whole} Dice of the delivered masks: {words}" if worst else "",
        *(f"{count} networks were not trained: {reason}" for reason, count in reasons.most_common(MOST)),
    )


def _explanation(results):
    return join_sentences(
        "No saliency maps are made",
        "The report shows each mask beside its label, and where probabilities are neither low nor high"
        if results.strategy and results.pictures
        else "",
    )


def _privacy(results):
    rows = [row for row in summaries.keep_primary(results.privacy, results.primary) if row.get("verdict")]
    told = [
        f"{name_arm(row)}, n {row['n']}: {row['verdict']} (AUC {format_number(parse_number(row['auc']), 2)}, "
        f"{format_interval(parse_number(row['low']), parse_number(row['high']), 2)}; members against members "
        f"{format_number(parse_number(row['control']), 2)})"
        for row in rows[:MOST]
        if parse_number(row.get("auc")) is not None
    ]
    # said whether or not it was measured: a reader asks for it
    return join_sentences("; ".join(told) or "Membership inference was not measured",
                 "Networks were not trained with differential privacy")  # fmt: skip


# the name of each answer in `checklist.yaml`
ANSWERS = {
    "metrics": _metrics,
    "statistics": _statistics,
    "numbers": _numbers,
    "performance": _performance,
    "fairness": _fairness,
    "overfitting": _overfitting,
    "failures": _failures,
    "explanation": _explanation,
    "privacy": _privacy,
}
