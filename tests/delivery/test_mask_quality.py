"""A predicted Dice keeps its promise on patients of known truth, and is withheld where it could not."""

import numpy as np
import pytest

from neurograft.core.cells import CELL
from neurograft.delivery import mask_quality
from neurograft.delivery.mask_features import FEATURES
from neurograft.delivery.mask_quality import LOOK, NONE, USABLE, QualityOptions

ARM = {
    "task": "segmentation",
    "source": "s",
    "strategy": "lp-ft",
    "space": "A",
    "split": "folds",
    "n": "all",
    "seed": "0",
}


def draw_masks(random, count, informative=True):
    """Features of masks, and their Dice: skewed, and shown by confidence and stability if they are informative."""
    quality = random.beta(4, 1.5, count)
    features = random.normal(0, 1, (count, len(FEATURES)))
    if informative:
        features[:, 1] = quality + random.normal(0, 0.08, count)
        features[:, 2] = quality + random.normal(0, 0.08, count)
    return features, np.clip(quality + random.normal(0, 0.05, count), 0, 1)


def make_run(random, labelled=30, unlabelled=8, folds=3, informative=True, regions=("WT",)):
    """Rows of measures and scores, the split, and the true Dice of the unlabelled."""
    measured, scores, truth = [], [], {}
    names = [f"p{k:02}" for k in range(labelled)]
    others = [f"u{k:02}" for k in range(unlabelled)]
    for region in regions:
        for at, (name, features, dice) in enumerate(zip(names, *draw_masks(random, labelled, informative))):
            cell = ARM | {"fold": str(at % folds), "subject": name, "region": region}
            measured.append(cell | {"labelled": "true"} | write(features))
            scores.append(cell | {"metric": "dice", "value": str(dice)})
            scores.append(cell | {"metric": "hd95", "value": "7"})
        for name, features, dice in zip(others, *draw_masks(random, unlabelled, informative)):
            truth[name, region] = dice
            for fold in range(folds):
                cell = ARM | {"fold": str(fold), "subject": name, "region": region, "labelled": "false"}
                measured.append(cell | write(features + random.normal(0, 0.01, len(features))))
    task = {"patients": {name: name for name in names + others}, "subjects": names, "unlabelled": others}
    return measured, scores, {"tasks": {"segmentation": task}}, truth


def write(features):
    """Features as a table has them; nobody has a peer."""
    return dict(zip(FEATURES, map(str, features))) | {"agreement": "n/a"}


def test_unlabelled_masks_have_the_dice_that_was_promised():
    inside, errors = [], []
    for seed in range(12):
        measured, scores, split, truth = make_run(np.random.default_rng(seed), labelled=25, unlabelled=12)
        _, told, _ = mask_quality.judge_masks(measured, scores, split, QualityOptions(0.8))
        told = [row for row in told if row["predicted"] is not None]
        inside += [row["low"] <= truth[row["subject"], "WT"] <= row["high"] for row in told]
        errors += [abs(row["predicted"] - truth[row["subject"], "WT"]) for row in told]
    # about 140 masks and 12 calibrations
    assert len(inside) > 130 and 0.72 < np.mean(inside) < 0.92 and np.mean(errors) < 0.08


def test_the_summary_tells_masks_that_show_their_quality_from_those_that_do_not():
    rows = {}
    for informative in (True, False):
        measured, scores, split, _ = make_run(np.random.default_rng(1), 40, informative=informative)
        judged, _, (rows[informative],) = mask_quality.judge_masks(measured, scores, split, QualityOptions())
        assert [row["subject"] for row in judged] == sorted(row["subject"] for row in judged)
        assert len(judged) == 40 and set(judged[0]) == set(mask_quality.JUDGED)
    told, blind = rows[True], rows[False]
    assert set(told) == set(mask_quality.SUMMARY) and told["patients"] == 40 and not told["reason"]
    assert all(row["coverage_low"] <= 0.9 <= row["coverage_high"] for row in rows.values())
    assert told["rank_low"] > 0.5 > blind["rank"] and told["width"] < 0.7 * blind["width"]
    assert told["error"] < 0.6 * told["error_of_mean"] and blind["error"] > 0.9 * blind["error_of_mean"]
    assert told["risk_best"] <= told["risk"] < told["risk_random"]


def test_what_is_said_of_a_labelled_patient_does_not_know_his_label():
    measured, scores, split, _ = make_run(np.random.default_rng(2), 15)
    first, _, _ = mask_quality.judge_masks(measured, scores, split, QualityOptions())
    scores = [
        row | ({"value": "0.01"} if row["subject"] == "p03" and row["metric"] == "dice" else {}) for row in scores
    ]
    second, _, _ = mask_quality.judge_masks(measured, scores, split, QualityOptions())
    same = [{**a, "dice": 0} == {**b, "dice": 0} for a, b in zip(first, second)]
    assert same[3] and not all(same)


