"""Encoders of checkpoints that were pretrained on many brain scans, built so that their tensors fit one by one.

Each returns its feature maps, finest first, as the encoders of `encoders_3d`, whose registry names them. Where MONAI
has the network, it is used; the others are written here, because their packages bring a training framework with them.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from neurograft.networks.compute import in_float32
from neurograft.networks.monai_parts import SwinTransformer

WINDOW = 7  # voxels of the patch embedding along each axis, within which BrainSegFounder attends
GROUPS = 8  # of Brain-ID's normalisation


def convolve(channels, width, stride=1, size=3, bias=True, active=True):
    """Build a convolution with InstanceNorm and leaky ReLU (slope 0.01), named `conv`, `norm` and `act`.

    Parameters
    ----------
    channels, width : int
        Numbers of input and output channels.
    stride, size : int
    bias, active : bool
        Whether the convolution has a bias, and whether the ReLU follows.

    Returns
    -------
    nn.Sequential
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv"] = nn.Conv3d(channels, width, size, stride, padding=size // 2, bias=bias)
    parts["norm"] = nn.InstanceNorm3d(width, affine=True)
    if active:
        parts["act"] = nn.LeakyReLU(inplace=True)
    return nn.Sequential(parts)


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, whose stride is an average and whose widening a convolution of one voxel.

    Parameters
    ----------
    channels, width, stride : int
    """

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = convolve(channels, width, stride)
        self.conv2 = convolve(width, width, active=False)
        pool = nn.AvgPool3d(stride) if stride > 1 else nn.Identity()
        widen = convolve(channels, width, size=1, bias=False, active=False) if channels != width else nn.Identity()
        self.skip = nn.Sequential(pool, widen)

    def forward(self, x):
        """Return features of `width` channels, at 1/stride of the size."""
        return functional.leaky_relu(self.conv2(self.conv1(x)) + self.skip(x), inplace=True)


class ResEncEncoder(nn.Module):
    """The encoder of nnU-Net's ResEnc-L, as the checkpoints of OpenMind have it (Wald et al. 2025).

    Six maps, at 1 to 1/32 of the size.

    Parameters
    ----------
    in_channels : int
        The checkpoint has one.
    widths, blocks : sequence of int
        Channels and residual blocks of each stage.
    """

    stem = "entry.conv.weight"

    def __init__(self, in_channels=1, widths=(32, 64, 128, 256, 320, 320), blocks=(1, 3, 4, 6, 6, 6)):
        super().__init__()
        self.entry = convolve(in_channels, widths[0])
        stages, channels = [], widths[0]
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            first = ResidualBlock(channels, width, 2 if number else 1)
            stages.append(nn.Sequential(first, *(ResidualBlock(width, width, 1) for _ in range(count - 1))))
            channels = width
        self.stages = nn.ModuleList(stages)

    @in_float32
    def forward(self, volumes):
        """Return the features, finest first."""
        x, features = self.entry(volumes), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class AmaesEncoder(nn.Module):
    """The encoder of AMAES's U-Net B (Munk et al. 2024): five stages of two convolutions, with maxima between them.

    Five maps, at 1 to 1/16 of the size.

    Parameters
    ----------
    in_channels : int
        The checkpoint has one.
    width : int
        Channels of the first stage; each further stage has twice as many.
    """

    stem = "stages.0.conv1.conv.weight"

    def __init__(self, in_channels=1, width=32):
        super().__init__()
        widths = [in_channels, *(width * 2**number for number in range(5))]
        self.stages = nn.ModuleList(
            nn.Sequential(OrderedDict(conv1=convolve(before, after), conv2=convolve(after, after)))
            for before, after in pairwise(widths)
        )

    @in_float32
    def forward(self, volumes):
        """Return the features, finest first."""
        features = [self.stages[0](volumes)]
        for stage in self.stages[1:]:
            features.append(stage(functional.max_pool3d(features[-1], 2)))
        return features


class BrainSegFounderEncoder(SwinTransformer):
    """The Swin transformer of BrainSegFounder (Cox et al. 2024), MONAI's with 48 to 768 channels.

    Five maps, at 1/2 to 1/32 of the size.

    Parameters
    ----------
    in_channels : int
        The checkpoint of UK Biobank has one.
    width : int
        Channels of the patch embedding, a multiple of 3.
    """

    stem = "patch_embed.proj.weight"
    forward = in_float32(SwinTransformer.forward)

    def __init__(self, in_channels=1, width=48):
        heads = [width // 16 * 2**number for number in range(4)]
        super().__init__(in_channels, width, (WINDOW,) * 3, (2, 2, 2), (2, 2, 2, 2), heads, spatial_dims=3)


class EachAlike(nn.Module):
    """Normalise every channel by itself, then scale and shift all of them by the same two numbers.

    With one channel it is the GroupNorm before Brain-ID's first convolution. That has one scale and one shift, which
    fit any number of channels here; and sequences of unlike contrast do not share a mean.
    """

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, volumes):
        """Return the normalised volumes."""
        return functional.instance_norm(volumes) * self.weight + self.bias


class BrainIdEncoder(nn.Module):
    """The whole U-Net of Brain-ID (Liu et al. 2024), whose features come from its expanding path.

    Five maps, at 1 to 1/16 of the size; the finest is what Brain-ID's authors call its features.

    Parameters
    ----------
    in_channels : int
        The checkpoint has one.
    width : int
        Channels of the finest maps, a multiple of 16; each coarser scale has twice as many.
    """

    stem = "encoders.0.first.conv.weight"

    def __init__(self, in_channels=1, width=64):
        super().__init__()
        widths = [width * 2**number for number in range(5)]
        self.encoders = nn.ModuleList([_twice(in_channels, width // 2, width, EachAlike())])
        self.encoders.extend(_twice(before, before, 2 * before) for before in widths[:-1])
        self.decoders = nn.ModuleList(_twice(3 * after, after, after) for after in reversed(widths[:-1]))

    @in_float32
    def forward(self, volumes):
        """Return the features, finest first."""
        skips = [self.encoders[0](volumes)]
        for encoder in self.encoders[1:]:
            skips.append(encoder(functional.max_pool3d(skips[-1], 2)))
        features = [skips.pop()]
        for decoder in self.decoders:
            skip = skips.pop()
            wider = functional.interpolate(features[0], size=skip.shape[2:], mode="nearest")
            features.insert(0, decoder(torch.cat([skip, wider], 1)))
        return features


def _twice(channels, between, width, norm=None):
    """Build two normalisations, each followed by a convolution without bias and a leaky ReLU (slope 0.01)."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for name, before, after in (("first", channels, between), ("second", between, width)):
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["norm"] = norm if norm and name == "first" else nn.GroupNorm(GROUPS, before)
        parts["conv"] = nn.Conv3d(before, after, 3, padding=1, bias=False)
        parts["act"] = nn.LeakyReLU(inplace=True)
        blocks[name] = nn.Sequential(parts)
    return nn.Sequential(blocks)


def rename_resenc(name):
    """Translate a name such as `encoder.stages.1.blocks.0.conv1.conv.weight`; every tensor has a second name there."""
    name = _without(name, "encoder.")
    return name.replace("stem.convs.0.", "entry.").replace(".blocks.", ".")


def rename_amaes(name):
    """Translate a name such as `model.encoder.encoder_conv1.conv2.norm.bias`."""
    name = _without(name, "model.", "encoder.")
    return name.replace("in_conv.", "stages.0.").replace("encoder_conv", "stages.")


def rename_brainsegfounder(name):
    """Translate a name such as `swinViT.layers1.0.blocks.0.norm1.weight`."""
    return _without(name, "swinViT.")


def rename_brain_id(name):
    """Translate a name such as `backbone.encoders.0.basic_module.SingleConv1.groupnorm.weight`."""
    name = _without(name, "backbone.").replace("basic_module.SingleConv1", "first")
    return name.replace("basic_module.SingleConv2", "second").replace("groupnorm", "norm")


def _without(name, *prefixes):
    """Remove prefixes in this order, with those of training on several GPUs and of compiled networks."""
    for prefix in ("module.", *prefixes):
        name = name.removeprefix(prefix).removeprefix("_orig_mod.")
    return name
