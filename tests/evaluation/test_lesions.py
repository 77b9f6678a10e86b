"""Scores of single lesions: cases that can be computed by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.evaluation import lesions, metrics

MM = (1.0, 1.0, 1.0)


def cube(*places, size=6, shape=(60, 40, 40)):
    mask = np.zeros(shape, bool)
    for place in places:
        mask[tuple(slice(start, start + size) for start in place)] = True
    return mask


def test_one_lesion_is_scored_as_the_whole():
    truth, predicted = cube((10, 10, 10)), cube((12, 10, 10))
    found = lesions.score_lesions(truth, predicted, MM)
    assert (found["lesions"], found["found"], found["false"]) == (1, 1, 0)
    assert found["lesion_dice"] == pytest.approx(metrics.dice(truth, predicted, MM)) == pytest.approx(2 / 3)
    assert found["lesion_hd95"] == pytest.approx(metrics.hd95(truth, predicted, MM))


def test_a_missed_lesion_and_a_false_one_count_as_much_as_a_found_one():
    truth = cube((5, 10, 10), (30, 10, 10))
    predicted = cube((5, 10, 10), (30, 30, 30))
    found = lesions.score_lesions(truth, predicted, MM)
    assert (found["lesions"], found["found"], found["false"]) == (2, 1, 1)
    assert found["lesion_dice"] == pytest.approx(1 / 3)
    assert found["lesion_hd95"] == pytest.approx(2 * lesions.PENALTY_MM / 3)


@pytest.mark.parametrize(("gap", "count"), [(5, 1), (6, 1), (7, 2), (8, 2)])
def test_lesions_that_meet_when_dilated_are_one(gap, count):
    """Dilated by three voxels, two cubes with six voxels between them touch; with seven they do not."""
    truth = cube((5, 10, 10), (11 + gap, 10, 10))
    assert lesions.score_lesions(truth, truth, MM)["lesions"] == count


def test_a_small_lesion_is_not_scored_and_what_marks_it_is_not_false():
    small = cube((30, 10, 10), size=3)
    truth = cube((5, 10, 10)) | small
    found = lesions.score_lesions(truth, truth, MM)
    assert (found["lesions"], found["false"], found["lesion_dice"]) == (1, 0, 1)
    missed = lesions.score_lesions(truth, truth & ~small, MM)
    assert missed["lesion_dice"] == 1
    # voxels of 8 cubic millimetres make it large enough
    assert lesions.score_lesions(truth, truth, (2, 2, 2))["lesions"] == 2


def test_nothing_in_both_is_right_and_something_in_one_is_wrong():
    empty, mask = cube(), cube((5, 10, 10))
    assert lesions.score_lesions(empty, empty, MM)["lesion_dice"] == 1
    assert lesions.score_lesions(empty, mask, MM) == {
        "lesions": 0, "found": 0, "false": 1, "lesion_dice": 0, "lesion_hd95": lesions.PENALTY_MM,
    }  # fmt: skip
    assert lesions.score_lesions(mask, empty, MM)["lesion_dice"] == 0
    assert lesions.surface_dice(empty, empty, MM) == 1 and lesions.surface_dice(mask, empty, MM) == 0


def test_surfaces_within_the_tolerance_agree():
    mask = cube((5, 10, 10), size=12)
    assert lesions.surface_dice(mask, mask, MM) == 1
    # a millimetre to one side: all of it within one millimetre
    assert lesions.surface_dice(mask, np.roll(mask, 1, axis=0), MM) == pytest.approx(1)
    far = lesions.surface_dice(mask, np.roll(mask, 3, axis=0), MM)
    assert 0.5 < far < 0.9, "two of six faces are 3 mm away"
    assert lesions.surface_dice(mask, np.roll(mask, 1, axis=0), (3, 1, 1)) == pytest.approx(1 - 288 / 2016, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1.0, 1.0, 1.0), (1.0, 1.0, 3.0)]))
def test_the_best_mask_is_the_label_and_no_score_leaves_its_range(seed, spacing):
    generator = np.random.default_rng(seed)
    blobs = [cube(*generator.integers(2, 30, (generator.integers(0, 4), 3)), size=5) for _ in range(2)]
    best, found = (lesions.score_lesions(blobs[0], other, spacing) for other in (blobs[0], blobs[1]))
    assert best["lesion_dice"] == 1 and best["lesion_hd95"] == 0 and best["false"] == 0
    assert 0 <= found["lesion_dice"] <= 1 and 0 <= found["lesion_hd95"] <= lesions.PENALTY_MM
    assert found["found"] <= found["lesions"]


def test_the_worst_three_are_named():
    rows = [
        {"subject": f"p{number}", "region": "WT"} | dict.fromkeys(lesions.MEASURES, number / 10) for number in range(5)
    ]
    found = {row["measure"]: row for row in lesions.summarise_lesions(rows)}
    assert found["dice"]["worst"] == "p0, p1, p2" and found["dice"]["worst_three"] == pytest.approx(0.1)
    assert found["hd95"]["worst"] == "p4, p3, p2" and found["hd95"]["median"] == pytest.approx(0.2)
    assert {row["patients"] for row in found.values()} == {5}
