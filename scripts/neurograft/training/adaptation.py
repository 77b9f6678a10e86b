"""Unsupervised domain adaptation: target patients have images, but their labels must not be used.

AdaBN uses the target's BatchNorm statistics; CORAL and DANN add a loss that makes the features of training and target
patients similar. All three use images of the patients to predict, or of similar patients, so such results are
transductive. For that reason, `assignment.share_target` never lets a network predict a patient that it has seen.

The losses are made by a function of the loaded network (`strategy_plans.Plan.extra`). It returns a function of the
encoder's deepest features of training and of target patients, (batch, C, X, Y) each, and of the progress of training
from 0 to 1.
"""

import math
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from neurograft.networks.stages import deepest_channels
from neurograft.training.batch_norm import average_statistics

DOMAIN_UNITS = 64
DOMAIN_PARAMETERS = tuple(f"domain_head.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias"))


def has_batch_norm(module):
    """Check whether any layer has BatchNorm running statistics that could be adapted."""
    return any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats for part in module.modules()
    )


def adapt_batch_norm(network, cases, options):
    """Set all BatchNorm statistics to those of the target, and change nothing else (AdaBN, Li et al. 2017).

    Slices are not augmented, as in prediction. The statistics also depend on the content of the slices: a target with
    less tumour shifts them just as another scanner does.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    cases : list of dict
        From `slices.target_case`.
    options : loop.TrainingOptions
        `batch`, `seed` and `threads`; no channel is dropped.
    """
    average_statistics(network, cases, replace(options, dropout=False), augmented=False)


def align_correlations(network, inherited, weight):
    """Make the loss of Deep CORAL (Sun and Saenko 2016), with every spatial position of the features as a sample.

    The loss is `coral_loss` times `weight`; `network` and `inherited` are not used.
    """

    def extra(source, target, progress):
        return weight * coral_loss(_positions(source), _positions(target))

    return extra


def coral_loss(source, target):
    """Compute the distance between two covariance matrices, `||C_S - C_T||_F^2 / (4 d^2)`.

    Parameters
    ----------
    source, target : Tensor, shape (samples, d)
        At least 2 samples each.

    Returns
    -------
    Tensor, scalar
    """
    difference = torch.cov(source.T) - torch.cov(target.T)
    return (difference**2).sum() / (4 * source.shape[1] ** 2)


def add_domain_head(network):
    """Add a small domain classifier to the network, used only during adaptation."""
    channels = deepest_channels(network)
    head = nn.Sequential(nn.Linear(channels, DOMAIN_UNITS), nn.ReLU(), nn.Linear(DOMAIN_UNITS, 1))
    network.domain_head = head


def remove_domain_head(network):
    """Remove the domain classifier from the network."""
    del network.domain_head


def confuse_domains(network, inherited, weight):
    """Make the loss of DANN (Ganin et al. 2016): the domain head learns domains, the encoder learns to hide them.

    The strength of gradient reversal grows from 0 to `weight` as in the paper, so that the untrained head does not
    steer the encoder. If training and target have different proportions of slice types, features can be aligned
    wrongly; this cannot be avoided here, because target slices are drawn without labels.
    """

    def extra(source, target, progress):
        strength = weight * (2 / (1 + math.exp(-10 * progress)) - 1)
        pooled = reverse_gradient(torch.cat([source, target]).float().flatten(2).mean(2), strength)
        origin = torch.cat([pooled.new_ones(len(source), 1), pooled.new_zeros(len(target), 1)])
        return functional.binary_cross_entropy_with_logits(network.domain_head(pooled), origin)

    return extra


def reverse_gradient(features, strength):
    """Return the features unchanged, but multiply their gradient by minus `strength`."""
    same = features.view_as(features)
    if same.requires_grad:
        same.register_hook(lambda gradient: -strength * gradient)
    return same


def _positions(features):
    """Reshape feature maps (batch, C, X, Y) into samples (batch X Y, C)."""
    return features.float().flatten(2).transpose(1, 2).flatten(0, 1)
