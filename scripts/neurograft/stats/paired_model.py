"""One model of paired differences: patients, the luck of trainings, and what is known of the mean after a study.

The difference of two strategies in a patient (in seed s, tested by the networks that were trained on set f) is

    d_ifs = mu + patient_i + luck_f + luck_fs + noise_ifs

All patients of a test fold were scored by the same trained networks, so a lucky training lifts all of them. How large
that luck is cannot be seen in two or three folds alone. So it is *partially pooled*: its standard deviation, in units
of the spread over patients, has a weak prior (`LUCK`), and the data move it as far as they can. Where several
seeds were trained, the differences between them measure the part of the luck that seeds average out.

Where the patients were divided into folds several times, a patient's difference is the mean over these partitions and
holds an equal share of the luck of each set that tested the patient. The units are the patients still: repeats make the
luck smaller, not the patients more. How far a patient's differences lie apart from partition to partition measures the
luck, because the patient stays the same.

Given the ratio of the variances the model is conjugate (a flat prior on the mean within the bounds of the metric,
1/variance on the variance, kept from zero by `least_spread`), so the posterior of the mean is a t distribution; over
the ratio it is integrated numerically (Box and Tiao 1973, section 5.2; Gelman 2006 on weak priors of such ratios).
No sampling: the same data give the same digits, in milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed below

from neurograft.stats.clustered_error import number_groups, t_quantile, t_share

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]

# Prior of a training's luck in units of the patients' spread of the difference: LUCK * abs(normal)**SHAPE. Its
# median is 0.23, 19 of 20 lie below 1.9. Trainings of 150 steps showed 0.1 to 1 on real patients, those of 40 steps up
# to 2.4 (docs/explanation/verdict.md). More of it lies near none than of a half-normal prior, which costs power where
# there is no luck.
LUCK = 0.5
SHAPE = 2.0
# Degrees of freedom taken off, because a mean of few skewed differences is not distributed as t: in families of 6 with
# 6 patients, 13 % of studies with a skewness of 2 had a false verdict with n - 1 of them. With 1.25 less, 8 % at worst.
ASYMMETRY = 1.25
RATIOS = 32
PARTS = 3  # points over the share of the luck that another seed draws anew
SHARED = 1e-9  # a smaller variance is rounding
HALVINGS = 40  # of the interval in which a quantile lies
POINTS = 401  # of the distribution function from which expected losses are summed


@dataclass(frozen=True)
class Pairs:
    """Paired differences of one or many studies of the same design.

    Attributes
    ----------
    values : ndarray, shape (..., patients, seeds)
        Strategy minus control, averaged over partitions. Where only means over seeds are known there is one seed.
    sets : ndarray of int, shape (patients, repeats)
        Which training set's networks tested a patient, in each partition of the cohort: numbers from 0, or -1 for a
        partition without a test of the patient.
    parts : ndarray, shape (..., patients, repeats, seeds), optional
        `values` in each of several partitions; NaN where it is unknown.
    """

    values: Floats
    sets: Integers
    parts: Floats | None = None

    @property
    def patients(self) -> int:
        """How many patients there are."""
        return self.values.shape[-2]

    @property
    def seeds(self) -> int:
        """How many trainings of each set there are."""
        return self.values.shape[-1]

    @property
    def folds(self) -> int:
        """How many training sets there are, in all partitions."""
        return int(self.sets.max(initial=-1)) + 1

    @property
    def repeats(self) -> int:
        """How many partitions there are."""
        return self.sets.shape[1]


@dataclass(frozen=True)
class Posterior:
    """What is known of the mean difference: a mixture of t distributions, cut at the bounds.

    Attributes
    ----------
    weights, centres, scales : ndarray, shape (..., components)
    freedom : float
        Degrees of freedom of every component.
    bounds : tuple of float
        Where a mean difference can lie at all.
    patient_spread : ndarray, shape (...)
        Posterior mean of the standard deviation over patients.
    luck_spread : ndarray, shape (...)
        Posterior mean of the standard deviation that one training's luck gives all patients of its fold.
    seed_share : ndarray, shape (...)
        Posterior mean of the part of the luck's variance that another seed draws anew.
    """

    weights: Floats
    centres: Floats
    scales: Floats
    freedom: float
    bounds: tuple[float, float]
    patient_spread: Floats
    luck_spread: Floats
    seed_share: Floats

    def below(self, value: float) -> Floats:
        """Compute the probability that the mean difference lies below a value.

        Parameters
        ----------
        value : float

        Returns
        -------
        ndarray, shape (...)
        """
        low, high = self.bounds
        if value <= low or value >= high:
            return np.full(self.weights.shape[:-1], float(value >= high))
        return self._cut(self._uncut(value))

    def _cut(self, shares: Floats) -> Floats:
        """Turn shares of the whole mixture into those of what lies inside the bounds."""
        least, most = self._ends
        return np.clip((shares - least) / np.maximum(most - least, np.finfo(float).tiny), 0, 1)

    @cached_property
    def _ends(self) -> tuple[Floats, Floats]:
        """The shares of the whole mixture below either bound."""
        return self._uncut(self.bounds[0]), self._uncut(self.bounds[1])

    def _uncut(self, value: float) -> Floats:
        if np.isinf(value):
            return np.full(self.weights.shape[:-1], float(value > 0))
        return (self.weights * t_share(self.freedom, (value - self.centres) / self.scales)).sum(axis=-1)

    def quantile(self, share: float) -> float:
        """Compute the value below which the mean lies with a probability, of a single study.

        Parameters
        ----------
        share : float

        Returns
        -------
        float
        """
        centre, scale = float((self.weights * self.centres).sum()), float(self.scales.max())
        # where a t distribution of these components cannot have more in its tail
        reach = scale * abs(t_quantile(self.freedom, min(share, 1 - share) / 4)) + float(np.ptp(self.centres))
        low, high = max(self.bounds[0], centre - reach), min(self.bounds[1], centre + reach)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if float(self.below(middle)) < share else (low, middle)
        return (low + high) / 2

    def mean(self) -> float:
        """Compute the posterior mean of a single study."""
        values, shares = self._tabulate()
        return float(values[-1] - np.trapezoid(shares, values))

    def expected_loss(self) -> tuple[float, float]:
        """Compute what is lost on average by taking the strategy, and by leaving it, of a single study.

        Returns
        -------
        taking, leaving : float
            The mean of the negative and of the positive part of the difference, in its unit.
        """
        values, shares = self._tabulate()
        return (
            float(np.trapezoid(np.where(values <= 0, shares, 0), values)),
            float(np.trapezoid(np.where(values >= 0, 1 - shares, 0), values)),
        )

    def _tabulate(self) -> tuple[Floats, Floats]:
        """Tabulate the distribution function where it rises, with 0 among the points."""
        low, high = self.quantile(5e-5), self.quantile(1 - 5e-5)
        values = np.unique(np.append(np.linspace(min(low, 0), max(high, 0), POINTS), 0.0))
        return values, self._cut(t_share(self.freedom, (values[:, None] - self.centres) / self.scales) @ self.weights)


def make_pairs(differences: ArrayLike, folds: ArrayLike | None = None) -> Pairs:
    """Put differences that were averaged over seeds into the model's form.

    Parameters
    ----------
    differences : array_like, shape (..., patients)
    folds : array_like, shape (patients,), optional
        Without it every patient stands alone.

    Returns
    -------
    Pairs
    """
    values = np.asarray(differences, float)
    alone = np.arange(values.shape[-1], dtype=np.intp)
    sets = alone if folds is None else number_groups(np.asarray(folds))  # pyright: ignore[reportUnknownArgumentType] # names of any kind
    return Pairs(values[..., None], sets[:, None])


def number_sets(tested: Sequence[Sequence[str]]) -> Integers:
    """Assign numbers to the training sets whose networks tested each patient.

    Parameters
    ----------
    tested : sequence of sequence of str
        For each patient the names of the folds in which it was tested, one for each partition that has one.

    Returns
    -------
    ndarray of int, shape (patients, repeats)
        As `Pairs.sets`.
    """
    repeats = max(map(len, tested), default=1)
    # no fold has an empty name, which sorts before all others
    names = np.array([[*folds, *[""] * (repeats - len(folds))] for folds in tested], dtype=str).reshape(-1, repeats)
    missing = bool(np.any(names == ""))
    return number_groups(names).reshape(names.shape) - int(missing)


def fit(
    pairs: Pairs, bounds: tuple[float, float] = (-np.inf, np.inf), least_spread: float = 0.0, luck: float = LUCK
) -> Posterior:
    """Compute what paired differences say of their mean.

    Parameters
    ----------
    pairs : Pairs
        Of two or more patients, without NaN.
    bounds : tuple of float
        Where a mean difference can lie: -1 and 1 for two Dice scores.
    least_spread : float
        Worth one squared deviation of this size, in the unit of the differences: equal scores of six patients do not
        show that all patients have equal scores.
    luck : float
        Scale of the prior of a training's luck.

    Returns
    -------
    Posterior
    """
    means = pairs.values.mean(axis=-1)
    count, seeds = pairs.patients, pairs.seeds
    values, turned, total = _turn(np.ascontiguousarray(pairs.sets, np.int64).tobytes(), count)
    ratios, shares = _grid(luck, seeds)
    kept = ratios**2 * (1 - shares + shares / seeds)
    # variance of each rotated patient, in units of the patients' own
    variances = 1 + np.outer(kept, values)
    weights = total**2 / variances
    precision = weights.sum(axis=1)
    rotated = means @ turned
    centres = (rotated * total) @ (1 / variances).T / precision
    squares = rotated**2 @ (1 / variances).T - precision * centres**2
    squares = np.maximum(squares, 0) + least_spread**2
    freedom = max(count - 1 - ASYMMETRY, (count - 1) / 2)
    logs = -0.5 * (np.log(variances).sum(axis=1) + np.log(precision))
    squares = np.maximum(squares, np.finfo(float).tiny)
    spreads = np.sqrt(squares / freedom)
    logs = logs - 0.5 * freedom * np.log(squares)
    lucks = spreads**2 * kept, spreads**2 * ratios**2 * shares
    if pairs.parts is not None:
        logs = logs + _compare_repeats(pairs.parts, pairs.sets, lucks)
    elif seeds > 1 and pairs.repeats == 1:
        logs = logs + _compare_seeds(pairs, lucks[1])
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return Posterior(
        weights,
        centres,
        spreads / np.sqrt(precision),
        freedom,
        bounds,
        (weights * spreads).sum(axis=-1),
        (weights * spreads * ratios).sum(axis=-1),
        (weights * shares).sum(axis=-1),
    )


@lru_cache(maxsize=64)
def _grid(luck: float, seeds: int) -> tuple[Floats, Floats]:
    """List pairs of luck's ratio and of the share of it that another seed draws anew, all equally likely before."""
    middles = (np.arange(RATIOS) + 0.5) / RATIOS
    ratios = luck * np.asarray(special.ndtri((1 + middles) / 2), float) ** SHAPE  # pyright: ignore[reportUnknownMemberType] # no stubs
    parts = (np.arange(PARTS) + 0.5) / PARTS if seeds > 1 else np.array([0.5])
    return np.repeat(ratios, len(parts)), np.tile(parts, len(ratios))


