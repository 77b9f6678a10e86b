"""How far down a fitted scorer's list goes, on patients made of numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from neurograft.candidates.supervoxels import weigh_neighbours
from neurograft.experiment import fitted_candidates

SIDE = 12


def patient(seed, faint=False):
    """A cube of supervoxels, one voxel each, with a tumour of 4 x 4 x 4 in it; faint, it is half as bright."""
    generator = np.random.default_rng(seed)
    tumour = np.zeros((SIDE, SIDE, SIDE), bool)
    tumour[4:8, 4:8, 4:8] = True
    bright = generator.normal(size=tumour.size) + tumour.ravel() * (1.0 if faint else 5.0)
    edge = np.ones_like(tumour)
    edge[1:-1, 1:-1, 1:-1] = False
    features = pd.DataFrame({"z_flair": bright, "volume_ml": 1.0, "edge": edge.ravel(), "depth_mm": 5.0})
    features[["x_mm", "y_mm", "z_mm"]] = np.indices(tumour.shape).reshape(3, -1).T
    made = {"names": ["z_flair"], "described": bright[:, None].astype(np.float32), "pooled": None}
    made |= {"truth": tumour.reshape(-1, 1).astype(np.float32), "volume": np.ones(tumour.size)}
    return made | {"features": features, "segments": np.arange(tumour.size).reshape(tumour.shape) + 1}


def choose(patients, owners=None):
    return fitted_candidates.choose_levels(patients, owners or list(range(len(patients))))


def test_where_tumours_are_sure_the_list_stays_short():
    levels, recall = choose([patient(k) for k in range(4)])
    assert levels == fitted_candidates.LADDER[: fitted_candidates.FEWEST]
    assert list(recall) == ["0.25"] and recall["0.25"] >= fitted_candidates.WANTED


def test_where_tumours_differ_it_goes_on_until_training_patients_are_found():
    levels, recall = choose([patient(k, faint=k % 4 == 0) for k in range(8)])
    assert len(levels) > fitted_candidates.FEWEST and levels == fitted_candidates.LADDER[: len(levels)]
    found = list(recall.values())
    assert list(recall) == [str(level) for level in levels[fitted_candidates.FEWEST - 1 :]]
    # one level less would not have done
    assert found == sorted(found) and max(found[:-1]) < fitted_candidates.WANTED
    assert found[-1] >= fitted_candidates.WANTED or len(levels) == len(fitted_candidates.LADDER)


def ranks(one, chances, count=4):
    near = weigh_neighbours(one["segments"], len(one["features"]))
    levels = fitted_candidates.LADDER[:count]
    return fitted_candidates.list_candidates(chances, one["features"], near, levels)[1:].reshape((SIDE,) * 3)


def test_more_levels_keep_the_places_of_those_before():
    """A reader who stops early reads the same list."""
    one = patient(0)
    chances = 0.9 * one["truth"][:, 0].reshape((SIDE,) * 3)
    chances[10:, 10:, 10:] = 0.15
    short, long = (ranks(one, chances.ravel(), count) for count in (2, 3))
    assert (long[short > 0] == short[short > 0]).all() and short.any()
    assert short[11, 11, 11] == 0 and long[11, 11, 11] > short.max()


def test_neighbours_fill_a_gap_and_take_nothing_from_a_small_lesion():
    one = patient(0)
    chances = one["truth"][:, 0].reshape((SIDE,) * 3).copy()
    chances[1, 1, 1], chances[5, 5, 4], chances[4, 4, 4] = 0.6, 0.0, 0.1
    found = ranks(one, chances.ravel(), 2)
    assert found[5, 5, 4] == 1 and found[4, 4, 4] > 0 and found[1, 1, 1] == 2


def test_crumbs_join_the_region_that_they_touch_most():
    """A row of six: two regions, a crumb beside each, one between them that touches the second more, one apart."""
    graph = np.zeros((6, 6))
    for first, second, contact in ((0, 1, 1), (1, 2, 1), (2, 3, 3), (3, 4, 1)):
        graph[first, second] = graph[second, first] = contact
    regions, high = np.array([0, 1, 0, 2, 0, 0]), np.array([True, True, True, True, False, True])
    joined = fitted_candidates.join_crumbs(regions, high, sparse.csr_array(graph))
    assert joined.tolist() == [1, 1, 2, 2, 0, 0]
    assert fitted_candidates.join_crumbs(0 * regions, high, sparse.csr_array(graph)).tolist() == [0] * 6


@pytest.mark.parametrize("owners", [["a"], ["a", "a", "a"]])
def test_nobody_is_asked_who_was_learnt_from(owners):
    """A patient alone, or the time points of one: nothing says where to stop, so everything is ranked."""
    levels, recall = choose([patient(k) for k in range(len(owners))], owners)
    assert levels == fitted_candidates.LADDER and recall == {}


def test_patients_without_tumour_have_nothing_to_be_found():
    quiet = patient(3)
    quiet["truth"] = np.zeros_like(quiet["truth"])
    levels, recall = choose([patient(0), patient(1), patient(2), quiet])
    assert len(levels) == fitted_candidates.FEWEST and np.isfinite(list(recall.values())).all()
