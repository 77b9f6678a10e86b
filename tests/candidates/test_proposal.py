"""Supervoxels of known scores on a known map: what belongs together, what is enclosed, what comes first."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, sparse

from neurograft.candidates import proposal
from neurograft.candidates.proposal import ProposalOptions, list_slices, precision_at, propose_candidates, recall_at
from neurograft.core.sequences import SEQUENCES
from neurograft.imaging.nifti import image, read_image

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
    regions, levels = proposal.group_supervoxels(scores(s4=RING), features, graph)
    square = regions.reshape(SIDE, SIDE)
    assert levels.tolist() == [3.0] and (square[2:5, 2:5] == 1).all() and square.sum() == 9


def test_a_bay_that_is_open_to_the_edge_is_not_enclosed():
    features, graph = grid()
    regions, _ = proposal.group_supervoxels(scores(s4=RING[1:]), features, graph)
    square = regions.reshape(SIDE, SIDE)
    assert square[3, 3] == 1  # the gap is a corner, which neighbours the middle nowhere
    broken = [spot for spot in RING if spot != (2, 3)]
    regions, _ = proposal.group_supervoxels(scores(s4=broken), features, graph)
    assert regions.reshape(SIDE, SIDE)[3, 3] == 0


def test_a_fringe_of_a_lower_level_is_a_region_of_its_own():
    features, graph = grid()
    score = scores(s4=[(3, 3)], s2_5=[(3, 4), (3, 5)], s1_5=[(0, 0)])
    regions, levels = proposal.group_supervoxels(score, features, graph)
    square = regions.reshape(SIDE, SIDE)
    assert levels.tolist() == [3.0, 2.0, 1.0]
    assert (square[3, 3], square[3, 4], square[3, 5], square[0, 0]) == (1, 2, 2, 3)


def test_crumbs_are_dropped():
    features, graph = grid(volume=proposal.SMALLEST_ML * 0.6)
    score = scores(s4=[(1, 1), (5, 4), (5, 5)])
    regions, levels = proposal.group_supervoxels(score, features, graph)
    assert len(levels) == 1 and np.flatnonzero(regions).tolist() == [5 * SIDE + 4, 5 * SIDE + 5]


def test_the_higher_level_comes_first_then_the_stronger_evidence():
    features, graph = grid()
    score = scores(s4=[(1, 1)], s3_5=[(5, 5), (5, 4)], s2_9=[(1, 4), (1, 5), (2, 5)])
    regions, levels = proposal.group_supervoxels(score, features, graph)
    table, ranks = proposal.rank_regions(regions, levels, score, features, top=2)
    assert table["rank"].tolist() == [1, 2] and table["level"].tolist() == [3.0, 3.0]
    # 2 x 3.5^2 of evidence before 1 x 4^2, and what is of level 2 is left out
    assert table["evidence"].tolist() == [24.5, 16.0] and table["supervoxels"].tolist() == [2, 1]
    assert table["x_mm"].tolist() == [5.0, 1.0] and table["y_mm"].tolist() == [4.5, 1.0]
    assert table["z_flair"].tolist() == [5.0, 1.0]
    assert ranks[0] == 0 and ranks[1:].reshape(SIDE, SIDE)[5, 4] == 1 and ranks.max() == 2


def test_nothing_bright_gives_no_candidates_with_all_columns():
    features, graph = grid()
    regions, levels = proposal.group_supervoxels(scores(), features, graph)
    table, ranks = proposal.rank_regions(regions, levels, scores(), features, top=5)
    assert not len(table) and list(table) == list(proposal.COLUMNS) and not ranks.any()
    empty = proposal.group_supervoxels(np.zeros(0), features[:0], sparse.csr_matrix((0, 0)))
    assert [len(each) for each in empty] == [0, 0]


@given(st.lists(st.floats(-2, 6), min_size=SIDE * SIDE, max_size=SIDE * SIDE), st.integers(1, 10))
@settings(deadline=None, max_examples=60)
def test_regions_never_overlap_and_hold_all_that_is_high(score, top):
    features, graph = grid()
    score = np.array(score)
    regions, levels = proposal.group_supervoxels(score, features, graph)
    assert (np.diff(levels) <= 0).all() and set(regions) - {0} == set(range(1, len(levels) + 1))
    # every supervoxel is larger than a crumb, so whatever reaches the lowest level is in some region
    assert (regions[score > proposal.LEVELS[-1]] > 0).all()
    table, ranks = proposal.rank_regions(regions, levels, score, features, top)
    assert len(table) == min(top, len(levels)) and set(ranks) == set(range(len(table) + 1)) | {0}
    assert (table["supervoxels"].to_numpy() == np.bincount(ranks[1:], minlength=len(table) + 1)[1:]).all()


SHARED = Path(__file__).parents[3] / "shared/data"
BRATS = SHARED / "brats18/Brats18_TCIA01_201_1"
AFFINE = np.array([[2.0, 0, 0, -63], [0, 2, 0, -79], [0, 0, 2, -55], [0, 0, 0, 1]])
SHAPE = (64, 80, 56)
# what tumour adds to healthy tissue on each sequence, in standard deviations
LESION = {"t1": -2.5, "t1c": 3.0, "t2": 3.0, "flair": 4.0}
SUBSETS = [names for size in range(1, 5) for names in combinations(SEQUENCES, size)]


def ellipsoid(centre, radii):
    """Ellipsoid in world millimetres."""
    axes = [2 * axis + offset for axis, offset in zip(np.indices(SHAPE), AFFINE[:3, 3])]
    return sum(((axis - middle) / radius) ** 2 for axis, middle, radius in zip(axes, centre, radii)) <= 1


def scans(lesion, names=SEQUENCES, seed=0):
    """Simulate symmetric anatomy with ventricles, spots that are bright on both sides, and a lesion on one."""
    random = np.random.default_rng(seed)
    brain = ellipsoid((0, 0, 0), (56, 70, 48))
    fluid = ellipsoid((-10, 0, 5), (6, 22, 8)) | ellipsoid((10, 0, 5), (6, 22, 8))
    spots = ellipsoid((-30, -40, 0), (9, 9, 9)) | ellipsoid((30, -40, 0), (9, 9, 9))
    fluid_looks = {"t1": -3.0, "t1c": -3.0, "t2": 5.0, "flair": -3.0}
    anatomy = ndimage.gaussian_filter(random.normal(0, 1, SHAPE), 3)
    anatomy = (anatomy + anatomy[::-1]) / (anatomy + anatomy[::-1]).std()
    made = {}
    for name in names:
        data = random.normal(0, 0.4, SHAPE) + anatomy * 0.9 + LESION[name] * (lesion | spots)
        made[name] = image((np.where(fluid, fluid_looks[name], data) * brain).astype(np.float32), AFFINE)
    return made, image(brain, AFFINE)


@pytest.fixture(scope="module")
def lesion():
    return ellipsoid((30, 20, 5), (12, 14, 12))


@pytest.fixture(scope="module")
def proposed(lesion):
    images, brain = scans(lesion)
    return propose_candidates(images, brain, image(lesion.astype(np.uint8), AFFINE))[:3]


def test_slices_are_those_that_the_first_candidates_cover():
    ranked = np.zeros((10, 10, 6), int)
    ranked[:4, :4, 1], ranked[:3, :3, 2], ranked[:9, :9, 4] = 1, 2, 6
    # 16 voxels of 2 mm2 and 9 of them; the sixth candidate is none of the first
    assert list_slices(ranked, (1.0, 2.0, 5.0)) == [1]
    assert list_slices(ranked, (2.0, 2.0, 5.0)) == [1, 2]


def test_the_lesion_is_first(proposed, lesion):
    ranked, table, record = proposed
    data = np.asarray(ranked.dataobj)
    assert ranked.get_data_dtype() == np.uint16 and np.allclose(ranked.affine, AFFINE)
    assert 2 * (lesion & (data == 1)).sum() / (lesion.sum() + (data == 1).sum()) > 0.8
    assert record["first_hit"] == 1 and record["oracle_dice"] > 0.85 and record["recall"]["20"] > 0.9
    assert record["flags"] == []
    first = table.iloc[0]
    assert np.allclose(first[["x_mm", "y_mm", "z_mm"]].astype(float), (30, 20, 5), atol=3)
    assert first["tumour_share"] > 0.8 and first["asymmetry_flair"] > 2


def test_table_and_image_agree(proposed):
    ranked, table, record = proposed
    data = np.asarray(ranked.dataobj)
    assert table["rank"].tolist() == list(range(1, len(table) + 1)) and record["candidates"] == len(table) <= 20
    assert data.max() == len(table)
    assert np.allclose(np.bincount(data.ravel())[1:] * 8 / 1000, table["volume_ml"])
    order = list(zip(-table["level"], -table["evidence"]))
    assert order == sorted(order)


def test_what_both_sides_show_ranks_below_what_one_side_shows(proposed):
    ranked, table, _ = proposed
    data = np.asarray(ranked.dataobj)
    spots = ellipsoid((-30, -40, 0), (9, 9, 9)) | ellipsoid((30, -40, 0), (9, 9, 9))
    assert not (data[spots] == 1).any()
    assert table["score"].iloc[0] > 1.2 * table["score"].iloc[1:].max()


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_every_subset_of_the_sequences_finds_the_lesion(names, lesion):
    images, brain = scans(lesion, names)
    ranked, _, record, _ = propose_candidates(images, brain)
    data = np.asarray(ranked.dataobj)
    assert record["sequences"] == list(names)
    assert (data[lesion] == 1).mean() > 0.5
    assert lesion[data == 1].mean() > 0.5


def test_a_dark_core_belongs_to_its_rim():
    lesion, core = ellipsoid((30, 15, 5), (18, 18, 18)), ellipsoid((30, 15, 5), (8, 8, 8))
    images, brain = scans(lesion, ("t1c", "flair"))
    for name in images:
        images[name] = image(np.where(core, -3, np.asarray(images[name].dataobj)).astype(np.float32), AFFINE)
    ranked, _, _, _ = propose_candidates(images, brain)
    assert (np.asarray(ranked.dataobj)[core] == 1).mean() > 0.9


def test_same_result_on_any_number_of_threads(proposed, lesion):
    images, brain = scans(lesion)
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1 if before > 1 else 3)
        ranked, table, _, _ = propose_candidates(images, brain)
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert (np.asarray(ranked.dataobj) == np.asarray(proposed[0].dataobj)).all()
    assert table.equals(proposed[1].drop(columns="tumour_share"))


def test_intensity_scale_does_not_matter_to_the_first_candidate(lesion):
    images, brain = scans(lesion, ("t2", "flair"))
    stretched = dict(images, flair=image(np.asarray(images["flair"].dataobj) * 1.3 + 0.2, AFFINE))
    first = [np.asarray(propose_candidates(given, brain)[0].dataobj) == 1 for given in (images, stretched)]
    assert 2 * (first[0] & first[1]).sum() / (first[0].sum() + first[1].sum()) > 0.8


def test_top_limits_the_candidates(lesion):
    images, brain = scans(lesion, ("flair",))
    ranked, table, _, _ = propose_candidates(images, brain, options=ProposalOptions(top=2))
    assert len(table) == 2 and np.asarray(ranked.dataobj).max() == 2


def strange(kind):
    data = np.random.default_rng(0).normal(0, 1, (20, 20, 20)).astype(np.float32)
    mask = np.ones(data.shape, bool)
    if kind == "empty mask":
        mask[:] = False
    elif kind == "constant":
        data[:] = 1
    elif kind == "all NaN":
        data[:] = np.nan
    elif kind == "some NaN":
        data[5:8] = np.inf
    elif kind == "one voxel":
        mask[:] = False
        mask[3, 3, 3] = True
    elif kind == "two islands":
        mask[4:16] = False
    elif kind == "one value":
        data[:] = 0
        data[10, 10, 10] = 1
    elif kind == "huge values":
        data *= 1e30
    return {"flair": image(data, np.eye(4))}, image(mask, np.eye(4))


@pytest.mark.parametrize(
    ("kind", "flag"),
    [
        ("empty mask", "brain mask is empty"),
        ("constant", "no usable sequence"),
        ("all NaN", "no usable sequence"),
        ("some NaN", "flair has values that are not finite"),
        ("one voxel", "no candidate found"),
        ("two islands", None),
        ("one value", None),
        ("huge values", None),
    ],
)
def test_strange_data_is_flagged_and_never_raises(kind, flag):
    images, brain = strange(kind)
    labels = image(np.zeros(brain.shape, np.uint8), np.eye(4))
    ranked, table, record, _ = propose_candidates(images, brain, labels)
    assert ranked.shape == brain.shape and np.asarray(ranked.dataobj).max() == len(table)
    assert flag is None or flag in record["flags"]
    assert list(table)[:2] == ["rank", "level"]
    assert "recall" not in record  # no tumour, nothing to recall


def test_no_images_at_all():
    _, brain = strange("")
    assert "no usable sequence" in propose_candidates({}, brain)[2]["flags"]


def test_a_tumour_without_any_candidate_is_missed_in_full():
    images, brain = strange("constant")
    labels = image(np.ones(brain.shape, np.uint8), np.eye(4))
    record = propose_candidates(images, brain, labels)[2]
    assert record["recall"]["20"] == 0 and record["first_hit"] is None and record["oracle_dice"] == 0
    json.dumps(record, allow_nan=False)


def test_grids_that_differ_are_refused():
    images, brain = strange("")
    with pytest.raises(ValueError, match="one grid"):
        propose_candidates(images, image(np.ones(brain.shape, np.uint8), np.diag([2, 2, 2, 1])))


def test_recall_and_precision_count_voxels():
    ranked = np.array([[0, 1, 1, 2, 2, 3]])
    tumour = np.array([[1, 1, 0, 1, 1, 0]], bool)
    assert recall_at(ranked, tumour, (1, 2, 9)) == {1: 0.25, 2: 0.75, 9: 0.75}
    assert precision_at(ranked, tumour, (1, 2, 9)) == {1: 0.5, 2: 0.75, 9: 0.6}
    assert np.isnan(recall_at(ranked, tumour & False)[1]) and np.isnan(precision_at(ranked * 0, tumour)[1])


@pytest.mark.long
@pytest.mark.ci
@pytest.mark.skipif(not BRATS.is_dir(), reason=f"no real scans in {SHARED}/brats18")
def test_a_real_glioma():
    names = {"t1": "t1", "t1c": "t1ce", "t2": "t2", "flair": "flair"}
    raw = {key: read_image(BRATS / f"{BRATS.name}_{name}.nii.gz") for key, name in names.items()}
    labels = read_image(BRATS / f"{BRATS.name}_seg.nii.gz")
    brain = np.any([np.asarray(scan.dataobj) != 0 for scan in raw.values()], axis=0)
    images = {}
    for key, scan in raw.items():
        data = np.asarray(scan.dataobj, np.float32)
        images[key] = image((data - data[brain].mean()) / data[brain].std() * brain, scan.affine)
    _, table, record, _ = propose_candidates(images, image(brain, labels.affine), labels)
    assert record["oracle_dice"] > 0.9 and record["recall"]["20"] > 0.95
    assert record["first_hit"] == 1 and table["tumour_share"][0] > 0.8
