"""Cohorts of known truth that tell nothing but an effect and its error, and the cards that they would write."""

import copy

import numpy as np
from scipy import stats

from neurograft.stats import random_effects

MEAN = 0.03


def _equal(rng, shape):
    return rng.integers(8, 61, shape), np.full(shape, 0.12)


def _small(rng, shape):
    return np.full(shape, 8), np.full(shape, 0.12)


def _mixed(rng, shape):
    return rng.choice([8, 60], shape), rng.choice([0.06, 0.2], shape)


# patients of each cohort, and their spread
COHORTS = {"equal": _equal, "small": _small, "mixed": _mixed}


def simulate_cohorts(kind, studies, cohorts, tau, seed=0):
    """Simulate the effect that each cohort tells, its standard error, and the true effect of a further cohort."""
    rng = np.random.default_rng([seed, cohorts, round(1000 * tau), list(COHORTS).index(kind)])
    shape = (studies, cohorts)
    patients, spread = COHORTS[kind](rng, shape)
    truth = MEAN + tau * rng.standard_normal(shape)
    effects = truth + spread / np.sqrt(patients) * rng.standard_normal(shape)
    errors = spread * np.sqrt(rng.chisquare(patients - 1) / (patients - 1) / patients)
    return effects, errors, MEAN + tau * rng.standard_normal(studies)


def measure_coverage(kind, cohorts, tau, studies, seed=0):
    """Count how often intervals hold the true mean, and a further cohort's true effect, ours and the usual ones."""
    effects, errors, further = simulate_cohorts(kind, studies, cohorts, tau, seed)
    pool = random_effects.pool_effects(effects, errors)
    below = [random_effects.share_below(pool, truth, new) for truth, new in ((MEAN, False), (further, True))]
    inside = [float(np.mean((share >= 0.025) & (share <= 0.975))) for share in below]
    centre, half, usual = _combine(effects, errors, pool.estimate)
    return {
        "mean": inside[0],
        "HKSJ": float(np.mean(np.abs(centre - MEAN) <= half)),
        "new": inside[1],
        "t(k-2)": float(np.mean(np.abs(further - centre) <= usual[0])),
        "t(k-1)": float(np.mean(np.abs(further - centre) <= usual[1])),
    }


def measure_widths(kind, cohorts, tau, studies, seed=0):
    """Measure the median half widths of the intervals, ours and the usual ones."""
    effects, errors, _ = simulate_cohorts(kind, studies, cohorts, tau, seed)
    pool = random_effects.pool_effects(effects, errors)
    ours = [np.subtract(*random_effects.find_interval(pool, new)[::-1]) / 2 for new in (False, True)]
    _, half, usual = _combine(effects, errors, pool.estimate)
    widths = {"mean +-": ours[0], "HKSJ +-": half, "new +-": ours[1], "k-2 +-": usual[0]}
    return {name: float(np.median(values)) for name, values in widths.items()}


def _combine(effects, errors, tau):
    """Return the usual mean, the half width of its interval (HKSJ, guarded), and those of two prediction intervals."""
    weights = 1 / (errors**2 + tau[:, None] ** 2)
    total = weights.sum(axis=1)
    centre = (weights * effects).sum(axis=1) / total
    freedom = effects.shape[1] - 1
    variance = (weights * (effects - centre[:, None]) ** 2).sum(axis=1) / freedom / total
    half = np.maximum(stats.t.ppf(0.975, freedom) * np.sqrt(variance), stats.norm.ppf(0.975) / np.sqrt(total))
    spread = np.sqrt(tau**2 + np.maximum(variance, 1 / total))
    quantiles = [stats.t.ppf(0.975, left) if left else np.inf for left in (freedom - 1, freedom)]
    return centre, half, [quantile * spread for quantile in quantiles]


def make_arm(mean=0.03, error=0.01, **changes):
    """Make the entry of an arm."""
    arm = {"strategy": "lp-ft", "parameters": {}, "source": "efficientnet-lite0", "n": "all", "steps": 450}
    arm |= {"patients": 20, "mean_difference": mean, "standard_error": error}
    return arm | {"patient_spread": None, "luck_spread": None, "verdict": "undecided"} | changes


def make_card(*arms, simulated=False, **changes):
    """Make a card with one question; `changes` are of the question."""
    question = {"task": "segmentation", "target": "", "region": "WT", "metric": "dice", "better": "higher"}
    question |= {"margin": 0.02, "split": "folds", "folds": 5, "seeds": 1, "sizes": ["all"], "patients": 20}
    question |= {"arms": copy.deepcopy(list(arms))}
    card = {
        "format": 1,
        "simulated": simulated,
        "repeats": 1,
        "versions": {"neurograft": "0.1.0", "torch": "2.13.0+cpu"},
    }
    return card | {"questions": [question | changes]}
