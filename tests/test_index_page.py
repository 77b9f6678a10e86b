"""The report's first page: its numbers are those of the run."""

from fake_run import make_run
from pages import write


def test_cells_that_could_not_be_trained_are_named_with_their_reason(tmp_path):
    run = make_run()
    run["cells"][0] |= {"trained": False, "reason": "nobody to learn from", "history": []}
    assert "cells not trained: nobody to learn from" in write(tmp_path / "report", **run).plain()


def test_every_subject_is_in_the_index_once_and_leads_to_its_page(tmp_path):
    run = make_run(patients=4, unlabelled=1, excluded=2)
    page = write(tmp_path / "report", **run)
    table = [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("sub-")]
    for row in run["cohort"]:
        assert f"sub-{row['participant_id']}.html" in table
    assert {link.split("#")[0] for link in table} == {f"sub-{row['participant_id']}.html" for row in run["cohort"]}
