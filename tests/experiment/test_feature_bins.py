"""Bins of features: trees fitted on their numbers are the trees that scikit-learn fits on the values."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from neurograft.experiment import feature_bins


def columns(kind, seed, count):
    generator = np.random.default_rng(seed)
    table = generator.normal(size=(count, 3)).astype(np.float32)
    if kind == "repeated values":
        table = np.round(table, 2)
    if kind == "few values":
        table[:, :1] = np.round(table[:, :1])
    if kind == "missing values":
        table[generator.random(table.shape) < 0.3] = np.nan
        table[:, 0] = 0.5
    if kind == "long tails":
        table = np.round(np.exp(3 * table), 3)
    return table


@pytest.mark.parametrize("kind", ["plain", "repeated values", "few values", "missing values", "long tails"])
def test_the_trees_are_the_same(kind):
    train, test = columns(kind, 0, 500), columns(kind, 100, 500)
    # a column that all training patients have, and not all others
    test[::7, 2] = np.nan
    generator = np.random.default_rng(1)
    truth = np.nansum(train, axis=1) + generator.normal(size=500) > 0.5
    weights = generator.choice([1.0, 3.0, 117.0], 500) / 7.3
    options = {"max_iter": 25, "learning_rate": 0.05, "max_leaf_nodes": 15, "early_stopping": False, "random_state": 1}
    plain = HistGradientBoostingClassifier(**options).fit(train, truth, sample_weight=weights)
    bins = feature_bins.find_bins(train, weights)
    numbered = feature_bins.number_bins(bins, train)
    binned = HistGradientBoostingClassifier(**options).fit(numbered, truth, sample_weight=weights)
    assert any(column is not None for column in bins) == (kind != "missing values")
    for table in (train, test):
        expected = plain.predict_proba(table)
        assert np.array_equal(binned.predict_proba(feature_bins.number_bins(bins, table)), expected)


def test_what_scikit_learn_would_bin_otherwise_is_left_to_it():
    table = columns("plain", 0, 900)
    assert feature_bins.find_bins(table, np.ones(900))[0] is not None
    assert feature_bins.find_bins(table, np.arange(900.0)) == [None] * 3
    assert feature_bins.find_bins(np.zeros((feature_bins.MOST_ROWS + 1, 1), np.float32), np.ones(1)) == [None]
