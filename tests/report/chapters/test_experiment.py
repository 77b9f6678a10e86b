"""The report's chapters: what they show of a normal, an empty and a hostile run."""

import pytest

from helpers.chapter_words import drawings, everything, words
from helpers.fake_comparison import CHANCES
from helpers.fake_run import EVIL, make_run
from neurograft.report import summaries
from neurograft.report.chapters import candidates, experiment

ARM = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "all"}


@pytest.fixture(scope="module")
def run():
    return make_run()


def score(subject, value, **changes):
    return ARM | {"fold": 0, "seed": 0, "subject": subject, "region": "WT", "metric": "dice", "value": value} | changes


def compared(strategy, mean, verdict="", **changes):
    row = ARM | {"strategy": strategy, "region": "WT", "metric": "dice", "against": "scratch", "patients": 9}
    row |= {"mean_difference": mean, "low": "", "high": "", "p_adjusted": "", "reason": ""}
    row |= CHANCES | {"better": "higher"}
    return row | {"verdict": verdict} | changes


def test_measures_have_readable_names():
    assert experiment.name_measure("WT", "volume-error") == "WT volume error"
    assert experiment.name_measure("", "auc") == "AUC" and experiment.name_measure("ET", "new") == "ET new"


def test_an_empty_run_has_empty_chapters():
    assert experiment.describe_training([], []) == {"tasks": [], "times": [], "dice": None, "falling": []}
    assert not any(experiment.describe_comparison([]).values())
    assert experiment.describe_results([]) == experiment.choose_overlays([], "lp-ft", {}) == []
    assert experiment.describe_runtimes([]) == ""
    flow = experiment.describe_flow([], {})
    assert not any(flow.values())


def test_hostile_names_stay_words_in_every_drawing():
    hostile = make_run(patients=4)
    cells = [cell | {"source": EVIL, "seed": EVIL, "converged": False} for cell in hostile["cells"]]
    runtimes = [row | {"rule": EVIL, "jobs": EVIL} for row in hostile["runtimes"]]
    scores = [row | {"source": EVIL, "subject": EVIL, "region": EVIL} for row in hostile["scores"]]
    told = [
        candidates.describe_candidates({EVIL + name: record for name, record in hostile["candidates"].items()}),
        experiment.describe_training(cells, [row | {"source": EVIL} for row in hostile["times"]]),
        experiment.describe_results(scores),
        experiment.describe_comparison([row | {"source": EVIL, "region": EVIL} for row in hostile["comparison"]]),
        experiment.describe_runtimes(runtimes),
    ]
    for chapter in told:
        found = drawings(chapter)
        assert found
        tags = {node.tag for drawing in found for node in drawing.iter()}
        assert not tags & {"script", "img"}
        assert any(EVIL in everything(drawing) for drawing in found)


def test_every_subject_goes_somewhere():
    run = make_run()
    run["splits"]["tasks"]["segmentation"]["left_out"] = {"CBICA001": "lacks flair"}
    flow = experiment.describe_flow(run["cohort"], run["splits"])
    assert (flow["found"], flow["included"], flow["labelled"], flow["unlabelled"]) == (14, 12, 10, 2)
    assert [row["participant_id"] for row in flow["excluded"]] == ["BAD0", "BAD1"]
    assert dict(flow["sites"]) == {"TCIA": 5, "CBIC": 5, "UNL": 2}
    assert flow["left_out"] == [{"subject": "CBICA001", "task": "segmentation", "reason": "lacks flair"}]
    assert flow["incomplete"] == []
    first, second = flow["tasks"]
    assert (first["task"], first["patients"], first["folds"]) == ("segmentation", 10, 5)
    assert first["regions"] == "WT, TC, ET" and second["classes"] == "tumour-free, tumour"
    assert experiment.describe_flow([run["cohort"][0] | {"site": None}], {})["sites"] == [("not stated", 1)]


def cell(source="s", fold=0, **changes):
    history = [{"step": step, "loss": 1 / step, "train_dice": ""} for step in (1, 2, 3)]
    return ARM | {"source": source, "fold": fold, "seed": 0, "converged": True, "history": history} | changes


def test_training_has_a_panel_an_arm_and_names_what_did_not_converge():
    cells = [cell(), cell(fold=1, converged="False"), cell(source="t"), cell(task="classification")]
    cells += [cell(strategy="scratch", source="none"), cell(strategy="frozen", history=[])]
    told = experiment.describe_training(cells, [])
    first, second = told["tasks"]
    assert [(panel["title"], panel["cells"], panel["falling"]) for panel in first["panels"]] == [
        ("scratch", 1, 0), ("lp-ft from s", 2, 1), ("lp-ft from t", 1, 0),
    ]  # fmt: skip
    assert (first["task"], second["task"], len(second["panels"])) == ("segmentation", "classification", 1)
    assert told["falling"] == ["segmentation, lp-ft from s, n all, fold 1, seed 0"]
    crossed = [words(drawing).count("×") for drawing in drawings(first)]
    assert crossed == [0, 1, 0]


def test_times_have_a_row_an_arm():
    times = [ARM | {"steps": "150", "seconds": "61.7", "steps_to_dice": "", "seconds_to_dice": "", "dice": "0.8"}]
    told = experiment.describe_training([], times)
    assert told["times"] == [["segmentation", "lp-ft from s", "all", "150", "62", "–", "–", "0 of 1"]]
    assert told["dice"] == 0.8


