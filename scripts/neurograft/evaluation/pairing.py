"""Pair two arms of the experiment patient by patient, as input for the statistics of a comparison."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.frames import Pivot, pivot_values
from neurograft.evaluation.metrics import find_metric
from neurograft.evaluation.records import ScoreRow
from neurograft.stats.clustered_error import number_groups
from neurograft.stats.paired_model import Pairs
from neurograft.stats.paired_verdict import Scale

Floats: TypeAlias = NDArray[np.float64]


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


def pivot_arms(rows: Sequence[Mapping[str, Any]]) -> tuple[Pivot, list[tuple[str, str]], dict[str, str]]:
    """Arrange the scores of one measure by arm and seed.

    Parameters
    ----------
    rows : list of dict
        From `name_patients`, of one task, space, split, size, region and metric.

    Returns
    -------
    arms : Pivot
        Keyed by strategy, source and seed.
    trained : list of tuple of str
        Strategy and source of each arm.
    fold : dict of str to str
        Patient to the fold in which it was tested.
    """
    arms = pivot_values(rows, ("strategy", "source", "seed"))
    trained = list(dict.fromkeys((strategy, source) for strategy, source, _ in arms.columns))
    return arms, trained, {row["patient"]: str(row["fold"]) for row in reversed(rows)}


def pair_arms(
    arms: Pivot, arm: tuple[str, str], control: str, sources: Sequence[str], fold: Mapping[str, str]
) -> Pairs:
    """Subtract the mean control of some sources from an arm, per patient, and per seed if both have the same seeds.

    Parameters
    ----------
    arms : Pivot
        Keyed by strategy, source and seed.
    arm : tuple of str
        Strategy and source.
    control : str
        A strategy.
    sources : sequence of str
        Sources of the control.
    fold : dict of str to str
        Patient to the fold in which it was tested.

    Returns
    -------
    Pairs
        Of the patients with scores on both sides.
    """

    def by_seed(strategy: str, source: str) -> dict[str, Floats]:
        return {key[2]: values for key, values in arms.columns.items() if key[:2] == (strategy, source)}

    taken, others = by_seed(*arm), [by_seed(control, source) for source in sources]
    if all(set(other) == set(taken) for other in others):
        seeds = sorted(taken)
        columns: list[Floats] = [taken[seed] - _mean_known([other[seed] for other in others]) for seed in seeds]
        differences: Floats = np.stack(columns, axis=-1)
        paired: NDArray[np.bool_] = ~np.any(np.isnan(differences), axis=-1)
    else:
        differences, paired = np.empty((0, 1)), np.zeros(0, np.bool_)
    mean = _mean_known([_mean_known(list(other.values())) for other in others])
    difference = _mean_known(list(taken.values())) - mean
    known: NDArray[np.bool_] = ~np.isnan(difference)
    # if a seed lacks a patient, give up separate seeds rather than the patient
    if paired.sum() < known.sum():
        differences, paired = difference[:, None], known
    kept: list[bool] = paired.tolist()
    names = np.array([fold[patient] for patient, chosen in zip(arms.patients, kept, strict=True) if chosen], dtype=str)
    return Pairs(differences[paired], number_groups(names)[:, None])


def _mean_known(values: Sequence[Floats]) -> Floats:
    """Average arrays element by element, ignoring NaN."""
    stacked = np.stack(values)
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
