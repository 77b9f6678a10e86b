"""Two-dimensional encoders in MONAI's backbone register, into which a source's weights are loaded.

Their depthwise convolutions compute the same gradients as torch, but faster, in a way that avoids slow code of oneDNN.
"""

from collections import OrderedDict
from typing import Any, ClassVar

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from neurograft.networks.monai_parts import FLEXUNET_BACKBONE, BaseEncoder

WIDEST = 3  # columns of a kernel up to which oneDNN computes the gradient with its fast code


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution; the output has the size of the input divided by the stride, rounded up.

    If the padding cannot be equal on both sides, the extra pixel is at the end, as in TensorFlow.

    Parameters
    ----------
    channels : int
        Number of channels.
    size : int
        Side of the square kernels.
    stride : int
        Stride in both directions.
    """

    def __init__(self, channels, size, stride=1):
        super().__init__(channels, channels, size, stride=stride, groups=channels, bias=False)

    def forward(self, images):
        """Convolve a batch, shape (batch, channels, X, Y); on a CPU, the gradients are computed by `_Depthwise`."""
        images, padding = _pad(images, self.kernel_size[0], self.stride[0])
        return CONVOLUTIONS.get(images.device.type, _convolve)(images, self.weight, self.stride[0], padding)


def _convolve_on_cpu(images, kernels, stride, padding):
    """Convolve each channel with its own kernel, with gradients in the fast code of oneDNN."""
    # autocast does not apply within a custom autograd function
    low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
    return _Depthwise.apply(images.to(low), kernels.to(low), stride, padding)


def _convolve(images, kernels, stride, padding):
    """Convolve each channel with its own kernel, with torch's own gradients."""
    return functional.conv2d(images, kernels, None, stride, padding, groups=len(kernels))


