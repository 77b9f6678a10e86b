"""Build segmenters and classifiers on an encoder, and load a source's weights into the encoder.

Every network has an `encoder`, into which a source's weights are loaded; the rest, its "top", is new for each task.
Slices have shape (batch, channel, X, Y), patches (batch, channel, X, Y, Z).
"""

import math
from typing import Any

import torch
from torch import nn

from neurograft.networks import encoders_3d, flair_unet
from neurograft.networks.compute import in_float32
from neurograft.networks.encoders_2d import BACKBONES, adapt_stem
from neurograft.networks.monai_parts import FlexibleUNet, UpCat

PATCH_DECODER_CHANNELS = (64, 32, 16, 16, 8)


class PatchSegmenter(nn.Module):
    """A 3-D encoder and a decoder of MONAI's UpCat blocks, with logits at the size of the input.

    As in 2-D, the input of the decoder is the encoder's features only, not the image. It uses InstanceNorm, because a
    step has too few patches for the statistics of BatchNorm.

    Parameters
    ----------
    encoder : nn.Module
    channels : sequence of int
        Channels of its feature maps, finest first.
    finest : int
        Size of the input divided by that of the finest map: 1 or 2.
    regions : int
        Number of output channels.
    fusion : nn.Module, optional
        What makes maps of these channels from the encoder's, where it sees each sequence by itself.
    """

    def __init__(self, encoder, channels, finest, regions, fusion=None):
        super().__init__()
        self.encoder = encoder
        self.fusion = fusion or nn.Identity()
        skips = [*channels[-2::-1], *([0] if finest == 2 else [])]
        blocks, width = [], channels[-1]
        for skip, out in zip(skips, PATCH_DECODER_CHANNELS, strict=False):
            blocks.append(
                UpCat(
                    spatial_dims=3,
                    in_chns=width,
                    cat_chns=skip,
                    out_chns=out,
                    act=("relu", {"inplace": True}),
                    norm=("instance", {"affine": True}),
                    bias=False,
                    upsample="nontrainable",
                    interp_mode="nearest",
                    align_corners=None,
                    halves=skip > 0,
                )
            )
            width = out
        self.decoder, self.head = nn.ModuleList(blocks), nn.Conv3d(width, regions, 3, padding=1)

    @in_float32
    def forward(self, volumes):
        """Compute region logits, shape (batch, regions, X, Y, Z)."""
        features = self.fusion(self.encoder(volumes))
        x = features[-1]
        for block, skip in zip(self.decoder, [*features[-2::-1], None], strict=False):
            x = block(x, skip)
        return self.head(x)


def build_patch_segmenter(backbone, in_channels, regions):
    """Build a 3-D network with one logit channel for each region (regions overlap).

    Parameters
    ----------
    backbone : str
        A key of `BACKBONES_3D`.
    in_channels, regions : int
        Numbers of sequences and of regions.

    Returns
    -------
    PatchSegmenter
        With random weights. Its input is (batch, in_channels, X, Y, Z), with sizes that are multiples of 32 and at
        least 64 (the deepest maps need more than one voxel to be normalised).
    """
    row, encoder = encoders_3d.BACKBONES_3D[backbone], encoders_3d.build_encoder(backbone, in_channels)
    fusion = row["fusion"](in_channels, row["channels"]) if "fusion" in row else None
    return PatchSegmenter(encoder, row["channels"], row["finest"], regions, fusion)


DECODER_CHANNELS = (128, 64, 32, 16, 16)
# Initial probability that a voxel is tumour. From 0.5, a short training may learn that tumour is where no feature is
# active; the bias changes slowly and keeps this probability below 0.5 in every patient.
PRIOR = 0.01


class SliceClassifier(nn.Module):
    """An encoder, the mean and maximum of its last features over the slice, and one linear layer.

    The maximum is included because a lesion fills only a small part of a slice. BatchNorm before the linear layer makes
    the learning rate of the head independent of the scale of a source's features.
    """

    def __init__(self, encoder, channels, classes):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.BatchNorm1d(2 * channels), nn.Dropout(0.2), nn.Linear(2 * channels, classes))

    def forward(self, images):
        """Compute class logits, shape (batch, classes)."""
        last = self.encoder(images)[-1]
        return self.head(torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1))


def build_segmenter(backbone, in_channels, regions, prior=PRIOR):
    """Build a network with one logit channel for each region (regions overlap).

    Parameters
    ----------
    backbone : str
        A key of `BACKBONES` or of `encoders_3d.BACKBONES_3D`.
    in_channels, regions : int
        Numbers of sequences and of regions.
    prior : float
        Initial probability of each region in a voxel, set by the bias of the last layer (Lin et al. 2017, arXiv
        1708.02002); 0.5 for outputs that are not probabilities.

    Returns
    -------
    monai.networks.nets.FlexibleUNet, flair_unet.FlairUnet or PatchSegmenter
        With random weights. The input of a FlexibleUNet is (batch, in_channels, X, Y), with X and Y multiples of 32.
    """
    if backbone in encoders_3d.BACKBONES_3D:
        network = build_patch_segmenter(backbone, in_channels, regions)
        last: Any = network.head
    elif backbone == flair_unet.NAME:
        network = flair_unet.FlairUnet(in_channels, regions)
        last = network.head
    else:
        _known(backbone)
        # no padding of mismatched maps: sizes are multiples of 32, so it would only copy
        network = FlexibleUNet(in_channels, regions, backbone, decoder_channels=DECODER_CHANNELS, is_pad=False)
        last = network.segmentation_head[0]
    nn.init.constant_(last.bias, math.log(prior / (1 - prior)))
    return network


