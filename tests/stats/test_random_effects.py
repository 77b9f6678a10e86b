"""Pooling of effects, held against other forms of the same computation and against cohorts of known truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.fake_cards import measure_coverage
from neurograft.stats import random_effects
from neurograft.stats.random_effects import find_interval, find_quantile, pool_effects, share_below

EFFECTS = np.array([0.11, 0.02, 0.05, -0.04, 0.09])
ERRORS = np.array([0.02, 0.01, 0.03, 0.02, 0.015])


def cochran(effects, errors, tau):
    """Compute Cochran's Q at a tau, the plain way."""
    weights = [1 / (error**2 + tau**2) for error in errors]
    mean = sum(w * y for w, y in zip(weights, effects)) / sum(weights)
    return sum(w * (y - mean) ** 2 for w, y in zip(weights, effects))


def test_the_estimate_of_tau_is_that_of_statsmodels():
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    rng = np.random.default_rng(1)
    for cohorts in (2, 3, 7):
        effects, errors = rng.normal(0.03, 0.06, cohorts), rng.uniform(0.01, 0.04, cohorts)
        pool, other = pool_effects(effects, errors), meta.combine_effects(effects, errors**2, "pm", atol=1e-10)
        assert pool.estimate**2 == pytest.approx(other.tau2, abs=1e-9)


def test_q_at_every_tau_is_its_quantile():
    pool = pool_effects(EFFECTS, ERRORS)
    shares = (np.arange(random_effects.QUANTILES) + 0.5) / random_effects.QUANTILES
    for tau, share in zip(pool.taus, shares):
        expected = stats.chi2.ppf(share, 4)
        assert cochran(EFFECTS, ERRORS, tau) == pytest.approx(expected, rel=1e-6)
    assert cochran(EFFECTS, ERRORS, pool.estimate) == pytest.approx(4)
    low, high = random_effects.find_tau_interval(pool)
    assert low < pool.estimate < high


def test_the_mixture_is_that_of_drawn_effects():
    """Drawn the plain way: a chi-squared value, its tau, a mean, and the effect of a further cohort."""
    pool = pool_effects(EFFECTS, ERRORS)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, random_effects.QUANTILES, 200_000)
    means = pool.centres[drawn] + pool.errors[drawn] * rng.standard_normal(len(drawn))
    further = means + pool.taus[drawn] * rng.standard_normal(len(drawn))
    for values, new in ((means, False), (further, True)):
        assert find_interval(pool, new) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.004)
        assert share_below(pool, 0.02, new) == pytest.approx(np.mean(values < 0.02), abs=0.005)


@settings(max_examples=30)
@given(st.floats(-1, 1), st.floats(0.01, 100), st.booleans())
def test_another_unit_and_origin_change_nothing_else(shift, factor, new):
    ends = find_interval(pool_effects(EFFECTS, ERRORS), new)
    moved = find_interval(pool_effects(shift + factor * EFFECTS, factor * ERRORS), new)
    assert moved == pytest.approx([shift + factor * end for end in ends], abs=1e-6 * factor)


def test_many_pools_are_each_what_they_are_alone():
    rng = np.random.default_rng(2)
    effects, errors = rng.normal(0, 0.1, (3, 4, 5)), rng.uniform(0.01, 0.1, (3, 4, 5))
    pool = pool_effects(effects, errors)
    low, high = find_interval(pool, new=True)
    assert low.shape == (3, 4)
    alone = find_interval(pool_effects(effects[2, 1], errors[2, 1]), new=True)
    assert (low[2, 1], high[2, 1]) == pytest.approx(alone)


def test_quantile_and_share_are_inverse_and_ordered():
    pool = pool_effects(EFFECTS, ERRORS)
    for new in (False, True):
        values = [float(find_quantile(pool, share, new)) for share in (0.01, 0.2, 0.5, 0.9)]
        assert values == sorted(values)
        assert [float(share_below(pool, value, new)) for value in values] == pytest.approx([0.01, 0.2, 0.5, 0.9])
    inner, outer = find_interval(pool), find_interval(pool, new=True)
    assert outer[0] < inner[0] < inner[1] < outer[1]


@pytest.mark.parametrize("effects", [[0.03, 0.03, 0.03], [0.0, 0.0], [0.03, 0.0300001, 0.03, 0.03]])
def test_cohorts_that_agree_by_luck_leave_room_for_a_further_one(effects):
    pool = pool_effects(effects, [0.01] * len(effects))
    (low, high), (least, most) = find_interval(pool), find_interval(pool, new=True)
    assert pool.estimate == 0 and pool.heterogeneity == 0
    assert np.isfinite([least, most]).all() and most - least > 1.2 * (high - low)
    assert low < np.mean(effects) < high


def test_cohorts_that_lie_far_apart_count_about_the_same():
    pool = pool_effects([0.0, 1.0, 2.0], [0.001, 0.1, 0.001])
    assert pool.heterogeneity > 0.99
    assert float(find_quantile(pool, 0.5)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("effects", "errors"),
    [([0.1], [0.1]), ([0.1, 0.2], [0.1, 0.0]), ([0.1, np.nan], [0.1, 0.1]), ([0.1, 0.2], [0.1, np.nan])],
)
def test_what_cannot_be_pooled_is_refused(effects, errors):
    with pytest.raises(ValueError, match="two or more cohorts"):
        pool_effects(effects, errors)


def test_intervals_hold_the_truth_of_simulated_cohorts():
    """The short version of `benchmarks/pooled_coverage.py`: 300 studies a setting, a fixed seed."""
    rows = [
        measure_coverage(kind, cohorts, tau, studies=300)
        for kind in ("equal", "mixed")
        for cohorts in (3, 5, 10)
        for tau in (0.0, 0.02, 0.05)
    ]
    for name in ("mean", "new"):
        covered = [row[name] for row in rows]
        # 0.92 is three standard errors of 300 studies below 0.95
        assert min(covered) > 0.92 and np.mean(covered) > 0.95, name
    # what is usual fails where cohorts differ
    assert min(row["HKSJ"] for row in rows) < 0.93 and min(row["t(k-2)"] for row in rows) < 0.9
