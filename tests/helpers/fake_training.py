"""Small networks that are quick to train."""

import torch

from neurograft.networks import builders


def build(seed=0):
    """A segmenter whose random start is the seed's."""
    torch.manual_seed(seed)
    return builders.build_segmenter("efficientnet-lite0", 3, 1)