class _Depthwise(torch.autograd.Function):
    """The convolution, and its two gradients by `_input_gradient` and `_kernel_gradient`."""

    @staticmethod
    def forward(context, images, kernels, stride, padding):
        context.save_for_backward(images, kernels)
        context.geometry = stride, padding
        return _convolve(images, kernels, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(context, gradient):
        images, kernels = context.saved_tensors
        of_images = of_kernels = None
        if context.needs_input_grad[0]:
            of_images = _input_gradient(gradient, images, kernels, *context.geometry)
        if context.needs_input_grad[1]:
            of_kernels = _kernel_gradient(gradient, images, kernels, *context.geometry)
        return of_images, of_kernels, None, None


def _pad(images, size, stride):
    """Pad images if the padding is asymmetric; return them, and the padding that the convolution has to add."""
    totals = [max((-(-length // stride) - 1) * stride + size - length, 0) for length in images.shape[2:]]
    margins = [(total // 2, total - total // 2) for total in totals]
    if all(before == behind for before, behind in margins):
        return images, [before for before, _ in margins]
    return functional.pad(images, [*margins[1], *margins[0]]), [0, 0]


def _input_gradient(gradient, images, kernels, stride, padding):
    """Compute the gradient with respect to the images; in float32 if bfloat16 is slow."""
    if stride > 1 and images.dtype == torch.bfloat16:
        like = torch.empty_like(images, dtype=torch.float32)  # only its size is used
        gradients = _gradient(gradient.float(), like, kernels.float(), stride, padding, (True, False))
        return gradients.to(images.dtype)
    return _gradient(gradient, images, kernels, stride, padding, (True, False))


def _kernel_gradient(gradient, images, kernels, stride, padding):
    """Compute the gradient with respect to the kernels, a few of their columns at a time."""
    size = kernels.shape[-1]
    if size <= WIDEST:
        return _gradient(gradient, images, kernels, stride, padding, (False, True))
    (above, before), length = padding, (gradient.shape[-1] - 1) * stride
    whole, gradients = functional.pad(images, (before, before, above, above)), []
    for first in range(0, size, WIDEST):
        columns = kernels[..., first : first + WIDEST].contiguous()
        under = whole[..., first : first + length + columns.shape[-1]].contiguous(memory_format=torch.channels_last)
        gradients.append(_gradient(gradient, under, columns, stride, [0, 0], (False, True)))
    return torch.cat(gradients, -1)


def _gradient(gradient, images, kernels, stride, padding, wanted):
    """Compute the gradient with respect to the images or the kernels with torch's own function."""
    geometry = [stride, stride], padding, [1, 1], False, [0, 0], len(kernels)
    both = torch.ops.aten.convolution_backward(gradient, images, kernels, None, *geometry, [*wanted, False])
    return both[0] if wanted[0] else both[1]


NORM_MOMENTUM = 0.1
SOURCE_CHANNELS = 3


class Encoder2d(BaseEncoder, nn.Module):
    """An encoder with the interface that MONAI's register requires, from its rows of `BACKBONES`."""

    @classmethod
    def get_encoder_names(cls):
        """Return the names of these encoders in MONAI's register."""
        return [name for name, row in BACKBONES.items() if row["encoder"] is cls]

    @classmethod
    def get_encoder_parameters(cls):
        """Return the arguments of each encoder."""
        required = {"spatial_dims": 2, "in_channels": SOURCE_CHANNELS, "pretrained": False}
        return [{"model_name": name, **required} for name in cls.get_encoder_names()]

    @classmethod
    def num_channels_per_output(cls):
        """Return the numbers of channels of the five feature maps of each encoder."""
        return [BACKBONES[name]["channels"] for name in cls.get_encoder_names()]

    @classmethod
    def num_outputs(cls):
        """Return the number of feature maps of each encoder."""
        return [len(channels) for channels in cls.num_channels_per_output()]


class EfficientNetLiteEncoder(Encoder2d):
    """The convolutional blocks of an EfficientNet-Lite, with features at five scales.

    Layers and their names are those of `efficientnet_lite_pytorch`, so its checkpoints can be loaded without renaming.
    Two things differ: convolutions are padded for the actual input size, not for 224 (with the same outputs for 224),
    and the momentum of BatchNorm is 0.1 instead of 0.01, with which a short training would hardly change the running
    statistics.

    Parameters
    ----------
    model_name : str
        A key of `BACKBONES`.
    in_channels : int
    spatial_dims, pretrained
        Passed by MONAI's register; must be 2 and False, because weights are loaded by `load_source`.
    """

    stem = "_conv_stem.weight"
    _blocks: Any  # blocks of a package without type hints

    def __init__(self, model_name, in_channels=SOURCE_CHANNELS, spatial_dims=2, pretrained=False):
        super().__init__()
        _only_2d(model_name, spatial_dims, pretrained)
        network = EfficientNet.from_name(model_name, image_size=None, batch_norm_momentum=1 - NORM_MOMENTUM)
        _replace_convolutions(network)
        self._conv_stem = network._conv_stem
        if in_channels != SOURCE_CHANNELS:
            kernel = adapt_stem(network._conv_stem.weight.detach(), in_channels)
            self._conv_stem.in_channels, self._conv_stem.weight = in_channels, nn.Parameter(kernel)
        self._bn0, self._blocks, self._act = network._bn0, network._blocks, network._swish

    def forward(self, images):
        """Return the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size, finest first."""
        features = []
        x = self._act(self._bn0(self._conv_stem(images)))
        for index, block in enumerate(self._blocks):
            if index and block._depthwise_conv.stride[0] == 2:
                features.append(x)
            x = block(x)
        return [*features, x]


class PlainEncoder(Encoder2d):
    """A sequence of convolutions, ReLU and pooling in `features`, numbered as in torchvision.

    There is no normalisation. The initial weights follow He's rule, which keeps the scale of the features constant over
    the depth, so that the random controls have no disadvantage. Parameters are those of `EfficientNetLiteEncoder`.
    Subclasses define which layers' outputs are features.
    """

    stem = "features.0.weight"
    # numbers of the layers whose outputs are features
    taps: tuple[int, ...] = ()

    def __init__(self, model_name, in_channels=SOURCE_CHANNELS, spatial_dims=2, pretrained=False):
        super().__init__()
        _only_2d(model_name, spatial_dims, pretrained)
        self.features = nn.Sequential(*self.layers(in_channels))
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    @staticmethod
    def layers(channels):
        """Make the layers for an image with this number of channels; defined by each subclass."""
        raise NotImplementedError

    def kept(self, images):
        """Return the outputs of the layers in `taps`."""
        outputs, x = [], images
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                outputs.append(x)
        return outputs


class Vgg19Encoder(PlainEncoder):
    """The convolutions of VGG-19 (Simonyan and Zisserman 2015), without BatchNorm.

    Features are the last outputs of the second to fifth block before pooling, and the output of the last pooling.
    """

    taps = (8, 17, 26, 35, 36)

    @staticmethod
    def layers(channels):
        """Make the layers: five blocks of 3x3 convolutions, each followed by pooling."""
        layers = []
        for number, width in ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)):
            for _ in range(number):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2, 2))
        return layers

    def forward(self, images):
        """Return the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size, finest first."""
        return self.kept(images)


class AlexNetEncoder(PlainEncoder):
    """The convolutions of AlexNet in torchvision's form (Krizhevsky 2014, "one weird trick").

    Its first convolution has stride 4, so there are no features at 1/2: this map has no channels, and a decoder starts
    at 1/4. The other maps are the outputs of the first, second and fifth convolution and of the last pooling. AlexNet
    pads less than its windows need, so its maps are smaller than the image divided by their stride. Therefore a margin
    of zeros is added to the image (`MARGIN`), and each map is cropped (`FIRST`: the first row and column that is kept)
    so that its cells are centred over their part of the image, to within 4.5 pixels. The values are those of AlexNet
    for the image with the margin.
    """

    MARGIN = 11, 20
    FIRST: ClassVar[dict[int, int]] = {4: 2, 8: 1, 16: 0, 32: 0}
    taps = (1, 4, 11, 12)

    @staticmethod
    def layers(channels):
        """Make the layers: five convolutions, three poolings."""
        return [
            nn.Conv2d(channels, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        ]  # fmt: skip

    def forward(self, images):
        """Return no features at 1/2, and those at 1/4, 1/8, 1/16 and 1/32 of the size (multiples of 32)."""
        height, width = images.shape[-2:]
        maps = self.kept(nn.functional.pad(images, 2 * self.MARGIN))
        # made from a map, so that it is part of autograd's graph like the others
        cut = [nn.functional.pad(maps[0][:, :0, :1, :1], (0, width // 2 - 1, 0, height // 2 - 1))]
        for (stride, first), features in zip(self.FIRST.items(), maps, strict=True):
            cut.append(features[..., first : first + height // stride, first : first + width // stride])
        return cut


class FlairEncoder(Encoder2d):
    """The encoder of the U-Net for FLAIR abnormalities of Buda et al. (2019), as ported to PyTorch by its author.

    Five blocks of two convolutions with BatchNorm and ReLU, each but the first after a pooling. Names are those of the
    published checkpoint, whose channels are T1, FLAIR and T1c. Parameters are those of `EfficientNetLiteEncoder`.
    """

    stem = "encoder1.enc1conv1.weight"

    def __init__(self, model_name, in_channels=SOURCE_CHANNELS, spatial_dims=2, pretrained=False):
        super().__init__()
        _only_2d(model_name, spatial_dims, pretrained)
        widths = (in_channels, *BACKBONES[model_name]["channels"])
        for number in range(1, 5):
            block = convolve_twice(f"enc{number}", widths[number - 1], widths[number])
            self.add_module(f"encoder{number}", block)
        self.bottleneck = convolve_twice("bottleneck", *widths[-2:])

    def forward(self, images):
        """Return the features at 1, 1/2, 1/4, 1/8 and 1/16 of the size, finest first."""
        features, x = [], images
        for block in self.children():
            x = block(functional.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


def convolve_twice(name, before, after):
    """Make a block of that U-Net: two 3 x 3 convolutions, each with BatchNorm and ReLU.

    Parameters
    ----------
    name : str
        Begins the names of its layers.
    before, after : int
        Channels.

    Returns
    -------
    nn.Sequential
    """
    layers = {}
    for number, channels in ((1, before), (2, after)):
        layers[f"{name}conv{number}"] = nn.Conv2d(channels, after, 3, padding=1, bias=False)
        layers[f"{name}norm{number}"] = nn.BatchNorm2d(after, momentum=NORM_MOMENTUM)
        layers[f"{name}relu{number}"] = nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(layers))


def adapt_stem(kernel, channels):
    """Adapt the kernel of a first convolution to another number of input channels.

    Source channel c is distributed in equal shares over all new channels i with i = c modulo the smaller of the two
    numbers. With equal numbers, the kernel is unchanged, and an input with identical channels has the same output as in
    the source.

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


def _only_2d(name, spatial_dims, pretrained):
    """Reject options of MONAI's register that these encoders do not support."""
    if spatial_dims != 2 or pretrained:
        raise ValueError(f"{name} is a 2-D encoder whose weights are loaded with load_source")


def _replace_convolutions(network):
    """Replace depthwise convolutions by `DepthwiseConv2d`, and 1 x 1 ones by plain ones; outputs stay the same."""
    for module in network.modules():
        for name, conv in module.named_children():
            if isinstance(conv, nn.Conv2d) and conv.groups > 1:
                replacement = DepthwiseConv2d(conv.in_channels, conv.kernel_size[0], conv.stride[0])
            elif isinstance(conv, nn.Conv2d) and conv.kernel_size == (1, 1):
                replacement = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=conv.bias is not None)
            else:
                continue
            replacement.weight, replacement.bias = conv.weight, conv.bias
            setattr(module, name, replacement)


# kind of device to its convolution of each channel with its own kernel; `_convolve` for all others
CONVOLUTIONS = {"cpu": _convolve_on_cpu}
# name to encoder, and to the channels of the features, mostly at 1/2, 1/4, 1/8, 1/16 and 1/32
BACKBONES = {
    "efficientnet-lite0": {"encoder": EfficientNetLiteEncoder, "channels": (16, 24, 40, 112, 320)},
    "efficientnet-lite1": {"encoder": EfficientNetLiteEncoder, "channels": (16, 24, 40, 112, 320)},
    "efficientnet-lite2": {"encoder": EfficientNetLiteEncoder, "channels": (16, 24, 48, 120, 352)},
    "alexnet": {"encoder": AlexNetEncoder, "channels": (0, 64, 192, 256, 256)},
    "vgg19": {"encoder": Vgg19Encoder, "channels": (128, 256, 512, 512, 512)},
    # at 1 to 1/16, with a decoder of its own
    "flair-unet": {"encoder": FlairEncoder, "channels": (32, 64, 128, 256, 512)},
}
for encoder in dict.fromkeys(row["encoder"] for row in BACKBONES.values()):
    FLEXUNET_BACKBONE.register_class(encoder)
