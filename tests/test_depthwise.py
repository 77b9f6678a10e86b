"""Depthwise convolutions: outputs and gradients are torch's own, for every size, kernel, stride and precision."""

import pytest
import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from torch.nn import functional

from neurograft import depthwise, stages

CHANNELS = 4


def draw(height, width, size, stride, seed=0):
    """A layer and images for it, in double precision."""
    torch.manual_seed(seed)
    layer = depthwise.DepthwiseConv2d(CHANNELS, size, stride).double()
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


@pytest.mark.parametrize("size,stride", [(3, 1), (3, 2), (5, 1), (5, 2)])
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
