"""The report's words: they follow the verdicts, and never claim more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_run import Experiment, make_run
from neurograft.report import sentences, summaries
from neurograft.report.charts import cohort

CELLS = [{"trained": True}]
NAMES = ("fine-tune", "frozen", "lp-ft", "l2-sp", "lora")


def compared(verdict, strategy="lp-ft", mean=0.03, low=0.01, high=0.05, **changes):
    """Return a row of the comparison, against scratch."""
    row = {"task": "segmentation", "source": "s", "strategy": strategy, "n": "all", "region": "WT", "metric": "dice"}
    row |= {"against": "scratch", "patients": 20, "mean_difference": mean, "low": low, "high": high}
    return row | {"verdict": verdict, "detectable": 0.042, "reason": "why not", "better": "higher"} | changes


def against_random(low, high, **changes):
    """Return the same arm's row against the frozen random encoder, which never has a verdict."""
    return compared("", mean=(low + high) / 2, low=low, high=high, against="frozen-random", **changes)


def head(*verdicts, simulated=False):
    rows = [compared(verdict, strategy=name) for verdict, name in zip(verdicts, NAMES, strict=False)]
    return sentences.headline(rows, {}, [{}], CELLS, simulated)


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
    run = make_run(patients=20, experiment=Experiment(gains=gains, falling=falling, seed=2))
    found = sentences.headline(run["comparison"], run["splits"], run["scores"], run["cells"], False)
    assert found["kind"] == kind and words in found["title"]


def test_few_patients_are_refused_in_words():
    run = make_run(patients=4, experiment=Experiment(folds=4, gains={"scratch": 0, "lp-ft": 0.1}))
    found = sentences.headline(run["comparison"], run["splits"], run["scores"], run["cells"], False)
    assert found["kind"] == "refused" and "no verdict can be given" in found["sentences"][0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(summaries.VERDICTS), min_size=1, max_size=5))
def test_the_headline_never_claims_more_than_the_verdicts(verdicts):
    found = head(*verdicts)
    title = found["title"].replace("No evidence that transfer helps or hurts here", "")
    clear = {"helps", "hurts"} & set(verdicts)
    assert {claim for claim in ("helps", "hurts") if claim in title} == clear
    assert found["kind"] in verdicts and len(found["sentences"]) == len(verdicts)
    if len(clear) == 1 and len(set(verdicts)) > 1:
        assert f"with {verdicts.count(*clear)} of {len(verdicts)} strategies" in title


def test_no_network_no_claim():
    untrained = {"tasks": {"segmentation": {"trainable": False, "reason": "3 labelled patients, 5 are needed"}}}
    found = sentences.headline([], untrained, [], [{"trained": False}], False)
    assert found["kind"] == "nothing" and "3 labelled patients, 5 are needed." in found["title"]
    assert "no network was asked for" in sentences.headline([], {}, [], [], False)["title"]


def test_simulated_patients_are_named_whatever_was_found():
    for verdict in summaries.VERDICTS:
        assert "says nothing about real patients" in head(verdict, simulated=True)["sentences"][-1]
        assert "simulated" not in " ".join(head(verdict)["sentences"])
    assert "says nothing about real patients" in sentences.headline([], {}, [], [], True)["sentences"][-1]


def test_every_verdict_has_a_mark_and_a_look():
    assert {*summaries.VERDICTS, "nothing"} == set(sentences.MARKS) and len(set(sentences.MARKS.values())) == 6
    assert {*summaries.VERDICTS, ""} == set(cohort.VERDICTS)


def test_a_sentence_says_its_verdict_its_numbers_and_no_other_verdict():
    for verdict in ("helps", "hurts"):
        sentence = sentences.comparison_sentence(compared(verdict), [])
        assert sentence.startswith(f"lp-ft from s {verdict}: whole-tumour Dice changed by +0.030 (95 % CI +0.010")
        assert "in 20 patients" in sentence
    for verdict in ("no evidence", "refused", "not converged"):
        sentence = sentences.comparison_sentence(compared(verdict), [])
        assert " helps" not in sentence and " hurts" not in sentence and "+0.030" in sentence
        assert verdict == "no evidence" or "no verdict" in sentence


def test_no_evidence_names_the_difference_that_would_have_shown():
    sentence = sentences.comparison_sentence(compared("no evidence"), [])
    assert (
        "only a difference of 0.042 or more would be detected reliably, so a smaller benefit or harm remains"
        in sentence
    )
    assert "0.042" not in sentences.comparison_sentence(compared("helps"), [])


def test_reasons_keep_their_capitals():
    sentence = sentences.comparison_sentence(compared("refused", reason="two folds of WT Dice are too few"), [])
    assert "Two folds of WT Dice are too few." in sentence


def test_pretraining_is_credited_only_where_it_helps_and_beats_random_features():
    said = sentences.comparison_sentence
    better, unclear = against_random(0.01, 0.05), against_random(-0.01, 0.05)
    assert "the pretraining itself matters" in said(compared("helps"), [better])
    assert "+0.030 (95 % CI +0.010 to +0.050)" in said(compared("helps"), [better])
    assert "it is not shown that the pretraining" in said(compared("helps"), [unclear])
    assert "random" not in said(compared("helps"), [against_random(0.01, 0.05, source="other")])
    for verdict in ("no evidence", "hurts"):
        for other in (better, unclear):
            sentence = said(compared(verdict), [other])
            assert "a frozen random encoder the difference is" in sentence
            assert "itself matters" not in sentence and "also beats" not in sentence
    for verdict in ("refused", "not converged"):
        assert "random" not in said(compared(verdict), [better])


