"""CKA against its known truths, weight changes against changes that were made."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft import similarity


def plain_cka(first, second):
    """The biased form, from centred cross-covariances."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    norm = np.linalg.norm
    return norm(first.T @ second) ** 2 / (norm(first.T @ first) * norm(second.T @ second))


def test_independent_features_are_not_similar():
    """256 features at n = 40: the plain form gives 0.86, which is why it is not used."""
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, 40, 256)) for _ in range(40)]
    assert np.mean([plain_cka(*pair) for pair in pairs]) == pytest.approx(0.86, abs=0.02)
    made = [similarity.linear_cka(*pair) for pair in pairs]
    assert abs(np.mean(made)) < 0.01 and max(np.abs(made)) < 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 30), st.integers(1, 40), st.floats(1e-6, 1e6))
def test_rotation_scale_and_shift_change_nothing(seed, count, width, scale):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, width))
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    moved = scale * (features @ rotation + rng.normal(size=width))
    made = similarity.linear_cka(features, moved)
    assert made == pytest.approx(1, abs=1e-5) or (count == 4 and np.isnan(made))


def test_the_estimator_is_the_mean_over_quadruples():
    """HSIC_1 is a U-statistic: the mean of its kernel over all ordered quadruples of different samples."""
    rng = np.random.default_rng(1)
    first, second = (part @ part.T for part in rng.normal(size=(2, 6, 3)))
    total = [
        first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q])
        for i, j, q, r in itertools.permutations(range(6), 4)
    ]
    assert similarity.unbiased_hsic(first, second) == pytest.approx(np.mean(total))


def test_similarity_falls_with_noise():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 10))
    made = [similarity.linear_cka(features, features + noise * rng.normal(size=(200, 10))) for noise in (0, 0.5, 2, 20)]
    assert made == sorted(made, reverse=True) and made[0] == pytest.approx(1) and abs(made[-1]) < 0.1


def test_what_has_no_similarity():
    features = np.random.default_rng(3).normal(size=(10, 4))
    assert np.isnan(similarity.linear_cka(features, np.ones((10, 4))))
    for first, second in ((10, 9), (3, 3)):
        with pytest.raises(ValueError, match="at least 4 samples"):
            similarity.linear_cka(features[:first], features[:second])


def small_network():
    """A convolution, BatchNorm, and a linear layer whose bias starts at zero."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 2))
    torch.nn.init.zeros_(network[2].bias)
    return network


def test_weights_that_moved_by_a_known_share():
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network[0].weight *= 1.1
        network[0].bias *= 1.1
    network[1](torch.randn(4, 3, 5, 5))  # in training mode: moves the running statistics only
    stem, norm, head = similarity.compare_weights(before, network.state_dict())
    assert stem["layer"] == "0" and stem["values"] == 57 and stem["change"] == pytest.approx(0.1, rel=1e-4)
    assert np.isnan(stem["statistics_change"])
    assert norm["change"] == 0 and 0 < norm["statistics_change"] < 1
    assert head["change"] == 0 and head["reason"] == ""


def test_layers_that_cannot_be_compared_say_why():
    before = {
        "a.weight": np.ones((2, 3)),
        "b.weight": np.zeros(4),
        "c.weight": np.ones(1),
        "d.running_mean": np.ones(2),
    }
    after = {"a.weight": np.ones((2, 4)), "b.weight": np.ones(4), "d.running_mean": 2 * np.ones(2)}
    shape, zero, missing, norm = similarity.compare_weights(before, after)
    assert np.isnan(shape["change"]) and "a.weight" in shape["reason"]
    assert np.isinf(zero["change"])
    assert np.isnan(missing["change"]) and "c.weight" in missing["reason"]
    assert np.isnan(norm["change"]) and norm["statistics_change"] == 1 and norm["values"] == 0
