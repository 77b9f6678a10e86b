"""The report's first page: its numbers are those of the run."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.browser import CHROMIUM, look
from helpers.fake_run import EVIL, Experiment, make_run
from helpers.fake_transfer import add_transfer
from helpers.pages import Page, draw, nothing_trained, write
from helpers.report_chapters import CHAPTERS
from neurograft.core import tables
from neurograft.report import guidance
from neurograft.report.chapters import claims
from neurograft.report.pages import FIXED, list_rows, write_report
from neurograft.report.results import Results


def test_cells_that_could_not_be_trained_are_named_with_their_reason(tmp_path):
    run = make_run()
    run["cells"][0] |= {"trained": False, "reason": "nobody to learn from", "history": []}
    assert "networks not trained: nobody to learn from" in write(tmp_path / "report", **run).plain()


def test_every_subject_is_in_the_index_once_and_leads_to_its_page(tmp_path):
    run = make_run(patients=4, unlabelled=1, excluded=2)
    page = write(tmp_path / "report", **run)
    table = [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("sub-")]
    for row in run["cohort"]:
        assert f"sub-{row['participant_id']}.html" in table
    assert {link.split("#")[0] for link in table} == {f"sub-{row['participant_id']}.html" for row in run["cohort"]}


def test_a_flagged_subject_with_a_mask_is_told_on_top_of_the_page(tmp_path):
    run = make_run()
    flagged = next(row["subject"] for row in run["quality"] if row["flags"])
    words = "made all the same, from what there is"
    write(tmp_path / "before", **run)
    assert words not in (tmp_path / f"before/sub-{flagged}.html").read_text()
    task = run["splits"]["tasks"]["segmentation"]
    task["left_out"], task["unlabelled"] = {flagged: "quality: x"}, [*task["unlabelled"], flagged]
    write(tmp_path / "after", **run)
    assert words in (tmp_path / f"after/sub-{flagged}.html").read_text()


def test_what_was_found_is_a_page_of_its_own(tmp_path):
    run = make_run(patients=4)
    subject = run["cohort"][0]["participant_id"]
    file = {"kind": "t1", "file": f"/d/{EVIL}/t1.nii", "shape": "4 x 5 x 6", "size_mm": "1 x 1 x 1"}
    row = {
        "subject": subject,
        "name": subject,
        "included": True,
        "reason": "",
        "notes": ["t1: took a"],
        "files": [file],
    }
    run["check"] = {
        "layout": "bids", "roots": ["/d"], "counts": {"found": 2, "waiting": 1, "labelled": 1}, "kinds": {"t1": 1},
        "sites": {"Bern": 1}, "releases": {"brats2018": 1}, "columns": [], "idle": ["x/*"],
        "subjects": [row, row | {"subject": "zz", "included": False, "reason": "waits for you"}],
        "unused": [{"pattern": "*/*_ADC.nii", "count": 7, "example": "/d/a_ADC.nii", "advice": "nothing to do"}],
    }  # fmt: skip
    assert 'href="check.html"' in (write(tmp_path / "report", **run) and (tmp_path / "report/index.html").read_text())
    page = Page(tmp_path / "report" / "check.html")
    for words in (
        "2 subjects in /d",
        "zz: waits for you",
        "*/*_ADC.nii",
        "t1: took a",
        "4 x 5 x 6",
        "x/*",
        "brats2018",
    ):
        assert words in page.plain(), words
    assert EVIL not in (tmp_path / "report/check.html").read_text()


# the tables that a run may lack
OPTIONAL = {"labels_saved", "time_saved", "overfitting", "generalisation", "layers", "features", "privacy", "fairness"}
OPTIONAL |= {"transfer_scores", "audit", "error_rates"}


@pytest.fixture(scope="module")
def full():
    """Return a run with every optional table, two training sizes, another space and another split."""
    places = (("MNI152", "folds"), ("native", "folds"), ("MNI152", "sites"))
    return add_transfer(make_run(patients=8, experiment=Experiment(folds=4, sizes=("2", "all"), places=places)))


def test_every_chapter_and_every_subject(tmp_path):
    run = make_run()
    run["pictures"] = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    write_report(tmp_path / "report", Results(**run))
    page = Page(tmp_path / "report" / "index.html")
    html = (tmp_path / "report" / "index.html").read_text()
    for chapter in CHAPTERS:
        assert f"<h2>{chapter}</h2>" in html
    for row in run["cohort"]:
        assert row["participant_id"] in page.text and row["reason"] in page.plain()
        assert (tmp_path / "report" / f"sub-{row['participant_id']}.html").exists()
    for link in [attrs["href"] for tag, attrs in page.tags if tag == "a" and not attrs["href"].startswith("http")]:
        assert (link.startswith("#") and f'id="{link[1:]}"' in html) or (
            tmp_path / "report" / link.split("#")[0]
        ).exists()
    for source in [attrs["src"] for tag, attrs in page.tags if tag == "img"]:
        assert (tmp_path / "report" / source).exists()
    assert "ab12" * 16 in html and "Apache-2.0" in html and "5f3a" * 16 in html and "2.13.0" in html


def test_repeated_partitions_are_named_and_no_further_patients(tmp_path):
    run = make_run(experiment=Experiment(folds=3, repeats=2))
    judged = [row for row in run["comparison"] if row["verdict"]]
    assert judged and {(row["patients"], row["folds"]) for row in judged} == {(10, 6)}
    write_report(tmp_path / "report", Results(**run))
    text = Page(tmp_path / "report" / "index.html").plain()
    assert "3 folds by patient, 2 times anew" in text and "3 stratified folds, 2 times anew, because" in text


def test_data_never_become_markup(tmp_path):
    run = make_run()
    for row in run["cohort"]:
        row |= {EVIL: EVIL, "site": EVIL}
    run["cohort"][-1]["reason"] = EVIL
    run["quality"][0] |= {"flags": EVIL, EVIL: "1.5"}
    run["cohort"][0]["participant_id"] = run["quality"][0]["subject"] = "X" + EVIL
    run["splits"]["tasks"]["segmentation"]["left_out"] = {EVIL: EVIL}
    run["versions"][EVIL] = run["sources"][0]["citation"] = run["title"] = EVIL
    run["candidates"][EVIL] = {"flags": [EVIL]}
    for cell in run["cells"][:3]:
        cell["seed"] = EVIL
    write_report(tmp_path / "report", Results(**run))
    pages = sorted((tmp_path / "report").glob("*.html"))
    assert len(pages) == 3 + len(run["cohort"])
    for path in pages:
        page = Page(path)
        assert not [tag for tag, attrs in page.tags if tag == "script" or any(name.startswith("on") for name in attrs)]
        assert not [attrs for tag, attrs in page.tags if tag == "img" and attrs["src"] == "x"]
        assert EVIL in page.text


def tags_with_note(folder, note):
    """Return the tags of the page of a subject whose cohort row holds a note."""
    run = make_run(patients=0, unlabelled=1, excluded=0, experiment=Experiment(gains={}))
    run["cohort"][0]["note"] = note
    write_report(folder, Results(**run))
    return Page(folder / "sub-UNL000.html").tags


def test_any_text_comes_out_as_text(tmp_path):
    plain = tags_with_note(tmp_path / "plain", "harmless")

    @settings(max_examples=10, deadline=None)
    @given(note=st.text(min_size=1, max_size=40))
    def holds(note):
        assert tags_with_note(tmp_path / "report", note) == plain

    holds()


def test_results_without_a_place_are_refused():
    with pytest.raises(TypeError, match="histories"):
        Results(histories=[])


def test_nothing_but_the_folder_is_ever_asked_for(tmp_path):
    write(tmp_path / "report")
    for path in (tmp_path / "report").glob("*.html"):
        page = Page(path)
        policy = next(
            attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"
        )
        assert "default-src 'none'" in policy and "script" not in policy
        for tag, attrs in page.tags:
            wanted = [attrs.get("src"), attrs.get("srcset"), attrs.get("href") if tag == "link" else None]
            assert not [url for url in wanted if url and re.match(r"(https?:)?//", url)]
        assert "url(" not in path.read_text() and "@import" not in path.read_text()


def test_nothing_trained_says_why_and_shows_the_rest(tmp_path):
    page = write(tmp_path / "report", **nothing_trained()).plain()
    assert "No network was trained: 0 labelled subjects, at least 5 are needed." in page
    assert "There are no scores." in page and "There is nothing to compare." in page
    assert "Brain mask volume" in Page(tmp_path / "report/quality.html").plain()


def test_almost_empty_runs(tmp_path):
    write(tmp_path / "none", **{name: [] for name in ("cohort", "quality", "scores", "comparison", "times", "cells")})
    write_report(tmp_path / "bare", Results())
    write_report(
        tmp_path / "one", Results(**make_run(patients=0, unlabelled=1, excluded=0, experiment=Experiment(gains={})))
    )
    write_report(
        tmp_path / "bad", Results(**make_run(patients=0, unlabelled=0, excluded=1, experiment=Experiment(gains={})))
    )
    page = write(tmp_path / "unscored", scores=[], comparison=[]).plain()
    assert "There is nothing to compare yet." in page
    untrained = [cell | {"trained": False, "history": []} for cell in make_run()["cells"]]
    write(tmp_path / "untrained", scores=[], comparison=[], times=[], cells=untrained)
    assert (tmp_path / "one" / "sub-UNL000.html").exists()


def test_a_full_run_shows_what_transfer_bought_and_changed(full, tmp_path):
    plain = write(tmp_path / "report", **full).plain()
    transfer = guidance.read_guidance().transfer
    chapter = plain.split("What transfer gained, and what it changed")[1].split("All subjects")[0]
    for words in (text for name in ("curves", "layers", "audit") for text in transfer[name].values()):
        assert words in chapter
    for name in ("all (6)", "encoder.blocks.5.29.conv", "MNI152, sites", "fold 0, seed 0", "do not use", "sex"):
        assert name in chapter
    assert "Chaves et al. 2023" in chapter and "Not measured" not in chapter and "Not shown" not in chapter
    assert "with 10 patients in 5 folds and 3 comparisons" in plain
    for claim, _, how, _ in claims.CLAIMS:
        assert claim in plain
        # what was not measured is one line
        assert how.format(whole="Whole-tumour") in plain or claim == "Better use of data"
    assert claims.RULE in plain


def test_what_was_not_measured_says_so(tmp_path):
    write(tmp_path / "report")
    html = (tmp_path / "report/index.html").read_text()
    chapter = html.split('<section id="transfer">')[1].split('<section id="overlays">')[0]
    assert chapter.count("Not measured: ") == 6 and "Not shown: only one training size" in chapter
    assert "Not audited: " in chapter and "This run has only one space and one split." in chapter
    assert "Not simulated in this run." in html


def test_the_claims_are_a_table_too(full, tmp_path):
    write(tmp_path / "report", **full)
    rows = tables.read_table(tmp_path / "report/claims.tsv")
    assert [list(row) for row in rows] == [list(claims.COLUMNS)] * 11
    told = [row["verdict"].replace("\n", " ") for row in claims.list_claims(Results(**full))]
    assert told == [row["verdict"] for row in rows]


def test_other_spaces_never_touch_the_main_answer(full, tmp_path):
    home = {
        name: [row for row in full[name] if (row["space"], row["split"]) == ("MNI152", "folds")]
        for name in ("scores", "comparison", "times", "cells")
    }
    chapters = []
    for name, changes in (("full", {}), ("home", home)):
        write(tmp_path / name, **(full | changes))
        html = (tmp_path / name / "index.html").read_text()
        chapters.append(html.split('<section id="results">')[1].split('<section id="transfer">')[0])
    assert chapters[0] == chapters[1]


def test_tables_read_back_from_text_give_the_same_report(full, tmp_path):
    write(tmp_path / "a", **full)
    read = {}
    for name in ("scores", "comparison", "times", "quality", "intensities", *sorted(OPTIONAL)):
        tables.write_table(tmp_path / "table.tsv", full[name])
        read[name] = tables.read_table(tmp_path / "table.tsv")
        assert read[name]
    write(tmp_path / "b", **(full | read))
    for page in ("index.html", "quality.html"):
        assert (tmp_path / "a" / page).read_bytes() == (tmp_path / "b" / page).read_bytes()


def test_names_in_the_tables_of_transfer_never_become_markup(full, tmp_path):
    run = dict(full)
    for name in OPTIONAL - {"error_rates"}:
        texts = {"source", "reason", "layer", "attribute", "worst", "groups", "verdict", "score", "interval", "answer"}
        run[name] = [row | {key: EVIL for key in row if key in texts} for row in full[name]]
    page = write(tmp_path / "report", **run)
    assert not [tag for tag, attrs in page.tags if tag == "script" or any(key.startswith("on") for key in attrs)]
    assert page.text.count(EVIL) > 50


def test_time_points_of_one_patient_count_once(tmp_path):
    run = make_run(patients=10, experiment=Experiment(gains={"scratch": 0, "lp-ft": 0.03}))
    for task in run["splits"]["tasks"].values():
        task["patients"] = {subject: f"P{number // 2}" for number, subject in enumerate(task["subjects"])}
    page = write(tmp_path / "report", **run).plain()
    html = (tmp_path / "report/index.html").read_text()
    rows = html.split('id="results"')[1].split('id="comparison"')[0].split("<tr>")
    assert len([row for row in rows if '<td class="number">all</td><td class="number">5</td>' in row]) == 4
    assert "of 5 patients score lower than with scratch" in page


def test_classes_of_slices_are_not_sold_as_diagnoses(tmp_path):
    assert "No diagnosis of patients was classified" in write(tmp_path).plain()


def test_simulated_is_said_on_every_page(tmp_path):
    write(tmp_path / "report", **make_run(simulated=True))
    for path in (tmp_path / "report").glob("*.html"):
        assert "SIMULATED patients" in Page(path).text and "(simulated)</title>" in path.read_text()
    assert "says nothing about real patients" in Page(tmp_path / "report/index.html").plain()
    write(tmp_path / "real")
    assert "SIMULATED" not in Page(tmp_path / "real/index.html").text


def test_a_report_that_fails_leaves_the_old_one(tmp_path):
    write(tmp_path / "report")
    before = (tmp_path / "report/index.html").read_bytes()
    run = make_run()
    run["cohort"][1]["participant_id"] = "CBICA-003"
    with pytest.raises(ValueError, match=r"share the page sub-CBICA003\.html"):
        write_report(tmp_path / "report", Results(**run))
    run["cohort"] = [{"participant_id": "a"}]
    with pytest.raises(KeyError):
        write_report(tmp_path / "report", Results(**run))
    assert (tmp_path / "report/index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_300_subjects_stay_small(tmp_path):
    run = add_transfer(make_run(patients=290, unlabelled=10, excluded=5, compared=False))
    run["pictures"] = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    write_report(tmp_path / "report", Results(**run))
    assert (tmp_path / "report/index.html").stat().st_size < 2_000_000
    assert (tmp_path / "report/quality.html").stat().st_size < 1_000_000


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the report")
def test_a_browser_opens_it_on_a_phone(tmp_path):
    run = make_run()
    for row in run["cohort"]:
        row["note"] = "averylongwordwithoutanybreak" * 6
    run["pictures"] = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    write_report(tmp_path / "report", Results(**add_transfer(run)))
    pages = ("index.html", "sub-CBICA003.html", "sub-BAD1.html", "quality.html")
    found = look(tmp_path / "report", pages)
    assert found[0]["headings"] == list(CHAPTERS) and len(found) == 4
    for seen in found:
        assert seen["width"] <= 390 and seen["wide"] == []
        assert seen["missing"] == [] and all(url.startswith(("file:", "data:")) for url in seen["asked"])


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_browser_sees_what_is_too_wide_and_what_is_missing(tmp_path):
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(tmp_path / "there.png")
    page = '<!doctype html><main><h2>A & B</h2><img src="there.png" loading="lazy">'
    (tmp_path / "good.html").write_text(page)
    (tmp_path / "bad.html").write_text(page + '<img src="gone.png" loading="lazy"><p style="width:500px">wide')
    good, bad = look(tmp_path, ("good.html", "bad.html"))
    assert good["width"] <= 390 and good["missing"] == good["wide"] == [] and good["headings"] == ["A & B"]
    assert bad["width"] >= 500 and len(bad["wide"]) == 1 and [url[-8:] for url in bad["missing"]] == ["gone.png"]


def test_a_subject_page_says_what_is_known(tmp_path):
    run = make_run()
    run["pictures"] = draw(tmp_path, ["CBICA003"])
    write_report(tmp_path / "report", Results(**run))
    page = Page(tmp_path / "report" / "sub-CBICA003.html").plain()
    for words in ("registration: similarity is low", "outlier", "Delivered segmentation", "lp-ft", "Good", "age"):
        assert words in page
    assert run["cohort"][-1]["reason"] in Page(tmp_path / "report" / "sub-BAD1.html").plain()


def test_a_page_says_that_its_patient_was_in_the_pretraining_of_the_delivered_networks(tmp_path):
    run = make_run(unlabelled=2)
    for cell in run["cells"]:
        cell["pretrained_on"] = {"lp-ft": ["UNL000"], "frozen": ["UNL001"]}.get(cell["strategy"], [])
    write_report(tmp_path / "report", Results(**run))
    for name, seen in (("UNL000", True), ("UNL001", False)):
        assert ("seen in pretraining" in Page(tmp_path / f"report/sub-{name}.html").plain()) == seen


def test_who_lacks_a_sequence_is_named_in_the_index_and_on_the_page(tmp_path):
    run = make_run(patients=8, unlabelled=1)
    run["splits"]["tasks"]["segmentation"]["incomplete"] = {"UNL000": ["t2"]}
    page, words = write(tmp_path / "report", **run), "without t2: predicted from t1c, flair"
    for said in (words, "1 without a sequence that the networks use: UNL000", "1 subject lacked a sequence"):
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
    told = list_rows(Results(**run))
    assert [row["subject"] for row in told["rows"]] == [row["participant_id"] for row in run["cohort"]]
    assert [row["included"] for row in told["rows"]] == [row["included"] == "true" for row in run["cohort"]]
    assert "age" in told["extra"] and not set(told["extra"]) & set(FIXED)
    reasons = {row["participant_id"]: row["reason"] for row in run["cohort"]}
    assert all(reasons[row["subject"]] in row["notes"] for row in told["rows"])


def test_a_run_with_own_labels_does_not_speak_of_tumours(tmp_path):
    run = make_run(patients=6)
    names = {"WT": "all", "TC": "anterior", "ET": "posterior"}
    for table in ("scores", "comparison"):
        run[table] = [row | {"region": names.get(row["region"], row["region"])} for row in run[table]]
    run["splits"]["scheme"] = "anterior=1,posterior=2"
    run["splits"]["tasks"]["segmentation"]["regions"] = ["all", "anterior", "posterior"]
    run["splits"]["tasks"].pop("classification")
    run |= {"candidates": {}, "config": {"strip_skull": {"engine": "none"}, "register_scans": {"template": "none"},
                                         "deliver": {"strategy": "lp-ft"}}}  # fmt: skip
    for table in ("scores", "comparison", "cells", "times"):
        run[table] = [row for row in run[table] if row["task"] == "segmentation"]
    page = write(tmp_path / "report", **run)
    assert "all-labels Dice" in page.plain() and "anterior Dice" in page.plain()
    said = re.sub(r"not a medical device|brain tumours?", "", page.plain())
    left = {said[max(0, found.start() - 60) : found.end() + 20] for found in re.finditer("tumour", said)}
    assert not left


def test_what_could_not_be_checked_of_other_programs_masks_is_among_the_first_things_to_look_at(tmp_path):
    made = make_run()
    cell = next(cell for cell in made["cells"] if cell["task"] == "segmentation")
    masks = cell | {"source": "external", "strategy": "nnunet", "history": [], "notes": ["mind this"]}
    write(tmp_path / "out", cells=[*made["cells"], masks])
    page = (tmp_path / "out/index.html").read_text()
    assert '<a href="#comparison">nnunet (external): mind this</a>' in page
