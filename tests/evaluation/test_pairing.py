"""Two arms patient by patient: who is paired, with which fold and which seeds."""

import numpy as np
import pytest

from neurograft.evaluation import pairing

NONE = np.nan
FOLDS = [("0",), ("1",), ("0",)]


def arms(**columns):
    """Arms named strategy_source_seed, of three patients."""
    named = {tuple(name.split("_")): np.atleast_2d(values) for name, values in columns.items()}
    return pairing.ScoredArms(["a", "b", "c"], named, FOLDS)


def test_differences_are_taken_seed_by_seed_with_the_patients_folds():
    table = arms(lp_s_0=[0.5, 0.6, 0.7], lp_s_1=[0.7, 0.6, 0.7], no_s_0=[0.4, 0.4, 0.4], no_s_1=[0.5, 0.5, 0.5])
    found = pairing.pair_arms(table, ("lp", "s"), "no", ["s"])
    np.testing.assert_allclose(found.values, [[0.1, 0.2], [0.2, 0.1], [0.3, 0.2]])
    assert found.sets.tolist() == [[0], [1], [0]] and (found.patients, found.seeds, found.folds) == (3, 2, 2)


def test_several_controls_are_averaged_and_other_seeds_too():
    table = arms(lp_u_0=[0.5, 0.6, 0.7], no_s_0=[0.4, NONE, 0.4], no_t_0=[0.2, 0.2, 0.2], no_t_1=[0.4, 0.2, 0.2])
    found = pairing.pair_arms(table, ("lp", "u"), "no", ["s", "t"])
    # t's seeds are averaged first: 0.3, 0.2, 0.2
    np.testing.assert_allclose(found.values[:, 0], [0.15, 0.4, 0.4])


def test_who_lacks_a_score_is_left_out_and_nobody_for_a_seed():
    table = arms(lp_s_0=[0.5, NONE, 0.7], lp_s_1=[NONE, NONE, 0.9], no_s_0=[0.4, 0.4, 0.4], no_s_1=[0.4, 0.4, 0.4])
    found = pairing.pair_arms(table, ("lp", "s"), "no", ["s"])
    assert (found.patients, found.seeds) == (2, 1)
    np.testing.assert_allclose(found.values[:, 0], [0.1, 0.4])


def make_rows(values, seeds=(0,)):
    """Scores of two arms: patient to its folds, with a score of the arm in each; that of the control is 0.1."""
    rows = []
    for patient, folds in values.items():
        for fold, value in folds.items():
            for seed in seeds:
                row = {"patient": patient, "source": "s", "fold": fold, "seed": seed}
                rows += [row | {"strategy": "lp", "value": value + seed}, row | {"strategy": "no", "value": 0.1}]
    return rows


def test_a_patient_of_several_partitions_has_one_difference_and_the_sets_of_all():
    values = {"a": {0: 0.3, 3: 0.5}, "b": {1: 0.2, 2: 0.2}, "c": {0: 0.4, 2: 0.8}, "d": {1: 0.6, 3: 0.6}}
    rows = make_rows(values, seeds=(0, 1))
    found = pairing.pair_arms(pairing.pivot_arms(rows), ("lp", "s"), "no", ["s"])
    np.testing.assert_allclose(found.values, [[0.3, 1.3], [0.1, 1.1], [0.5, 1.5], [0.5, 1.5]])
    assert found.sets.tolist() == [[0, 3], [1, 2], [0, 2], [1, 3]]
    assert (found.patients, found.seeds, found.folds, found.repeats) == (4, 2, 4, 2)
    np.testing.assert_allclose(found.parts[..., 0], [[0.2, 0.4], [0.1, 0.1], [0.3, 0.7], [0.5, 0.5]])


def test_a_partition_that_one_side_lacks_counts_for_neither():
    values = {"a": {0: 0.3, 3: 0.5}, "b": {1: 0.2, 2: 0.2}}
    rows = [row for row in make_rows(values) if (row["strategy"], row["fold"]) != ("no", 3)]
    found = pairing.pair_arms(pairing.pivot_arms(rows), ("lp", "s"), "no", ["s"])
    np.testing.assert_allclose(found.values, [[0.2], [0.1]])
    assert np.isnan(found.parts[0, 1, 0]) and found.sets.tolist() == [[0, 3], [1, 2]]
    # and one that nobody trained, such as where a fold has too few for n, is no partition of the patient
    rows = [row for row in make_rows(values) if row["fold"] != 3]
    found = pairing.pair_arms(pairing.pivot_arms(rows), ("lp", "s"), "no", ["s"])
    assert found.sets.tolist() == [[0, -1], [1, 2]]


def test_the_scale_of_a_difference_is_that_of_its_metric():
    dice = pairing.difference_scale("dice", {"dice": 0.03})
    assert (dice.margin, dice.bounds, dice.better) == (0.03, (-1, 1), "higher")
    distance = pairing.difference_scale("hd95")
    assert (distance.margin, distance.better) == (0, "lower") and distance.bounds == (-np.inf, np.inf)
    with pytest.raises(StopIteration):
        pairing.difference_scale("no such metric")
