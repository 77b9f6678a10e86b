"""What the report says of how far masks can be believed."""

import numpy as np
import pytest

from helpers.fake_run import make_run
from helpers.pages import Page
from neurograft.delivery import mask_quality
from neurograft.report import pages
from neurograft.report.chapters import masks
from neurograft.report.results import Results


def judged(count=30, off=0.0, region="WT"):
    """Statements about labelled subjects, as `mask_quality` writes them."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        dice = float(random.beta(5, 2))
        guess = float(np.clip(dice + random.normal(0, 0.04), 0.05, 0.98))
        rows.append({
            "subject": f"p{number:02}", "patient": f"p{number:02}", "fold": 0, "region": region, "predicted": guess,
            "low": max(0, guess - 0.1 + off), "high": min(1, guess + 0.1 + off), "advice": "look at it", "reason": "",
            "dice": dice,
        })  # fmt: skip
    return rows


def summary(rows, reason="", region="WT"):
    return {"region": region, **mask_quality.summarise(rows, mask_quality.QualityOptions(), reason)}


def results(rows, reason="", unlabelled=()):
    return Results(mask_quality=rows, mask_summary=[summary(rows, reason)], unlabelled_masks=unlabelled)


UNLABELLED = [
    {"subject": "u0", "region": "WT", "predicted": 0.9, "low": 0.8, "high": 0.95, "advice": "usable", "reason": ""},
    {"subject": "u1", "region": "WT", "predicted": 0.6, "low": 0.4, "high": 0.8, "advice": "look at it", "reason": ""},
    {"subject": "u2", "region": "WT", "predicted": None, "low": None, "high": None, "advice": "no statement"}
    | {"reason": "unlike the masks of all labelled patients"},
]


def test_promise_and_truth_stand_side_by_side():
    (region,) = masks.describe_masks(results(judged()))["regions"]
    words = " ".join(region["words"])
    assert region["name"] == "Whole-tumour masks"
    assert "Of 30 labelled masks, each judged without its own label" in words and "90 % was promised" in words
    assert "It puts masks in order" in words and "less than was promised" not in words
    assert "circle" in region["predicted"] and "polyline" in region["kept"]


def test_broken_promises_are_said():
    rows = judged(off=0.3)
    words = " ".join(masks.describe_masks(results(rows))["regions"][0]["words"])
    assert "do not rely on the intervals" in words


def test_statements_that_do_not_order_masks_are_not_sold_as_such():
    rows = judged()
    shuffled = np.random.default_rng(1).permutation([row["dice"] for row in rows])
    rows = [row | {"dice": float(dice), "low": 0.0, "high": 1.0} for row, dice in zip(rows, shuffled)]
    words = " ".join(masks.describe_masks(results(rows))["regions"][0]["words"])
    assert "not shown that it tells better masks from worse" in words


def test_without_statements_the_reason_is_said():
    rows = [row | {"predicted": None, "low": None, "high": None} for row in judged(6)]
    (region,) = masks.describe_masks(results(rows, "6 labelled patients were scored"))["regions"]
    assert region["words"] == ["Nothing is said of single masks: 6 labelled patients were scored."]
    assert not region["predicted"] and not region["kept"]
    assert masks.describe_masks(Results()) == {
        **{
            "regions": [],
            "unlabelled": [],
            "doubtful": [],
            "labels": [],
            "missed": [],
            "calibration": [],
            "alarms": [],
            "lesions": [],
            "order": [],
            "gain": "Whether this order beats a random one is not known: nothing was replayed.",
        }
    }


def test_masks_without_a_label_and_who_has_to_be_looked_at():
    found = masks.describe_masks(results(judged(), unlabelled=UNLABELLED))
    assert [row["cells"][1:3] for row in found["unlabelled"]] == [
        ["0.90", "0.80 to 0.95"],
        ["0.60", "0.40 to 0.80"],
        ["–", "–"],
    ]
    assert found["doubtful"] == ["u1", "u2"]


def test_a_subject_has_its_own_rows():
    made = results(judged(), unlabelled=UNLABELLED)
    (row,) = masks.describe_subject(made, "u2")
    assert row[-2:] == ["no statement", "unlike the masks of all labelled patients"]
    (row,) = masks.describe_subject(made, "p03")
    assert float(row[3]) == pytest.approx(made.mask_quality[3]["dice"], abs=0.006)
    assert masks.describe_subject(made, "nobody") == []


def test_only_the_first_labels_are_named():
    rows = [
        {"rank": k + 1, "subject": f"p{k:02}", "region": "WT", "doubt": 9.04 - k, "measure": "core_outside"}
        | {"value": 0.41, "expected": 0.02}
        for k in range(30)
    ]
    made = Results(label_doubt=rows)
    found = masks.describe_masks(made)["labels"]
    assert [row["subject"] for row in found] == ["p00", "p01", "p02", "p03", "p04"]
    words = "41 % of what the network is sure of lies outside the label; such masks lead to expect 2 %"
    assert found[0]["cells"] == ["WT", "9.0", words]
    assert masks.tell_subject_label(made, "p01") == f"number 2 of 30 labels to look at again (WT): {words}."
    assert masks.tell_subject_label(made, "p09") == ""


def test_what_probabilities_are_worth_and_where_to_cut_them():
    calibration = [{"region": "WT", "patients": 9, "temperature": "1.8", "error": "0.061", "error_calibrated": "0.02"}]
    calibration[0] |= {"patient_error": "0.1", "patient_error_calibrated": "0.09"}
    calibration.append({"region": "ET", "patients": 2, "temperature": "", "error": "", "error_calibrated": ""})
    missed = [{
        "region": "WT", "share": "0.1", "patients": "30", "threshold": "0.216", "missed": "0.08",
        "missed_at_half": "0.21", "size": "1.31", "reason": "",
    }]  # fmt: skip
    found = masks.describe_masks(Results(mask_calibration=calibration, missed_tumour=missed))
    (sentence,) = found["calibration"]
    assert (
        "off by 0.061" in sentence
        and "still off by 0.090" in sentence
        and "by 0.020 once their logarithmic odds are divided by 1.80" in sentence
    )
    assert found["missed"] == [["WT", "10 %", "0.22", "8 %", "21 %", "1.31", ""]]


def test_both_pages_show_it(tmp_path):
    run = make_run(compared=False)
    subject, other = run["cohort"][0]["participant_id"], run["cohort"][-3]["participant_id"]
    rows = [row | {"subject": subject} if row["subject"] == "p00" else row for row in judged()]
    told = {
        "mask_quality": rows,
        "mask_summary": [summary(rows)],
        "unlabelled_masks": [UNLABELLED[1] | {"subject": other}],
    }
    pages.write_report(tmp_path / "r", Results(**run | told))
    words = Page(tmp_path / "r/index.html").plain()
    assert "Can a mask be believed?" in words
    assert f"1 mask without a label to look at before use: {other}" in words
    for name in (subject, other):
        assert "How good is the mask?" in Page(tmp_path / f"r/sub-{name}.html").plain()


def test_false_alarms_are_told_with_their_intervals_or_why_there_are_none():
    row = {"region": "WT", "heads": "20", "marked": "3", "share": "0.15", "share_low": "0.03", "share_high": "0.38"}
    row |= {
        "mean_ml": "1.24",
        "mean_low": "0",
        "mean_high": "3.1",
        "largest_ml": "9",
        "simulated": "true",
        "reason": "",
    }
    none = dict.fromkeys(row) | {"heads": "0", "simulated": "false", "reason": "no healthy heads were named"}
    told, missing = masks.describe_masks(Results(false_alarms=[row, none]))["alarms"]
    assert told.startswith("In 3 of 20 simulated heads without a tumour the networks mark WT (15 %, 95 % ")
    assert "1.2 ml (0.0 to 3.1), at most 9.0 ml" in told
    assert missing == "Nothing is said of false alarms: no healthy heads were named."


def test_whom_to_label_next_and_whether_that_beats_chance():
    rows = [{"rank": k, "subject": f"u{k}", "expected_dice": f"0.{k + 1}"} for k in range(8)]
    gain = {"patients": "30", "fewest_labels": "5", "most_labels": "9", "gain": "0.031", "low": "0.004"}
    gain |= {"high": "0.058", "verdict": "helps", "reason": ""}
    found = masks.describe_masks(Results(label_order=rows, label_gain=[gain]))
    assert [(row["subject"], row["sure"]) for row in found["order"]][:2] == [("u0", "0.10"), ("u1", "0.20")]
    assert len(found["order"]) == 5
    assert "beat a random order: with 5 to 9 labels the Dice of other patients differed by +0.031" in found["gain"]
    for verdict, words in {"hurts": "draw patients at random", "undecided": "it is not shown"}.items():
        assert words in masks.describe_masks(Results(label_gain=[gain | {"verdict": verdict}]))["gain"]
    gain |= {"reason": "8 labelled patients; the replay takes 9"}
    assert "not known: 8 labelled patients" in masks.describe_masks(Results(label_gain=[gain]))["gain"]
