"""Does one strategy beat another? Paired over patients, with what the data cannot show said too.

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
`tests/stats/test_comparisons.py`: for 3 to 5 folds, 8 to 40 patients, families of 1 to 6, skewness up to 2 and fold
effects up to half the patients' spread, false verdicts at most 8 %, coverage 92 to 98 %. Coverage does not hold for
two folds (one degree of freedom cannot show a fold effect), so fewer than `FEWEST_FOLDS` bar a verdict; and
with 6 patients and a skewness of 2 it is 91 %. Folds share training patients, which no study of this kind corrects
for (Bengio and Grandvalet 2004).
"""

from functools import lru_cache

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
ALPHA = 0.05
POWER = 0.90
FEWEST_FOLDS = 3
DRAWS = 100_000
EXACT = 16  # all signs, where they are no more than so many times the signs drawn otherwise
DEVIATION = 0.15
PLANNED_STUDIES = 1000


def paired_comparison(differences, folds=None, family=1, draws=DRAWS):
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
    differences = np.asarray(differences, float)
    folds = np.arange(len(differences)) if folds is None else np.unique(np.asarray(folds), return_inverse=True)[1]
    kept = np.isfinite(differences)
    differences, folds = differences[kept], np.unique(folds[kept], return_inverse=True)[1]
    result = {"patients": len(differences), "folds": int(folds.max(initial=-1)) + 1}
    nothing = {"mean": np.nan, "low": np.nan, "high": np.nan, "p": np.nan, "detectable": np.nan}
    if len(differences) < 2:
        return result | nothing | {"mean": float(differences.mean()) if len(differences) else np.nan}
    error, freedom = standard_error(differences, folds)
    half = stdtrit(freedom, (1 + LEVEL) / 2) * error
    mean = float(differences.mean())
    return result | {
        "mean": mean,
        "low": float(mean - half),
        "high": float(mean + half),
        "p": paired_p(differences, folds, draws),
        "detectable": detectable_difference(differences, folds, family),
    }


def standard_error(differences, folds):
    """Standard error of the mean and its degrees of freedom: patients' or folds', the larger.

    Parameters
    ----------
    differences : ndarray, shape (patients,)
    folds : ndarray of int, shape (patients,)
        0 to the number of folds less one, each with a patient.

    Returns
    -------
    tuple of float
    """
    patients, *shared = _standard_errors(differences, folds)
    # rounding must not decide which of two equal variances gives the degrees of freedom
    if shared and shared[0][0] > patients[0] * (1 + 1e-9):
        return shared[0]
    return patients


def _standard_errors(differences, folds):
    """Standard error and degrees of freedom over patients and, from two folds on, over folds as clusters."""
    count, groups = len(differences), int(folds.max()) + 1
    centred = differences - differences.mean()
    errors = [(float(np.sqrt((centred**2).sum() / (count - 1) / count)), count - 1)]
    if groups > 1:
        sums = np.bincount(folds, weights=centred)
        errors.append((float(np.sqrt((sums**2).sum() * groups / (groups - 1)) / count), groups - 1))
    return errors


def paired_p(differences, folds, draws=DRAWS):
    """Two-sided p of a mean of 0: the largest of the sign-flip test's and of both t tests'.

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
            values.append(2 * float(stdtr(freedom, -abs(differences.mean()) / error)))
    return max(values)


def sign_flip(differences, draws=DRAWS):
    """Two-sided p of the paired sign-flip (Fisher-Pitman) test of a mean of 0.

    Parameters
    ----------
    differences : ndarray, shape (patients,)
    draws : int
        Signs drawn, from a fixed seed, where all 2^n are more than `EXACT` times as many; that is above 20
        patients, unless fewer are drawn to save time in simulations.

    Returns
    -------
    float
        At least 2/2^n.
    """
    differences = np.asarray(differences, float)
    # a hair below the observed sum, so that equal sums count as equal whatever the rounding
    observed = abs(differences.sum()) - 1e-9 * np.abs(differences).sum()
    if 2.0 ** len(differences) <= EXACT * draws:
        sums = differences[:1]  # its sign is held: the other half is the mirror image
        for value in differences[1:]:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= observed))
    sums = 2 * (_draw_signs(draws, len(differences)) @ differences) - differences.sum()
    return float((1 + np.count_nonzero(np.abs(sums) >= observed)) / (1 + draws))


@lru_cache(maxsize=1)
def _draw_signs(draws, count):
    """Draw which differences keep their sign; the same for every test of a size."""
    return np.random.default_rng(0).integers(0, 2, (draws, count), dtype=np.int8)


def detectable_difference(differences, folds, family=1):
    """Give the smallest true difference that such a study finds in 9 of 10 repetitions.

    Each of the three tests counts, at its share of the error rate (Bonferroni, the strictest step of Holm; the
    sign-flip test's rounded down to what 2^n signs can show).

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
    powers = [stdtrit(freedom, POWER) * error for error, freedom in _standard_errors(differences, folds)]
    return float(max(reach + power for reach, power in zip(reaches, powers)))


def _critical_means(differences, folds, family):
    """Means that the tests over patients (t and, about, sign-flip) and over folds just call different from 0."""
    steps = 2.0 ** (len(differences) - 1)
    strict = np.floor(ALPHA / family * steps + 1e-9) / steps
    if strict == 0:
        return [np.inf, np.inf]
    (own, freedom), *shared = _standard_errors(differences, folds)
    means = [stdtrit(freedom, 1 - strict / 2) * own]
    return means + [stdtrit(freedom, 1 - ALPHA / family / 2) * error for error, freedom in shared]


def smallest_difference(patients, folds, family=1, deviation=DEVIATION):
    """Give, before any training, the smallest difference that so many patients can show.

    The true difference that 9 of 10 simulated studies find, as `detectable_difference` is for one that was made.
    Their paired differences are normal with the assumed deviation and share no fold effect; with one, or with
    more spread, it takes a larger difference.

    Parameters
    ----------
    patients, folds : int
        Patients are dealt to the folds in turn.
    family : int
        How many comparisons share the error rate.
    deviation : float
        Standard deviation of the paired difference over patients, an assumption: 0.15 of Dice is what 20 glioma
        patients commonly show.

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
    lacking = [max(_critical_means(one, fold, family)) - one.mean() for one in studies]
    return float(np.quantile(lacking, POWER)) if np.isfinite(lacking).all() else np.inf


def holm(values):
    """Adjust the p values of one family (Holm 1979): any false verdict in at most 5 % of families.

    Parameters
    ----------
    values : array_like, shape (comparisons,)

    Returns
    -------
    ndarray, shape (comparisons,)
        In the order given, at most 1.
    """
    values = np.asarray(values, float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def judge(comparison, adjusted, family, better="higher"):
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
