"""Networks: pretrained encoders in MONAI's backbone register, a segmenter and a classifier on them.

Every network here has an `encoder`, the part that a source's weights go into; all the rest,
its "top", is new for each task. Slices are (batch, channel, X, Y).
"""

import torch
from efficientnet_lite_pytorch import EfficientNet
from monai.networks.blocks import BaseEncoder
from monai.networks.nets import FlexibleUNet
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn

NORM_MOMENTUM = 0.1
DECODER_CHANNELS = (128, 64, 32, 16, 16)
SOURCE_CHANNELS = 3


class EfficientNetLiteEncoder(BaseEncoder, nn.Module):
    """The convolutional blocks of an EfficientNet-Lite, giving the features of its five scales.

    Layers and their names are those of `efficientnet_lite_pytorch`, so its checkpoints load as
    they are. Two things differ from that package: convolutions pad for the size that comes in,
    not for 224 (same outputs for 224), and BatchNorm's momentum is 0.1 instead of 0.01, with
    which the running statistics would stay untrained in a short run.

    Parameters
    ----------
    model_name : str
        A key of `BACKBONES`.
    in_channels : int
    spatial_dims, pretrained
        Given by MONAI's register; only 2 and False are known here, weights come by `load_source`.
    """

    def __init__(self, model_name, in_channels=SOURCE_CHANNELS, spatial_dims=2, pretrained=False):
        super().__init__()
        if spatial_dims != 2 or pretrained:
            raise ValueError(f"{model_name} is a 2-D encoder whose weights are loaded with load_source")
        network = EfficientNet.from_name(model_name, image_size=None, batch_norm_momentum=1 - NORM_MOMENTUM)
        _pad_within_convolutions(network)
        self._conv_stem = network._conv_stem
        if in_channels != SOURCE_CHANNELS:
            kernel = adapt_stem(network._conv_stem.weight.detach(), in_channels)
            self._conv_stem.in_channels, self._conv_stem.weight = in_channels, nn.Parameter(kernel)
        self._bn0, self._blocks, self._act = network._bn0, network._blocks, network._swish

    def forward(self, images):
        """Give the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size, finest first."""
        features = []
        # never in bfloat16: on processors without AMX the backward pass of depthwise convolutions loses by it
        with torch.autocast(images.device.type, enabled=False):
            x = self._act(self._bn0(self._conv_stem(images)))
            for index, block in enumerate(self._blocks):
                if index and block._depthwise_conv.stride[0] == 2:
                    features.append(x)
                x = block(x)
        return [*features, x]

    @classmethod
    def get_encoder_names(cls):
        """Names under which MONAI's register knows these encoders."""
        return list(BACKBONES)

    @classmethod
    def get_encoder_parameters(cls):
        """Arguments of each encoder."""
        required = {"spatial_dims": 2, "in_channels": SOURCE_CHANNELS, "pretrained": False}
        return [{"model_name": name, **required} for name in BACKBONES]

    @classmethod
    def num_channels_per_output(cls):
        """Channels of the five feature maps of each encoder."""
        return list(BACKBONES.values())

    @classmethod
    def num_outputs(cls):
        """Number of feature maps of each encoder."""
        return [len(channels) for channels in BACKBONES.values()]


class SliceClassifier(nn.Module):
    """An encoder, mean and maximum of its last features over the slice, and one linear layer.

    The maximum is there since a lesion fills a small part of a slice. BatchNorm between makes
    the head's learning rate independent of the scale of a source's features.
    """

    def __init__(self, encoder, channels, classes):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.BatchNorm1d(2 * channels), nn.Dropout(0.2), nn.Linear(2 * channels, classes))

    def forward(self, images):
        """Give class logits, shape (batch, classes)."""
        last = self.encoder(images)[-1]
        return self.head(torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1))


