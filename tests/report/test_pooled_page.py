"""The page of pooled verdicts: the answer first, everything named, nothing fetched."""

import re

import pytest

from helpers.browser import CHROMIUM, look
from helpers.fake_cards import make_arm, make_card
from helpers.fake_run import EVIL
from helpers.pages import Page
from neurograft.evaluation.pooled_verdicts import pool_verdicts
from neurograft.evaluation.verdict_card import LeftOut, NamedCard
from neurograft.report.pooled_page import describe_pooled, write_pooled_page


def write(folder, cards, left_out=()):
    """Pool cards by name; return the page and the text."""
    pooled = pool_verdicts([NamedCard(name, card) for name, card in cards.items()], left_out)
    write_pooled_page(folder / "pooled.html", folder / "pooled.txt", pooled)
    return Page(folder / "pooled.html"), (folder / "pooled.txt").read_text(encoding="utf-8")


def cohorts(*means, **changes):
    return {f"c{number}": make_card(make_arm(mean, 0.005), **changes) for number, mean in enumerate(means)}


@pytest.mark.parametrize(
    ("means", "answer"),
    [
        (
            (0.1, 0.11, 0.1),
            "Over 3 cohorts, transfer helps on average: lp-ft from efficientnet-lite0.",
        ),
        ((-0.1, -0.11, -0.1), "transfer hurts on average: lp-ft from efficientnet-lite0."),
        ((0.001, 0.0, -0.001), "transfer makes no practical difference on average"),
        ((0.3, -0.2, 0.1), "it stays undecided whether transfer helps on average: lp-ft"),
        ((0.3,), "Nothing is pooled: there is one card, c0, and pooling takes two."),
        ((), "Nothing is pooled: there is no card to pool."),
    ],
)
def test_the_answer_comes_first(tmp_path, means, answer):
    page, text = write(tmp_path, cohorts(*means))
    assert answer in text.splitlines()[0]
    assert page.plain().index(answer) < 200


def test_what_hurts_is_said_beside_what_helps(tmp_path):
    arms = [(make_arm(mean, 0.005), make_arm(-mean, 0.005, strategy="lora")) for mean in (0.1, 0.11, 0.1)]
    cards = {f"c{number}": make_card(*pair) for number, pair in enumerate(arms)}
    cards |= {"more": make_card(arms[0][0], patients=9)}
    _, text = write(tmp_path, cards)
    assert text.startswith(
        "Over 4 cohorts, transfer helps on average: lp-ft from efficientnet-lite0; what hurts is lora "
    )


def test_cards_without_a_common_arm_say_so(tmp_path):
    cards = {"a": make_card(make_arm()), "b": make_card(make_arm(strategy="lora"))}
    page, text = write(tmp_path, cards)
    assert "no two of the 2 cards share an arm that has a verdict" in text
    assert "only a, +0.030 (20 patients)" in page.plain() and "only b" in page.plain()


def test_an_arm_has_its_numbers_in_one_sentence():
    arm = pool_verdicts([NamedCard(name, card) for name, card in cohorts(0.1, 0.11, 0.1).items()]).arms[0]
    words = describe_pooled(arm.row).replace("\N{NO-BREAK SPACE}", " ")
    pattern = (
        r"lp-ft from efficientnet-lite0 helps: whole-tumour Dice changed by \+0\.103 on average over 3 cohorts and 60 "
        r"patients \(95 % CI \+0\.\d{3} to \+0\.\d{3}\)\. In a new cohort like these expect \+0\.\d{3} to \+0\.\d{3} "
        r"\(95 % prediction interval\); the chance that it helps there is over 99 %\."
    )
    assert re.fullmatch(pattern, words)


def test_all_that_is_left_out_or_differs_is_named_on_the_page_and_in_the_text(tmp_path):
    cards = cohorts(0.1, 0.11) | {"c": make_card(make_arm(0.1), margin=0.05)}
    page, text = write(tmp_path, cards, [LeftOut("broken", "is no JSON")])
    for words in ("Left out: broken is no JSON.", "Margins differ for dice"):
        assert words in page.plain() and words in text


def test_names_cannot_become_markup_and_nothing_is_fetched(tmp_path):
    page, _ = write(tmp_path, {EVIL: make_card(make_arm(0.1)), "b": make_card(make_arm(0.2))}, [LeftOut(EVIL, EVIL)])
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [value for _, given in page.tags for name, value in given.items() if name == "src"]
    assert not [name for _, given in page.tags for name in given if name.startswith("on")]


def test_simulated_cards_are_marked(tmp_path):
    cards = {name: make_card(make_arm(mean), simulated=True) for name, mean in (("a", 0.1), ("b", 0.2))}
    page, text = write(tmp_path, cards)
    assert "SIMULATED" in page.plain() and text.startswith("SIMULATED")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the page")
def test_a_browser_opens_it_on_a_phone(tmp_path):
    write(
        tmp_path, cohorts(0.1, 0.11, 0.1, 0.05) | {"n" * 60: make_card(make_arm(0.1))}, [LeftOut("m" * 80, "is none")]
    )
    (seen,) = look(tmp_path, ["pooled.html"])
    assert seen["width"] <= 390 and seen["wide"] == [] and seen["missing"] == [] and seen["asked"] == []
