"""The verdict card of an EEG run."""

from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from neurograft.eeg.card import fill_people_card
from neurograft.eeg.transfer import SOURCE, SPLIT, TASK

ROOT = Path(__file__).parents[2]
SETTINGS = {"simulated": False, "repeats": 1, "margin": {"balanced-accuracy": 0.02}, "variants": {}}


def make_rows():
    """Rows of a comparison: the judged space, and another."""
    rows = []
    for space in ("sensors", "template"):
        for strategy, n in (("frozen", 3), ("frozen", 10), ("frozen-random", 3)):
            row = {"task": TASK, "source": SOURCE, "strategy": strategy, "space": space, "split": SPLIT, "n": str(n)}
            row |= {"region": "", "metric": "balanced-accuracy", "better": "higher", "against": "scratch"}
            row |= {"patients": "6", "mean_difference": "0.0612345", "low": "0.01", "high": "0.11"}
            judged = space == "sensors" and strategy == "frozen" and n == 3
            rows.append(row | {"verdict": "helps" if judged else ""})
    return rows


def test_the_card_is_valid_and_has_the_judged_space_alone():
    split = {"classes": ["left hand", "right"], "people": {f"p{number}": {} for number in range(6)}}
    scores = [
        {"task": TASK, "space": space, "split": SPLIT, "fold": number, "seed": 0}
        for space in ("sensors", "template") for number in range(6)
    ]  # fmt: skip
    card = fill_people_card(make_rows(), scores, split, SETTINGS)
    schema = yaml.safe_load((ROOT / "workflow/schemas/verdict_card.schema.yaml").read_text())
    Draft202012Validator(schema).validate(card)
    (question,) = card["questions"]
    assert question["target"] == "left-hand-right" and question["split"] == "people"
    assert (question["folds"], question["patients"], question["sizes"]) == (6, 6, [3, 10])
    assert [(arm["strategy"], arm["source"], arm["n"], arm["verdict"], arm["steps"]) for arm in question["arms"]] == [
        ("frozen", "other-people.sensors", 3, "helps", None), ("frozen", "other-people.sensors", 10, "", None),
    ]  # fmt: skip
    assert "p0" not in str(card)
