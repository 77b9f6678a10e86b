"""Transfer strategies: how a source's weights are adapted to the target.

A strategy is a small function that takes a network (with an `encoder`, see `networks`), learning rates and its own
parameters, and returns a `Plan`: what is loaded, which parameters train in which phase at which rate and, if needed,
hooks for certain points of the run. `experiment.network_cells` and `loop.train` execute a plan without knowing any
strategy by name. Other facts of a strategy are in `core.strategies`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from neurograft.cohort.assignment import UntrainableError
from neurograft.core.strategies import STRATEGIES
from neurograft.networks import lora
from neurograft.networks.stages import split_stages
from neurograft.training import adaptation


class Phase(NamedTuple):
    """A part of a training run.

    share : share of the run's steps, 0 to 1; the shares of a plan sum to 1.
    rates : learning rate of every trained parameter, by name. All others are frozen, and a BatchNorm with a frozen
        weight uses and keeps its running statistics. As this is a dict, no parameter can be in two groups.
    """

    share: float
    rates: dict


class Plan(NamedTuple):
    """The steps of a strategy on a network.

    loads : whether the source's weights are loaded into the encoder first.
    phases : tuple of Phase
    estimate_norms : whether the encoder's BatchNorm statistics are first estimated on the training patients, without
        labels.
    prepare : called with the loaded network; adds the parameters that are needed only for training.
    weight_decay : of AdamW, towards zero, on all trained parameters.
    extra : called with the prepared network and the names of the loaded parameters; returns a function of training
        features, target features and progress whose value is added to the loss (see `adaptation`).
    finish : called with the trained network; removes what only training needed.
    adapt : called with the finished network and the target's cases, without labels.
    """

    loads: bool
    phases: tuple
    estimate_norms: bool = False
    prepare: Callable | None = None
    weight_decay: float = 1e-4
    extra: Callable | None = None
    finish: Callable | None = None
    adapt: Callable | None = None


def plan(strategy, network, variants=None):
    """Make the plan of a named strategy for a network, with the strategy's own learning rates.

    Parameters
    ----------
    strategy : str
        A key of `PLANS` or of `variants`.
    network : nn.Module
        Has an `encoder`; it is not changed.
    variants : dict of str to dict, optional
        Named rows such as `{"last-layers-2": {"method": "last-layers", "k": 2}}`: a strategy, with the parameters or
        rates that differ from its defaults.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If the strategy, its parameter or the value of the parameter does not exist.
    assignment.UntrainableError
        If the network lacks what the strategy needs.
    """
    method, parameters = resolve(strategy, variants)
    parameters = {**STRATEGIES[method].rates, **parameters}
    function = PLANS[method]
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    if set(parameters) - set(names):
        wrong = sorted(set(parameters) - set(names))[0]
        raise ValueError(f"strategy {strategy!r}: {method} has no parameter {wrong!r}; it has {', '.join(names)}")
    return function(network, **parameters)


def resolve(strategy, variants=None):
    """Return the key of `PLANS` for a name, and the parameters of its variant."""
    row = dict((variants or {}).get(strategy, {"method": strategy}))
    method = row.pop("method")
    if method not in PLANS:
        raise ValueError(f"unknown strategy {method!r}; known are {', '.join(PLANS)}")
    return method, row


def split_parameters(network):
    """Return the names of the encoder's parameters, and of all others (the top)."""
    names = [name for name, _ in network.named_parameters()]
    return [n for n in names if n.startswith("encoder.")], [n for n in names if not n.startswith("encoder.")]


def scratch(network, encoder, top):
    """Train everything from random weights: the control of every comparison."""
    return Plan(False, _everything(network, encoder, top))


def frozen_random(network, top):
    """Train only the top, on a random encoder: the control for any frozen features.

    A random encoder with initial BatchNorm statistics normalises nothing, so these are estimated once on the training
    patients, without labels.
    """
    return Plan(False, (Phase(1.0, _rates(network, {}, top)),), estimate_norms=True)


def frozen(network, top):
    """Train only the top, on the source's features."""
    return Plan(True, (Phase(1.0, _rates(network, {}, top)),))


def last_layers(network, encoder, top, k=1):
    """Train the encoder's last `k` stages and the top; the earlier stages keep the source's weights."""
    stages = split_stages(network)
    if not 1 <= k <= len(stages):
        raise ValueError(f"last-layers: k is {k}, the encoder has {len(stages)} stages")
    opened = {name: encoder for stage in stages[-k:] for name in stage}
    return Plan(True, (Phase(1.0, _rates(network, opened, top)),))


def gradual(network, encoder, top):
    """Train the top first, then one stage more at a time, the deepest first (Howard and Ruder 2018).

    Half of the steps are divided equally among the phases before the last; the other half trains the whole network.
    """
    opened, phases, stages = {}, [], split_stages(network)
    for stage in reversed(stages):
        phases.append(Phase(0.5 / len(stages), _rates(network, opened, top)))
        opened = opened | dict.fromkeys(stage, encoder)
    return Plan(True, (*phases, Phase(0.5, _rates(network, opened, top))))


