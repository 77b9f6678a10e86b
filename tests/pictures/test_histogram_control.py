"""The control sees a difference of contrast and nothing else."""

import numpy as np

from neurograft.evaluation import scores
from neurograft.pictures import histogram_control

CLASSES = ["bright", "dark", "grey"]


def made(shift, count=60):
    """A split of pictures of three classes in three folds, and quantiles that a shift tells apart."""
    random = np.random.default_rng(0)
    names = [f"p{number:02d}" for number in range(count)]
    truths = {name: CLASSES[number % 3] for number, name in enumerate(names)}
    features = {name: np.sort(random.normal(shift * (number % 3), 1, 16)) for number, name in enumerate(names)}
    folds = [{"test": names[k::2], "train": names[1 - k :: 2]} for k in range(2)]
    task = {"trainable": True, "folds": folds, "classes": CLASSES}
    return {"tasks": {"classification": task}}, features, truths


def balanced(rows, name):
    return next(
        row["value"]
        for row in rows
        if (row["subject"], row["metric"], row["strategy"]) == ("", "balanced-accuracy", name)
    )


def test_contrast_that_differs_is_seen_and_noise_is_not():
    split, differing, truths = made(2)
    _, alike, _ = made(0)
    rows = histogram_control.score_contrast(split, {"one": differing, "other": alike}, truths, "reference")
    assert rows == histogram_control.score_contrast(split, {"one": differing, "other": alike}, truths, "reference")
    assert balanced(rows, "one") > 0.9
    assert balanced(rows, "other") < 0.6
    assert set(rows[0]) == set(scores.SCORES)
    own = [row for row in rows if row["strategy"] == "one" and row["metric"] == "accuracy" and row["subject"]]
    assert sorted(row["subject"] for row in own) == sorted(truths)
    arm = ("source", "space", "split", "n")
    assert {tuple(row[name] for name in arm) for row in rows} == {("", "reference", "folds", "all")}


def test_it_learns_from_its_own_folds_only():
    """Answers of the test pictures that change nothing in training change no probability."""
    split, features, truths = made(2)
    fold = split["tasks"]["classification"]["folds"][0]
    split["tasks"]["classification"]["folds"] = [fold]
    others = truths | {name: "grey" for name in fold["test"]}
    chances = [
        [row["probability"] for row in histogram_control._predict_fold(fold, features, answers, CLASSES)]
        for answers in (truths, others)
    ]
    assert chances[0] == chances[1]


def test_a_task_that_cannot_be_trained_has_no_scores():
    split, features, truths = made(1)
    split["tasks"]["classification"] |= {"trainable": False, "folds": []}
    assert histogram_control.score_contrast(split, {"one": features}, truths, "reference") == []
