"""BatchNorm statistics of the patients, without their labels."""

import numpy as np
import pytest
import torch

from helpers.fake_training import build
from neurograft.training import batch_norm
from neurograft.training.loop import TrainingOptions


def test_random_encoder_gets_the_statistics_of_the_patients(square_cases):
    network = build()
    batch_norm.estimate_statistics(network, square_cases, TrainingOptions(batch=6), count=3)
    network.eval()
    images = torch.from_numpy(square_cases[0]["images"]).float()
    with torch.no_grad():
        outputs = network.encoder._bn0(network.encoder._conv_stem(images))
    assert abs(float(outputs.mean())) < 0.3 and 0.5 < float(outputs.std()) < 2
    assert all(
        m.momentum == pytest.approx(0.1) for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )


def test_statistics_are_estimated_without_labels(square_cases):
    blind = [{**case, "labels": np.zeros_like(case["labels"])} for case in square_cases]
    seeing, unseeing = build(), build()
    batch_norm.estimate_statistics(seeing, square_cases, TrainingOptions(batch=4), count=2)
    batch_norm.estimate_statistics(unseeing, blind, TrainingOptions(batch=4), count=2)
    assert torch.equal(seeing.encoder._bn0.running_var, unseeing.encoder._bn0.running_var)
