"""Decide whether one strategy beats another, paired over patients, and state what the data cannot show.

The unit is the patient: voxels, slices and seeds are averaged inside a patient before anything here.

**Interval.** A t interval on the per-patient differences. Patients of one fold were scored by the
same trained network, so a lucky run lifts all of them, which the plain t interval does not see (with
20 patients in 5 folds and a shared fold effect of half the patients' spread it covers 87 % instead of
95 %). The variance of the mean is therefore the larger of the patients' own, s^2/n with n - 1
degrees of freedom, and that of the fold sums (cluster-robust), with folds - 1 degrees of freedom.

**Verdict.** A Holm-adjusted p below 0.05, and an interval that leaves out 0. The p is the largest of three: the exact
paired sign-flip test's, and those of the t tests with either variance. The sign-flip test alone takes patients of
one fold for independent, and where several sources and strategies share a control the interval at 95 % is no
guard: in a family of 6, of 20 or 40 patients in 5 folds with a shared fold effect of half the patients' spread, 12
and 20 % of studies had a false verdict, and have 4 % with three tests. Held against simulated studies in
`tests/stats/test_paired_verdict.py`: for 3 to 5 folds, 8 to 40 patients, families of 1 to 6, skewness up to 2 and fold
effects up to half the patients' spread, false verdicts at most 8 %, coverage 92 to 98 %. Coverage does not hold for
two folds (one degree of freedom cannot show a fold effect), so fewer than `FEWEST_FOLDS` bar a verdict; and
with 6 patients and a skewness of 2 it is 91 %. Folds share training patients, which no study of this kind corrects
for (Bengio and Grandvalet 2004).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed below

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]


class PairedComparison(TypedDict):
    """Paired differences of two strategies over patients, summarised; numbers are NaN of fewer than two patients."""

    patients: int
    folds: int
    mean: float
    low: float
    high: float
    p: float
    detectable: float


LEVEL = 0.95
ALPHA = 0.05
POWER = 0.90
FEWEST_FOLDS = 3
DRAWS = 100_000
EXACT = 16  # all signs, where they are no more than so many times the signs drawn otherwise
DEVIATION = 0.15
PLANNED_STUDIES = 1000


def paired_comparison(
    differences: ArrayLike, folds: ArrayLike | None = None, family: int = 1, draws: int = DRAWS
) -> PairedComparison:
    """Summarise the paired differences of two strategies over patients.

    Parameters
    ----------
    differences : array_like, shape (patients,)
        One value a patient, strategy minus control, seeds averaged before. NaN is left out.
    folds : array_like, shape (patients,), optional
        The fold that each patient was tested in; without it every patient stands alone.
    family : int
        How many comparisons share the error rate; it enters only `detectable`.
    draws : int
        As in `sign_flip`.

    Returns
    -------
    dict
        `mean`, `low`, `high` (95 %), `patients`, `folds` (how many), `p` (`paired_p`, not
        adjusted) and `detectable`: the true difference that 9 of 10 such studies would find. NaN where
        fewer than two patients are left.
    """
    values = np.asarray(differences, float)
    owner = np.arange(len(values)) if folds is None else number_groups(np.asarray(folds))
    kept = np.isfinite(values)
    values, owner = values[kept], number_groups(owner[kept])
    count, groups = len(values), int(owner.max(initial=-1)) + 1
    if count < 2:
        return {
            "patients": count, "folds": groups, "mean": float(values.mean()) if count else np.nan,
            "low": np.nan, "high": np.nan, "p": np.nan, "detectable": np.nan,
        }  # fmt: skip
    error, freedom = standard_error(values, owner)
    half = t_quantile(freedom, (1 + LEVEL) / 2) * error
    mean = float(values.mean())
    return {
        "patients": count,
        "folds": groups,
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
        "p": paired_p(values, owner, draws),
        "detectable": detectable_difference(values, owner, family),
    }


def number_groups(names: NDArray[Any]) -> NDArray[np.intp]:
    """Replace the names of groups by numbers from 0, in the order of the names."""
    return np.unique(names, return_inverse=True)[1]


def t_quantile(freedom: float, share: float) -> float:
    """Compute the quantile of Student's t distribution; infinite degrees of freedom give the normal one's."""
    return float(special.stdtrit(freedom, share))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] # no stubs


def t_share(freedom: float, value: float) -> float:
    """Compute the share of Student's t distribution below a value."""
    return float(special.stdtr(freedom, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] # no stubs


def standard_error(differences: Floats, folds: Integers) -> tuple[float, int]:
    """Compute the standard error of the mean and its degrees of freedom: over patients or folds, the larger.

    Parameters
    ----------
    differences : ndarray, shape (patients,)
    folds : ndarray of int, shape (patients,)
        0 to the number of folds less one, each with a patient.

    Returns
    -------
    error : float
    freedom : int
    """
    patients, *shared = _standard_errors(differences, folds)
    # rounding must not decide which of two equal variances gives the degrees of freedom
    if shared and shared[0][0] > patients[0] * (1 + 1e-9):
        return shared[0]
    return patients


def _standard_errors(differences: Floats, folds: Integers) -> list[tuple[float, int]]:
    """List standard error and degrees of freedom over patients and, from two folds on, over folds as clusters."""
    count, groups = len(differences), int(folds.max()) + 1
    centred = differences - differences.mean()
    errors = [(float(np.sqrt((centred**2).sum() / (count - 1) / count)), count - 1)]
    if groups > 1:
        sums = np.bincount(folds, weights=centred)
        errors.append((float(np.sqrt((sums**2).sum() * groups / (groups - 1)) / count), groups - 1))
    return errors


def paired_p(differences: Floats, folds: Integers, draws: int = DRAWS) -> float:
    """Compute the two-sided p of a mean of 0: the largest of the sign-flip test's and of both t tests'.

    Parameters
    ----------
    differences : ndarray, shape (patients,)
    folds : ndarray of int, shape (patients,)
        As in `standard_error`.
    draws : int
        As in `sign_flip`.

    Returns
    -------
    float
    """
    values = [sign_flip(differences, draws)]
    for error, freedom in _standard_errors(differences, folds):
        if error > 0:
            values.append(2 * t_share(freedom, -abs(float(differences.mean())) / error))
    return max(values)


def sign_flip(differences: ArrayLike, draws: int = DRAWS) -> float:
    """Compute the two-sided p of the paired sign-flip (Fisher-Pitman) test of a mean of 0.

    Parameters
    ----------
    differences : array_like, shape (patients,)
    draws : int
        How many signs are drawn, from a fixed seed, where all 2^n are more than `EXACT` times as many. That is the
        case above 20 patients, unless fewer are drawn to save time in simulations.

    Returns
    -------
    float
        At least 2/2^n.
    """
    values = np.asarray(differences, float)
    # a hair below the observed sum, so that equal sums count as equal whatever the rounding
    observed = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    if 2.0 ** len(values) <= EXACT * draws:
        sums: Floats = values[:1]  # its sign is held: the other half is the mirror image
        for value in values[1:]:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.count_nonzero(np.abs(sums) >= observed) / len(sums))
    drawn = 2 * (_draw_signs(draws, len(values)) @ values) - values.sum()
    return float((1 + np.count_nonzero(np.abs(drawn) >= observed)) / (1 + draws))


