"""Estimate BatchNorm statistics from images, without labels and without training."""

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from neurograft.networks.compute import lower_precision, place_images, place_network, reproducible
from neurograft.training.loop import inputs


def estimate_statistics(network, cases, options, count=12):
    """Set the encoder's BatchNorm statistics to averages over slices of these cases, without labels.

    Parameters are those of `average_statistics`.
    """
    kept = ("images", "channels", "plane")
    blind = [{name: case[name] for name in kept if name in case} | _one_stratum(case) for case in cases]
    average_statistics(network.encoder, blind, options, count)


def average_statistics(network, cases, options, count=12, augmented=True):
    """Set the BatchNorm statistics of a network, or of a part that takes images, to averages over slices.

    InstanceNorm and GroupNorm have no statistics, because they normalise each image by itself, even in a random
    network; without BatchNorm, no batch is drawn.

    Parameters
    ----------
    network : nn.Module
    cases : list of dict
        With the stratum "any" and only images.
    options : loop.TrainingOptions
        How the batches are drawn: `batch`, `seed`, `threads` and `dropout`.
    count : int
        Number of batches.
    augmented : bool
        Whether the slices are augmented as in training.
    """
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    with reproducible(options.seed, options.threads), torch.no_grad():
        place_network(network).eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.train()
        changes = {"augmented": augmented, "dropout": options.dropout}
        draw = inputs(network).draw_batches(cases, {"any": 1.0}, options.batch, options.seed, **changes)
        for _ in range(count):
            images = place_images(next(draw)[0])
            with lower_precision():  # not for drawing, because it would affect augmentation
                network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _one_stratum(case):
    """Merge the strata of a case into one with all of their slices."""
    return {"strata": {"any": np.unique(np.concatenate([np.asarray(z, int) for z in case["strata"].values()]))}}
