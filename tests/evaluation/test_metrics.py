"""Scores against known truths, a second library, and the rule for what is absent."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.evaluation import metrics

BRATS = Path(__file__).parents[3] / "shared/data/brats18"

SPACING = (1.0, 0.9, 3.0)


def ball(shape, centre, radius):
    places = np.indices(shape) - np.reshape(centre, (3, 1, 1, 1))
    return (places**2).sum(axis=0) <= radius**2


def test_known_overlap():
    first, second = np.zeros((2, 10, 10, 10), bool)
    first[:4], second[2:6] = True, True
    assert metrics.dice(first, second) == 0.5
    assert metrics.volume_error(first, second[::-1], (2, 2, 2)) == 0
    assert metrics.volume_error(first, first & second, (2, 2, 2)) == pytest.approx(200 * 8 / 1000)


def test_distance_of_shifted_slabs_is_the_shift_in_mm():
    first, second = np.zeros((2, 12, 12, 12), bool)
    first[..., 3:5], second[..., 5:7] = True, True
    assert metrics.hd95(first, second, SPACING) == pytest.approx(2 * SPACING[2])


def test_distance_is_the_larger_direction():
    big, small = ball((40, 40, 40), (20, 20, 20), 15), ball((40, 40, 40), (20, 20, 20), 5)
    assert metrics.hd95(big, small, (1, 1, 1)) == pytest.approx(10, abs=0.8)
    # a far speck under 5 % of the surface does not count
    speck = big.copy()
    speck[0, 0, 0] = True
    assert metrics.hd95(big, speck, (1, 1, 1)) < 1


@pytest.mark.parametrize("name", metrics.METRICS["segmentation"])
def test_absent_regions_follow_the_stated_rule(name):
    empty, there = np.zeros((10, 20, 30), bool), np.zeros((10, 20, 30), bool)
    there[2:4, 5:9, 1:6] = True
    function = metrics.METRICS["segmentation"][name]["function"]
    volume = there.sum() * np.prod(SPACING) / 1000
    both, one = {"dice": (1, 0), "hd95": (0, np.hypot(np.hypot(10, 18), 90)), "volume-error": (0, volume)}[name]
    assert function(empty, empty, SPACING) == both
    assert function(empty, there, SPACING) == function(there, empty, SPACING) == pytest.approx(one)
    assert function(there, there, SPACING) == both


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.6))
def test_metrics_are_symmetric_and_bounded(seed, share):
    first, second = np.random.default_rng(seed).random((2, 7, 6, 5)) < share
    for row in metrics.METRICS["segmentation"].values():
        assert row["function"](first, second, SPACING) == pytest.approx(row["function"](second, first, SPACING))
    assert 0 <= metrics.dice(first, second) <= 1
    assert 0 <= metrics.hd95(first, second, SPACING) <= np.linalg.norm(np.multiply(first.shape, SPACING))


def test_distance_agrees_with_monai():
    import torch
    from monai.metrics import compute_hausdorff_distance

    rng = np.random.default_rng(0)
    for _ in range(5):
        first, second = (ball((30, 30, 30), rng.integers(10, 20, 3), rng.uniform(3, 8)) for _ in range(2))
        pair = [torch.from_numpy(mask)[None, None].float() for mask in (first, second)]
        theirs = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=list(SPACING))
        assert metrics.hd95(first, second, SPACING) == pytest.approx(float(theirs), rel=1e-5)


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="different shapes"):
        metrics.dice(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 3), bool))


@pytest.mark.skipif(not BRATS.is_dir(), reason=f"no real scans at {BRATS}")
def test_a_real_tumour_moved_by_known_voxels():
    labels = np.asanyarray(nib.load(next(BRATS.glob("*CBICA_ABM*/*_seg.nii.gz"))).dataobj)
    moved = np.roll(labels, (3, 2, 1), (0, 1, 2))
    assert 1 <= metrics.hd95(labels > 0, moved > 0, (1, 1, 1)) <= 4


def test_classification_of_known_answers():
    truth = [0, 0, 0, 1]
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    assert metrics.sensitivity(truth, chances) == 1
    assert metrics.specificity(truth, chances) == pytest.approx(2 / 3)
    assert metrics.balanced_accuracy(truth, chances) == pytest.approx(5 / 6)
    assert metrics.auc(truth, chances) == 1
    assert metrics.brier(truth, chances) == pytest.approx((0.01 + 0.04 + 0.36 + 0.09) / 4)
    assert metrics.prevalence(truth, chances) == 0.25
    assert metrics.accuracy(truth, chances) == 0.75


def test_one_class_alone_leaves_only_what_is_defined():
    truth, chances = [0, 0], np.array([[0.9, 0.1], [0.2, 0.8]])
    values = {name: row["function"](truth, chances) for name, row in metrics.METRICS["classification"].items()}
    assert {name for name, value in values.items() if np.isnan(value)} == {"balanced-accuracy", "auc", "sensitivity"}
    assert values["brier"] == pytest.approx((0.01 + 0.64) / 2)


def test_three_classes():
    truth, chances = [0, 1, 2], np.eye(3) * 0.7 + 0.1
    assert metrics.balanced_accuracy(truth, chances) == metrics.auc(truth, chances) == 1
    assert metrics.brier(truth, chances) == pytest.approx(0.2**2 + 2 * 0.1**2)
    assert np.isnan(metrics.sensitivity(truth, chances))
