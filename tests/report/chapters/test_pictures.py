"""The chapter on a set of pictures: all its numbers, and no verdict."""

import re

import pytest
from PIL import Image

from helpers.fake_comparison import CHANCES
from helpers.fake_run import EVIL, make_run
from helpers.pages import Page
from neurograft.report import pages
from neurograft.report.chapters import pictures
from neurograft.report.results import Results

RECORD = {
    "found": 42, "included": 40, "stated": 0, "units": 33, "groups": 5, "copied": 12, "largest": 4, "turned": 3,
    "conflicts": 0, "test": 15, "leaked": 6, "size": 96, "pairs": [{}] * 9,
    "classes": {"glioma": {"images": 20, "copied": 7, "test": 8, "leaked": 4},
                "none": {"images": 20, "copied": 5, "test": 7, "leaked": 2}},
}  # fmt: skip
CLASSES = ["glioma", "none"]


def rows_of(**values):
    """Cohort-level balanced accuracy of arms; a name with a blank is a histogram."""
    common = {"task": "classification", "n": "all", "fold": "", "seed": "0", "subject": "", "region": ""}
    common |= {"space": "reference", "split": "folds", "metric": "balanced-accuracy"}
    return [
        common | {"strategy": name, "source": "" if " " in name else "lite", "value": str(value)}
        for name, value in values.items()
    ]


CONTRAST = rows_of(**{"histogram of the picture": 0.716, "histogram of the input": 0.54})
SCORES = rows_of(scratch=0.6, **{"lp-ft": 0.8})


def compared(strategy, against, low=-0.01):
    arm = {
        "task": "classification",
        "source": "lite",
        "strategy": strategy,
        "n": "all",
        "region": "",
        "metric": "accuracy",
    }
    numbers = {
        "mean_difference": "0.05",
        "low": str(low),
        "high": "0.11",
        "patients": "33",
        "p_adjusted": "",
        "better": "higher",
        "verdict": "",
    }
    return arm | numbers | CHANCES | {"against": against, "space": "reference", "split": "folds"}


REFUSED = {"verdict": "refused", "reason": "nothing says which patient 33 of 33 pictures are of"}
COMPARISON = [
    compared("frozen-random", "scratch"),
    compared("lp-ft", "scratch") | REFUSED,
    compared("lp-ft", "frozen-random", 0.02),
]


def said(**changes):
    told = pictures.describe_images(RECORD | changes, SCORES, CONTRAST, COMPARISON, CLASSES)
    return {title: " ".join(sentences) for title, sentences in told["warnings"]}, told


def test_scans_need_no_such_words():
    assert pictures.describe_images({}, SCORES, [], COMPARISON, CLASSES) == {}


def test_every_number_is_said():
    words, told = said()
    assert "29 to 55 points" in words["Patients"] and "Yagis" in words["Patients"]
    for part in ("12 of 40 pictures", "5 groups", "largest of 4", "3 of 9 pairs", "6 of its 15 test pictures"):
        assert part in words["Copies"]
    assert "0.540 from the histogram of the input and 0.716 from the histogram of the picture" in words["Contrast"]
    assert "compared with 0.50 for guessing" in words["Contrast"]
    assert "(lp-ft from lite, n = all) reaches 0.800" in words["Contrast"]
    assert "too good" in told["reminder"] and "0.716" in told["reminder"]
    assert told["table"][0] == ["glioma", 20, 7, 8, 4]


def test_what_is_known_of_patients_changes_the_words():
    words, told = said(stated=40)
    assert "inflated" not in words["Patients"] and "29 to 55" not in words["Patients"]
    assert "narrower" not in words["Verdict"] and "too good" not in told["reminder"]
    assert "is the patient" in words["Verdict"] and "Only segmentation" not in words["Verdict"]
    words, told = said(stated=10)
    assert "10 of 40 pictures only" in words["Patients"] and "29 to 55" in words["Patients"]
    assert "narrower" in words["Verdict"] and "Only segmentation" in words["Verdict"]


