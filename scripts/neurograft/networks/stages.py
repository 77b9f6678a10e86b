"""Stages of an encoder: which parameters belong to which scale of its features."""

import copy

import torch
from torch import nn

PREFIX = "encoder."
PROBE = 64  # voxels along each side of the image on which the encoder is run


def split_stages(network):
    """Divide the encoder's parameters into stages, from the image on.

    A stage has the parameters on which the features of its scale depend, but not those of any scale before it. Scales
    come in the order in which they are computed: from fine to coarse, or from coarse to fine in a U-Net whose features
    are those of its expanding path. The parameters are found by running a copy of the encoder once and following
    autograd's graph, so this works for every encoder, whatever its layers are called.

    Parameters
    ----------
    network : nn.Module
        Its `encoder` returns a list of features, finest first; the input of its first convolution is the image. It is
        not changed.

    Returns
    -------
    list of list of str
        Names as in `network.named_parameters()`; each parameter of the encoder is in exactly one stage.
    """
    encoder, features = _probe(network.encoder)
    left, stages = dict(encoder.named_parameters()), []
    ids = {id(value) for value in left.values()}
    for behind in sorted((_tensors_behind(feature) & ids for feature in features), key=len):
        if not left:  # the last map may be pooled from the one before, without its own weights
            break
        used = [name for name, value in left.items() if id(value) in behind]
        left = {name: value for name, value in left.items() if name not in used}
        stages.append([PREFIX + name for name in used])
    stages[-1] += [PREFIX + name for name in left]
    return [stage for stage in stages if stage]


def _tensors_behind(feature):
    """Return the ids of the tensors in the autograd graph of a feature, without computing gradients."""
    reached, seen, left = set(), {None}, [feature.grad_fn]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            # only the nodes that accumulate a parameter's gradient have a variable
            reached.add(id(getattr(node, "variable", None)))
            left += [follower for follower, _ in node.next_functions]
    return reached


def deepest_channels(network):
    """Return the number of channels of the encoder's deepest features."""
    return _probe(network.encoder)[1][-1].shape[1]


def spatial_axes(network):
    """Return the number of spatial axes of a network's input: 2 for slices, 3 for patches."""
    first = _first_convolution(network)
    return len(first.kernel_size) if first else 2


def _first_convolution(network):
    """Return the encoder's first convolution, whose input is the image, if there is one."""
    return next((module for module in network.modules() if isinstance(module, nn.modules.conv._ConvNd)), None)


def _probe(encoder):
    """Run a copy of the encoder, in evaluation mode, on an image of zeros; return the copy and its features."""
    encoder = copy.deepcopy(encoder).eval().requires_grad_(True)
    first = _first_convolution(encoder)
    if first is None:
        raise ValueError("an encoder without a convolution has no stages")
    # an encoder that sees each sequence by itself convolves one channel at a time
    channels = getattr(encoder, "in_channels", first.in_channels)
    image = torch.zeros(1, channels, *[PROBE] * len(first.kernel_size), device=first.weight.device)
    with torch.enable_grad():
        return encoder, encoder(image)
