"""The six benefits claimed of transfer learning, each measured from a run's tables."""

import math
from collections import defaultdict
from statistics import median

from neurograft.core import tables
from neurograft.report import sentences, summaries

# a source that the workflow pretrains on unlabelled scans of the cohort, and the one that it continues from; a row of
# the sources' table that says so by its location counts too
CONTINUES = {"self-masked": "efficientnet-lite0"}
MADE = "rule:masked/"
# answers of `benefits.labels_saved` that are no numbers
ANSWERS = {
    "not reached": "scratch does not reach it with all its patients",
    "beyond the range": "scratch reaches it with the fewest patients already",
}
# from raw scans to what a network is trained on
PREPARING = ("import_scans", "strip_skull", "register_scans", "normalize_intensity")


def less_training_time(results):
    """Steps and seconds to the training Dice at which scratch ended, paired over folds."""
    rows = _raced(results)

    def tell(group):
        steps, seconds = _saved(group, "steps_saved"), _saved(group, "seconds_saved")
        words = f"{_middle(group, 'steps'):.0f} instead of {_middle(group, 'steps_scratch'):.0f} steps (medians), "
        words += f"saving {sentences.write_difference(steps, 0, ' steps')}"
        words += f", {sentences.write_difference(seconds, 1, ' s')}" if seconds["mean"] is not None else ""
        return f"{words}, {steps['folds']} folds", summaries.read_interval(steps["low"], steps["high"], "saved", "lost")

    findings = _tell_races(rows, tell)
    missing = [] if findings else ["no training of scratch had a final training Dice to reach"]
    return findings, missing + _unfinished(results, rows)


def _raced(results):
    """Keep the rows of the transfer strategies at the largest n whose scratch has a Dice to reach."""
    rows = summaries.keep_largest_n(summaries.transferred(summaries.keep_primary(results.time_saved, results.primary)))
    return [row for row in rows if tables.number(row["steps_scratch"]) is not None]


def _tell_races(rows, tell):
    """Give a finding an arm: what `tell` says of its rows (words, verdict), or that not every training arrived."""
    return [
        sentences.finding(sentences.name_arm_key(arm), *(_early(group) or tell(group)))
        for arm, group in summaries.group_by_arm(rows).items()
    ]


def _early(group):
    """Say of an arm, in words and a verdict, that not every training arrived at scratch's Dice; None where all did."""
    reached = [row for row in group if tables.number(row["steps_saved"]) is not None]
    if len(reached) == len(group):
        return None
    if not reached:
        return f"scratch's final training Dice not reached in {len(group)} trainings", "not reached"
    words = f"scratch's final training Dice reached in {len(reached)} of {len(group)} trainings, so no interval"
    return words, summaries.NOT_SHOWN


def _middle(group, column):
    """Median over trainings."""
    return median(tables.number(row[column]) for row in group)


def _saved(group, column):
    """Compare an arm with scratch over folds."""
    folds = defaultdict(list)
    for row in group:
        if tables.number(row.get(column)) is not None:
            folds[str(row["fold"])].append(tables.number(row[column]))
    return summaries.pair_folds(folds)


def _unfinished(results, rows):
    """Say how many of the trainings, scratch's included, had not converged."""
    own = {summaries.arm_key(row) for row in rows}
    sizes = {(arm[0], arm[3]) for arm in own}
    cells = [cell for cell in summaries.keep_primary(results.cells, results.primary) if cell.get("trained", True)]
    base = [cell for cell in cells if cell["strategy"] == "scratch" and (cell["task"], str(cell["n"])) in sizes]
    mine = base + [cell for cell in cells if summaries.arm_key(cell) in own]
    falling = sum(not tables.yes(cell.get("converged", True)) for cell in mine)
    words = f"{falling} of {len(mine)} trainings had not converged, so where they end is not settled"
    return [words] if falling else []


def better_performance(results):
    """Give the primary family's verdicts; where it is empty, intervals of the main measure."""
    rows = [
        row for row in summaries.primary_rows(results.comparison) if tables.number(row["mean_difference"]) is not None
    ]
    if rows:
        return [
            sentences.finding(sentences.name_arm(row), sentences.write_interval(row), row["verdict"]) for row in rows
        ], []
    task, region, metric = summaries.main_measure(results.scores)
    others = [
        row
        for row in summaries.transferred(results.comparison)
        if (row["task"], row["region"] or "", row["metric"], row["against"]) == (task, region, metric, "scratch")
    ]
    findings = []
    for row in summaries.keep_largest_n(others):
        verdict = summaries.read_interval(tables.number(row["low"]), tables.number(row["high"]), "higher", "lower")
        findings.append(
            sentences.finding(
                sentences.name_arm(row), f"{sentences.MEASURES[metric]} {sentences.write_interval(row)}", verdict
            )
        )
    why = "the primary family, whole-tumour Dice against scratch, has no member"
    return findings, [why if findings else "no transfer strategy was scored against training from scratch"]


