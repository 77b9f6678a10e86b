"""Intervals and verdicts held against simulated studies whose truth is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurograft.stats import paired_verdict

STUDIES = 1000


def simulate(rng, patients, folds, skew, shared, delta=0.0, studies=STUDIES):
    """Score-level studies: patients' spread 1 (skewed), fold and fold-by-seed effects, seed noise.

    Returns differences averaged over seeds, shape (studies, patients), and the fold of each patient.
    """
    seeds = 2
    own = rng.standard_normal((studies, patients))
    if skew:
        shape = 4 / skew**2
        own = (shape - rng.gamma(shape, size=(studies, patients))) / np.sqrt(shape)
    fold = np.arange(patients) % folds
    runs = shared * rng.standard_normal((studies, folds))
    runs += 0.3 * (shared > 0) * rng.standard_normal((studies, folds, seeds)).mean(-1)
    noise = 0.3 * rng.standard_normal((studies, patients, seeds)).mean(-1)
    return delta + own + runs[:, fold] + noise, fold


def conclude(values, folds, family, draws=1000):
    """Everything that is printed of every study; the verdict with Bonferroni, Holm's strictest step."""
    compared = [paired_verdict.paired_comparison(one, folds, family, draws) for one in values]
    verdicts = [paired_verdict.judge(one, min(1, one["p"] * family), family)[0] for one in compared]
    return compared, np.array(verdicts)


SHAPES = [(8, 4, 1), (10, 5, 1), (10, 5, 3), (12, 3, 1), (15, 5, 2), (40, 5, 1)]


@pytest.mark.parametrize(("patients", "folds", "family"), SHAPES)
@pytest.mark.parametrize(("skew", "shared"), [(0, 0), (0, 0.5), (2, 0.3)])
def test_simulated_studies_are_judged_rightly(patients, folds, family, skew, shared):
    rng = np.random.default_rng(11)
    values, fold = simulate(rng, patients, folds, skew, shared)
    compared, verdicts = conclude(values, fold, family)
    covered = np.mean([one["low"] <= 0 <= one["high"] for one in compared])
    assert 0.92 <= covered <= 0.98
    assert np.mean(verdicts != "no evidence") <= 0.08
    large = 1.25 * np.mean([one["detectable"] for one in compared])
    for delta, right in ((large, "helps"), (-large, "hurts")):
        assert np.mean(conclude(values[:250] + delta, fold, family)[1] == right) >= 0.8


def test_a_plain_t_interval_would_not_hold_under_a_shared_fold_effect():
    values, fold = simulate(np.random.default_rng(3), 40, 5, 0, 0.5)
    half = stats.t.ppf(0.975, 39) * values.std(axis=1, ddof=1) / np.sqrt(40)
    assert np.mean(np.abs(values.mean(axis=1)) <= half) < 0.85
    errors = [paired_verdict.standard_error(one, fold) for one in values]
    half = [stats.t.ppf(0.975, freedom) * error for error, freedom in errors]
    assert np.mean(np.abs(values.mean(axis=1)) <= half) >= 0.92


def test_a_family_sharing_its_control_has_few_false_verdicts():
    rng = np.random.default_rng(5)
    control, fold = simulate(rng, 10, 5, 1, 0.3)
    arms = [simulate(rng, 10, 5, 1, 0.3)[0] - control for _ in range(4)]
    wrong = 0
    for study in zip(*arms):
        compared = [paired_verdict.paired_comparison(one, fold, 4) for one in study]
        adjusted = paired_verdict.holm([one["p"] for one in compared])
        verdicts = [paired_verdict.judge(*pair, 4)[0] for pair in zip(compared, adjusted)]
        wrong += any(verdict != "no evidence" for verdict in verdicts)
    assert wrong / STUDIES <= 0.08


def family_of_six(rng, patients, folds, skew, shared, studies):
    """A/A: three sources by two strategies, all equal to scratch; arms of a source share half its training luck."""
    scratch, fold = simulate(rng, patients, folds, skew, shared, studies=studies)
    arms = []
    for _ in range(3):
        source = simulate(rng, patients, folds, skew, shared, studies=studies)[0]
        pair = (simulate(rng, patients, folds, skew, shared, studies=studies)[0] for _ in range(2))
        arms += [0.5 * source + own - scratch for own in pair]
    return np.stack(arms, axis=1), fold


@pytest.mark.parametrize(("patients", "folds"), [(10, 5), (20, 5), (40, 5), (20, 3)])
@pytest.mark.parametrize(("skew", "shared"), [(1, 0.3), (0, 0.5)])
def test_a_family_of_several_sources_has_few_false_verdicts(patients, folds, skew, shared):
    families, fold = family_of_six(np.random.default_rng(7), patients, folds, skew, shared, 250)
    wrong = 0
    for study in families:
        compared = [paired_verdict.paired_comparison(one, fold, 6, draws=1000) for one in study]
        adjusted = paired_verdict.holm([one["p"] for one in compared])
        wrong += any(paired_verdict.judge(*pair, 6)[0] != "no evidence" for pair in zip(compared, adjusted))
    assert wrong / len(families) <= 0.08


