"""What transfer saves and loses, from scores whose truth was planted."""

import numpy as np
import pytest

from neurograft.core.cells import CELL
from neurograft.evaluation import benefits

PATIENTS = [f"p{k:02d}" for k in range(20)]
SITES = dict(zip(PATIENTS, "ABCD" * 5))


def score(patient, value, **changes):
    cell = {"task": "segmentation", "source": "s", "strategy": "scratch", "space": "A", "split": "folds"}
    cell |= {"n": "8", "fold": PATIENTS.index(patient) % 5, "seed": 0}
    return cell | {"subject": patient, "region": "WT", "metric": "dice", "value": value} | changes


def curve(needed, numbers=(2, 4, 8, 16)):
    """Dice that rises by the number of patients: a strategy that needs `needed` times as many."""
    noise = np.random.default_rng(0).normal(0, 0.01, len(PATIENTS))
    return {n: 0.4 + 0.1 * np.log2(n / needed) + noise for n in numbers}


def learning(strategies):
    rows = []
    for strategy, needed in strategies.items():
        for n, values in curve(needed).items():
            rows += [score(p, v, strategy=strategy, n=str(n)) for p, v in zip(PATIENTS, values, strict=True)]
    return rows


SIZES = {("segmentation", "A", "folds", str(n)): [n] for n in (2, 4, 8, 16)}
MINE = dict(zip(PATIENTS, PATIENTS, strict=True))


def test_only_the_one_measure_counts():
    rows = [score("p00", 0.5), score("p00", 9, metric="hd95"), score("p00", 0.1, region="ET"), score("p01", "n/a")]
    rows.append(score("p00", 0.2) | {"subject": ""})
    found = benefits.score_patients(rows, {"p00": "P"})
    assert [(row["patient"], row["value"]) for row in found] == [("P", 0.5)]
    assert set(CELL) <= set(found[0]) and [row["fold"] for row in found] == ["0"]
    own = [score("p00", 0.5, region="all"), score("p00", 0.1, region="anterior")]
    assert [row["value"] for row in benefits.score_patients(own, MINE)] == [0.5]


def test_a_strategy_that_needs_half_the_patients_saves_as_many():
    means = benefits.score_patients(learning({"scratch": 1.0, "lp-ft": 0.5}), MINE)
    found = {row["n"]: row for row in benefits.save_labels(means, SIZES) if row["strategy"] == "lp-ft"}
    assert found["4"]["needed"] == pytest.approx(8, rel=0.1)
    assert found["8"]["saved"] == pytest.approx(8, rel=0.1)
    assert found["16"]["answer"] == "not reached"


def test_labels_take_two_sizes_and_a_control():
    one = benefits.score_patients([score(p, 0.5, strategy=s) for p in PATIENTS for s in ("scratch", "lp-ft")], MINE)
    assert benefits.save_labels(one, SIZES) == []
    alone = benefits.score_patients(learning({"lp-ft": 0.5}), MINE)
    assert benefits.save_labels(alone, SIZES) == []


def test_scratch_of_another_network_is_no_control():
    rows = learning({"scratch": 1.0}) + [row | {"source": "deep"} for row in learning({"lp-ft": 0.5})]
    means = benefits.score_patients(rows, MINE)
    kin = {"s": ("2", "flat"), "deep": ("3", "volume")}
    assert benefits.save_labels(means, SIZES, kin) == []
    assert benefits.save_labels(means, SIZES, kin | {"deep": ("2", "other")})


def race(strategy, arrival, fold=0, source="s"):
    cell = {name: score("p00", 0)[name] for name in CELL} | {"strategy": strategy, "fold": fold, "source": source}
    dice = [min(0.8, 0.8 * (k + 1) / arrival) for k in range(40)]
    history = [{"step": k + 1, "train_dice": value} for k, value in enumerate(dice)]
    return cell | {"history": history, "seconds": [2.0 * (k + 1) for k in range(40)]}


def test_time_is_held_against_scratch_of_the_same_fold():
    rows = benefits.save_time([race("scratch", 20), race("lp-ft", 10), race("lp-ft", 10, fold=1)])
    assert [row["fold"] for row in rows] == [0]
    assert rows[0]["steps_saved"] > 5 and rows[0]["seconds_saved"] == pytest.approx(2 * rows[0]["steps_saved"])


def test_several_sources_scratch_count_as_their_mean():
    kin = {name: ("2", name) for name in ("s", "t", "u")}
    known = [race("scratch", 20), race("scratch", 30, source="t")]
    both = benefits.save_time([*known, race("lp-ft", 10, source="u")], kin)
    each = [benefits.save_time([one, race("lp-ft", 10, source="u")], kin)[0]["steps_saved"] for one in known]
    assert both[0]["steps_saved"] == pytest.approx(np.mean(each))


def elsewhere(drops, missing=()):
    rows, generator = [], np.random.default_rng(1)
    for strategy, drop in drops.items():
        for patient in PATIENTS:
            value = 0.8 + generator.normal(0, 0.01)
            rows.append(score(patient, value, strategy=strategy))
            if patient not in missing:
                rows.append(score(patient, value - drop + generator.normal(0, 0.01), strategy=strategy, split="sites"))
    return benefits.score_patients(rows, MINE)


def test_what_is_lost_at_another_site_and_how_much_less():
    sizes = {("segmentation", "A", split, "8"): [8] for split in ("folds", "sites")}
    found = {
        row["strategy"]: row
        for row in benefits.lose_elsewhere(elsewhere({"scratch": 0.2, "lp-ft": 0.05}), sizes, SITES)
    }
    assert found["scratch"]["mean"] == pytest.approx(0.2, abs=0.01)
    assert found["lp-ft"]["less"] == pytest.approx(0.15, abs=0.01) and found["lp-ft"]["less_low"] > 0
    assert "less" not in found["scratch"]


def test_unlike_numbers_of_training_patients_are_not_compared():
    sizes = {("segmentation", "A", "folds", "8"): [16], ("segmentation", "A", "sites", "8"): [10]}
    (row,) = benefits.lose_elsewhere(elsewhere({"scratch": 0.2}), sizes, SITES)
    assert np.isnan(row["mean"]) and row["reason"].startswith("10 to 16 training patients")