def build_segmenter(backbone, in_channels, regions):
    """Make a MONAI FlexibleUNet with one logit channel for each region (regions overlap).

    Parameters
    ----------
    backbone : str
        A key of `BACKBONES`.
    in_channels, regions : int
        Numbers of sequences and of regions.

    Returns
    -------
    monai.networks.nets.FlexibleUNet
        Takes (batch, in_channels, X, Y), X and Y multiples of 32; weights are random.
    """
    _known(backbone)
    return FlexibleUNet(in_channels, regions, backbone, decoder_channels=DECODER_CHANNELS)


def build_classifier(backbone, in_channels, classes):
    """Make a classifier of slices on a backbone; parameters as in `build_segmenter`."""
    _known(backbone)
    encoder = EfficientNetLiteEncoder(backbone, in_channels)
    return SliceClassifier(encoder, BACKBONES[backbone][-1], classes)


def adapt_stem(kernel, channels):
    """Repeat a first convolution's kernel over another number of input channels, and divide.

    Source channel c goes to every new channel i with i = c (modulo the smaller of the two
    numbers), divided by how many these are. So equal numbers map straight, and an input of
    equal channels gives the output that the source gives for it.

    Parameters
    ----------
    kernel : Tensor, shape (out, source channels, ...)
    channels : int

    Returns
    -------
    Tensor, shape (out, channels, ...)
    """
    sources = kernel.shape[1]
    period = min(sources, channels)
    meets = torch.arange(sources)[:, None] % period == torch.arange(channels)[None] % period
    spread = meets / meets.sum(1, keepdim=True)
    return torch.einsum("os...,sc->oc...", kernel, spread.to(kernel)).contiguous()


def load_source(network, state, least=0.9):
    """Load a source's weights into a network's encoder, as far as they fit, and say how far.

    Parameters
    ----------
    network : nn.Module
        Has an `encoder`.
    state : dict of str to Tensor
        Checkpoint whose names are the encoder's; names that the encoder lacks (the source's own
        classification head) are counted as unused.
    least : float
        Share of the encoder's values, BatchNorm statistics included, that has to be loaded.

    Returns
    -------
    dict
        `loaded_share`, `missing` (names of the encoder's tensors that stay random), `why` (for
        each of them), `unused` (number of the source's tensors without a place).

    Raises
    ------
    ValueError
        If a smaller share than `least` fits.
    """
    own = {name: value for name, value in network.encoder.state_dict().items() if "num_batches" not in name}
    fitting, why = {}, {}
    for name, value in own.items():
        given = state.get(name)
        if given is not None and name == "_conv_stem.weight" and given.shape[1] != value.shape[1]:
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


def _known(backbone):
    """Refuse a backbone without a row."""
    if backbone not in BACKBONES:
        raise ValueError(f"unknown backbone {backbone!r}; known are {', '.join(BACKBONES)}")


def _pad_within_convolutions(network):
    """Let stride-1 convolutions pad by themselves: the same numbers without a copy of the input."""
    for module in network.modules():
        for name, conv in module.named_children():
            if isinstance(conv, nn.Conv2d) and tuple(conv.stride) == (1, 1):
                plain = nn.Conv2d(
                    conv.in_channels,
                    conv.out_channels,
                    conv.kernel_size,
                    padding=tuple(size // 2 for size in conv.kernel_size),
                    groups=conv.groups,
                    bias=conv.bias is not None,
                )
                plain.weight, plain.bias = conv.weight, conv.bias
                setattr(module, name, plain)


# name in `efficientnet_lite_pytorch`: channels of the features at 1/2, 1/4, 1/8, 1/16, 1/32
BACKBONES = {
    "efficientnet-lite0": (16, 24, 40, 112, 320),
    "efficientnet-lite1": (16, 24, 40, 112, 320),
    "efficientnet-lite2": (16, 24, 48, 120, 352),
}
FLEXUNET_BACKBONE.register_class(EfficientNetLiteEncoder)
