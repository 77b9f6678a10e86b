"""The six benefits claimed for transfer learning, each measured from the tables of a run.

Every function takes a `results.Results` and returns `findings` (`sentences.finding`, one for each arm) and `missing`,
the reasons why something could not be measured.
"""

import math
from collections import defaultdict
from statistics import median

from neurograft.core.tables import parse_boolean, parse_number
from neurograft.report import summaries
from neurograft.report.sentences import (
    MEASURES,
    finding,
    format_difference,
    format_number,
    name_arm,
    name_arm_key,
    shorten_interval,
)

# a source that the workflow pretrains on unlabelled scans of the cohort, and the one that it continues from; a row of
# the sources' table whose location says so counts too
CONTINUES = {"self-masked": "efficientnet-lite0"}
MADE = "rule:masked/"
# answers of `benefit_estimates.labels_saved` that are not numbers
ANSWERS = {
    "not reached": "scratch does not reach this score with all its patients",
    "beyond the range": "scratch already reaches this score with the smallest training size",
}
# the numbers that decide where an arm reaches the end of scratch
REACHED = ("budget", "steps", "seconds", "to_end", "to_end_low", "margin")
# the steps from raw scans to the input of a network
PREPARING = ("import_scans", "strip_skull", "register_scans", "normalize_intensity")


def less_training_time(results):
    """Measure steps and seconds to the test score at which scratch ended or, without budgets, to its training Dice."""
    if results.gain_by_budget:
        return _reach_end(results.gain_by_budget), []
    rows = _timed(results)

    def describe(group):
        steps, seconds = (_saved(group, name, results.repeats) for name in ("steps_saved", "seconds_saved"))
        needed, scratch = (format_number(_median(group, name), 0) for name in ("steps", "steps_scratch"))
        words = f"{needed} instead of {scratch} steps (medians), saving {format_difference(steps, 0, ' steps')}"
        words += f", {format_difference(seconds, 1, ' s')}" if seconds["mean"] is not None else ""
        return f"{words}, {steps['folds']} folds", summaries.read_interval(steps["low"], steps["high"], "saved", "lost")

    findings = _compare_times(rows, describe)
    missing = [] if findings else ["training from scratch has no final training Dice to compare with"]
    return findings, missing + _unfinished(results, rows)


def _reach_end(rows):
    """Find for each arm the first budget at which it is as good on the test patients as finished scratch."""
    spent = {(row["task"], row["source"]): row for row in rows if row["strategy"] == "scratch"}
    findings = []
    for arm, lines in summaries.group_by_arm(summaries.transferred(rows)).items():
        known = [row for row in lines if parse_number(row["to_end"]) is not None]
        group = [{name: float(row[name]) for name in REACHED} for row in known]
        if not group:
            continue
        end = spent.get((arm[0], arm[1])) or next(iter(spent.values()))
        before = f"{format_number(end['steps'], 0)} steps, {format_number(end['seconds'], 0)} s"
        first = next((row for row in group if row["to_end"] >= 0), None)
        sure = next((row for row in group if row["to_end_low"] >= -row["margin"]), None)
        if first is None:
            findings.append(finding(name_arm_key(arm), f"never as good as finished scratch ({before})", "not reached"))
            continue
        words = f"as good as finished scratch ({before}) after {format_number(first['steps'], 0)} steps"
        words += f", {format_number(first['seconds'], 0)} s"
        if sure:
            words += f"; surely no worse by more than the margin after {format_number(sure['steps'], 0)} steps"
        verdict = "saved" if sure and sure["budget"] < 1 else summaries.NOT_SHOWN
        findings.append(finding(name_arm_key(arm), words, verdict))
    return findings


def _timed(results):
    """Keep the rows of the transfer strategies at the largest n for which scratch has a final training Dice."""
    rows = summaries.keep_largest_n(summaries.transferred(summaries.keep_primary(results.time_saved, results.primary)))
    return [row for row in rows if parse_number(row["steps_scratch"]) is not None]


