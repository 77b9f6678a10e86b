"""Intervals hold what they promise on data of known truth, and are refused where too few patients forbid them."""

import numpy as np
import pytest

from neurograft.stats import conformal, ridge


def fit(features, values):
    return ridge.fit_ridge(features, values).predict


def draw(random, count):
    """Skewed errors whose spread grows with the feature: nothing that the regression assumes."""
    features = random.normal(0, 1, (count, 2))
    noise = (random.exponential(1, count) - 1) * (0.2 + 0.4 * np.abs(features[:, 0]))
    return features, features[:, 0] + noise


def test_the_fewest_patients():
    assert [conformal.fewest_patients(level) for level in (0.5, 0.8, 0.9, 0.95)] == [1, 4, 9, 19]
    values, weights = np.arange(9.0), np.ones(9)
    assert conformal.conformal_quantile(values, weights, 0.9) == 8
    assert conformal.conformal_quantile(values[:8], weights[:8], 0.9) == np.inf
    assert conformal.conformal_quantile(values, weights, 0.5) == 4


@pytest.mark.parametrize("count", [12, 30])
def test_a_new_patient_is_covered_as_often_as_promised(count):
    random, inside, wide = np.random.default_rng(count), [], []
    for _ in range(60):
        features, values = draw(random, count)
        names = [f"p{k}" for k in range(count)]
        groups = conformal.group_patients(names)
        calibrated = conformal.calibrate(features, values, names, groups, fit)
        fresh, truth = draw(random, 10)
        ends = [conformal.conformal_interval(calibrated, row, 0.8) for row in fresh]
        inside += [low <= value <= high for (low, high), value in zip(ends, truth)]
        wide += [high - low for low, high in ends]
    # 60 calibrations: the share has a standard error of about 0.02
    assert 0.76 < np.mean(inside) < 0.9 and np.median(wide) < 2


def test_those_of_known_value_are_covered_too_though_each_is_judged_without_himself():
    random, inside = np.random.default_rng(3), []
    for _ in range(12):
        features, values = draw(random, 15)
        names = [f"p{k}" for k in range(15)]
        predicted, low, high = conformal.cross_intervals(features, values, names, fit, 0.8)
        assert np.isfinite(predicted).all()
        inside += ((values >= low) & (values <= high)).tolist()
    assert 0.75 < np.mean(inside) < 0.92


def test_nobody_is_judged_by_what_was_learnt_of_himself():
    random = np.random.default_rng(4)
    features, values = draw(random, 12)
    names = [f"p{k // 2}" for k in range(12)]  # two visits each
    first = conformal.cross_intervals(features, values, names, fit, 0.7)
    changed = values.copy()
    changed[:2] += 100
    second = conformal.cross_intervals(features, changed, names, fit, 0.7)
    for before, after in zip(first, second):
        assert np.array_equal(before[:2], after[:2]) and not np.array_equal(before[2:], after[2:])


def test_visits_share_the_weight_of_their_patient():
    names = ["a", "a", "a", "b"]
    assert conformal.share_weights(names).tolist() == [1 / 3, 1 / 3, 1 / 3, 1]
    # ten visits of one patient are no ten patients
    values, weights = np.arange(10.0), conformal.share_weights(["a"] * 10)
    assert conformal.conformal_quantile(values, weights, 0.9) == np.inf


def test_many_patients_are_left_out_in_groups_of_equal_size():
    names = [f"p{k // 2}" for k in range(300)]
    groups = conformal.group_patients(names, most=20)
    assert len(np.unique(groups)) == 20 and np.array_equal(groups[::2], groups[1::2])
    assert np.ptp(np.bincount(groups)) <= 2
    assert sorted(conformal.group_patients(list("abc")).tolist()) == [0, 1, 2]


def test_too_few_patients_give_no_interval():
    features, values = draw(np.random.default_rng(5), 9)
    names = list("abcdefghi")
    _, low, high = conformal.cross_intervals(features, values, names, fit, 0.9)
    assert np.isinf(low).all() and np.isinf(high).all(), "eight others are too few"
    predicted, low, high = conformal.cross_intervals(features[:1], values[:1], ["a"], fit, 0.5)
    assert np.isnan(predicted).all() and np.isinf(high).all()
    with pytest.raises(ValueError, match="at least two groups"):
        conformal.calibrate(features, values, names, np.zeros(9, int), fit)


def test_a_patient_is_compared_by_the_network_that_each_other_one_had():
    """With features that differ by calibration row the interval is that of each row's own comparison."""
    features, values = draw(np.random.default_rng(6), 10)
    names = list("abcdefghij")
    calibrated = conformal.calibrate(features, values, names, np.arange(10), fit)
    row = np.array([0.3, -0.2])
    same = conformal.conformal_interval(calibrated, np.tile(row, (10, 1)), 0.8)
    assert same == conformal.conformal_interval(calibrated, row, 0.8)
    other = conformal.conformal_interval(calibrated, np.tile(row, (10, 1)) + [[0.5, 0]] * 10, 0.8)
    assert other[1] > same[1]