def test_a_difference_is_written_with_its_interval():
    row = compared("", mean=-0.0312, low=-0.05, high=0.01)
    assert sentences.format_difference(row) == "−0.031 (95 % CI −0.050 to +0.010)"
    assert sentences.format_difference({"mean": -0.1, "low": -0.2, "high": 0.0}, 1) == "−0.1 (95 % CI −0.2 to +0.0)"
    without = {"mean_difference": "2.5", "low": "", "high": ""}
    assert sentences.format_difference(without, 1, " ml") == "+2.5 ml (no interval)"
    assert sentences.format_difference({"mean": 5, "low": None, "high": None}, 0, " s") == "+5 s (no interval)"
    assert sentences.format_difference({"mean_difference": "nan"}) == "no estimate"
    assert sentences.format_difference(summaries.NOTHING) == sentences.format_difference({}) == "no estimate"


@pytest.mark.parametrize(
    ("value", "options", "shown"),
    [
        (0.12345, {}, "0.123"),
        ("12.6", {"digits": 0}, "13"),
        (-0.5, {"digits": 1}, "−0.5"),
        ("-0.0312", {"signed": True}, "−0.031"),
        (2, {"digits": 0, "signed": True}, "+2"),
        *((nothing, {}, "–") for nothing in ("", None, "nan", "n/a", "inf")),
    ],
)
def test_a_number_has_its_digits_and_a_real_minus_and_a_missing_one_is_a_dash(value, options, shown):
    assert sentences.format_number(value, **options) == shown


def test_significant_digits_and_percentages():
    assert [sentences.format_significant(value) for value in (0.00012345, "1234.5", -2, "")] == [
        "0.000123", "1.23e+03", "−2", "–",
    ]  # fmt: skip
    assert sentences.format_percent(0.0312) == "3.1 %" and sentences.format_percent("0.5", 0) == "50 %"
    assert sentences.format_percent("") == sentences.format_percent("nan") == "–"


def test_an_interval_needs_both_its_ends():
    assert sentences.format_interval("-0.1", 0.25, digits=2, signed=True) == "−0.10 to +0.25"
    assert sentences.format_interval(0.1, 0.25, 2) == "0.10 to 0.25"
    assert sentences.format_interval("n/a", 0.25) == sentences.format_interval(0.1, None) == "–"


def test_two_ends_in_the_same_words_are_written_once():
    assert sentences.shorten_interval("not reached to not reached") == "not reached"
    assert sentences.shorten_interval("9 to not reached") == "9 to not reached" and sentences.shorten_interval("") == ""


def test_a_narrow_column_has_the_interval_below_the_mean():
    row = {"mean": 0.5, "low": 0.4, "high": "0.6"}
    assert sentences.stack_interval(row) == "0.500<br><small>0.400 to 0.600</small>"
    assert sentences.stack_interval(row, 1, signed=True) == "+0.5<br><small>+0.4 to +0.6</small>"
    assert sentences.stack_interval(row | {"low": ""}) == "0.500"
    assert sentences.stack_interval({}) == sentences.stack_interval(row | {"mean": None}) == "–"
    assert sentences.stack("<", ">") == "&lt;<br><small>&gt;</small>"


def test_arms_that_saw_target_images_say_so():
    assert sentences.name_arm({"strategy": "adabn", "source": "a"}) == "adabn from a (transductive)"
    assert sentences.name_arm({"strategy": "lp-ft", "source": "a"}) == "lp-ft from a"
    assert sentences.name_arm({"strategy": "frozen-random", "source": "a"}) == "frozen-random (a)"
    assert sentences.name_arm({"strategy": "scratch", "source": "none"}) == "scratch"


def test_who_lacks_a_sequence_and_what_is_left():
    task = {"trainable": True, "sequences": ["t1c", "t2", "flair"], "subjects": ["a"]}
    task |= {"incomplete": {"a": ["t2"], "u": ["t1c", "flair"]}}
    splits = {"tasks": {"segmentation": task, "classification": task | {"trainable": False}}}
    assert sentences.list_incomplete(splits) == [
        {"subject": "a", "task": "segmentation", "words": "without t2: trained on and predicted from t1c, flair"},
        {"subject": "u", "task": "segmentation", "words": "without t1c, flair: predicted from t2"},
    ]
    assert sentences.list_incomplete({}) == []


def test_no_difference_is_said_to_be_larger_than_dice_can_differ():
    row = {"source": "s", "strategy": "lp-ft", "region": "WT", "verdict": "no evidence", "patients": 9, "reason": ""}
    row |= {"mean_difference": 0.1, "low": -0.4, "high": 0.6, "detectable": 1.034}
    said = sentences.comparison_sentence(row | dict.fromkeys(("task", "space", "split", "n", "metric"), ""), [])
    assert "1.034" not in said and "no difference of any size would be detected" in said


def test_masks_of_another_program_have_a_sentence_and_no_part_in_the_answer():
    row = compared("hurts", strategy="nnunet", source="external", mean=-0.03, low=-0.05, high=-0.01)
    assert sentences.comparison_sentence(row, [row]).startswith("nnunet (external) hurts: whole-tumour Dice changed by")
    assert sentences.headline([row], {}, [{}], CELLS, False)["kind"] == "nothing"
    assert sentences.headline([compared("helps"), row], {}, [{}], CELLS, False)["title"] == "Transfer helps here."


def test_what_a_cell_notes_is_told_once_an_arm():
    masks = {"source": "external", "strategy": "nnunet", "notes": ["mind this"]}
    cells = [{"source": "s", "strategy": "lp-ft"}, masks | {"fold": 0}, masks | {"fold": 1}]
    assert sentences.list_notes(cells) == ["nnunet (external): mind this"]
