"""Trials that are carried through the cortex from one head to another."""

import numpy as np

from neurograft.eeg.carrying import average_reference, carry, invert, make_operator


def make_gain(seed, channels=12, vertices=80):
    return np.random.default_rng(seed).normal(0, 1, (channels, vertices))


def test_a_person_carried_to_himself_is_himself_as_lambda_goes_to_0():
    gain = make_gain(0)
    data = np.random.default_rng(1).normal(0, 1, (5, 12, 7))
    data -= data.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(carry(data, make_operator(gain, gain, 1e-10)), data, atol=1e-6)


def test_equal_heads_leave_equal_amplitudes():
    """What the regularisation takes is given back, or donors' trials would be smaller than own ones."""
    gain = make_gain(0)
    operator = make_operator(gain, gain)
    assert np.isclose(np.sqrt(np.trace(operator @ operator.T) / 11), 1)


def test_sources_of_the_donor_appear_as_the_target_sees_them():
    donor, target = make_gain(0, channels=60), make_gain(1, channels=60)
    source = np.random.default_rng(2).normal(0, 1, (80, 1))
    # without an average reference 60 channels would tell 60 of 80 directions
    seen, wanted = average_reference(donor) @ source, average_reference(target) @ source
    carried = make_operator(donor, target, 1e-6) @ seen
    assert np.corrcoef(carried[:, 0], wanted[:, 0])[0, 1] > 0.7
    assert np.corrcoef(seen[:, 0], wanted[:, 0])[0, 1] < 0.4


def test_more_regularisation_makes_smaller_sources():
    gain = average_reference(make_gain(0))
    assert np.linalg.norm(invert(gain, 1.0)) < np.linalg.norm(invert(gain, 0.01))
