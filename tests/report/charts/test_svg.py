"""Shapes of the charts: well-formed, escaped, in the right place."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_run import EVIL
from neurograft.report.charts import svg

# what XML can hold at all
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=30)


def parse(*parts, label="", height=100):
    """Return the parsed picture of some parts; one that is not well-formed fails here."""
    return ElementTree.fromstring(str(svg.svg(height, parts, label)))


def every_shape(words):
    """Return each shape that takes words, with the words wherever they can go."""
    marks = [svg.mark(5, 5, svg.Mark(shape, words), words) for shape in ("circle", *svg.CORNERS)]
    return [
        svg.text(1, 2, words, svg.Font(words, words, 12, words, halo=True)),
        svg.path([(0, 0), (1, 1)], words, 1, 1, words),
        svg.bar(1, 2, 3, 4, words, words),
        *marks,
    ]


def test_hostile_text_is_only_text():
    picture = parse(*every_shape(EVIL), label=EVIL)
    assert picture.get("aria-label") == EVIL
    assert {node.tag for node in picture.iter()} == {"svg", "text", "polyline", "title", "circle", "polygon", "rect"}
    assert not [name for node in picture.iter() for name in node.attrib if name.startswith("on")]
    assert [node.text for node in picture.iter("text")] == [EVIL]
    assert {node.text for node in picture.iter("title")} == {EVIL}
    assert {node.get("stroke") for node in picture.iter("polygon")} == {EVIL}


@settings(max_examples=50, deadline=None)
@given(TEXT)
def test_any_text_comes_back_as_it_was(words):
    picture = parse(*every_shape(words), label=words)
    assert picture.get("aria-label") == words
    assert {node.text or "" for tag in ("text", "title") for node in picture.iter(tag)} == {words}


def test_text_is_escaped_once():
    assert parse(svg.text(0, 0, "A & B")).find("text").text == "A & B"


def test_a_picture_names_itself_and_scales_with_the_page():
    picture = parse(label="what it shows", height=41.7)
    assert (picture.get("role"), picture.get("aria-label")) == ("img", "what it shows")
    assert picture.get("viewBox") == f"0 0 {svg.WIDTH} 42" and not {"width", "height"} & set(picture.attrib)


def test_a_scale_takes_its_ends_to_the_ends():
    place = svg.scale(-1, 3, 10, 210)
    assert [place(value) for value in (-1, 0, 1, 3)] == [10, 60, 110, 210]
    assert svg.scale(0, 1, 190, 14)(1) == 14
    assert svg.scale(5, 5, 0, 100)(5) == 0


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (0.83, 0.91, [0.84, 0.86, 0.88, 0.9]),
        (0, 0.004, [0, 0.001, 0.002, 0.003, 0.004]),
        (3, 149, [50, 100]),
    ],
)
def test_ticks_are_round(low, high, marks):
    assert svg.ticks(low, high) == marks


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_inside(low, span):
    ticks = svg.ticks(low, low + span)
    slack = 1e-6 * max(span, abs(low) + 1)
    assert len(ticks) <= 11 and all(low - slack <= tick <= low + span + slack for tick in ticks)


def test_an_axis_writes_each_number_under_its_line():
    picture = parse(*svg.axis(svg.scale(-1, 1, 0, 200), -1, 1, 0, 50, signed=True))
    words = {node.text: float(node.get("x")) for node in picture.iter("text")}
    assert words == {"−1": 0, "−0.5": 50, "0": 100, "+0.5": 150, "+1": 200}
    assert [float(node.get("x1")) for node in picture.iter("line")] == list(words.values())


def test_large_numbers_stay_short():
    words = [node.text for node in parse(*svg.axis(svg.scale(0, 4e6, 0, 200), 0, 4e6, 0, 50)).iter("text")]
    assert words == ["0", "1e+06", "2e+06", "3e+06", "4e+06"]
    assert "2,000" in [node.text for node in parse(*svg.axis(svg.scale(0, 4e3, 0, 9), 0, 4e3, 0, 5)).iter("text")]


def test_a_box_is_never_less_than_empty():
    for end, width in ((30, 20.0), (10, 0.0), (4, 0.0)):
        assert float(parse(svg.box(10, 0, end, 5, "red")).find("rect").get("width")) == width


def test_a_bar_is_named_and_never_too_thin_to_be_seen():
    rect = parse(svg.bar(10, 20, 10.1, 26, "red", "conv1: frozen")).find("rect")
    assert rect.find("title").text == "conv1: frozen" and (rect.get("width"), rect.get("height")) == ("0.6", "6.0")


def test_marks_are_filled_or_hollow_and_lie_round_their_place():
    for shape in svg.CORNERS:
        filled, hollow = parse(*(svg.mark(50, 20, svg.Mark(shape, "red", full, 5), "") for full in (True, False)))
        assert (filled.get("fill"), hollow.get("fill"), hollow.get("stroke")) == ("red", "#fff", "red")
        spots = [[float(value) for value in pair.split(",")] for pair in filled.get("points").split()]
        assert all(abs(x - 50) <= 5 and abs(y - 20) <= 5 for x, y in spots)
        assert sum(x for x, _ in spots) / len(spots) == pytest.approx(50)


def test_dashes_and_halos_only_where_asked():
    path, dashed = parse(svg.path([(0, 1), (2.25, 3)], "red", 1), svg.path([(0, 1)], "red", 1, dashed=True))
    assert path.get("points") == "0.0,1.0 2.2,3.0"
    assert path.get("stroke-dasharray") is None and dashed.get("stroke-dasharray")
    plain, back = parse(svg.text(0, 0, "a"), svg.text(0, 0, "a", svg.Font(halo=True)))
    assert plain.get("paint-order") is None and back.get("paint-order") == "stroke"
