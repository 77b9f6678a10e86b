"""The table of strategies, and the groups that are read from it."""

import pytest

from neurograft.core import strategies


def test_groups_of_strategies():
    assert strategies.CONTROLS == ("scratch", "frozen-random")
    assert strategies.TRANSDUCTIVE == ("adabn", "coral", "dann")
    assert strategies.METHODS == {
        "supervoxels": "source",
        "supervoxels-random": "random encoder",
        "supervoxels-plain": "none",
    }
    assert strategies.ENSEMBLE == "ensemble" and (*strategies.METHODS, "ensemble") == strategies.UNTRAINED
    alone = {*strategies.CONTROLS, *strategies.TRANSDUCTIVE, "supervoxels-random", "ensemble"}
    assert set(strategies.NO_MEMBERS) == alone and strategies.NO_MEMBERS[-1] == "ensemble"


def test_learning_rates_are_those_chosen_on_simulated_patients():
    """A rate that changes here changes every result: the docs say how each was chosen."""
    assert strategies.STRATEGIES["lp-ft"].rates == {"encoder": 1e-3, "top": 3e-3, "later_top": 1e-3}
    assert strategies.STRATEGIES["frozen"].rates == {"top": 3e-3}
    for name in ("scratch", "last-layers", "gradual", "fine-tune", "l2-sp", "adabn", "coral", "dann"):
        assert strategies.STRATEGIES[name].rates == {"encoder": 3e-3, "top": 3e-3}, name


def test_a_control_has_no_variants_and_what_trains_no_network_no_parameters():
    for name, row in strategies.STRATEGIES.items():
        assert (row.parameters == ()) == (name in (*strategies.CONTROLS, *strategies.UNTRAINED))
    assert strategies.STRATEGIES["lp-ft"].parameters == ("encoder", "top", "later_top")
    assert strategies.STRATEGIES["l2-sp"].parameters == ("encoder", "top", "alpha", "beta")


@pytest.mark.parametrize(
    ("name", "base"),
    [("scratch", "scratch"), ("frozen-random", "frozen-random"), ("last-layers-2", "last-layers"), ("zebra", "zebra")],
)
def test_a_variant_stands_for_its_strategy(name, base):
    assert strategies.base_strategy(name) == base


def test_unknown_names_come_last():
    names = ["zebra", "ensemble", "scratch", "apple", "dann"]
    assert sorted(names, key=strategies.strategy_order) == ["scratch", "dann", "ensemble", "apple", "zebra"]


def test_what_trains_here_is_told_by_source_and_strategy():
    assert strategies.trains_here("photos", "lp-ft") and strategies.trains_here("photos", "last-layers-2")
    assert not strategies.trains_here("photos", "ensemble") and not strategies.trains_here("external", "nnunet")
