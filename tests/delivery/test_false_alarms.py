"""What is marked in heads without a tumour: counted by person, with intervals that are right."""

import numpy as np
import pytest
from scipy import stats

from neurograft.delivery import false_alarms
from neurograft.delivery.false_alarms import Healthy, certify_masks


def rows(*groups):
    return [
        {"participant_id": f"p{number}", "included": "true", "Group": group, "labels": "false"}
        for number, group in enumerate(groups)
    ]


def record(ml, networks=3, delivered=True):
    return {"delivered": delivered, "networks": networks, "volume_ml": {"WT": ml, "TC": ml / 2} if delivered else {}}


@pytest.mark.parametrize("column", ["group", "Group", "GROUP"])
def test_healthy_people_are_known_by_a_column_whatever_its_case(column):
    cohort = [*rows("control", "patient", " Control "), {**rows("control")[0], "included": "false"}]
    assert Healthy(column, ["CONTROL"]).choose(cohort) == (["p0", "p2"], "")


@pytest.mark.parametrize(
    ("healthy", "words"),
    [
        (Healthy(), "no healthy heads were named"),
        (Healthy("diagnosis", ["none"]), "there is no column 'diagnosis' in cohort.tsv, which has participant_id"),
        (Healthy("group", ["none"]), "nobody included has one of none in the column Group"),
    ],
)
def test_it_is_said_why_there_are_none(healthy, words):
    chosen, reason = healthy.choose(rows("patient"))
    assert chosen == [] and words in reason
    (row,) = certify_masks({}, (chosen, reason), {}, {})[1]
    assert row["heads"] == 0 and words in row["reason"]


def test_numbers_are_those_of_the_heads():
    marked = [0.0, 0.0, 0.05, 4.0, 8.0]
    records = {f"p{number}": record(ml) for number, ml in enumerate(marked)}
    heads, summary = certify_masks(records, (list(records), ""), {}, {}, simulated=True)
    row = next(row for row in summary if row["region"] == "WT")
    assert (row["heads"], row["marked"], row["share"]) == (5, 2, 0.4) and row["simulated"]
    # Clopper and Pearson, by the quantiles of the beta distribution
    assert row["share_low"] == pytest.approx(stats.beta.ppf(0.025, 2, 4), abs=1e-4)
    assert row["share_high"] == pytest.approx(stats.beta.ppf(0.975, 3, 3), abs=1e-4)
    half = stats.t.ppf(0.975, 4) * np.std(marked, ddof=1) / np.sqrt(5)
    assert row["mean_ml"] == pytest.approx(2.41) and row["largest_ml"] == 8
    assert row["mean_low"] == 0 and row["mean_high"] == pytest.approx(2.41 + half, abs=1e-3)
    assert len(heads) == 10 and {row["networks"] for row in heads} == {3}


def test_nothing_marked_is_no_proof_that_nothing_ever_is():
    records = {f"p{number}": record(0.0) for number in range(20)}
    _, summary = certify_masks(records, (list(records), ""), {}, {})
    assert [row["share_high"] for row in summary] == pytest.approx([1 - 0.025 ** (1 / 20)] * 2, abs=1e-4)
    assert {row["mean_high"] for row in summary} == {0}


def test_scans_of_one_person_are_one_head():
    records = {f"p{number}": record(float(number)) for number in range(6)}
    owner = {f"p{number}": f"q{number // 2}" for number in range(6)}
    heads, summary = certify_masks(records, (list(records), ""), owner, {})
    assert [row["marked_ml"] for row in heads if row["region"] == "WT"] == [0.5, 2.5, 4.5]
    assert {row["heads"] for row in summary} == {3} and {row["scans"] for row in heads} == {2}


def test_whose_label_marks_something_is_not_healthy_and_who_has_no_mask_is_not_counted():
    records = {f"p{number}": record(1.0) for number in range(5)} | {"p5": record(0, delivered=False)}
    heads, summary = certify_masks(records, (list(records), ""), {}, {"p0": 3.0, "p1": 0.0})
    assert {row["patient"] for row in heads} == {"p1", "p2", "p3", "p4"}
    assert "p0, named healthy" in summary[0]["reason"] and summary[0]["heads"] == 4
    assert {row["patient"]: row["labelled"] for row in heads}["p1"]


def test_two_heads_say_nothing():
    records = {"p0": record(1.0), "p1": record(1.0)}
    (row,) = certify_masks(records, (list(records), ""), {}, {})[1]
    assert row["reason"] == f"2 healthy heads with a mask; it takes {false_alarms.FEWEST}" and "share" not in row