def fewer_labels(results):
    """Give the labelled patients that scratch needs for what a strategy reaches with n."""
    rows = summaries.keep_one_task(summaries.transferred(summaries.keep_primary(results.labels_saved, results.primary)))
    rows = [row for row in rows if str(row.get("answer") or "")]
    findings = []
    for arm, group in summaries.group_by_arm(rows).items():
        for row in group:
            # the ends of the interval are in words too, the same twice where nothing was reached
            ends = " to ".join(dict.fromkeys(str(row["interval"]).split(" to ")))
            words = ANSWERS.get(row["answer"], f"scratch needs {row['answer']} patients")
            words += f" (95 %: {ends})" if ends else f" (no interval: {row['reason']})"
            low, high = (_end(row[name]) for name in ("low", "high"))
            n = _counted(row, results.splits)
            shown = bool(row["interval"]) and n is not None
            verdict = summaries.read_interval(low, high, "saved", "lost", middle=n) if shown else summaries.NOT_SHOWN
            findings.append(sentences.finding(sentences.name_arm_key(arm, n=True), words, verdict))
    return findings, [] if findings else ["it takes scores at two training sizes or more, and scratch at each of them"]


def _counted(row, splits):
    """Give the number of training patients of a row, whose n may be `all`: what is needed less what is saved."""
    needed, saved = tables.number(row["needed"]), tables.number(row["saved"])
    if tables.number(row["n"]) is None and None not in (needed, saved):
        return needed - saved
    return summaries.count_training(row["n"], row["task"], splits)


def _end(value):
    """Read an end that may be infinite (not reached, beyond the range); None where it is no number."""
    try:
        return None if math.isnan(float(value)) else float(value)
    except (TypeError, ValueError):
        return None


def better_generalisation(results):
    """Give how much less a strategy loses at sites left out of training than scratch does."""
    rows = summaries.keep_largest_n(summaries.keep_primary(results.generalisation, results.primary))
    measured = [row for row in rows if tables.number(row["mean"]) is not None]
    findings = []
    for row in summaries.transferred(measured):
        less = {
            "mean": tables.number(row["less"]),
            "low": tables.number(row["less_low"]),
            "high": tables.number(row["less_high"]),
        }
        own = {"mean": tables.number(row["mean"]), "low": tables.number(row["low"]), "high": tables.number(row["high"])}
        drop, saved = sentences.write_difference(own), sentences.write_difference(less)
        words = f"drop {drop} at unseen sites; smaller than scratch's by {saved}"
        verdict = summaries.read_interval(less["low"], less["high"], "loses less", "loses more")
        findings.append(sentences.finding(sentences.name_arm(row), words, verdict))
    if findings:
        return findings, []
    why = next((row["reason"] for row in rows if row.get("reason")), "")
    return [], [why or "it takes scores in stratified folds and with each site left out, of scratch and a strategy"]


def better_use_of_data(results):
    """Give what pretraining on the cohort's own unlabelled scans added to the source that it continued from."""
    scores, measure = results.scores, summaries.main_measure(results.scores)
    made_here = [row for row in results.sources if str(row.get("location")).startswith(MADE)]
    continues = CONTINUES | {row["name"]: row["location"].removeprefix(MADE) for row in made_here}
    means = summaries.patient_means(scores, *measure)
    rows = summaries.transferred([dict(zip(("task", "source", "strategy", "n"), arm, strict=True)) for arm in means])
    pretrained = [summaries.arm_key(row) for row in summaries.keep_largest_n(rows) if row["source"] in continues]
    findings, missing, folds = [], [], summaries.owners(scores)
    for task, source, strategy, n in pretrained:
        before = (task, continues[source], strategy, n)
        if before not in means:
            missing.append(f"{before[1]}, which {source} continues from, was not trained with {strategy}")
            continue
        arm = (task, source, strategy, n)
        made = summaries.pair_patients(means[arm], means[before], folds[arm])
        words = f"{sentences.write_difference(made)} against {before[1]}, {made['patients']} patients"
        verdict = summaries.read_interval(made["low"], made["high"], "gained", "lost")
        findings.append(sentences.finding(f"{strategy} from {source}", words, verdict))
    if not pretrained:
        missing = ["no source was pretrained on the cohort's unlabelled subjects"]
    return findings, missing


def faster_deployment(results):
    """Give the computing time from raw scans to a network that scores as scratch's does in training."""
    prepared = [
        tables.number(row["seconds_median"]) * (tables.number(row.get("jobs")) or 1)
        for row in results.runtimes
        if row["rule"] in PREPARING and tables.number(row.get("seconds_median")) is not None
    ]
    rows = [row for row in _raced(results) if tables.number(row.get("seconds_scratch")) is not None]

    def tell(group):
        ready = [sum(prepared) + _middle(group, column) for column in ("seconds", "seconds_scratch")]
        saved = _saved(group, "seconds_saved")
        words = f"{ready[0]:.0f} s instead of {ready[1]:.0f} s, saving {sentences.write_difference(saved, 0, ' s')}"
        return words, summaries.read_interval(saved["low"], saved["high"], "saved", "lost")

    findings = _tell_races(rows, tell)
    missing = [] if findings else ["no training time to a common score is known"]
    if not prepared:
        missing.append("the times of preprocessing are not known, so only training is counted")
    return findings, missing + (_unfinished(results, rows) if findings else [])
