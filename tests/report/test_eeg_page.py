"""The page of an EEG run: two answers, kept apart."""

import pytest

from neurograft.core import tables
from neurograft.eeg import findings
from neurograft.eeg.transfer import SOURCE, SPLIT, TASK
from neurograft.evaluation.comparison import COMPARISON
from neurograft.report import eeg_page

SETTINGS = {"title": "Do they help?", "simulated": True, "spaces": ["sensors", "cortex"], "known": 20, "rows": []}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The tables of a run in which others' trials help, and anatomy does not, as text."""
    folder, rows = tmp_path_factory.mktemp("tables"), []
    means = {"scratch": (0.6, 0.7, 0.8), "frozen": (0.75,) * 3, "frozen-random": (0.5,) * 3}
    for person in range(12):
        for space in ("sensors", "cortex"):
            for strategy, values in means.items():
                for n, mean in zip((3, 5, 10), values, strict=True):
                    arm = {"task": TASK, "source": SOURCE, "strategy": strategy, "space": space, "split": SPLIT, "n": n}
                    own = 0.0 if strategy == "scratch" else 0.01 * ((person * 7 + len(space)) % 5 - 2)
                    rows.append(arm | {
                        "fold": person, "seed": 0, "subject": f"p{person}", "region": "",
                        "metric": "balanced-accuracy", "value": mean + 0.01 * (person % 4) + own,
                    })  # fmt: skip
    made = findings.assess(rows, {"balanced-accuracy": 0.02}, ["sensors", "cortex"])
    columns = {"comparison": COMPARISON, "labels_saved": findings.LABELS_SAVED}
    columns |= {"anatomy": findings.ANATOMY, "means": findings.MEANS}
    for name, header in columns.items():
        tables.write_table(folder / f"{name}.tsv", getattr(made, name), header)
    return {name: tables.read_table(folder / f"{name}.tsv") for name in eeg_page.TABLES}


def test_the_answer_is_of_donors_and_anatomy_has_one_of_its_own(found, tmp_path):
    eeg_page.write_eeg_page(tmp_path / "index.html", tmp_path / "answer.txt", found, SETTINGS)
    first, answer, anatomy = (tmp_path / "answer.txt").read_text().splitlines()
    assert first == "SIMULATED people."
    assert answer.startswith(
        "Others' trials help (1 of 1 ways of learning from them). In points of balanced accuracy over 3 own trials"
    )
    assert "others' trials +15" in answer and answer.endswith("; 12 people.")
    assert "anatomy" not in answer.lower() and "through each person's own cortex less sensor by sensor" in anatomy
    assert "helps" not in anatomy and "known to 20 degrees" in anatomy
    page = (tmp_path / "index.html").read_text()
    assert page.count("<svg") == 2 and "SIMULATED people" in page and "labels shuffled" in page


def test_whoever_is_left_out_is_on_the_page(found):
    people = eeg_page.list_people(
        ["a", "b"], [{"trials": 40, "dropped": {"F3": "flat"}}, {"fault": "gone"}],
        [{"fault": "", "flags": ["4.4 % drawn in"]}, {"fault": ""}],
        {"people": {"a": {}}, "left_out": {"b": "gone"}}, {"c": "excluded by hand: asleep"},
    )  # fmt: skip
    assert [row["included"] for row in people] == [True, False, False] and people[0]["dropped"] == "F3: flat"
    values = eeg_page.fill_page(found, SETTINGS | {"rows": people})
    assert values["odd_heads"] == ["a: 4.4 % drawn in."]
    assert values["left_out"] == ["b: gone.", "c: excluded by hand: asleep."] and values["count"] == 1


def test_claims_have_their_figures(found):
    claims = {row["claim"]: row for row in eeg_page.list_claims(found)}
    assert "frozen: +15" in claims["Better performance"]["figure"]
    assert claims["Better performance"]["verdict"] == "helps"
    assert claims["Fewer labels"]["state"] == "measured" and "with 0 own" in claims["Fewer labels"]["figure"]
    empty = dict.fromkeys(eeg_page.TABLES, ())
    assert {row["state"] for row in eeg_page.list_claims(empty)} == {"not measured"}


def test_all_that_help_are_named_and_not_the_best_alone():
    row = {"n": "3", "patients": "16", "low": "0.01", "high": "0.2", "reason": "", "verdict": "helps"}
    judged = [
        row | {"strategy": "frozen", "mean_difference": "0.06"},
        row | {"strategy": "fine-tune", "mean_difference": "0.09"},
        row | {"strategy": "adabn", "mean_difference": "0.12", "verdict": "undecided"},
    ]
    kind, answer = eeg_page.answer_question(judged)
    assert kind == "helps" and "2 of 3" in answer and "+6.0" in answer and "+9.0" in answer and "+12.0" not in answer
    kind, answer = eeg_page.answer_question(judged[2:])
    assert kind == "undecided" and "(transductive) +12.0" in answer


def test_a_control_that_is_no_worse_is_not_called_a_proof():
    row = {
        "strategy": "frozen-random",
        "metric": "balanced-accuracy",
        "space": "sensors",
        "against": "scratch",
        "n": "3",
    }
    worse, alike = (row | {"mean_difference": "-0.1", "low": "-0.2", "high": high} for high in ("-0.05", "0.02"))
    assert eeg_page.describe_control([worse], "sensors").endswith("no gain comes from anything but their labels.")
    assert "need not come from their labels" in eeg_page.describe_control([alike], "sensors")


def test_a_reason_speaks_of_people():
    assert eeg_page.say_people("it would take about 484 patients in 35 folds") == "it would take about 484 people"


def test_nothing_compared_is_said():
    assert eeg_page.answer_question([]) == ("nothing", "Nothing was compared with own trials.")
