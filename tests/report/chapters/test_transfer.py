"""The chapter on what transfer bought: curves, tables, warnings, and what it says where nothing was measured."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_run import EVIL, Experiment, make_run
from helpers.fake_transfer import add_transfer
from neurograft.report.chapters import transfer

ARM = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "space": "MNI152", "split": "folds", "n": "8"}
PRIMARY = {"space": "MNI152", "split": "folds"}
SPLITS = {"tasks": {"segmentation": {"folds": [{"train": list("ABCDEFGH"), "test": ["I"]}]}}}


def score(subject, value, **changes):
    row = ARM | {"fold": 0, "seed": 0, "subject": subject, "region": "WT", "metric": "dice", "value": value}
    return row | changes


def curve(strategy, sizes=("2", "8"), source="s", people="ABC", value=0.7):
    return [score(one, value, strategy=strategy, source=source, n=n) for n in sizes for one in people]


def texts(markup):
    return ["".join(node.itertext()) for node in ElementTree.fromstring(str(markup)).iter("text")]


def titles(markup):
    return [node.text or "" for node in ElementTree.fromstring(str(markup)).iter("title")]


@pytest.fixture(scope="module")
def run():
    places = (("MNI152", "folds"), ("native", "folds"), ("MNI152", "sites"))
    return add_transfer(make_run(patients=8, experiment=Experiment(folds=4, sizes=("2", "all"), places=places)))


def test_one_size_is_no_curve():
    assert "only one training size was used, n = 8" in transfer.describe_curves(curve("lp-ft", ["8"]), {})["reason"]
    assert transfer.describe_curves([], {}) == {"panels": [], "reason": "nothing was scored"}


def test_a_source_with_one_size_has_no_panel():
    scores = curve("scratch") + curve("lp-ft") + curve("frozen", ["8"], source="t") + curve("frozen", ["8"])
    (panel,) = transfer.describe_curves(scores, {})["panels"]
    assert panel["title"] == "WT Dice, s" and "frozen" not in texts(panel["svg"])
    scores = curve("scratch", ["8"]) + curve("lp-ft", ["2"])
    told = transfer.describe_curves(scores, {})
    assert told == {"panels": [], "reason": "no strategy was trained with two or more training sizes"}


def test_each_source_has_its_panel_with_both_controls():
    scores = curve("scratch", source="none") + curve("frozen-random", source="a")
    scores += curve("lp-ft", source="a") + curve("lp-ft", source="b")
    told = transfer.describe_curves(scores, {})
    assert [panel["title"] for panel in told["panels"]] == ["WT Dice, a", "WT Dice, b"] and not told["reason"]
    for panel in told["panels"]:
        assert {"scratch", "frozen-random", "lp-ft", "2", "8"} <= set(texts(panel["svg"]))


def test_a_control_of_other_dimensions_is_in_no_panel():
    scores = curve("scratch", source="deep", value=0.9) + curve("lp-ft", source="flat")
    assert "scratch" in texts(transfer.describe_curves(scores, {})["panels"][0]["svg"])
    kin = {"deep": ("3", "x"), "flat": ("2", "y")}
    assert "scratch" not in texts(transfer.describe_curves(scores, {}, kin)["panels"][0]["svg"])


def test_many_strategies_are_spread_over_panels_of_a_few():
    names = ("frozen", "last-layers", "gradual", "fine-tune", "lp-ft", "lora")
    scores = curve("scratch", source="none") + [row for name in names for row in curve(name)]
    panels = transfer.describe_curves(scores, {})["panels"]
    drawn = [[name for name in names if name in texts(panel["svg"])] for panel in panels]
    assert sorted(name for names in drawn for name in names) == sorted(names) and max(map(len, drawn)) <= 4
    assert all("scratch" in texts(panel["svg"]) for panel in panels)


def test_all_says_how_many_patients_it_is():
    (panel,) = transfer.describe_curves(curve("lp-ft", ("2", "all")), SPLITS)["panels"]
    assert {"2", "all (8)"} <= set(texts(panel["svg"]))


def test_a_patient_without_a_score_at_one_size_is_in_none():
    scores = curve("lp-ft", ["2"], people="AB", value=0.5) + curve("lp-ft", ["8"], people="ABC", value=0.5)
    scores[-1]["value"] = 1.0
    (panel,) = transfer.describe_curves(scores, {})["panels"]
    assert [title for title in titles(panel["svg"]) if "mean" in title] == [
        "lp-ft, n = 2: mean 0.500 over 2 patients", "lp-ft, n = 8: mean 0.500 over 2 patients",
    ]  # fmt: skip


def test_labels_have_a_row_an_arm_and_size():
    row = ARM | {"patients": 10, "needed": "12.3", "low": 9, "high": 20, "saved": "4.3", "answer": "12.3"}
    row |= {"interval": "9 to 20", "reason": ""}
    never = row | {"n": "2", "saved": "inf", "answer": "not reached", "interval": "", "reason": "too few"}
    other = row | {"space": "native"}
    assert transfer.describe_labels([row, never, other, row | {"strategy": "scratch"}], PRIMARY) == [
        ["segmentation", "lp-ft from s", "8", "10", "12.3", "9 to 20", "+4.3", ""],
        ["segmentation", "lp-ft from s", "2", "10", "not reached", "–", "–", "too few"],
    ]


def test_a_gap_is_held_against_scratch_of_the_same_fold_and_warnings_name_the_cell():
    rows = []
    for fold, base in enumerate((0.1, 0.2, 0.3)):
        common = {"fold": fold, "seed": 0, "train": 0.9, "test": 0.8, "patients": 2, "warning": "false", "reason": ""}
        rows.append(ARM | common | {"strategy": "scratch", "source": "none", "gap": base})
        rows.append(ARM | common | {"gap": base + 0.05 + 0.001 * fold})
    rows[-1] |= {"warning": "true", "reason": "overfitted: lp-ft from s, fold 2"}
    rows[-2] |= {"warning": "true", "reason": ""}
    told = transfer.describe_overfitting(rows, PRIMARY)
    scratch = "overfitted: segmentation, scratch, n 8, fold 2, seed 0"
    assert told["warnings"] == [scratch, "overfitted: lp-ft from s, fold 2"]
    (forest,) = told["forests"]
    assert "← better" in texts(forest["svg"]) and (forest["task"], forest["n"]) == ("segmentation", "8")
    scratch, own = told["table"]
    assert scratch[:4] == ["segmentation", "scratch", "8", 3] and scratch[-2:] == ["–", 1]
    # the folds differ by 0.2, the differences to scratch by 0.002
    assert own[-2].startswith("+0.051<br><small>+0.04") and own[-1] == 1
    alone = transfer.describe_overfitting(rows[1:2], PRIMARY)
    assert alone["forests"] == [] and alone["table"][0][-2] == "–"


def test_generalisation_shows_the_drop_and_why_there_is_no_interval():
    row = {key: ARM[key] for key in ("task", "source", "strategy", "space", "n")} | {"patients": 10, "sites": 4}
    row |= {
        "in_site": 0.8,
        "cross_site": 0.75,
        "mean": 0.05,
        "low": 0.01,
        "high": 0.09,
        "less": 0.02,
        "less_low": -0.01,
    }
    row |= {"less_high": 0.05, "reason": ""}
    scratch = row | {"strategy": "scratch", "source": "none", "less": "", "less_low": "", "less_high": ""}
    few = row | {"source": "t", "mean": "n/a", "low": "n/a", "high": "n/a", "less": "n/a", "reason": "2 sites"}
    told = transfer.describe_generalisation([row, few, scratch])
    assert [line[1] for line in told["table"]] == ["scratch", "lp-ft from s", "lp-ft from t"]
    assert told["table"][1][4:7] == ["10, 4", "0.800", "0.750"] and told["reasons"] == ["2 sites"]
    assert told["table"][1][7] == "+0.050<br><small>+0.010 to +0.090</small>"
    (forest,) = told["forests"]
    assert "better →" in texts(forest["svg"]) and "lp-ft from t" not in texts(forest["svg"])
    assert transfer.describe_generalisation([]) == {"table": [], "forests": [], "reasons": []}


def test_other_spaces_and_splits_are_no_part_of_the_main_one_and_have_no_verdict(run):
    rows = transfer.describe_elsewhere(run["scores"], run["comparison"], run["primary"])
    assert {row[1] for row in rows} == {"native, folds", "MNI152, sites"}
    # 2 tasks, 4 arms, 2 sizes, 2 other places
    assert len(rows) == 2 * 4 * 2 * 2 and {row[4] for row in rows} == {8}
    assert transfer.describe_elsewhere(run["scores"], run["comparison"], {}) == []
    left_out = [row[-1] for row in rows if "sites" in row[1] and row[0] == "segmentation"]
    assert all(cell.startswith("−0.0") for cell in left_out)


def test_the_difference_between_two_spaces_is_paired_over_patients():
    base = {"A": 0.1, "B": 0.5, "C": 0.9}
    scores = [score(name, value, fold=at) for at, (name, value) in enumerate(base.items())]
    moved = [row | {"space": "native", "value": row["value"] + 0.05 + 0.001 * row["fold"]} for row in scores]
    (row,) = transfer.describe_elsewhere(scores + moved, [], PRIMARY)
    assert row[5].startswith("0.551<br>") and row[6] == "–"
    # three patients alone show little of the spread
    assert row[7].startswith("+0.051<br><small>−0.") and "to +0." in row[7]


def rates(**changes):
    row = {"patients": 10, "folds": 5, "family": 2, "seeds": 1, "shape": "skewed", "luck": 0.25, "studies": 1000}
    return row | {"false_verdicts": "0.031", "false_equal": 0.0, "coverage": "0.944", "power": ""} | changes


def judged(count, patients=10):
    row = ARM | {"region": "WT", "metric": "dice", "against": "scratch", "patients": patients, "verdict": "undecided"}
    return [row | {"strategy": f"s{at}"} for at in range(count)]


def test_the_simulated_study_nearest_to_this_run_is_named():
    rows = [
        rates(),
        rates(patients=40, false_verdicts="0.05", coverage=0.93),
        rates(shape="normal", false_verdicts=0.06),
    ]
    splits = {"tasks": {"segmentation": {"folds": [{}] * 5}}}
    told = transfer.describe_errors(rows, judged(2), splits)
    assert told["table"][0] == [10, 5, 2, 1, "skewed", 0.25, 1000, "3.1 %", "0.0 %", "94.4 %", "–"]
    assert (told["worst"], told["lowest"]) == ("6.0 %", "93.0 %")
    # of two as near, the worse
    own = "of the same size as this run (10 patients in 5 folds and 2 comparisons), at most 6.0 % have a false verdict."
    assert told["nearest"].endswith(own)
    other = transfer.describe_errors(rows, judged(2, 60), splits)["nearest"]
    assert "This run has 60 patients" in other and "nearest to it, with 40 patients" in other
    assert transfer.describe_errors(rows, [], {})["nearest"] == ""
    assert transfer.describe_errors([], [], {}) == {"table": [], "nearest": "", "worst": "", "lowest": ""}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_any_scores_give_a_readable_curve(small, large):
    scores = [score(f"P{at}", value, n="2") for at, value in enumerate(small)]
    scores += [score(f"P{at}", value) for at, value in enumerate(large)]
    (panel,) = transfer.describe_curves(scores, {})["panels"]
    picture = ElementTree.fromstring(str(panel["svg"]))
    assert all(0 <= float(node.get("cy")) <= 262 for node in picture.iter("circle"))


def test_hostile_names_stay_words(run):
    scores = [row | {"source": EVIL, "subject": EVIL + row["subject"]} for row in run["scores"]]
    rows = [row | {"source": EVIL, "reason": EVIL} for row in run["overfitting"]]
    told = [panel["svg"] for panel in transfer.describe_curves(scores, {})["panels"]]
    told += [forest["svg"] for forest in transfer.describe_overfitting(rows, PRIMARY)["forests"]]
    assert told and not any("<script" in picture or "<img" in picture for picture in told)
