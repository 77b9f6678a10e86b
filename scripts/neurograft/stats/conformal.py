"""Conformal intervals: how far a prediction may be off, judged by patients who were left out of it.

CV+ intervals (Barber, Candes, Ramdas and Tibshirani 2021, Ann. Statist. 49:486; with one patient a group, the
jackknife+). They assume that the patients are exchangeable, and nothing about the distribution of the values. At the
level 1 - a the coverage is at least 1 - 2a by theory, and 1 - a in practice. Several visits of one patient share his
weight (hierarchical conformal prediction: Lee, Barber and Willett 2023, arXiv 2306.06342), so that n counts patients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.intp]
# rows of features to predictions, after a fit
Predict: TypeAlias = Callable[[Floats], Floats]
# features and values to what predicts
Fit: TypeAlias = Callable[[Floats, Floats], Predict]

MOST_GROUPS = 60  # patients beyond are left out in groups: every pair of groups is a fit


def fewest_patients(level: float) -> int:
    """Compute the fewest patients for an interval at a level: with fewer, 1 / (n + 1) exceeds what may be missed.

    Parameters
    ----------
    level : float
        Above 0 and below 1.

    Returns
    -------
    int
        9 at 90 %, 19 at 95 %.
    """
    return int(np.ceil(1 / (1 - level) - 1 - 1e-9))


def conformal_quantile(values: Floats, weights: Floats, level: float) -> float:
    """Compute the smallest value that at least a share `level` of the weight does not exceed, one to come counted.

    Parameters
    ----------
    values, weights : ndarray, shape (rows,)
        The weights of one patient's rows sum to 1; the patient to come has the weight 1 at infinity.
    level : float

    Returns
    -------
    float
        Infinite if there are too few patients.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / (weights.sum() + 1)
    position = int(np.searchsorted(reached, level - 1e-9))
    return float(values[order[position]]) if position < len(order) else np.inf


def share_weights(patients: Sequence[str]) -> Floats:
    """Give every patient the weight 1, shared by his rows."""
    _, which, counts = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    return 1.0 / counts[which]


def group_patients(patients: Sequence[str], most: int = MOST_GROUPS, seed: int = 0) -> Integers:
    """Put patients into groups that are left out together: one each, or at most so many of equal size.

    Parameters
    ----------
    patients : sequence of str
        Of each row.
    most : int
    seed : int
        Decides who is together where there are more patients than groups.

    Returns
    -------
    ndarray of int, shape (rows,)
    """
    names, which = np.unique(np.asarray(patients), return_inverse=True)
    places = np.random.default_rng(seed).permutation(len(names)) % min(most, max(1, len(names)))
    return places[which].astype(np.intp)


@dataclass(frozen=True)
class Calibrated:
    """Predictions for patients with known values, each by a fit to the patients of other groups.

    Attributes
    ----------
    fits : list of callable
        The fit without each group.
    groups : ndarray of int, shape (rows,)
        The group of each row.
    residuals, weights : ndarray, shape (rows,)
        Absolute error of each row's prediction by the fit without its group; share of its patient's weight.
    """

    fits: list[Predict]
    groups: Integers
    residuals: Floats
    weights: Floats


def calibrate(features: Floats, values: Floats, patients: Sequence[str], groups: Integers, fit: Fit) -> Calibrated:
    """Fit without each group of patients in turn, and measure the errors of those left out.

    Parameters
    ----------
    features : ndarray, shape (rows, features)
    values : ndarray, shape (rows,)
    patients : sequence of str
        Of each row; a patient is in one group.
    groups : ndarray of int, shape (rows,)
        From 0, none empty; at least two.
    fit : callable

    Returns
    -------
    Calibrated

    Raises
    ------
    ValueError
        If there is one group only.
    """
    if len(np.unique(groups)) < 2:
        raise ValueError("intervals take patients of at least two groups")
    fits = [fit(features[groups != group], values[groups != group]) for group in range(int(groups.max()) + 1)]
    residuals = np.empty(len(values))
    for group, predict in enumerate(fits):
        mine = groups == group
        residuals[mine] = np.abs(values[mine] - predict(features[mine]))
    return Calibrated(fits, groups, residuals, share_weights(patients))


def conformal_interval(calibrated: Calibrated, features: Floats, level: float) -> tuple[float, float]:
    """Compute the CV+ interval for one row of features, or for one that differs by calibration row.

    Parameters
    ----------
    calibrated : Calibrated
    features : ndarray, shape (features,) or (rows, features)
        With two axes the features that each calibration row is compared with: where the patients left out in turn
        were predicted by different networks, those by the same network.
    level : float

    Returns
    -------
    low, high : float
        Infinite if there are too few patients.
    """
    rows = np.broadcast_to(features, (len(calibrated.groups), features.shape[-1]))
    centres = np.empty(len(rows))
    for group, predict in enumerate(calibrated.fits):
        mine = calibrated.groups == group
        centres[mine] = predict(rows[mine])
    low = -conformal_quantile(calibrated.residuals - centres, calibrated.weights, level)
    high = conformal_quantile(centres + calibrated.residuals, calibrated.weights, level)
    # of few patients with very different fits the two ends may cross
    return min(low, high), max(low, high)


def cross_intervals(
    features: Floats, values: Floats, patients: Sequence[str], fit: Fit, level: float
) -> tuple[Floats, Floats, Floats]:
    """Predict every patient of known value as one to come: all that is fitted or calibrated leaves his group out.

    Parameters
    ----------
    features, values, patients, fit, level
        As in `calibrate`.

    Returns
    -------
    predicted, low, high : ndarray, shape (rows,)
        Ends are infinite if the other patients are too few.
    """
    groups = group_patients(patients)
    names = np.asarray(patients)
    predicted, low, high = np.empty(len(values)), np.full(len(values), -np.inf), np.full(len(values), np.inf)
    last = int(groups.max())
    # the fit without two groups serves both, whichever is judged
    pairs = {
        (first, second): fit(features[kept], values[kept])
        for first in range(last + 1)
        for second in range(first, last + 1)
        if (kept := (groups != first) & (groups != second)).any()
    }
    for group in range(last + 1):
        mine, others = groups == group, groups != group
        if (group, group) not in pairs:
            predicted[mine] = np.nan
            continue
        predicted[mine] = pairs[group, group](features[mine])
        left = [other for other in range(last + 1) if other != group]
        fits = [pairs.get((min(group, other), max(group, other))) for other in left]
        if any(each is None for each in fits):
            continue
        numbers = np.searchsorted(left, groups[others])
        residuals = np.empty(int(others.sum()))
        for number, each in enumerate(fits):
            assert each is not None
            chosen = numbers == number
            residuals[chosen] = np.abs(values[others][chosen] - each(features[others][chosen]))
        kept = [each for each in fits if each is not None]
        found = Calibrated(kept, numbers.astype(np.intp), residuals, share_weights(names[others].tolist()))
        for row in np.flatnonzero(mine).tolist():
            low[row], high[row] = conformal_interval(found, features[row], level)
    return predicted, low, high
