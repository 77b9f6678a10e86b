"""A known temperature is found, the error is that of the book, and what is missed stays below its bound."""

import numpy as np
import pytest

from neurograft.delivery import chances


def draw_counts(random, patients=20, temperature=1.0, voxels=4000):
    """Counts of voxels whose true chance is the tempered probability."""
    rows = []
    for number in range(patients):
        predicted = np.rint(255 * random.beta(0.5, 0.5, voxels)).astype(np.uint8)
        true = chances.temper(predicted / 255, temperature)
        label = random.random(voxels) < true
        bins = predicted // chances.STEP
        for one in np.unique(bins).tolist():
            inside = int(label[bins == one].sum())
            rows.append({"subject": f"p{number:02}", "region": "WT", "bin": str(one), "inside": str(inside)})
            rows[-1]["voxels"] = str(int((bins == one).sum()))
    return rows


def split_of(rows):
    return {"tasks": {"segmentation": {"patients": {row["subject"]: row["subject"] for row in rows}}}}


def test_counted_is_what_lies_in_and_around_mask_and_label():
    predicted, label = np.zeros((20, 20, 20), np.uint8), np.zeros((20, 20, 20), bool)
    predicted[5, 5, 5] = 204
    label[5, 5, 6] = True
    rows = chances.count_chances(predicted, label)
    counted = {row["bin"]: (row["voxels"], row["inside"]) for row in rows}
    assert counted[204 // chances.STEP] == (1, 0) and counted[0][1] == 1
    assert 60 < counted[0][0] < 120, "two touching balls of radius 3, not the whole volume"
    assert chances.count_chances(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), bool)) == []


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_a_known_temperature_is_found_and_mends_the_error(temperature):
    rows = draw_counts(np.random.default_rng(0), temperature=temperature)
    ((row,), _) = chances.judge_chances(rows, split_of(rows))
    assert row["temperature"] == pytest.approx(temperature, rel=0.06) and row["patients"] == 20
    assert row["error_calibrated"] < 0.02
    assert row["error"] > 3 * row["error_calibrated"] or temperature == 1


def test_the_error_by_hand():
    voxels, inside = np.zeros((2, chances.BINS)), np.zeros((2, chances.BINS))
    high, low = 45, 10
    voxels[0, [high, low]], inside[0, [high, low]] = 100, (60, 10)
    said = chances.centres()[[high, low]]
    expected = (100 * abs(said[0] - 0.6) + 100 * abs(said[1] - 0.1)) / 200
    assert chances.calibration_error(voxels[:1], inside[:1]) == pytest.approx((expected, expected))
    # a second patient of ten times the voxels, in whom the high bin is too low by as much
    voxels[1, high], inside[1, high] = 1000, 1000 * (2 * said[0] - 0.6)
    pooled, single = chances.calibration_error(voxels, inside)
    assert single == pytest.approx((expected + said[0] - 0.6) / 2) and pooled < single
    assert chances.calibration_error(0 * voxels, 0 * inside) == (0, 0)


def test_what_is_missed_stays_below_its_bound_and_costs_volume():
    rows = draw_counts(np.random.default_rng(1), patients=30)
    _, missed = chances.judge_chances(rows, split_of(rows))
    assert [row["share"] for row in missed] == list(chances.SHARES)
    tenth = missed[1]
    assert tenth["missed_at_half"] > 0.1 and tenth["missed"] <= 0.1 and tenth["threshold"] < 0.5 and tenth["size"] > 1
    assert set(tenth) == set(chances.MISSED)
    thresholds = [row["threshold"] for row in missed if row["threshold"] is not None]
    assert thresholds == sorted(thresholds)


def test_what_cannot_be_promised_is_not():
    rows = draw_counts(np.random.default_rng(2), patients=8)
    _, missed = chances.judge_chances(rows, split_of(rows))
    assert missed[1]["reason"] == "8 patients; a bound of 10% takes 9" and missed[1]["threshold"] is None
    blind = [
        row | {"inside": row["voxels"] if row["bin"] == "0" else "0"} for row in draw_counts(np.random.default_rng(3))
    ]
    _, missed = chances.judge_chances(blind, split_of(blind))
    assert all("too much is missed already" in row["reason"] for row in missed[1:])


def test_visits_of_a_patient_are_added_and_few_patients_have_no_temperature():
    rows = draw_counts(np.random.default_rng(4), patients=4)
    patients = {"p00": "a", "p01": "a", "p02": "b", "p03": "b"}
    (row,), _ = chances.judge_chances(rows, {"tasks": {"segmentation": {"patients": patients}}})
    assert row["patients"] == 2 and row["temperature"] is row["error"] is None and set(row) == set(chances.CALIBRATION)
    assert chances.judge_chances([], {"tasks": {"segmentation": {"patients": {}}}}) == ([], [])
