"""HD-BET's network as an encoder: it sees each sequence by itself, and a trained layer fuses what it finds in them."""

from torch import nn
from torch.nn import functional

from neurograft.networks.compute import in_float32

SLOPE, LAST_SLOPE = 0.01, 0.1  # of the leaky ReLUs, and of the one after the deepest block
SCALES = 4  # maps that are halved


class HdBetEncoder(nn.Module):
    """The contracting path of one of HD-BET's five networks (Isensee et al. 2019), the same weights for each sequence.

    They were trained on T1, T1 with contrast agent, T2 and FLAIR alike, one at a time. Five maps, at 1 to 1/16 of the
    size, each with the channels of all sequences one after the other. As in HD-BET, the axes are reversed, and
    InstanceNorm uses the statistics of the volume itself.

    Parameters
    ----------
    in_channels : int
        Number of sequences.
    width : int
        Channels of the finest map for one sequence; each further scale has twice as many.
    """

    stem = "init_conv.weight"  # has one channel, whatever the number of sequences

    def __init__(self, in_channels=1, width=21):
        super().__init__()
        self.in_channels = in_channels
        self.init_conv = nn.Conv3d(1, width, 3, padding=1)
        for number in range(1, SCALES + 1):
            self.add_module(f"context{number}", ResidualBlock(width))
            self.add_module(f"down{number}", Halving(width))
            width *= 2
        self.add_module(f"context{SCALES + 1}", ResidualBlock(width))
        self.bn_after_context5 = nn.InstanceNorm3d(width, affine=True)

    @in_float32
    def forward(self, volumes):
        """Return the features, finest first, of volumes (batch, sequence, X, Y, Z); those of an absent one are zero."""
        count, sequences = volumes.shape[:2]
        x, maps = self.init_conv(volumes.permute(0, 1, 4, 3, 2).flatten(0, 1)[:, None]), []
        for number in range(1, SCALES + 1):
            x = self.get_submodule(f"context{number}")(x)
            kept, x = self.get_submodule(f"down{number}")(x)
            maps.append(kept)
        x = self.bn_after_context5(self.get_submodule(f"context{SCALES + 1}")(x))
        maps.append(functional.leaky_relu(x, LAST_SLOPE))
        # a sequence that a patient lacks is zero throughout; its biases must not pass for features
        present = (volumes != 0).flatten(2).any(2).to(x.dtype)[:, :, None, None, None, None]
        return [(each.unflatten(0, (count, sequences)) * present).flatten(1, 2).permute(0, 1, 4, 3, 2) for each in maps]


class ResidualBlock(nn.Module):
    """Two convolutions after normalisation and leaky ReLU, added to the input; HD-BET's names."""

    def __init__(self, width):
        super().__init__()
        self.bn_1, self.bn_2 = (nn.InstanceNorm3d(width, affine=True) for _ in range(2))
        self.conv1, self.conv2 = (nn.Conv3d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x):
        """Return features of the same shape."""
        inner = self.conv1(functional.leaky_relu(self.bn_1(x), SLOPE))
        return x + self.conv2(functional.leaky_relu(self.bn_2(inner), SLOPE))


class Halving(nn.Module):
    """Normalisation and leaky ReLU, whose result is kept as a map, and a convolution to half the size."""

    def __init__(self, width):
        super().__init__()
        self.bn = nn.InstanceNorm3d(width, affine=True)
        self.downsample = nn.Conv3d(width, 2 * width, 3, stride=2, padding=1)

    def forward(self, x):
        """Return the map, and features with twice the channels at half the size."""
        kept = functional.leaky_relu(self.bn(x), SLOPE)
        return kept, self.downsample(kept)


class Fusion(nn.Module):
    """Fuse the maps of all sequences at each scale: one convolution of a voxel and a ReLU, trained for each task.

    Parameters
    ----------
    sequences : int
    channels : sequence of int
        Of the maps of one sequence, finest first, and of the fused maps.
    """

    def __init__(self, sequences, channels):
        super().__init__()
        self.sequences = sequences
        self.layers = nn.ModuleList(nn.Conv3d(sequences * width, width, 1) for width in channels)

    def forward(self, features):
        """Return the fused maps, finest first."""
        return [functional.relu(layer(each)) for layer, each in zip(self.layers, features, strict=True)]

    def silence(self, missing):
        """Take nothing from the maps of some sequences; as these are zero in training, it stays so."""
        for layer in self.layers:
            layer.get_parameter("weight").unflatten(1, (self.sequences, -1))[:, missing] = 0
