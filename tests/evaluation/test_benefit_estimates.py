"""What one strategy buys: labels, time, less overfitting, less loss elsewhere, against known truths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from neurograft.evaluation import benefit_estimates

SIZES = np.array([2, 4, 8, 16, 32])
SEGMENTED = {"task": "segmentation", "source": "s", "strategy": "fine-tune", "n": "4", "fold": 0, "seed": 0}
SEGMENTED |= {"space": "MNI152", "split": "folds"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=7))
def test_isotonic_fit_is_that_of_scikit_learn(values):
    expected = IsotonicRegression().fit_transform(range(len(values)), values)
    assert benefit_estimates.isotonic(np.array([values, values]))[1] == pytest.approx(expected, abs=1e-9)


def rising(sizes, gain=0.0):
    """A smooth learning curve that saturates."""
    return 0.85 - 0.5 * np.asarray(sizes, float) ** -0.6 + gain


def straight(sizes, gain=0.0):
    """A learning curve that rises by the same with each doubling."""
    return 0.6 + 0.04 * np.log2(sizes) + gain


def test_known_number_of_labels():
    transferred, scratch = np.tile(straight(SIZES, 0.04), (8, 1)), np.tile(straight(SIZES), (8, 1))
    made = benefit_estimates.labels_saved(transferred, scratch, SIZES, 8)
    assert made["needed"] == pytest.approx(16) and made["saved"] == pytest.approx(8) and made["answer"] == "16"
    assert (made["low"], made["high"]) == pytest.approx((16, 16)) and made["reason"] == ""
    half = benefit_estimates.labels_saved(np.tile(straight(SIZES, 0.02), (8, 1)), scratch, SIZES, 8)
    assert half["needed"] == pytest.approx(8 * np.sqrt(2))
    # lower is better: the same curves upside down
    assert benefit_estimates.labels_saved(1 - transferred, 1 - scratch, SIZES, 8, better="lower")[
        "needed"
    ] == pytest.approx(16)
    worse = benefit_estimates.labels_saved(np.tile(straight(SIZES, -0.04), (8, 1)), scratch, SIZES, 8)
    assert worse["saved"] == pytest.approx(-4)


def test_answers_outside_what_was_measured():
    scratch = np.tile(straight(SIZES), (8, 1))
    never = benefit_estimates.labels_saved(scratch + 0.5, scratch, SIZES, 8)
    assert (never["needed"], never["high"], never["answer"]) == (np.inf, np.inf, "not reached")
    assert never["interval"] == "not reached to not reached"
    at_once = benefit_estimates.labels_saved(scratch - 0.5, scratch, SIZES, 8)
    assert (at_once["needed"], at_once["low"], at_once["high"]) == (-np.inf, -np.inf, -np.inf)
    assert at_once["answer"] == "beyond the range" and at_once["saved"] == -np.inf


def test_an_interval_may_end_outside_the_range():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.15, (2, 10, 5))
    made = benefit_estimates.labels_saved(straight(SIZES, 0.08) + noise[0], straight(SIZES) + noise[1], SIZES, 8)
    assert made["high"] == np.inf and made["interval"].endswith("to not reached")


def test_no_interval_from_too_few_patients_or_folds():
    scratch = np.tile(straight(SIZES), (8, 1))
    few = benefit_estimates.labels_saved(scratch[:5], scratch[:5], SIZES, 8)
    assert np.isnan(few["low"]) and "5 patients" in few["reason"] and few["needed"] == pytest.approx(8)
    folds = benefit_estimates.labels_saved(scratch, scratch, SIZES, 8, np.arange(8) % 2)
    assert np.isnan(folds["high"]) and "2 folds" in folds["reason"] and folds["interval"] == ""
    gap = np.where(np.arange(8)[:, None] == 0, np.nan, scratch)
    assert benefit_estimates.labels_saved(gap, scratch, SIZES, 8)["patients"] == 7
    empty = benefit_estimates.labels_saved(gap[:1], scratch[:1], SIZES, 8)
    assert empty["patients"] == 0 and np.isnan(empty["needed"]) and empty["answer"] == ""


def test_mistaken_input_is_refused():
    scratch = np.tile(straight(SIZES), (8, 1))
    for sizes, n in ((SIZES[:4], 8), (SIZES[::-1], 8), (SIZES, 9)):
        with pytest.raises(ValueError, match="sizes"):
            benefit_estimates.labels_saved(scratch, scratch, sizes, n)


def simulate(rng, curve, patients, folds, runs, gain):
    """Scores of two strategies on one learning curve: patients' own level, noise, and training runs by fold."""
    fold = np.arange(patients) % folds
    level = rng.normal(0, 0.1, (patients, 1))
    noise = rng.normal(0, 0.05, (2, patients, len(SIZES))) + runs * rng.normal(size=(2, folds, len(SIZES)))[:, fold]
    return curve(SIZES, gain) + level + noise[0], curve(SIZES) + level + noise[1], fold


