"""Verdicts: each kind from data whose answer is plain, their words, and what would decide."""

import math
import re
import time

import numpy as np
import pytest

from neurograft.stats import paired_verdict
from neurograft.stats.paired_model import Pairs
from neurograft.stats.paired_verdict import Scale

DICE = Scale(0.02, (-1, 1), 0.05)


def compare(mean, spread, patients=20, folds=5, scale=DICE):
    own = np.random.default_rng(0).normal(0, 1, patients)
    values = mean + spread * (own - own.mean()) / own.std(ddof=1)
    return paired_verdict.paired_comparison(values, np.arange(patients) % folds, scale)


def verdict(row, scale=DICE):
    return paired_verdict.judge_family([row], scale)[0]


@pytest.mark.parametrize(
    ("mean", "spread", "patients", "kind"),
    [
        (0.10, 0.05, 20, "helps"),
        (-0.10, 0.05, 20, "hurts"),
        (0.001, 0.01, 60, "no practical difference"),
        (0.03, 0.15, 20, "undecided"),
        (0.10, 0.05, 3, "refused"),
    ],
)
def test_each_verdict(mean, spread, patients, kind):
    assert verdict(compare(mean, spread, patients)).verdict == kind


def test_the_direction_of_the_metric():
    millimetres = Scale(1.0, better="lower")
    row = compare(-8, 4, scale=millimetres)
    assert verdict(row, millimetres).verdict == "helps" and row["p_better"] > 0.99
    assert row["p_better_margin"] > row["p_worse_margin"]


def test_probabilities_belong_together():
    row = compare(0.03, 0.1)
    assert row["p_better_margin"] + row["p_equal"] + row["p_worse_margin"] == pytest.approx(1)
    assert row["p"] == pytest.approx(2 * (1 - row["p_better"])) and row["p_better_margin"] < row["p_better"]
    assert row["low"] < row["mean"] < row["high"] and row["expected_loss"] < row["mean"]


def test_two_folds_give_a_sensible_interval():
    """What was -1.850 to +1.618 by a t test with one degree of freedom."""
    row = compare(-0.1, 0.3, patients=10, folds=2)
    assert -0.6 < row["low"] < row["high"] < 0.4


def test_a_margin_of_zero_never_says_no_practical_difference():
    none = Scale(0.0, (-1, 1), 0.05)
    found = verdict(compare(0.0, 0.001, 60, scale=none), none)
    assert found.verdict == "undecided" and "no margin is stated" in found.reason


def test_a_family_is_stricter_than_one():
    row = compare(0.05, 0.09)
    alone, among = verdict(row), paired_verdict.judge_family([row, *[compare(0.0, 0.2)] * 5], DICE)[0]
    assert alone.verdict == "helps" and among.adjusted == pytest.approx(6 * alone.adjusted)


def test_reasons_are_plain():
    assert "% sure that it is better" in verdict(compare(0.1, 0.05)).reason
    assert "3 patients cannot be judged" in verdict(compare(0.1, 0.05, 3)).reason
    assert "beyond 0.02" in verdict(compare(0.001, 0.01, 60)).reason
    assert "it would take about" in verdict(compare(0.03, 0.15)).reason


def test_an_undecided_difference_says_what_would_confirm_it():
    """Three lucky folds: as large as it looks it is easily confirmed, while the margin takes more than anyone has."""
    fold = np.arange(60) % 3
    values = np.random.default_rng(0).normal(0.15, 0.1, 60) + np.array([0.25, 0.0, -0.25])[fold]
    found = verdict(paired_verdict.paired_comparison(values, fold, DICE))
    assert found.verdict == "undecided"
    assert re.fullmatch(
        r"\d\d\.\d % sure that it is better; to find a difference of 0.02, it would take .*"
        r"; if it is as large as it looks \(0\.1\d\), .*(folds|partitions)",
        found.reason,
    )
    # what is no larger than the margin has nothing to confirm
    small = verdict(compare(0.01, 0.15)).reason
    assert re.match(r"\d\d\.\d % sure that it is within 0\.02 either way; to find", small)
    assert "as large as it looks" not in small


def test_what_would_decide_shrinks_what_it_says():
    row = compare(0.0, 0.05, patients=40, folds=10)
    needed = paired_verdict.require(row, 0.02)
    assert needed["patients"] > 40
    assert paired_verdict.require(row, 0.04)["patients"] < needed["patients"]
    assert paired_verdict.require(row, 0.02, family=4)["patients"] > needed["patients"]
    assert math.isinf(paired_verdict.require(row, 1e-6)["patients"])


