"""Each score against a second, naive implementation of its formula, and against what it must see."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize
from sklearn.covariance import LedoitWolf

from neurograft.transferability import formulas, scores


def sample(seed=0, count=60, width=8, classes=3, shift=1.0):
    """Features whose first columns differ between classes by `shift`, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    features = rng.normal(1, 2, (count, width)) @ rng.normal(size=(width, width))
    features[:, :classes] += shift * 4 * np.eye(classes)[labels]
    return features, labels


def naive_logme(features, labels):
    """The evidence by explicit matrices, maximised over log alpha and log beta by a general optimiser."""
    count, width = features.shape

    def evidence(logs, target):
        alpha, beta = np.exp(logs)
        precision = alpha * np.eye(width) + beta * features.T @ features
        mean = beta * np.linalg.inv(precision) @ features.T @ target
        fit = beta * np.sum((features @ mean - target) ** 2) + alpha * mean @ mean
        return (
            0.5 * (width * np.log(alpha) + count * np.log(beta) - fit - count * np.log(2 * np.pi))
            - 0.5 * np.linalg.slogdet(precision)[1]
        )

    options = {"xatol": 1e-9, "fatol": 1e-11}
    best = [
        -optimize.minimize(
            lambda logs, y: -evidence(logs, y), [0, 0], (labels == k,), "Nelder-Mead", options=options
        ).fun
        for k in np.unique(labels)
    ]
    return np.mean(best) / count


def naive_h_score(features, labels):
    """Covariances of every sample's class mean, sample by sample."""
    fitted = LedoitWolf().fit(features)
    means = np.array([features[labels == label].mean(axis=0) for label in labels])
    between = np.cov(means.T, bias=True)
    return (1 - fitted.shrinkage_) * np.trace(np.linalg.inv(fitted.covariance_) @ between)


def naive_leep(probabilities, labels):
    """Joint and conditional tables filled one sample at a time."""
    classes, sources = labels.max() + 1, probabilities.shape[1]
    joint = np.zeros((classes, sources))
    for chances, label in zip(probabilities, labels):
        joint[label] += chances / len(labels)
    total = 0.0
    for chances, label in zip(probabilities, labels):
        total += np.log(sum(joint[label, z] / joint[:, z].sum() * chances[z] for z in range(sources)))
    return total / len(labels)


def naive_transrate(features, labels):
    """Log determinants from the singular values of each class."""
    centred = features - features.mean(axis=0)
    centred = centred / np.sqrt(np.mean([row @ row for row in centred]))

    def rate(part):
        return 0.5 * sum(np.log1p(value**2 / len(part) / 1e-4) for value in np.linalg.svd(part)[1])

    own = {k: centred[labels == k] - centred[labels == k].mean(axis=0) for k in np.unique(labels)}
    return rate(centred) - sum(np.mean(labels == k) * rate(part) for k, part in own.items())


def naive_gbc(features, labels):
    """Determinants and inverses in full, principal axes from the singular value decomposition."""
    centred = features - features.mean(axis=0)
    centred = centred @ np.linalg.svd(centred, full_matrices=False)[2].T[:, :64]
    ridge = 1e-6 * np.trace(np.cov(centred.T, bias=True)) / centred.shape[1] * np.eye(centred.shape[1])
    total = 0.0
    for a, b in itertools.permutations(np.unique(labels), 2):
        first, second = centred[labels == a], centred[labels == b]
        one, two = (LedoitWolf().fit(part).covariance_ + ridge for part in (first, second))
        apart = first.mean(axis=0) - second.mean(axis=0)
        distance = apart @ np.linalg.inv((one + two) / 2) @ apart / 8 + 0.5 * np.log(
            np.linalg.det((one + two) / 2) / np.sqrt(np.linalg.det(one) * np.linalg.det(two))
        )
        total -= np.exp(-distance)
    return total


def naive_cc_fv(features, labels, patients):
    """Matrix square roots of the covariances, energy pair by pair."""
    features = features / np.sqrt(np.mean([row @ row for row in features]))
    inconsistency = 0.0
    for k in np.unique(labels[labels > 0]):
        own = [features[(labels == k) & (patients == p)] for p in np.unique(patients)]
        found = []
        for one, two in itertools.combinations(own, 2):
            first, second = np.cov(one.T), np.cov(two.T)
            root = linalg.sqrtm(first)
            cross = linalg.sqrtm(root @ second @ root)
            squared = np.sum((one.mean(0) - two.mean(0)) ** 2) + np.trace(first + second - 2 * cross).real
            found.append(np.sqrt(squared))
        inconsistency += np.mean(found)
    units = [row / np.linalg.norm(row) for row in features]
    energy = np.mean([1 / np.linalg.norm(a - b) for a, b in itertools.combinations(units, 2)])
    return np.log(1 / energy / inconsistency)


