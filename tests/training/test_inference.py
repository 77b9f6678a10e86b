"""Prediction: on the patient's own grid, the same however it is batched, flips averaged rightly."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import gpu
from neurograft.networks import builders, compute
from neurograft.training import inference


class Threshold(torch.nn.Module):
    """A network whose answer is known: positive where the first channel exceeds 1."""

    def forward(self, images):
        return 20 * (images[:, :1] - 1)


class Mean(torch.nn.Module):
    """A classifier by the mean of the slice's left half, so that a flip matters."""

    def forward(self, images):
        value = images[:, 0, : images.shape[2] // 2].mean((1, 2))
        return torch.stack([-value, value], 1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(5, 2, 33, 50), (3, 1, 96, 64), (1, 1, 7, 130)])
def test_known_answer_comes_back_voxel_for_voxel(shape, flip):
    images = np.random.default_rng(0).normal(1, 1, shape).astype(np.float16)
    found = inference.predict_volume(Threshold(), images, flip=flip, batch=2)
    assert found.shape == (1, shape[2], shape[3], shape[0]) and found.dtype == np.float32
    assert np.array_equal(found[0] > 0.5, (images[:, 0] > 1).transpose(1, 2, 0))


def test_prediction_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = builders.build_segmenter("efficientnet-lite0", 3, 2)
    images = np.random.default_rng(0).normal(size=(5, 3, 40, 50)).astype(np.float16)
    one, all_at_once = (inference.predict_volume(network, images, batch=batch) for batch in (1, 5))
    np.testing.assert_allclose(one, all_at_once, atol=0.01)
    assert np.array_equal(inference.predict_volume(network, images, batch=5), all_at_once)


def test_averaged_over_flips_a_mirrored_patient_gets_the_mirrored_answer():
    torch.manual_seed(0)
    network = builders.build_segmenter("efficientnet-lite0", 1, 1)
    images = np.random.default_rng(0).normal(size=(2, 1, 64, 64)).astype(np.float32)
    there = inference.predict_volume(network, images)
    back = inference.predict_volume(network, images[:, :, ::-1].copy())
    np.testing.assert_allclose(there[:, ::-1], back, atol=1e-5)


class ThresholdOfVolumes(torch.nn.Module):
    """The same for volumes: a kernel of one voxel, which tells that they are wanted."""

    def __init__(self):
        super().__init__()
        self.kernel = torch.nn.Conv3d(2, 1, 1, bias=False)
        self.kernel.weight.data = torch.tensor([20.0, 0.0]).reshape(1, 2, 1, 1, 1)

    def forward(self, volumes):
        return self.kernel(volumes) - 20


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(5, 2, 33, 70), (90, 2, 64, 65)])
def test_windows_put_a_known_answer_back_voxel_for_voxel(shape, flip):
    # away from the threshold, for this network computes in bfloat16 where the processor does
    images = np.random.default_rng(0).choice([0.5, 1.5], shape).astype(np.float16)
    found = inference.predict_volume(ThresholdOfVolumes(), images, flip=flip)
    assert found.shape == (1, shape[2], shape[3], shape[0]) and found.dtype == np.float32
    assert np.array_equal(found[0] > 0.5, (images[:, 0] > 1).transpose(1, 2, 0))


def test_a_mirrored_patient_gets_the_mirrored_answer_from_windows():
    torch.manual_seed(0)
    network = builders.build_segmenter("deepbet", 1, 1)
    images = np.random.default_rng(0).normal(size=(64, 1, 70, 64)).astype(np.float32)
    there = inference.predict_volume(network, images)
    back = inference.predict_volume(network, images[:, :, ::-1].copy())
    np.testing.assert_allclose(there[:, ::-1], back, atol=1e-5)


def test_classes_of_slices_are_averaged_over_flips():
    images = np.zeros((2, 1, 32, 32), np.float32)
    images[1, 0, :16] = 4
    chances = inference.predict_slices(Mean(), images)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(chances[0], 0.5, atol=1e-6)
    sure = 1 / (1 + np.exp(-8))
    np.testing.assert_allclose(chances[1, 1], (sure + 0.5) / 2, atol=1e-5)


def test_a_few_certain_slices_decide():
    pooled = inference.pool_slices([[0.5, 0.5]] * 7 + [[0.01, 0.99]] * 3)
    assert pooled[1] > 0.75 and pooled.sum() == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_pooling_gives_probabilities_even_of_zeros(values):
    pooled = inference.pool_slices([[value, 1 - value] for value in values])
    assert np.isfinite(pooled).all() and pooled.sum() == pytest.approx(1)


def test_pooling_equal_slices_changes_nothing():
    np.testing.assert_allclose(inference.pool_slices([[0.2, 0.3, 0.5]] * 4), [0.2, 0.3, 0.5])


def test_slices_opened_ahead_give_the_same_bytes(monkeypatch):
    torch.manual_seed(0)
    network = builders.build_segmenter("efficientnet-lite0", 3, 2)
    images = np.random.default_rng(0).normal(size=(5, 3, 40, 50)).astype(np.float16)
    alone = inference.predict_volume(network, images, batch=2)
    gpu.take(monkeypatch, low=compute.choose_plan().low, ahead=2)
    assert np.array_equal(inference.predict_volume(network, images, batch=2), alone)


@pytest.mark.parametrize("shape", [(64, 64, 64), (70, 64, 64), (100, 64, 64), (110, 60, 64), (200, 64, 64)])
def test_windows_are_counted_as_they_are_predicted(shape):
    class Counter(torch.nn.Module):
        seen = 0

        def __init__(self):
            super().__init__()
            self.kernel = torch.nn.Conv3d(1, 1, 1)

        def forward(self, x):
            Counter.seen += len(x)
            return self.kernel(x)

    images = np.zeros((shape[2], 1, *shape[:2]), np.float32)
    inference.predict_volume(Counter(), images, flip=False)
    assert Counter.seen == inference.count_windows(shape)
