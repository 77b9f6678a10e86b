"""The comparison of strategies with their controls, paired over patients.

Tables are lists of dicts, one per row; scores are those of `evaluation.scores`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neurograft.core.cells import ARM, PRIMARY, Arm, CellManifest, Kin, control_sources
from neurograft.core.labels import judged_region
from neurograft.core.split_file import SplitFile
from neurograft.core.strategies import CONTROLS, METHODS, UNTRAINED
from neurograft.evaluation.frames import Pivot, group_rows, pivot_values
from neurograft.evaluation.metrics import METRICS, keep_in_range
from neurograft.evaluation.records import ScoreRow, read_history, read_manifest, read_predictions, read_seconds
from neurograft.evaluation.scores import TimeRow, pool_classification, reach_times
from neurograft.stats import paired_verdict
from neurograft.stats.paired_verdict import PairedComparison

AGAIN = "scratch-again"
# what two arms of a comparison share
WITHIN = ("task", "space", "split", "n")
# the `space` and `split` of the primary family
Primary: TypeAlias = Mapping[str, str]


class ComparisonRow(Arm):
    """A row of `comparison.tsv`: one arm against one control, in one metric of one region."""

    region: str
    metric: str
    against: str
    patients: int
    mean_difference: float  # strategy minus control, in the metric's unit
    low: float
    high: float
    p: float  # as what follows, only of the primary family
    p_adjusted: float
    verdict: str
    detectable: float
    reason: str
    better: str


@dataclass
class _Pairing:
    """An arm and its control patient by patient, and what is said of them."""

    arm: Arm
    region: str
    metric: str
    against: str
    sources: list[str]  # whose control it is
    difference: NDArray[np.float64]
    folds: NDArray[np.str_]
    result: PairedComparison
    p_adjusted: float = field(default=np.nan)
    verdict: str = ""
    reason: str = ""

    @property
    def better(self) -> str:
        """Which direction of the metric is good."""
        return METRICS[self.arm["task"]][self.metric]["better"]


def compare_strategies(
    scores: Iterable[ScoreRow],
    cells: Sequence[CellManifest] = (),
    patients: Mapping[str, str] | None = None,
    primary: Primary | None = None,
    kin: Kin | None = None,
) -> list[ComparisonRow]:
    """Compare every strategy with the controls, paired over patients.

    Seeds (and time points of one patient) are averaged inside a patient first. The primary family, and only it, has p
    values and verdicts: Dice of the whole tumour (`labels.judged_region`) in the primary space and split at the largest
    n, each strategy and source against scratch. The controls themselves are not in it, nor is what trains no network
    (`strategies.UNTRAINED`): methods are compared with scratch and with each other, an ensemble with scratch.
    `cells.control_sources` chooses the source whose control is taken.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`; rows without a subject are ignored.
    cells : list of dict
        `CELL` and `converged`; a comparison with a cell that has not converged gets no verdict.
    patients : dict of str to str, optional
        Subject to patient (`splits`), where a patient has several subjects.
    primary : dict, optional
        `space` and `split` of the primary family; by default those of the first score.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    list of dict
        `COMPARISON`; `mean_difference` is strategy minus control, in the metric's unit.
    """
    owner = patients or {}
    rows: list[dict[str, Any]] = [
        {**row, "patient": owner.get(str(row["subject"]), str(row["subject"])), "value": float(row["value"])}
        for row in scores
        if str(row["subject"])
    ]
    pairings: list[_Pairing] = []
    for (task, space, split, n, region, metric), group in group_rows(rows, (*WITHIN, "region", "metric")).items():
        fold: dict[str, str] = {row["patient"]: str(row["fold"]) for row in reversed(group)}
        arms = pivot_values(group, ("strategy", "source"))
        for strategy, source in arms.columns:
            arm: Arm = {
                "task": task, "source": source, "strategy": strategy, "space": space, "split": split, "n": n,
            }  # fmt: skip
            for control in _list_controls(strategy, metric, arms, task):
                having = [name for other, name in arms.columns if other == control]
                sources = control_sources(source, having, kin)
                if sources:
                    difference, folds = _pair_patients(arms, (strategy, source), control, sources, fold)
                    result = paired_verdict.paired_comparison(difference, folds)
                    pairings.append(_Pairing(arm, region, metric, control, sources, difference, folds, result))
    if primary is None and pairings:
        primary = {"space": pairings[0].arm["space"], "split": pairings[0].arm["split"]}
    region = judged_region(pairing.region for pairing in pairings)
    _judge_family(pairings, cells, {**PRIMARY, "region": region, **(primary or {})})
    return [_comparison_row(pairing) for pairing in pairings]


def compare_again(
    scores: Iterable[ScoreRow],
    cells: Sequence[CellManifest] = (),
    patients: Mapping[str, str] | None = None,
    primary: Primary | None = None,
) -> list[ComparisonRow]:
    """Compare scratch with itself, trained again with other seeds (A/A): a verdict here would be a false one.

    The smallest seed is compared with the mean of the others, by the same functions as the primary family. Arms for
    which scratch was not trained twice are not in it.

    Parameters
    ----------
    scores, cells, patients, primary
        As in `compare_strategies`.

    Returns
    -------
    list of dict
        Rows with a verdict, as from `compare_strategies`, of a strategy named `AGAIN`; one per source.
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
        """Name a training of scratch by its seed, anything else by nothing."""
        if row["strategy"] != "scratch" or _scratch_arm(row) not in repeated:
            return ""
        return AGAIN if int(row["seed"]) > repeated[_scratch_arm(row)] else "scratch"

    again_scores: list[ScoreRow] = [{**row, "strategy": rename(row)} for row in tested if rename(row)]
    again_cells: list[CellManifest] = [{**cell, "strategy": rename(cell)} for cell in cells if rename(cell)]
    rows = compare_strategies(again_scores, again_cells, patients, primary)
    return [row for row in rows if row["strategy"] == AGAIN and row["verdict"]]


def _scratch_arm(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tells the arms of scratch apart."""
    return tuple(str(row[name]) for name in (*WITHIN, "source"))


def _list_controls(strategy: str, metric: str, arms: Pivot, task: str) -> list[str]:
    """List the controls that an arm is compared with: those trained, in a metric with a better direction."""
    simpler = list(METHODS)[list(METHODS).index(strategy) + 1 :] if strategy in METHODS else []
    usual = ("scratch", *simpler) if strategy in UNTRAINED else CONTROLS
    against = {"scratch": (), "frozen-random": ("scratch",)}.get(strategy, usual)
    trained = {name for name, _ in arms.columns}
    return [control for control in against if control in trained and METRICS[task][metric]["better"]]


def _pair_patients(
    arms: Pivot, arm: tuple[str, str], control: str, sources: Sequence[str], fold: Mapping[str, str]
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Subtract the mean of the sources' control from an arm, patient by patient; return the patients' folds too."""
    controls = np.stack([arms.columns[control, source] for source in sources])
    known = ~np.isnan(controls)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, controls, 0.0).sum(axis=0) / known.sum(axis=0)
    difference = arms.columns[arm] - mean
    paired = ~np.isnan(difference)
    folds = [fold[patient] for patient, kept in zip(arms.patients, paired, strict=True) if kept]
    return difference[paired], np.array(folds, dtype=str)


def _judge_family(pairings: Sequence[_Pairing], cells: Sequence[CellManifest], wanted: Mapping[str, str]) -> None:
    """Add p values and verdicts to the pairings of the primary family, those of the largest n."""
    primary = [
        pairing
        for pairing in pairings
        if {**pairing.arm, "region": pairing.region, "metric": pairing.metric}.items() >= wanted.items()
    ]
    largest = max((_order_size(pairing.arm["n"]) for pairing in primary), default=None)
    family = [
        pairing
        for pairing in primary
        if _order_size(pairing.arm["n"]) == largest
        and pairing.against == "scratch"
        and pairing.arm["strategy"] not in (*CONTROLS, *UNTRAINED)
    ]
    adjusted = paired_verdict.holm([np.nan_to_num(pairing.result["p"], nan=1.0) for pairing in family])
    for pairing, value in zip(family, adjusted.tolist(), strict=True):
        shared = paired_verdict.paired_comparison(pairing.difference, pairing.folds, len(family))
        pairing.result = {**pairing.result, "detectable": shared["detectable"]}
        pairing.p_adjusted = value
        pairing.verdict, pairing.reason = paired_verdict.judge(pairing.result, value, len(family), pairing.better)
        unfinished = _count_unfinished(pairing, cells)
        if unfinished:
            pairing.verdict = "not converged"
            pairing.reason = f"the loss still fell at the end of {unfinished}: more steps"


def _comparison_row(pairing: _Pairing) -> ComparisonRow:
    """Make the row of the table, its interval cut where no difference of the metric can lie.

    The cut comes after the verdict, which no bound changes: 0 lies inside every range of a difference.
    """
    result = pairing.result
    inside = keep_in_range({"low": result["low"], "high": result["high"]}, pairing.metric, difference=True)
    return {
        **pairing.arm,
        "region": pairing.region,
        "metric": pairing.metric,
        "against": pairing.against,
        "patients": result["patients"],
        "mean_difference": result["mean"],
        "low": inside["low"],
        "high": inside["high"],
        "p": result["p"] if np.isfinite(pairing.p_adjusted) else np.nan,
        "p_adjusted": pairing.p_adjusted,
        "verdict": pairing.verdict,
        "detectable": result["detectable"],
        "reason": pairing.reason,
        "better": pairing.better,
    }


def _count_unfinished(pairing: _Pairing, cells: Iterable[CellManifest]) -> str:
    """Count a comparison's trainings that had not converged, in words; empty where all had."""
    arm, control = pairing.arm, pairing.against
    concerned = [
        cell
        for cell in cells
        if all(str(cell[name]) == arm[name] for name in WITHIN)
        and (
            (cell["strategy"], cell["source"]) == (arm["strategy"], arm["source"])
            or (cell["strategy"] == control and cell["source"] in pairing.sources)
        )
    ]
    falling = sum(not cell["converged"] for cell in concerned)
    return f"{falling} of {len(concerned)} trainings" if falling else ""


def _order_size(n: int | str) -> float:
    """Order the training sizes, `all` the largest."""
    return np.inf if str(n) == "all" else float(n)


# the columns of the table
COMPARISON = (
    *ARM,
    *("region", "metric", "against", "patients", "mean_difference", "low", "high", "p", "p_adjusted", "verdict"),
    *("detectable", "reason", "better"),
)


def compare_cells(
    folders: Iterable[str | Path],
    scores: Sequence[ScoreRow],
    split: SplitFile,
    primary: Primary | None = None,
    kin: Kin | None = None,
) -> tuple[list[ScoreRow], list[ComparisonRow], list[ComparisonRow], list[TimeRow]]:
    """Gather all cells' scores, compare the strategies, and tabulate how fast each training was.

    Parameters
    ----------
    folders : list of str or Path
        The cells.
    scores : list of dict
        The rows of every cell, from `score_cell`.
    split : dict
        `splits.json`.
    primary, kin : dict, optional
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
    pooled = pool_classification(predicted, task["classes"])
    patients = {**task["patients"], **split["tasks"]["segmentation"]["patients"]}
    manifests = [cell for _, cell in trained]
    compared = compare_strategies(scores, manifests, patients, primary, kin) if scores else []
    again = compare_again(scores, manifests, patients, primary)
    times = [reach_times(cell, read_history(folder), read_seconds(folder)) for folder, cell in trained]
    return [*scores, *pooled], compared, again, times
