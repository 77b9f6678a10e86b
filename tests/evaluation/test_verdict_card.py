"""The verdict card: filled from the tables of a run, and read with whatever lies in a folder."""

import json

import pytest

from helpers.fake_cards import make_arm, make_card
from helpers.running import ROOT
from neurograft.evaluation import verdict_card
from neurograft.evaluation.verdict_card import (
    Card,
    CardArm,
    CardError,
    CardQuestion,
    fill_verdict_card,
    find_cards,
    read_cards,
)

SCHEMA = verdict_card.read_schema(ROOT / "workflow/schemas/verdict_card.schema.yaml")
PATIENTS = ("Meier", "Schulz", "Weber")


def make_row(strategy="lp-ft", verdict="helps", **changes):
    row = {"task": "segmentation", "source": "efficientnet-lite0", "strategy": strategy, "space": "MNI152"}
    row |= {"split": "folds", "n": "all", "region": "WT", "metric": "dice", "against": "scratch", "patients": "3"}
    row |= {"mean_difference": "0.123456789", "low": "0.1", "high": "0.2", "verdict": verdict, "better": "higher"}
    return row | {"reason": "Meier was lucky", "detectable": "n/a"} | changes


def make_times(strategy, n="all", folds=3, seeds=(0,), steps="450"):
    row = {
        name: value for name, value in make_row(strategy, n=n).items() if name in ("task", "source", "space", "split")
    }
    row |= {"strategy": strategy, "n": n, "steps": steps}
    return [row | {"fold": str(fold), "seed": str(seed)} for fold in range(folds) for seed in seeds]


def make_split():
    task = {"trainable": True, "reason": "", "subjects": list(PATIENTS), "patients": {name: name for name in PATIENTS}}
    return {
        "tasks": {"segmentation": task, "classification": task | {"target": "Diagnose bei Dr. Meier", "classes": []}}
    }


CONFIG = {
    "dataset": {"layout": "bids", "root": "/home/meier/secret"},
    "split_cohort": {"folds": 3},
    "margin": {"dice": 0.02},
    "variants": {"last-layers-meier": {"method": "last-layers", "k": 2}},
    "report": {"title": "The patients of Dr. Meier"},
}


def fill(rows, times=(), config=CONFIG):
    return fill_verdict_card(rows, times, make_split(), verdict_card.take_settings(config))


def test_a_card_holds_what_was_found_and_is_as_its_schema_says():
    rows = [
        make_row(),
        make_row("frozen-random", verdict=""),
        make_row(against="frozen-random", verdict=""),
        make_row(n="2", verdict=""),
        make_row(region="TC", verdict=""),
        make_row("last-layers-meier", "undecided", standard_error="0.04", patient_spread="0.1", luck_spread="n/a"),
    ]
    card = fill(rows, [*make_times("lp-ft", seeds=(0, 1)), *make_times("lp-ft", n="2", steps="90")])
    assert verdict_card._find_fault(card, SCHEMA) == ""
    (question,) = card["questions"]
    assert (question["folds"], question["seeds"], question["patients"], question["margin"]) == (3, 2, 3, 0.02)
    assert question["sizes"] == ["all", 2]
    full, small, variant = question["arms"]
    assert (full["strategy"], full["n"], full["steps"], full["verdict"]) == ("lp-ft", "all", 450, "helps")
    assert full["mean_difference"] == 0.1235 and full["standard_error"] == pytest.approx(0.1 / 3.92, rel=1e-3)
    assert (small["n"], small["steps"], small["verdict"]) == (2, 90, "")
    assert (variant["strategy"], variant["parameters"], variant["steps"]) == ("last-layers", {"k": 2}, None)
    assert (variant["standard_error"], variant["patient_spread"], variant["luck_spread"]) == (0.04, 0.1, None)


def test_types_and_schema_have_the_same_fields():
    question = SCHEMA["properties"]["questions"]["items"]
    arm = question["properties"]["arms"]["items"]
    for kind, part in ((Card, SCHEMA), (CardQuestion, question), (CardArm, arm)):
        assert list(kind.__annotations__) == list(part["properties"]) == part["required"]
        assert part["additionalProperties"] is False


def test_nothing_of_a_patient_or_a_place_is_in_it():
    rows = [make_row(), make_row("last-layers-meier")]
    text = json.dumps(fill(rows, make_times("lp-ft"))).lower()
    for word in (*PATIENTS, "home", "secret", "lucky", "/", "dr."):
        assert word.lower() not in text
    assert len(text) < 4000
    # names that the user chose are cut to plain ones
    (question,) = fill([make_row(task="classification", region="", source="Klinik Süd/1")])["questions"]
    assert question["target"] == "Diagnose-bei-Dr.-Meier" and question["arms"][0]["source"] == "Klinik-S-d-1"


def test_without_a_verdict_the_card_is_empty_and_without_an_interval_the_error_is():
    assert fill([make_row(verdict="")])["questions"] == []
    (question,) = fill([make_row(verdict="refused", mean_difference="n/a", low="n/a", high="n/a")])["questions"]
    arm = question["arms"][0]
    assert arm["mean_difference"] is None and arm["standard_error"] is None
    assert verdict_card._find_fault(fill([make_row()]) | {"questions": [question]}, SCHEMA) == ""