@lru_cache(maxsize=1)
def _draw_signs(draws: int, count: int) -> NDArray[np.int8]:
    """Draw which differences keep their sign; the same for every test of a size."""
    return np.random.default_rng(0).integers(0, 2, (draws, count), dtype=np.int8)


def detectable_difference(differences: Floats, folds: Integers, family: int = 1) -> float:
    """Compute the smallest true difference that such a study finds in 9 of 10 repetitions.

    Each of the three tests counts, at its share of the error rate (Bonferroni, the strictest step of Holm; the
    sign-flip test's share is rounded down to what 2^n signs can show).

    Parameters
    ----------
    differences, folds, family
        As in `paired_comparison`, folds as whole numbers from 0.

    Returns
    -------
    float
        In the unit of the differences; infinite where no verdict is possible.
    """
    reaches = _critical_means(differences, folds, family)
    powers = [t_quantile(freedom, POWER) * error for error, freedom in _standard_errors(differences, folds)]
    return float(max(reach + power for reach, power in zip(reaches, powers)))


def _critical_means(differences: Floats, folds: Integers, family: int) -> list[float]:
    """List the means that the tests over patients (t and, about, sign-flip) and over folds just call different from 0.

    Over folds only where there are two or more; infinite means where no p can be small enough.
    """
    steps = 2.0 ** (len(differences) - 1)
    strict = float(np.floor(ALPHA / family * steps + 1e-9) / steps)
    if strict == 0:
        return [np.inf, np.inf]
    (error, freedom), *shared = _standard_errors(differences, folds)
    means = [t_quantile(freedom, 1 - strict / 2) * error]
    return means + [t_quantile(freedom, 1 - ALPHA / family / 2) * error for error, freedom in shared]


