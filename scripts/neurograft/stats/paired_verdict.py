"""Decide whether one strategy beats another on the same patients, and how sure that is.

The unit is the patient: voxels, slices and time points are averaged inside a patient before anything here. What the
differences say of their mean is the posterior of `paired_model`. From it come, for every comparison, the
probabilities and the expected loss, and for the primary family the verdict:

- **no practical difference**: the probability of a mean beyond the margin, on the likelier side, is at most 5 %;
- **helps**, **hurts**: else, the probability that the mean lies on the other side of 0, doubled, is at most 5 %;
- **undecided**: neither. `require` says what would decide it.

Both levels hold for the family: Holm's method adjusts the probabilities of each kind. Refused is only what cannot be
judged: fewer than `FEWEST_PATIENTS`. How often verdicts are wrong in simulated studies is in
docs/explanation/verdict.md, made by `benchmarks/verdict_error_rates.py`. Folds share training patients, which no study
of this kind corrects for (Bengio and Grandvalet 2004).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurograft.stats import paired_model
from neurograft.stats.clustered_error import LEVEL, t_quantile
from neurograft.stats.multiplicity import ALPHA, holm
from neurograft.stats.paired_model import Pairs, Posterior

Floats: TypeAlias = NDArray[np.float64]

# beyond so many patients, a number is not useful: no small study gets there
MOST_PATIENTS = 1000
FEWEST_PATIENTS = 4
POWER = 0.80
# what `plan` assumes: the spread of paired Dice over 20 glioma patients, and a training's luck in units of it
DEVIATION = 0.15
ASSUMED_LUCK = 0.25
ASSUMED_NOISE = 0.3  # of one patient between two trainings, in units of the spread over patients
MOST_NEEDED = 100_000
PLANNED_STUDIES = 500


@dataclass(frozen=True)
class Scale:
    """What has to be known of a metric to judge differences of it.

    Attributes
    ----------
    margin : float
        Differences up to this size are of no practical use, in the metric's unit; 0 if none is stated.
    bounds : tuple of float
        Where a difference can lie at all.
    least_spread : float
        As in `paired_model.fit`.
    better : {"higher", "lower"}
        Which direction of the metric is good.
    """

    margin: float = 0.0
    bounds: tuple[float, float] = (-math.inf, math.inf)
    least_spread: float = 0.0
    better: str = "higher"


class PairedComparison(TypedDict):
    """Paired differences of two strategies over patients; numbers are NaN of fewer than two patients.

    Differences are in the metric's unit, whatever its direction; "better" is in the metric's good direction.
    """

    patients: int
    folds: int  # of all partitions
    repeats: int  # partitions
    seeds: int
    mean: float
    low: float
    high: float
    standard_error: float
    p: float  # twice the probability that the mean lies on the other side of 0
    p_beyond: float  # that it lies beyond the margin, on the likelier side
    p_better: float
    p_better_margin: float
    p_equal: float
    p_worse_margin: float
    expected_loss: float  # what the choice that looks better loses on average
    patient_spread: float
    luck_spread: float
    seed_share: float


class Requirements(TypedDict):
    """What would decide a comparison; infinite where no number would."""

    patients: float
    seeds: float
    repeats: float  # partitions in all
    both_patients: float  # where no single change is enough: so many patients
    both_folds: float  # in so many folds


@dataclass(frozen=True)
class Verdict:
    """A verdict and its reason in plain words.

    Attributes
    ----------
    verdict : {"helps", "hurts", "no practical difference", "undecided", "refused"}
    reason : str
    adjusted : float
        Holm's p of the difference.
    """

    verdict: str
    reason: str
    adjusted: float


def paired_comparison(
    differences: ArrayLike | Pairs, folds: ArrayLike | None = None, scale: Scale | None = None, level: float = LEVEL
) -> PairedComparison:
    """Summarise the paired differences of two strategies over patients.

    Parameters
    ----------
    differences : array_like, shape (patients,), or Pairs
        Strategy minus control. NaN is left out. `Pairs` where seeds or repeated partitions are known.
    folds : array_like, shape (patients,), optional
        The fold that each patient was tested in; without it every patient stands alone. Not with `Pairs`.
    scale : Scale, optional
    level : float
        Of the interval.

    Returns
    -------
    dict
    """
    scale = scale or Scale()
    pairs = differences if isinstance(differences, Pairs) else _drop_missing(differences, folds)
    if pairs.patients < 2:
        empty = dict.fromkeys(PairedComparison.__annotations__, math.nan)
        mean = float(pairs.values.mean()) if pairs.patients else math.nan
        counts = {"patients": pairs.patients, "folds": pairs.folds, "repeats": pairs.repeats, "seeds": pairs.seeds}
        return PairedComparison(**{**empty, **counts, "mean": mean})  # pyright: ignore[reportArgumentType] # counts are whole numbers
    posterior = paired_model.fit(pairs, scale.bounds, scale.least_spread)
    low, high = (posterior.quantile(share) for share in ((1 - level) / 2, (1 + level) / 2))
    chances = list_chances(posterior, scale)
    taking, leaving = posterior.expected_loss()
    return {
        "patients": pairs.patients,
        "folds": pairs.folds,
        "repeats": pairs.repeats,
        "seeds": pairs.seeds,
        "mean": float(pairs.values.mean()),
        "low": low,
        "high": high,
        "standard_error": (high - low) / 2 / t_quantile(math.inf, (1 + level) / 2),
        **{name: float(value) for name, value in chances.items()},  # pyright: ignore[reportReturnType] # fields of the result
        "expected_loss": min(taking, leaving),
        "patient_spread": float(posterior.patient_spread),
        "luck_spread": float(posterior.luck_spread),
        "seed_share": float(posterior.seed_share),
    }


def _drop_missing(differences: ArrayLike, folds: ArrayLike | None) -> Pairs:
    """Leave out patients without a difference."""
    values = np.asarray(differences, float)
    names = np.arange(len(values)) if folds is None else np.asarray(folds)
    kept = np.isfinite(values)
    return paired_model.make_pairs(values[kept], names[kept])


def list_chances(posterior: Posterior, scale: Scale) -> dict[str, Floats]:
    """Compute the probabilities that verdicts rest on, of one or many studies.

    Parameters
    ----------
    posterior : Posterior
    scale : Scale

    Returns
    -------
    dict of str to ndarray
        `p`, `p_beyond`, `p_better`, `p_better_margin`, `p_equal` and `p_worse_margin`, as in `PairedComparison`.
    """
    below, low, high = (posterior.below(value) for value in (0.0, -scale.margin, scale.margin))
    sides = {"p": 2 * np.minimum(below, 1 - below), "p_beyond": np.maximum(low, 1 - high)}
    return sides | split_chances(below, (low, high), scale.better)


def split_chances(below: Floats, margins: tuple[Floats, Floats], better: str) -> dict[str, Floats]:
    """Turn shares of a distribution of differences into the probabilities that a reader is told.

    Parameters
    ----------
    below : ndarray
        Probability of a difference below 0.
    margins : tuple of ndarray
        The same below minus the margin, and below the margin.
    better : {"higher", "lower"}

    Returns
    -------
    dict of str to ndarray
        `p_better`, `p_better_margin`, `p_equal` and `p_worse_margin`, as in `PairedComparison`.
    """
    low, high = margins
    good, bad = (1 - high, low) if better == "higher" else (low, 1 - high)
    return {
        "p_better": 1 - below if better == "higher" else below,
        "p_better_margin": good,
        "p_equal": high - low,
        "p_worse_margin": bad,
    }


def decide(p: ArrayLike, p_beyond: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Decide the comparisons of one family, or of many.

    Parameters
    ----------
    p, p_beyond : array_like, shape (..., comparisons)
        As in `PairedComparison`.

    Returns
    -------
    equal, different : ndarray of bool
        No practical difference; a difference. Never both.
    adjusted : ndarray of float
        Holm's p of the difference.
    """
    equal, adjusted = holm(p_beyond) <= ALPHA, holm(p)
    return equal, (adjusted <= ALPHA) & ~equal, adjusted


