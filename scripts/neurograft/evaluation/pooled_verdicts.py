"""Pool the verdicts of several cohorts: the effect of an arm on average, and its expected effect in a further cohort.

Arms are pooled if they answer the same question (task, region, metric, split of the cohort) with the same strategy,
parameters, source and training size. An arm of only one cohort is listed but not pooled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

import numpy as np

from neurograft.core.strategies import strategy_order
from neurograft.evaluation.pairing import difference_scale
from neurograft.evaluation.verdict_card import (
    CardArm,
    CardQuestion,
    LeftOut,
    NamedCard,
    name_card_arm,
    name_question,
)
from neurograft.stats import random_effects
from neurograft.stats.paired_verdict import split_chances
from neurograft.stats.random_effects import Pool

# family-wise error rate: the accepted share of pages with a false verdict if no arm differs from scratch
ALPHA = 0.05
ONE_COHORT = "one cohort"


class PooledRow(TypedDict):
    """A row of `pooled.tsv`; differences are strategy minus scratch, in the metric's unit; NaN with one cohort."""

    task: str
    target: str
    region: str
    metric: str
    better: str
    split: str
    strategy: str
    parameters: str
    source: str
    n: str
    cohorts: int
    patients: int
    margin: float
    mean_difference: float
    low: float
    high: float
    new_low: float  # the prediction interval: the true difference in a further cohort
    new_high: float
    p_better: float  # this and the next three: on average over cohorts
    p_better_margin: float
    p_equal: float
    p_worse_margin: float
    p_better_new: float  # this and the next three: in a further cohort
    p_better_margin_new: float
    p_equal_new: float
    p_worse_margin_new: float
    tau: float  # standard deviation of the true differences over cohorts
    tau_low: float
    tau_high: float
    i2: float
    verdict: str


@dataclass(frozen=True)
class Member:
    """The result of one cohort for an arm."""

    cohort: str
    patients: int
    mean: float
    error: float
    steps: int | None
    verdict: str


@dataclass(frozen=True)
class PooledArm:
    """A row of the table and the results of its cohorts."""

    row: PooledRow
    members: list[Member]


@dataclass(frozen=True)
class PooledVerdicts:
    """The results of pooling some cards.

    Attributes
    ----------
    arms : list of PooledArm
        Those of several cohorts first; in the order of the strategies.
    cohorts : list of str
    left_out : list of LeftOut
        Cards that are not pooled.
    notes : list of str
        Notes on the pooled cards: arms without a standard error, different margins.
    simulated : bool
    """

    arms: list[PooledArm]
    cohorts: list[str]
    left_out: list[LeftOut]
    notes: list[str]
    simulated: bool


@dataclass(frozen=True)
class _Told:
    """An arm in the card of one cohort."""

    cohort: str
    question: CardQuestion
    arm: CardArm


def pool_verdicts(cards: Sequence[NamedCard], left_out: Iterable[LeftOut] = ()) -> PooledVerdicts:
    """Pool the arms of several cards.

    A pooled arm has a verdict if a cohort's own run gave one. It is "no practical difference" if the interval of the
    mean over cohorts is within the margin, else "helps" or "hurts" if the interval is on one side of 0, else
    "undecided". The level of the interval gives an error rate of 5 % for all pooled verdicts together (Bonferroni). If
    cohorts have different margins, the smallest is used.

    Parameters
    ----------
    cards : list of NamedCard
        From `verdict_card.read_cards`.
    left_out : iterable of LeftOut
        Cards that this function left out, to be reported with the results.

    Returns
    -------
    PooledVerdicts
    """
    groups: dict[tuple[str, ...], list[_Told]] = {}
    notes: list[str] = []
    for named in cards:
        for question in named.card["questions"]:
            for arm in question["arms"]:
                if arm["mean_difference"] is None or not arm["standard_error"]:
                    why = f"{arm['verdict'] or 'too few patients'}, no standard error"
                    notes.append(
                        f"{named.name}: {' '.join(name_card_arm(arm)).replace('  ', ' ')} is left out ({why})."
                    )
                    continue
                key = (*name_question(question), *name_card_arm(arm))
                groups.setdefault(key, []).append(_Told(named.name, question, arm))
    family = sum(len(told) > 1 and _is_judged(told) for told in groups.values())
    arms = [_pool_arm(key, told, family) for key, told in sorted(groups.items(), key=_order)]
    notes += _note_margins(groups.values())
    return PooledVerdicts(
        arms=arms,
        cohorts=[named.name for named in cards],
        left_out=list(left_out),
        notes=notes,
        simulated=any(named.card["simulated"] for named in cards),
    )


