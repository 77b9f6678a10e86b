"""The forest plot of a pooled arm: well-formed, escaped, true to the numbers."""

from xml.etree import ElementTree

import pytest

from helpers.fake_cards import make_arm, make_card
from helpers.fake_run import EVIL
from neurograft.evaluation.pooled_verdicts import pool_verdicts
from neurograft.evaluation.verdict_card import NamedCard
from neurograft.report.charts import pooled, svg


def make(*means, names=None, errors=None, **changes):
    """Pool arms, and draw the first."""
    errors = errors or [0.01] * len(means)
    names = names or [f"c{number}" for number in range(len(means))]
    cards = [
        NamedCard(name, make_card(make_arm(mean, error), **changes)) for name, mean, error in zip(names, means, errors)
    ]
    return pool_verdicts(cards).arms[0]


def draw(arm):
    return ElementTree.fromstring(str(pooled.draw_pooled(arm)))


def test_every_cohort_the_mean_and_the_prediction_have_a_line():
    picture = draw(make(0.01, 0.05, 0.03))
    labels = [node.text for node in picture.iter("text")]
    assert [label for label in labels if label.startswith("c")] == ["c1 (20)", "c2 (20)", "c0 (20)"]
    assert {"mean", "a new cohort", "← worse", "better →"} <= set(labels)
    dashed = [node for node in picture.iter("polyline") if node.get("stroke-dasharray")]
    assert len(dashed) == 1 and dashed[0].find("title").text.startswith("a new cohort")


def test_names_are_escaped_and_cut_short():
    picture = draw(make(0.1, 0.2, names=[EVIL, "n" * 40]))
    assert {"svg", "text", "line", "polyline", "polygon", "title", "rect"} >= {node.tag for node in picture.iter()}
    assert "n" * 12 + "… (20)" in [node.text for node in picture.iter("text")]


def test_everything_lies_inside_and_a_wide_interval_ends_in_an_arrow():
    picture = draw(make(0.02, 0.03, 0.025, errors=[0.01, 0.01, 5.0]))
    for node in picture.iter("polyline"):
        for pair in node.get("points").split():
            assert 0 <= float(pair.split(",")[0]) <= svg.WIDTH
    lines = list(draw(make(0.02, 0.03, 0.025)).iter("polyline"))
    assert len(list(picture.iter("polyline"))) == len(lines) + 2


@pytest.mark.parametrize(("better", "left"), [("higher", "← worse"), ("lower", "← better")])
def test_the_good_side_is_named(better, left):
    assert left in [node.text for node in draw(make(0.1, 0.2, better=better)).iter("text")]


def test_effects_of_zero_have_an_axis():
    assert len(list(draw(make(0.0, 0.0)).iter("text"))) > 5
    assert draw(make(0.0, 0.0, margin=None)) is not None
