"""Which trials are own labels, which are tested, and what a donor gives."""

import numpy as np
import pytest

from neurograft.eeg.trials import SplitError, Trials, read_trials, split_trials, write_trials


def test_the_test_block_is_last_in_time_and_own_labels_come_first():
    labels = ["a", "b"] * 12
    split = split_trials(labels, ("a", "b"), (3, 5))
    assert split["sizes"] == [3, 5]
    assert split["own"] == {"a": [0, 2, 4, 6, 8], "b": [1, 3, 5, 7, 9]}
    assert split["test"] == list(range(10, 24))


def test_a_person_with_few_trials_has_the_smaller_sizes_alone():
    assert split_trials(["a", "b"] * 9, ("a", "b"), (3, 10))["sizes"] == [3]


def test_no_trial_is_both_own_and_tested_where_classes_are_uneven():
    labels = ["a"] * 3 + ["b"] * 7 + ["a", "b"] * 8
    split = split_trials(labels, ("a", "b"), (4,))
    own = [number for found in split["own"].values() for number in found]
    assert max(own) < min(split["test"])


def test_a_donor_gives_no_trial_whose_class_the_clock_tells():
    split = split_trials(["a", "b"] * 10 + ["b"] * 20, ("a", "b"), (3,))
    assert split["given"] == list(range(20)) and split["test"][-1] == 39


def test_too_few_trials_are_a_reason_in_one_line():
    with pytest.raises(SplitError, match=r"too few trials \(2 of 'a', 30 of 'b'\): it takes 3 own labels"):
        split_trials(["a", "b", "a"] + ["b"] * 29, ("a", "b"), (3, 5))


def test_trials_are_the_same_after_writing_and_reading(tmp_path):
    data = np.random.default_rng(0).normal(0, 1e-5, (4, 3, 5))
    trials = Trials(data, ("a", "b", "a", "b"), np.arange(4.0), ("C3", "CZ", "C4"), np.eye(3), 100.0)
    write_trials(tmp_path / "trials.npz", trials)
    again = read_trials(tmp_path / "trials.npz")
    assert again.labels == trials.labels and again.channels == trials.channels and again.rate == 100
    np.testing.assert_allclose(again.data, data, rtol=1e-6)


def test_picked_channels_have_the_average_reference_of_their_own():
    data = np.random.default_rng(0).normal(0, 1, (4, 3, 5))
    trials = Trials(data, ("a",) * 4, np.arange(4.0), ("C3", "CZ", "C4"), np.eye(3), 100.0).pick(("C4", "C3"))
    np.testing.assert_allclose(trials.data.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_array_equal(trials.positions, np.eye(3)[[2, 0]])