def test_the_sign_flip_test_alone_would_not_hold_in_that_family():
    families, _ = family_of_six(np.random.default_rng(7), 40, 5, 0, 0.5, 100)
    adjusted = [paired_verdict.holm([paired_verdict.sign_flip(one, draws=1000) for one in study]) for study in families]
    assert np.mean(np.min(adjusted, axis=1) < 0.05) > 0.2


@pytest.mark.parametrize(("patients", "folds", "family"), [(10, 5, 1), (20, 5, 3), (40, 4, 6)])
def test_the_difference_planned_for_is_found(patients, folds, family):
    planned = paired_verdict.smallest_difference(patients, folds, family)
    rng = np.random.default_rng(1)
    fold = np.arange(patients) % folds
    values = rng.normal(0, 0.15, (400, patients))
    found = np.mean(conclude(values + planned, fold, family)[1] == "helps")
    assert 0.85 <= found <= 0.95  # nominal 0.9: neither too hopeful nor too shy
    assert np.mean(conclude(values + planned / 2, fold, family)[1] == "helps") < 0.6


def test_planning_knows_its_limits():
    plan = paired_verdict.smallest_difference
    assert 0.09 < plan(20, 5) < 0.15  # half-width 0.07 at a deviation of 0.15
    assert plan(10, 5) > plan(20, 5) > plan(40, 5) and plan(20, 5, 4) > plan(20, 5)
    assert plan(20, 5, deviation=0.3) == pytest.approx(2 * plan(20, 5))
    assert all(np.isinf(value) for value in (plan(6, 3, 2), plan(20, 2), plan(1, 5), plan(4, 4)))


def test_without_folds_it_is_the_paired_t_interval():
    values = np.random.default_rng(0).normal(0.02, 0.1, 9)
    made = paired_verdict.paired_comparison(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (made["low"], made["high"]) == pytest.approx((low, high))
    assert made["patients"] == made["folds"] == 9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_sign_flip_counts_every_sign(values):
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((-1, 1), repeat=len(values))]
    assert paired_verdict.sign_flip(np.array(values, float)) == pytest.approx(
        np.mean(np.array(sums) >= abs(sum(values)))
    )


def test_drawn_signs_agree_with_all_signs():
    values = np.random.default_rng(2).normal(0.3, 1, 20)
    exact = paired_verdict.sign_flip(values)
    assert exact * 2**19 == pytest.approx(round(exact * 2**19))  # up to 20 patients every sign is counted
    drawn = paired_verdict.sign_flip(values, draws=60_000)
    assert drawn != exact and drawn == paired_verdict.sign_flip(values, draws=60_000)
    assert drawn == pytest.approx(exact, abs=0.005)
    assert paired_verdict.sign_flip(np.ones(30)) == pytest.approx(1 / (paired_verdict.DRAWS + 1))


def test_smallest_p_and_refusals():
    same = np.full(6, 0.1) + np.arange(6) * 0.01
    made = paired_verdict.paired_comparison(same, np.arange(6) % 3)
    assert made["p"] == 2 / 2**6
    assert paired_verdict.judge(made, made["p"], 1)[0] == "helps"
    verdict, reason = paired_verdict.judge(made, 2 * made["p"], 2)
    assert verdict == "refused" and "6 patients cannot show" in reason
    assert np.isinf(paired_verdict.paired_comparison(same, family=2)["detectable"])
    two = paired_verdict.paired_comparison(np.arange(1.0, 9), np.arange(8) % 2)
    assert paired_verdict.judge(two, 0.01, 1) == ("refused", paired_verdict.judge(two, 0.01, 1)[1])
    assert "2 folds are too few" in paired_verdict.judge(two, 0.01, 1)[1]


def test_direction_of_the_metric():
    better = paired_verdict.paired_comparison(np.linspace(1, 2, 8))
    assert paired_verdict.judge(better, 0.01, 1, "higher")[0] == "helps"
    assert paired_verdict.judge(better, 0.01, 1, "lower")[0] == "hurts"
    assert paired_verdict.judge(better, 0.2, 1)[0] == "no evidence"
    assert f"{better['detectable']:.3g}" in paired_verdict.judge(better, 0.2, 1)[1]


def test_degenerate_studies_do_not_fail():
    zeros = paired_verdict.paired_comparison(np.zeros(8), np.arange(8) % 4)
    assert (zeros["mean"], zeros["low"], zeros["high"], zeros["p"]) == (0, 0, 0, 1)
    assert paired_verdict.judge(zeros, 1, 1)[0] == "no evidence"
    for values in ([], [0.3], [np.nan, 0.3]):
        made = paired_verdict.paired_comparison(values)
        assert np.isnan(made["low"]) and paired_verdict.judge(made, np.nan, 1)[0] == "refused"
    with_gap = paired_verdict.paired_comparison([0.1, np.nan, 0.3, 0.2], [0, 1, 1, 2])
    assert with_gap["patients"] == 3 and with_gap["folds"] == 3 and with_gap["mean"] == pytest.approx(0.2)


def test_holm_against_a_naive_form():
    values = np.array([0.04, 0.001, 0.03, 0.5])
    assert paired_verdict.holm(values) == pytest.approx([0.09, 0.004, 0.09, 0.5])
    assert paired_verdict.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert len(paired_verdict.holm([])) == 0