def test_a_study_of_the_size_that_would_decide_decides():
    """Studies with the patients that `require` asks for find the margin about as often as it says."""
    rng = np.random.default_rng(1)
    row, margin = paired_verdict.paired_comparison(rng.normal(0, 0.1, 200), np.arange(200) % 40), 0.025
    needed = int(paired_verdict.require(row, margin)["patients"])
    assert 80 < needed < 200
    fold = np.arange(needed) % 40
    found = [
        verdict(paired_verdict.paired_comparison(rng.normal(margin, 0.1, needed), fold), Scale()).verdict == "helps"
        for _ in range(100)
    ]
    assert 0.6 < np.mean(found) < 0.97


@pytest.mark.parametrize(("patients", "folds", "family"), [(10, 5, 1), (20, 5, 3), (40, 4, 6)])
def test_the_difference_planned_for_is_found(patients, folds, family):
    planned = paired_verdict.plan_comparison(patients, folds, family)
    rng = np.random.default_rng(1)
    fold = np.arange(patients) % folds
    luck = paired_verdict.ASSUMED_LUCK * rng.normal(size=(300, folds))[:, fold]
    values = planned + 0.15 * (rng.normal(size=(300, patients)) + luck)
    p = [paired_verdict.paired_comparison(one, fold)["p"] for one in values]
    assert 0.7 <= np.mean(np.array(p) <= 0.05 / family) <= 0.9  # nominal 0.8


def test_planning_knows_its_limits():
    plan = paired_verdict.plan_comparison
    assert plan(10, 5) > plan(20, 5) > plan(40, 5) and plan(20, 5, 4) > plan(20, 5)
    assert plan(20, 5, deviation=0.3) == pytest.approx(2 * plan(20, 5))
    assert math.isinf(plan(3, 3)) and plan(4, 2) > plan(20, 5)
    assert math.isinf(paired_verdict.plan_patients(0.02, 3)) and paired_verdict.plan_patients(0.1, 5) < 100


def test_degenerate_studies_do_not_fail():
    zeros = paired_verdict.paired_comparison(np.zeros(8), np.arange(8) % 4, DICE)
    assert zeros["mean"] == 0 and -0.05 < zeros["low"] < 0 < zeros["high"] < 0.05
    for values in ([], [0.3], [np.nan, 0.3]):
        made = paired_verdict.paired_comparison(values)
        assert np.isnan(made["low"]) and verdict(made).verdict == "refused"
    with_gap = paired_verdict.paired_comparison([0.1, np.nan, 0.3, 0.2], [0, 1, 1, 2])
    assert with_gap["patients"] == 3 and with_gap["folds"] == 3 and with_gap["mean"] == pytest.approx(0.2)


def test_a_comparison_takes_milliseconds():
    pairs = Pairs(np.random.default_rng(0).normal(size=(40, 3)), (np.arange(40) % 5)[:, None])
    paired_verdict.paired_comparison(pairs, scale=DICE)
    start = time.process_time()
    for _ in range(5):
        paired_verdict.paired_comparison(pairs, scale=DICE)
    # 20 ms on a quiet core; this only finds a comparison that samples or loops
    assert (time.process_time() - start) / 5 < 0.2


def test_more_repeats_are_needed_than_there_are_and_all_are_counted():
    row = {"patients": 30, "folds": 9, "repeats": 3, "seeds": 1, "patient_spread": 0.05, "luck_spread": 0.1}
    row |= {"seed_share": 0.5}
    once = paired_verdict.require(row | {"folds": 3, "repeats": 1}, 0.05)
    thrice = paired_verdict.require(row, 0.05)
    # the same variances make the same number of partitions in all, whatever there are now
    assert once["repeats"] == thrice["repeats"] > 3 and once["both_folds"] == 3 * thrice["both_folds"] // 1
    words = paired_verdict.describe_requirements(thrice, row, 0.05)
    assert f"{thrice['repeats']:.0f} repeated partitions instead of 3" in words
    enough = paired_verdict.describe_requirements(thrice | {"repeats": 3.0}, row, 0.05)
    assert "partitions" not in enough


def test_repeats_let_a_plan_find_less():
    found = [paired_verdict.plan_comparison(20, 3, repeats=repeats) for repeats in (1, 2, 3)]
    assert found[0] > 1.15 * found[1] > 1.15 * found[2] > 0.05
    needed = [paired_verdict.plan_patients(0.08, 3, repeats=repeats) for repeats in (1, 3)]
    assert needed[0] > needed[1] > 1
    dealt = paired_verdict.deal_sets(7, 3, 3)
    assert dealt[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0] and (dealt // 3 == [0, 1, 2]).all()
    assert sorted((dealt[:, 2] - 6).tolist()) == sorted(dealt[:, 0].tolist())
