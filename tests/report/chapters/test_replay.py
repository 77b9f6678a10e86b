"""The chapter on control splits: published, by slice, by patient, and no verdict about a control."""

from xml.etree import ElementTree

from helpers.fake_run import EVIL, make_run
from helpers.pages import write
from neurograft.evaluation.replay import METRICS
from neurograft.report.chapters import replay
from neurograft.report.results import Results


def row(strategy="fine-tune", split="slices", metric="accuracy", **changes):
    made = {"source": "lite", "strategy": strategy, "space": "reference", "split": split, "metric": metric}
    made |= {"score": "0.97", "by_patient": "0.7", "inflation": "0.27", "low": "0.2", "high": "0.34"}
    made |= {"random": "0.9", "random_by_patient": "0.5", "leak": "0.4", "leak_low": "0.3", "leak_high": "0.5"}
    made |= {"guess": "0.5", "random_guess": "0.6", "patients": "10", "shared": "9", "slices": "870"}
    made |= {"folds": "5", "seeds": "1"}
    return made | changes


ROWS = [row(strategy, metric=metric) for strategy in ("scratch", "fine-tune") for metric in METRICS]
VERDICT = {"task": "classification", "source": "lite", "strategy": "fine-tune", "split": "folds", "verdict": "helps"}


def describe(rows=ROWS, study="lu-2019", **more):
    return replay.describe_replay(Results(replay=rows, config={"replay": {"study": study}}, **more))


def test_without_control_splits_there_is_no_chapter(tmp_path):
    assert replay.describe_replay(Results()) == {}
    assert "By slice and by patient" not in write(tmp_path / "report", **make_run()).plain()


def test_a_network_has_published_slice_and_patient_side_by_side():
    chapter = describe(comparison=[VERDICT])
    line = next(line for line in chapter["table"] if line[:2] == ["accuracy", "fine-tune from lite"])
    assert line[2:6] == ["by slice", "1.000", "0.970", "0.700"] and line[8:] == ["helps"]
    assert "0.900" in line[7] and "by patient 0.500" in line[7]
    assert "+0.270" in line[6] and "+0.200 to +0.340" in line[6]
    assert len(chapter["table"]) == 6 and chapter["table"][-1][3] == "–"
    # the sentence is of the network that was trained as the published one
    (sentence,) = chapter["sentences"]
    assert (
        sentence.startswith("fine-tune from lite: by slice 0.970, by patient 0.700") and "published 1.000" in sentence
    )
    assert sentence.endswith("by slice 0.900, by patient 0.500 (guessing 0.600).")
    assert chapter["study"].startswith("Lu et al. 2019")
    assert chapter["counts"] == ["by slice 870 slices of 10 patients, 9 of them in training too"]


def test_each_control_split_has_its_own_counts():
    chapter = describe([*ROWS, row(split="own", slices="40", patients="8", shared="3")])
    assert chapter["counts"][1] == "as the set is divided 40 slices of 8 patients, 3 of them in training too"


def test_a_verdict_about_a_control_is_never_shown():
    chapter = describe(comparison=[VERDICT | {"split": "slices"}])
    assert all(line[-1] == "" for line in chapter["table"])


def test_nothing_published_no_interval_and_no_random_labels_are_said_so():
    missing = dict.fromkeys(("low", "high", "random", "random_by_patient", "leak"), "n/a")
    chapter = describe([row(**missing)], study="")
    assert chapter["study"] == "" and "without an interval" in chapter["sentences"][0]
    assert chapter["table"][0][3] == "–" and chapter["table"][0][6:8] == ["+0.270", "–"]


def test_dice_stands_beside_the_published_one():
    dice = [{"method": "oracle", "dice": "0.91", "low": "0.85", "high": "0.96", "patients": "10"}]
    chapter = describe(study="ahuja-2020", replay_dice=dice)
    assert chapter["published_dice"] == "0.932" and chapter["dice"] == [["oracle", "0.910", "0.850 to 0.960", "10"]]


def test_the_page_shows_it_escaped(tmp_path):
    dice = [{"method": EVIL, "dice": "0.91", "low": "0.85", "high": "0.96", "patients": "10"}]
    run = make_run() | {"replay": [*ROWS, row(split="own", source=EVIL)], "replay_dice": dice}
    page = write(tmp_path / "report", **run)
    text = page.plain()
    assert "By slice and by patient" in text and "Tumours from superpixels" in text
    assert "script" not in [tag for tag, _ in page.tags] and "alert(1)" in text


def test_the_chart_has_every_network():
    (panel,) = describe()["panels"]
    picture = ElementTree.fromstring(str(panel["svg"]))
    words = [node.text for node in picture.iter("text")]
    assert {"published", "guessing", "fine-tune from lite"} <= set(words)
    assert len(list(picture.iter("circle"))) == 4 and len(list(picture.iter("polygon"))) == 4