def test_of_simulated_patients_it_says_so_and_no_margin_is_null():
    card = fill([make_row()], config={"dataset": {"layout": "phantom"}, "split_cohort": {"repeats": 3}})
    assert card["simulated"] is True and card["repeats"] == 3 and card["questions"][0]["margin"] is None


def test_folds_are_those_of_one_partition():
    rows = [row | {"fold": fold} for row in make_times("lp-ft")[:1] for fold in range(6)]
    config = {"dataset": {"layout": "bids"}, "split_cohort": {"repeats": 3}, "margin": {}}
    card = fill([make_row()], rows, config=config)
    assert card["repeats"] == 3 and card["questions"][0]["folds"] == 2


def write(folder, **cards):
    """Write cards by name; text is written as it is."""
    for name, card in cards.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(card if isinstance(card, str) else json.dumps(card), encoding="utf-8")
    return read_cards(find_cards(folder), folder, SCHEMA)


GOOD = make_card(make_arm(0.03))


def spoil(**changes):
    return json.dumps(GOOD | changes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no verdict card"),
        ('{"a": 1}', "is no verdict card"),
        (spoil(format=2), "has format 2, and this version of neurograft reads 1"),
        (spoil(format="x" * 1000), "has format"),
        (spoil(patient="Meier"), "the top level: Additional properties are not allowed"),
        (spoil(questions=[]), "compares nothing"),
        (spoil(questions=3), "questions: 3 is not of type 'array'"),
        (json.dumps(make_card(make_arm(), margin=0)), "questions.0.margin: "),
        (json.dumps(make_card(make_arm(error=-0.1))), "questions.0.arms.0.standard_error: "),
        (json.dumps(make_card(make_arm(source="../home/meier"))), "questions.0.arms.0.source: "),
        (json.dumps(make_card(make_arm(verdict="Meier"))), "questions.0.arms.0.verdict: "),
        (json.dumps(make_card(make_arm(float("nan")))), "is no JSON"),
        (json.dumps(make_card(make_arm(), make_arm(0.05))), "stands in it twice"),
        (json.dumps(GOOD | {"questions": GOOD["questions"] * 2}), "a question stands in it twice"),
        (" " * 1_000_001, "is larger than any card"),
    ],
)
def test_what_is_no_card_is_named_in_one_line_and_bars_no_other(tmp_path, text, reason):
    cards, left_out = write(tmp_path, good=GOOD, bad=text)
    assert [named.name for named in cards] == ["good"]
    assert [left.name for left in left_out] == ["bad"]
    assert reason in left_out[0].reason and "\n" not in left_out[0].reason and len(left_out[0].reason) < 300


def test_bytes_that_are_no_text_are_no_card(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    cards, left_out = write(tmp_path, good=GOOD)
    assert len(cards) == 1 and "is no JSON" in left_out[0].reason


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert len(write(tmp_path, good="\ufeff" + json.dumps(GOOD))[0]) == 1


def test_the_same_card_counts_once_even_with_another_version(tmp_path):
    cards, left_out = write(
        tmp_path, a=GOOD, b=GOOD | {"versions": {"neurograft": "0.2.0"}}, c=make_card(make_arm(0.04))
    )
    assert [named.name for named in cards] == ["a", "c"]
    assert [(left.name, left.reason) for left in left_out] == [("b", "is the same card as a; a cohort counts once")]


def test_simulated_cards_stay_out_among_real_ones_and_are_pooled_among_themselves(tmp_path):
    fake = [make_card(make_arm(mean), simulated=True) for mean in (0.01, 0.02)]
    cards, left_out = write(tmp_path / "mixed", real=GOOD, fake=fake[0])
    assert [named.name for named in cards] == ["real"] and "simulated" in left_out[0].reason
    cards, left_out = write(tmp_path / "fake", a=fake[0], b=fake[1])
    assert len(cards) == 2 and not left_out


def test_cohorts_are_named_by_file_or_folder(tmp_path):
    write(tmp_path, **{"berlin": GOOD, "paris/results/verdict_card": GOOD, "rome/verdict_card": GOOD})
    write(tmp_path, **{"rome": GOOD, "rome/other": "{}", ".hidden": "{", "._rome": "{", ".x/verdict_card": "{"})
    paths = find_cards(tmp_path)
    names = verdict_card._name_cohorts(paths, tmp_path)
    assert sorted(names) == ["berlin", "paris", "rome", "rome/verdict_card.json"]


def test_a_folder_without_cards_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CardError, match="holds no card; copy each cohort's"):
        find_cards(tmp_path)
    with pytest.raises(CardError, match="is no folder"):
        find_cards(tmp_path / "notes.txt")
    with pytest.raises(CardError, match="3 is no folder"):
        find_cards(3)
    for nothing in (None, "", {}, []):
        with pytest.raises(CardError, match="name the folder of the cards"):
            find_cards(nothing)
