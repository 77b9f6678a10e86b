"""Learning curves and layer changes: well-formed, escaped, in the right place."""

import itertools
from xml.etree import ElementTree

import pytest

from helpers.fake_run import EVIL
from neurograft.report.charts import svg, transfer


def parse(markup):
    """Parse a chart; a chart that is not well-formed fails here."""
    return ElementTree.fromstring(str(markup))


def texts(markup):
    return ["".join(node.itertext()) for node in parse(markup).iter("text")]


def point(mean, half=0.02):
    return {"mean": mean, "low": mean - half, "high": mean + half, "note": f"mean {mean}"}


def line(strategy, *means):
    return {
        "label": strategy,
        "strategy": strategy,
        "points": [None if mean is None else point(mean) for mean in means],
    }


def layer(name="conv", stage="1", change=0.1, **more):
    row = {"layer": name, "stage": stage, "part": "encoder", "trained": True, "change": change, "statistics": None}
    return row | more


STAGE = {"stage": "1", "cka": 0.8, "low": 0.7, "high": 0.9}


def test_names_stay_words():
    for chart in (
        transfer.draw_curves([line(EVIL, 0.5, 0.6)], [EVIL, "4"], 0, 1),
        transfer.draw_layers([layer(EVIL, EVIL)], [STAGE | {"stage": EVIL}]),
    ):
        picture = parse(chart)
        assert {node.tag for node in picture.iter()} <= {
            "svg", "text", "line", "rect", "circle", "polygon", "polyline", "title",
        }  # fmt: skip
        assert picture.get("role") == "img" and EVIL[:8] in picture.get("aria-label") + "".join(picture.itertext())


def test_nothing_still_gives_a_chart():
    empty = {"change": None, "statistics": None, "trained": False}
    for chart in (
        transfer.draw_curves([], [], 0, 1), transfer.draw_curves([line("lp-ft", None)], ["2"], 0, 1),
        transfer.draw_layers([], []), transfer.draw_layers([layer() | empty], []),
        transfer.draw_layers([], [STAGE]),
    ):  # fmt: skip
        parse(chart)


def test_a_better_score_stands_higher_and_a_missing_size_is_no_point():
    chart = parse(transfer.draw_curves([line("lp-ft", 0.5, None, 0.9)], ["2", "4", "8"], 0, 1))
    marks = [node for node in chart.iter("circle") if node.find("title").text.startswith("lp-ft, mean")]
    assert len(marks) == 2 and float(marks[0].get("cy")) > float(marks[1].get("cy"))
    assert float(marks[0].get("cx")) < float(marks[1].get("cx"))


def test_the_controls_look_their_own_way_and_lines_are_told_apart_by_shape():
    names = ("scratch", "frozen-random", "frozen", "lp-ft", "lora", "l2-sp")
    chart = parse(transfer.draw_curves([line(name, 0.5, 0.6) for name in names], ["2", "4"], 0, 1))
    looks = {}
    for node in chart.iter():
        if node.tag in ("circle", "polygon") and "," in node.find("title").text:
            corners = len((node.get("points") or "").split())
            looks[node.find("title").text.split(",")[0]] = (node.tag, corners, node.get("fill"), node.get("stroke"))
    assert len(set(looks.values())) == len(names) == len(looks)
    dashed = [node for node in chart.iter("polyline") if node.get("stroke-dasharray")]
    assert [node.find("title").text for node in dashed] == ["frozen-random"]


@pytest.mark.parametrize("means", [[0.5] * 6, [0.99] * 6, [0.01] * 6, [0.1 * at for at in range(6)]])
def test_names_of_lines_never_overlap_nor_leave_the_picture(means):
    chart = transfer.draw_curves([line(f"s{at}", mean, mean) for at, mean in enumerate(means)], ["2", "4"], 0, 1)
    places = sorted(float(n.get("y")) for n in parse(chart).iter("text") if (n.text or "").startswith("s"))
    assert len(places) == 6 and all(b - a >= 14.9 for a, b in itertools.pairwise(places))
    assert places[0] > 8 and places[-1] < 240


def test_a_long_name_is_cut_and_stays_whole_under_the_mouse():
    chart = transfer.draw_curves([line("a-very-long-name-of-a-variant", 0.5, 0.5)], ["2", "4"], 0, 1)
    assert "a-very-long-nam…" in texts(chart) and "a-very-long-name-of-a-variant" in "".join(parse(chart).itertext())


def test_more_change_is_a_taller_bar_and_a_frozen_layer_a_tick():
    rows = [layer("small", change=0.01), layer("large", change=0.1), layer("frozen", change=0.0, trained=False)]
    chart = parse(transfer.draw_layers(rows, [STAGE]))
    bars = {node.find("title").text: node for node in chart.iter("rect")}
    assert set(bars) == {"small: changed by 0.01", "large: changed by 0.1", "frozen: frozen"}
    small, large, frozen = bars.values()
    assert float(large.get("height")) > float(small.get("height"))
    assert float(frozen.get("y")) > float(small.get("y")) + float(small.get("height"))
    assert chart.get("aria-label") == "2 of 3 layers trained; similarity of features (CKA): stage 1 0.80"


def test_statistics_that_moved_under_frozen_weights_are_seen():
    chart = parse(transfer.draw_layers([layer("norm", change=0, trained=False, statistics=0.3)], []))
    assert [node.find("title").text for node in chart.iter("circle")] == ["norm: statistics changed by 0.3"]


def test_80_layers_fit_into_the_width_side_by_side():
    rows = [layer(f"l{at}", str(1 + at // 20), 0.001 * (at + 1)) for at in range(80)]
    bars = [node for node in parse(transfer.draw_layers(rows, [])).iter("rect")]
    ends = [(float(node.get("x")), float(node.get("x")) + float(node.get("width"))) for node in bars]
    assert len(bars) == 80 and ends[-1][1] <= svg.WIDTH
    assert all(right <= left + 0.11 for (_, right), (left, _) in itertools.pairwise(ends))


def test_panels_can_share_their_axis():
    assert transfer.find_ends([layer(change=0.02), layer(change=3)]) == (-2, 1)
    assert transfer.find_ends([]) == (-2, 0) and transfer.find_ends([layer(change=1)]) == (0, 1)
    small = transfer.draw_layers([layer(change=0.05)], [], (-3, 1))
    assert {"0.001", "10"} <= set(texts(small))
    # one unit of the axis is a quarter of its height
    bar = next(parse(small).iter("rect"))
    assert float(bar.get("height")) == pytest.approx(108 * (1.699) / 4, abs=0.1)


def test_a_similarity_a_little_below_zero_stays_in_the_picture():
    chart = parse(transfer.draw_layers([layer()], [STAGE | {"cka": -0.05, "low": -0.2, "high": 0.1}]))
    corners = [pair.split(",") for pair in next(chart.iter("polygon")).get("points").split()]
    assert max(float(y) for _, y in corners) < 112
