"""LoRA for convolutions and linear layers: a low-rank change of each frozen kernel, merged into it after training.

A kernel is treated as a matrix, output channels x (input channels of a group x kernel positions). Its change is the
product of two factors, the second of which starts at zero (Hu et al. 2022). For an ungrouped convolution this equals
two convolutions, one with `rank` channels and a 1x1 one. In a depthwise or grouped convolution, all output channels
share `rank` kernels with their own weights, because a single small filter per channel has no rank to reduce. The change
is added to the kernel, not to the output, so stride, padding, groups and dimension need no special treatment, and
merging is exact.
"""

import math

import torch
from torch import nn
from torch.nn.utils import parametrize


class LowRankChange(nn.Module):
    """The change that is added to a kernel: the product of two trained factors."""

    def __init__(self, kernel, rank):
        super().__init__()
        rows, columns = kernel.flatten(1).shape
        self.first = nn.Parameter(kernel.new_empty(rank, columns))
        self.second = nn.Parameter(kernel.new_zeros(rows, rank))
        nn.init.kaiming_uniform_(self.first, a=math.sqrt(5))

    def forward(self, kernel):
        """Return the changed kernel."""
        return kernel + (self.second @ self.first).reshape(kernel.shape)


def inject(network, rank):
    """Add a low-rank change to every convolution and linear layer of the encoder with more values than its factors.

    The network's outputs stay the same, to the bit, until the factors are trained.

    Parameters
    ----------
    network : nn.Module
        A network with an `encoder`; changed in place.
    rank : int
    """
    for name in _kernels(network, rank):
        module = network.get_submodule(name)
        parametrize.register_parametrization(module, "weight", LowRankChange(module.weight.detach(), rank))


def factor_names(network, rank):
    """Return the names of the parameters that `inject` would add."""
    inside = "parametrizations.weight.0"
    return [f"{name}.{inside}.{part}" for name in _kernels(network, rank) for part in ("first", "second")]


def merge(network):
    """Add every change to its kernel, so that the network has its original structure and names again.

    Parameters
    ----------
    network : nn.Module
        After `inject`, trained or not; changed in place.
    """
    with torch.no_grad():
        for module in list(network.encoder.modules()):
            if parametrize.is_parametrized(module, "weight"):
                # a deep copy shares the class that torch made for it, which would lose its weight in all copies
                shared = type(module)
                module.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
                parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def _kernels(network, rank):
    """List the encoder's layers to adapt: those whose kernels have more values than their factors would have."""
    if rank < 1:
        raise ValueError(f"lora: rank is {rank}, at least 1 is needed")
    names = []
    for name, module in network.encoder.named_modules(prefix="encoder"):
        convolution = isinstance(module, nn.modules.conv._ConvNd) and not module.transposed
        if convolution or isinstance(module, nn.Linear):
            rows, columns = module.weight.flatten(1).shape
            if rank * (rows + columns) < rows * columns:
                names.append(name)
    return names
