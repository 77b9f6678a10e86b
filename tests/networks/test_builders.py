"""Networks take any backbone and number of channels, and loading is honest."""

from pathlib import Path

import pytest
import torch

from neurograft.networks import builders, encoders_2d
from neurograft.sources import table, weights

TABLE = Path(__file__).parents[2] / "config/sources.tsv"

NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def state():
    """The real ImageNet weights."""
    return weights.load_weights(weights.locate(table.read_sources(TABLE)[NAME]))


def test_norms_learn_their_statistics_in_a_short_run():
    norms = [m for m in builders.build_segmenter(NAME, 3, 1).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(norm.momentum == pytest.approx(0.1) for norm in norms)


@pytest.mark.parametrize("name", encoders_2d.BACKBONES)
@pytest.mark.parametrize(("channels", "regions", "size"), [(1, 1, (64, 96)), (5, 2, (32, 32))])
def test_segmenter_gives_a_logit_a_region(name, channels, regions, size):
    network = builders.build_segmenter(name, channels, regions).eval()
    assert network(torch.zeros(1, channels, *size)).shape == (1, regions, *size)


@pytest.mark.parametrize("name", encoders_2d.BACKBONES)
def test_classifier_gives_a_logit_a_class(name):
    assert builders.build_classifier(name, 2, 4).eval()(torch.zeros(3, 2, 64, 64)).shape == (3, 4)


def test_unknown_backbone_is_named():
    for build in (builders.build_segmenter, builders.build_classifier):
        with pytest.raises(ValueError, match="unknown backbone 'vgg'; known are efficientnet-lite0"):
            build("vgg", 3, 1)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_loaded_encoder_with_equal_channels_equals_the_source(state, channels):
    three, other = builders.build_segmenter(NAME, 3, 1), builders.build_segmenter(NAME, channels, 1)
    for network in (three, other):
        builders.load_source(network, state)
        network.eval()
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = three.encoder(image.expand(1, 3, 64, 64))
        for one, known in zip(other.encoder(image.expand(1, channels, 64, 64)), wanted, strict=True):
            torch.testing.assert_close(one, known, rtol=1e-3, atol=1e-3)


def test_loading_reports_what_stays_random_and_why(state):
    network = builders.build_segmenter(NAME, 3, 1)
    before = network.encoder._blocks[0]._bn1.weight.detach().clone().fill_(7)
    part = {key: value for key, value in state.items() if key != "_blocks.0._bn1.weight"}
    part["_bn0.weight"] = torch.ones(5)
    network.encoder._blocks[0]._bn1.weight.data.copy_(before)
    report = builders.load_source(network, part)
    assert 0.99 < report["loaded_share"] < 1
    assert report["why"] == {
        "_bn0.weight": "shape (5,) in the source, (32,) here",
        "_blocks.0._bn1.weight": "not in the source",
    }
    assert report["missing"] == list(report["why"])
    assert torch.equal(network.encoder._blocks[0]._bn1.weight, before)


def test_loading_too_little_fails_and_changes_nothing(state):
    network = builders.build_segmenter(NAME, 3, 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    half = dict(list(state.items())[: len(state) // 2])
    with pytest.raises(ValueError, match="of the encoder's weights fit, 90% are asked for"):
        builders.load_source(network, half)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("backbone", ["efficientnet-lite0", "deepbet"])
def test_a_segmenter_starts_with_tumour_being_rare(backbone):
    torch.manual_seed(0)
    network = builders.build_segmenter(backbone, 2, 3).eval()
    size = (64,) * (2 if backbone == "efficientnet-lite0" else 3)
    with torch.no_grad():
        chance = network(torch.zeros(1, 2, *size)).sigmoid()
    assert chance.shape[1] == 3
    assert chance.mean().item() == pytest.approx(builders.PRIOR, rel=0.5)
