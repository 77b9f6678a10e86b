"""Lanes and boxes: well-formed, true to the numbers, small."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.report.charts import quality


def point(subject, value, site="A", outlier=False):
    return {"subject": subject, "site": site, "value": value, "outlier": outlier, "page": f"{subject}.html" * outlier}


def parse(markup):
    return ElementTree.fromstring(str(markup))


def dots(drawn):
    """Where the dots are."""
    return [
        tuple(map(float, spot)) for path in drawn.iter("path") for spot in re.findall(r"M(\S+) (\S+)h0", path.get("d"))
    ]


def test_the_largest_site_comes_first_and_the_smallest_share_a_lane():
    assert quality.choose_lanes(["B", "A", "A", ""]) == {"A": 0, "": 1, "B": 2}
    many = quality.choose_lanes([f"S{k:02d}" for k in range(30)])
    assert max(many.values()) == quality.MOST_LANES - 1 and len(many) == 30
    assert list(many.values()).count(quality.MOST_LANES - 1) == 19
    drawn = parse(quality.draw_lanes([point(site, 1.0 + k, site) for k, site in enumerate(many)], many))
    assert quality.OTHERS in [node.text for node in drawn.iter("text")]


def test_points_lie_in_their_site_s_lane_in_the_order_of_their_values():
    points = [point("a", 1.0), point("b", 3.0, "B"), point("c", 2.0)]
    drawn = parse(quality.draw_lanes(points, quality.choose_lanes(["A", "B", "A"])))
    (first, lane_a), (second, lane_b), (third, lane_c) = dots(drawn)
    assert first < third < second and lane_a == lane_c < lane_b


def test_outliers_are_diamonds_that_lead_to_their_pages_and_limits_are_shown_where_they_fit():
    points = [point(f"s{k}", 10.0 + k) for k in range(6)] + [point("odd", 30.0, outlier=True)]
    drawn = parse(quality.draw_lanes(points, {"A": 0}, limits=(-5.0, 20.0)))
    (link,) = drawn.iter("a")
    assert link.get("href") == "odd.html" and "odd: 30.00" in "".join(link.itertext())
    assert len(dots(drawn)) == 6 and len(list(drawn.iter("polyline"))) == 1


def test_names_of_outliers_do_not_cover_each_other():
    """Two side by side, and one far away: the second diamond is there, its name under the mouse alone."""
    points = [point("phantom001", 0.0, outlier=True), point("phantom002", 0.5, outlier=True), point("far", 9.0)]
    points.append(point("phantom003", 10.0, outlier=True))
    drawn = parse(quality.draw_lanes(points, {"A": 0}))
    assert [node.text for node in drawn.iter("text") if node.text in {one["subject"] for one in points}] == [
        "phantom001",
        "phantom003",
    ]
    assert len(list(drawn.iter("a"))) == 3 and "phantom002: 0.50" in "".join(drawn.itertext())
    apart = [point("phantom001", 0.0, "A", True), point("phantom002", 0.5, "B", True), point("far", 9.0)]
    assert "phantom002" in [node.text for node in parse(quality.draw_lanes(apart, {"A": 0, "B": 1})).iter("text")]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
@settings(deadline=None, max_examples=25)
def test_any_values_stay_inside(values):
    points = [point(str(k), value, "AB"[k % 2], k % 3 == 0) for k, value in enumerate(values)]
    drawn = parse(quality.draw_lanes(points, {"A": 0, "B": 1}))
    assert all(0 <= x <= 380 for x, _ in dots(drawn))


def test_300_subjects_are_a_few_kilobytes():
    points = [point(f"sub{k:04d}", 1000.0 + k, "ABCDE"[k % 5], k == 7) for k in range(300)]
    assert len(quality.draw_lanes(points, quality.choose_lanes([p["site"] for p in points]))) < 9000


def test_boxes_have_a_row_a_site():
    drawn = parse(
        quality.draw_boxes([("A", [0, 1, 2, 3, 4], "A: median 2"), ("a long name of a site", [1, 2, 3, 4, 9], "B")])
    )
    assert len(list(drawn.iter("rect"))) == 2
    assert "A: median 2" in "".join(drawn.itertext()) and "a long name…" in "".join(drawn.itertext())


@pytest.mark.parametrize(
    "chart", [quality.draw_boxes([]), quality.draw_lanes([], {}), quality.draw_boxes([("A", [1.0] * 5, "one value")])]
)
def test_nothing_still_gives_a_chart(chart):
    parse(chart)
