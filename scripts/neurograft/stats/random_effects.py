"""Pool the effects of several cohorts: their mean, how far they lie apart, and what a further cohort would see.

The effect that cohort i shows is

    y_i = mu + cohort_i + error_i,    cohort_i ~ N(0, tau^2),    error_i ~ N(0, s_i^2)

with the standard error s_i taken from the cohort's own analysis. How far cohorts lie apart (tau) can hardly be seen in
three or five of them: an estimate is often 0, and intervals that take it for the truth are too narrow. So tau is not
estimated and then believed. Cochran's Q, weighted with the true tau, has a chi-squared distribution; the values of tau
at which the observed Q is each of its quantiles are what the data say of tau (the confidence distribution of
Viechtbauer's Q-profile interval, 2007). At each of them mu is normal, and so is the true effect of a further cohort;
both are mixed over tau, as in the generalised inference of Iyer, Wang and Mathew (2004) and the prediction interval of
Nagashima, Noma and Furukawa (2019). No prior, no sampling: the same cards give the same digits.

Few cohorts may agree by luck, better than their own errors allow. Every tau but 0 is then improbable, and a further
cohort would have to agree as well. So cohorts never count as closer together than three of four sets of cohorts without
any true difference would be (`LUCKY`).

`benchmarks/pooled_coverage.py` holds it beside what is usual, on cohorts of known truth; the reasons for it and the
figures are in docs/explanation/decisions/evaluation.md.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed below

Floats: TypeAlias = NDArray[np.float64]

LEVEL = 0.95
QUANTILES = 200  # of the distribution of tau, equally probable
STEPS = 100  # at most; of Newton's method, which takes about ten
HALVINGS = 42
LUCKY = 0.25  # share of sets without true differences that may count as they are
NUDGE = 1e-6  # of a standard error, so that effects that are equal to the last digit can be spread
_special: Any = special


@dataclass(frozen=True)
class Pool:
    """What several cohorts tell together, of one pool or of many with as many cohorts each.

    Attributes
    ----------
    estimate : ndarray, shape (...)
        The usual estimate of tau (Paule and Mandel 1982), in the unit of the effects.
    heterogeneity : ndarray, shape (...)
        I^2 at this estimate: the share of the spread of the observed effects that is not their own error, 0 to 1.
    taus : ndarray, shape (..., QUANTILES)
        Equally probable values of tau, from the largest down.
    centres, errors : ndarray, shape (..., QUANTILES)
        Mean and standard deviation of the mean effect's normal distribution at each of them.
    """

    estimate: Floats
    heterogeneity: Floats
    taus: Floats
    centres: Floats
    errors: Floats

    def spread(self, new: bool) -> Floats:
        """Return the standard deviations of the normal distributions: of the mean, or of a further cohort's effect."""
        return np.sqrt(self.errors**2 + self.taus**2) if new else self.errors


def pool_effects(effects: ArrayLike, errors: ArrayLike) -> Pool:
    """Pool the effects of two or more cohorts.

    Parameters
    ----------
    effects : array_like, shape (..., cohorts)
        The effect in each cohort, all in the same unit.
    errors : array_like, shape (..., cohorts)
        Their standard errors, above 0.

    Returns
    -------
    Pool

    Raises
    ------
    ValueError
        With fewer than two cohorts, or a standard error that is not above 0.
    """
    values, variances = np.asarray(effects, float), np.asarray(errors, float) ** 2
    cohorts = values.shape[-1]
    if cohorts < 2 or not (np.isfinite(values).all() and (variances > 0).all()):
        raise ValueError("pooling takes two or more cohorts with finite effects and standard errors above 0")
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    taus = _solve_variance(_spread_lucky(values, variances), variances, _chi_squared_quantile(cohorts - 1, shares))
    estimate = _solve_variance(values, variances, np.array([cohorts - 1.0]))[..., 0]
    weights = 1 / (variances[..., None, :] + taus[..., None])
    total = weights.sum(axis=-1)
    plain = 1 / variances
    typical = (cohorts - 1) * plain.sum(axis=-1) / (plain.sum(axis=-1) ** 2 - (plain**2).sum(axis=-1))
    return Pool(
        estimate=np.sqrt(estimate),
        heterogeneity=estimate / (estimate + typical),
        taus=np.sqrt(taus),
        centres=(weights * values[..., None, :]).sum(axis=-1) / total,
        errors=np.sqrt(1 / total),
    )


