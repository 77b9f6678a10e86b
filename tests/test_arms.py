"""Arms: which rows answer the question, how they pair, what an interval is read as."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft import arms

ROW = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "8", "space": "MNI152", "split": "folds"}


@settings(max_examples=200, deadline=None)
@given(st.floats(-2, 2), st.floats(0, 1), st.sampled_from(["higher", "lower"]))
def test_only_an_interval_that_leaves_out_the_middle_is_read(low, width, better):
    word = arms.read_interval(low, low + width, "good", "bad", better=better)
    if low <= 0 <= low + width:
        assert word == "not shown"
    else:
        assert word == ("good" if (low > 0) == (better == "higher") else "bad")


@pytest.mark.parametrize("ends", [(None, 1.0), (1.0, None), (math.nan, 1.0), (1.0, math.nan), (0.0, 1.0)])
def test_half_an_interval_is_none(ends):
    assert arms.read_interval(*ends, "good", "bad") == "not shown"


def test_infinite_ends_are_read():
    assert arms.read_interval(math.inf, math.inf, "good", "bad", middle=8) == "good"
    assert arms.read_interval(-math.inf, 4, "good", "bad", middle=8) == "bad"


def test_the_primary_rows_are_those_of_its_space_and_split():
    rows = [ROW, ROW | {"space": "native"}, ROW | {"split": "leave-site-out"}, {"score": "logme"}]
    assert arms.keep_primary(rows, {"space": "MNI152", "split": "folds"}) == [ROW, {"score": "logme"}]
    assert arms.keep_primary(rows, {}) == rows and arms.keep_primary(None, {}) == []


def test_the_largest_size_of_segmentation_is_kept():
    rows = [ROW | {"n": n} for n in ("2", "all", "16")] + [ROW | {"task": "classification", "n": "all"}]
    assert arms.largest(rows) == [ROW | {"n": "all"}]
    assert arms.largest(rows[3:]) == rows[3:] and arms.largest([]) == []


def test_patients_are_paired_and_few_folds_give_no_interval():
    own = {f"P{at}": 0.8 + 0.01 * (at % 3) for at in range(6)} | {"alone": 0.1}
    other = {f"P{at}": 0.7 for at in range(6)}
    made = arms.pair_patients(own, other, {name: str(at % 3) for at, name in enumerate(own)})
    assert made["mean"] == pytest.approx(0.11) and (made["patients"], made["folds"]) == (6, 3)
    assert made["low"] < made["mean"] < made["high"]
    two = arms.pair_patients(own, other, {name: str(at % 2) for at, name in enumerate(own)})
    assert two["mean"] == pytest.approx(0.11) and two["low"] is two["high"] is None
    assert arms.pair_patients(own, {}, {})["mean"] is None


def test_the_interval_over_folds_is_a_t_interval():
    made = arms.pair_folds({"0": [1.0], "1": [1.0, 3.0], "2": [3.0]})
    # 4.3027 / sqrt(3) around 2
    assert (made["mean"], made["folds"]) == (2.0, 3)
    assert made["high"] - 2 == pytest.approx(4.302653 / math.sqrt(3))
    assert arms.pair_folds({"0": [1.0], "1": [1.0]})["low"] is None
    assert arms.pair_folds({}) == {"mean": None, "low": None, "high": None, "folds": 0}


def test_training_patients_are_counted():
    splits = {"tasks": {"segmentation": {"folds": [{"train": ["A"]}, {"train": ["A", "B"]}]}}}
    assert arms.count_training("8", "segmentation", splits) == 8
    assert arms.count_training("all", "segmentation", splits) == 2
    assert arms.count_training("all", "classification", splits) is None


def test_differences_in_words():
    assert arms.difference({"mean": -0.1, "low": -0.2, "high": 0.0}, 1) == "−0.1 (95 %: −0.2 to +0.0)"
    assert arms.difference({"mean": 5, "low": None, "high": None}, 0, " s") == "+5 s (no interval)"
    assert arms.difference(arms.NOTHING) == "no estimate"


def test_the_first_measure_of_each_task_that_patients_have():
    rows = [
        {"task": "classification", "region": "", "metric": metric, "subject": subject}
        for metric, subject in (("balanced-accuracy", ""), ("accuracy", "A"))
    ]
    assert arms.task_measures(rows) == [("classification", "", "accuracy")]
    assert arms.main_measure(rows) == ("classification", "", "accuracy")
    assert arms.main_measure([]) == ("segmentation", "WT", "dice")


def test_a_control_is_of_the_same_source_or_the_mean_of_the_others():
    assert arms.find_control({"a": 1.0, "b": 3.0}, "a") == 1 and arms.find_control({"a": 1.0, "b": 3.0}, "c") == 2
    assert arms.find_control({}, "a") is None
    people = {"a": {"P": 0.2, "Q": 0.4}, "b": {"P": 0.4}}
    assert arms.find_control(people, "c") == {"P": pytest.approx(0.3)} and arms.find_control(people, "b") == {"P": 0.4}
    kin = {"a": (2, "x"), "b": (2, "y"), "c": (3, "z"), "d": (2, "y"), "e": (2, "w")}
    numbers = {"a": 1.0, "b": 3.0, "c": 9.0}
    # of the same network; of the same dimensions; of none
    assert arms.find_control(numbers, "d", kin) == 3 and arms.find_control(numbers, "e", kin) == 2
    assert arms.find_control({"a": 1.0}, "c", kin) is None
