"""Whom to label next: the order follows what networks are sure of, and the replay knows orders of known worth."""

import numpy as np
import pytest

from neurograft.delivery import label_order
from neurograft.delivery.label_order import RANDOM, UNCERTAIN
from neurograft.delivery.mask_features import expect_dice
from neurograft.experiment import supervoxel_classifier


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Fewer draws, and smaller classifiers."""
    monkeypatch.setattr(label_order, "REPEATS", 3)
    monkeypatch.setattr(supervoxel_classifier, "ROUNDS", 30)


def measured(subject, region, expected, labelled="false"):
    return {"subject": subject, "region": region, "labelled": labelled, "expected_dice": str(expected)}


def split(patients, labelled=()):
    return {"tasks": {"segmentation": {"patients": patients, "subjects": list(labelled)}}}


def patient(seed, kind, count=150):
    """Supervoxels, a tenth of them tumour: bright in patients of kind 0, dark in those of kind 1."""
    generator = np.random.default_rng(seed)
    tumour = np.arange(count) < count // 10
    values = generator.normal(size=(count, 2)).astype(np.float32)
    values[:, kind] += 5 * tumour
    made = {"subject": f"s{seed:02}", "names": ["a", "b"], "described": values, "pooled": None}
    return made | {"truth": np.stack([tumour, tumour], axis=1).astype(float), "volume": np.full(count, 50.0)}


def test_the_least_certain_mask_of_the_outermost_region_comes_first():
    rows = [measured("l1", "WT", 0.1, "true")]
    for subject, values in {"u1": (0.9, 0.8), "u2": (0.5, 0.7), "u3": (0.95, 0.97), "kept": (0.0, 0.0)}.items():
        rows += [measured(subject, "WT", value) for value in values]
        rows += [measured(subject, "TC", 1 - value) for value in values]
    found = label_order.order_unlabelled(rows, split({row["subject"]: row["subject"] for row in rows}), {"kept"})
    assert [(row["rank"], row["subject"], row["region"]) for row in found] == [
        *((1, "u2", "WT"), (2, "u1", "WT"), (3, "u3", "WT"))
    ]
    assert found[0]["expected_dice"] == pytest.approx(0.6)


def test_two_visits_of_one_patient_are_one_label():
    rows = [measured("u1a", "WT", 0.9), measured("u1b", "WT", 0.4), measured("u2", "WT", 0.6)]
    found = label_order.order_unlabelled(rows, split({"u1a": "u1", "u1b": "u1", "u2": "u2"}))
    assert [row["subject"] for row in found] == ["u1b", "u2"]
    assert label_order.order_unlabelled([], split({})) == []
    chosen = label_order.choose_labelled(split({"a1": "a", "a2": "a", "b": "b"}, ["a1", "a2", "b"]))
    assert chosen == ["a1", "b"]


def test_the_expected_dice_is_that_of_right_probabilities():
    generator = np.random.default_rng(0)
    chances = generator.beta(0.3, 0.6, 200_000)
    truth = generator.random(len(chances)) < chances
    mask = chances > 0.5
    assert expect_dice(chances) == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()), abs=0.005)
    assert expect_dice(np.rint(chances * 255).astype(np.uint8)) == pytest.approx(expect_dice(chances), abs=0.002)
    assert expect_dice(np.zeros(9)) == 1
    assert expect_dice([0.4, 0.3]) == 0  # a tumour may be there, and nothing is marked
    assert expect_dice([1.0, 0.0], [3.0, 5.0]) == 1


def test_asking_for_the_unusual_helps_where_few_are_of_another_kind():
    """Of 24 patients six have dark tumours, which nobody at the start may show: their masks are uncertain."""
    patients = [patient(k, int(k % 4 == 0)) for k in range(24)]
    rows = label_order.replay_order(patients)
    assert {row["labels"] for row in rows} == {5, 7, 9}
    assert {row["order"] for row in rows} == {UNCERTAIN, RANDOM}
    found = label_order.judge_order(rows, len(patients))
    assert found["gain"] > 0 and found["verdict"] in ("helps", "undecided")
    assert found["low"] < found["gain"] < found["high"]
    assert rows == label_order.replay_order(patients)


def test_nobody_who_is_scored_is_ever_asked_for():
    patients = [patient(k, 0, 60) for k in range(9)]
    asked = []
    fit = label_order._fit

    def keep(labelled, seed, threads):
        asked.append({one["subject"] for one in labelled})
        return fit(labelled, seed, threads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_order, "_fit", keep)
        rows = label_order.replay_order(patients)
    for repeat in range(label_order.REPEATS):
        scored = {row["subject"] for row in rows if row["repeat"] == repeat}
        # one start for both orders, and one round for each
        for labelled in asked[3 * repeat : 3 * repeat + 3]:
            assert len(scored) == 3 and not scored & labelled


def test_a_known_gain_is_found_and_a_loss_is_said():
    rows = [
        {"repeat": repeat, "order": order, "labels": labels, "subject": f"p{k}", "dice": 0.5 + gain + 0.01 * k}
        for repeat in range(3)
        for labels in (5, 7)
        for k in range(6)
        for order, gain in ((UNCERTAIN, 0.1 + 0.002 * k), (RANDOM, 0.0))
    ]
    found = label_order.judge_order(rows, 20)
    assert found["gain"] == pytest.approx(0.105, abs=1e-3)
    assert (found["verdict"], found["scored"], found["fewest_labels"], found["most_labels"]) == ("helps", 6, 5, 7)
    turned = [row | {"order": RANDOM if row["order"] == UNCERTAIN else UNCERTAIN} for row in rows]
    assert label_order.judge_order(turned, 20)["verdict"] == "hurts"


def test_too_few_patients_are_refused_with_the_reason():
    assert label_order.replay_order([patient(k, 0, 50) for k in range(8)]) == []
    found = label_order.judge_order([], 8)
    assert found["reason"] == "8 labelled patients; the replay takes 9"
    assert found["gain"] is None and set(found) == set(label_order.SUMMARY)