def judge_family(comparisons: Sequence[PairedComparison], scale: Scale) -> list[Verdict]:
    """Give each comparison of the primary family its verdict.

    Parameters
    ----------
    comparisons : sequence of dict
        From `paired_comparison`, all with the same scale.
    scale : Scale

    Returns
    -------
    list of Verdict
        In the order given.
    """
    chances = np.array([[row["p"], row["p_beyond"]] for row in comparisons]).reshape(-1, 2)
    equal, different, adjusted = decide(*np.nan_to_num(chances, nan=1.0).T)
    verdicts: list[Verdict] = []
    for row, same, apart, value in zip(comparisons, equal, different, adjusted, strict=True):
        if row["patients"] < FEWEST_PATIENTS:
            reason = f"{row['patients']} patients cannot be judged; it takes at least {FEWEST_PATIENTS}"
            verdicts.append(Verdict("refused", reason, math.nan))
        elif same:
            beyond = format_chance(1 - row["p_equal"])
            reason = f"the chance of a difference beyond {scale.margin:g}, either way, is {beyond}"
            verdicts.append(Verdict("no practical difference", reason, float(value)))
        elif apart:
            verdict = "helps" if row["p_better"] > 0.5 else "hurts"
            verdicts.append(Verdict(verdict, _describe_direction(row), float(value)))
        else:
            verdicts.append(Verdict("undecided", _describe_undecided(row, scale, len(comparisons)), float(value)))
    return verdicts


