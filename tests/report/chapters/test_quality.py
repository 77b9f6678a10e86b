"""The group's quality control: in short for the index, and the page over the cohort."""

import re

import pytest

from helpers.chapter_words import drawings, everything, words
from helpers.fake_run import EVIL, make_run
from neurograft.report.chapters import quality

ROWS = [
    {"subject": f"S{i}", "site": "", "volume_ml_t1": 1400 + i, "volume_ml_t2": 1300, "overlap_t2": 0.9}
    for i in range(4)
]
ROWS[1] |= {"volume_ml_t1": "", "flags": "registration failed"}
ROWS[2] |= {"volume_ml_t2": 700, "outlier": "volume_ml_t2, overlap_t2"}


@pytest.fixture(scope="module")
def run():
    return make_run(patients=12)


def fill(run, pages=None):
    return quality.fill_page(run["quality"], run["intensities"], run["cohort"], pages or {})


def test_nothing_measured_is_an_empty_page():
    assert quality.describe_quality([]) == {"subjects": 0, "marked": [], "sites": []}
    told = quality.fill_page([], [], [], {})
    assert not any(told[name] for name in ("panels", "sites", "excluded", "lines"))


def test_a_panel_a_measure_and_a_strip_a_sequence_with_outliers_that_lead_to_their_pages():
    told = quality.fill_page(ROWS, [], [], {"S2": "sub-S2.html"})
    assert [(panel["title"], [part for part, _ in panel["strips"]]) for panel in told["panels"]] == [
        ("Brain mask volume", ["T1", "T2"]), ("Overlap of brain masks", ["T2"]),
    ]  # fmt: skip
    assert all(panel["good"] and panel["bad"] and panel["advice"] for panel in told["panels"])
    first, second, overlap = drawings(told["panels"])
    assert [len(list(drawing.iter("polygon"))) for drawing in (first, second, overlap)] == [0, 1, 1]
    assert [link.get("href") for drawing in (first, second, overlap) for link in drawing.iter("a")] == [
        "sub-S2.html"
    ] * 2
    assert "S2" in words(second) and "S2" in words(overlap) and "S2" not in words(first)


def test_the_index_names_who_stands_out_and_what_goes_with_the_site(run):
    odd = "Brain mask volume, T2; Overlap of brain masks, T2"
    told = quality.describe_quality(ROWS)
    assert told["subjects"] == 4 and told["sites"] == []
    assert told["marked"] == [
        {"subject": "S1", "flags": "registration failed", "outlier": ""},
        {"subject": "S2", "flags": "", "outlier": odd},
    ]
    looked = quality.describe_quality([{"subject": "S1", "flags": "left out", "look": "mask cuts"}])["marked"]
    assert looked == [{"subject": "S1", "flags": "left out; mask cuts", "outlier": ""}]
    first, second = quality.describe_quality(run["quality"], run["intensities"])["sites"]
    before, after = map(int, re.findall(r"(\d+) %", first))
    assert first.startswith("T1c: ") and second.startswith("FLAIR: ") and before > 60 > after


def test_sites_are_shown_before_and_after_with_their_effects(run):
    sequences = fill(run)["sites"]
    assert [one["sequence"] for one in sequences] == ["T1c", "FLAIR"]
    for one in sequences:
        assert [row[0] for row in one["numbers"]] == ["CBIC", "TCIA", "UNL"]
        effects = {name: (before, after) for name, before, after in one["effects"]}
        assert float(effects["median"][0]) > 0.6 and effects["median"][1] == "–"
        for when in ("before", "after"):
            (drawn,) = drawings(one[when])
            assert "CBIC" in words(drawn)


def test_a_line_s_places_are_those_of_its_numbers(run):
    told = fill(run, {"CBICA003": "sub-CBICA003.html"})
    column = told["heads"].index("Brain mask volume, T1")
    places = [int(re.search(rf"--c{column}:(\d+)", line["style"])[1]) for line in told["lines"]]
    values = [float(row["volume_ml_t1"]) for row in run["quality"]]
    assert sorted(range(14), key=places.__getitem__) == sorted(range(14), key=values.__getitem__)
    (odd,) = [line for line in told["lines"] if line["page"]]
    assert odd["subject"] == "CBICA003" and odd["odd"] == 2 and sum(marked for _, marked in odd["cells"]) == 2
    assert [row["participant_id"] for row in told["excluded"]] == ["BAD0", "BAD1"]


def test_what_was_not_measured_has_no_place():
    told = quality.fill_page(ROWS, [], [], {})
    column = told["heads"].index("Brain mask volume, T1")
    assert [f"--c{column}:" in line["style"] for line in told["lines"]] == [True, False, True, True]
    assert told["lines"][1]["cells"][0] == ("–", False)


def test_hostile_names_stay_words(run):
    hostile = [row | {"subject": EVIL, "site": EVIL, EVIL: "2.5", "outlier": True} for row in run["quality"]]
    told = quality.fill_page(hostile, [row | {"site": EVIL + row["site"]} for row in run["intensities"]], [], {})
    found = drawings([told["panels"], told["sites"]])
    assert not {node.tag for drawing in found for node in drawing.iter()} & {"script", "img"}
    assert any(EVIL in everything(drawing) for drawing in found)
