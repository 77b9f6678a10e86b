"""Stages: every parameter of an encoder in exactly one, from the image to the deepest features."""

import pytest
import torch
from torch import nn

from neurograft.networks import builders, encoders_2d, stages


def test_stages_of_an_efficientnet_follow_its_scales():
    network = builders.build_segmenter("efficientnet-lite0", 2, 1)
    found = stages.split_stages(network)
    names = [name for stage in found for name in stage]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters() if name.startswith("encoder."))
    blocks = [{int(name.split(".")[2]) for name in stage if "_blocks" in name} for stage in found]
    assert blocks == [{0}, {1, 2}, {3, 4}, set(range(5, 11)), set(range(11, 16))]
    assert "encoder._conv_stem.weight" in found[0] and "encoder._bn0.bias" in found[0]
    assert stages.deepest_channels(network) == 320


@pytest.mark.parametrize("backbone", list(encoders_2d.BACKBONES))
def test_every_backbone_falls_into_stages(backbone):
    network = builders.build_classifier(backbone, 3, 2)
    names = [name for stage in stages.split_stages(network) for name in stage]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters() if name.startswith("encoder."))


class Odd(nn.Module):
    """A 3-D encoder with a scale that needs no parameters, and a layer that no feature needs."""

    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(2, 2)
        self.z, self.a = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 6, 3, padding=1)

    def forward(self, images):
        first = self.z(images)
        return [first, nn.functional.max_pool3d(first, 2), self.a(first)]


def test_stages_go_by_what_the_features_need():
    network = nn.Module()
    network.encoder = Odd()
    names = [[f"encoder.{name}.{part}" for part in ("weight", "bias")] for name in ("z", "a", "spare")]
    assert stages.split_stages(network) == [names[0], names[1] + names[2]]
    assert stages.deepest_channels(network) == 6


def test_the_network_is_not_changed():
    network = builders.build_segmenter("efficientnet-lite0", 3, 1).train()
    network.encoder._conv_stem.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    start = torch.get_rng_state()
    stages.split_stages(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.encoder._bn0.training and not network.encoder._conv_stem.weight.requires_grad
    assert torch.equal(start, torch.get_rng_state())
