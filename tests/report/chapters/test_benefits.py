"""The six benefits: what counts as saved, gained or reached, and what is not claimed."""

from pathlib import Path

import numpy as np

from helpers.fake_claims import SCRATCH, cell, claim, compared, labels, scored, spread, times
from neurograft.report.chapters import benefits

RULES = Path(__file__).parents[3] / "scripts"


def test_trainings_that_never_arrive_are_no_small_saving():
    rows = times(1, True)["time_saved"]
    late = {"steps": "n/a", "steps_saved": "n/a", "seconds": "n/a", "seconds_saved": "n/a"}
    some = claim("Less training time", time_saved=[rows[0] | late, *rows[1:]])
    assert some["verdict"] == "not shown" and "reached in 4 of 5 trainings" in some["figure"]
    none = claim("Faster deployment", time_saved=[row | late for row in rows])
    assert none["verdict"] == "not reached"
    unknown = claim("Less training time", time_saved=[row | late | {"steps_scratch": "n/a"} for row in rows])
    assert unknown["state"] == "not measured"


def test_unfinished_trainings_are_said_beside_the_time_that_they_took():
    cells = [cell(fold, converged=fold > 0, trained=True) for fold in range(5)]
    row = claim("Less training time", **times(1, True), cells=[*cells, cell(0, converged=False, **SCRATCH)])
    assert row["state"] == "in part" and "2 of 6 trainings had not converged" in row["figure"]


def test_seeds_are_averaged_inside_a_fold():
    rows = times(1, True)["time_saved"]
    once = claim("Less training time", time_saved=rows)
    again = claim("Less training time", time_saved=rows + [row | {"seed": 1} for row in rows])
    assert once == again


def test_deployment_adds_the_steps_of_all_subjects():
    row = claim("Faster deployment", **times(0, True))
    saved = np.median(spread(0, 5, 5)) / 2
    assert f"{4 * 5 + 50 - saved:.0f} s instead of 70 s" in row["figure"]
    assert all((RULES / f"{rule}.py").exists() for rule in benefits.PREPARING)
    unknown = claim("Faster deployment", time_saved=times(0, True)["time_saved"])
    assert unknown["state"] == "in part" and "only training is counted" in unknown["figure"]


def test_labels_beyond_what_was_measured_are_answers():
    row = labels(1, True)["labels_saved"][0]
    never = row | {"needed": "inf", "low": "inf", "high": "inf", "saved": "inf", "answer": "not reached"}
    made = claim("Fewer labels", labels_saved=[never | {"interval": "not reached to not reached"}])
    assert made["verdict"] == "saved"
    assert made["figure"].endswith("scratch does not reach this score with all its patients (95 % CI: not reached)")
    first = never | {"needed": "-inf", "low": "-inf", "high": "-inf", "answer": "beyond the range"}
    assert claim("Fewer labels", labels_saved=[first | {"interval": "beyond the range"}])["verdict"] == "lost"
    # `all` means what is needed less what is saved, or the patients of the largest fold
    splits = {"tasks": {"segmentation": {"folds": [{"train": list("abcdefgh")}]}}}
    whole = {"n": "all", "interval": "9 to not reached"}
    for unsure, known, verdict in ((row, {}, "saved"), (never, splits, "saved"), (never, {}, "not shown")):
        assert claim("Fewer labels", labels_saved=[unsure | whole], splits=known)["verdict"] == verdict


def test_a_made_source_says_itself_what_it_continues_from():
    base = spread(0, 10, 0.1)
    scores = scored(base + spread(0.05, 10, 0.01), source="mine") + scored(base, source="vgg19")
    assert claim("Better use of data", scores=scores)["state"] == "not measured"
    sources = [{"name": "mine", "location": "rule:masked/vgg19"}, {"name": "vgg19", "location": "https://x"}]
    row = claim("Better use of data", scores=scores, sources=sources)
    assert row["verdict"] == "gained" and "compared with vgg19, 10 patients" in row["figure"]


def test_a_classification_alone_has_intervals_but_no_verdict_of_the_primary_family():
    changes = {"task": "classification", "region": "", "metric": "balanced-accuracy"}
    scores = [row | changes for row in scored([0.1, 0.2])]
    row = claim("Better performance", scores=scores, comparison=[compared("", 0.05, 0.02, 0.08, **changes)])
    assert (
        row["verdict"] == "higher" and row["state"] == "in part" and "there is no primary comparison" in row["figure"]
    )
