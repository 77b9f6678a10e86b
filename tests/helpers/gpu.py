"""The way of a GPU on a processor: the plan is handed over, and all else is the code that a GPU runs."""

import torch
from torch import nn

from neurograft.networks import compute

# no processor has page-locked memory without CUDA, so tests of pinning replace it
BRAIN_FLOAT = {"low": torch.bfloat16, "ahead": 2, "undetermined": "warn"}
HALF = {"low": torch.float16, "ahead": 2, "undetermined": "warn"}


def take(monkeypatch, **changes):
    """Compute by a plan of one's own; without changes, in float32 and without a thread."""
    monkeypatch.setattr(compute, "choose_plan", lambda: compute.ComputePlan(**changes))


class Small(nn.Module):
    """A segmenter of two kernels, whose steps are quick in float16 on a processor too."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, images):
        return self.head(self.encoder(images))