def format_chance(share: float) -> str:
    """Write a probability in percent, never as certain."""
    return "over 99.9 %" if share > 0.9995 else "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def require(comparison: PairedComparison, margin: float, family: int = 1) -> Requirements:
    """Estimate what would show a true difference as large as the margin with 80 % power.

    From the run's own variances: that of patients shrinks with patients, that of luck with folds, seeds (the part that
    a seed draws anew) and repeated partitions. Each number is for a change of that alone, the last two go together.

    Parameters
    ----------
    comparison : dict
        Of two or more patients.
    margin : float
    family : int
        How many comparisons share the error rate (Bonferroni, the strictest step of Holm).

    Returns
    -------
    dict
    """
    aim = _aim(margin, family)
    patients, luck = comparison["patient_spread"] ** 2, comparison["luck_spread"] ** 2 / comparison["folds"]
    share, seeds, repeats = comparison["seed_share"], comparison["seeds"], comparison["repeats"]
    now = patients / comparison["patients"]
    return {
        "patients": _count(patients, aim - luck * (1 - share + share / seeds)),
        "seeds": _count(luck * share, aim - now - luck * (1 - share)),
        "repeats": _count(luck * repeats * (1 - share + share / seeds), aim - now),
        "both_patients": _count(patients, aim / 2),
        "both_folds": _count(luck * comparison["folds"] / repeats, aim / 2),
    }


def _aim(margin: float, family: int) -> float:
    """Compute the variance of a mean at which a difference as large as the margin is found with `POWER`."""
    return (margin / (t_quantile(math.inf, 1 - ALPHA / family / 2) + t_quantile(math.inf, POWER))) ** 2


def _count(variance: float, left: float) -> float:
    """Count the parts into which a variance must fall to come down to what is left for it."""
    if not left > 0 or variance / left > MOST_NEEDED:
        return math.inf
    return float(max(1, math.ceil(variance / left)))


def _describe_direction(comparison: PairedComparison) -> str:
    """Say which side of 0 the difference lies on, and how sure that is."""
    better = comparison["p_better"] > 0.5
    sure = format_chance(comparison["p_better"] if better else 1 - comparison["p_better"])
    return f"{sure} sure that it is {'better' if better else 'worse'}"


def _describe_undecided(comparison: PairedComparison, scale: Scale, family: int) -> str:
    """Describe what would decide a comparison: its difference, if that is as large as it looks, and the margin."""
    if not scale.margin:
        return "no margin is stated, so nothing says how many patients would decide it"
    words = describe_requirements(require(comparison, scale.margin, family), comparison, scale.margin)
    seen = abs(comparison["mean"])
    if not seen > scale.margin:
        return f"{format_chance(comparison['p_equal'])} sure that it is within {scale.margin:g} either way; {words}"
    words = f"{_describe_direction(comparison)}; {words}"
    if ways := _list_ways(require(comparison, seen, family), comparison):
        words += f"; if it is as large as it looks ({seen:.2g}), {', or '.join(ways)}"
    return words


def describe_requirements(needed: Requirements, comparison: PairedComparison, margin: float) -> str:
    """Describe in plain words what would show a difference as large as the margin."""
    if needed["patients"] <= comparison["patients"]:
        return f"4 of 5 studies of this size find a difference of {margin:g}; this one does not settle it"
    ways = _list_ways(needed, comparison) or [f"more than {MOST_PATIENTS:,} patients"]
    return f"to find a difference of {margin:g}, it would take {', or '.join(ways)}"


