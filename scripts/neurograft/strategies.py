"""Transfer strategies: how a source's weights are adapted to the target.

A strategy is one small function that takes a network (with an `encoder`, see `networks`) and
two learning rates, and gives a `Plan`: what is loaded, and which parameter trains in which
phase at which rate. `training.train` carries a plan out; it knows no strategy by name.
"""

from typing import NamedTuple


class Phase(NamedTuple):
    """A part of a training run.

    share : share of the run's steps, 0 to 1; the shares of a plan sum to 1.
    rates : learning rate of every parameter that trains, by name; the others are frozen. That it
        is a dict puts every parameter into exactly one group.
    fixed_norms : whether the encoder's BatchNorm uses, and keeps, its running statistics.
    """

    share: float
    rates: dict
    fixed_norms: bool


class Plan(NamedTuple):
    """What a strategy does to a network.

    loads : whether the source's weights go into the encoder before anything else.
    estimate_norms : whether the encoder's BatchNorm statistics are first estimated, without
        labels, on the training patients.
    phases : tuple of Phase
    """

    loads: bool
    estimate_norms: bool
    phases: tuple


def plan(strategy, network):
    """Give the plan of a named strategy for a network, with the strategy's own learning rates.

    Parameters
    ----------
    strategy : str
        A key of `STRATEGIES`.
    network : nn.Module
        Has an `encoder`.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}")
    return STRATEGIES[strategy](network, **RATES[strategy])


def split_parameters(network):
    """Give the parameter names of the encoder, and of all the rest (the top)."""
    names = [name for name, _ in network.named_parameters()]
    return [n for n in names if n.startswith("encoder.")], [n for n in names if not n.startswith("encoder.")]


def scratch(network, encoder, top):
    """Everything random, everything trained: the control of every comparison."""
    return Plan(False, False, (Phase(1.0, _rates(network, encoder, top), False),))


def frozen_random(network, encoder, top):
    """Only the top trains on a random encoder: the control for any frozen features.

    A random encoder with untouched BatchNorm statistics normalises nothing, so these are
    estimated once on the training patients, without labels.
    """
    return Plan(False, True, (Phase(1.0, _rates(network, None, top), True),))


def frozen(network, encoder, top):
    """Only the top trains, on the source's features."""
    return Plan(True, False, (Phase(1.0, _rates(network, None, top), True),))


def fine_tune(network, encoder, top):
    """Everything trains from the source's weights."""
    return Plan(True, False, (Phase(1.0, _rates(network, encoder, top), False),))


def lp_ft(network, encoder, top, later_top):
    """First the top on the frozen encoder, then everything at a smaller rate (Kumar et al. 2022).

    A random top would otherwise send large gradients into the features it has not yet learnt to use.
    """
    first = Phase(0.3, _rates(network, None, top), True)
    return Plan(True, False, (first, Phase(0.7, _rates(network, encoder, later_top), False)))


def _rates(network, encoder, top):
    """Give every parameter the rate of its part; None leaves a part out."""
    of_encoder, of_top = split_parameters(network)
    rates = dict.fromkeys(of_top, top)
    if encoder is not None:
        rates |= dict.fromkeys(of_encoder, encoder)
    return rates


# Learning rates (AdamW, one-cycle), each 1e-3 or 3e-3, chosen on the simulated cohort: whole-tumour Dice and loss of
# 3 subjects held out from 4, 150 to 250 steps. lp-ft's second phase keeps the smaller one, as the method asks.
RATES = {
    "scratch": {"encoder": 3e-3, "top": 3e-3},
    "frozen-random": {"encoder": None, "top": 3e-3},
    "frozen": {"encoder": None, "top": 3e-3},
    "fine-tune": {"encoder": 3e-3, "top": 3e-3},
    "lp-ft": {"encoder": 1e-3, "top": 3e-3, "later_top": 1e-3},
}
STRATEGIES = {
    "scratch": scratch,
    "frozen-random": frozen_random,
    "frozen": frozen,
    "fine-tune": fine_tune,
    "lp-ft": lp_ft,
}
