"""The report's words: they follow the verdicts, and never claim more."""

from pathlib import Path

import pytest
from fake_run import make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft import charts, summaries, wording

SCRIPTS = Path(__file__).parents[1] / "scripts"
CELLS = [{"trained": True}]
NAMES = ("fine-tune", "frozen", "lp-ft", "l2-sp", "lora")


def compared(verdict, strategy="lp-ft", mean=0.03, low=0.01, high=0.05, **changes):
    """Give a row of the comparison, against scratch."""
    row = {"task": "segmentation", "source": "s", "strategy": strategy, "n": "all", "region": "WT", "metric": "dice"}
    row |= {"against": "scratch", "patients": 20, "mean_difference": mean, "low": low, "high": high}
    return row | {"verdict": verdict, "detectable": 0.042, "reason": "why not", "better": "higher"} | changes


def against_random(low, high, **changes):
    """Give the same arm's row against the frozen random encoder, which never has a verdict."""
    return compared("", mean=(low + high) / 2, low=low, high=high, against="frozen-random", **changes)


def head(*verdicts, simulated=False):
    rows = [compared(verdict, strategy=name) for verdict, name in zip(verdicts, NAMES, strict=False)]
    return wording.headline(rows, {}, [{}], CELLS, simulated)


@pytest.mark.parametrize(
    ("gains", "falling", "kind", "words"),
    [
        ({"scratch": 0, "lp-ft": 0.05}, (), "helps", "Transfer helps here."),
        ({"scratch": 0, "lp-ft": -0.05}, (), "hurts", "Transfer hurts here."),
        ({"scratch": 0, "lp-ft": 0.0}, (), "no evidence", "No evidence that transfer helps or hurts here."),
        ({"scratch": 0, "lp-ft": 0.05}, (("lp-ft", 1),), "not converged", "training had not finished"),
        ({"scratch": 0, "lp-ft": 0.05, "frozen": -0.05}, (), "helps", "lp-ft from efficientnet-lite0 helps, frozen"),
        ({"scratch": 0, "frozen-random": 0.05}, (), "nothing", "nothing to compare"),
    ],
)
def test_the_headline_follows_a_comparison_that_was_computed(gains, falling, kind, words):
    run = make_run(patients=20, gains=gains, falling=falling, seed=2)
    found = wording.headline(run["comparison"], run["splits"], run["scores"], run["cells"], False)
    assert found["kind"] == kind and words in found["title"]


def test_few_patients_are_refused_in_words():
    run = make_run(patients=4, folds=4, gains={"scratch": 0, "lp-ft": 0.1})
    found = wording.headline(run["comparison"], run["splits"], run["scores"], run["cells"], False)
    assert found["kind"] == "refused" and "no verdict can be given" in found["sentences"][0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(summaries.VERDICTS), min_size=1, max_size=5))
def test_the_headline_never_claims_more_than_the_verdicts(verdicts):
    found = head(*verdicts)
    title = found["title"].replace("No evidence that transfer helps or hurts here.", "")
    clear = {"helps", "hurts"} & set(verdicts)
    assert {claim for claim in ("helps", "hurts") if claim in title} == clear
    assert found["kind"] in verdicts and len(found["sentences"]) == len(verdicts)
    if len(clear) == 1 and len(set(verdicts)) > 1:
        assert f"with {verdicts.count(*clear)} of {len(verdicts)} strategies" in title


def test_no_network_no_claim():
    untrained = {"tasks": {"segmentation": {"trainable": False, "reason": "3 labelled patients, 5 are needed"}}}
    found = wording.headline([], untrained, [], [{"trained": False}], False)
    assert found["kind"] == "nothing" and "3 labelled patients, 5 are needed." in found["title"]
    assert "no network was asked for" in wording.headline([], {}, [], [], False)["title"]


def test_simulated_patients_are_named_whatever_was_found():
    for verdict in summaries.VERDICTS:
        assert "says nothing about real patients" in head(verdict, simulated=True)["sentences"][-1]
        assert "simulated" not in " ".join(head(verdict)["sentences"])
    assert "says nothing about real patients" in wording.headline([], {}, [], [], True)["sentences"][-1]


def test_every_verdict_has_a_mark_and_a_look():
    assert {*summaries.VERDICTS, "nothing"} == set(wording.MARKS) and len(set(wording.MARKS.values())) == 6
    assert {*summaries.VERDICTS, ""} == set(charts.VERDICTS)


def test_a_sentence_says_its_verdict_its_numbers_and_no_other_verdict():
    for verdict in ("helps", "hurts"):
        sentence = wording.comparison_sentence(compared(verdict), [])
        assert sentence.startswith(f"lp-ft from s {verdict}: whole-tumour Dice changed by +0.030 (95 % interval +0.010")
        assert "on 20 patients" in sentence
    for verdict in ("no evidence", "refused", "not converged"):
        sentence = wording.comparison_sentence(compared(verdict), [])
        assert " helps" not in sentence and " hurts" not in sentence and "+0.030" in sentence
        assert verdict == "no evidence" or "no verdict" in sentence


def test_no_evidence_names_the_difference_that_would_have_shown():
    sentence = wording.comparison_sentence(compared("no evidence"), [])
    assert "only a difference of 0.042 or more, so a smaller help or harm remains possible" in sentence
    assert "0.042" not in wording.comparison_sentence(compared("helps"), [])


