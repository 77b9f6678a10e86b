"""The reviewers' checklist: complete, answered by the run's own numbers, and spoilt by any change by hand."""

import json
import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fake_run import make_run
from helpers.fake_transfer import add_transfer
from helpers.pages import Page
from neurograft.report.chapters import checklist
from neurograft.report.pages import write_report
from neurograft.report.results import Results

# the items of the two checklists
TRIPOD = {
    *("1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c", "9a", "9b", "9c", "10"),
    *("11", "12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14", "15", "16", "17", "18a", "18b", "18c", "18d"),
    *("18e", "18f", "19", "20a", "20b", "20c", "21", "22", "23a", "23b", "24", "25", "26", "27a", "27b", "27c"),
}
CLAIM = {str(number) for number in range(1, 45)}


@cache
def made():
    run = make_run(unlabelled=2)
    return Results(**(add_transfer(run) or run))


@cache
def filled():
    return checklist.fill_checklist(made())


def listed(key):
    return {number for row in filled() for number in re.findall(r"\w+", row[key])}


def answers():
    return {row["id"]: row["answer"] for row in filled()}


def test_every_item_of_both_checklists_is_asked_and_no_other():
    assert listed("tripod") == TRIPOD
    assert listed("claim") == CLAIM


def test_every_answer_is_asked_for_and_every_item_is_one_of_its_kind():
    items = [item for part in checklist.read_checklist() for item in part["items"]]
    assert {item["answer"] for item in items if "answer" in item} == set(checklist.ANSWERS)
    assert len({item["id"] for item in items}) == len(items)
    assert all("answer" in item or "authors" in item for item in items)
    assert {row["state"] for row in filled()} <= set(checklist.STATES)


def test_answers_are_those_of_the_run():
    run, told = made(), answers()
    assert told["eligibility"].startswith("Of 14 subjects 12 were included and 2 excluded")
    assert "sex M 7, F 3" in told["characteristics"] and "no column grade" in told["characteristics"]
    assert "scratch, frozen-random" in told["transfer-compared"]
    assert "all (8) training patients of 10" in told["transfer-size"]
    assert run.splits["hash"][:12] in told["division"] and "5 folds" in told["division"]
    assert f"{len(run.recommendation['choices'])}" in told["selection"]
    assert "differential privacy" in told["privacy"] and "0." in told["privacy"]
    assert "lp-ft from efficientnet-lite0, WT Dice" in told["performance"]


def test_a_long_answer_is_a_list(tmp_path):
    write_report(tmp_path / "report", made())
    html = (tmp_path / "report/checklist.html").read_text()
    (row,) = [row for row in filled() if row["id"] == "numbers"]
    parts = row["answer"].split("; ")
    assert len(parts) > checklist.LISTED and all(f"<li>{part}</li>" in html for part in parts)


def test_a_run_without_a_control_says_that_the_question_is_open():
    run = make_run()
    run["cells"] = [cell for cell in run["cells"] if cell["strategy"] != "frozen-random"]
    rows = {row["id"]: row for row in checklist.fill_checklist(Results(**run))}
    assert "Not run: frozen-random" in rows["transfer-compared"]["answer"]


def test_a_run_that_trained_nothing_has_answers_too():
    run = make_run()
    for name in ("scores", "comparison", "times"):
        run[name] = []
    run["cells"] = [cell | {"trained": False, "reason": "nobody to learn from", "history": []} for cell in run["cells"]]
    rows = {row["id"]: row for row in checklist.fill_checklist(Results(**run))}
    assert "nobody to learn from" in rows["failures"]["answer"]
    assert rows["performance"]["state"] == "not answered" and rows["performance"]["answer"] == checklist.NOT_KNOWN


def test_the_page_shows_every_item_and_the_written_list_holds(tmp_path):
    write_report(tmp_path / "report", made())
    page = Page(tmp_path / "report/checklist.html")
    assert {attrs["id"] for tag, attrs in page.tags if tag == "dt"} == {row["id"] for row in filled()}
    told = checklist.verify_checklist(tmp_path / "report" / checklist.FILE, made())
    assert f"{len(filled())} items" in told


@given(
    st.integers(0, len(filled()) - 1),
    st.sampled_from(["answer", "state", "asks", "authors", "claim", "from"]),
    st.text(),
)
def test_any_changed_field_is_named(place, field, words):
    rows = [dict(row) for row in filled()]
    if rows[place][field] != words:
        rows[place][field] = words
        (line,) = checklist.list_differences(rows, filled())
        assert line.startswith(f"{rows[place]['id']}, {field}: says")


def test_items_that_were_taken_out_added_or_doubled_are_named():
    rows = filled()
    assert checklist.list_differences(rows, rows) == []
    assert checklist.list_differences(rows[1:], rows) == ["title: is missing"]
    assert checklist.list_differences([*rows, {"id": "mine"}], rows) == ["mine: nobody asks this"]
    assert checklist.list_differences([*rows, rows[0]], rows) == ["title: is there 2 times"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"items": 3}', '{"items": [1]}'])
def test_what_is_no_checklist_is_said_to_be_none(tmp_path, text):
    path = tmp_path / "checklist.json"
    path.write_text(text)
    with pytest.raises(checklist.EditedError, match="no checklist any more"):
        checklist.verify_checklist(path, made())


def test_a_changed_answer_fails_with_both_answers(tmp_path):
    write_report(tmp_path / "report", made())
    path = tmp_path / "report" / checklist.FILE
    content = json.loads(path.read_text())
    content["items"][4]["answer"] = "900 sites."
    path.write_text(json.dumps(content))
    with pytest.raises(checklist.EditedError, match=r"900 sites.*the run says.*3 sites"):
        checklist.verify_checklist(path, made())
