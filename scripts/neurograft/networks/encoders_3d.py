"""Three-dimensional encoders, built with MONAI so that published weights can be loaded into them.

Volumes have shape (batch, channel, X, Y, Z). Like the 2-D encoders, each returns its feature maps, finest first, and
has a `stem`, so that `builders.load_source` and the strategies work for both. On a CPU, they compute in float32,
because oneDNN's bfloat16 gradients of 3-D kernels were sometimes NaN on maps of 2 to 4 voxels (torch 2.13.0,
docs/explanation/decisions/training.md).
"""

from torch import nn

from neurograft.networks import hd_bet_encoder, mri_encoders
from neurograft.networks.compute import in_float32
from neurograft.networks.monai_parts import ResNet, ResNetBlock, ResNetFeatures, SegResNet


class DeepbetEncoder(ResNet):
    """The encoder of deepbet's network (Fisch et al. 2024): a ResNet-18 with 16 to 128 channels.

    Its InstanceNorm layers have no parameters. MONAI 1.6.1 does not pass `norm` on to its layers, and fails for
    normalisation without parameters, so the layers are replaced after construction.

    Parameters
    ----------
    in_channels : int
    """

    stem = "conv1.weight"
    # returns five maps, at 1/2 to 1/32 of the size
    forward = in_float32(ResNetFeatures.forward)

    def __init__(self, in_channels=1):
        super().__init__(
            ResNetBlock,
            [2, 2, 2, 2],
            [16, 32, 64, 128],
            spatial_dims=3,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            bias_downsample=False,
            feed_forward=False,
        )
        for module in list(self.modules()):
            for name, norm in module.named_children():
                if isinstance(norm, nn.BatchNorm3d):
                    setattr(module, name, nn.InstanceNorm3d(norm.num_features))


class MedicalNetEncoder(ResNetFeatures):
    """A ResNet of MedicalNet (Chen et al. 2019) in MONAI's form, with five maps at 1/2 to 1/32 of the size.

    MONAI's third and fourth layer halve the size, whereas MedicalNet's have dilations of 2 and 4 at 1/8. The weights
    are the same, but the features from the third layer on differ from the original.

    Parameters
    ----------
    in_channels, depth : int
        The depth is 10, 18 or 50.
    """

    stem = "conv1.weight"

    def __init__(self, in_channels=1, depth=10):
        super().__init__(f"resnet{depth}", pretrained=False, spatial_dims=3, in_channels=in_channels)

    forward = in_float32(ResNetFeatures.forward)


class BratsEncoder(SegResNet):
    """The encoder of the SegResNet of MONAI's bundle `brats_mri_segmentation` (Myronenko 2018).

    It has four maps, at 1, 1/2, 1/4 and 1/8 of the size. The bundle's dropout is omitted, because no other encoder has
    dropout.

    Parameters
    ----------
    in_channels : int
        The bundle has four: t1c, t1, t2, flair.
    """

    stem = "convInit.conv.weight"

    def __init__(self, in_channels=4):
        super().__init__(spatial_dims=3, init_filters=16, in_channels=in_channels, blocks_down=(1, 2, 2, 4))
        del self.up_layers, self.up_samples, self.conv_final

    @in_float32
    def forward(self, volumes):
        """Return the features at 1, 1/2, 1/4 and 1/8 of the size, finest first."""
        return self.encode(volumes)[1]


def build_encoder(backbone, in_channels):
    """Build a 3-D encoder with random weights.

    Parameters
    ----------
    backbone : str
        A key of `BACKBONES_3D`.
    in_channels : int

    Returns
    -------
    nn.Module

    Raises
    ------
    ValueError
        If there is no such backbone.
    """
    if backbone not in BACKBONES_3D:
        raise ValueError(f"unknown 3-D backbone {backbone!r}; known are {', '.join(BACKBONES_3D)}")
    row = BACKBONES_3D[backbone]
    return row["encoder"](in_channels, **row["options"])


def rename_weights(backbone, state):
    """Rename a checkpoint's tensors to the names in the backbone's encoder.

    Parameters
    ----------
    backbone : str
        A key of `BACKBONES_3D`; for any other backbone, the names stay the same.
    state : dict of str to Tensor

    Returns
    -------
    dict of str to Tensor
        Unknown names are kept; `load_source` counts them as unused.
    """
    if backbone not in BACKBONES_3D:
        return state
    return {BACKBONES_3D[backbone]["rename"](name): value for name, value in state.items()}


def _rename_deepbet(name):
    """Translate a name, such as `down1.block2.double_conv.3.weight` to MONAI's `layer2.1.conv2.weight`."""
    if name == "init.0.weight":
        return "conv1.weight"
    part, _, rest = name.partition(".")
    if not part.startswith("down"):
        return name
    block, _, inner = rest.partition(".")
    place = f"layer{int(part[4:]) + 1}.{int(block[5:]) - 1}"
    inner = inner.replace("double_conv.0", "conv1").replace("double_conv.3", "conv2")
    return f"{place}.{inner}"


def _keep(name):
    """Return the name unchanged, for checkpoints with MONAI's names."""
    return name


# name to encoder with its options, channels of its feature maps, size of the input divided by that of the finest map,
# translation of a checkpoint's names and, where the encoder sees each sequence by itself, what fuses their maps
BACKBONES_3D = {
    "deepbet": {
        "encoder": DeepbetEncoder, "options": {}, "channels": (16, 16, 32, 64, 128), "finest": 2,
        "rename": _rename_deepbet,
    },
    "medicalnet-resnet10": {
        "encoder": MedicalNetEncoder, "options": {"depth": 10}, "channels": (64, 64, 128, 256, 512), "finest": 2,
        "rename": _keep,
    },
    "medicalnet-resnet18": {
        "encoder": MedicalNetEncoder, "options": {"depth": 18}, "channels": (64, 64, 128, 256, 512), "finest": 2,
        "rename": _keep,
    },
    "medicalnet-resnet50": {
        "encoder": MedicalNetEncoder, "options": {"depth": 50}, "channels": (64, 256, 512, 1024, 2048), "finest": 2,
        "rename": _keep,
    },
    "segresnet-brats": {
        "encoder": BratsEncoder, "options": {}, "channels": (16, 32, 64, 128), "finest": 1, "rename": _keep,
    },
    "hd-bet": {
        "encoder": hd_bet_encoder.HdBetEncoder, "options": {}, "channels": (21, 42, 84, 168, 336), "finest": 1,
        "rename": _keep, "fusion": hd_bet_encoder.Fusion,
    },
    "resenc-l": {
        "encoder": mri_encoders.ResEncEncoder, "options": {}, "channels": (32, 64, 128, 256, 320, 320), "finest": 1,
        "rename": mri_encoders.rename_resenc,
    },
    "amaes-unet-b": {
        "encoder": mri_encoders.AmaesEncoder, "options": {}, "channels": (32, 64, 128, 256, 512), "finest": 1,
        "rename": mri_encoders.rename_amaes,
    },
    "swin-brainsegfounder": {
        "encoder": mri_encoders.BrainSegFounderEncoder, "options": {}, "channels": (48, 96, 192, 384, 768),
        "finest": 2, "rename": mri_encoders.rename_brainsegfounder,
    },
    "brain-id": {
        "encoder": mri_encoders.BrainIdEncoder, "options": {}, "channels": (64, 128, 256, 512, 1024), "finest": 1,
        "rename": mri_encoders.rename_brain_id,
    },
}  # fmt: skip
