"""Import the parts of MONAI that are used, without its optional dependencies.

Importing MONAI loads all of its modules, and with them matplotlib, pandas, scikit-learn and others if they are
installed, which takes a third of the start-up time of a training. They are optional for MONAI and not needed for the
parts used here, so they are hidden while it is imported.
"""

import sys
from contextlib import contextmanager

OPTIONAL = ("matplotlib", "pandas", "skimage", "sklearn", "scipy.signal", "scipy.stats")


@contextmanager
def hidden(*names):
    """Make modules that are not imported yet look as if they were not installed."""
    names = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


with hidden(*OPTIONAL):
    from monai.inferers.utils import sliding_window_inference
    from monai.networks.blocks.encoder import BaseEncoder
    from monai.networks.nets import swin_unetr
    from monai.networks.nets.basic_unet import UpCat
    from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE, FlexibleUNet
    from monai.networks.nets.resnet import ResNet, ResNetBlock, ResNetFeatures
    from monai.networks.nets.segresnet import SegResNet
    from monai.networks.nets.swin_unetr import SwinTransformer
__all__ = [
    "FLEXUNET_BACKBONE", "BaseEncoder", "FlexibleUNet", "ResNet", "ResNetBlock", "ResNetFeatures", "SegResNet",
    "SwinTransformer", "UpCat", "sliding_window_inference",
]  # fmt: skip


def permute_axes(x, pattern):
    """Reorder axes by a pattern such as `b c d h w -> b d h w c`: all that MONAI's Swin transformer asks of einops."""
    before, after = (side.split() for side in pattern.split("->"))
    return x.permute([before.index(axis) for axis in after])


# einops is not installed; without it the transformer is built, but fails when it runs
swin_unetr.rearrange = permute_axes
