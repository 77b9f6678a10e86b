"""The cluster-robust standard error, against its definition and against what a plain one misses."""

import numpy as np
import pytest
from scipy import stats

from neurograft.stats import clustered_error


def test_without_shared_luck_it_is_the_plain_one():
    values = np.random.default_rng(0).normal(size=12)
    error, freedom = clustered_error.standard_error(values, np.arange(12))
    assert error == pytest.approx(stats.sem(values)) and freedom == 11


def test_shared_luck_is_seen_and_costs_degrees_of_freedom():
    rng = np.random.default_rng(3)
    fold = np.arange(40) % 5
    covered = {"plain": 0, "clustered": 0}
    for _ in range(600):
        values = rng.standard_normal(40) + 0.5 * rng.standard_normal(5)[fold]
        error, freedom = clustered_error.standard_error(values, fold)
        covered["clustered"] += abs(values.mean()) <= clustered_error.t_quantile(freedom, 0.975) * error
        covered["plain"] += abs(values.mean()) <= stats.t.ppf(0.975, 39) * stats.sem(values)
    assert covered["plain"] / 600 < 0.85 and covered["clustered"] / 600 > 0.9


def test_groups_are_numbered_in_the_order_of_their_names():
    assert clustered_error.number_groups(np.array(["b", "a", "b", "c"])).tolist() == [1, 0, 1, 2]


def test_half_the_interval_of_a_mean_is_students():
    values = np.array([0.1, 0.4, 0.2, 0.9])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert clustered_error.t_half_width(values) == pytest.approx((high - low) / 2)