def smallest_difference(patients: int, folds: int, family: int = 1, deviation: float = DEVIATION) -> float:
    """Compute, before any training, the smallest difference that so many patients can show.

    It is the true difference that 9 of 10 simulated studies find, as `detectable_difference` is for a study that was
    made. The paired differences of these studies are normal with the assumed deviation and share no fold effect; with
    a fold effect, or with more spread, it takes a larger difference.

    Parameters
    ----------
    patients, folds : int
        Patients are dealt to the folds in turn.
    family : int
        How many comparisons share the error rate.
    deviation : float
        Assumed standard deviation of the paired difference over patients: 0.15 of Dice is what 20 glioma patients
        commonly show.

    Returns
    -------
    float
        In the unit of the deviation; infinite where every verdict would be "refused".
    """
    folds = min(folds, patients)
    if patients < 2 or folds < FEWEST_FOLDS:
        return np.inf
    fold = np.arange(patients) % folds
    studies = deviation * np.random.default_rng(0).standard_normal((PLANNED_STUDIES, patients))
    lacking = [max(_critical_means(study, fold, family)) - study.mean() for study in studies]
    return float(np.quantile(lacking, POWER)) if np.isfinite(lacking).all() else np.inf


def holm(values: ArrayLike) -> Floats:
    """Adjust the p values of one family (Holm 1979): any false verdict in at most 5 % of families.

    Parameters
    ----------
    values : array_like, shape (comparisons,)

    Returns
    -------
    ndarray, shape (comparisons,)
        In the order given, at most 1.
    """
    raw = np.asarray(values, float)
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * (len(raw) - np.arange(len(raw))))
    adjusted = np.empty(len(raw))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def judge(comparison: Mapping[str, Any], adjusted: float, family: int, better: str = "higher") -> tuple[str, str]:
    """Turn one comparison of the primary family into a verdict and its reason in plain words.

    Parameters
    ----------
    comparison : dict
        From `paired_comparison`.
    adjusted : float
        Holm's p.
    family : int
        Number of comparisons in the family.
    better : {"higher", "lower"}
        Which direction of the metric is good.

    Returns
    -------
    verdict : {"helps", "hurts", "no evidence", "refused"}
    reason : str
    """
    count, folds = comparison["patients"], comparison["folds"]
    if count < 2 or 2 / 2.0**count * family > ALPHA:
        return "refused", (
            f"{count} patients cannot show any difference in a family of {family}: the smallest possible p is "
            f"{2 / 2.0**count:.3g}, times {family} above {ALPHA}"
        )
    if folds < FEWEST_FOLDS:
        return "refused", (
            f"{folds} folds are too few to tell a lucky training run from a better strategy: use at least "
            f"{FEWEST_FOLDS}"
        )
    good = comparison["low"] > 0 if better == "higher" else comparison["high"] < 0
    bad = comparison["high"] < 0 if better == "higher" else comparison["low"] > 0
    if adjusted < ALPHA and (good or bad):
        return ("helps" if good else "hurts"), f"adjusted p {adjusted:.3g}, and the interval leaves out 0"
    return "no evidence", f"{count} patients would show a difference of {comparison['detectable']:.3g} or more"
