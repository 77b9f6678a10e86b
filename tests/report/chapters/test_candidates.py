"""The chapter on candidates, and the two ways to score them."""

from xml.etree import ElementTree

import pytest

from neurograft.report.chapters import candidates

RECALL = {"1": 0.5, "5": 0.6, "10": 0.7, "20": 0.8}


def record(**changes):
    return {"flags": [], "oracle_dice": 0.9, "recall": RECALL, "false_candidates": 12} | changes


def cell(subject, recall, **changes):
    judged = {"subject": subject, **{f"recall_{k}": recall for k in (1, 5, 10, 20)}, "false_candidates": 3}
    known = {"task": "segmentation", "source": "s", "strategy": "supervoxels", "n": "all", "judged": [judged]}
    return known | changes


def titles(chart):
    return [node.text for node in ElementTree.fromstring(chart).iter() if node.tag.endswith("title")]


def test_an_empty_run_has_no_charts():
    empty = candidates.describe_candidates({})
    assert (empty["subjects"], empty["labelled"], empty["oracle"], empty["recall"]) == (0, 0, "", "")
    assert (empty["curve"], empty["scorers"]) == ("", [])


def test_candidates_are_summarised_over_labelled_subjects():
    records = {
        "B": {"oracle_dice": "0.9", "recall": {"1": 0.2, "5": "0.6"}, "flags": []},
        "A": {"oracle_dice": 0.8, "recall": {"1": 0.4, "5": None}, "flags": ["empty brain mask"]},
        "C": {"flags": [], "recall": None, "oracle_dice": None},
    }
    told = candidates.describe_candidates(records)
    assert (told["subjects"], told["labelled"], told["flags"]) == (3, 2, {"A": ["empty brain mask"]})
    assert told["oracle_mean"]["mean"] == pytest.approx(0.85) and told["oracle_mean"]["patients"] == 2
    means = [title for title in titles(told["recall"]) if "mean" in (title or "")]
    assert means == ["k = 1: mean 0.300", "k = 5: mean 0.600"]
    unlabelled = candidates.describe_candidates({"C": records["C"]})
    assert (unlabelled["subjects"], unlabelled["labelled"], unlabelled["recall"]) == (1, 0, "")


def test_the_curve_is_the_mean_at_each_number():
    records = {
        "A": record(curve={"500": 0.7, "8000": 0.9}),
        "B": record(curve={"500": 0.5, "8000": 0.8}),
        "C": record(),
    }
    found = titles(candidates.describe_candidates(records)["curve"])
    assert {"k = 500: mean 0.600", "k = 8000: mean 0.850"} <= set(found)


def test_ways_to_score_are_compared_over_the_same_patients():
    records = {"A": record(), "B": record(recall=dict.fromkeys(RECALL, 0.1))}
    cells = [cell("A", 0.9, seed=0), cell("A", 0.7, seed=1), cell("Z", 0.0)]
    rows = candidates.compare_scorers(records, cells)
    assert rows == [
        ["without training", "0.50", "0.60", "0.70", "0.80", "12.0", "1"],
        ["supervoxels from s", "0.80", "0.80", "0.80", "0.80", "3.0", "1"],
    ]


def test_of_classifiers_the_largest_n_is_shown():
    rows = candidates.compare_scorers({"A": record()}, [cell("A", 0.9), cell("A", 0.1, n="2")])
    assert [row[1] for row in rows] == ["0.50", "0.90"]


@pytest.mark.parametrize("cells", [[], [cell("Z", 0.5)], [cell("A", 0.5, strategy="lp-ft")], [cell("A", "nan")]])
def test_nothing_is_compared_where_nothing_can_be(cells):
    assert candidates.compare_scorers({"A": record()}, cells) == []


def test_the_first_candidates_say_where_to_look():
    first = {"rank": 1, "volume_ml": 12.345, "x_mm": -31, "y_mm": 4.5, "z_mm": 20, "depth_mm": 8, "score": 6.1}
    (row,) = candidates.list_first(record(first=[first | {"level": 3.0}]))
    assert row == ["1", "12.3", "-31", "4", "20", "8", "6.1"]
    assert candidates.list_first(record()) == []
