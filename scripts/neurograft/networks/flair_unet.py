"""The decoder of the U-Net for FLAIR abnormalities of Buda et al. (2019), handed on with its encoder."""

import torch
from torch import nn

from neurograft.networks.encoders_2d import BACKBONES, FlairEncoder, convolve_twice

NAME = "flair-unet"
OUTPUTS = ("WT",)  # of the published checkpoint


class FlairUnet(nn.Module):
    """The whole U-Net, with a logit for each region.

    Parameters
    ----------
    in_channels, regions : int
    """

    def __init__(self, in_channels, regions):
        super().__init__()
        self.encoder = FlairEncoder(NAME, in_channels)
        widths = BACKBONES[NAME]["channels"]
        for number in range(4, 0, -1):
            deep, skip = widths[number], widths[number - 1]
            self.add_module(f"upconv{number}", nn.ConvTranspose2d(deep, skip, 2, stride=2))
            self.add_module(f"decoder{number}", convolve_twice(f"dec{number}", 2 * skip, skip))
        self.head = nn.Conv2d(widths[0], regions, 1)

    def forward(self, images):
        """Compute region logits, shape (batch, regions, X, Y), for sizes that are multiples of 16."""
        *skips, x = self.encoder(images)
        for number, skip in zip(range(4, 0, -1), reversed(skips), strict=True):
            wider = self.get_submodule(f"upconv{number}")(x)
            x = self.get_submodule(f"decoder{number}")(torch.cat([wider, skip], 1))
        return self.head(x)


def take_top(state):
    """Return the decoder and head of the published checkpoint, with the names that they have here.

    Parameters
    ----------
    state : dict of str to Tensor

    Returns
    -------
    dict of str to Tensor
    """
    found = {name: value for name, value in state.items() if name.startswith(("upconv", "decoder"))}
    return found | {f"head.{name[5:]}": value for name, value in state.items() if name.startswith("conv.")}
