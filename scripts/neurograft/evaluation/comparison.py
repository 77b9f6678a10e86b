"""Compare strategies with their controls, paired over patients.

Tables are lists of dicts, one per row; scores come from `evaluation.scores`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurograft.core.cells import ARM, PRIMARY, Arm, Kin, control_sources
from neurograft.core.labels import judged_region
from neurograft.core.split_file import SplitFile, map_repeats
from neurograft.core.strategies import CONTROLS, EXTERNAL, METHODS, trains_here
from neurograft.evaluation.frames import group_rows
from neurograft.evaluation.metrics import METRICS
from neurograft.evaluation.pairing import difference_scale, name_patients, pair_arms, pivot_arms
from neurograft.evaluation.records import (
    BudgetScore,
    ScoreRow,
    read_history,
    read_manifest,
    read_predictions,
    read_seconds,
)
from neurograft.evaluation.scores import TimeRow, pool_classification, reach_times
from neurograft.stats import paired_verdict
from neurograft.stats.paired_verdict import PairedComparison, Requirements, Scale, Verdict

AGAIN = "scratch-again"
# the fields that both arms of a comparison share
WITHIN = ("task", "space", "split", "n")
# the `space` and `split` of the primary family
Primary: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Judging:
    """How the primary family is judged.

    Parameters
    ----------
    margins : dict of str to float
        Metric to the largest difference without practical relevance.
    refusal : str
        Why these data cannot be judged; empty if they can.
    barred : dict of str to str
        Source that has seen the patients to the reason why it is not judged.
    smallest : bool
        Judge at the smallest n, where a calibration is to be saved, instead of the largest.
    least_spread : float, optional
        Instead of the metrics' own (`metrics.Metric`), where each score is already a mean over many units.
    """

    margins: Mapping[str, float] = field(default_factory=dict[str, float])
    refusal: str = ""
    barred: Mapping[str, str] = field(default_factory=dict[str, str])
    smallest: bool = False
    least_spread: float | None = None


class ComparisonRow(Arm):
    """A row of `comparison.tsv`: one arm against one control, for one metric of one region."""

    region: str
    metric: str
    against: str
    patients: int
    folds: int  # of all partitions
    seeds: int
    mean_difference: float  # strategy minus control, in the metric's unit
    low: float
    high: float
    standard_error: float
    p_better: float
    p_better_margin: float
    p_equal: float
    p_worse_margin: float
    expected_loss: float
    patient_spread: float
    luck_spread: float
    margin: float
    p: float  # this and all below: primary family only
    p_adjusted: float
    verdict: str
    reason: str
    needed_patients: float
    needed_seeds: float
    needed_repeats: float
    better: str


@dataclass
class _Pairing:
    """The paired comparison of an arm with its control, and its verdict."""

    arm: Arm
    region: str
    metric: str
    against: str
    scale: Scale
    result: PairedComparison
    needed: Requirements | None = None
    verdict: Verdict = field(default=Verdict("", "", np.nan))


def compare_strategies(
    scores: Iterable[ScoreRow],
    patients: Mapping[str, str] | None = None,
    primary: Primary | None = None,
    kin: Kin | None = None,
    judging: Judging | None = None,
) -> list[ComparisonRow]:
    """Compare every strategy with the controls, paired over patients.

    Time points of one patient are averaged first, and so are repeated partitions of the cohort. Seeds are kept separate
    if both sides have the same seeds, because they show the random variation of training. Every row has an interval and
    probabilities, but only the primary family has adjusted p values and verdicts. It compares each strategy and source
    with scratch, in the first of `cells.PRIMARY` that was scored (Dice of `labels.judged_region`), in the primary space
    and split, at the largest n. It excludes controls and arms that train no network here (`strategies.trains_here`):
    methods are compared with scratch and with each other, an ensemble with scratch. Masks of other programs are
    compared with the same scratch but form a separate family, so that they do not make the adjustment for transfer
    stricter. `cells.control_sources` chooses the source of the control.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`; rows without a subject are ignored.
    patients : dict of str to str, optional
        Subject to patient (`splits`), if a patient has several subjects.
    primary : dict, optional
        `space` and `split` of the primary family; by default those of the first score.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.
    judging : Judging, optional

    Returns
    -------
    list of dict
        `COMPARISON`; `mean_difference` is strategy minus control, in the unit of the metric.
    """
    owner, judging = patients or {}, judging or Judging()
    rows = name_patients(scores, owner)
    pairings: list[_Pairing] = []
    for (task, space, split, n, region, metric), group in group_rows(rows, (*WITHIN, "region", "metric")).items():
        arms = pivot_arms(group)
        scale = difference_scale(metric, judging.margins)
        if judging.least_spread is not None:
            scale = replace(scale, least_spread=judging.least_spread)
        for strategy, source in arms.trained:
            arm: Arm = {
                "task": task, "source": source, "strategy": strategy, "space": space, "split": split, "n": n,
            }  # fmt: skip
            for control in _list_controls(arm, metric, arms.trained):
                sources = control_sources(source, [name for other, name in arms.trained if other == control], kin)
                if sources:
                    pairs = pair_arms(arms, (strategy, source), control, sources)
                    result = paired_verdict.paired_comparison(pairs, scale=scale)
                    pairings.append(_Pairing(arm, region, metric, control, scale, result))
    if primary is None and pairings:
        primary = {"space": pairings[0].arm["space"], "split": pairings[0].arm["split"]}
    _judge_family(pairings, primary or {}, judging)
    return [_comparison_row(pairing) for pairing in pairings]


def compare_again(
    scores: Iterable[ScoreRow],
    patients: Mapping[str, str] | None = None,
    primary: Primary | None = None,
    judging: Judging | None = None,
) -> list[ComparisonRow]:
    """Compare scratch with itself, trained with other seeds (A/A test): any difference found here is a false positive.

    The smallest seed is compared with the mean of the others, with the same functions as the primary family. Arms
    whose scratch was trained only once are left out.

    Parameters
    ----------
    scores, patients, primary, judging
        As in `compare_strategies`.

    Returns
    -------
    list of dict
        Rows with a verdict, as from `compare_strategies`, with the strategy `AGAIN`; one per source.
    """
    tested = [row for row in scores if str(row["subject"])]
    if primary is None and tested:
        primary = {"space": tested[0]["space"], "split": tested[0]["split"]}
    seeds: dict[tuple[str, ...], set[int]] = {}
    for row in tested:
        if row["strategy"] == "scratch":
            seeds.setdefault(_scratch_arm(row), set()).add(int(row["seed"]))
    repeated = {arm: min(numbers) for arm, numbers in seeds.items() if len(numbers) > 1}

    def rename(row: Mapping[str, Any]) -> str:
        """Name a training of scratch by its seed; return "" for anything else."""
        if row["strategy"] != "scratch" or _scratch_arm(row) not in repeated:
            return ""
        return AGAIN if int(row["seed"]) > repeated[_scratch_arm(row)] else "scratch"

    again_scores: list[ScoreRow] = [{**row, "strategy": rename(row)} for row in tested if rename(row)]
    rows = compare_strategies(again_scores, patients, primary, judging=judging)
    return [row for row in rows if row["strategy"] == AGAIN and row["verdict"]]


def _scratch_arm(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the key that identifies an arm of scratch."""
    return tuple(str(row[name]) for name in (*WITHIN, "source"))


def _list_controls(arm: Arm, metric: str, trained: Sequence[tuple[str, str]]) -> list[str]:
    """List the controls for an arm: those that were trained, if the metric has a better direction."""
    strategy = arm["strategy"]
    simpler = list(METHODS)[list(METHODS).index(strategy) + 1 :] if strategy in METHODS else []
    usual = CONTROLS if trains_here(arm["source"], strategy) else ("scratch", *simpler)
    against = {"scratch": (), "frozen-random": ("scratch",)}.get(strategy, usual)
    names = {name for name, _ in trained}
    return [control for control in against if control in names and METRICS[arm["task"]][metric]["better"]]


def _judge_family(pairings: Sequence[_Pairing], place: Primary, judging: Judging) -> None:
    """Add verdicts to the primary family and, as a separate family, to masks of other programs.

    Uses the first primary measure that was scored, at the largest n, or the smallest if so asked.
    """
    for measure in PRIMARY:
        scored = (pairing.region for pairing in pairings if pairing.arm["task"] == measure["task"])
        region = judged_region(scored) if measure["task"] == "segmentation" else ""
        wanted = {**measure, "region": region, **place}
        primary = [
            pairing
            for pairing in pairings
            if {**pairing.arm, "region": pairing.region, "metric": pairing.metric}.items() >= wanted.items()
        ]
        pick = min if judging.smallest else max
        judged = pick((_order_size(pairing.arm["n"]) for pairing in primary), default=None)
        against = [p for p in primary if _order_size(p.arm["n"]) == judged and p.against == "scratch"]
        networks = [pairing for pairing in against if trains_here(pairing.arm["source"], pairing.arm["strategy"])]
        family = [pairing for pairing in networks if pairing.arm["strategy"] not in CONTROLS]
        others = [pairing for pairing in against if pairing.arm["source"] == EXTERNAL]
        if family or others:
            for pairing in family:
                # scratch under another name loads no weights
                if pairing.arm["source"] in judging.barred and pairing.arm["strategy"] != AGAIN:
                    pairing.verdict = Verdict("refused", judging.barred[pairing.arm["source"]], np.nan)
            _judge([pairing for pairing in family if not pairing.verdict.verdict], judging.refusal)
            _judge(others, judging.refusal)
            return


def _judge(family: Sequence[_Pairing], refusal: str) -> None:
    """Add verdicts to the pairings of one family, adjusted for multiplicity."""
    if not family:
        return
    results, scale = [pairing.result for pairing in family], family[0].scale
    for pairing, verdict in zip(family, paired_verdict.judge_family(results, scale), strict=True):
        pairing.verdict = Verdict("refused", refusal, np.nan) if refusal else verdict
        if pairing.result["patients"] > 1:
            pairing.needed = paired_verdict.require(pairing.result, scale.margin, len(family))


def _comparison_row(pairing: _Pairing) -> ComparisonRow:
    """Make a row of the table."""
    result, verdict, needed = pairing.result, pairing.verdict, pairing.needed
    return {
        **pairing.arm,
        "region": pairing.region,
        "metric": pairing.metric,
        "against": pairing.against,
        "patients": result["patients"],
        "folds": result["folds"],
        "seeds": result["seeds"],
        "mean_difference": result["mean"],
        "low": result["low"],
        "high": result["high"],
        "standard_error": result["standard_error"],
        "p_better": result["p_better"],
        "p_better_margin": result["p_better_margin"],
        "p_equal": result["p_equal"],
        "p_worse_margin": result["p_worse_margin"],
        "expected_loss": result["expected_loss"],
        "patient_spread": result["patient_spread"],
        "luck_spread": result["luck_spread"],
        "margin": pairing.scale.margin,
        "p": result["p"] if verdict.verdict else np.nan,
        "p_adjusted": verdict.adjusted,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "needed_patients": needed["patients"] if needed else np.nan,
        "needed_seeds": needed["seeds"] if needed else np.nan,
        "needed_repeats": needed["repeats"] if needed else np.nan,
        "better": pairing.scale.better,
    }


def _order_size(n: int | str) -> float:
    """Return a sort key of a training size; `all` is the largest."""
    return np.inf if str(n) == "all" else float(n)


def list_patients(split: SplitFile) -> dict[str, str]:
    """Return the patient of every subject of a split."""
    tasks = split["tasks"]
    return {**tasks["classification"]["patients"], **tasks["segmentation"]["patients"]}


# the columns of the table
COMPARISON = (
    *ARM,
    *("region", "metric", "against", "patients", "folds", "seeds", "mean_difference", "low", "high", "standard_error"),
    *("p_better", "p_better_margin", "p_equal", "p_worse_margin", "expected_loss", "patient_spread", "luck_spread"),
    *("margin", "p", "p_adjusted", "verdict", "reason", "needed_patients", "needed_seeds", "needed_repeats", "better"),
)


def compare_cells(
    folders: Iterable[str | Path],
    scores: Sequence[BudgetScore],
    split: SplitFile,
    primary: Primary | None = None,
    kin: Kin | None = None,
    judging: Judging | None = None,
) -> tuple[list[ScoreRow], list[ComparisonRow], list[ComparisonRow], list[TimeRow]]:
    """Collect the scores of all cells, compare the strategies, and tabulate training times.

    Parameters
    ----------
    folders : list of str or Path
        The cells.
    scores : list of dict
        The rows of every cell, from `score_cell`; only finished networks count.
    split : dict
        `splits.json`.
    primary, kin, judging : optional
        As in `comparison.compare_strategies`.

    Returns
    -------
    scores, comparison, again, times : list of dict
        Rows of four tables of `results/evaluation`.
    """
    cells = [(Path(folder), read_manifest(folder)) for folder in folders]
    trained = [(folder, cell) for folder, cell in cells if cell["trained"]]
    task = split["tasks"]["classification"]
    predicted = [(cell, read_predictions(folder)) for folder, cell in trained if cell["task"] == "classification"]
    finished: list[ScoreRow] = [row for row in scores if row["budget"] == 1]
    pooled = pool_classification(predicted, task["classes"], map_repeats(task))
    patients = list_patients(split)
    compared = compare_strategies(finished, patients, primary, kin, judging) if finished else []
    again = compare_again(finished, patients, primary, judging)
    times = [reach_times(cell, read_history(folder), read_seconds(folder)) for folder, cell in trained]
    return [*finished, *pooled], compared, again, times
