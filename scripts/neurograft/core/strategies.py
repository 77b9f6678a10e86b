"""The strategies' names, and what is known of them without loading a network."""

from neurograft.core.config import PARAMETERS

# the arms that every other one is held against
CONTROLS = ("scratch", "frozen-random")
# strategies that see images of the target's patients; named here too, since `strategies` imports torch
TRANSDUCTIVE = ("adabn", "coral", "dann")
# methods of segmentation that train no network, named among the strategies: whose features they classify supervoxels
# by, beside the supervoxels' own; each is held against scratch and against those after it
METHODS = {"supervoxels": "source", "supervoxels-random": "random encoder", "supervoxels-plain": "none"}
# the mean of what all strategies beside it predict, but for those that it leaves out: controls with random weights, and
# what saw images of test patients
ENSEMBLE = "ensemble"
NO_MEMBERS = (*CONTROLS, "supervoxels-random", *TRANSDUCTIVE, ENSEMBLE)
# names among the strategies by which no network is trained: nothing is said of transfer by them
UNTRAINED = (*METHODS, ENSEMBLE)


def base_strategy(name):
    """Give the strategy that a name stands for: its own, or that of a variant, whose name begins with it."""
    known = (*CONTROLS, *PARAMETERS)
    return max((one for one in known if name == one or name.startswith(f"{one}-")), key=len, default=name)


ORDER = (
    *("scratch", "frozen-random", "frozen", "last-layers", "gradual", "fine-tune", "lp-ft", "discriminative", "l2-sp"),
    *("lora", "adabn", "coral", "dann", "supervoxels", "supervoxels-random", "supervoxels-plain"),
    "ensemble",
)


def strategy_order(strategy):
    """Order strategies: the controls first, then as the registry has them, then by name."""
    return (ORDER.index(strategy) if strategy in ORDER else len(ORDER), strategy)
