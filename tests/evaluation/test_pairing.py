"""Two arms patient by patient: who is paired, with which fold and which seeds."""

import numpy as np
import pytest

from neurograft.evaluation import pairing
from neurograft.evaluation.frames import Pivot

NONE = np.nan
FOLDS = {"a": "0", "b": "1", "c": "0"}


def arms(**columns):
    """A pivot of arms named strategy_source_seed."""
    return Pivot(["a", "b", "c"], {tuple(name.split("_")): np.array(values) for name, values in columns.items()})


def test_differences_are_taken_seed_by_seed_with_the_patients_folds():
    table = arms(lp_s_0=[0.5, 0.6, 0.7], lp_s_1=[0.7, 0.6, 0.7], no_s_0=[0.4, 0.4, 0.4], no_s_1=[0.5, 0.5, 0.5])
    found = pairing.pair_arms(table, ("lp", "s"), "no", ["s"], FOLDS)
    np.testing.assert_allclose(found.values, [[0.1, 0.2], [0.2, 0.1], [0.3, 0.2]])
    assert found.sets.tolist() == [[0], [1], [0]] and (found.patients, found.seeds, found.folds) == (3, 2, 2)


def test_several_controls_are_averaged_and_other_seeds_too():
    table = arms(lp_u_0=[0.5, 0.6, 0.7], no_s_0=[0.4, NONE, 0.4], no_t_0=[0.2, 0.2, 0.2], no_t_1=[0.4, 0.2, 0.2])
    found = pairing.pair_arms(table, ("lp", "u"), "no", ["s", "t"], FOLDS)
    # t's seeds are averaged first: 0.3, 0.2, 0.2
    np.testing.assert_allclose(found.values[:, 0], [0.15, 0.4, 0.4])


def test_who_lacks_a_score_is_left_out_and_nobody_for_a_seed():
    table = arms(lp_s_0=[0.5, NONE, 0.7], lp_s_1=[NONE, NONE, 0.9], no_s_0=[0.4, 0.4, 0.4], no_s_1=[0.4, 0.4, 0.4])
    found = pairing.pair_arms(table, ("lp", "s"), "no", ["s"], FOLDS)
    assert (found.patients, found.seeds) == (2, 1)
    np.testing.assert_allclose(found.values[:, 0], [0.1, 0.4])


def test_the_scale_of_a_difference_is_that_of_its_metric():
    dice = pairing.difference_scale("dice", {"dice": 0.03})
    assert (dice.margin, dice.bounds, dice.better) == (0.03, (-1, 1), "higher")
    distance = pairing.difference_scale("hd95")
    assert (distance.margin, distance.better) == (0, "lower") and distance.bounds == (-np.inf, np.inf)
    with pytest.raises(StopIteration):
        pairing.difference_scale("no such metric")
