"""Arms pooled over cards: who is pooled with whom, and what is said of it."""

import math

import pytest

from helpers.fake_cards import make_arm, make_card
from neurograft.evaluation.pooled_verdicts import NUMBERS, POOLED, pool_verdicts
from neurograft.evaluation.verdict_card import LeftOut, NamedCard


def pool(*cards, **kwargs):
    return pool_verdicts([NamedCard(f"c{number}", card) for number, card in enumerate(cards)], **kwargs)


def effects(*means, error=0.005, metric="dice", better="higher", **changes):
    return [make_card(make_arm(mean, error), metric=metric, better=better, **changes) for mean in means]


def only(pooled):
    (arm,) = pooled.arms
    return arm.row


@pytest.mark.parametrize(
    ("means", "better", "verdict"),
    [
        ((0.10, 0.11, 0.09, 0.1), "higher", "helps"),
        ((-0.10, -0.11, -0.09, -0.1), "higher", "hurts"),
        ((-0.10, -0.11, -0.09, -0.1), "lower", "helps"),
        ((0.10, 0.11, 0.09, 0.1), "lower", "hurts"),
        ((0.001, -0.001, 0.002, 0.0), "higher", "no practical difference"),
        ((0.008, 0.009, 0.01, 0.008, 0.009, 0.01), "higher", "no practical difference"),
        ((0.3, -0.2, 0.1), "higher", "undecided"),
    ],
)
def test_a_verdict_is_of_the_mean_over_cohorts(means, better, verdict):
    row = only(pool(*effects(*means, better=better)))
    assert row["verdict"] == verdict
    assert row["cohorts"] == len(means) and row["patients"] == 20 * len(means)
    assert row["new_low"] < row["low"] < row["mean_difference"] < row["high"] < row["new_high"]
    assert row["mean_difference"] == pytest.approx(sum(means) / len(means), abs=0.01)
    for behind in ("", "_new"):
        parts = [row[f"{name}{behind}"] for name in ("p_better_margin", "p_equal", "p_worse_margin")]
        assert sum(parts) == pytest.approx(1) and parts[0] <= row[f"p_better{behind}"] <= 1
    if verdict in ("helps", "hurts"):
        assert (row["p_better"] > 0.95) == (verdict == "helps")


def test_the_good_direction_mirrors_the_probabilities():
    up = only(pool(*effects(0.02, 0.05, 0.04)))
    down = only(pool(*effects(-0.02, -0.05, -0.04, better="lower")))
    for name in ("p_better", "p_better_margin", "p_equal", "p_worse_margin", "p_better_new", "p_worse_margin_new"):
        assert up[name] == pytest.approx(down[name])


def test_only_what_answers_the_same_question_is_pooled():
    base = make_arm(0.03)
    other = [make_arm(0.03, **change) for change in (
        {"strategy": "frozen"}, {"parameters": {"encoder": 0.001}}, {"source": "vgg-19"}, {"n": 8},
    )]  # fmt: skip
    asked = [{"region": "TC"}, {"metric": "hd95"}, {"split": "sites"}, {"task": "classification", "target": "grade"}]
    cards = [make_card(base), make_card(base, *other), *(make_card(base, **change) for change in asked)]
    pooled = pool(*cards)
    assert [arm.row["cohorts"] for arm in pooled.arms] == [2] + [1] * 8
    assert {arm.row["verdict"] for arm in pooled.arms[1:]} == {"one cohort"}
    assert all(math.isnan(pooled.arms[1].row[name]) for name in NUMBERS if name != "margin")
    assert tuple(pooled.arms[0].row) == POOLED


def test_more_arms_ask_for_more_evidence():
    means = (0.03, 0.055, 0.045)
    assert only(pool(*effects(*means, error=0.003)))["verdict"] == "helps"
    names = ("lp-ft", "frozen", "lora", "l2-sp", "coral", "gradual")
    cards = [make_card(*(make_arm(mean, 0.003, strategy=name) for name in names)) for mean in means]
    assert {arm.row["verdict"] for arm in pool(*cards).arms} == {"undecided"}


def test_what_no_run_judges_has_an_interval_and_no_verdict():
    cards = [make_card(make_arm(mean), make_arm(mean, n=8, verdict="")) for mean in (0.1, 0.11, 0.1)]
    full, small = (arm.row for arm in pool(*cards).arms)
    assert (full["verdict"], small["verdict"], small["n"]) == ("helps", "", "8")
    assert small["low"] == full["low"]


def test_an_arm_without_an_error_is_named_and_left_out():
    refused = make_card(make_arm(None, None, verdict="refused"))
    certain = make_card(make_arm(0.1, 0.0))
    pooled = pool(*effects(0.1, 0.11), refused, certain)
    assert only(pooled)["cohorts"] == 2
    assert pooled.notes == [
        "c2: lp-ft efficientnet-lite0 all is left out (refused, no standard error).",
        "c3: lp-ft efficientnet-lite0 all is left out (undecided, no standard error).",
    ]


def test_margins_that_differ_are_named_and_the_smallest_counts():
    pooled = pool(*effects(0.01, 0.012), *effects(0.011, margin=0.05), *effects(0.012, margin=None))
    row = only(pooled)
    assert (row["margin"], row["cohorts"]) == (0.02, 4)
    (note,) = pooled.notes
    assert "the smallest, 0.02, counts" in note and "c2 0.05, c3 none" in note


def test_without_a_margin_there_is_no_practical_equality():
    row = only(pool(*effects(0.0, 0.001, 0.0, margin=None)))
    assert row["verdict"] == "undecided" and math.isnan(row["p_equal"]) and not math.isnan(row["p_better"])


def test_intervals_stay_in_the_range_of_the_metric():
    row = only(pool(*effects(0.4, -0.3, error=0.3)))
    assert (row["new_low"], row["new_high"]) == (-1, 1)


def test_cards_of_nothing_and_those_left_out_are_carried_on():
    left = [LeftOut("x", "is no JSON")]
    assert pool(left_out=left).left_out == left
    assert pool().arms == [] and not pool().simulated
    pooled = pool(*effects(0.1), left_out=left)
    assert only(pooled)["verdict"] == "one cohort" and pooled.cohorts == ["c0"]