def test_a_set_without_copies_or_division():
    words, _ = said(copied=0, groups=0, test=0, leaked=0)
    assert "No two pictures" in words["Copies"] and "own split" not in words["Copies"]
    assert "2 pairs of copies have two different classes" in said(conflicts=2)[0]["Copies"]


def test_without_scores_the_warnings_stand_alone():
    nothing = pictures.describe_images(RECORD, [], [], [], CLASSES)
    assert "not measured" in dict(nothing["warnings"])["Contrast"][0]


@pytest.fixture
def run(tmp_path):
    """A report's arguments for a set of pictures."""
    made = make_run(patients=40, unlabelled=0, excluded=2, compared=False)
    Image.new("L", (600, 80)).save(tmp_path / "copies.png")
    for row in made["cohort"]:
        row |= {
            "labels": "false",
            "sequences": "image",
            "class": "glioma",
            "file": f"train/{row['participant_id']}.jpg",
        }
    task = made["splits"]["tasks"]["classification"]
    task |= {"target": "class", "classes": CLASSES, "sequences": ["image"]}
    made["splits"]["tasks"]["segmentation"] |= {"trainable": False, "reason": "0 usable labelled patients", "folds": []}
    made["config"] |= {"dataset": {"layout": "images"}, "import_images": {"size": 96}}
    made |= {"imported": RECORD | {"copies": tmp_path / "copies.png"}, "contrast": CONTRAST, "comparison": COMPARISON}
    made |= {"recommendation": {"use": None}}
    return made | {"scores": SCORES, "times": [], "candidates": {}, "quality": []}


def test_the_report_says_it_in_every_chapter_with_a_score(run, tmp_path):
    pages.write_report(tmp_path / "report", Results(**run))
    page = Page(tmp_path / "report/index.html")
    html, plain = (tmp_path / "report/index.html").read_text(), page.plain()
    chapters = re.findall(r'<section id="(\w+)"', html)
    assert "flow" in chapters and not {"candidates", "overlays", "subjects"} & set(chapters)
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"] == "#candidates"] == []
    assert plain.count("the scores are too good, by an unknown amount") == 2
    assert plain.index("Nothing says which patient 33 of 33 pictures are of") < plain.index("6 of its 15 test pictures")
    assert "histogram of the picture" in html[html.index('id="results"') :]
    assert "Accuracy against scratch" in html and "0.716" in html
    for reason in {row["reason"] for row in run["cohort"] if row["included"] == "false"}:
        assert reason in plain
    files = {path.name for path in (tmp_path / "report").rglob("*") if path.is_file()}
    assert files == {*("index.html", "quality.html", "checklist.html", "checklist.json", "claims.tsv", "copies.png")}
    assert "skull-stripped" not in plain and "96 x 96 pixels" in plain and "Patients, not slices" not in plain


def test_pictures_kept_out_are_counted_by_reason(run, tmp_path):
    kept_out = {f"p{number}": "only 1 with cyst" for number in range(3)}
    run["splits"]["tasks"]["classification"]["left_out"] = kept_out
    run["quality"] = [{"subject": f"p{number}", "side": "96", "flags": ""} for number in range(9000)]
    pages.write_report(tmp_path / "report", Results(**run))
    assert "3 kept out of training and scores: only 1 with cyst" in Page(tmp_path / "report/index.html").plain()
    assert (tmp_path / "report/index.html").stat().st_size < 1e6


def test_pictures_cannot_smuggle_markup_into_the_report(run, tmp_path):
    for row in run["cohort"]:
        row |= {"file": EVIL, "reason": EVIL}
    run["imported"] = run["imported"] | {"classes": {EVIL: RECORD["classes"]["none"]}}
    pages.write_report(tmp_path / "report", Results(**run))
    assert not [
        tag for tag, attrs in Page(tmp_path / "report/index.html").tags if tag == "script" or "onerror" in attrs
    ]
