"""The six promises of transfer learning, each measured from a run's tables.

Every function takes the run's results (`report.RESULTS`, the scores pooled by patient and of the primary space and
split) and gives (findings, missing): lines of `arms.finding`, and why something, or all of it, is not measured.
"""

import math
from collections import defaultdict
from statistics import median

from neurograft import arms, summaries, wording
from neurograft.summaries import number

# a source that the workflow pretrains on unlabelled scans of the cohort, and the one that it continues from; a row of
# the sources' table that says so by its location counts too
CONTINUES = {"self-masked": "efficientnet-lite0"}
MADE = "rule:masked/"
# answers of `curves.labels_saved` that are no numbers
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
        words += f"saving {arms.difference(steps, 0, ' steps')}"
        words += f", {arms.difference(seconds, 1, ' s')}" if seconds["mean"] is not None else ""
        return f"{words}, {steps['folds']} folds", arms.read_interval(steps["low"], steps["high"], "saved", "lost")

    findings = _tell_races(rows, tell)
    missing = [] if findings else ["no training of scratch had a final training Dice to reach"]
    return findings, missing + _unfinished(results, rows)


def _raced(results):
    """Keep the rows of the transfer strategies at the largest n whose scratch has a Dice to reach."""
    rows = arms.largest(arms.transferred(arms.keep_primary(results["time_saved"], results["primary"])))
    return [row for row in rows if number(row["steps_scratch"]) is not None]


def _tell_races(rows, tell):
    """Give a finding an arm: what `tell` says of its rows (words, verdict), or that not every training arrived."""
    return [arms.finding(arms.name(arm), *(_early(group) or tell(group))) for arm, group in arms.group(rows).items()]


def _early(group):
    """Say of an arm, in words and a verdict, that not every training arrived at scratch's Dice; None where all did."""
    reached = [row for row in group if number(row["steps_saved"]) is not None]
    if len(reached) == len(group):
        return None
    if not reached:
        return f"scratch's final training Dice not reached in {len(group)} trainings", "not reached"
    words = f"scratch's final training Dice reached in {len(reached)} of {len(group)} trainings, so no interval"
    return words, arms.NOT_SHOWN


def _middle(group, column):
    """Median over trainings."""
    return median(number(row[column]) for row in group)


def _saved(group, column):
    """Compare an arm with scratch over folds."""
    folds = defaultdict(list)
    for row in group:
        if number(row.get(column)) is not None:
            folds[str(row["fold"])].append(number(row[column]))
    return arms.pair_folds(folds)


def _unfinished(results, rows):
    """Say how many of the trainings, scratch's included, had not converged."""
    own = {arms.key(row) for row in rows}
    sizes = {(arm[0], arm[3]) for arm in own}
    cells = [cell for cell in arms.keep_primary(results["cells"], results["primary"]) if cell.get("trained", True)]
    base = [cell for cell in cells if cell["strategy"] == "scratch" and (cell["task"], str(cell["n"])) in sizes]
    mine = base + [cell for cell in cells if arms.key(cell) in own]
    falling = sum(not summaries.yes(cell.get("converged", True)) for cell in mine)
    words = f"{falling} of {len(mine)} trainings had not converged, so where they end is not settled"
    return [words] if falling else []


def better_performance(results):
    """Give the primary family's verdicts; where it is empty, intervals of the main measure."""
    rows = [row for row in summaries.primary_rows(results["comparison"]) if number(row["mean_difference"]) is not None]
    if rows:
        return [arms.finding(wording.arm(row), wording.interval(row), row["verdict"]) for row in rows], []
    task, region, metric = arms.main_measure(results["scores"])
    others = [
        row
        for row in arms.transferred(results["comparison"])
        if (row["task"], row["region"] or "", row["metric"], row["against"]) == (task, region, metric, "scratch")
    ]
    findings = []
    for row in arms.largest(others):
        verdict = arms.read_interval(number(row["low"]), number(row["high"]), "higher", "lower")
        findings.append(arms.finding(wording.arm(row), f"{wording.MEASURES[metric]} {wording.interval(row)}", verdict))
    why = "the primary family, whole-tumour Dice against scratch, has no member"
    return findings, [why if findings else "no transfer strategy was scored against training from scratch"]


