"""How often would the verdict be wrong? Simulated studies of a run's own size, whose truth is known."""

from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from neurograft.stats import paired_verdict
from neurograft.stats.paired_verdict import PairedComparison

Floats: TypeAlias = NDArray[np.float64]

STUDIES = 1000
SIGNS = 1000  # enough for a p of 0.05 over the family, a hundredth of the time
BEYOND = 1.25  # of the detectable difference
# skewness of the patients' differences, and a fold's shared training luck in units of their spread
SCENARIOS = ((0.0, 0.0), (0.0, 0.5), (1.0, 0.3), (2.0, 0.3))


class ErrorRates(TypedDict):
    """How often simulated studies of one scenario are judged wrongly, and how often rightly."""

    patients: int
    folds: int
    family: int
    skew: float
    fold_effect: float
    studies: int
    false_verdicts: float
    coverage: float
    power: float


def tabulate_error_rates(
    patients: int, folds: int, family: int, studies: int = STUDIES, seed: int = 0
) -> list[ErrorRates]:
    """Simulate studies, judge them with the functions that judge real ones, and count the mistakes.

    Parameters
    ----------
    patients, folds : int
        Patients are dealt to the folds in turn.
    family : int
        How many comparisons share the error rate.
    studies, seed : int

    Returns
    -------
    list of dict
        A row for each of `SCENARIOS`: `patients`, `folds`, `family`, `skew`, `fold_effect`, `studies`,
        `false_verdicts` (share of studies without any true difference that give one or more verdicts), `coverage`
        (share of their 95 % intervals that hold the true 0) and `power` (share of studies that say "helps" of the first
        comparison, whose true difference is 1.25 times the mean detectable one). Empty where
        every verdict would be refused.
    """
    fold = np.arange(patients) % folds
    example = paired_verdict.paired_comparison(np.arange(patients, dtype=float), fold, family)
    if patients < 2 or paired_verdict.judge(example, 1.0, family)[0] == "refused":
        return []
    rows: list[ErrorRates] = []
    for number, (skew, fold_effect) in enumerate(SCENARIOS):
        generator = np.random.default_rng([seed, number])
        simulated = simulate_studies(generator, studies, patients, folds, family, skew, fold_effect)
        judged = [_judge_study(study, fold) for study in simulated]
        compared = [comparison for study, _ in judged for comparison in study]
        simulated[:, 0] += BEYOND * np.mean([comparison["detectable"] for comparison in compared])
        detected = [_judge_study(study, fold)[1][0] == "helps" for study in simulated]
        rows.append({
            "patients": patients, "folds": folds, "family": family, "skew": skew, "fold_effect": fold_effect,
            "studies": studies,
            "false_verdicts": float(np.mean([any(v != "no evidence" for v in verdicts) for _, verdicts in judged])),
            "coverage": float(np.mean([row["low"] <= 0 <= row["high"] for row in compared])),
            "power": float(np.mean(detected)),
        })  # fmt: skip
    return rows


def simulate_studies(
    generator: np.random.Generator,
    studies: int,
    patients: int,
    folds: int,
    family: int,
    skew: float = 0.0,
    fold_effect: float = 0.0,
) -> Floats:
    """Draw paired differences of studies in which no strategy differs from scratch.

    Every comparison of a family shares its control, so half of a patient's difference and half of a fold's luck are
    common to the family.

    Parameters
    ----------
    generator : numpy.random.Generator
    studies, patients, folds, family : int
    skew : float
        Skewness of a patient's difference, at least 0; its standard deviation is 1.
    fold_effect : float
        Standard deviation of what the patients of a fold share, for they were scored by the same networks.

    Returns
    -------
    ndarray, shape (studies, family, patients)
    """

    def draw(count: int) -> Floats:
        differences = _draw_skewed(generator, (studies, count, patients), skew * np.sqrt(2))
        runs = fold_effect * generator.standard_normal((studies, count, folds))
        return differences + runs[..., np.arange(patients) % folds]

    return (draw(1) + draw(family)) / np.sqrt(2)


def _draw_skewed(generator: np.random.Generator, shape: tuple[int, ...], skew: float) -> Floats:
    """Draw numbers of mean 0 and standard deviation 1 with a skewness."""
    if not skew:
        return generator.standard_normal(shape)
    order = 4 / skew**2
    return (order - generator.gamma(order, size=shape)) / np.sqrt(order)


def _judge_study(study: Floats, fold: NDArray[np.intp]) -> tuple[list[PairedComparison], list[str]]:
    """Compare and judge every member of a family as the run itself does."""
    family = len(study)
    compared = [paired_verdict.paired_comparison(differences, fold, family, SIGNS) for differences in study]
    adjusted = paired_verdict.holm([comparison["p"] for comparison in compared])
    return compared, [paired_verdict.judge(row, p, family)[0] for row, p in zip(compared, adjusted)]
