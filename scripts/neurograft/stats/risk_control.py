"""Conformal risk control: the threshold at which a mean loss over patients to come stays below a bound.

Angelopoulos, Bates, Fisch, Lei and Schuster 2024 (ICLR, arXiv 2208.02814). It assumes that the patients are
exchangeable and that the loss of each never falls as the threshold rises.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def control_risk(losses: Floats, bound: float) -> int | None:
    """Find the last threshold at which the mean loss of a patient to come is at most `bound`.

    Parameters
    ----------
    losses : ndarray, shape (patients, thresholds)
        0 to 1, rising along the thresholds.
    bound : float

    Returns
    -------
    int or None
        Number of the threshold; None if there is none, as always with fewer than 1 / bound - 1 patients.

    Raises
    ------
    ValueError
        If a loss falls along the thresholds, or is not between 0 and 1.
    """
    if losses.size and (losses.min() < 0 or losses.max() > 1 or (np.diff(losses, axis=1) < -1e-12).any()):
        raise ValueError("losses have to lie between 0 and 1, and to rise along the thresholds")
    # the patient to come may lose everything
    risks = (losses.sum(axis=0) + 1) / (len(losses) + 1)
    kept = np.flatnonzero(risks <= bound + 1e-12)
    return int(kept[-1]) if len(kept) else None


def judge_control(losses: Floats, bound: float) -> Floats:
    """Compute each patient's loss at the threshold that the others lead to.

    Parameters
    ----------
    losses : ndarray, shape (patients, thresholds)
    bound : float

    Returns
    -------
    ndarray, shape (patients,)
        NaN where the others lead to none.
    """
    found = np.full(len(losses), np.nan)
    for patient in range(len(losses)):
        place = control_risk(np.delete(losses, patient, axis=0), bound)
        if place is not None:
            found[patient] = losses[patient, place]
    return found