def fine_tune(network, encoder, top):
    """Train everything, from the source's weights."""
    return Plan(True, _everything(network, encoder, top))


def lp_ft(network, encoder, top, later_top):
    """Train the top first, on the frozen encoder, then everything at a smaller rate (Kumar et al. 2022).

    A random top would otherwise send large gradients into pretrained features.
    """
    first = Phase(0.3, _rates(network, {}, top))
    return Plan(True, (first, *_everything(network, encoder, later_top, share=0.7)))


def discriminative(network, top, xi=1 / 2.6):
    """Train everything, each stage at `xi` times the rate of the next (Howard and Ruder 2018).

    Stage l of L has the rate `top * xi ** (L - l)`; the top is stage L.
    """
    stages = split_stages(network)
    rates = {name: top * xi ** (len(stages) - place) for place, stage in enumerate(stages) for name in stage}
    return Plan(True, (Phase(1.0, _rates(network, rates, top)),))


def l2_sp(network, encoder, top, alpha=0.1, beta=0.01):
    """Fine-tune with a penalty that pulls weights towards the source's, not towards zero (Li et al. 2018)."""
    extra = partial(pull_to_source, alpha=alpha, beta=beta)
    return Plan(True, _everything(network, encoder, top), weight_decay=0.0, extra=extra)


def low_rank(network, factors, top, rank=4):
    """Train low-rank changes of the frozen encoder's kernels, and the top (LoRA, see `lora`)."""
    rates = _rates(network, dict.fromkeys(lora.factor_names(network, rank), factors), top)
    return Plan(True, (Phase(1.0, rates),), prepare=partial(lora.inject, rank=rank), finish=lora.merge)


def adabn(network, encoder, top):
    """Fine-tune, then use the BatchNorm statistics of the target's unlabelled images (Li et al. 2017)."""
    if not adaptation.has_batch_norm(network.encoder):
        raise UntrainableError("adabn adapts BatchNorm statistics, and this encoder has none: use coral or dann")
    return Plan(True, _everything(network, encoder, top), adapt=adaptation.adapt_batch_norm)


def coral(network, encoder, top, weight=1.0):
    """Fine-tune while aligning the covariances of features with unlabelled target images (see `adaptation`)."""
    extra = partial(adaptation.align_correlations, weight=weight)
    return Plan(True, _everything(network, encoder, top), extra=extra)


def dann(network, encoder, top, weight=1.0):
    """Fine-tune features that do not distinguish training from unlabelled target images (see `adaptation`)."""
    rates = dict.fromkeys(split_parameters(network)[0], encoder) | dict.fromkeys(adaptation.DOMAIN_PARAMETERS, top)
    return Plan(
        True,
        (Phase(1.0, _rates(network, rates, top)),),
        prepare=adaptation.add_domain_head,
        extra=partial(adaptation.confuse_domains, weight=weight),
        finish=adaptation.remove_domain_head,
    )


def pull_to_source(network, inherited, alpha, beta):
    """Return the penalty of L2-SP: `alpha / 2 ||w - w0||^2` on loaded weights, `beta / 2 ||w||^2` on new kernels.

    New biases and norms have no penalty, because a norm whose weight is pulled to zero would silence its layer.

    Parameters
    ----------
    network : nn.Module
        With the source's weights, which are kept as w0.
    inherited : collection of str
        Names of the loaded parameters.
    alpha, beta : float

    Returns
    -------
    callable
        Has the arguments of `Plan.extra`'s function, but does not use them.
    """
    parameters = dict(network.named_parameters())
    start = {name: parameters[name].detach().clone() for name in parameters if name in inherited}
    new = [value for name, value in parameters.items() if name not in inherited and value.ndim > 1]

    def extra(source, target, progress):
        moved = sum(((parameters[name] - value) ** 2).sum() for name, value in start.items())
        return alpha / 2 * moved + beta / 2 * sum((value**2).sum() for value in new)

    return extra


def _everything(network, encoder, top, share=1.0):
    """Make a single phase that trains all parameters."""
    return (Phase(share, _rates(network, dict.fromkeys(split_parameters(network)[0], encoder), top)),)


def _rates(network, of_encoder, top):
    """Combine the rates of the top's parameters and of the trained encoder parameters; the others are frozen."""
    return dict.fromkeys(split_parameters(network)[1], top) | of_encoder


# the keys are those of `core.strategies.STRATEGIES` with learning rates
PLANS = {
    "scratch": scratch,
    "frozen-random": frozen_random,
    "frozen": frozen,
    "last-layers": last_layers,
    "gradual": gradual,
    "fine-tune": fine_tune,
    "lp-ft": lp_ft,
    "discriminative": discriminative,
    "l2-sp": l2_sp,
    "lora": low_rank,
    "adabn": adabn,
    "coral": coral,
    "dann": dann,
}
