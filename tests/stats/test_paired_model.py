"""The posterior of a mean difference: against brute force, known special cases, and simulated studies."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from neurograft.stats import paired_model
from neurograft.stats.paired_model import Pairs


def of(values, folds=None, **options):
    return paired_model.fit(paired_model.make_pairs(values, folds), **options)


def test_without_luck_it_is_the_t_distribution():
    values = np.random.default_rng(0).normal(0.02, 0.1, 30)
    found = of(values, np.arange(30) % 5, luck=1e-9)
    freedom = 29 - paired_model.ASYMMETRY
    error = values.std(ddof=1) * np.sqrt(29 / freedom) / np.sqrt(30)
    for share in (0.025, 0.5, 0.9):
        assert found.quantile(share) == pytest.approx(stats.t.ppf(share, freedom, values.mean(), error), abs=1e-6)
    assert float(found.below(0.05)) == pytest.approx(stats.t.cdf(0.05, freedom, values.mean(), error))


def test_it_is_the_posterior_of_the_model():
    """Against a numerical integral over luck of the dense normal model, without any of the shortcuts."""
    rng = np.random.default_rng(3)
    folds = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    values = rng.normal(0.1, 1, 10) + np.array([0.8, -0.5, 0.1])[folds]
    together = (folds[:, None] == folds).astype(float)
    freedom = 9 - paired_model.ASYMMETRY

    def weigh(size, at):
        ratio = paired_model.LUCK * abs(size) ** paired_model.SHAPE
        inverse = np.linalg.inv(np.eye(10) + ratio**2 * together)
        precision = inverse.sum()
        centre = (inverse @ values).sum() / precision
        squares = values @ inverse @ values - precision * centre**2
        weight = np.sqrt(np.linalg.det(inverse) / precision) * squares ** (-freedom / 2) * stats.norm.pdf(size)
        return weight * (1 if at is None else stats.t.cdf(at, freedom, centre, np.sqrt(squares / freedom / precision)))

    whole = integrate.quad(weigh, 0, 8, (None,))[0]
    found = of(values, folds)
    for at in (-0.5, 0.0, 0.4):
        assert float(found.below(at)) == pytest.approx(integrate.quad(weigh, 0, 8, (at,))[0] / whole, abs=4e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([1e-3, 1.0, 50.0]))
def test_units_and_direction_do_not_matter(patients, folds, seed, unit):
    values = np.random.default_rng(seed).normal(0.3, 1, patients)
    fold = np.arange(patients) % folds
    one, scaled, turned = of(values, fold), of(unit * values, fold), of(-values, fold)
    for share in (0.025, 0.5, 0.975):
        assert scaled.quantile(share) == pytest.approx(unit * one.quantile(share), rel=1e-4, abs=1e-6 * unit)
        assert turned.quantile(1 - share) == pytest.approx(-one.quantile(share), rel=1e-4, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.integers(1, 4))
def test_nothing_lies_beyond_the_bounds(scores, folds):
    found = of(scores, np.arange(len(scores)) % folds, bounds=(0, 1), least_spread=0.05)
    low, high = found.quantile(0.001), found.quantile(0.999)
    assert 0 <= low < high <= 1
    assert (float(found.below(0.0)), float(found.below(1.0))) == (0, 1)
    taking, leaving = found.expected_loss()
    assert taking == pytest.approx(0, abs=1e-9) and leaving == pytest.approx(found.mean(), abs=2e-3)


def test_expected_losses_are_the_means_of_both_parts():
    values = np.random.default_rng(1).normal(0.02, 0.1, 12)
    found = of(values, np.arange(12) % 4)
    drawn = np.random.default_rng(2)
    part = drawn.choice(len(found.weights), 1_000_000, p=found.weights)
    means = found.centres[part] + found.scales[part] * drawn.standard_t(found.freedom, 1_000_000)
    taking, leaving = found.expected_loss()
    assert taking == pytest.approx(np.maximum(-means, 0).mean(), rel=0.03)
    assert leaving == pytest.approx(np.maximum(means, 0).mean(), rel=0.03)


def test_luck_that_the_folds_show_widens_the_interval():
    rng = np.random.default_rng(4)
    fold = np.arange(40) % 5
    own = rng.normal(0, 1, 40)
    own -= np.array([own[fold == k].mean() for k in range(5)])[fold]
    calm, lucky = of(own, fold), of(own + np.array([-1, -0.5, 0, 0.5, 1.0])[fold], fold)
    width = [found.quantile(0.975) - found.quantile(0.025) for found in (calm, lucky)]
    assert width[1] > 1.5 * width[0]
    assert float(lucky.luck_spread) > 2 * float(calm.luck_spread)


def test_seeds_that_agree_narrow_it_and_seeds_that_differ_do_not():
    rng = np.random.default_rng(5)
    fold = np.arange(20) % 4
    own = rng.normal(0, 1, 20)[:, None] + rng.normal(0, 0.05, (20, 3))
    luck = 1.5 * rng.standard_normal((4, 3))
    luck -= luck.mean(axis=1, keepdims=True)
    agreeing, differing = (paired_model.fit(Pairs(values, fold[:, None])) for values in (own, own + luck[fold]))
    assert float(differing.luck_spread) > 2 * float(agreeing.luck_spread)
    assert float(differing.seed_share) > float(agreeing.seed_share)


def test_repeated_partitions_lessen_the_luck():
    rng = np.random.default_rng(6)
    values = rng.normal(0, 1, 24)[:, None]
    once = (np.arange(24) % 3)[:, None]
    again = np.column_stack([once[:, 0], *(3 * k + rng.permutation(24) % 3 for k in range(1, 5))])
    widths = []
    for sets in (once, again):
        found = paired_model.fit(Pairs(values, sets))
        widths.append(found.quantile(0.975) - found.quantile(0.025))
    assert widths[1] < widths[0]


def simulate(luck, shift=0.0, patients=20, repeats=3):
    """Differences of one study in several partitions of three folds, with little noise."""
    rng = np.random.default_rng(8)
    sets = np.stack([rng.permutation(np.arange(patients) % 3) + 3 * repeat for repeat in range(repeats)], axis=1)
    parts = rng.normal(shift, 1, (patients, 1)) + luck * rng.standard_normal(3 * repeats)[sets]
    parts = (parts + 0.1 * rng.standard_normal(parts.shape))[..., None]
    return Pairs(parts.mean(axis=1), sets, parts)


def test_partitions_that_agree_show_that_there_is_no_luck_and_others_that_there_is():
    calm, lucky = (paired_model.fit(simulate(luck)) for luck in (0.0, 1.0))
    blind = paired_model.fit(dataclasses.replace(simulate(0.0), parts=None))
    assert float(calm.luck_spread) < 0.1 < 0.5 < float(lucky.luck_spread) < 2
    width = [found.quantile(0.975) - found.quantile(0.025) for found in (calm, blind)]
    # as wide as a t interval over the patients, whose luck is none
    assert width[0] < 0.9 * width[1] and width[0] == pytest.approx(2 * 2.093 / np.sqrt(20), rel=0.3)


def test_a_patient_who_lacks_a_partition_counts_in_the_others():
    pairs = simulate(0.5)
    pairs.sets[0, 2], pairs.parts[0, 2] = -1, np.nan
    found = paired_model.fit(pairs)
    assert np.isfinite(float(found.below(0.0))) and 0.1 < float(found.luck_spread) < 1.5
    # nobody has all of them: the means alone are left
    pairs.parts[:, 1] = np.nan
    alone = paired_model.fit(dataclasses.replace(pairs, parts=None))
    assert float(paired_model.fit(pairs).luck_spread) == pytest.approx(float(alone.luck_spread))


def test_sets_are_numbered_and_a_missing_one_has_no_number():
    assert paired_model.number_sets([("0", "3"), ("1",), ("0", "2")]).tolist() == [[0, 3], [1, -1], [0, 2]]
    assert paired_model.number_sets([("b",), ("a",)]).tolist() == [[1], [0]]
    assert paired_model.number_sets([]).shape == (0, 1)


def test_few_patients_in_many_partitions_and_equal_ones_do_not_fail():
    for patients in (2, 4, 6):
        found = paired_model.fit(simulate(0.3, patients=patients, repeats=5))
        assert np.isfinite(found.quantile(0.025)) and float(found.luck_spread) < 10
    pairs = simulate(0.0)
    same = Pairs(np.zeros_like(pairs.values), pairs.sets, np.zeros_like(pairs.parts))
    assert np.isfinite(paired_model.fit(same, least_spread=0.05).quantile(0.975))


def test_equal_differences_of_few_patients_are_not_certain():
    sure, unsure = of(np.zeros(6)), of(np.zeros(6), least_spread=1.0)
    assert float(sure.below(0.01)) == pytest.approx(1)
    assert float(unsure.below(0.1)) - float(unsure.below(-0.1)) < 0.5


def test_many_studies_at_once_are_the_same_as_one_by_one():
    values, fold = np.random.default_rng(7).normal(size=(3, 2, 9, 2)), (np.arange(9) % 3)[:, None]
    every = paired_model.fit(Pairs(values, fold)).below(0.1)
    for place in np.ndindex(3, 2):
        assert every[place] == pytest.approx(float(paired_model.fit(Pairs(values[place], fold)).below(0.1)))


def test_a_shift_is_a_study_with_larger_differences():
    values = np.random.default_rng(8).normal(size=10)
    moved = paired_model.shift(of(values, np.arange(10) % 5), 0.7)
    assert float(moved.below(0.3)) == pytest.approx(float(of(values + 0.7, np.arange(10) % 5).below(0.3)))