def _compare_times(rows, describe):
    """Return a finding for each arm: what `describe` says (words, verdict), unless some trainings never got there."""
    return [
        finding(name_arm_key(arm), *(_not_reached(group) or describe(group)))
        for arm, group in summaries.group_by_arm(rows).items()
    ]


def _not_reached(group):
    """Return words and verdict for an arm some of whose trainings never reached scratch's Dice, else None."""
    reached = [row for row in group if parse_number(row["steps_saved"]) is not None]
    if len(reached) == len(group):
        return None
    if not reached:
        return f"final training Dice of scratch not reached in {len(group)} trainings", "not reached"
    words = f"final training Dice of scratch reached in {len(reached)} of {len(group)} trainings, so no interval"
    return words, summaries.NOT_SHOWN


def _median(group, column):
    """Return the median of a column over trainings."""
    return median(summaries.numbers(group, column))


def _saved(group, column, repeats):
    """Compare an arm with scratch over folds."""
    folds = defaultdict(list)
    for row in group:
        value = parse_number(row.get(column))
        if value is not None:
            folds[str(row["fold"])].append(value)
    return summaries.pair_folds(folds, repeats)


def _unfinished(results, rows):
    """Count the trainings, including those from scratch, that had not converged."""
    arms = {summaries.arm_key(row) for row in rows}
    sizes = {(arm[0], arm[3]) for arm in arms}
    cells = [cell for cell in summaries.keep_primary(results.cells, results.primary) if cell.get("trained", True)]
    scratch = [cell for cell in cells if cell["strategy"] == "scratch" and (cell["task"], str(cell["n"])) in sizes]
    compared = scratch + [cell for cell in cells if summaries.arm_key(cell) in arms]
    unfinished = sum(not parse_boolean(cell.get("converged", True)) for cell in compared)
    words = f"{unfinished} of {len(compared)} trainings had not converged, so their final Dice is provisional"
    return [words] if unfinished else []


def better_performance(results):
    """Return the verdicts of the primary comparisons or, where there are none, intervals of the main measure."""
    rows = [
        row for row in summaries.primary_rows(results.comparison) if parse_number(row["mean_difference"]) is not None
    ]
    if rows:
        return [finding(name_arm(row), format_difference(row), row["verdict"]) for row in rows], []
    task, region, metric = summaries.main_measure(results.scores)
    others = [
        row
        for row in summaries.transferred(results.comparison)
        if (row["task"], row["region"] or "", row["metric"], row["against"]) == (task, region, metric, "scratch")
    ]
    findings = []
    for row in summaries.keep_largest_n(others):
        verdict = summaries.read_interval(parse_number(row["low"]), parse_number(row["high"]), "higher", "lower")
        findings.append(finding(name_arm(row), f"{MEASURES[metric]} {format_difference(row)}", verdict))
    why = f"there is no primary comparison ({results.whole} Dice against scratch)"
    return findings, [why if findings else "no transfer strategy was scored against training from scratch"]


def fewer_labels(results):
    """Measure how many labelled patients scratch needs for the score that a strategy reaches with n."""
    rows = summaries.keep_one_task(summaries.transferred(summaries.keep_primary(results.labels_saved, results.primary)))
    rows = [row for row in rows if str(row.get("answer") or "")]
    findings = []
    for arm, group in summaries.group_by_arm(rows).items():
        for row in group:
            ends = shorten_interval(row["interval"])
            words = ANSWERS.get(row["answer"], f"scratch needs {row['answer']} patients")
            words += f" (95 % CI: {ends})" if ends else f" (no interval: {row['reason']})"
            low, high = (_read_end(row[name]) for name in ("low", "high"))
            n = _count_training(row, results.splits)
            verdict = summaries.NOT_SHOWN
            if row["interval"] and n is not None:
                verdict = summaries.read_interval(low, high, "saved", "lost", middle=n)
            findings.append(finding(name_arm_key(arm, n=True), words, verdict))
    return findings, [] if findings else ["this needs scores at two or more training sizes, with scratch at each"]