def test_results_hold_the_mean_over_patients_with_its_interval():
    scores = [score(name, value) for name, value in (("A", 0.7), ("B", 0.8), ("C", 0.9))]
    scores += [score("A", 4, metric="hd95"), score("A", 0.9, strategy="scratch", source="none"), score("", 0.95)]
    (table,) = experiment.describe_results(scores)
    assert table["heads"] == ["Dice, cohort", "WT Dice ↑", "WT HD95 (mm) ↓"]
    scratch, own = table["rows"]
    assert scratch == ["scratch", "all", 1, "–", "0.900", "–"]
    assert own[:4] == ["lp-ft from s", "all", 3, "0.950"]
    assert own[4].startswith("0.800<br><small>0.") and own[4].endswith(" to 0.969</small>") and own[5] == "4.0"
    assert table["chart"]["title"] == "WT Dice of every patient, n = all"


def test_the_chart_of_patients_is_of_the_largest_training_size():
    scores = [score(name, 0.5, n=n) for name in "AB" for n in ("4", "12")] + [score("A", 0.6, n=4, strategy="frozen")]
    (table,) = experiment.describe_results(scores)
    assert [row[1] for row in table["rows"]] == ["12", "4", "4"] and table["chart"]["title"].endswith("n = 12")
    assert len(list(drawings(table["chart"])[0].iter("circle"))) == 2


def test_only_rows_with_a_verdict_are_primary_and_all_are_in_the_table(run):
    told = experiment.describe_comparison(run["comparison"])
    assert len(told["table"]) == len(run["comparison"])
    assert [forest["title"] for forest in told["forests"] if forest["primary"]] == ["WT Dice against scratch"]
    assert told["forests"][0]["primary"] and told["forests"][0]["patients"] == 10
    assert [forest["task"] for forest in told["forests"]] == ["segmentation"] * 6 + ["classification"] * 2
    judged = [row for row in run["comparison"] if row["verdict"]]
    assert [row["verdict"] for row in told["verdicts"]] == [row["verdict"] for row in summaries.primary_rows(judged)]
    assert all(row["sentence"] and row["mark"] for row in told["verdicts"])


def test_a_forest_writes_the_numbers_and_shows_a_missing_one_as_missing():
    rows = [
        compared("lp-ft", "-0.02", "hurts", low="-0.03", high="-0.01"),
        compared("frozen", 0.01),
        compared("l2-sp", ""),
    ]
    (forest,) = experiment.describe_comparison(rows)["forests"]
    (drawing,) = drawings(forest)
    assert "−0.020 (95 % CI −0.030 to −0.010) hurts" in words(drawing)
    assert "+0.010 (no interval)" in words(drawing)
    assert [name for name in words(drawing) if name.endswith(" from s")] == [
        "frozen from s", "lp-ft from s", "l2-sp from s",
    ]  # fmt: skip
    # a mark for each mean, and a band for the margin of each row
    assert len(list(drawing.iter("polygon"))) + len(list(drawing.iter("circle"))) == 2
    assert len(list(drawing.iter("rect"))) == 3


def test_only_transductive_arms_call_for_the_warning(run):
    rows = [row for row in run["comparison"] if row["strategy"] == "lp-ft"]
    assert not experiment.describe_comparison(rows)["transductive"]
    assert experiment.describe_comparison([*rows, rows[0] | {"strategy": "dann"}])["transductive"]


def test_overlays_are_best_median_and_worst_and_then_the_unlabelled():
    scores = [score(name, value) for name, value in zip("ABCDE", (0.5, 0.9, 0.7, 0.8, 0.6), strict=True)]
    scores += [score("F", 0.99), score("A", 1.0, strategy="frozen"), score("A", 1.0, region="TC")]
    pictures = {name: {"segmentation": "x.png"} for name in "ABCDEUVWX"} | {"F": {"quality": "x.png"}}
    unseen = "whole-tumour Dice of unseen patients"
    assert experiment.choose_overlays(scores, "lp-ft", pictures) == [
        ("B", f"best {unseen}, 0.900"), ("C", f"median {unseen}, 0.700"), ("A", f"worst {unseen}, 0.500"),
        *((name, "no score (no labels, or not in the experiment)") for name in "UVW"),
    ]  # fmt: skip


def test_one_patient_is_shown_once():
    pictures = {name: {"segmentation": "x.png"} for name in "AB"}
    assert [name for name, _ in experiment.choose_overlays([score("A", 0.5)], "lp-ft", {"A": pictures["A"]})] == ["A"]
    two = experiment.choose_overlays([score("A", 0.5), score("B", 0.6)], "lp-ft", pictures)
    assert [(name, why.split()[0]) for name, why in two] == [("B", "best"), ("A", "worst")]


def test_run_times_come_longest_first():
    rows = [{"rule": "short", "jobs": 3, "seconds_median": "2", "seconds_max": "", "memory_mb": "nan"}]
    rows += [{"rule": "long", "seconds_median": 90, "seconds_max": 120, "memory_mb": 2100}]
    rows += [{"rule": "unknown", "seconds_median": ""}]
    assert words(drawings(experiment.describe_runtimes(rows))[0]) == [
        "long", "90.0 s, at most 120.0 s, 2.1 GB", "short", "2.0 s, at most 2.0 s, 3 jobs",
    ]  # fmt: skip


def test_masks_of_other_programs_stand_beside_the_strategies():
    rows = [compared("lp-ft", 0.02, "helps"), compared("nnunet", -0.03, "hurts", source="external")]
    told = experiment.describe_comparison(rows)
    (forest,) = told["forests"]
    assert "nnunet (external)" in forest["svg"] and "lp-ft from s" in forest["svg"]
    assert [row["verdict"] for row in told["verdicts"]] == ["helps", "hurts"] and told["external"] == ["nnunet"]
