"""What decoding found: the verdict at the fewest own labels, labels saved, and what anatomy adds to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurograft.eeg.transfer import SPLIT, TASK, WRONG
from neurograft.evaluation.benefits import save_labels
from neurograft.evaluation.comparison import Judging, compare_strategies
from neurograft.evaluation.pairing import difference_scale
from neurograft.stats import paired_verdict
from neurograft.stats.clustered_error import t_quantile

METRIC = "balanced-accuracy"
# prior spread of differences over people. A score of a person is the mean of about two dozen trials, by chance .10 off;
# the metric's own is that of single units. With it nothing is found on 16 people; with .15 or less the same as with .10
# (docs/results.md)
LEAST_SPREAD = 0.1
# these use no own labels
WITHOUT = ("frozen", "adabn", "frozen-random")
# a space, and what it is compared with
PAIRS = (("template", "sensors"), ("cortex", "sensors"), ("cortex", "template"), ("cortex", WRONG), (WRONG, "sensors"))


@dataclass(frozen=True)
class Findings:
    """The tables of an EEG run; each is a list of rows.

    Attributes
    ----------
    comparison : list of dict
        As `comparison.tsv`; the verdict is at the smallest number of own labels.
    labels_saved : list of dict
        As `labels_saved.tsv`; own labels are of each class. For what uses none, n is 0.
    anatomy : list of dict
        One space against another, the same strategy on the same people: the part that anatomy has in a gain.
    means : list of dict
        Mean over people of every arm with its interval.
    """

    comparison: list[dict[str, Any]]
    labels_saved: list[dict[str, Any]]
    anatomy: list[dict[str, Any]]
    means: list[dict[str, Any]]


ANATOMY = (
    *("strategy", "n", "space", "against", "patients", "mean_difference", "low", "high", "p_better", "verdict"),
    "reason",
)
LABELS_SAVED = (
    *("task", "source", "strategy", "space", "split", "n", "patients", "needed", "low", "high", "saved"),
    *("answer", "interval", "reason"),
)
MEANS = ("space", "strategy", "n", "patients", "mean", "low", "high")


def assess(scores: Sequence[Mapping[str, Any]], margins: Mapping[str, float], spaces: Sequence[str]) -> Findings:
    """Judge, and tabulate what was found.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv` of all people.
    margins : dict of str to float
        The config's `margin`.
    spaces : sequence of str
        The verdict is in the first.

    Returns
    -------
    Findings
    """
    rows = [{**row, "value": float(row["value"]), "n": str(row["n"]), "fold": str(row["fold"])} for row in scores]
    judging = Judging(margins, smallest=True, least_spread=LEAST_SPREAD)
    comparison = compare_strategies(rows, None, {"space": spaces[0], "split": SPLIT}, None, judging)  # pyright: ignore[reportArgumentType] # rows of the decoder
    judged = [row for row in rows if row["metric"] == METRIC]
    means = [{**row, "patient": row["subject"], "seed": str(row["seed"])} for row in judged]
    numbers = {(TASK, row["space"], SPLIT, row["n"]): [int(row["n"])] for row in judged}
    saved = save_labels(means, numbers)  # pyright: ignore[reportArgumentType] # as above
    smallest = str(min(int(row["n"]) for row in judged))
    return Findings(
        [dict(row) for row in comparison],
        [
            _count_own(dict(row))
            for row in saved
            if row["strategy"] != "frozen-random" and (row["strategy"] not in WITHOUT or row["n"] == smallest)
        ],
        compare_spaces(judged, margins, smallest),
        _average(judged),
    )


def _count_own(row):
    """Count what uses no own labels as 0 of them."""
    return row if row["strategy"] not in WITHOUT else row | {"n": "0", "saved": row["needed"]}


def compare_spaces(
    rows: Iterable[Mapping[str, Any]], margins: Mapping[str, float], smallest: str
) -> list[dict[str, Any]]:
    """Compare spaces, the same strategy with the same own labels on the same people.

    Parameters
    ----------
    rows : list of dict
        Of `METRIC`.
    margins : dict of str to float
    smallest : str
        The number of own labels at which there is a verdict, for all rows of it together.

    Returns
    -------
    list of dict
        Rows of `ANATOMY`.
    """
    values: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        values.setdefault((row["strategy"], row["n"], row["space"]), {})[row["subject"]] = row["value"]
    scale, made = replace(difference_scale(METRIC, margins), least_spread=LEAST_SPREAD), []
    for strategy, n in dict.fromkeys((strategy, n) for strategy, n, _ in values):
        if strategy in ("scratch", "frozen-random") or (strategy in WITHOUT and n != smallest):
            continue
        for space, against in PAIRS:
            one, other = values.get((strategy, n, space)), values.get((strategy, n, against))
            if one and other:
                shared = [name for name in one if name in other]
                result = paired_verdict.paired_comparison([one[name] - other[name] for name in shared], scale=scale)
                made.append(({"strategy": strategy, "n": n, "space": space, "against": against}, result))
    family = [result for arm, result in made if arm["n"] == smallest]
    verdicts = iter(paired_verdict.judge_family(family, scale) if family else [])
    table = []
    for arm, result in made:
        verdict = next(verdicts) if arm["n"] == smallest else None
        table.append(arm | {
            "n": "0" if arm["strategy"] in WITHOUT else arm["n"],
            "patients": result["patients"], "mean_difference": result["mean"], "low": result["low"],
            "high": result["high"], "p_better": result["p_better"], "verdict": verdict.verdict if verdict else "",
            "reason": verdict.reason if verdict else "",
        })  # fmt: skip
    return table


def _average(rows):
    """Average the people of every arm, with a 95 % interval of the mean."""
    groups: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        groups.setdefault((row["space"], row["strategy"], row["n"]), []).append(row["value"])
    table = []
    for (space, strategy, n), values in groups.items():
        count = len(values)
        half = t_quantile(count - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(count) if count > 1 else np.nan
        mean = float(np.mean(values))
        arm = {"space": space, "strategy": strategy, "n": n, "patients": count}
        table.append(arm | {"mean": mean, "low": mean - half, "high": mean + half})
    return table
