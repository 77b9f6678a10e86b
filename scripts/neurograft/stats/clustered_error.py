"""The standard error of a mean over patients of which some share a fold or a site.

Used where a number is no paired difference: shares of patients in the test of privacy, labels saved. Paired differences
have a model of their own (`paired_model`).
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed below

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]

LEVEL = 0.95
FEWEST_FOLDS = 3


def number_groups(names: NDArray[Any]) -> NDArray[np.intp]:
    """Replace the names of groups by numbers from 0, in the order of the names."""
    return np.unique(names, return_inverse=True)[1]


def t_quantile(freedom: float, share: float) -> float:
    """Compute the quantile of Student's t distribution; infinite degrees of freedom give the normal one's."""
    return float(special.stdtrit(freedom, share))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] # no stubs


def t_half_width(values: Floats, share: float = (1 + LEVEL) / 2) -> float:
    """Compute half the width of Student's 95 % interval of a mean of independent values, two at least.

    For a one-sided limit, `share` is its level.
    """
    quantile = t_quantile(len(values) - 1, share)
    return float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def t_share(freedom: float, value: ArrayLike) -> Floats:
    """Compute the share of Student's t distribution below a value."""
    return np.asarray(special.stdtr(freedom, value), float)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] # no stubs


def standard_error(values: Floats, groups: Integers) -> tuple[float, int]:
    """Compute the standard error of the mean and its degrees of freedom: over patients or groups, the larger.

    Parameters
    ----------
    values : ndarray, shape (patients,)
    groups : ndarray of int, shape (patients,)
        0 to the number of groups less one, each with a patient.

    Returns
    -------
    error : float
    freedom : int
    """
    count, clusters = len(values), int(groups.max()) + 1
    centred = values - values.mean()
    error = float(np.sqrt((centred**2).sum() / (count - 1) / count))
    if clusters > 1:
        sums = np.bincount(groups, weights=centred)
        shared = float(np.sqrt((sums**2).sum() * clusters / (clusters - 1)) / count)
        # rounding must not decide which of two equal variances gives the degrees of freedom
        if shared > error * (1 + 1e-9):
            return shared, clusters - 1
    return error, count - 1
