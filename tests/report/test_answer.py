"""The first screen: it follows the verdicts and the recommendation, and never claims more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_comparison import CHANCES
from helpers.fake_run import Experiment, make_run
from neurograft.report import answer, summaries
from neurograft.report.results import Results

NAMES = ("fine-tune", "frozen", "lp-ft", "l2-sp", "lora")


def choice(strategy, **changes):
    known = {"strategy": strategy, "source": "s", "regret": 0.004, "mean": 0.8, "seconds": 150.0, "steps": 60.0}
    return known | {"licence": "Apache-2.0", "verdict": "", "reason": ""} | changes


def compared(verdict, strategy, **changes):
    row = {"task": "segmentation", "source": "s", "strategy": strategy, "n": "all", "region": "WT", "metric": "dice"}
    row |= {"against": "scratch", "patients": 20, "mean_difference": 0.03, "low": 0.01, "high": 0.05}
    row |= CHANCES
    return row | {"verdict": verdict, "reason": "it would take 90 patients", "better": "higher"} | changes


def screen(verdicts, use, simulated=False):
    rows = [compared(verdict, name) for verdict, name in zip(verdicts, NAMES, strict=False)]
    advice = {"use": use, "choices": [choice("scratch", seconds=60.0)], "n": "all", "task": "segmentation"}
    return answer.answer(Results(comparison=rows, recommendation=advice, scores=[{}], simulated=simulated))


@pytest.mark.parametrize(
    ("gains", "kind", "title"),
    [
        ({"scratch": 0, "lp-ft": 0.08}, "helps", "Use lp-ft from efficientnet-lite0: it helps here."),
        ({"scratch": 0, "lp-ft": -0.08}, "hurts", "Train from scratch: transfer does not help here."),
        ({"scratch": 0, "lp-ft": 0.08, "frozen": -0.08}, "helps", "Use lp-ft from efficientnet-lite0"),
        ({"scratch": 0, "frozen-random": 0.05}, "nothing", "nothing to compare"),
    ],
)
def test_the_answer_follows_a_comparison_that_was_computed(gains, kind, title):
    run = make_run(patients=20, experiment=Experiment(gains=gains, seed=2))
    found = answer.answer(Results(**run).main)
    assert found["kind"] == kind and title in found["title"]
    assert ("<svg" in found["forest"]) == (kind != "nothing")


def test_trainings_that_still_learn_bar_no_verdict():
    falling = Experiment(gains={"scratch": 0, "lp-ft": 0.08}, falling=(("lp-ft", 1),), seed=2)
    assert answer.answer(Results(**make_run(patients=20, experiment=falling)).main)["kind"] == "helps"


def test_three_patients_are_refused_in_words():
    run = make_run(patients=3, experiment=Experiment(folds=3, gains={"scratch": 0, "lp-ft": 0.1}))
    found = answer.answer(Results(**run).main)
    assert found["kind"] == "refused" and "no verdict can be given" in found["sentences"][0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(summaries.VERDICTS[:-1]), min_size=1, max_size=5), st.integers(-1, 4))
def test_the_answer_never_claims_more_than_the_verdicts(verdicts, chosen):
    chosen = min(chosen, len(verdicts) - 1)
    use = choice("scratch" if chosen < 0 else NAMES[chosen])
    found = screen(verdicts, use)
    if "it helps" in found["title"]:
        assert verdicts[chosen] == "helps" and chosen >= 0
    if "makes no practical difference" in found["title"]:
        assert set(verdicts) == {"no practical difference"}
    assert ("for now" in found["title"]) <= (found["kind"] == "undecided")
    assert found["title"].startswith("Train from scratch" if chosen < 0 else f"Use {use['strategy']}")


def test_why_the_price_and_what_is_not_known():
    why, price, unknown = screen(["undecided"], choice("fine-tune"))["sentences"]
    assert "changed by +0.030 (95 % CI +0.010 to +0.050)" in why and "loses 0.004 on average" in why
    assert "60 steps and 2.5 min" in price and "(scratch: 60 steps, 60 s)" in price and "Apache-2.0" in price
    assert "it would take 90 patients" in unknown and "frozen-random was not trained" in unknown


def test_what_pretraining_itself_does_is_open_until_it_is_sure():
    for chance, said in ((0.8, True), (0.99, False)):
        rows = [compared("helps", "fine-tune"), compared("", "fine-tune", against="frozen-random", p_better=chance)]
        advice = {"use": choice("fine-tune"), "choices": [], "n": "all", "task": "segmentation"}
        found = answer.answer(Results(comparison=rows, recommendation=advice, scores=[{}]))
        assert any("random frozen features with a probability of 80.0 %" in line for line in found["sentences"]) == said
        assert len(found["sentences"]) == (3 if said else 2)


def test_no_network_no_claim():
    untrained = {"tasks": {"segmentation": {"trainable": False, "reason": "3 labelled patients, 5 are needed"}}}
    found = answer.answer(Results(splits=untrained, cells=[{"trained": False}]))
    assert found["kind"] == "nothing" and "3 labelled patients, 5 are needed." in found["title"]
    assert "no network was asked for" in answer.answer(Results())["title"]


def test_simulated_patients_are_named_whatever_was_found():
    for verdict in summaries.VERDICTS[:-1]:
        shown = screen([verdict], choice("fine-tune"), simulated=True)["sentences"]
        assert "says nothing about real patients" in shown[-1]
        assert "simulated" not in " ".join(screen([verdict], choice("fine-tune"))["sentences"])
    assert "says nothing about real patients" in answer.answer(Results(simulated=True))["sentences"][-1]