def share_below(pool: Pool, value: ArrayLike, new: bool = False) -> Floats:
    """Compute how probable it is that the mean effect lies below a value; with `new` that of a further cohort.

    Parameters
    ----------
    pool : Pool
    value : array_like, shape (...)
    new : bool

    Returns
    -------
    ndarray, shape (...)
    """
    place = (np.asarray(value, float)[..., None] - pool.centres) / pool.spread(new)
    return np.asarray(_special.ndtr(place), float).mean(axis=-1)


def find_quantile(pool: Pool, share: float, new: bool = False) -> Floats:
    """Find the value below which the mean effect lies with some probability; with `new` that of a further cohort.

    Parameters
    ----------
    pool : Pool
    share : float
        Between 0 and 1.
    new : bool

    Returns
    -------
    ndarray, shape (...)
    """
    # a quantile of a mixture lies between the same quantiles of its parts
    parts = pool.centres + float(_special.ndtri(share)) * pool.spread(new)
    low, high = parts.min(axis=-1), parts.max(axis=-1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = share_below(pool, middle, new) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def find_interval(pool: Pool, new: bool = False, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Find the interval of the mean effect, or with `new` the prediction interval of a further cohort's true effect.

    Returns
    -------
    low, high : ndarray, shape (...)
    """
    return find_quantile(pool, (1 - level) / 2, new), find_quantile(pool, (1 + level) / 2, new)


def find_tau_interval(pool: Pool, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Find the interval of tau (Q-profile) to within half of `1 / QUANTILES` of its level.

    Returns
    -------
    low, high : ndarray, shape (...)
    """
    beyond = int((1 - level) / 2 * QUANTILES)
    return pool.taus[..., -1 - beyond], pool.taus[..., beyond]


def _spread_lucky(values: Floats, variances: Floats) -> Floats:
    """Move effects away from their mean until they agree no better than `LUCKY` allows; leave others as they are."""
    cohorts = values.shape[-1]
    least = float(_chi_squared_quantile(cohorts - 1, np.array([LUCKY]))[0])
    signs = np.resize(np.array([1.0, -1.0]), cohorts)
    nudged = values + NUDGE * np.sqrt(variances) * signs
    weights = 1 / variances
    mean = (weights * nudged).sum(axis=-1, keepdims=True) / weights.sum(axis=-1, keepdims=True)
    q = (weights * (nudged - mean) ** 2).sum(axis=-1, keepdims=True)
    return np.where(q < least, mean + (nudged - mean) * np.sqrt(least / q), values)


def _chi_squared_quantile(freedom: int, shares: Floats) -> Floats:
    """Compute quantiles of the chi-squared distribution."""
    return np.asarray(_special.chdtri(freedom, 1 - shares), float)


def _solve_variance(values: Floats, variances: Floats, wanted: Floats) -> Floats:
    """Find the variances between cohorts at which Cochran's Q takes some values; 0 where it is smaller anyway.

    1/Q is nearly linear in the variance, so Newton's method on it is there after few steps.

    Parameters
    ----------
    values, variances : ndarray, shape (..., cohorts)
    wanted : ndarray, shape (values,)

    Returns
    -------
    ndarray, shape (..., values)
    """
    spread, own = values[..., None, :], variances[..., None, :]
    found = np.zeros((*values.shape[:-1], len(wanted)))
    for _ in range(STEPS):
        weights = 1 / (own + found[..., None])
        mean = (weights * spread).sum(axis=-1, keepdims=True) / weights.sum(axis=-1, keepdims=True)
        squares = weights * (spread - mean) ** 2
        q, slope = squares.sum(axis=-1), (weights * squares).sum(axis=-1)
        step = np.divide((q / wanted - 1) * q, slope, out=np.zeros_like(q), where=slope > 0)
        moved = np.maximum(found + step, 0)
        if np.all(np.abs(moved - found) <= 1e-10 * (moved + own.min())):
            return moved
        found = moved
    return found
