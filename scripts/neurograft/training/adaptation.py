"""Adaptation to a target whose patients have images but no labels that anyone may look at.

AdaBN takes the target's BatchNorm statistics, CORAL and DANN add a loss that makes the features
of training and target patients alike. All three see images of those that are predicted in the
end, or of patients like them: such results are transductive, which is why `assignment.share_target`
never lets a patient be predicted by a network that saw it.

The losses are made by a function of the loaded network (`strategy_plans.Plan.extra`): it returns a
function of the encoder's deepest features of training patients and of target patients,
(batch, C, X, Y) each, and of the progress of the training, 0 to 1.
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
    """Check whether any layer normalises by running statistics that could be adapted."""
    return any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats for part in module.modules()
    )


def adapt_batch_norm(network, cases, options):
    """Set all BatchNorm statistics to those of the target, and nothing else (AdaBN, Li et al. 2017).

    The slices are not augmented: prediction sees them as they are. Statistics also follow what is
    on the slices: a target with less tumour shifts them as another scanner does.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    cases : list of dict
        As `slices.target_case` returns them.
    options : loop.TrainingOptions
        `batch`, `seed` and `threads`; no channel is dropped.
    """
    average_statistics(network, cases, replace(options, dropout=False), augmented=False)


def align_correlations(network, inherited, weight):
    """Make the loss of Deep CORAL (Sun and Saenko 2016), every position of the features a sample.

    The loss is that of `coral_loss`, times `weight`; neither the network nor what it inherited is looked at.
    """

    def extra(source, target, progress):
        return weight * coral_loss(_positions(source), _positions(target))

    return extra


def coral_loss(source, target):
    """Compute the distance of two covariances, `||C_S - C_T||_F^2 / (4 d^2)`.

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
    """Add a small classifier of where a slice comes from to the network; nothing else uses it."""
    channels = deepest_channels(network)
    head = nn.Sequential(nn.Linear(channels, DOMAIN_UNITS), nn.ReLU(), nn.Linear(DOMAIN_UNITS, 1))
    network.domain_head = head


def remove_domain_head(network):
    """Take the classifier away: an ordinary network again."""
    del network.domain_head


def confuse_domains(network, inherited, weight):
    """Make the loss of DANN (Ganin et al. 2016): the domain head learns, the encoder unlearns.

    The gradient's reversal grows from 0 to `weight` as in the paper, so that the head's first
    guesses do not steer the encoder. Features whose kinds of slices differ in number between
    training and target can be aligned wrongly; the target's slices are drawn without labels, so
    nothing can be done about that here.
    """

    def extra(source, target, progress):
        strength = weight * (2 / (1 + math.exp(-10 * progress)) - 1)
        pooled = reverse_gradient(torch.cat([source, target]).float().flatten(2).mean(2), strength)
        origin = torch.cat([pooled.new_ones(len(source), 1), pooled.new_zeros(len(target), 1)])
        return functional.binary_cross_entropy_with_logits(network.domain_head(pooled), origin)

    return extra


def reverse_gradient(features, strength):
    """Return the features as they are, with a gradient times minus `strength` on the way back."""
    same = features.view_as(features)
    if same.requires_grad:
        same.register_hook(lambda gradient: -strength * gradient)
    return same


def _positions(features):
    """Turn feature maps (batch, C, X, Y) into samples (batch X Y, C)."""
    return features.float().flatten(2).transpose(1, 2).flatten(0, 1)