def _list_ways(needed: Requirements, comparison: PairedComparison) -> list[str]:
    """List what would decide a comparison, beyond what it has."""
    ways: list[str] = []
    if comparison["patients"] < needed["patients"] <= MOST_PATIENTS:
        ways.append(f"about {needed['patients']:.0f} patients instead of {comparison['patients']}")
    if math.isfinite(needed["seeds"]) and needed["seeds"] > comparison["seeds"]:
        ways.append(f"{needed['seeds']:.0f} seeds instead of {comparison['seeds']}")
    if math.isfinite(needed["repeats"]) and needed["repeats"] > comparison["repeats"]:
        now = f" instead of {comparison['repeats']}" if comparison["repeats"] > 1 else ""
        ways.append(f"{needed['repeats']:.0f} repeated partitions{now}")
    if not ways and needed["both_patients"] <= MOST_PATIENTS:
        folds = max(needed["both_folds"], comparison["folds"])
        if needed["both_patients"] > comparison["patients"] or folds > comparison["folds"]:
            patients = max(needed["both_patients"], comparison["patients"])
            ways.append(f"about {patients:.0f} patients and {folds:.0f} folds, so much does a training's luck count")
    return ways


def deal_sets(patients: int, folds: int, repeats: int = 1) -> NDArray[np.intp]:
    """Deal patients to folds: in turn, in further partitions at random.

    Parameters
    ----------
    patients, folds, repeats : int

    Returns
    -------
    ndarray of int, shape (patients, repeats)
        As `paired_model.Pairs.sets`.
    """
    generator = np.random.default_rng(0)
    dealt = np.arange(patients) % folds
    columns = [dealt, *(generator.permutation(dealt) + repeat * folds for repeat in range(1, repeats))]
    return np.stack(columns, axis=1)


def plan_comparison(
    patients: int,
    folds: int,
    family: int = 1,
    deviation: float = DEVIATION,
    luck: float = ASSUMED_LUCK,
    repeats: int = 1,
) -> float:
    """Compute, before any training, the true difference that 4 of 5 such studies would find.

    Parameters
    ----------
    patients, folds : int
        Patients are dealt to the folds in turn.
    family : int
        How many comparisons share the error rate (Bonferroni).
    deviation : float
        Assumed standard deviation of the paired difference over patients.
    luck : float
        Assumed standard deviation of a training's luck, in units of `deviation`.
    repeats : int
        Partitions of the patients into folds. `ASSUMED_NOISE` of the deviation is then new in each.

    Returns
    -------
    float
        In the unit of the deviation; infinite where every verdict would be "refused".
    """
    if patients < FEWEST_PATIENTS:
        return math.inf
    sets = deal_sets(patients, folds, repeats)
    generator = np.random.default_rng(0)
    own = generator.standard_normal((PLANNED_STUDIES, patients))
    shared = luck * generator.standard_normal((PLANNED_STUDIES, int(sets.max()) + 1))
    if repeats > 1:
        noise = ASSUMED_NOISE * generator.standard_normal((PLANNED_STUDIES, *sets.shape))
        parts = deviation * (math.sqrt(1 - ASSUMED_NOISE**2) * own[..., None] + shared[:, sets] + noise)
        pairs = Pairs(parts.mean(axis=-1)[..., None], sets, parts[..., None])
    else:
        pairs = paired_model.make_pairs(deviation * (own + shared[:, sets[:, 0]]), sets[:, 0])
    posterior = paired_model.fit(pairs)
    # a study with a difference is the same study, shifted: find the shift that enough of them call one
    low, high = 0.0, 100 * deviation
    for _ in range(40):
        middle = (low + high) / 2
        found = float(np.mean(2 * posterior.below(-middle) <= ALPHA / family))
        low, high = (low, middle) if found >= POWER else (middle, high)
    return high


def plan_patients(
    margin: float,
    folds: int,
    family: int = 1,
    deviation: float = DEVIATION,
    luck: float = ASSUMED_LUCK,
    repeats: int = 1,
) -> float:
    """Compute how many patients would show a difference as large as the margin in 4 of 5 studies, as assumed.

    Parameters
    ----------
    margin : float
    folds, family, deviation, luck, repeats
        As in `plan_comparison`.

    Returns
    -------
    float
        Infinite where the assumed luck alone is larger.
    """
    own = 1 - ASSUMED_NOISE**2 * (1 - 1 / repeats)
    return _count(own * deviation**2, _aim(margin, family) - (luck * deviation) ** 2 / (folds * repeats))
