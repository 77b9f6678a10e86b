"""Eleven claims about transfer learning: how each is measured, the result with its interval, and the verdict."""

from dataclasses import replace

from neurograft.report import sentences, summaries
from neurograft.report.chapters import benefits, risks

# how the verdicts are meant, said once
RULE = (
    "Only 'better performance' has verdicts with an adjusted p. In every other row the verdict says what the 95 % "
    "confidence interval (CI) supports: an effect in the good or in the bad direction if the interval excludes 'no "
    "difference', otherwise 'not shown'. These rows have no adjusted p: about one in twenty such intervals excludes "
    "'no difference' by chance alone."
)
COLUMNS = ("claim", "side", "how", "figure", "verdict", "state")
NOT_MEASURED = "not measured"
# what in the configuration, or in the cohort table, makes a claim measured
MEASURED_BY = {
    "Less training time": "`scratch` and a transfer strategy in `experiment.segmentation.strategies`",
    "Better performance": "`scratch` and a transfer strategy in `experiment.segmentation.strategies`",
    "Fewer labels": "several numbers in `experiment.segmentation.n`, such as [4, 8, all]",
    "Better generalisation": "`sites` in `experiment.segmentation.splits`, and a site for each patient",
    "Better use of data": "`self-masked` in `experiment.segmentation.sources`",
    "Faster deployment": "`scratch` and a transfer strategy in `experiment.segmentation.strategies`",
    "Limited transferability": "`frozen-random` in `experiment.segmentation.strategies`",
    "Inflexibility": "a transfer strategy in `experiment.segmentation.strategies`",
    "Expertise needed": "two transfer strategies in `experiment.segmentation.strategies`",
    "Overfitting": "`scratch` and a transfer strategy in `experiment.segmentation.strategies`",
    "Ethics: bias and privacy": "`split_cohort.folds` of 3 or more, and columns such as sex in the cohort table",
}
# verdicts that decide nothing about an arm, and are listed after those that do
UNDECIDED = (
    summaries.NOT_SHOWN,
    "undecided",
    "no evidence",
    "not seen",
    "refused",
    "mixed",
    "do not use",
    "too few sources",
)


def list_claims(results):
    """List the eleven claims with what the tables of a run say about them.

    Parameters
    ----------
    results : results.Results
        A table that is empty makes its claim "not measured".

    Returns
    -------
    list of dict
        One row per claim, `COLUMNS`: `side` is promise or risk; `figure` has one line per arm, separated by semicolons;
        `verdict` groups the arms by what is supported; `state` is "measured", "in part" or "not measured".
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
        how = how.format(whole=results.whole[:1].upper() + results.whole[1:])
        row = {"claim": claim, "side": side, "how": how, "figure": ";\n".join([*lines, *missing])}
        state = "measured" if not missing else "in part" if findings else NOT_MEASURED
        listed.append(row | {"verdict": sum_up(findings), "state": state})
    return listed


def show_claims(rows, scores):
    """Split the lines of the claims for the report, and leave out the source where all arms have the same one.

    Returns
    -------
    dict
        `rows` (as in `list_claims`, with lists `lines` and `verdicts`; of what was measured, in part or whole),
        `missing` (claim, and what would measure it) and `source`: that of all arms, or nothing.
    """
    sources = {row["source"] for row in summaries.transferred(scores)}
    source = sources.pop() if len(sources) == 1 else ""

    def split(words):
        for full, short in ((f" from {source}", ""), (f" ({source})", ""), (f" ({source}, ", " (")) if source else ():
            words = words.replace(full, short)
        return words.split(";\n")

    measured = [row for row in rows if row["state"] != NOT_MEASURED]
    shown = [row | {"lines": split(row["figure"]), "verdicts": split(row["verdict"])} for row in measured]
    missing = [
        (row["claim"], MEASURED_BY[row["claim"]].replace("`", "")) for row in rows if row["state"] == NOT_MEASURED
    ]
    return {"rows": shown, "missing": missing, "source": source}


def sum_up(findings):
    """Summarise the verdicts of a claim's lines: one where all agree, otherwise each with the arms that it is for."""
    verdicts = {}
    for line in findings:
        if line["verdict"]:  # the controls have none
            verdicts.setdefault(line["verdict"], []).append(line["name"])
    if len(verdicts) < 2:
        return next(iter(verdicts), summaries.NOT_SHOWN if findings else NOT_MEASURED)
    # what is shown comes first
    order = sorted(verdicts, key=lambda verdict: verdict in UNDECIDED)
    return ";\n".join(f"{verdict}: {sentences.join_names(verdicts[verdict], 2)}" for verdict in order)


# claim, side, how it is measured, the function that does it
CLAIMS = (
    (
        "Less training time", "promise",
        "Steps and seconds until the test score at which scratch ended is reached, at the budgets of "
        "train_network.budgets. Without budgets: until the final training Dice of scratch is reached, compared with "
        "scratch in the same fold; medians, and confidence intervals over folds.",
        benefits.less_training_time,
    ),
    (
        "Better performance", "promise",
        "{whole} Dice of unseen patients compared with training from scratch, paired over patients, with "
        "confidence interval and a verdict adjusted for multiple comparisons.",
        benefits.better_performance,
    ),
    (
        "Fewer labels", "promise",
        "The number of labelled patients that scratch needs for the score that a strategy reaches with n, from "
        "isotonic learning curves; labels are saved if the whole interval lies above n.",
        benefits.fewer_labels,
    ),
    (
        "Better generalisation", "promise",
        "The drop in score from sites seen in training to sites left out, and how much smaller it is than with "
        "scratch, paired over patients.",
        benefits.better_generalisation,
    ),
    (
        "Better use of data", "promise",
        "The gain from pretraining on the cohort's own unlabelled scans: the source pretrained on them compared with "
        "the source that it continued from, with the same strategy, paired over patients.",
        benefits.better_use_of_data,
    ),
    (
        "Faster deployment", "promise",
        "Computing time from the raw scans of all subjects, preprocessed one after another, to a network with the "
        "final training Dice of scratch. Working hours of people are not counted.",
        benefits.faster_deployment,
    ),
    (
        "Limited transferability", "risk",
        "The share of patients who score lower than with scratch (half of them by chance alone), pretrained features "
        "compared with a frozen random encoder, and whether transferability scores predict the gain.",
        risks.limited_transferability,
    ),
    (
        "Inflexibility", "risk",
        "The share of a source's weights that can be loaded, the layers that cannot, and the networks and subjects "
        "that could not be used, with the reason. These are counts, so there is no interval.",
        risks.inflexibility,
    ),
    (
        "Expertise needed", "risk",
        "The best minus the worst transfer strategy of one source, with an interval that holds for all pairs at once. "
        "Since the best was chosen afterwards, this is the most that a wrong choice can cost.",
        risks.expertise_needed,
    ),
    (
        "Overfitting", "risk",
        "The score of the finished network on its training patients minus that on its test patients, compared with "
        "scratch in the same fold; warnings name the networks.",
        risks.overfitting,
    ),
    (
        "Ethics: bias and privacy", "risk",
        "Whether a network's confidence distinguishes its training patients from others (an AUC of 0.5 means not at "
        "all), and whether groups of patients differ more in score than groups drawn at random.",
        risks.ethics,
    ),
)  # fmt: skip
