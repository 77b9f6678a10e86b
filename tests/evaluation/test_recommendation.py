"""Which strategy is recommended, from scores whose best choice is plain."""

import json

import numpy as np
import pytest

from helpers.fake_cases import CELL
from neurograft.evaluation.comparison import Judging, compare_strategies
from neurograft.evaluation.recommendation import recommend_strategy

LICENCES = {CELL["source"]: "Apache-2.0"}


def advise(gains, seconds=None, patients=20, margin=0.02):
    rng = np.random.default_rng(0)
    level = rng.normal(0.75, 0.08, patients)
    scores, times = [], []
    for strategy, gain in gains.items():
        values = level + gain + rng.normal(0, 0.02, patients)
        for number, value in enumerate(values):
            cell = CELL | {"strategy": strategy, "fold": number % 5}
            scores.append(cell | {"subject": f"p{number}", "region": "WT", "metric": "dice", "value": value})
        spent = (seconds or {}).get(strategy, 10.0)
        times += [CELL | {"strategy": strategy, "fold": fold, "steps": 60, "seconds": spent} for fold in range(5)]
    compared = compare_strategies(scores, judging=Judging({"dice": margin}))
    owners = {f"p{number}": f"p{number}" for number in range(patients)}
    splits = {"tasks": {task: {"patients": owners} for task in ("segmentation", "classification")}}
    return recommend_strategy(scores, compared, times, splits, LICENCES)


def test_what_is_clearly_better_is_taken_with_its_price():
    found = advise({"scratch": 0, "frozen-random": 0.2, "lp-ft": 0.1, "frozen": 0.03}, {"lp-ft": 33.0})
    use = found["use"]
    assert (use["strategy"], use["licence"], use["seconds"], use["steps"]) == ("lp-ft", "Apache-2.0", 33.0, 60)
    assert use["regret"] < 0.001 and use["p_better"] > 0.99 and use["verdict"] == "helps"
    assert [row["strategy"] for row in found["choices"]] == ["lp-ft", "frozen", "scratch"]
    assert found["choices"][-1]["regret"] == pytest.approx(0.1, abs=0.03)
    json.loads(json.dumps(found, allow_nan=False))


def test_scratch_is_an_answer():
    found = advise({"scratch": 0, "lp-ft": -0.1})
    assert found["use"]["strategy"] == "scratch" and found["use"]["licence"] == ""


def test_of_equals_the_quicker_is_taken():
    quick, slow = (
        advise({"scratch": 0, "lp-ft": 0.001, "frozen": 0.0}, {"lp-ft": lp, "scratch": 20, "frozen": 30}, 60, 0.3)
        for lp in (5.0, 90.0)
    )
    assert quick["use"]["strategy"] == "lp-ft" and slow["use"]["strategy"] == "scratch"


def test_nothing_to_choose_from_has_a_reason():
    found = advise({"scratch": 0, "frozen-random": 0.1})
    assert found["use"] is None and "no transfer strategy" in found["reason"] and found["choices"] == []
    few = advise({"scratch": 0, "lp-ft": 0.1}, patients=3)
    assert few["use"] is None and "3 patients cannot be judged" in few["reason"]


def test_a_source_that_has_seen_the_patients_is_never_recommended():
    rng = np.random.default_rng(0)
    level, scores = rng.normal(0.75, 0.05, 20), []
    for source, strategy, gain in (("a", "scratch", 0), ("a", "lp-ft", 0.03), ("b", "lp-ft", 0.12)):
        for number, value in enumerate(level + gain + rng.normal(0, 0.01, 20)):
            cell = CELL | {"source": source, "strategy": strategy, "fold": number % 5, "subject": f"p{number}"}
            scores.append(cell | {"region": "WT", "metric": "dice", "value": value})
    owners = {f"p{number}": f"p{number}" for number in range(20)}
    splits = {"tasks": {task: {"patients": owners} for task in ("segmentation", "classification")}}
    barred = {"b": "the source has seen these patients"}
    free, judged = (
        compare_strategies(scores, judging=Judging({"dice": 0.02}, barred=barred if bar else {}))
        for bar in (False, True)
    )
    verdicts = {row["source"]: (row["verdict"], row["reason"]) for row in judged if row["verdict"]}
    assert verdicts["b"] == ("refused", "the source has seen these patients") and verdicts["a"][0] == "helps"
    assert recommend_strategy(scores, free, [], splits)["use"]["source"] == "b"
    found = recommend_strategy(scores, judged, [], splits, barred=barred)
    assert (found["use"]["source"], found["use"]["strategy"]) == ("a", "lp-ft")
    alone = [row for row in scores if (row["source"], row["strategy"]) != ("a", "lp-ft")]
    judged = compare_strategies(alone, judging=Judging({"dice": 0.02}, barred=barred))
    found = recommend_strategy(alone, judged, [], splits, barred=barred)
    assert found["use"] is None and "has seen" in found["reason"]