def build_classifier(backbone, in_channels, classes):
    """Build a classifier of slices on a 2-D backbone; parameters as in `build_segmenter`."""
    _known(backbone)
    row = BACKBONES[backbone]
    return SliceClassifier(row["encoder"](backbone, in_channels), row["channels"][-1], classes)


def load_source(network, state, least=0.9):
    """Load the weights of a source that fit into a network's encoder, and report their share.

    Parameters
    ----------
    network : nn.Module
        Its `encoder` has an attribute `stem`, the name of the kernel whose number of input channels may differ.
    state : dict of str to Tensor
        Checkpoint with the tensor names of the encoder. Tensors that the encoder lacks (such as the source's
        classification head) are counted as unused.
    least : float
        Smallest share of the encoder's values, including BatchNorm statistics, that has to be loaded.

    Returns
    -------
    dict
        `loaded_share`, `missing` (names of the encoder's tensors that stay random), `why` (the reason for each of
        them), `unused` (number of the source's tensors that the encoder lacks).

    Raises
    ------
    ValueError
        If less than the share `least` fits.
    """
    own = {name: value for name, value in network.encoder.state_dict().items() if "num_batches" not in name}
    fitting, why = {}, {}
    for name, value in own.items():
        given = state.get(name)
        if given is not None and name == network.encoder.stem and given.shape[1] != value.shape[1]:
            given = adapt_stem(given, value.shape[1])
        if given is None:
            why[name] = "not in the source"
        elif given.shape != value.shape:
            why[name] = f"shape {tuple(given.shape)} in the source, {tuple(value.shape)} here"
        else:
            fitting[name] = given
    share = sum(value.numel() for value in fitting.values()) / sum(value.numel() for value in own.values())
    if share < least:
        first = "; ".join(f"{name}: {reason}" for name, reason in list(why.items())[:3])
        raise ValueError(f"only {share:.1%} of the encoder's weights fit, {least:.0%} are asked for ({first})")
    network.encoder.load_state_dict(fitting, strict=False)
    unused = sum(name not in own and "num_batches" not in name for name in state)
    return {"loaded_share": round(share, 6), "missing": list(why), "why": why, "unused": unused}


# the last layer of each segmenter, whose rows are its outputs
HEADS = ("segmentation_head.0.", "head.")


def take_top(network):
    """Return all tensors of a segmenter but its encoder's: its decoder and its head."""
    return {name: value for name, value in network.state_dict().items() if not name.startswith("encoder.")}


def load_top(network, state, given, outputs):
    """Load the decoder of another segmenter, and of its head the outputs that both have.

    Parameters
    ----------
    network : nn.Module
        From `build_segmenter`.
    state : dict of str to Tensor
        From `take_top`, of a network of the same kind.
    given, outputs : list of str
        Names of the outputs of the other network, and of this one.

    Returns
    -------
    dict
        `loaded_share` (of the values outside of the encoder) and `whole`: names of the parameters that were loaded as a
        whole. A decoder of other shapes stays as it is.
    """
    own = {name: value for name, value in take_top(network).items() if "num_batches" not in name}
    fitting, whole, values = {}, set(), 0
    for name, value in own.items():
        other = state.get(name)
        if other is None:
            continue
        if not name.startswith(HEADS):
            if other.shape == value.shape:
                fitting[name], values = other, values + value.numel()
                whole.add(name)
        elif other.shape[1:] == value.shape[1:]:
            fitting[name] = value.clone()
            rows = [row for row, output in enumerate(outputs) if output in given]
            for row in rows:
                fitting[name][row] = other[given.index(outputs[row])]
            values += len(rows) * value[0].numel()
            whole |= {name} if len(rows) == len(value) else set()
    network.load_state_dict(fitting, strict=False)
    return {"loaded_share": round(values / sum(value.numel() for value in own.values()), 6), "whole": whole}


def silence_channels(network, missing):
    """Set the first kernel to zero for input channels that a training lacks, so that it learns nothing from them.

    A channel that is zero in every image would leave its kernel as it was, and images that have the channel would then
    reach features that were never trained on it. Where an encoder sees each sequence by itself, what fuses them takes
    nothing from such a channel.

    Parameters
    ----------
    network : nn.Module
    missing : list of int
        Numbers of the channels.
    """
    fusion: Any = getattr(network, "fusion", None)
    with torch.no_grad():
        if hasattr(fusion, "silence"):
            fusion.silence(missing)
        else:
            network.encoder.get_parameter(network.encoder.stem)[:, missing] = 0


def _known(backbone):
    """Reject an unknown backbone."""
    if backbone not in BACKBONES:
        raise ValueError(f"unknown backbone {backbone!r}; known are {', '.join(BACKBONES)}")
