"""Recommend a strategy, or scratch: the choice with the smallest expected regret."""

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import TypedDict

import numpy as np

from neurograft.core.cells import Kin, control_sources
from neurograft.core.split_file import SplitFile
from neurograft.core.strategies import CONTROLS, EXTERNAL, trains_here
from neurograft.evaluation.comparison import ComparisonRow
from neurograft.evaluation.pairing import difference_scale, name_patients, pair_arms, pivot_arms
from neurograft.evaluation.records import ScoreRow
from neurograft.evaluation.scores import TimeRow
from neurograft.stats import paired_model
from neurograft.stats.paired_model import Pairs
from neurograft.stats.paired_verdict import Scale

SCRATCH = "scratch"
# regrets that differ by less than this share of the margin are ties; the cheaper choice is then taken
TIE = 0.1


class Choice(TypedDict):
    """One strategy that could be used, and its results."""

    strategy: str
    source: str
    regret: float  # expected loss against the strongest other choice
    mean: float
    patients: int
    seconds: float  # median of its trainings
    steps: float
    licence: str
    verdict: str
    reason: str
    difference: float | None  # this and all below: against scratch; None for scratch itself
    low: float | None
    high: float | None
    p_better: float | None
    p_better_margin: float | None
    p_equal: float | None
    needed_patients: float | None


class Recommendation(TypedDict):
    """The result of a run: the strategy to use, and all other choices."""

    use: Choice | None
    reason: str
    task: str
    region: str
    metric: str
    better: str
    margin: float
    n: str
    choices: list[Choice]


def recommend_strategy(
    scores: Sequence[ScoreRow],
    comparison: Sequence[ComparisonRow],
    times: Sequence[TimeRow],
    splits: SplitFile,
    licences: Mapping[str, str] | None = None,
    kin: Kin | None = None,
    barred: Collection[str] = (),
) -> Recommendation:
    """Rank scratch and every transfer strategy of the primary family by expected regret.

    The regret of a choice is its largest expected loss (`paired_model.Posterior.expected_loss`) against any other
    choice, for each pair of arms over the same patients. The expected loss is the mean of the amount by which the
    other is better, or 0 where it is not. Among choices whose regrets are within a tenth of the margin of the
    smallest, the quickest to train is taken. Controls with random features and methods without a network are not
    considered.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`.
    comparison : list of dict
        Rows of `comparison.tsv`.
    times : list of dict
        Rows of `times.tsv`.
    splits : dict
        `splits.json`.
    licences : dict of str to str, optional
        Source to the licence of its weights.
    kin : dict, optional
        As in `cells.control_sources`.
    barred : collection of str
        Sources that have seen the patients: never recommended.

    Returns
    -------
    dict
        If nothing was compared or could be judged, `use` is None and `reason` says why.
    """
    family = [row for row in comparison if row["verdict"] and row["source"] != EXTERNAL]
    if not family:
        return _nothing("no transfer strategy was scored against training from scratch on the same patients")
    first = family[0]
    tasks = splits["tasks"]
    split = tasks["segmentation"] if first["task"] == "segmentation" else tasks["classification"]
    place = {name: str(first[name]) for name in ("task", "space", "split", "n", "region", "metric")}
    rows = [
        row
        for row in name_patients(scores, split["patients"])
        if all(str(row[name]) == value for name, value in place.items())
    ]
    arms = pivot_arms(rows)
    usable = [
        arm for arm in arms.trained if trains_here(arm[1], arm[0]) and (arm[0] not in CONTROLS or arm[0] == SCRATCH)
    ]
    # what has seen the patients is no choice, unless there is nothing else to show
    free = [arm for arm in usable if arm[0] == SCRATCH or arm[1] not in barred]
    usable = free if any(arm[0] != SCRATCH for arm in free) else usable
    # only one scratch: that of the first transfer strategy's network
    rivals = [source for strategy, source in usable if strategy != SCRATCH]
    having = [source for strategy, source in usable if strategy == SCRATCH]
    taken = control_sources(rivals[0], having, kin)[:1] if rivals else having[:1]
    usable = [arm for arm in usable if arm[0] != SCRATCH or arm[1] in taken]
    scale = difference_scale(place["metric"], {place["metric"]: first["margin"]})
    choices: list[Choice] = []
    for arm in usable:
        losses = [_lose(pair_arms(arms, arm, other[0], [other[1]]), scale) for other in usable if other != arm]
        values = np.concatenate([column.ravel() for key, column in arms.columns.items() if key[:2] == arm])
        mean, row = float(np.nanmean(values)), _find_row(family, arm)
        choices.append(_describe(arm, (max(losses, default=0.0), mean), row, times, licences or {}))
    least = min(choice["regret"] for choice in choices)
    close = [choice for choice in choices if choice["regret"] <= least + TIE * first["margin"]]
    use = min(close, key=lambda choice: (choice["seconds"], choice["regret"]))
    refused = [row["reason"] for row in family if row["verdict"] == "refused"]
    ranked = sorted(choices, key=lambda choice: (choice is not use, choice["regret"]))
    return {
        "use": None if len(refused) == len(family) else use,
        "reason": refused[0] if len(refused) == len(family) else "",
        "task": place["task"], "region": place["region"], "metric": place["metric"], "better": scale.better,
        "margin": scale.margin, "n": place["n"], "choices": ranked,
    }  # fmt: skip


def _nothing(reason: str) -> Recommendation:
    """Return a result without a recommendation."""
    return {
        "use": None, "reason": reason, "task": "", "region": "", "metric": "", "better": "", "margin": 0.0, "n": "",
        "choices": [],
    }  # fmt: skip


def _lose(pairs: Pairs, scale: Scale) -> float:
    """Compute the expected loss of choosing the first of two arms; 0 with fewer than two paired patients."""
    if pairs.patients < 2:
        return 0.0
    taking, leaving = paired_model.fit(pairs, scale.bounds, scale.least_spread).expected_loss()
    return taking if scale.better == "higher" else leaving


def _find_row(family: Sequence[ComparisonRow], arm: tuple[str, str]) -> ComparisonRow | None:
    """Find the comparison of an arm with scratch; None for scratch itself."""
    return next((row for row in family if (row["strategy"], row["source"]) == arm), None)


def _describe(
    arm: tuple[str, str],
    values: tuple[float, float],
    row: ComparisonRow | None,
    times: Sequence[TimeRow],
    licences: Mapping[str, str],
) -> Choice:
    """Collect the results of a choice; `values` are its regret and its mean score."""
    strategy, source = arm
    trainings = [time for time in times if (time["strategy"], str(time["source"])) == arm]
    if row:
        trainings = [time for time in trainings if all(str(time[name]) == str(row[name]) for name in ("task", "n"))]
    return {
        "strategy": strategy,
        "source": source,
        "regret": values[0],
        "mean": values[1],
        "patients": row["patients"] if row else 0,
        "seconds": median([float(time["seconds"]) for time in trainings]) if trainings else 0.0,
        "steps": median([float(time["steps"]) for time in trainings]) if trainings else 0.0,
        "licence": "" if strategy == SCRATCH else licences.get(source, ""),
        "verdict": row["verdict"] if row else "",
        "reason": row["reason"] if row else "",
        "difference": row["mean_difference"] if row else None,
        "low": row["low"] if row else None,
        "high": row["high"] if row else None,
        "p_better": row["p_better"] if row else None,
        "p_better_margin": row["p_better_margin"] if row else None,
        "p_equal": row["p_equal"] if row else None,
        "needed_patients": row["needed_patients"] if row and math.isfinite(row["needed_patients"]) else None,
    }
