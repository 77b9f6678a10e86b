"""Depthwise convolutions: outputs and gradients are torch's own, for every size, kernel, stride and precision."""

from pathlib import Path

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn
from torch.nn import functional

from neurograft.networks import builders, encoders_2d, stages
from neurograft.sources import weights
from neurograft.sources.table import read_sources

CHANNELS = 4


def draw(height, width, size, stride, seed=0):
    """A layer and images for it, in double precision."""
    torch.manual_seed(seed)
    layer = encoders_2d.DepthwiseConv2d(CHANNELS, size, stride).double()
    return layer, torch.randn(2, CHANNELS, height, width, dtype=torch.double, requires_grad=True)


def expected(layer, images):
    """The same, by padding for "same" as TensorFlow defines it and torch's convolution."""
    size, stride, margins = layer.kernel_size[0], layer.stride[0], []
    for length in (images.shape[3], images.shape[2]):
        outputs = (length + stride - 1) // stride
        total = max((outputs - 1) * stride + size - length, 0)
        margins += [total // 2, total - total // 2]
    return functional.conv2d(functional.pad(images, margins), layer.weight, stride=stride, groups=CHANNELS)


def gradients(outputs, layer, images, seed=1):
    """Gradients of images and kernels for one random direction of the outputs."""
    direction = torch.randn(outputs.shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    return torch.autograd.grad(outputs, [images, layer.weight], direction.to(outputs.dtype))


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 5, 7]), st.sampled_from([1, 2]))
@budget(max_examples=60, deadline=None)
def test_outputs_and_gradients_are_torchs_own(height, width, size, stride):
    layer, images = draw(height, width, size, stride)
    own, wanted = layer(images), expected(layer, images)
    torch.testing.assert_close(own, wanted)
    assert own.shape[2:] == (-(-height // stride), -(-width // stride))
    for one, other in zip(gradients(own, layer, images), gradients(wanted, layer, images), strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_the_slopes_of_the_outputs():
    layer, images = draw(5, 6, 5, 2)
    assert torch.autograd.gradcheck(
        lambda x, w: torch.func.functional_call(layer, {"weight": w}, x), (images, layer.weight)
    )


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("last", [torch.channels_last, torch.contiguous_format])
def test_in_lower_precision_the_gradients_are_as_near_as_it_rounds(size, stride, last):
    layer, images = draw(12, 16, size, stride)
    wanted = gradients(expected(layer, images), layer, images)
    layer.float()
    low = images.detach().float().to(memory_format=last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = layer(low)
    assert outputs.dtype == torch.bfloat16
    found = gradients(outputs, layer, low)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32
        # bfloat16 has 8 bits; sums of a hundred products of rounded numbers
        assert (one - other).abs().max() < 0.02 * other.abs().max()


def test_other_devices_take_torchs_own_gradients_to_the_same_values(monkeypatch):
    monkeypatch.delitem(encoders_2d.CONVOLUTIONS, "cpu")
    monkeypatch.setattr(encoders_2d._Depthwise, "apply", lambda *_: pytest.fail("gradients of the processor"))
    layer, images = draw(9, 8, 5, 2)
    own, wanted = layer(images), expected(layer, images)
    torch.testing.assert_close(own, wanted)
    for one, other in zip(gradients(own, layer, images), gradients(wanted, layer, images), strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_frozen_gets_no_gradient():
    layer, images = draw(6, 6, 5, 1)
    layer.requires_grad_(False)
    layer(images).sum().backward()
    assert layer.weight.grad is None and images.grad is not None
    layer.requires_grad_(True)
    layer(images.detach()).sum().backward()
    assert layer.weight.grad is not None


def test_a_graph_of_such_layers_shows_its_parameters():
    layer, _ = draw(6, 6, 5, 2)
    behind = stages._tensors_behind(layer.float()(torch.zeros(1, CHANNELS, 6, 6)))
    assert id(layer.weight) in behind


TABLE = Path(__file__).parents[2] / "config/sources.tsv"
NAME = "efficientnet-lite0"
STRIDES = (2, 4, 8, 16, 32)
# channels of 3x3 convolutions; "M" is a pooling
VGG19 = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"]


def real_weights(name):
    """The ImageNet weights of a row."""
    return weights.load_weights(weights.locate(read_sources(TABLE)[name]))


def loaded(name, state):
    """An encoder with a source's weights, and the share that was loaded."""
    holder = nn.Module()
    holder.encoder = encoders_2d.BACKBONES[name]["encoder"](name)
    return holder.encoder.eval(), builders.load_source(holder, state)


def original_features(network, images):
    """Outputs of the original's blocks wherever the next one halves the size, and of the last."""
    kept, x = [], network._swish(network._bn0(network._conv_stem(images)))
    for block in network._blocks:
        before, x = x, block(x)
        if x.shape[-1] < before.shape[-1]:
            kept.append(before)
    return [*kept, x]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (NAME, (224, 224)),
        (NAME, (96, 128)),
        (NAME, (72, 100)),
        ("efficientnet-lite1", (96, 128)),
        ("efficientnet-lite2", (96, 128)),
    ],
)
def test_efficientnet_equals_the_original_at_all_five_scales(name, size):
    # the original pads for one size that it is told, in the order height, width
    state = real_weights(name)
    original = EfficientNet.from_name(name, image_size=size)
    original.load_state_dict(state)
    encoder, report = loaded(name, state)
    assert report["loaded_share"] == 1
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = original_features(original.eval(), images)
        features = encoder(images)
    assert [feature.shape[1] for feature in features] == list(encoders_2d.BACKBONES[name]["channels"])
    for one, other in zip(features, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


class TorchvisionLike(nn.Module):
    """The published layers of AlexNet and VGG-19, written down a second time, with a head to ignore."""

    def __init__(self, name):
        super().__init__()
        layers, channels = [], 3
        if name == "vgg19":
            for width in VGG19:
                if width == "M":
                    layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
                else:
                    layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU()]
                    channels = width
        else:
            table = [(64, 11, 4, 2), "M", (192, 5, 1, 2), "M", (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1), "M"]
            for entry in table:
                if entry == "M":
                    layers.append(nn.MaxPool2d(kernel_size=3, stride=2))
                else:
                    width, kernel, stride, padding = entry
                    layers += [nn.Conv2d(channels, width, kernel, stride, padding), nn.ReLU()]
                    channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(5, 10)

    def at(self, images, number):
        """Output of a layer."""
        return self.features[: number + 1](images)


@pytest.fixture(scope="module", params=["alexnet", "vgg19"])
def made(request, tmp_path_factory):
    """An original with weights that are not our own start, saved as torchvision's old checkpoints are."""
    torch.manual_seed(1)
    original = TorchvisionLike(request.param).eval()
    file = tmp_path_factory.mktemp("weights") / "made.pth"
    torch.save(original.state_dict(), file, _use_new_zipfile_serialization=False)
    return request.param, original, weights.load_weights(file)


def test_torchvisions_checkpoints_load_whole(made):
    name, _original, state = made
    encoder, report = loaded(name, state)
    assert report == {"loaded_share": 1.0, "missing": [], "why": {}, "unused": 2}
    assert set(encoder.state_dict()) == {key for key in state if key.startswith("features.")}


def test_one_channel_gives_what_three_equal_ones_give(made):
    name, _, state = made
    three, _ = loaded(name, state)
    one = builders.build_segmenter(name, 1, 1).eval()
    builders.load_source(one, state)
    image = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for feature, wanted in zip(one.encoder(image), three(image.expand(1, 3, 32, 32)), strict=True):
            torch.testing.assert_close(feature, wanted)


def test_vgg_and_alexnet_give_the_originals_numbers(made):
    name, original, state = made
    encoder, _ = loaded(name, state)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = encoder(images)
        if name == "vgg19":
            wanted = [original.at(images, number) for number in (8, 17, 26, 35, 36)]
        else:
            # AlexNet sees the image in a margin; windows that lie over the image are kept
            framed = torch.zeros(2, 3, 64 + 31, 96 + 31)
            framed[:, :, 11:75, 11:107] = images
            first = {1: (slice(2, 18), slice(2, 26)), 4: (slice(1, 9), slice(1, 13)), 11: (slice(0, 4), slice(0, 6))}
            wanted = [torch.zeros(2, 0, 32, 48)]
            wanted += [original.at(framed, number)[(..., *cut)] for number, cut in first.items()]
            wanted.append(original.at(framed, 12))
    for one, other in zip(features, wanted, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["alexnet", "vgg19"])
@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_maps_have_the_size_that_the_decoder_expects(name, size):
    row = encoders_2d.BACKBONES[name]
    features = row["encoder"](name, 2)(torch.zeros(1, 2, *size))
    sizes = [(channels, size[0] // stride, size[1] // stride) for channels, stride in zip(row["channels"], STRIDES)]
    assert [tuple(feature.shape[1:]) for feature in features] == sizes
    assert all(feature.requires_grad for feature in features)


def test_alexnets_maps_lie_over_the_image():
    """What a cell of a map depends on is centred on the cell's part of the image, to less than half a cell."""
    encoder = encoders_2d.AlexNetEncoder("alexnet")
    for layer in encoder.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    # an even image leaves no window to win a pooling alone, so every window takes the average instead
    encoder.features = nn.Sequential(
        *[nn.AvgPool2d(m.kernel_size, m.stride) if isinstance(m, nn.MaxPool2d) else m for m in encoder.features]
    )
    image = torch.ones(1, 3, 512, 512, requires_grad=True)
    for stride, feature in zip(STRIDES, encoder(image)):
        if stride > 2:
            cell = 256 // stride
            (seen,) = torch.autograd.grad(feature[0, 0, cell, cell], image, retain_graph=True)
            share = seen[0].sum((0, 1)) / seen.sum()
            centre = float((share * torch.arange(512)).sum())
            assert abs(centre - (stride * cell + (stride - 1) / 2)) < stride / 2


def test_backbones_are_in_monais_register():
    assert set(encoders_2d.BACKBONES) <= set(FLEXUNET_BACKBONE.register_dict)


@pytest.mark.parametrize("name", encoders_2d.BACKBONES)
def test_monai_cannot_ask_for_what_an_encoder_does_not_do(name):
    for wrong in ({"spatial_dims": 3}, {"pretrained": True}):
        with pytest.raises(ValueError, match="load_source"):
            encoders_2d.BACKBONES[name]["encoder"](name, **wrong)


@pytest.mark.parametrize("name", ["alexnet", "vgg19"])
def test_random_weights_keep_the_scale_of_the_features(name):
    """Without BatchNorm a careless start would leave the random controls with nothing but zeros."""
    torch.manual_seed(0)
    with torch.no_grad():
        features = encoders_2d.BACKBONES[name]["encoder"](name)(torch.randn(2, 3, 64, 64))
    assert all(0.05 < float(feature.std()) < 20 for feature in features if feature.shape[1])


@budget(max_examples=30, deadline=None)
@given(source=st.integers(1, 4), channels=st.integers(1, 8))
def test_equal_channels_give_what_the_source_gives(source, channels):
    random = torch.Generator().manual_seed(source * 10 + channels)
    kernel, image = torch.randn(4, source, 3, 3, generator=random), torch.randn(1, 1, 8, 8, generator=random)
    adapted = encoders_2d.adapt_stem(kernel, channels)
    assert adapted.shape == (4, channels, 3, 3)
    wanted = torch.conv2d(image.expand(1, source, 8, 8), kernel)
    torch.testing.assert_close(torch.conv2d(image.expand(1, channels, 8, 8), adapted), wanted)


def test_three_channels_map_straight():
    kernel = torch.randn(4, 3, 3, 3)
    assert torch.equal(encoders_2d.adapt_stem(kernel, 3), kernel)
