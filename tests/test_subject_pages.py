"""The pages of single subjects: what is known of each, and nothing of another."""

from fake_run import make_run
from pages import Page, draw, write

from neurograft import report, subject_pages


def test_a_subject_page_says_what_is_known(tmp_path):
    run = make_run()
    run["pictures"] = draw(tmp_path, ["CBICA003"])
    report.write_report(tmp_path / "report", **run)
    page = Page(tmp_path / "report" / "sub-CBICA003.html").plain()
    for words in ("registration: similarity is low", "outlier", "Delivered segmentation", "lp-ft", "Good", "age"):
        assert words in page
    assert run["cohort"][-1]["reason"] in Page(tmp_path / "report" / "sub-BAD1.html").plain()


def test_a_page_says_that_its_patient_was_in_the_pretraining_of_the_delivered_networks(tmp_path):
    run = make_run(unlabelled=2)
    for cell in run["cells"]:
        cell["pretrained_on"] = {"lp-ft": ["UNL000"], "frozen": ["UNL001"]}.get(cell["strategy"], [])
    report.write_report(tmp_path / "report", **run)
    for name, seen in (("UNL000", True), ("UNL001", False)):
        assert ("seen in pretraining" in Page(tmp_path / f"report/sub-{name}.html").plain()) == seen


def test_who_lacks_a_sequence_is_named_in_the_index_and_on_the_page(tmp_path):
    run = make_run(patients=8, unlabelled=1)
    run["splits"]["tasks"]["segmentation"]["incomplete"] = {"UNL000": ["t2"]}
    page, words = write(tmp_path / "report", **run), "without t2: predicted from t1c, flair"
    for said in (words, "1 lack a sequence that the networks take: UNL000", "1 subjects lacked a sequence"):
        assert said in page.plain(), said
    assert words in Page(tmp_path / "report/sub-UNL000.html").plain()
    assert "lack" not in Page(tmp_path / f"report/sub-{run['cohort'][0]['participant_id']}.html").plain()


def test_pages_lead_to_their_neighbours_and_to_the_index(tmp_path):
    run = make_run(patients=3, excluded=1)
    write(tmp_path / "report", **run)
    pages = [f"sub-{row['participant_id']}.html" for row in run["cohort"]]
    for before, here, after in zip([None, *pages], pages, [*pages[1:], None], strict=False):
        links = [attrs["href"] for tag, attrs in Page(tmp_path / "report" / here).tags if tag == "a"]
        neighbours = list(dict.fromkeys(link for link in links if link in pages))
        assert neighbours == [page for page in (before, after) if page]
        assert any(link.startswith("index.html") for link in links)


def test_the_table_of_subjects_has_a_row_for_everybody_with_the_cohorts_own_columns():
    run = make_run()
    run |= {"strategy": "lp-ft", "source": "efficientnet-lite0"}
    told = subject_pages.list_rows(run)
    assert [row["subject"] for row in told["rows"]] == [row["participant_id"] for row in run["cohort"]]
    assert [row["included"] for row in told["rows"]] == [row["included"] == "true" for row in run["cohort"]]
    assert "age" in told["extra"] and not set(told["extra"]) & set(subject_pages.FIXED)
    reasons = {row["participant_id"]: row["reason"] for row in run["cohort"]}
    assert all(reasons[row["subject"]] in row["notes"] for row in told["rows"])