def true_number(curve, gain, n):
    """Where the true curve of scratch reaches the transferred one's value at n."""
    fine = np.geomspace(SIZES[0], SIZES[-1], 5001)
    reached = curve(fine) >= curve(n, gain)
    return fine[reached.argmax()] if reached.any() else np.inf


@pytest.mark.parametrize(("curve", "gain"), [(rising, 0.03), (straight, 0.0), (straight, 0.05)])
@pytest.mark.parametrize(("patients", "folds", "runs"), [(10, 5, 0.0), (40, 5, 0.02)])
def test_the_interval_covers_the_true_number(curve, gain, patients, folds, runs, monkeypatch):
    monkeypatch.setattr(benefit_estimates, "RESAMPLES", 200)
    rng = np.random.default_rng(8)
    truth, covered = true_number(curve, gain, 8), 0
    for _ in range(500):
        transferred, scratch, fold = simulate(rng, curve, patients, folds, runs, gain)
        made = benefit_estimates.labels_saved(transferred, scratch, SIZES, 8, fold)
        covered += made["low"] <= truth * (1 + 1e-3) and truth <= made["high"] * (1 + 1e-3)
    assert covered / 500 >= 0.93


def test_patients_alone_would_not_cover_what_folds_share(monkeypatch):
    monkeypatch.setattr(benefit_estimates, "RESAMPLES", 400)
    rng = np.random.default_rng(8)
    truth, covered = true_number(straight, 0.05, 8), 0
    for _ in range(200):
        transferred, scratch, _ = simulate(rng, straight, 40, 5, 0.02, 0.05)
        made = benefit_estimates.labels_saved(transferred, scratch, SIZES, 8)
        covered += made["low"] <= truth <= made["high"]
    assert covered / 200 < 0.9


def test_same_seed_same_interval():
    transferred, scratch, fold = simulate(np.random.default_rng(0), rising, 10, 5, 0.02, 0.02)
    assert benefit_estimates.labels_saved(transferred, scratch, SIZES, 8, fold) == benefit_estimates.labels_saved(
        transferred, scratch, SIZES, 8, fold
    )
    first, second = (benefit_estimates.labels_saved(transferred, scratch, SIZES, 8, seed=seed) for seed in (0, 1))
    assert first["needed"] == second["needed"] and first["interval"] != second["interval"]


def run(strategy, dice, seconds_a_step=2.0):
    """One training: cell, history, seconds."""
    history = [{"step": 10 * (k + 1), "train_dice": value} for k, value in enumerate(dice)]
    return SEGMENTED | {"strategy": strategy}, history, [seconds_a_step * 10 * (k + 1) for k in range(len(dice))]


def test_time_saved_is_to_scratch_s_own_arrival():
    slow = run("scratch", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6])
    quick = run("fine-tune", [0.5, 0.6, 0.7, 0.7, 0.7, 0.7], seconds_a_step=3.0)
    made = benefit_estimates.time_saved(slow, quick)
    assert made["dice"] == pytest.approx(0.6) and made["strategy"] == "fine-tune"
    assert (made["steps_scratch"], made["steps"], made["steps_saved"]) == (100, 50, 50)
    assert (made["seconds_scratch"], made["seconds"], made["seconds_saved"]) == (200, 150, 50)
    # what scratch reached for the first time at step 50 and held is not charged until step 100
    early = run("scratch", [0.6] * 10)
    assert benefit_estimates.time_saved(early, quick)["steps_saved"] == 0


