"""Charts: well-formed, escaped, true to the numbers."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from helpers.fake_run import EVIL
from neurograft.report.charts import cohort, svg


def parse(markup):
    """Parse a chart; a chart that is not well-formed fails here."""
    return ElementTree.fromstring(str(markup))


def texts(markup):
    return ["".join(node.itertext()) for node in parse(markup).iter("text")]


def row(mean, low, high, **more):
    return {"label": "lp-ft", "mean": mean, "low": low, "high": high, "verdict": "", "note": ""} | more


def everything(name):
    history = [{"step": i, "loss": 1 / (i + 1)} for i in range(5)]
    return [
        cohort.draw_forest([row(0.1, 0.05, 0.15, label=name, note=name, verdict="helps", detectable=0.04)]),
        cohort.draw_patients({name: {name: 0.5}}),
        cohort.draw_training([{"label": name, "converged": False, "history": history}]),
        cohort.draw_strip([(name, 1.0, True), ("b", 2.0, False)], unit=name),
        cohort.draw_recall({name: {1: 0.2, 5: 0.6}}),
        cohort.draw_bars([(name, 1.0, 2.0, name)]),
    ]


def test_every_chart_escapes_names():
    for chart in everything(EVIL):
        assert "<script" not in chart
        assert parse(chart).get("role") == "img" and not list(parse(chart).iter("script"))


def test_no_rows_still_give_a_chart():
    for chart in (
        cohort.draw_forest([]), cohort.draw_patients({}), cohort.draw_training([]), cohort.draw_strip([]),
        cohort.draw_recall({}), cohort.draw_bars([]), cohort.draw_forest([row(None, None, None)]),
        cohort.draw_training([{"label": "a", "history": [{"step": "1", "loss": ""}]}]),
        cohort.draw_strip([("a", 0.0, False)]), cohort.draw_patients({"scratch": {}}),
    ):  # fmt: skip
        parse(chart)


def test_a_gain_lies_right_of_no_difference_and_a_loss_left():
    for mean, side in ((0.1, 1), (-0.1, -1)):
        chart = cohort.draw_forest([row(mean, mean - 0.02, mean + 0.02)])
        place = float(next(parse(chart).iter("circle")).get("cx"))
        assert np.sign(place - svg.WIDTH / 2) == side
        ends = [node for node in parse(chart).iter("line") if node.get("stroke-width") == "2.5"]
        assert float(ends[0].get("x1")) < place < float(ends[0].get("x2"))


def test_verdicts_differ_in_shape_and_in_colour():
    shown = set()
    for verdict in ("helps", "hurts", "no practical difference", "undecided", "refused"):
        chart = cohort.draw_forest([row(0.1, 0.0, 0.2, verdict=verdict)])
        marks = re.findall(r"<(polygon|circle) ([^>]*)>", chart)
        shown.add((marks[0][0], len(marks[0][1].split()), cohort.VERDICTS[verdict]))
    assert len(shown) == 5


def test_the_better_side_follows_the_measure():
    assert "better →" in texts(cohort.draw_forest([row(1, 0, 2)]))
    assert "← better" in texts(cohort.draw_forest([row(1, 0, 2)], better="lower"))


def test_patients_are_joined_only_while_that_can_be_read():
    few = {name: {f"p{i}": 0.5 for i in range(10)} for name in ("scratch", "lp-ft")}
    many = {name: {f"p{i}": 0.5 for i in range(300)} for name in ("scratch", "lp-ft")}
    assert len(list(parse(cohort.draw_patients(few)).iter("polyline"))) == 10
    assert not list(parse(cohort.draw_patients(many)).iter("polyline"))
    assert len(cohort.draw_patients(many)) < 150_000


def test_only_outliers_are_named():
    shown = texts(cohort.draw_strip([("good", 1.0, False), ("odd", 9.0, True), ("fine", 1.1, False)]))
    assert "odd" in shown and "good" not in shown


def test_a_long_history_is_thinned_to_its_means():
    history = [{"step": str(i), "loss": str(float(i))} for i in range(1000)]
    thin = cohort.thin_curve(history, "loss")
    assert thin.shape == (60, 2) and np.array_equal(thin[:, 0], thin[:, 1]) and thin[0, 1] == pytest.approx(8)
    assert cohort.thin_curve([], "loss").shape[0] == 0


def test_unfinished_training_is_crossed():
    history = [{"step": i, "loss": 1.0} for i in range(3)]
    assert "×" in texts(cohort.draw_training([{"label": "a", "converged": False, "history": history}]))
    assert "×" not in texts(cohort.draw_training([{"label": "a", "converged": True, "history": history}]))
