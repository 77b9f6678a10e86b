"""The template's tissues at points of known anatomy."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from neurograft.candidates import supervoxels
from neurograft.candidates.supervoxels import tissue_priors

# MNI152, millimetres: corpus callosum, lateral ventricle, caudate head, precentral cortex
PLACES = {"white": (0, 22, 8), "fluid": (-9, 0, 20), "grey": (-12, 14, 8)}


def test_known_places_hold_their_tissue():
    for tissue, place in PLACES.items():
        priors = {name: float(value[0]) for name, value in tissue_priors(np.array([place])).items()}
        assert max(priors, key=priors.get) == f"prior_{tissue}", (place, priors)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-300, 300)] * 3), min_size=1, max_size=5))
def test_priors_are_shares(places):
    priors = tissue_priors(np.array(places))
    total = sum(priors.values())
    assert all(((own >= 0) & (own <= 1)).all() for own in priors.values())
    assert (total >= 1 - 1e-6).all()


def test_outside_of_the_head_there_is_no_tissue():
    far = tissue_priors(np.array([[500.0, 0, 0]]))
    assert far["prior_grey"][0] == far["prior_white"][0] == 0


def test_left_and_right_are_told_alike():
    """The template is symmetric."""
    places = np.random.default_rng(0).uniform(-60, 60, (200, 3))
    left, right = tissue_priors(places), tissue_priors(places * [-1, 1, 1])
    for name, value in left.items():
        assert np.abs(value - right[name]).mean() < 0.02


ENGINES = sorted(supervoxels.SUPERVOXEL_ENGINES)


def ball(shape, centre, radius):
    return sum((axis - middle) ** 2 for axis, middle in zip(np.indices(shape), centre)) <= radius**2


@pytest.fixture(scope="module")
def scene():
    shape = (40, 44, 36)
    brain = ball(shape, (20, 22, 18), 16)
    lesion = ball(shape, (26, 24, 18), 6)
    random = np.random.default_rng(0)
    channels = [(random.normal(0, 0.3, shape) + 4 * lesion) * brain for _ in range(2)]
    return channels, brain, lesion


@pytest.mark.parametrize("engine", ENGINES)
def test_supervoxels_tile_the_brain_and_nothing_else(scene, engine):
    channels, brain, _ = scene
    segments = supervoxels.segment_supervoxels(channels, brain, engine=engine, segments=300)
    assert ((segments > 0) == brain).all()
    assert set(np.unique(segments)) == set(range(segments.max() + 1))
    assert 150 <= segments.max() <= 600


@pytest.mark.parametrize("engine", ENGINES)
def test_supervoxels_follow_a_lesion(scene, engine):
    channels, brain, lesion = scene
    assert (
        supervoxels.oracle_dice(supervoxels.segment_supervoxels(channels, brain, engine=engine, segments=300), lesion)
        > 0.95
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_repeated_channel_changes_nothing(scene, engine):
    channels, brain, _ = scene
    one = supervoxels.segment_supervoxels(channels[:1], brain, engine=engine, segments=100)
    four = supervoxels.segment_supervoxels(channels[:1] * 4, brain, engine=engine, segments=100)
    # the weight of position is the same: so is the number of supervoxels, and nearly all of their borders
    assert abs(int(one.max()) - int(four.max())) <= 0.1 * one.max()
    assert adjusted_rand_score(one[brain], four[brain]) > 0.8


def test_threads_do_not_change_a_byte(scene):
    channels, brain, _ = scene
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        found = []
        for threads in (1, 2, 3, 7):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(supervoxels.segment_supervoxels(channels, brain, segments=300).tobytes())
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert len(set(found)) == 1


def test_anisotropic_voxels_give_supervoxels_round_in_millimetres():
    brain = np.ones((48, 48, 12), bool)
    segments = supervoxels.segment_supervoxels([np.zeros(brain.shape)], brain, (1, 1, 4), segments=64)
    spans = [np.ptp(np.argwhere(segments == label), axis=0) + 1 for label in range(1, segments.max() + 1)]
    across, along = np.mean(spans, axis=0)[[0, 2]]
    assert 0.5 < across / (4 * along) < 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (2, 30, 30), (40, 40, 1)])
def test_any_shape_is_cut(engine, shape):
    segments = supervoxels.segment_supervoxels([np.zeros(shape)], np.ones(shape, bool), engine=engine, segments=20)
    assert segments.shape == shape and segments.min() == 1


def test_an_empty_brain_has_no_supervoxels():
    assert not supervoxels.segment_supervoxels([np.ones((5, 5, 5))], np.zeros((5, 5, 5), bool)).any()


def test_neighbours_count_shared_faces():
    segments = np.zeros((4, 2, 1), int)
    segments[0], segments[1], segments[2, 0] = 1, 2, 3
    pairs, contact = supervoxels.neighbours(segments)
    assert pairs.tolist() == [[1, 2], [2, 3]]
    assert contact.tolist() == [2, 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_no_choice_of_supervoxels_beats_the_oracle_by_the_half_rule_much(seed):
    random = np.random.default_rng(seed)
    segments, tumour = random.integers(0, 5, (4, 4, 4)), random.random((4, 4, 4)) < random.random()
    value = supervoxels.oracle_dice(segments, tumour)
    assert np.isnan(value) == (not tumour.any())
    assert np.isnan(value) or 0 <= value <= 1


def test_oracle_of_a_tumour_made_of_whole_supervoxels_is_one():
    segments = np.repeat(np.arange(6), 8).reshape(6, 2, 4)
    assert supervoxels.oracle_dice(segments, np.isin(segments, (2, 5))) == 1
    assert supervoxels.oracle_dice(segments, segments == 0) == 0


def test_robust_z_ignores_outliers_and_constants():
    values = np.append(np.random.default_rng(0).normal(10, 2, 10000), [1e6] * 100)
    assert abs(supervoxels.robust_z(values)[:10000].std() - 1) < 0.05
    assert not supervoxels.robust_z(np.full(5, 3.0)).any()
    assert supervoxels.robust_z(np.array([0.0] * 9 + [1.0]))[-1] > 2


def test_measures_agree_with_plain_loops(scene):
    channels, brain, _ = scene
    affine = np.diag([-2.0, 2, 3, 1])
    affine[:3, 3] = 40, -44, -54
    segments = supervoxels.segment_supervoxels(channels, brain, (2, 2, 3), segments=60)
    named = dict(zip(("t1", "t1c"), channels))
    features, links, mirror = supervoxels.measure_supervoxels(named, segments, brain, affine)
    assert mirror == 0
    assert {"z_enhancement", "asymmetry_t1", "contrast_t1c"} <= set(features)
    assert np.allclose(links["neighbours"].sum(axis=1), 1)
    assert not features.loc[features["depth_mm"] > 20, "edge"].any()
    for label in (1, 30, segments.max()):
        row, chosen = features.iloc[label - 1], segments == label
        centre = (affine @ [*np.argwhere(chosen).mean(axis=0), 1])[:3]
        assert np.allclose(row[["x_mm", "y_mm", "z_mm"]].astype(float), centre)
        assert np.isclose(row["volume_ml"], chosen.sum() * 12 / 1000)
        assert np.isclose(row["mean_t1"], channels[0][chosen].mean())
        assert np.isclose(row["sd_t1"], channels[0][chosen].std(), atol=1e-6)


def test_asymmetry_is_of_one_side_and_the_mirror_follows_the_brain(scene):
    channels, brain, lesion = scene
    segments = supervoxels.segment_supervoxels(channels, brain, segments=300)
    affine = np.eye(4)
    affine[0, 3] = 500  # far from template space
    features, _, mirror = supervoxels.measure_supervoxels({"flair": channels[0]}, segments, brain, affine)
    share = supervoxels.tumour_share(segments, lesion)[1:]
    asymmetry = features["asymmetry_flair"]
    assert abs(mirror - 520) < 1
    # the lesion reaches the midline, beyond which it has no counterpart
    assert asymmetry[(share > 0.9) & (features["x_mm"] > 526)].min() > 3
    assert abs(asymmetry[(share == 0) & (abs(features["x_mm"] - 520) < 2)].median()) < 1
