"""The table of strategies that everything else reads.

A strategy has three parts in separate modules, so that a change reruns only what depends on it. A test checks that
their names are equal:

- its row here (`STRATEGIES`): facts that change results. The Snakefile reads it: standard library only;
- the function that makes its training plan (`neurograft.training.strategy_plans.PLANS`), which needs torch;
- its words and its mark in charts (`neurograft.report.strategy_words.WORDS`), so that a better sentence does not train
  networks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Strategy:
    """The facts of a strategy that change results.

    Attributes
    ----------
    rates : mapping of str to float
        Learning rate of each trained part of the network; empty if it trains no network.
    options : tuple of str
        Further parameters of its plan; their defaults are those of its function.
    control : bool
        Whether every other strategy is compared with it. A control has no variants, so that there is only one.
    transductive : bool
        Whether it uses images of test patients; such a strategy cannot be delivered.
    features : {"", "source", "random encoder", "none"}
        For a supervoxel method: the encoder features used in addition to the supervoxels' own.
    averages : bool
        Whether it is the mean of the predictions of other strategies.
    """

    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    options: tuple[str, ...] = ()
    control: bool = False
    transductive: bool = False
    features: str = ""
    averages: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that a variant may set."""
        return () if self.control else (*self.rates, *self.options)

    @property
    def member(self) -> bool:
        """Whether an ensemble averages it: excludes random weights, ensembles, and use of test patients' images."""
        random = self.control or self.features == "random encoder"
        return not (random or self.transductive or self.averages)


# In the order of the report.
# Learning rates (AdamW, one-cycle), each 1e-3 or 3e-3, chosen on simulated cohorts, one seed: thin sweeps.
# scratch, frozen-random, frozen, fine-tune, lp-ft: whole-tumour Dice and loss of 3 subjects held out from 4, 150 to 250
# steps at 2 mm. lp-ft's second phase keeps the smaller one, as the method asks.
# The others: 3-D whole-tumour Dice of 7 subjects held out from 4, 150 steps at 3 mm, encoder or factors at 3e-3 / 1e-3
# (fine-tune there .777 / .793): last-layers .812 / .814, a tie, left as fine-tune's; l2-sp .788 / .764; lora .821 /
# .799; coral .780 / .779 and dann .808 / .769, these two adapted to the scored images too, to save a training; gradual
# .762 / .138 and after 300 steps .820 / .755, the top at 3e-3 until the encoder opens and then at the encoder's rate;
# discriminative, whose rates all follow the top's, .780 / .747. adabn has fine-tune's, tried at 3e-3 alone, .832.
# 3-D sources have the same rates. deepbet's network, whole-tumour Dice of 2 simulated subjects at 2 mm, trained on 4:
# scratch, 60 steps of 2 patches of 64 voxels, .898 and .817 at 3e-3, .752 and .663 at 1e-2; 36 steps of 1 patch of 96,
# at 3e-3, scratch .710 and .320, fine-tune 0 and 0 (its loss as scratch's). 1e-3 and other strategies were not tried.
# Else the top's rate was not varied, nor were k, xi, alpha, beta, rank and the weights of coral and dann.
STRATEGIES = {
    "scratch": Strategy({"encoder": 3e-3, "top": 3e-3}, control=True),
    "frozen-random": Strategy({"top": 3e-3}, control=True),
    "frozen": Strategy({"top": 3e-3}),
    "last-layers": Strategy({"encoder": 3e-3, "top": 3e-3}, ("k",)),
    "gradual": Strategy({"encoder": 3e-3, "top": 3e-3}),
    "fine-tune": Strategy({"encoder": 3e-3, "top": 3e-3}),
    "lp-ft": Strategy({"encoder": 1e-3, "top": 3e-3, "later_top": 1e-3}),
    "discriminative": Strategy({"top": 3e-3}, ("xi",)),
    "l2-sp": Strategy({"encoder": 3e-3, "top": 3e-3}, ("alpha", "beta")),
    "lora": Strategy({"factors": 3e-3, "top": 3e-3}, ("rank",)),
    "adabn": Strategy({"encoder": 3e-3, "top": 3e-3}, transductive=True),
    "coral": Strategy({"encoder": 3e-3, "top": 3e-3}, ("weight",), transductive=True),
    "dann": Strategy({"encoder": 3e-3, "top": 3e-3}, ("weight",), transductive=True),
    # each supervoxel method is also compared with those below it
    "supervoxels": Strategy(features="source"),
    "supervoxels-random": Strategy(features="random encoder"),
    "supervoxels-plain": Strategy(features="none"),
    "ensemble": Strategy(averages=True),
}
CONTROLS = tuple(name for name, row in STRATEGIES.items() if row.control)
TRANSDUCTIVE = tuple(name for name, row in STRATEGIES.items() if row.transductive)
METHODS = {name: row.features for name, row in STRATEGIES.items() if row.features}
ENSEMBLE = next(name for name, row in STRATEGIES.items() if row.averages)
NO_MEMBERS = tuple(name for name, row in STRATEGIES.items() if not row.member)
TRAINED = tuple(name for name, row in STRATEGIES.items() if row.rates)
# these train no network, so they say nothing about transfer
UNTRAINED = tuple(name for name, row in STRATEGIES.items() if not row.rates)
ORDER = tuple(STRATEGIES)
# the source of arms with masks of other programs (`experiment.segmentation.external`): their strategy is the name given
# in the config; they train nothing here and are compared with scratch
EXTERNAL = "external"


def trains_here(source: str, strategy: str) -> bool:
    """Check whether an arm has networks trained by this workflow; only these say anything about transfer."""
    return source != EXTERNAL and strategy not in UNTRAINED


def base_strategy(name: str) -> str:
    """Return the strategy of a name: the name itself, or the strategy that a variant's name begins with."""
    bases = (base for base in TRAINED if name == base or name.startswith(f"{base}-"))
    return max(bases, key=len, default=name)


def strategy_order(strategy: str) -> tuple[int, str]:
    """Return a sort key for strategies in the order of the report, with unknown names last, by name."""
    return (ORDER.index(strategy) if strategy in ORDER else len(ORDER), strategy)
