"""Eleven claims about transfer learning: how each is measured here, the figure with its interval, the verdict."""

from dataclasses import replace

from neurograft.report import sentences, summaries
from neurograft.report.chapters import benefits, risks

# what is said of the verdicts, once
RULE = (
    "Only 'better performance' has verdicts with an adjusted p. In every other row the verdict says what the 95 % "
    "interval supports: it leaves out no difference in the good or in the bad direction, or it is 'not shown'. These "
    "have no adjusted p: of twenty such intervals about one leaves out no difference by chance alone."
)
COLUMNS = ("claim", "side", "how", "figure", "verdict", "state")
NOT_MEASURED = "not measured"
# verdicts that say nothing of an arm, and stand behind those that do
UNDECIDED = (summaries.NOT_SHOWN, "no evidence", "not seen", "refused", "mixed", "do not use", "too few sources")


def list_claims(results):
    """List the eleven claims with what a run's tables say of them.

    Parameters
    ----------
    results : results.Results
        A table that is empty makes its claim "not measured".

    Returns
    -------
    list of dict
        A row a claim, `COLUMNS`: `side` is promise or risk; `figure` has a line an arm, ended by semicolons; `verdict`
        groups the arms by what is supported; `state` is "measured", "in part" or "not measured".
    """
    narrowed = {
        name: summaries.keep_primary(getattr(results, name), results.primary) for name in ("scores", "comparison")
    }
    narrowed |= {"times": results.times, "cells": results.cells}
    narrowed = {name: summaries.of_networks(rows) for name, rows in narrowed.items()}
    narrowed["scores"] = summaries.pool_patients(narrowed["scores"], results.splits)
    measured_run = replace(results, **narrowed)
    listed = []
    for claim, side, how, measure in CLAIMS:
        findings, missing = measure(measured_run)
        lines = [f"{line['name']}: {line['figure']}" for line in findings]
        row = {"claim": claim, "side": side, "how": how, "figure": ";\n".join([*lines, *missing])}
        state = "measured" if not missing else "in part" if findings else NOT_MEASURED
        listed.append(row | {"verdict": sum_up(findings), "state": state})
    return listed


def show_claims(rows, scores):
    """Split the claims' lines for the report, and leave out the source where every arm has the same.

    Returns
    -------
    dict
        `rows` (as `list_claims`, with lists `lines` and `verdicts`) and `source`: the one of every arm, or nothing.
    """
    sources = {row["source"] for row in summaries.transferred(scores)}
    source = sources.pop() if len(sources) == 1 else ""

    def split(words):
        for own, short in ((f" from {source}", ""), (f" ({source})", ""), (f" ({source}, ", " (")) if source else ():
            words = words.replace(own, short)
        return words.split(";\n")

    shown = [row | {"lines": split(row["figure"]), "verdicts": split(row["verdict"])} for row in rows]
    return {"rows": shown, "source": source}


def sum_up(findings):
    """Put the verdicts of a claim's lines in a few words: one where all agree, else each with whose it is."""
    verdicts = {}
    for one in findings:
        if one["verdict"]:  # the controls have none
            verdicts.setdefault(one["verdict"], []).append(one["name"])
    if len(verdicts) < 2:
        return next(iter(verdicts), summaries.NOT_SHOWN if findings else NOT_MEASURED)
    # what is shown stands first
    order = sorted(verdicts, key=lambda verdict: verdict in UNDECIDED)
    return ";\n".join(f"{verdict}: {sentences.some(verdicts[verdict], 2)}" for verdict in order)


# claim, side, how it is measured, the function that does it
CLAIMS = (
    (
        "Less training time", "promise",
        "Steps and seconds until the training Dice with which scratch ended, against scratch in the same fold; "
        "medians, and intervals over folds.",
        benefits.less_training_time,
    ),
    (
        "Better performance", "promise",
        "Whole-tumour Dice of unseen patients against training from scratch, paired over patients, with interval and "
        "adjusted verdict.",
        benefits.better_performance,
    ),
    (
        "Fewer labels", "promise",
        "The labelled patients that scratch needs for the score that a strategy reaches with n, from isotonic curves; "
        "saved where the whole interval lies above n.",
        benefits.fewer_labels,
    ),
    (
        "Better generalisation", "promise",
        "The loss of score from seen sites to sites left out of training, and how much less of it than with scratch, "
        "paired over patients.",
        benefits.better_generalisation,
    ),
    (
        "Better use of data", "promise",
        "The gain from pretraining on the cohort's own unlabelled scans: the source that did against the source that "
        "it continued from, same strategy, paired over patients.",
        benefits.better_use_of_data,
    ),
    (
        "Faster deployment", "promise",
        "Computing time from the raw scans of all subjects, prepared one after another, to a network with the training "
        "Dice with which scratch ended. A user's own hours are not counted.",
        benefits.faster_deployment,
    ),
    (
        "Limited transferability", "risk",
        "The share of patients that score lower than with scratch (half would by chance alone), pretrained features "
        "against a frozen random encoder, and whether cheap scores foretell the gain.",
        risks.limited_transferability,
    ),
    (
        "Inflexibility", "risk",
        "The share of a source's weights that fits, the layers that do not, and networks and subjects that could not "
        "be served, with the reason. Counts, so no interval.",
        risks.inflexibility,
    ),
    (
        "Expertise needed", "risk",
        "Best less worst transfer strategy of one source, with an interval that holds for all pairs at once. The best "
        "was picked after the fact: at most so much does a wrong choice cost.",
        risks.expertise_needed,
    ),
    (
        "Overfitting", "risk",
        "Score of the finished network on its training patients less that on its test patients, by the same measure, "
        "against scratch in the same fold; warnings name the networks.",
        risks.overfitting,
    ),
    (
        "Ethics: bias and privacy", "risk",
        "Whether a network's confidence tells its training patients from others (AUC, 0.5 is none), and whether groups "
        "of patients score further apart than groups drawn at random.",
        risks.ethics,
    ),
)  # fmt: skip
