"""The parts of MONAI that are used here; apart, for MONAI imports itself whole, and what that takes is settled once.

Its import reads every module of its own, and for their sake matplotlib, pandas, scikit-learn and others, where these
are installed: a third of what the start of a training takes. They are optional to MONAI, and nothing here asks it for
what it does with them, so they are kept from it.
"""

import sys
from contextlib import contextmanager

OPTIONAL = ("matplotlib", "pandas", "skimage", "sklearn", "scipy.signal", "scipy.stats")


@contextmanager
def hidden(*names):
    """Let modules that are not imported yet look like ones that are not installed."""
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
    from monai.networks.nets.basic_unet import UpCat
    from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE, FlexibleUNet
    from monai.networks.nets.resnet import ResNet, ResNetBlock, ResNetFeatures
    from monai.networks.nets.segresnet import SegResNet
__all__ = [
    "FLEXUNET_BACKBONE", "BaseEncoder", "FlexibleUNet", "ResNet", "ResNetBlock", "ResNetFeatures", "SegResNet", "UpCat",
    "sliding_window_inference",
]  # fmt: skip
