"""The report: complete, honest, escaped, and readable anywhere."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fake_run import make_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from neurograft import citing, guidance, report, wording

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
CHAPTERS = (
    *("Summary", "Patients", "Quality control", "Tumour candidates", "Training", "Results", "Does transfer help?"),
    *("Eleven claims about transfer learning", "Predictions", "All subjects", "Methods", "Software and run times"),
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Collect tags with their attributes, and the text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.inside = [], "", None
        self.feed(Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside != "style":
            self.text += data

    def plain(self):
        return re.sub(r"\s+", " ", self.text)


def write(folder, **changes):
    """Write a report of a made-up run and give its index."""
    report.write_report(folder, **(make_run() | changes))
    return Page(folder / "index.html")


def draw(tmp_path, subjects):
    """Give every subject the same small pictures."""
    for name in guidance.PICTURES:
        Image.fromarray(np.zeros((60, 900), np.uint8)).save(tmp_path / f"{name}.png")
    return {subject: {name: tmp_path / f"{name}.png" for name in guidance.PICTURES} for subject in subjects}


def nothing_trained():
    """Give a run of unlabelled subjects only."""
    run = make_run(patients=0, unlabelled=3, excluded=0, gains={})
    for task in run["splits"]["tasks"].values():
        task |= {"trainable": False, "reason": "0 labelled subjects, at least 5 are needed", "folds": []}
    return run


def test_every_chapter_and_every_subject(tmp_path):
    run = make_run()
    run["pictures"] = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    report.write_report(tmp_path / "report", **run)
    page = Page(tmp_path / "report" / "index.html")
    html = (tmp_path / "report" / "index.html").read_text()
    for chapter in CHAPTERS:
        assert f"<h2>{chapter}</h2>" in html
    for row in run["cohort"]:
        assert row["participant_id"] in page.text and row["reason"] in page.plain()
        assert (tmp_path / "report" / f"sub-{row['participant_id']}.html").exists()
    for link in [attrs["href"] for tag, attrs in page.tags if tag == "a" and not attrs["href"].startswith("http")]:
        assert (
            link.startswith("#") and f'id="{link[1:]}"' in html or (tmp_path / "report" / link.split("#")[0]).exists()
        )
    for source in [attrs["src"] for tag, attrs in page.tags if tag == "img"]:
        assert (tmp_path / "report" / source).exists()
    assert "ab12" * 16 in html and "Apache-2.0" in html and "5f3a" * 16 in html and "2.13.0" in html


def test_a_subject_page_says_what_is_known(tmp_path):
    run = make_run()
    run["pictures"] = draw(tmp_path, ["CBICA003"])
    report.write_report(tmp_path / "report", **run)
    page = Page(tmp_path / "report" / "sub-CBICA003.html").plain()
    for words in ("registration: similarity is low", "outlier", "Delivered segmentation", "lp-ft", "Good", "age"):
        assert words in page
    assert run["cohort"][-1]["reason"] in Page(tmp_path / "report" / "sub-BAD1.html").plain()


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
    report.write_report(tmp_path / "report", **run)
    pages = sorted((tmp_path / "report").glob("*.html"))
    assert len(pages) == 1 + len(run["cohort"])
    for path in pages:
        page = Page(path)
        assert not [tag for tag, attrs in page.tags if tag == "script" or any(name.startswith("on") for name in attrs)]
        assert not [attrs for tag, attrs in page.tags if tag == "img" and attrs["src"] == "x"]
        assert EVIL in page.text


def tags_with_note(folder, note):
    """Give the tags of the page of a subject whose cohort row holds a note."""
    run = make_run(patients=0, unlabelled=1, excluded=0, gains={})
    run["cohort"][0]["note"] = note
    report.write_report(folder, **run)
    return Page(folder / "sub-UNL000.html").tags


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.text(min_size=1, max_size=40))
def test_any_text_comes_out_as_text(tmp_path, note):
    assert tags_with_note(tmp_path / "report", note) == tags_with_note(tmp_path / "plain", "harmless")


def test_results_without_a_place_are_refused(tmp_path):
    with pytest.raises(TypeError, match="no place for histories"):
        report.write_report(tmp_path / "report", [], histories=[])


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
    assert "Brain mask volume" in page and "There are no scores." in page and "There is nothing to compare." in page


def test_almost_empty_runs(tmp_path):
    write(tmp_path / "none", **{name: [] for name in ("cohort", "quality", "scores", "comparison", "times", "cells")})
    report.write_report(tmp_path / "bare", cohort=[])
    report.write_report(tmp_path / "one", **make_run(patients=0, unlabelled=1, excluded=0, gains={}))
    report.write_report(tmp_path / "bad", **make_run(patients=0, unlabelled=0, excluded=1, gains={}))
    page = write(tmp_path / "unscored", scores=[], comparison=[]).plain()
    assert "There is nothing to compare yet." in page
    untrained = [cell | {"trained": False, "history": []} for cell in make_run()["cells"]]
    write(tmp_path / "untrained", scores=[], comparison=[], times=[], cells=untrained)
    assert (tmp_path / "one" / "sub-UNL000.html").exists()


def test_tables_read_back_from_text_give_the_same_report(tmp_path):
    run = make_run()
    write(tmp_path / "a")
    for name in ("scores", "comparison", "times", "quality"):
        run[name] = [{key: str(value) for key, value in row.items()} for row in run[name]]
    write(tmp_path / "b", **run)
    assert (tmp_path / "a/index.html").read_bytes() == (tmp_path / "b/index.html").read_bytes()


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
        report.write_report(tmp_path / "report", **run)
    run["cohort"] = [{"participant_id": "a"}]
    with pytest.raises(KeyError):
        report.write_report(tmp_path / "report", **run)
    assert (tmp_path / "report/index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_300_subjects_stay_small(tmp_path):
    run = make_run(patients=290, unlabelled=10, excluded=5, compared=False)
    run["pictures"] = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    report.write_report(tmp_path / "report", **run)
    assert (tmp_path / "report/index.html").stat().st_size < 2_000_000


@pytest.mark.parametrize(
    ("gains", "falling", "kind", "words"),
    [
        ({"scratch": 0, "lp-ft": 0.05}, (), "helps", "Transfer helps here."),
        ({"scratch": 0, "lp-ft": -0.05}, (), "hurts", "Transfer hurts here."),
        ({"scratch": 0, "lp-ft": 0.0}, (), "no evidence", "No evidence that transfer helps or hurts here."),
        ({"scratch": 0, "lp-ft": 0.05}, (("lp-ft", 1),), "not converged", "training had not finished"),
        ({"scratch": 0, "lp-ft": 0.05, "frozen": -0.05}, (), "helps", "lp-ft from efficientnet-lite0 helps, frozen"),
        ({"scratch": 0, "frozen-random": 0.05}, (), "nothing", "nothing to compare"),
    ],
)
def test_the_headline_follows_the_verdicts(gains, falling, kind, words):
    run = make_run(patients=20, gains=gains, falling=falling, seed=2)
    found = wording.headline(run["comparison"], run["splits"], run["scores"], run["cells"], False)
    assert found["kind"] == kind and words in found["title"]


def test_few_patients_are_refused_in_words():
    run = make_run(patients=4, folds=4, gains={"scratch": 0, "lp-ft": 0.1})
    found = wording.headline(run["comparison"], run["splits"], run["scores"], run["cells"], False)
    assert found["kind"] == "refused" and "no verdict can be given" in found["sentences"][0]


def test_no_evidence_names_the_detectable_difference_and_the_control_is_told():
    run = make_run(patients=20, gains={"scratch": 0, "frozen-random": 0.0, "lp-ft": 0.0}, seed=2)
    row = next(row for row in run["comparison"] if row["verdict"])
    sentence = wording.comparison_sentence(row, run["comparison"])
    assert f"{float(row['detectable']):.3f} or more" in sentence
    assert "it is not shown that the pretraining" in sentence
    run = make_run(patients=20, gains={"scratch": 0, "frozen-random": 0.0, "lp-ft": 0.06})
    row = next(row for row in run["comparison"] if row["verdict"])
    assert "the pretraining itself matters" in wording.comparison_sentence(row, run["comparison"])


def test_eleven_claims_and_what_is_not_measured_says_so():
    run = make_run()
    names = ("comparison", "scores", "times", "cells", "runtimes")
    claims = wording.list_claims(*(run[name] for name in names))
    assert len(claims) == 11 and [claim["side"] for claim in claims].count("promise") == 6
    assert all(claim["how"] and claim["found"] for claim in claims)
    assert {claim["state"] for claim in claims} == {"measured", "in part", "not measured"}
    empty = wording.list_claims([], [], [], [], [])
    assert {claim["state"] for claim in empty} == {"not measured"}
    assert "This version does not measure it." in {claim["found"] for claim in empty}


def test_overlays_are_chosen_by_rule(tmp_path):
    run = make_run()
    pictures = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    page = write(tmp_path / "report", pictures=pictures).plain()
    means = [row for row in run["scores"] if (row["strategy"], row["region"], row["metric"]) == ("lp-ft", "WT", "dice")]
    worst = min(means, key=lambda row: row["value"])
    assert f"{worst['subject']}: worst whole-tumour Dice of unseen patients, {worst['value']:.3f}" in page
    assert "UNL000: no score: no labels, or not in training" in page


def test_methods_follow_the_config():
    run = make_run()
    paragraphs, references = citing.write_methods(run["config"], run["splits"])
    words = " ".join(sentence for paragraph in paragraphs for sentence, _ in paragraph)
    assert "greedy" in words and "1 mm" in words and "150 steps of 12 slices" in words and "5 stratified folds" in words
    run["config"]["register_scans"]["engine"] = "ants"
    changed, others = citing.write_methods(run["config"], run["splits"])
    assert "With ANTs" in " ".join(sentence for paragraph in changed for sentence, _ in paragraph)
    assert {"10.1016/j.neuroimage.2010.09.025"} <= {row["doi"] for row in others}
    assert [row["number"] for row in references] == list(range(1, len(references) + 1))
    cited = {number for paragraph in paragraphs for _, numbers in paragraph for number in numbers}
    assert cited == {row["number"] for row in references}
    assert citing.write_methods({}, {})[0]


def test_methods_cite_what_the_sources_rows_say():
    run = make_run()
    one, other = "Tan M. Scaling. ICML 2019. doi:10.1/net", "Chen S. Organs. arXiv 2019"
    rows = [{"name": "efficientnet-lite0", "citation": one}, {"name": "larger", "citation": one}]
    rows += [{"name": "mine", "citation": other}, {"name": "unused", "citation": "Nobody"}]
    run["config"]["experiment"]["segmentation"]["sources"] = ["efficientnet-lite0", "larger", "mine", "unknown"]
    paragraphs, references = citing.write_methods(run["config"], run["splits"], sources=rows)
    named = {row["text"]: row for row in references}
    assert named["Tan M. Scaling. ICML 2019."]["doi"] == "10.1/net"
    assert named["Chen S. Organs. arXiv 2019."]["doi"] is None
    assert "Nobody." not in named and len(named) == len(references)
    sentence = next(found for part in paragraphs for found in part if "trained for segmentation" in found[0])
    assert {named["Tan M. Scaling. ICML 2019."]["number"], named["Chen S. Organs. arXiv 2019."]["number"]} < set(
        sentence[1]
    )


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the report")
def test_a_browser_opens_it_on_a_phone(tmp_path):
    run = make_run()
    for row in run["cohort"]:
        row["note"] = "averylongwordwithoutanybreak" * 6
    run["pictures"] = draw(tmp_path, [row["participant_id"] for row in run["cohort"]])
    report.write_report(tmp_path / "report", **run)
    for name in ("index", "sub-CBICA003", "sub-BAD1"):
        seen = look(tmp_path, f"report/{name}.html")
        assert seen["width"] <= 390, seen
        assert seen["missing"] == 0 and seen["wide"] == []
        assert all(url.startswith(("file:", "data:")) for url in seen["asked"])
        if name == "index":
            assert seen["headings"] == list(CHAPTERS)


def look(folder, page):
    """Open a page in a frame of 390 pixels and say what a browser made of it."""
    (folder / "frame.html").write_text("""<body><iframe id=frame width=390 height=900 style="border:0"></iframe><script>
      frame.onload = () => {
        const page = frame.contentDocument, all = [...page.querySelectorAll('main *')];
        for (const picture of page.images) picture.loading = 'eager';
        Promise.all([...page.images].map(p => p.decode().then(() => 0, () => 1))).then(failed => {
          document.body.textContent = JSON.stringify({
            width: page.documentElement.scrollWidth, missing: failed.reduce((a, b) => a + b, 0),
            headings: [...page.querySelectorAll('h2')].map(h => h.textContent),
            wide: all.filter(e => e.getBoundingClientRect().right > 391 && !e.closest('.scroll')).map(e => e.outerHTML),
            asked: frame.contentWindow.performance.getEntriesByType('resource').map(e => e.name)});
          document.body.className = 'done'; }); };
      frame.src = 'PAGE'; </script></body>""".replace("PAGE", page))  # fmt: skip
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += ["--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=8000"]
    done = subprocess.run(
        [*command, "--dump-dom", (folder / "frame.html").as_uri()], capture_output=True, text=True, timeout=120
    )
    found = re.search(r'<body class="done">(.*?)</body>', done.stdout, re.DOTALL)
    assert found, done.stdout[:500] + done.stderr[-500:]
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