def test_reasons_keep_their_capitals():
    sentence = wording.comparison_sentence(compared("refused", reason="two folds of WT Dice are too few"), [])
    assert "Two folds of WT Dice are too few." in sentence


def test_pretraining_is_credited_only_where_it_helps_and_beats_random_features():
    said = wording.comparison_sentence
    better, unclear = against_random(0.01, 0.05), against_random(-0.01, 0.05)
    assert "the pretraining itself matters" in said(compared("helps"), [better])
    assert "+0.030 (95 % interval +0.010 to +0.050)" in said(compared("helps"), [better])
    assert "it is not shown that the pretraining" in said(compared("helps"), [unclear])
    assert "random" not in said(compared("helps"), [against_random(0.01, 0.05, source="other")])
    for verdict in ("no evidence", "hurts"):
        for other in (better, unclear):
            sentence = said(compared(verdict), [other])
            assert "a frozen random encoder the difference is" in sentence
            assert "itself matters" not in sentence and "also beats" not in sentence
    for verdict in ("refused", "not converged"):
        assert "random" not in said(compared(verdict), [better])


def test_intervals_in_words():
    assert wording.interval(compared("", mean=-0.0312, low=-0.05, high=0.01)) == (
        "−0.031 (95 % interval −0.050 to +0.010)"
    )
    assert wording.interval({"mean_difference": "2.5", "low": "", "high": ""}, 1, " ml") == "+2.5 ml"
    assert wording.interval({"mean_difference": "nan"}) == "no estimate"


def claims(**changes):
    """Give each claim's words and state for a run, everything else empty."""
    tables = {name: [] for name in ("comparison", "scores", "times", "cells", "runtimes")} | changes
    return {row["claim"]: row for row in wording.list_claims(**tables)}


def test_eleven_claims_of_which_an_empty_run_measured_none():
    run = make_run()
    full = claims(**{name: run[name] for name in ("comparison", "scores", "times", "cells", "runtimes")})
    assert len(full) == 11 and [row["side"] for row in full.values()].count("promise") == 6
    assert all(row["how"] and row["found"] for row in full.values())
    assert {row["state"] for row in full.values()} == {"measured", "in part", "not measured"}
    assert {row["state"] for row in claims().values()} == {"not measured"}
    assert {row["found"] for row in claims().values()} == {
        "This run has no numbers for it.", "This version does not measure it.",
    }  # fmt: skip


def scored(strategy, values, source="s"):
    common = {"task": "segmentation", "source": source, "strategy": strategy, "n": "all", "region": "WT"}
    return [common | {"metric": "dice", "subject": name, "value": value} for name, value in values.items()]


def test_patients_that_lose_are_counted():
    scores = scored("scratch", {"A": 0.8, "B": 0.7, "C": 0.6}, "none")
    scores += scored("lp-ft", {"A": 0.9, "B": 0.6, "C": 0.6, "D": 0.1})
    words = claims(comparison=[compared("no evidence")], scores=scores)["Limited transferability"]["found"]
    assert words == "lp-ft from s: 1 of 3 patients score lower than with scratch"


def test_a_gap_between_training_and_test_is_their_difference():
    cell = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "n": "all", "loaded_share": 0.5}
    cells = [cell | {"history": [{"train_dice": 0.95}]}]
    found = claims(cells=cells, scores=scored("lp-ft", {"A": 0.9, "B": 0.7}))
    assert found["Overfitting"]["found"] == "lp-ft from s (n = all) +0.150"
    assert "50% of the source's encoder weights fitted" in found["Inflexibility"]["found"]
    assert found["Inflexibility"]["state"] == "not measured"


def test_times_name_each_arm_and_those_that_never_arrived():
    arm = {"task": "segmentation", "strategy": "lp-ft", "n": "all", "steps": 100, "seconds": 50, "dice": 0.8}
    times = [arm | {"source": "a", "steps_to_dice": 40, "seconds_to_dice": 20}]
    times += [arm | {"source": "b", "steps_to_dice": "", "seconds_to_dice": ""}]
    assert claims(times=times)["Less training time"]["found"] == (
        "Training Dice 0.8. lp-ft from a (n = all): 40 steps, 20 s (1 of 1 cells); "
        "lp-ft from b (n = all): not reached in 100 steps"
    )


def test_deployment_adds_up_the_steps_of_one_subject():
    runtimes = [{"rule": rule, "seconds_median": "2.0"} for rule in wording.PREPROCESSING]
    runtimes += [{"rule": "train_network", "seconds_median": 1000}, {"rule": "import_scans", "seconds_median": ""}]
    words = claims(runtimes=runtimes)["Faster deployment"]["found"]
    assert words == f"Preparing one subject {2 * len(wording.PREPROCESSING)} s (medians)."
    assert all((SCRIPTS / f"{rule}.py").exists() for rule in wording.PREPROCESSING)


def test_arms_that_saw_target_images_say_so():
    assert wording.arm({"strategy": "adabn", "source": "a"}) == "adabn from a (transductive)"
    assert wording.arm({"strategy": "lp-ft", "source": "a"}) == "lp-ft from a"
    assert wording.arm({"strategy": "frozen-random", "source": "a"}) == "frozen-random"
