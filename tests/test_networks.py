"""Encoders equal their originals, stems take any number of channels, loading is honest."""

from pathlib import Path

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE

from neurograft import networks, sources

TABLE = Path(__file__).parents[1] / "config/sources.tsv"
NAME = "efficientnet-lite0"


def real_weights(name):
    """The ImageNet weights of a row."""
    return sources.load_weights(sources.locate(sources.read_sources(TABLE)[name]))


@pytest.fixture(scope="module")
def state():
    """Those of the smallest network."""
    return real_weights(NAME)


def original_features(network, images):
    """Outputs of the original's blocks wherever the next one halves the size, and of the last."""
    kept, x = [], network._swish(network._bn0(network._conv_stem(images)))
    for block in network._blocks:
        before, x = x, block(x)
        if x.shape[-1] < before.shape[-1]:
            kept.append(before)
    return [*kept, x]


@pytest.mark.parametrize(
    "name,size",
    [
        (NAME, (224, 224)),
        (NAME, (96, 128)),
        (NAME, (72, 100)),
        ("efficientnet-lite1", (96, 128)),
        ("efficientnet-lite2", (96, 128)),
    ],
)
def test_encoder_equals_the_original_at_all_five_scales(name, size):
    # the original pads for one size that it is told, in the order height, width
    state = real_weights(name)
    original = EfficientNet.from_name(name, image_size=size)
    original.load_state_dict(state)
    encoder = networks.EfficientNetLiteEncoder(name)
    holder = torch.nn.Module()
    holder.encoder = encoder
    assert networks.load_source(holder, state)["loaded_share"] == 1
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = original_features(original.eval(), images)
        features = encoder.eval()(images)
    assert [feature.shape[1] for feature in features] == list(networks.BACKBONES[name])
    for one, other in zip(features, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_backbones_are_in_monais_register():
    assert set(networks.BACKBONES) <= set(FLEXUNET_BACKBONE.register_dict)


def test_norms_learn_their_statistics_in_a_short_run():
    norms = [m for m in networks.build_segmenter(NAME, 3, 1).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(norm.momentum == pytest.approx(0.1) for norm in norms)


@pytest.mark.parametrize("channels,regions,size", [(1, 1, (64, 96)), (3, 3, (96, 128)), (5, 2, (32, 32))])
def test_segmenter_gives_a_logit_a_region(channels, regions, size):
    network = networks.build_segmenter(NAME, channels, regions).eval()
    assert network(torch.zeros(1, channels, *size)).shape == (1, regions, *size)


def test_classifier_gives_a_logit_a_class():
    assert networks.build_classifier(NAME, 2, 4).eval()(torch.zeros(3, 2, 64, 64)).shape == (3, 4)


def test_unknown_backbone_is_named():
    for build in (networks.build_segmenter, networks.build_classifier):
        with pytest.raises(ValueError, match="unknown backbone 'vgg'; known are efficientnet-lite0"):
            build("vgg", 3, 1)


@budget(max_examples=30, deadline=None)
@given(source=st.integers(1, 4), channels=st.integers(1, 8))
def test_equal_channels_give_what_the_source_gives(source, channels):
    random = torch.Generator().manual_seed(source * 10 + channels)
    kernel, image = torch.randn(4, source, 3, 3, generator=random), torch.randn(1, 1, 8, 8, generator=random)
    adapted = networks.adapt_stem(kernel, channels)
    assert adapted.shape == (4, channels, 3, 3)
    wanted = torch.conv2d(image.expand(1, source, 8, 8), kernel)
    torch.testing.assert_close(torch.conv2d(image.expand(1, channels, 8, 8), adapted), wanted)


def test_three_channels_map_straight():
    kernel = torch.randn(4, 3, 3, 3)
    assert torch.equal(networks.adapt_stem(kernel, 3), kernel)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_loaded_encoder_with_equal_channels_equals_the_source(state, channels):
    three, other = networks.build_segmenter(NAME, 3, 1), networks.build_segmenter(NAME, channels, 1)
    for network in (three, other):
        networks.load_source(network, state)
        network.eval()
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = three.encoder(image.expand(1, 3, 64, 64))
        for one, known in zip(other.encoder(image.expand(1, channels, 64, 64)), wanted, strict=True):
            torch.testing.assert_close(one, known, rtol=1e-3, atol=1e-3)


def test_loading_reports_what_stays_random_and_why(state):
    network = networks.build_segmenter(NAME, 3, 1)
    before = network.encoder._blocks[0]._bn1.weight.detach().clone().fill_(7)
    part = {key: value for key, value in state.items() if key != "_blocks.0._bn1.weight"}
    part["_bn0.weight"] = torch.ones(5)
    network.encoder._blocks[0]._bn1.weight.data.copy_(before)
    report = networks.load_source(network, part)
    assert 0.99 < report["loaded_share"] < 1
    assert report["why"] == {
        "_bn0.weight": "shape (5,) in the source, (32,) here",
        "_blocks.0._bn1.weight": "not in the source",
    }
    assert report["missing"] == list(report["why"])
    assert torch.equal(network.encoder._blocks[0]._bn1.weight, before)


def test_loading_too_little_fails_and_changes_nothing(state):
    network = networks.build_segmenter(NAME, 3, 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    half = dict(list(state.items())[: len(state) // 2])
    with pytest.raises(ValueError, match="of the encoder's weights fit, 90% are asked for"):
        networks.load_source(network, half)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
