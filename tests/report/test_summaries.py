"""Arms: which rows answer the question, how they pair, what an interval is read as."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.core import tables
from neurograft.core.strategies import ORDER, strategy_order
from neurograft.report import summaries
from neurograft.training import strategy_plans

ROW = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "8", "space": "MNI152", "split": "folds"}


@settings(max_examples=200, deadline=None)
@given(st.floats(-2, 2), st.floats(0, 1), st.sampled_from(["higher", "lower"]))
def test_only_an_interval_that_leaves_out_the_middle_is_read(low, width, better):
    word = summaries.read_interval(low, low + width, "good", "bad", better=better)
    if low <= 0 <= low + width:
        assert word == "not shown"
    else:
        assert word == ("good" if (low > 0) == (better == "higher") else "bad")


@pytest.mark.parametrize("ends", [(None, 1.0), (1.0, None), (math.nan, 1.0), (1.0, math.nan), (0.0, 1.0)])
def test_half_an_interval_is_none(ends):
    assert summaries.read_interval(*ends, "good", "bad") == "not shown"


def test_infinite_ends_are_read():
    assert summaries.read_interval(math.inf, math.inf, "good", "bad", middle=8) == "good"
    assert summaries.read_interval(-math.inf, 4, "good", "bad", middle=8) == "bad"


def test_the_primary_rows_are_those_of_its_space_and_split():
    rows = [ROW, ROW | {"space": "native"}, ROW | {"split": "leave-site-out"}, {"score": "logme"}]
    assert summaries.keep_primary(rows, {"space": "MNI152", "split": "folds"}) == [ROW, {"score": "logme"}]
    assert summaries.keep_primary(rows, {}) == rows and summaries.keep_primary(None, {}) == []


def test_the_largest_size_of_segmentation_is_kept():
    rows = [ROW | {"n": n} for n in ("2", "all", "16")] + [ROW | {"task": "classification", "n": "all"}]
    assert summaries.keep_largest_n(rows) == [ROW | {"n": "all"}]
    assert summaries.keep_largest_n(rows[3:]) == rows[3:] and summaries.keep_largest_n([]) == []


def test_patients_are_paired_and_two_folds_give_an_interval():
    own = {f"P{at}": 0.8 + 0.01 * (at % 3) for at in range(6)} | {"alone": 0.1}
    other = {f"P{at}": 0.7 for at in range(6)}
    made = summaries.pair_patients(own, other, {name: (str(at % 3),) for at, name in enumerate(own)})
    assert made["mean"] == pytest.approx(0.11) and (made["patients"], made["folds"]) == (6, 3)
    assert made["low"] < made["mean"] < made["high"]
    two = summaries.pair_patients(own, other, {name: (str(at % 2),) for at, name in enumerate(own)})
    assert two["mean"] == pytest.approx(0.11) and -0.1 < two["low"] < 0.11 < two["high"] < 0.3
    assert summaries.pair_patients(own, {}, {})["mean"] is None


def test_the_interval_over_folds_takes_three():
    made = summaries.pair_folds({"0": [1.0], "1": [1.0, 3.0], "2": [3.0]})
    assert (made["mean"], made["folds"]) == (2.0, 3)
    # Student's would be 4.3027 / sqrt(3) around 2; so few, perhaps skewed, differences take more
    assert made["high"] - 2 > 4.302653 / math.sqrt(3) and made["high"] - 2 == pytest.approx(2 - made["low"])
    assert summaries.pair_folds({"0": [1.0], "1": [1.0]})["low"] is None
    assert summaries.pair_folds({}) == {"mean": None, "low": None, "high": None, "folds": 0}


def test_folds_of_a_further_partition_are_no_further_units():
    once = summaries.pair_folds({"0": [1.0], "1": [2.0], "2": [3.0]})
    values = {str(fold): [1.0 + fold % 3] for fold in range(9)}
    again = summaries.pair_folds(values, {str(fold): fold // 3 for fold in range(3, 9)})
    assert again == once | {"folds": 9}
    # as nine folds they would seem to show three times as much
    apart = summaries.pair_folds(values)
    assert apart["high"] - apart["low"] < 0.6 * (once["high"] - once["low"])


def test_a_patient_of_several_partitions_is_paired_once():
    scores = [
        ROW | {"n": "all", "subject": f"P{at}", "fold": fold, "value": 0.8, "region": "WT", "metric": "dice"}
        for at in range(6)
        for fold in (at % 3, 3 + at // 2)
    ]
    (folds,) = summaries.tested_folds(scores).values()
    assert folds["P1"] == ("1", "3") and folds["P5"] == ("2", "5")
    own, other = ({f"P{at}": base + 0.01 * at for at in range(6)} for base in (0.8, 0.7))
    made = summaries.pair_patients(own, other, folds)
    assert (made["patients"], made["folds"]) == (6, 6) and made["mean"] == pytest.approx(0.1)
    task = {"folds": [{"repeat": 0}, {"repeat": 0}, {"repeat": 1}, {"repeat": 1}]}
    assert summaries.count_folds(task) == (2, 2) and summaries.count_folds({}) == (0, 1)


def test_training_patients_are_counted():
    splits = {"tasks": {"segmentation": {"folds": [{"train": ["A"]}, {"train": ["A", "B"]}]}}}
    assert summaries.count_training("8", "segmentation", splits) == 8
    assert summaries.count_training("all", "segmentation", splits) == 2
    assert summaries.count_training("all", "classification", splits) is None
    splits["tasks"]["segmentation"]["patients"] = {"A": "1", "B": "1"}
    assert summaries.count_training("all", "segmentation", splits) == 1, "two pictures of one patient"


def test_the_first_measure_of_each_task_that_patients_have():
    rows = [
        {"task": "classification", "region": "", "metric": metric, "subject": subject}
        for metric, subject in (("balanced-accuracy", ""), ("accuracy", "A"))
    ]
    assert summaries.task_measures(rows) == [("classification", "", "accuracy")]
    assert summaries.main_measure(rows) == ("classification", "", "accuracy")
    assert summaries.main_measure([]) == ("segmentation", "WT", "dice")


def test_a_control_is_of_the_same_source_or_the_mean_of_the_others():
    assert (
        summaries.find_control({"a": 1.0, "b": 3.0}, "a") == 1
        and summaries.find_control({"a": 1.0, "b": 3.0}, "c") == 2
    )
    assert summaries.find_control({}, "a") is None
    people = {"a": {"P": 0.2, "Q": 0.4}, "b": {"P": 0.4}}
    assert summaries.find_control_scores(people, "c") == {"P": pytest.approx(0.3)}
    assert summaries.find_control_scores(people, "b") == {"P": 0.4} and summaries.find_control_scores({}, "b") == {}
    kin = {"a": (2, "x"), "b": (2, "y"), "c": (3, "z"), "d": (2, "y"), "e": (2, "w")}
    numbers = {"a": 1.0, "b": 3.0, "c": 9.0}
    # of the same network; of the same dimensions; of none
    assert summaries.find_control(numbers, "d", kin) == 3 and summaries.find_control(numbers, "e", kin) == 2
    assert summaries.find_control({"a": 1.0}, "c", kin) is None


ARM = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "all"}
KEY = tuple(ARM.values())


def score(subject, value, **changes):
    return ARM | {"fold": 0, "seed": 0, "subject": subject, "region": "WT", "metric": "dice", "value": value} | changes


def dice(scores):
    return summaries.patient_means(scores, "segmentation", "WT", "dice")


@pytest.mark.parametrize(
    ("value", "read"),
    [("0.5", 0.5), (" 2 ", 2), (0, 0), ("", None), (None, None), ("n/a", None), ("nan", None), (math.inf, None)],
)
def test_numbers_are_read_as_they_may_be_written(value, read):
    assert tables.parse_number(value) == read


def test_truth_values_are_read_as_they_may_be_written():
    assert all(map(tables.parse_boolean, (True, "true", "True", " YES ", 1, "1")))
    assert not any(map(tables.parse_boolean, (False, "false", "", None, 0, "n/a")))


def test_seeds_are_averaged_inside_each_patient():
    scores = [score("A", 0.5), score("A", "0.7", seed=1), score("B", 0.9), score("B", 1.0, seed=1)]
    scores += [score("B", "", seed=2), score("B", math.nan, seed=3)]
    assert dice(scores) == {KEY: {"A": pytest.approx(0.6), "B": pytest.approx(0.95)}}


def test_only_the_measure_asked_for_counts():
    other = ({"region": "TC"}, {"metric": "hd95"}, {"task": "classification"}, {"subject": ""}, {"subject": None})
    assert dice([score("A", 0.5), *(score("A", 0.1) | change for change in other)]) == {KEY: {"A": 0.5}}


def test_arms_are_kept_apart_and_come_largest_and_controls_first():
    arms = [("lp-ft", "b", "all"), ("lp-ft", "a", "all"), ("scratch", "none", 4), ("frozen", "a", "all")]
    arms += [("scratch", "none", "all"), ("scratch", "none", 12), ("frozen-random", "a", "all")]
    found = dice([score("A", i, strategy=name, source=source, n=n) for i, (name, source, n) in enumerate(arms)])
    assert [(key[2], key[1], key[3]) for key in found] == [
        ("scratch", "none", "all"), ("frozen-random", "a", "all"), ("frozen", "a", "all"), ("lp-ft", "a", "all"),
        ("lp-ft", "b", "all"), ("scratch", "none", "12"), ("scratch", "none", "4"),
    ]  # fmt: skip
    assert found[("segmentation", "b", "lp-ft", "all")] == {"A": 0}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 1)), max_size=12), st.randoms())
def test_the_order_of_rows_does_not_matter(pairs, shuffler: random.Random):
    scores = [score(subject, value) for subject, value in pairs]
    mixed = shuffler.sample(scores, len(scores))
    first, second = dice(scores).get(KEY, {}), dice(mixed).get(KEY, {})
    assert list(first) == list(second) and first == pytest.approx(second)


def test_time_points_of_one_patient_are_one_patient():
    splits = {"tasks": {"segmentation": {"patients": {"A1": "A", "A2": "A", "B1": "B"}}}}
    scores = [score("A1", 0.2), score("A2", 0.4), score("B1", 0.9), score("", 0.5), score("C", 0.7)]
    pooled = summaries.pool_patients(scores, splits)
    assert dice(pooled) == {KEY: {"A": pytest.approx(0.3), "B": 0.9, "C": 0.7}}
    assert scores[0]["subject"] == "A1" and pooled[3]["subject"] == ""
    assert summaries.pool_patients(scores, {}) == scores


def test_the_interval_over_patients_stays_where_scores_can_lie():
    values = [0.81, 0.9, 0.77, 0.86]
    found = summaries.mean_interval(values, "dice")
    assert 0 < found["low"] < 0.835 < found["high"] < 1
    assert found["mean"] == pytest.approx(0.835) and found["median"] == pytest.approx(0.835)
    assert (found["worst"], found["best"], found["patients"]) == (0.77, 0.9, 4)
    # what a t interval printed as "0.506 to 1.043" and "-45.9 to 152.5"
    wide = summaries.mean_interval([0.99, 0.98, 0.4, 0.95], "dice")
    assert 0 <= wide["low"] < wide["mean"] < wide["high"] <= 1
    assert summaries.mean_interval([3.0, 2.0, 150.0], "hd95")["low"] >= 0


def test_one_patient_has_a_mean_and_no_interval():
    found = summaries.mean_interval([0.7], "dice")
    assert found["mean"] == 0.7 and (found["low"], found["high"], found["deviation"]) == (None, None, None)


def test_measures_are_listed_once_the_primary_one_first():
    rows = [score("A", 1, region=region, metric=metric) for metric in ("hd95", "dice") for region in ("ET", "WT")]
    rows += [score("A", 1, task="classification", region=None, metric=metric) for metric in ("brier", "auc")]
    expected = [("segmentation", region, metric) for metric in ("dice", "hd95") for region in ("WT", "ET")]
    expected += [("classification", "", "auc"), ("classification", "", "brier")]
    assert summaries.measures(rows * 2) == expected


def test_scores_of_the_whole_cohort_are_averaged_over_seeds():
    rows = [score("", 0.8, metric="auc"), score(None, "0.9", metric="auc", seed=1), score("A", 0.1, metric="auc")]
    assert summaries.pooled_scores(rows) == {KEY: {"auc": pytest.approx(0.85)}}


def compared(strategy, verdict, **changes):
    rest = {"against": "scratch", "region": "WT", "metric": "dice", "verdict": verdict}
    return ARM | {"strategy": strategy} | rest | changes


def test_primary_rows_are_those_with_a_verdict_clearest_first():
    rows = [compared("frozen", "undecided"), compared("lp-ft", ""), compared("fine-tune", "hurts")]
    rows += [compared("lora", "refused"), compared("l2-sp", "helps"), compared("frozen-random", "helps")]
    assert [row["strategy"] for row in summaries.primary_rows(rows)] == ["l2-sp", "fine-tune", "frozen", "lora"]


def test_the_control_row_is_of_the_same_arm_and_measure():
    row, other = compared("lp-ft", "helps"), compared("lp-ft", "", against="frozen-random")
    wrong = [other | change for change in ({"n": 4}, {"source": "t"}, {"region": "TC"}, {"strategy": "frozen"})]
    assert summaries.control_row([row, *wrong, other], row) is other
    assert summaries.control_row([row, *wrong], row) is None


def test_times_are_medians_over_cells_and_over_those_that_arrived():
    cells = [("100", 10, "40", 4), ("100", 50, "", math.nan), ("100", 20, "60", 8)]
    rows = [
        ARM | {"steps": steps, "seconds": seconds, "steps_to_dice": to, "seconds_to_dice": then, "dice": 0.8}
        for steps, seconds, to, then in cells
    ]
    expected = {"steps": 100, "seconds": 20, "steps_to_dice": 50, "seconds_to_dice": 6}
    assert summaries.time_summary(rows) == {KEY: expected | {"cells": 3, "reached": 2, "dice": 0.8}}
    never = summaries.time_summary([rows[1]])[KEY]
    assert never["reached"] == 0 and never["steps_to_dice"] is None and never["seconds_to_dice"] is None


def test_quality_measures_are_the_columns_with_a_number():
    rows = [{"subject": "1", "site": "2", "flags": "", "outlier": "", "volume_ml_t1": "", "similarity_t1": "n/a"}]
    rows += [{"subject": "2", "site": "2", "tumour_free": "1", "volume_ml_t1": "1400", "overlap_t1": 0.9}]
    assert summaries.quality_measures(rows) == ["volume_ml_t1", "overlap_t1"]


def test_an_outlier_names_its_columns_or_all():
    assert summaries.is_outlier({"outlier": "volume_ml_t1, overlap_t2"}, "overlap_t2")
    assert not summaries.is_outlier({"outlier": "volume_ml_t1c"}, "volume_ml_t1")
    assert summaries.is_outlier({"outlier": True}, "volume_ml_t1")
    assert not any(summaries.is_outlier({"outlier": value}, "volume_ml_t1") for value in ("", None, False, "False"))


def test_every_strategy_has_a_place_and_an_unknown_one_comes_last():
    assert set(strategy_plans.PLANS) <= set(ORDER)
    names = ["zebra", *strategy_plans.PLANS, "apple"]
    assert sorted(names, key=strategy_order)[0] == "scratch"
    assert sorted(names, key=strategy_order)[-2:] == ["apple", "zebra"]


def test_the_delivered_source_is_not_the_first_by_name():
    row = {
        "task": "segmentation",
        "strategy": "lp-ft",
        "n": "all",
        "fold": 0,
        "seed": 0,
        "region": "WT",
        "metric": "dice",
    }
    scores = [row | {"source": name, "subject": "p", "value": value} for name, value in (("a", 0.2), ("b", 0.9))]
    assert summaries.delivered_means(scores, "lp-ft", "b") == {"p": 0.9}
    assert summaries.delivered_means(scores, "frozen", "b") == {}


def test_masks_of_other_programs_are_no_primary_rows_and_say_nothing_about_transfer():
    rows = [compared("lp-ft", "undecided"), compared("nnunet", "helps", source="external")]
    assert [row["strategy"] for row in summaries.primary_rows(rows)] == ["lp-ft"]
    assert [row["strategy"] for row in summaries.external_rows(rows)] == ["nnunet"]
    assert [row["strategy"] for row in summaries.transferred(rows)] == ["lp-ft"]
