"""The target `pool`, as a user asks for it, and the card that a whole run writes."""

import json

from helpers.fake_cards import make_arm, make_card
from helpers.running import ROOT, rows, snakemake
from neurograft.evaluation import verdict_card


def test_cards_of_several_cohorts_become_a_table_a_page_and_an_answer(tmp_path):
    cards = tmp_path / "cards of mine"
    for number, mean in enumerate((0.10, 0.11, 0.09)):
        (cards / f"c{number}/results").mkdir(parents=True)
        card = make_card(make_arm(mean, 0.005))
        (cards / f"c{number}/results/verdict_card.json").write_text(json.dumps(card))
    (cards / "broken.json").write_text("{")
    text = snakemake(tmp_path, "--cores", 1, "--config", f"cards={cards}", targets=["pool"])
    assert "Over 3 cohorts, transfer helps on average: lp-ft" in text
    assert "Left out: broken is no JSON" in text
    (row,) = rows(tmp_path / "results/pooled.tsv")
    assert (row["cohorts"], row["verdict"]) == ("3", "helps")
    assert "<svg" in (tmp_path / "results/pooled.html").read_text()
    # another card makes it run again, and nothing asks for a dataset
    (cards / "new.json").write_text(json.dumps(make_card(make_arm(0.12, 0.004))))
    planned = snakemake(tmp_path, "-n", "--config", f"cards={cards}", targets=["pool"])
    assert "rule pool_verdicts" in planned and "new.json" in planned


def test_without_cards_it_says_what_to_give(tmp_path):
    text = snakemake(tmp_path, "-n", "--config", "cards=nowhere", targets=["pool"], check=False)
    assert "cards: nowhere is no folder; name the one that holds the cards of the cohorts" in text
    assert "--config cards=DIR" in snakemake(tmp_path, "-n", targets=["pool"], check=False)


def test_a_run_writes_its_card_without_its_patients(finished):
    path = finished / "results/verdict_card.json"
    schema = verdict_card.read_schema(ROOT / "workflow/schemas/verdict_card.schema.yaml")
    card = json.loads(path.read_text())
    assert verdict_card._find_fault(card, schema) == "" and card["simulated"] and card["questions"]
    for row in rows(finished / "results/cohort.tsv"):
        assert row["participant_id"] not in path.read_text()
    assert str(finished) not in path.read_text()