def _order(group: tuple[tuple[str, ...], list[_Told]]) -> tuple[object, ...]:
    """Return a sort key: arms of several cohorts first, then by question, descending training size and strategy."""
    key, told = group
    n = told[0].arm["n"]
    size = -np.inf if n == "all" else -float(n)
    return (len(told) < 2, key[:6], size, strategy_order(told[0].arm["strategy"]), key)


def _is_judged(told: Sequence[_Told]) -> bool:
    """Check whether a cohort's own run has a verdict on an arm; smaller training sizes, for example, have none."""
    return any(one.arm["verdict"] for one in told)


def _find_margin(told: Sequence[_Told]) -> float:
    """Return the smallest margin of the cohorts for a question; NaN if none has one."""
    return min((one.question["margin"] for one in told if one.question["margin"] is not None), default=np.nan)


def _note_margins(groups: Iterable[Sequence[_Told]]) -> list[str]:
    """Note once for each question which cohorts have a different margin from the one used."""
    notes: dict[str, None] = {}
    for told in groups:
        margin = _find_margin(told)
        stated = {one.cohort: one.question["margin"] for one in told}
        other = {cohort: value for cohort, value in stated.items() if value != margin and not np.isnan(margin)}
        if other:
            words = ", ".join(
                f"{cohort} {'none' if value is None else f'{value:g}'}" for cohort, value in other.items()
            )
            notes[
                f"Margins differ for {told[0].question['metric']}: the smallest, {margin:g}, counts; stated are also "
                f"{words}. The differences themselves do not depend on it."
            ] = None
    return list(notes)


def _pool_arm(key: tuple[str, ...], told: Sequence[_Told], family: int) -> PooledArm:
    """Pool one arm over the cohorts that have it."""
    members = [
        Member(
            cohort=one.cohort,
            patients=one.arm["patients"],
            mean=float(one.arm["mean_difference"] or 0.0),
            error=float(one.arm["standard_error"] or 0.0),
            steps=one.arm["steps"],
            verdict=one.arm["verdict"],
        )
        for one in told
    ]
    names = ("task", "target", "region", "metric", "better", "split", "strategy", "parameters", "source", "n")
    keys = dict(zip(names, key, strict=True))
    margin = _find_margin(told)
    row: dict[str, str | int | float] = {
        **keys,
        "cohorts": len(members),
        "patients": sum(member.patients for member in members),
        **dict.fromkeys(NUMBERS, np.nan),
        "margin": margin,
        "verdict": ONE_COHORT,
    }
    if len(members) > 1:
        pool = random_effects.pool_effects([m.mean for m in members], [m.error for m in members])
        row |= _describe_pool(pool, margin, keys["metric"], keys["better"])
        row["verdict"] = _judge(pool, margin, keys["better"], ALPHA / family) if _is_judged(told) else ""
    return PooledArm(cast(PooledRow, row), members)


def _describe_pool(pool: Pool, margin: float, metric: str, better: str) -> dict[str, float]:
    """Return the numbers of a pooled arm by table column; intervals are clipped to the metric's range."""
    numbers: dict[str, float] = {"mean_difference": float(random_effects.find_quantile(pool, 0.5))}
    for new, before, behind in ((False, "", ""), (True, "new_", "_new")):
        # clipping removes only impossible values, so the coverage is unchanged
        low, high = np.clip(random_effects.find_interval(pool, new), *difference_scale(metric).bounds).tolist()
        numbers |= {f"{before}low": float(low), f"{before}high": float(high)}
        below, *margins = (np.asarray(random_effects.share_below(pool, end, new)) for end in (0.0, -margin, margin))
        chances = split_chances(below, (margins[0], margins[1]), better)
        numbers |= {f"{name}{behind}": float(share) for name, share in chances.items()}
    low, high = random_effects.find_tau_interval(pool)
    numbers |= {"tau": float(pool.estimate), "tau_low": float(low), "tau_high": float(high)}
    return {**numbers, "i2": float(pool.heterogeneity)}


def _judge(pool: Pool, margin: float, better: str, alpha: float) -> str:
    """Return the verdict of a pooled arm at an error rate."""
    low, high = (float(end) for end in random_effects.find_interval(pool, level=1 - alpha))
    if -margin < low and high < margin:
        return "no practical difference"
    if low > 0 or high < 0:
        return "helps" if (low > 0) == (better == "higher") else "hurts"
    return "undecided"


NUMBERS = tuple(name for name, kind in PooledRow.__annotations__.items() if kind is float)
# the columns of the table
POOLED = tuple(PooledRow.__annotations__)
