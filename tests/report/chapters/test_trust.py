"""Tests of what the report says of leaks and of sources that have seen the patients."""

import pytest

from helpers.fake_run import make_run
from neurograft.report import answer
from neurograft.report.chapters import trust
from neurograft.report.results import Results

LEAK = {
    "first": "p0", "second": "p1", "first_patient": "p0", "second_patient": "p1", "leak": True, "likeness": 0.93,
    "agreeing": 80, "words": "a.nii.gz and b.nii.gz are the same head",
}  # fmt: skip
SOURCE = {"source": "s", "seen": "BraTS2018", "verdict": "contaminated", "patients": 3, "reason": "3 of 10"}


def guard(*leaks, sources=()):
    return {"leaks": list(leaks), "sources": list(sources), "known": {}, "subjects": 10}


def test_the_first_screen_says_that_leaks_were_allowed_and_what_they_bring():
    run = make_run()
    subject, other = sorted({row["subject"] for row in run["scores"] if row["subject"]})[:2]
    results = Results(**run | {"guard": guard(LEAK | {"first": subject, "second": other})})
    (sentence,) = trust.caution_sentences(results)
    assert sentence.startswith("These scores are too good: 1 pair of subjects") and "allow_leak" in sentence
    assert "Patients with a copy differ from the others by" in sentence
    assert sentence in answer.answer(results.main)["sentences"]


def test_what_a_copy_brings_is_the_mean_over_arms_whether_scores_are_of_subjects_or_patients():
    rows = [
        {"task": "segmentation", "source": "s", "strategy": strategy, "n": "all", "region": "WT", "metric": "dice"}
        | {"subject": subject, "value": value + gain}
        for strategy, gain in (("scratch", 0), ("lp-ft", 0.1))
        for subject, value in (("P", 0.9), ("x", 0.5), ("y", 0.7 - 2 * gain))
    ]
    leak = LEAK | {"first": "a", "second": "b", "first_patient": "P", "second_patient": "Q"}
    words = trust.describe_inflation(Results(scores=rows, guard=guard(leak)))
    assert "by +0.350 in dice, the mean of 2 arms (+0.300 to +0.400)" in words
    assert "with the only arm" in trust.describe_inflation(Results(scores=rows[:3], guard=guard(leak)))
    assert trust.describe_inflation(Results(scores=rows[:1], guard=guard(leak))) == ""


def test_harmless_pairs_are_no_caution():
    assert trust.caution_sentences(Results(guard=guard(LEAK | {"leak": False}))) == []
    assert trust.caution_sentences(Results()) == []


@pytest.mark.parametrize(("allowed", "words"), [(True, "judged nevertheless"), (False, "without a verdict")])
def test_a_contaminated_source_is_named(allowed, words):
    rows = [{"source": "s", "strategy": "lp-ft"}]
    results = Results(guard=guard(sources=[SOURCE]), comparison=rows, config={"allow_contaminated": allowed})
    assert words in trust.caution_sentences(results)[0]


def test_a_contaminated_source_that_was_not_used_is_no_caution():
    assert trust.caution_sentences(Results(guard=guard(sources=[SOURCE]))) == []


def test_the_chapter_lists_pairs_and_sources():
    known = {"p1": [{"release": "BraTS2018", "person": "x", "by": "name"}]}
    chapter = trust.fill_chapter(Results(guard=guard(*[LEAK] * 40, sources=[SOURCE]) | {"known": known}))
    assert len(chapter["leaks"]) == trust.MOST and chapter["more"] == 10
    assert chapter["leaks"][0][:2] == [LEAK["words"], "leak"]
    assert chapter["sources"] == [
        ["s", "BraTS2018", "contaminated", "3 of 10", "not tested: it has no head of the task"]
    ]
    assert chapter["known"] == ["1 of BraTS2018, by name"]
    assert trust.fill_chapter(Results())["looked"] == ""


MEMORY = {
    "source": "s", "outcome": "suspected", "patients": "24", "loss": "0.2", "unseen": "0.5", "seen": "0.3",
    "reference": "scratch s", "reason": "better than networks that trained on them",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "suspected: better than networks that trained on them (loss 0.200; scratch s 0.300 on its training"),
        ({"outcome": "no evidence"}, "no evidence: better"),
        ({"outcome": "not tested", "reason": "9 patients", "loss": ""}, "not tested: 9 patients"),
    ],
)
def test_what_a_source_remembers_is_told_beside_its_verdict(changes, words):
    said = trust.fill_chapter(Results(guard=guard(sources=[SOURCE]), membership=[MEMORY | changes]))["sources"][0][-1]
    assert said.startswith(words)
    assert ("looks the same" in said) is (not changes)