@pytest.mark.parametrize(("seed", "count", "width", "classes"), [(0, 60, 8, 3), (1, 90, 5, 2), (2, 60, 40, 2)])
def test_each_score_equals_its_naive_form(seed, count, width, classes):
    features, labels = sample(seed, count, width, classes)
    chances = np.random.default_rng(seed).dirichlet(np.ones(4) / 2, count)
    patients = np.repeat(["a", "b", "c"], count // 3)
    made = {
        "logme": naive_logme(features, labels),
        "h-score": naive_h_score(features, labels),
        "leep": naive_leep(chances, labels),
        "transrate": naive_transrate(features, labels),
        "gbc": naive_gbc(features, labels),
    }
    given = {"features": (features, labels), "probabilities": (chances, labels)}
    for name, expected in made.items():
        row = scores.SCORES[name]
        assert row["function"](*given[row["needs"]]) == pytest.approx(expected, abs=1e-6), name
    if width < 20:  # square roots of singular covariances are too rough for 1e-6
        naive = naive_cc_fv(features, labels, patients)
        assert formulas.cc_fv(features, labels, patients) == pytest.approx(naive, abs=1e-6)


@pytest.mark.parametrize("name", ["logme", "h-score", "transrate", "gbc"])
def test_separated_classes_score_higher_whatever_the_scale(name):
    function = scores.SCORES[name]["function"]
    weak, strong = (function(*sample(4, 300, 8, 2, shift)) for shift in (0.1, 2))
    assert strong > weak
    features, labels = sample(4, 300, 8, 2, 1)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    assert function(1000 * features @ rotation, labels) == pytest.approx(function(features, labels), abs=1e-6)


def test_transrate_as_printed_would_not_see_two_balanced_classes():
    """Left uncentred, a class holds the square of its mean, the same on both sides as in all features."""
    features, labels = sample(4, 300, 8, 2, 5)
    centred = features - features.mean(axis=0)
    centred /= np.sqrt((centred**2).sum(axis=1).mean())
    rates = [np.linalg.slogdet(np.eye(8) + part.T @ part / len(part) / 1e-4)[1] / 2 for part in
             (centred, centred[labels == 0], centred[labels == 1])]  # fmt: skip
    assert abs(rates[0] - np.mean(rates[1:])) < 0.1 < 1 < formulas.transrate(features, labels)


def test_bounds_of_the_scores():
    features, labels = sample(3, 400, 6, 2, 0)
    assert 0 <= formulas.h_score(features, labels) < 0.1
    assert -2 <= formulas.gbc(features, labels) < -1.8
    assert formulas.leep(np.full((400, 5), 0.2), labels) == pytest.approx(np.log(0.5))
    assert formulas.leep(np.eye(2)[labels], labels) == pytest.approx(0)
    patients = np.repeat(np.arange(8), 50)
    shifted = features + 10 * patients[:, None]
    assert formulas.cc_fv(shifted, labels, patients) < formulas.cc_fv(features, labels, patients)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(12, 40), st.integers(1, 60))
def test_scores_are_finite_with_more_features_than_samples_and_with_exact_fits(seed, count, width):
    features, labels = sample(seed, count, max(width, 2), 2, 50)
    features[:, -1] = 3.0
    for name in ("logme", "h-score", "transrate", "gbc"):
        assert np.isfinite(scores.SCORES[name]["function"](features, labels)), name


def test_nothing_to_score_is_not_a_number_and_nonsense_is_refused():
    features, labels = sample(0, 30, 4, 2)
    for name in ("logme", "h-score", "transrate", "gbc"):
        function = scores.SCORES[name]["function"]
        assert np.isnan(function(np.ones((30, 4)), labels)) and np.isnan(function(features, np.zeros(30, int)))
        with pytest.raises(ValueError, match="not finite"):
            function(np.where(features > 0, np.nan, features), labels)
        with pytest.raises(ValueError, match="a label a sample"):
            function(features, labels[:-1])
    with pytest.raises(ValueError, match="sum to 1"):
        formulas.leep(features, labels)
