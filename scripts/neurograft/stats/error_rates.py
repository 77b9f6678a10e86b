"""How often would the verdict be wrong? Simulated studies of a run's own size, whose truth is known."""

import numpy as np

from neurograft.stats import comparisons

STUDIES = 1000
SIGNS = 1000  # enough for a p of 0.05 over the family, a hundredth of the time
BEYOND = 1.25  # of the detectable difference
# skewness of the patients' differences, and a fold's shared training luck in units of their spread
SCENARIOS = ((0.0, 0.0), (0.0, 0.5), (1.0, 0.3), (2.0, 0.3))


def tabulate_error_rates(patients, folds, family, studies=STUDIES, seed=0):
    """Simulate studies through the verdict's own functions, and count its mistakes.

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
    one = comparisons.paired_comparison(np.arange(patients, dtype=float), fold, family)
    if patients < 2 or comparisons.judge(one, 1.0, family)[0] == "refused":
        return []
    rows = []
    for number, (skew, fold_effect) in enumerate(SCENARIOS):
        generator = np.random.default_rng([seed, number])
        made = simulate_studies(generator, studies, patients, folds, family, skew, fold_effect)
        judged = [_judge_study(study, fold) for study in made]
        compared = [one for study, _ in judged for one in study]
        shift = BEYOND * np.mean([one["detectable"] for one in compared])
        made[:, 0] += shift
        found = [_judge_study(study, fold)[1][0] == "helps" for study in made]
        rows.append({
            "patients": patients, "folds": folds, "family": family, "skew": skew, "fold_effect": fold_effect,
            "studies": studies,
            "false_verdicts": float(np.mean([any(v != "no evidence" for v in verdicts) for _, verdicts in judged])),
            "coverage": float(np.mean([one["low"] <= 0 <= one["high"] for one in compared])),
            "power": float(np.mean(found)),
        })  # fmt: skip
    return rows


def simulate_studies(generator, studies, patients, folds, family, skew=0.0, fold_effect=0.0):
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

    def draw(count):
        own = _skewed(generator, (studies, count, patients), skew * np.sqrt(2))
        runs = fold_effect * generator.standard_normal((studies, count, folds))
        return own + runs[..., np.arange(patients) % folds]

    return (draw(1) + draw(family)) / np.sqrt(2)


def _skewed(generator, shape, skew):
    """Draw numbers of mean 0 and standard deviation 1 with a skewness."""
    if not skew:
        return generator.standard_normal(shape)
    order = 4 / skew**2
    return (order - generator.gamma(order, size=shape)) / np.sqrt(order)


def _judge_study(study, fold):
    """Compare and judge every member of a family as the run itself does."""
    family = len(study)
    compared = [comparisons.paired_comparison(one, fold, family, SIGNS) for one in study]
    adjusted = comparisons.holm([one["p"] for one in compared])
    return compared, [comparisons.judge(one, p, family)[0] for one, p in zip(compared, adjusted)]
