"""The report's words: they follow the verdicts, and never claim more."""

import pytest

from helpers.fake_comparison import CHANCES
from neurograft.report import sentences, summaries
from neurograft.report.charts import cohort


def compared(verdict, strategy="lp-ft", mean=0.03, low=0.01, high=0.05, **changes):
    """Return a row of the comparison, against scratch."""
    row = {"task": "segmentation", "source": "s", "strategy": strategy, "n": "all", "region": "WT", "metric": "dice"}
    row |= {"against": "scratch", "patients": 20, "mean_difference": mean, "low": low, "high": high}
    row |= CHANCES
    return row | {"verdict": verdict, "reason": "why not", "better": "higher"} | changes


def against_random(low, high, **changes):
    """Return the same arm's row against the frozen random encoder, which never has a verdict."""
    return compared("", mean=(low + high) / 2, low=low, high=high, against="frozen-random", **changes)


def test_every_verdict_has_a_mark_and_a_look():
    assert {*summaries.VERDICTS, "nothing"} == set(sentences.MARKS) and len(set(sentences.MARKS.values())) == 6
    assert {*summaries.VERDICTS, ""} == set(cohort.VERDICTS)


def test_a_sentence_says_its_verdict_its_numbers_and_no_other_verdict():
    for verdict in ("helps", "hurts"):
        sentence = sentences.comparison_sentence(compared(verdict), [])
        assert sentence.startswith(f"lp-ft from s {verdict}: whole-tumour Dice changed by +0.030 (95 % CI +0.010")
        assert "in 20 patients" in sentence
    for verdict in ("no practical difference", "undecided", "refused"):
        sentence = sentences.comparison_sentence(compared(verdict), [])
        assert " helps" not in sentence and " hurts" not in sentence and "+0.030" in sentence
        assert (verdict if verdict != "refused" else "no verdict") in sentence


def test_probabilities_stand_beside_every_verdict_and_what_would_decide_beside_undecided():
    chances = "better with a probability of 93.0 % (by more than 0.02: 61.0 %; worse by more than 0.02: 4.0 %; in "
    for verdict in ("helps", "hurts", "no practical difference", "undecided"):
        sentence = sentences.comparison_sentence(compared(verdict), [])
        assert f"{chances}between: 35.0 %)" in sentence
        assert ("Why not." in sentence) == (verdict == "undecided")
    assert "by more than" not in sentences.describe_chances(compared("helps", margin=0))
    assert [sentences.format_chance(share) for share in (1.0, 0.0, "0.5", "n/a")] == [
        "over 99.9 %", "under 0.1 %", "50.0 %", "–",
    ]  # fmt: skip


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
    for verdict in ("undecided", "no practical difference", "hurts"):
        for other in (better, unclear):
            sentence = said(compared(verdict), [other])
            assert "a frozen random encoder the difference is" in sentence
            assert "itself matters" not in sentence and "also beats" not in sentence
    assert "random" not in said(compared("refused"), [better])


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


def test_masks_of_another_program_have_a_sentence():
    row = compared("hurts", strategy="nnunet", source="external", mean=-0.03, low=-0.05, high=-0.01)
    assert sentences.comparison_sentence(row, [row]).startswith("nnunet (external) hurts: whole-tumour Dice changed by")


def test_what_a_cell_notes_is_told_once_an_arm():
    masks = {"source": "external", "strategy": "nnunet", "notes": ["mind this"]}
    cells = [{"source": "s", "strategy": "lp-ft"}, masks | {"fold": 0}, masks | {"fold": 1}]
    assert sentences.list_notes(cells) == ["nnunet (external): mind this"]