def _count_training(row, splits):
    """Return the number of training patients of a row; where n is `all`, the number needed minus the number saved."""
    needed, saved = parse_number(row["needed"]), parse_number(row["saved"])
    if parse_number(row["n"]) is None and needed is not None and saved is not None:
        return needed - saved
    return summaries.count_training(row["n"], row["task"], splits)


def _read_end(value):
    """Read an end of an interval that may be infinite (not reached, beyond the range); None if it is no number."""
    try:
        return None if math.isnan(float(value)) else float(value)
    except (TypeError, ValueError):
        return None


def better_generalisation(results):
    """Measure how much less a strategy loses at sites left out of training than scratch does."""
    rows = summaries.keep_largest_n(summaries.keep_primary(results.generalisation, results.primary))
    measured = [row for row in rows if parse_number(row["mean"]) is not None]
    findings = []
    for row in summaries.transferred(measured):
        less = {name: parse_number(row[column]) for name, column in summaries.LESS_THAN_SCRATCH.items()}
        words = f"drop {format_difference(row)} at unseen sites; smaller than that of scratch by "
        verdict = summaries.read_interval(less["low"], less["high"], "loses less", "loses more")
        findings.append(finding(name_arm(row), words + format_difference(less), verdict))
    if findings:
        return findings, []
    why = next((row["reason"] for row in rows if row.get("reason")), "")
    return [], [
        why or "this needs scores of scratch and of a strategy, both in stratified folds and with each site left out"
    ]


def better_use_of_data(results):
    """Measure what pretraining on the cohort's own unlabelled scans added to the source that it continued from."""
    scores, measure = results.scores, summaries.main_measure(results.scores)
    made_here = [row for row in results.sources if str(row.get("location")).startswith(MADE)]
    continues = CONTINUES | {row["name"]: row["location"].removeprefix(MADE) for row in made_here}
    means = summaries.patient_means(scores, *measure)
    rows = summaries.transferred([dict(zip(("task", "source", "strategy", "n"), arm, strict=True)) for arm in means])
    pretrained = [summaries.arm_key(row) for row in summaries.keep_largest_n(rows) if row["source"] in continues]
    findings, missing, folds = [], [], summaries.tested_folds(scores)
    for arm in pretrained:
        task, source, strategy, n = arm
        before = (task, continues[source], strategy, n)
        if before not in means:
            missing.append(f"{before[1]}, which {source} continues from, was not trained with {strategy}")
            continue
        difference = summaries.pair_patients(means[arm], means[before], folds[arm])
        words = f"{format_difference(difference)} compared with {before[1]}, {difference['patients']} patients"
        verdict = summaries.read_interval(difference["low"], difference["high"], "gained", "lost")
        findings.append(finding(f"{strategy} from {source}", words, verdict))
    if not pretrained:
        missing = ["no source was pretrained on the cohort's unlabelled subjects"]
    return findings, missing


def faster_deployment(results):
    """Measure the computing time from raw scans to a network with the training Dice with which scratch ended."""
    prepared = [
        seconds * (parse_number(row.get("jobs")) or 1)
        for row in results.runtimes
        if row["rule"] in PREPARING and (seconds := parse_number(row.get("seconds_median"))) is not None
    ]
    rows = [row for row in _timed(results) if parse_number(row.get("seconds_scratch")) is not None]

    def describe(group):
        needed, scratch = (
            format_number(sum(prepared) + _median(group, column), 0) for column in ("seconds", "seconds_scratch")
        )
        saved = _saved(group, "seconds_saved", results.repeats)
        words = f"{needed} s instead of {scratch} s, saving {format_difference(saved, 0, ' s')}"
        return words, summaries.read_interval(saved["low"], saved["high"], "saved", "lost")

    findings = _compare_times(rows, describe)
    missing = [] if findings else ["no training time to a common score is known"]
    if not prepared:
        missing.append("the preprocessing times are not known, so only training is counted")
    return findings, missing + (_unfinished(results, rows) if findings else [])
