"""Supervoxels of known scores on a known map: what belongs together, what is enclosed, what comes first."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from neurograft import candidate_regions

SIDE = 7


def grid(volume=1.0):
    """A square of supervoxels, each the neighbour of those beside it; the rim touches the brain's edge."""
    numbers = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    pairs = [*zip(numbers[1:].ravel(), numbers[:-1].ravel()), *zip(numbers[:, 1:].ravel(), numbers[:, :-1].ravel())]
    first, second = np.array(pairs).T
    graph = sparse.coo_matrix((np.ones(len(pairs)), (first, second)), (SIDE * SIDE, SIDE * SIDE))
    edge = np.ones((SIDE, SIDE), bool)
    edge[1:-1, 1:-1] = False
    places = np.indices((SIDE, SIDE)).reshape(2, -1).astype(float)
    features = pd.DataFrame({"volume_ml": volume, "edge": edge.ravel(), "x_mm": places[0], "y_mm": places[1]})
    features["z_mm"], features["depth_mm"], features["z_flair"] = 0.0, 5.0, places[0]
    return features, (graph + graph.T).tocsr()


def scores(**places):
    """Scores by level name on an otherwise quiet square."""
    score = np.zeros((SIDE, SIDE))
    for name, spots in places.items():
        for spot in spots:
            score[spot] = float(name.removeprefix("s").replace("_", "."))
    return score.ravel()


RING = [(row, column) for row in (2, 3, 4) for column in (2, 3, 4) if (row, column) != (3, 3)]


def test_what_a_region_encloses_belongs_to_it():
    """A bright ring with a dark middle is one region of nine."""
    features, graph = grid()
    regions, levels = candidate_regions.group_supervoxels(scores(s4=RING), features, graph)
    square = regions.reshape(SIDE, SIDE)
    assert levels.tolist() == [3.0] and (square[2:5, 2:5] == 1).all() and square.sum() == 9


def test_a_bay_that_is_open_to_the_edge_is_not_enclosed():
    features, graph = grid()
    regions, _ = candidate_regions.group_supervoxels(scores(s4=RING[1:]), features, graph)
    square = regions.reshape(SIDE, SIDE)
    assert square[3, 3] == 1  # the gap is a corner, which neighbours the middle nowhere
    broken = [spot for spot in RING if spot != (2, 3)]
    regions, _ = candidate_regions.group_supervoxels(scores(s4=broken), features, graph)
    assert regions.reshape(SIDE, SIDE)[3, 3] == 0


def test_a_fringe_of_a_lower_level_is_a_region_of_its_own():
    features, graph = grid()
    score = scores(s4=[(3, 3)], s2_5=[(3, 4), (3, 5)], s1_5=[(0, 0)])
    regions, levels = candidate_regions.group_supervoxels(score, features, graph)
    square = regions.reshape(SIDE, SIDE)
    assert levels.tolist() == [3.0, 2.0, 1.0]
    assert (square[3, 3], square[3, 4], square[3, 5], square[0, 0]) == (1, 2, 2, 3)


def test_crumbs_are_dropped():
    features, graph = grid(volume=candidate_regions.SMALLEST_ML * 0.6)
    score = scores(s4=[(1, 1), (5, 4), (5, 5)])
    regions, levels = candidate_regions.group_supervoxels(score, features, graph)
    assert len(levels) == 1 and np.flatnonzero(regions).tolist() == [5 * SIDE + 4, 5 * SIDE + 5]


def test_the_higher_level_comes_first_then_the_stronger_evidence():
    features, graph = grid()
    score = scores(s4=[(1, 1)], s3_5=[(5, 5), (5, 4)], s2_9=[(1, 4), (1, 5), (2, 5)])
    regions, levels = candidate_regions.group_supervoxels(score, features, graph)
    table, ranks = candidate_regions.rank_regions(regions, levels, score, features, top=2)
    assert table["rank"].tolist() == [1, 2] and table["level"].tolist() == [3.0, 3.0]
    # 2 x 3.5^2 of evidence before 1 x 4^2, and what is of level 2 is left out
    assert table["evidence"].tolist() == [24.5, 16.0] and table["supervoxels"].tolist() == [2, 1]
    assert table["x_mm"].tolist() == [5.0, 1.0] and table["y_mm"].tolist() == [4.5, 1.0]
    assert table["z_flair"].tolist() == [5.0, 1.0]
    assert ranks[0] == 0 and ranks[1:].reshape(SIDE, SIDE)[5, 4] == 1 and ranks.max() == 2


def test_nothing_bright_gives_no_candidates_with_all_columns():
    features, graph = grid()
    regions, levels = candidate_regions.group_supervoxels(scores(), features, graph)
    table, ranks = candidate_regions.rank_regions(regions, levels, scores(), features, top=5)
    assert not len(table) and list(table) == list(candidate_regions.COLUMNS) and not ranks.any()
    empty = candidate_regions.group_supervoxels(np.zeros(0), features[:0], sparse.csr_matrix((0, 0)))
    assert [len(each) for each in empty] == [0, 0]


@given(st.lists(st.floats(-2, 6), min_size=SIDE * SIDE, max_size=SIDE * SIDE), st.integers(1, 10))
@settings(deadline=None, max_examples=60)
def test_regions_never_overlap_and_hold_all_that_is_high(score, top):
    features, graph = grid()
    score = np.array(score)
    regions, levels = candidate_regions.group_supervoxels(score, features, graph)
    assert (np.diff(levels) <= 0).all() and set(regions) - {0} == set(range(1, len(levels) + 1))
    # every supervoxel is larger than a crumb, so whatever reaches the lowest level is in some region
    assert (regions[score > candidate_regions.LEVELS[-1]] > 0).all()
    table, ranks = candidate_regions.rank_regions(regions, levels, score, features, top)
    assert len(table) == min(top, len(levels)) and set(ranks) == set(range(len(table) + 1)) | {0}
    assert (table["supervoxels"].to_numpy() == np.bincount(ranks[1:], minlength=len(table) + 1)[1:]).all()
