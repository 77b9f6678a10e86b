"""The gain at each budget, and against finished scratch."""

import re

import numpy as np
import pytest

from helpers.fake_cases import CELL
from neurograft.core.tables import parse_number
from neurograft.evaluation import budgets
from neurograft.evaluation.comparison import Judging
from neurograft.report.chapters import benefits, transfer
from neurograft.report.results import Results

NAMES = [f"p{k:02d}" for k in range(12)]
SPLIT = {"tasks": {task: {"patients": {n: n for n in NAMES}} for task in ("segmentation", "classification")}}
# score at a quarter, a half and all of the steps
SCORES = {"scratch": {0.25: 0.4, 0.5: 0.55, 1.0: 0.62}, "frozen": {0.25: 0.6, 0.5: 0.65, 1.0: 0.66}}
MARGIN = Judging({"dice": 0.02})


def run(scores, early=()):
    """The scores and the cells of a run; trainings of the strategies in `early` end before the second budget."""
    rows, cells = [], []
    random = np.random.default_rng(0)
    level = dict(zip(NAMES, random.normal(0, 0.05, len(NAMES)), strict=True))
    for strategy, by_budget in scores.items():
        for fold in range(3):
            cell = CELL | {"strategy": strategy, "fold": fold, "n": "all"}
            known = {share: value for share, value in by_budget.items() if strategy not in early or share != 0.5}
            for budget, value in known.items():
                for name in NAMES[fold::3]:
                    noise = random.normal(0, 0.005)
                    common = {"subject": name, "region": "WT", "metric": "dice", "budget": budget}
                    rows.append({**cell, **common, "value": value + level[name] + noise})
            cut = [{"share": s, "steps": int(100 * s), "seconds": 10 * s} for s in known if s < 1]
            length = 40 if strategy in early else 100
            cells.append(
                {
                    **cell,
                    "budgets": cut,
                    "processor": [{"share": s, "training": 12 * s, "prediction": 3.0} for s in known],
                    "history": [{"step": 1}] * length,
                    "seconds": [0.1 * (k + 1) for k in range(length)],
                }
            )
    return rows, cells


def gains(scores=SCORES, early=()):
    rows, cells = run(scores, early)
    return {(row["strategy"], row["budget"]): row for row in budgets.list_gains(rows, cells, SPLIT, judging=MARGIN)}


def test_each_budget_is_compared_with_the_same_budget_and_with_the_end():
    found = gains()
    assert list(found) == [(s, b) for b in (0.25, 0.5, 1.0) for s in ("scratch", "frozen")]
    quarter = found["frozen", 0.25]
    assert quarter["mean_difference"] == pytest.approx(0.2, abs=0.01) and quarter["low"] > 0.15
    assert quarter["to_end"] == pytest.approx(-0.02, abs=0.01)
    assert quarter["steps"] == 25 and quarter["seconds"] == 2.5 and quarter["processor"] == 6
    end = found["frozen", 1.0]
    assert end["mean_difference"] == end["to_end"] == pytest.approx(0.04, abs=0.01)
    assert end["steps"] == 100 and end["seconds"] == pytest.approx(10) and end["patients"] == 12
    assert end["processor"] == 15
    assert np.isnan(found["scratch", 0.5]["mean_difference"])


def test_a_training_that_ended_before_a_budget_counts_with_its_end():
    half = gains(early=("frozen",))["frozen", 0.5]
    assert half["score"] == pytest.approx(0.66, abs=0.02) and half["steps"] == 40
    assert half["processor"] == 15


def test_without_budgets_there_is_nothing():
    rows, cells = run(SCORES)
    finished = [row for row in rows if row["budget"] == 1]
    assert budgets.list_gains(finished, [cell | {"budgets": []} for cell in cells], SPLIT) == []


def as_text(found):
    return [{name: str(value) for name, value in row.items()} for row in found.values()]


def test_time_is_saved_where_the_test_score_of_finished_scratch_is_reached_early():
    (finding,), missing = benefits.less_training_time(Results(gain_by_budget=as_text(gains())))
    assert finding["verdict"] == "saved" and not missing
    assert "as good as finished scratch (100 steps, 10 s) after 50 steps, 5 s" in finding["figure"]
    never = {**SCORES, "frozen": {0.25: 0.3, 0.5: 0.4, 1.0: 0.5}}
    (finding,), _ = benefits.less_training_time(Results(gain_by_budget=as_text(gains(never))))
    assert finding["verdict"] == "not reached" and "never" in finding["figure"]


def test_the_report_draws_scores_and_lists_gains():
    shown = transfer.describe_gains(as_text(gains()))
    (panel,) = shown["panels"]
    assert "processor minutes" in panel["svg"] and "frozen, 25 steps, 0.1 min: mean 0.6" in panel["svg"]
    assert [parse_number(row[1]) for row in shown["table"]] == [25, 50, 100]
    assert [parse_number(row[3]) for row in shown["table"]] == [0.1, 0.15, 0.25]
    assert transfer.describe_gains([]) == {"panels": [], "table": [], "programs": 0, "untimed": []}


def places(svg, word):
    """Across, of the marks whose title starts with a word."""
    shapes = re.findall(rf'(?:cx="|points=")([0-9.]+)[^>]*><title>{word}, ', svg)
    return [float(place) for place in shapes]


def test_other_programs_stand_beside_the_curve_at_their_time_or_as_a_level_line():
    rows = as_text(gains())
    scores = [
        CELL | {"source": "external", "strategy": name, "n": "all", "subject": subject}
        | {"region": "WT", "metric": "dice", "value": value}
        for name, value in (("nnunet", 0.7), ("other", 0.5)) for subject in NAMES
    ]  # fmt: skip
    times = [CELL | {"source": "external", "strategy": "nnunet", "fold": fold, "seconds": "90"} for fold in range(3)]
    times += [CELL | {"source": "external", "strategy": "other", "seconds": "n/a"}]
    programs = transfer.find_programs(rows, scores, times)
    assert [(each["label"], each["mean"], each["minutes"]) for each in programs] == [
        ("nnunet", pytest.approx(0.7), 1.5), ("other", pytest.approx(0.5), None),
    ]  # fmt: skip
    shown = transfer.describe_gains(rows, programs)
    picture = str(shown["panels"][0]["svg"])
    (last,) = places(picture, "nnunet")
    # a logarithmic axis: from 0.1 to 0.25 as from 0.6 to 1.5
    first, *_, end = places(picture, "frozen")[-3:]
    whole = np.log(1.5 / 0.1)
    assert (end - first) / (last - first) == pytest.approx(np.log(2.5) / whole, abs=0.02)
    assert "other, mean 0.500 over 12 patients, time not known" in picture
    assert shown["untimed"] == ["other"] and [row[3] for row in shown["table"][-2:]] == ["1.5", "not known"]
    assert transfer.find_programs([], scores, times) == []


def test_a_run_without_measured_processor_time_has_a_table_and_no_picture():
    rows = [row | {"processor": "nan"} for row in as_text(gains())]
    shown = transfer.describe_gains(rows)
    assert shown["panels"] == [] and [row[3] for row in shown["table"]] == ["–"] * 3
