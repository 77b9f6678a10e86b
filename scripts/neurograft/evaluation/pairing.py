"""Pair two arms of the experiment patient by patient, as input for the statistics of a comparison."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.frames import pivot_values
from neurograft.evaluation.metrics import find_metric
from neurograft.evaluation.records import ScoreRow
from neurograft.stats.paired_model import Pairs, number_sets
from neurograft.stats.paired_verdict import Scale

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredArms:
    """The scores of one measure by arm, seed and partition.

    Attributes
    ----------
    patients : list of str
    columns : dict of tuple of str to ndarray, shape (partitions, patients)
        Strategy, source and seed to the score of each patient in each partition of the cohort; NaN if there is none.
    tested : list of tuple of str
        The folds in which each patient was tested, one for each partition.
    """

    patients: list[str]
    columns: dict[tuple[str, str, str], Floats]
    tested: list[tuple[str, ...]]

    @property
    def trained(self) -> list[tuple[str, str]]:
        """Strategy and source of each arm."""
        return list(dict.fromkeys((strategy, source) for strategy, source, _ in self.columns))


def name_patients(scores: Iterable[ScoreRow], patients: Mapping[str, str]) -> list[dict[str, Any]]:
    """Add the patient to each row of a subject; rows of the whole cohort are left out.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`.
    patients : dict of str to str
        Subject to patient; a subject that is not in it is a patient of its own.

    Returns
    -------
    list of dict
    """
    return [
        {**row, "patient": patients.get(str(row["subject"]), str(row["subject"])), "value": float(row["value"])}
        for row in scores
        if str(row["subject"])
    ]


def list_tested(rows: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """List the folds in which each patient was tested, in their order: one for each partition of the cohort.

    Parameters
    ----------
    rows : iterable of tuple of str
        Patient and fold.

    Returns
    -------
    dict of str to tuple of str
    """
    tested: dict[str, set[str]] = {}
    for patient, fold in rows:
        tested.setdefault(patient, set()).add(fold)
    # further partitions have further numbers
    return {patient: tuple(sorted(folds, key=lambda fold: (len(fold), fold))) for patient, folds in tested.items()}


def pivot_arms(rows: Sequence[Mapping[str, Any]]) -> ScoredArms:
    """Arrange the scores of one measure by arm, seed and partition.

    Parameters
    ----------
    rows : list of dict
        From `name_patients`, of one task, space, split, size, region and metric.

    Returns
    -------
    ScoredArms
    """
    tested = list_tested((row["patient"], str(row["fold"])) for row in rows)
    placed = [{**row, "part": str(tested[row["patient"]].index(str(row["fold"])))} for row in rows]
    table = pivot_values(placed, ("strategy", "source", "seed", "part"))
    parts = [str(part) for part in range(max(map(len, tested.values())))]
    blank: Floats = np.full(len(table.patients), np.nan)
    columns = {
        (strategy, source, seed): np.stack([table.columns.get((strategy, source, seed, part), blank) for part in parts])
        for strategy, source, seed, _ in table.columns
    }
    return ScoredArms(table.patients, columns, [tested[patient] for patient in table.patients])


def pair_arms(arms: ScoredArms, arm: tuple[str, str], control: str, sources: Sequence[str]) -> Pairs:
    """Subtract the mean control of some sources from an arm, per patient, and per seed if both have the same seeds.

    Differences are taken in each partition of the cohort and averaged over those that both sides have.

    Parameters
    ----------
    arms : ScoredArms
    arm : tuple of str
        Strategy and source.
    control : str
        A strategy.
    sources : sequence of str
        Sources of the control.

    Returns
    -------
    Pairs
        Of the patients with scores on both sides.
    """

    def by_seed(strategy: str, source: str) -> dict[str, Floats]:
        return {key[2]: values for key, values in arms.columns.items() if key[:2] == (strategy, source)}

    taken, others = by_seed(*arm), [by_seed(control, source) for source in sources]
    mean = _mean_known([_mean_known(list(other.values())) for other in others])
    parts: Floats = (_mean_known(list(taken.values())) - mean)[..., None]
    if all(set(other) == set(taken) for other in others):
        columns = [values - _mean_known([other[seed] for other in others]) for seed, values in sorted(taken.items())]
        by_seeds: Floats = np.stack(columns, axis=-1)
        # if a seed lacks a patient, give up separate seeds rather than the patient
        if _find_paired(by_seeds).sum() >= _find_paired(parts).sum():
            parts = by_seeds
    paired = _find_paired(parts)
    sets = number_sets([folds for folds, kept in zip(arms.tested, paired.tolist(), strict=True) if kept])
    parts = np.moveaxis(parts, 0, 1)[paired]
    return Pairs(_mean_known(np.moveaxis(parts, 1, 0)), sets, parts if parts.shape[1] > 1 else None)


def _find_paired(parts: Floats) -> NDArray[np.bool_]:
    """Find the patients with a difference for every seed; `parts` has shape (partitions, patients, seeds)."""
    return np.all(~np.isnan(_mean_known(parts)), axis=-1)


def _mean_known(values: Sequence[Floats] | Floats) -> Floats:
    """Average arrays element by element, ignoring NaN."""
    stacked = np.stack(values) if isinstance(values, Sequence) else values
    known = ~np.isnan(stacked)
    with np.errstate(invalid="ignore"):
        return np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)


def difference_scale(name: str, margins: Mapping[str, float] | None = None) -> Scale:
    """Describe the scale of a metric's differences for the statistics.

    Parameters
    ----------
    name : str
    margins : dict of str to float, optional
        Metric to the largest difference without practical relevance; 0 for metrics not named.

    Returns
    -------
    Scale
    """
    metric = find_metric(name)
    least, most = metric["range"]
    bounds = (least - most, most - least)
    return Scale((margins or {}).get(name, 0.0), bounds, metric["least_spread"], metric["better"])
