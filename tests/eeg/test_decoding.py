"""Strategies of decoding, on people of known truth."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from neurograft.eeg import decoding
from neurograft.eeg.decoding import Samples, Target, fit_lda, take_first

FEATURES = 40


def make_people(count, shared=1.0, own=0.0, trials=24, seed=0):
    """Make people whose classes differ along a shared direction, and along one of their own."""
    generator = np.random.default_rng(seed)
    common = generator.normal(0, 1, FEATURES)
    people = []
    for _ in range(count):
        classes = generator.permutation(np.repeat([0, 1], trials))
        direction = shared * common + own * generator.normal(0, 1, FEATURES)
        noise = generator.normal(0, 3, (len(classes), FEATURES))
        people.append(Samples(noise + np.outer(classes - 0.5, direction), classes))
    return people


def decode(people, size=3, strategies=decoding.STRATEGIES):
    """Decode the first of some people; return the scores of every strategy."""
    one, donors = people[0], people[1:]
    first = take_first(one.classes, size)
    later = np.arange(len(one.classes)) > first[-1]
    target = Target(one.take(first), one.features)
    fitted = decoding.train_arms(target, donors, [size], strategies)
    return fitted, decoding.score_arms(fitted, one.take(np.flatnonzero(later)))


def average(repeats, strategies, **options):
    """Average the scores over several first people."""
    results = [decode(make_people(**options, seed=seed), strategies=strategies)[1] for seed in range(repeats)]
    return {name: np.mean([one[name, 3]["balanced-accuracy"] for one in results]) for name in strategies}


def test_the_discriminant_is_that_of_scikit_learn():
    sample = make_people(1, trials=40)[0]
    known = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, priors=[0.5, 0.5]).fit(
        sample.features, sample.classes
    )
    ours = fit_lda(sample, shrinkage=0.3).predict(sample.features)
    difference = ours[:, 1] - ours[:, 0]
    assert np.corrcoef(difference, known.decision_function(sample.features))[0, 1] > 0.9999
    assert ((difference > 0) == known.predict(sample.features)).mean() > 0.97


def test_fewer_trials_than_features_give_the_same_as_a_full_solution():
    sample = make_people(1, trials=8)[0]
    small = fit_lda(sample, shrinkage=0.3)
    means = np.stack([sample.features[sample.classes == value].mean(0) for value in (0, 1)])
    rest = sample.features - means[sample.classes]
    full = 0.7 * rest.T @ rest / 16 + 0.3 * (rest**2).mean() * np.eye(FEATURES)
    np.testing.assert_allclose(small.weights, np.linalg.solve(full, means.T), rtol=1e-6)


def test_weights_count_as_repeated_trials():
    sample = make_people(1, trials=30)[0]
    twice = np.r_[np.arange(60), np.arange(10)]
    weights = np.where(np.arange(60) < 10, 2.0, 1.0)
    one, other = fit_lda(sample, weights, 0.3), fit_lda(sample.take(twice), shrinkage=0.3)
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-6)


def test_donors_help_where_people_are_alike_and_shuffled_labels_are_at_chance():
    scores = average(4, ("scratch", "frozen", "fine-tune", "frozen-random"), count=8, shared=1.0)
    assert scores["frozen"] > scores["scratch"] + 0.05 and scores["fine-tune"] > scores["scratch"] + 0.05
    assert abs(scores["frozen-random"] - 0.5) < 0.09


def test_own_trials_are_trusted_where_people_have_nothing_in_common():
    people = make_people(8, shared=0.0, own=2.0)
    assert decoding.choose(people[1:], 10)[0] >= 30
    scores = average(3, ("scratch", "frozen", "fine-tune"), count=8, shared=0.0, own=2.0)
    assert scores["fine-tune"] > scores["frozen"] + 0.1 and scores["fine-tune"] > scores["scratch"] - 0.05


def test_changed_labels_of_tested_trials_change_nothing_that_is_learnt():
    people = make_people(5)
    before, _ = decode(people)
    changed = people[0].classes.copy()
    later = slice(take_first(changed, 3)[-1] + 1, None)
    changed[later] = 1 - changed[later]
    after, _ = decode([Samples(people[0].features, changed), *people[1:]])
    for arm, several in before.items():
        for one, other in zip(several, after[arm], strict=True):
            np.testing.assert_array_equal(one.weights, other.weights)
            np.testing.assert_array_equal(one.bias, other.bias)


def test_standardising_takes_out_what_a_person_adds_and_scales():
    people = make_people(6, shared=2.0)
    moved = Samples(people[0].features * 3 + 40, people[0].classes)
    plain, shifted = (decode([one, *people[1:]], strategies=("adabn",))[1]["adabn", 3] for one in (people[0], moved))
    assert shifted == pytest.approx(plain)


def test_trials_are_averaged_in_bins():
    data = np.arange(24.0).reshape(1, 2, 12) * 1e-6
    np.testing.assert_allclose(decoding.bin_trials(data, 10.0, 0.5), [[[2, 7], [14, 19]]])


def test_three_classes_have_no_area():
    sample = Samples(np.eye(6), np.array([0, 1, 2, 0, 1, 2]))
    result = decoding.score(fit_lda(sample), sample)
    assert np.isnan(result["auc"]) and 0 <= result["balanced-accuracy"] <= 1
