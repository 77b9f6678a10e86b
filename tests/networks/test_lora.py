"""LoRA: nothing at the start, all of it in the kernel at the end, for every kind of convolution."""

import copy

import pytest
import torch
from torch import nn

from neurograft.networks import builders, lora

CONVOLUTIONS = {
    "pointwise": lambda: nn.Conv2d(24, 32, 1),
    "strided": lambda: nn.Conv2d(24, 32, 3, stride=2, padding=1),
    "depthwise": lambda: nn.Conv2d(24, 24, 5, padding=2, groups=24),
    "grouped": lambda: nn.Conv2d(24, 36, 3, padding=1, groups=4, bias=False),
    "3-D": lambda: nn.Conv3d(24, 32, 3, padding=1),
    "3-D depthwise": lambda: nn.Conv3d(24, 24, 3, padding=1, groups=24),
}


def make(kind):
    """A network whose encoder is one convolution, and an image for it."""
    torch.manual_seed(0)
    network = nn.Module()
    network.encoder = nn.Sequential(CONVOLUTIONS[kind]())
    return network, torch.randn(2, 24, *[8] * (network.encoder[0].weight.ndim - 2))


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_step_zero_is_the_source_and_merging_is_exact(kind):
    network, image = make(kind)
    before, kernel = network.encoder(image), network.encoder[0].weight.detach().clone()
    names = [name for name, _ in network.named_parameters()]
    lora.inject(network, 2)
    assert torch.equal(network.encoder(image), before)
    factors = [value for name, value in network.named_parameters() if name.endswith((".first", ".second"))]
    assert len(factors) == 2
    with torch.no_grad():
        for factor in factors:
            factor += torch.randn(factor.shape)
    trained = network.encoder(image)
    assert float((trained - before).abs().max()) > 0.1
    lora.merge(network)
    torch.testing.assert_close(network.encoder(image), trained, rtol=0, atol=1e-5)
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    assert type(network.encoder[0]) in (nn.Conv2d, nn.Conv3d)
    change = (network.encoder[0].weight.detach() - kernel).flatten(1)
    assert torch.linalg.matrix_rank(change, atol=1e-4) == 2


def test_the_whole_encoder_starts_as_the_source_and_merges_back():
    torch.manual_seed(0)
    network, image = builders.build_segmenter("efficientnet-lite0", 3, 1).eval(), torch.randn(1, 3, 64, 64)
    before, state = network(image), set(network.state_dict())
    expected = lora.factor_names(network, 4)
    lora.inject(network, 4)
    assert torch.equal(network(image), before)
    added = {name for name, _ in network.named_parameters() if "parametrizations" in name and "original" not in name}
    assert added == set(expected) and len(expected) == 2 * 48
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name in added:
                value += 0.02 * torch.randn(value.shape)
    trained = network(image)
    lora.merge(network)
    torch.testing.assert_close(network(image), trained, rtol=0, atol=1e-5)
    assert set(network.state_dict()) == state


def test_the_first_step_moves_the_second_factor_only():
    network, image = make("pointwise")
    lora.inject(network, 2)
    network.encoder(image).square().sum().backward()
    change = network.encoder[0].parametrizations.weight[0]
    assert float(change.first.grad.abs().max()) == 0 and float(change.second.grad.abs().min()) > 0


def test_a_convolution_smaller_than_its_factors_is_left_alone():
    network = nn.Module()
    network.encoder = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 64, 3), nn.BatchNorm2d(64))
    assert {name.split(".parametr")[0] for name in lora.factor_names(network, 4)} == {"encoder.1"}
    with pytest.raises(ValueError, match="rank is 0"):
        lora.inject(network, 0)


def test_copies_are_merged_one_after_the_other():
    """As the networks of several budgets are: torch gives a module and its deep copies one class."""
    network, image = make("pointwise")
    lora.inject(network, 2)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.encoder[0].parametrizations.weight[0].second += 1
    expected = [each.encoder(image) for each in (network, other)]
    for each, output in zip((network, other), expected, strict=True):
        lora.merge(each)
        torch.testing.assert_close(each.encoder(image), output, rtol=0, atol=1e-5)
    assert not torch.equal(network.encoder[0].weight, other.encoder[0].weight)
