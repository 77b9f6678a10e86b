"""Stages of an encoder: which parameters work for which scale of its features."""

import copy

import torch
from torch import nn

PREFIX = "encoder."
PROBE = 64  # voxels along each side of the image that the encoder is tried with


def split_stages(network):
    """Divide the encoder's parameters into stages, from the image to the deepest features.

    A stage holds the parameters that its scale's features depend on and no finer scale's do, found
    by running a copy of the encoder once and following what autograd noted: so it holds for every
    encoder, whatever its layers are called.

    Parameters
    ----------
    network : nn.Module
        Its `encoder` returns a list of features, finest first; the first of its convolutions takes the image.
        It is not changed.

    Returns
    -------
    list of list of str
        Names as in `network.named_parameters()`; each of the encoder's is in exactly one stage.
    """
    encoder, features = _probe(network.encoder)
    left, stages = dict(encoder.named_parameters()), []
    for feature in features:
        if not left:  # a last map may be pooled from the one before, without weights of its own
            break
        behind = _tensors_behind(feature)
        used = [name for name, value in left.items() if id(value) in behind]
        left = {name: value for name, value in left.items() if name not in used}
        stages.append([PREFIX + name for name in used])
    stages[-1] += [PREFIX + name for name in left]
    return [stage for stage in stages if stage]


def _tensors_behind(feature):
    """Return the ids of the tensors that a gradient of a feature would reach, without computing one."""
    reached, seen, left = set(), {None}, [feature.grad_fn]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            # only the nodes that gather a parameter's gradient have one
            reached.add(id(getattr(node, "variable", None)))
            left += [follower for follower, _ in node.next_functions]
    return reached


def deepest_channels(network):
    """Count the channels of the encoder's deepest features."""
    return _probe(network.encoder)[1][-1].shape[1]


def spatial_axes(network):
    """Count the axes of the images that a network takes: 2 for slices, 3 for patches."""
    first = _first_convolution(network)
    return len(first.kernel_size) if first else 2


def _first_convolution(network):
    """Return the convolution that takes the image, if there is any."""
    return next((module for module in network.modules() if isinstance(module, nn.modules.conv._ConvNd)), None)


def _probe(encoder):
    """Run a copy of the encoder, in evaluation mode, on an empty image; return the copy and its features."""
    encoder = copy.deepcopy(encoder).eval().requires_grad_(True)
    first = _first_convolution(encoder)
    if first is None:
        raise ValueError("an encoder without a convolution has no stages")
    image = torch.zeros(1, first.in_channels, *[PROBE] * len(first.kernel_size), device=first.weight.device)
    with torch.enable_grad():
        return encoder, encoder(image)