@lru_cache(maxsize=64)
def _turn(content: bytes, count: int) -> tuple[Floats, Floats, Floats]:
    """Rotate patients so that the luck of their training sets is independent.

    Parameters
    ----------
    content : bytes
        Of `Pairs.sets` as 64-bit numbers, of which every study of a design has the same.
    count : int
        How many patients there are.

    Returns
    -------
    values : ndarray, shape (patients,)
        Variance of the luck in each rotated patient, of sets with a variance of 1.
    turned : ndarray, shape (patients, patients)
        The rotation.
    total : ndarray, shape (patients,)
        A constant of 1, rotated.
    """
    sets = np.frombuffer(content, np.int64).reshape(count, -1)
    shares = np.zeros((count, int(sets.max(initial=0)) + 1))
    known = sets >= 0
    parts = 1 / np.maximum(known.sum(axis=1), 1)
    for column, tested in zip(sets.T, known.T, strict=True):
        shares[np.flatnonzero(tested), column[tested]] += parts[tested]
    values, turned = np.linalg.eigh(shares @ shares.T)
    return np.maximum(values, 0), turned, turned.sum(axis=0)


def _compare_seeds(pairs: Pairs, luck: Floats) -> Floats:
    """Compute how likely the differences between seeds are.

    Parameters
    ----------
    pairs : Pairs
        With two or more seeds.
    luck : ndarray, shape (..., components)
        Variance that a seed gives all patients of a training set.

    Returns
    -------
    ndarray, shape (..., components)
        Log likelihood, but for a constant.
    """
    values, sets = pairs.values, pairs.sets[:, 0]
    seeds = pairs.seeds
    groups = [values[..., sets == name, :] for name in range(pairs.folds)]
    own = [part - part.mean(axis=-1, keepdims=True) for part in groups]
    # beyond what all patients of a set share
    noise = sum(((part - part.mean(axis=-2, keepdims=True)) ** 2).sum(axis=(-2, -1)) for part in own)
    noise = np.asarray(noise) / max((pairs.patients - pairs.folds) * (seeds - 1), 1)
    result = np.zeros(luck.shape)
    for part in own:
        between = (part.mean(axis=-2) ** 2).sum(axis=-1)
        variance = np.maximum(luck + noise[..., None] / part.shape[-2], np.finfo(float).tiny)
        result -= 0.5 * ((seeds - 1) * np.log(variance) + between[..., None] / variance)
    return result