def test_too_few_patients_get_no_statement_but_the_reason():
    measured, scores, split, _ = make_run(np.random.default_rng(3), labelled=9)
    judged, told, (summary,) = mask_quality.judge_masks(measured, scores, split, QualityOptions(0.9))
    assert {row["advice"] for row in judged + told} == {NONE}
    assert all(row["low"] is None for row in told)
    assert summary["reason"] == "9 labelled patients were scored; an interval at 90% takes 10"
    assert summary["coverage"] is None and summary["patients"] == 9
    _, told, (summary,) = mask_quality.judge_masks(measured, scores, split, QualityOptions(0.8))
    assert not summary["reason"] and any(row["advice"] != NONE for row in told)


def test_visits_of_one_patient_are_no_further_patients():
    measured, scores, split, _ = make_run(np.random.default_rng(3), labelled=12)
    split["tasks"]["segmentation"]["patients"] |= {f"p{k:02}": f"p{k // 2:02}" for k in range(12)}
    _, _, (summary,) = mask_quality.judge_masks(measured, scores, split, QualityOptions(0.9))
    assert summary["reason"].startswith("6 labelled patients")


def test_a_mask_unlike_all_others_gets_no_statement():
    measured, scores, split, _ = make_run(np.random.default_rng(4))
    for row in measured:
        if row["subject"] == "u03":
            row["volume"] = "40"
    _, told, _ = mask_quality.judge_masks(measured, scores, split, QualityOptions())
    (odd,) = [row for row in told if row["subject"] == "u03"]
    assert odd["advice"] == NONE and odd["reason"] == "unlike the masks of all labelled patients"
    assert odd["networks"] == 3


def test_few_ordinary_masks_are_called_strange():
    random, called = np.random.default_rng(5), 0
    for _ in range(200):
        features = random.normal(0, 1, (20, 6))
        called += bool(mask_quality.tell_strange(features[-1], features[:-1]))
    assert called <= 0.05 * 200, "1 / (n + 1) at most"


def test_a_missing_sequence_and_a_visit_that_was_trained_on_are_no_fair_cases():
    measured, scores, split, _ = make_run(np.random.default_rng(6))
    task = split["tasks"]["segmentation"]
    task["incomplete"] = {"u01": ["t2"]}
    task["patients"]["u02"] = "p05"
    _, told, _ = mask_quality.judge_masks(measured, scores, split, QualityOptions())
    reasons = {row["subject"]: row["reason"] for row in told}
    assert reasons["u01"] == "lacks t2, which every labelled patient has"
    assert reasons["u02"] == "the networks were trained on another visit of this patient"
    task["incomplete"]["p01"] = ["t2"]
    _, told, _ = mask_quality.judge_masks(measured, scores, split, QualityOptions())
    assert "lacks" not in "".join(row["reason"] for row in told)


def test_the_advice_is_about_the_lower_end():
    measured, scores, split, _ = make_run(np.random.default_rng(7), 40)
    judged, told, (summary,) = mask_quality.judge_masks(measured, scores, split, QualityOptions(0.9, accept=0.5))
    for row in judged + told:
        if row["advice"] != NONE:
            assert row["advice"] == (USABLE if row["low"] >= 0.5 else LOOK) and row["low"] <= row["high"]
    assert summary["usable"] == sum(row["advice"] == USABLE for row in judged) > 0


def test_regions_are_judged_apart_and_peers_count_where_all_have_them():
    measured, scores, split, _ = make_run(np.random.default_rng(8), 20, regions=("WT", "ET"))
    _, told, summary = mask_quality.judge_masks(measured, scores, split, QualityOptions())
    assert [row["region"] for row in summary] == ["WT", "ET"]
    assert [row["region"] for row in told[:2]] == ["WT", "ET"]
    known = {tuple(row[name] for name in (*CELL, "subject", "region")): 0.5 for row in measured}
    patients = split["tasks"]["segmentation"]["patients"]
    assert mask_quality.gather_masks(measured, known, patients).features.shape[1] == len(FEATURES) - 1
    with_peers = [row | {"agreement": "0.8"} for row in measured]
    assert mask_quality.gather_masks(with_peers, known, patients).features.shape[1] == len(FEATURES)


def test_equal_dice_and_dice_of_0_and_1_are_no_accident():
    measured, scores, split, _ = make_run(np.random.default_rng(9), 20)
    for value in ("1.0", "0.0"):
        equal = [row | {"value": value} for row in scores]
        judged, _, (summary,) = mask_quality.judge_masks(measured, equal, split, QualityOptions())
        assert all(row["low"] <= float(value) <= row["high"] for row in judged if row["low"] is not None)
        assert summary["coverage"] == 1 and summary["rank"] is None
    assert mask_quality.unstretch(mask_quality.stretch(np.array([0, 0.3, 1]))) == pytest.approx([0, 0.3, 1])


def test_the_curve_of_risk_and_coverage():
    curve = mask_quality.risk_coverage([0.9, 0.2, 0.5], [0.8, 0.1, 0.6])
    assert curve == pytest.approx([0.8, 0.7, 0.5])


def test_nothing_measured_means_nothing_said():
    assert mask_quality.judge_masks([], [], {"tasks": {"segmentation": {"patients": {}}}}, QualityOptions()) == (
        [],
        [],
        [],
    )