def fewer_labels(results):
    """Give the labelled patients that scratch needs for what a strategy reaches with n."""
    rows = arms.one_task(arms.transferred(arms.keep_primary(results["labels_saved"], results["primary"])))
    rows = [row for row in rows if str(row.get("answer") or "")]
    findings = []
    for arm, group in arms.group(rows).items():
        for row in group:
            # the ends of the interval are in words too, the same twice where nothing was reached
            ends = " to ".join(dict.fromkeys(str(row["interval"]).split(" to ")))
            words = ANSWERS.get(row["answer"], f"scratch needs {row['answer']} patients")
            words += f" (95 %: {ends})" if ends else f" (no interval: {row['reason']})"
            low, high = (_end(row[name]) for name in ("low", "high"))
            n = _counted(row, results["splits"])
            shown = bool(row["interval"]) and n is not None
            verdict = arms.read_interval(low, high, "saved", "lost", middle=n) if shown else arms.NOT_SHOWN
            findings.append(arms.finding(arms.name(arm, n=True), words, verdict))
    return findings, [] if findings else ["it takes scores at two training sizes or more, and scratch at each of them"]


def _counted(row, splits):
    """Give the number of training patients of a row, whose n may be `all`: what is needed less what is saved."""
    needed, saved = number(row["needed"]), number(row["saved"])
    if number(row["n"]) is None and None not in (needed, saved):
        return needed - saved
    return arms.count_training(row["n"], row["task"], splits)


def _end(value):
    """Read an end that may be infinite (not reached, beyond the range); None where it is no number."""
    try:
        return None if math.isnan(float(value)) else float(value)
    except (TypeError, ValueError):
        return None


def better_generalisation(results):
    """Give how much less a strategy loses at sites left out of training than scratch does."""
    rows = arms.largest(arms.keep_primary(results["generalisation"], results["primary"]))
    measured = [row for row in rows if number(row["mean"]) is not None]
    findings = []
    for row in arms.transferred(measured):
        less = {"mean": number(row["less"]), "low": number(row["less_low"]), "high": number(row["less_high"])}
        own = {"mean": number(row["mean"]), "low": number(row["low"]), "high": number(row["high"])}
        words = f"drop {arms.difference(own)} at unseen sites; smaller than scratch's by {arms.difference(less)}"
        verdict = arms.read_interval(less["low"], less["high"], "loses less", "loses more")
        findings.append(arms.finding(wording.arm(row), words, verdict))
    if findings:
        return findings, []
    why = next((row["reason"] for row in rows if row.get("reason")), "")
    return [], [why or "it takes scores in stratified folds and with each site left out, of scratch and a strategy"]


def better_use_of_data(results):
    """Give what pretraining on the cohort's own unlabelled scans added to the source that it continued from."""
    scores, measure = results["scores"], arms.main_measure(results["scores"])
    made_here = [row for row in results["sources"] if str(row.get("location")).startswith(MADE)]
    continues = CONTINUES | {row["name"]: row["location"].removeprefix(MADE) for row in made_here}
    means = summaries.patient_means(scores, *measure)
    rows = arms.transferred([dict(zip(("task", "source", "strategy", "n"), arm, strict=True)) for arm in means])
    pretrained = [arms.key(row) for row in arms.largest(rows) if row["source"] in continues]
    findings, missing, folds = [], [], arms.owners(scores)
    for task, source, strategy, n in pretrained:
        before = (task, continues[source], strategy, n)
        if before not in means:
            missing.append(f"{before[1]}, which {source} continues from, was not trained with {strategy}")
            continue
        arm = (task, source, strategy, n)
        made = arms.pair_patients(means[arm], means[before], folds[arm])
        words = f"{arms.difference(made)} against {before[1]}, {made['patients']} patients"
        verdict = arms.read_interval(made["low"], made["high"], "gained", "lost")
        findings.append(arms.finding(f"{strategy} from {source}", words, verdict))
    if not pretrained:
        missing = ["no source was pretrained on the cohort's unlabelled subjects"]
    return findings, missing


def faster_deployment(results):
    """Give the computing time from raw scans to a network that scores as scratch's does in training."""
    prepared = [
        number(row["seconds_median"]) * (number(row.get("jobs")) or 1)
        for row in results["runtimes"]
        if row["rule"] in PREPARING and number(row.get("seconds_median")) is not None
    ]
    rows = [row for row in _raced(results) if number(row.get("seconds_scratch")) is not None]

    def tell(group):
        ready = [sum(prepared) + _middle(group, column) for column in ("seconds", "seconds_scratch")]
        saved = _saved(group, "seconds_saved")
        words = f"{ready[0]:.0f} s instead of {ready[1]:.0f} s, saving {arms.difference(saved, 0, ' s')}"
        return words, arms.read_interval(saved["low"], saved["high"], "saved", "lost")

    findings = _tell_races(rows, tell)
    missing = [] if findings else ["no training time to a common score is known"]
    if not prepared:
        missing.append("the times of preprocessing are not known, so only training is counted")
    return findings, missing + (_unfinished(results, rows) if findings else [])