def _compare_repeats(parts: Floats, sets: Integers, lucks: tuple[Floats, Floats]) -> Floats:
    """Compute how likely the differences between partitions are, and in each of them those between seeds.

    Parameters
    ----------
    parts, sets
        As in `Pairs`. Patients who lack a partition are left out.
    lucks : tuple of ndarray, shape (..., components)
        Variance that a training set gives all its patients in the mean over seeds, and in one seed beyond that.

    Returns
    -------
    ndarray, shape (..., components)
        Log likelihood, but for a constant.
    """
    whole = np.isfinite(parts).all(axis=(*range(parts.ndim - 3), -2, -1))
    parts, sets = parts[..., whole, :, :], sets[whole]
    count, repeats, seeds = parts.shape[-3:]
    result = np.zeros(lucks[0].shape)
    if not count:
        return result
    for repeat in range(repeats if seeds > 1 else 0):
        alone = Pairs(parts[..., repeat, :], number_groups(sets[:, repeat])[:, None])
        result += _compare_seeds(alone, lucks[1])
    # which set tested a patient in which partition, after subtracting the patient's mean
    places = (sets[..., None] == np.arange(int(sets.max(initial=-1)) + 1)).astype(float)
    places = (places - places.mean(axis=1, keepdims=True)).reshape(count * repeats, -1)
    values, rotation = np.linalg.eigh(places.T @ places)
    variances: Floats = values[values > SHARED]
    turned: Floats = places @ rotation[:, values > SHARED] / np.sqrt(variances)
    left = count * (repeats - 1) - len(variances)
    if left < 1:
        return result
    means = parts.mean(axis=-1)
    own = (means - means.mean(axis=-1, keepdims=True)).reshape(*means.shape[:-2], -1)
    squares: Floats = (own @ turned) ** 2
    # beyond what all patients of a set share
    noise = np.maximum((own**2).sum(axis=-1) - squares.sum(axis=-1), 0) / left
    variance: Floats = np.maximum(lucks[0][..., None] * variances + noise[..., None, None], np.finfo(float).tiny)
    return result - 0.5 * (np.log(variance) + squares[..., None, :] / variance).sum(axis=-1)


def shift(posterior: Posterior, by: float | Floats) -> Posterior:
    """Return what would be known had every difference been larger by a constant.

    Parameters
    ----------
    posterior : Posterior
        Without bounds.
    by : float or ndarray
        Such as broadcasts to (..., components).

    Returns
    -------
    Posterior
    """
    return replace(posterior, centres=posterior.centres + by)