def test_time_that_cannot_be_told():
    slow, never = run("scratch", [0.6] * 6), run("frozen", [0.5] * 6)
    assert (
        np.isnan(benefit_estimates.time_saved(slow, never)["steps_saved"])
        and benefit_estimates.time_saved(slow, never)["steps_scratch"] == 50
    )
    assert np.isnan(benefit_estimates.time_saved(run("scratch", [0.6] * 3), never)["dice"])


def fitted(train, test, **changes):
    """A cell with its fit to training and test patients."""
    sides = [("train", value) for value in train] + [("test", value) for value in test]
    fit = [{"subject": f"p{k}", "role": role, "dice": value} for k, (role, value) in enumerate(sides)]
    return SEGMENTED | {"fit": fit} | changes


@pytest.mark.parametrize(
    ("train", "test", "warning"),
    [
        ([0.95, 0.94, 0.96], [0.70, 0.72, 0.68, 0.71], True),
        ([0.95, 0.94, 0.96], [0.90, 0.91, 0.92, 0.89], False),  # narrow
        ([0.95, 0.94, 0.96], [0.10, 0.99, 0.98, 0.97], False),  # wide, but one patient's doing
        ([0.99, 0.98, 0.20, 0.99], [0.60, 0.61, 0.62, 0.59], False),  # as wide, but training's spread is larger
        ([0.95, 0.94, 0.96], [0.50], False),  # one patient shows nothing
        ([0.95], [0.50, 0.51], False),
        ([0.50, 0.51], [0.95, 0.94], False),  # the other way round
    ],
)
def test_overfitting_is_warned_of(train, test, warning):
    (row,) = benefit_estimates.train_test_gaps([fitted(train, test)])
    assert row["gap"] == pytest.approx(np.mean(train) - np.mean(test)) and row["patients"] == len(test)
    assert row["warning"] is warning and bool(row["reason"]) is warning


def test_a_warning_names_its_cell():
    wide = fitted([0.95, 0.95], [0.5, 0.52], fold=3, seed=7, strategy="lora")
    _, row = benefit_estimates.train_test_gaps([fitted([0.9, 0.9], [0.9, 0.9]), wide])
    for word in ("lora from s", "n = 4", "folds 3", "seed 7", "0.95", "0.51"):
        assert word in row["reason"]


def test_gaps_of_classifiers_are_of_accuracy_and_cells_without_both_sides_have_none():
    fit = [{"subject": "a", "role": "train", "accuracy": 1.0}, {"subject": "b", "role": "test", "accuracy": 0.75}]
    (row,) = benefit_estimates.train_test_gaps([SEGMENTED | {"task": "classification", "fit": fit}])
    assert (row["train"], row["test"], row["gap"]) == (1, 0.75, 0.25)
    assert benefit_estimates.train_test_gaps([fitted([0.9], []), fitted([], [0.9])]) == []


def test_generalisation_drop():
    names = [f"p{k}" for k in range(9)]
    sites = dict(zip(names, "aaabbbccc"))
    rng = np.random.default_rng(1)
    inside = dict(zip(names, 0.8 + rng.normal(0, 0.02, 9)))
    outside = {name: value - 0.1 - 0.01 * rng.normal() for name, value in inside.items()}
    row = benefit_estimates.generalisation_drop(inside, outside, sites)
    assert row["low"] < 0.1 < row["high"] and row["low"] > 0 and (row["patients"], row["sites"]) == (9, 3)
    assert row["reason"] == ""


def test_generalisation_is_refused_for_few_patients_or_sites():
    names = [f"p{k}" for k in range(9)]
    scores = dict.fromkeys(names, 0.8)
    two = benefit_estimates.generalisation_drop(scores, scores, dict(zip(names, "aaaabbbbb")))
    assert np.isnan(two["mean"]) and "2 sites" in two["reason"]
    few = benefit_estimates.generalisation_drop(scores, dict(list(scores.items())[:5]), dict(zip(names, "abcabcabc")))
    assert np.isnan(few["low"]) and "5 patients" in few["reason"]
    holes = scores | {"p0": np.nan}
    unknown = benefit_estimates.generalisation_drop(holes, scores, dict(zip(names, ["a", "", *"bcabcab"])))
    assert unknown["patients"] == 7 and unknown["reason"] == ""
    assert benefit_estimates.generalisation_drop({}, {}, {})["patients"] == 0
