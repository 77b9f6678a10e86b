"""Scores on the native grid, and a comparison that knows what it may say."""

import itertools
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurograft import evaluation, images, metrics

BRATS = Path(__file__).parents[2] / "shared/data/brats18"
CELL = {"task": "segmentation", "source": "s1", "strategy": "lp-ft", "n": "all", "fold": 1, "seed": 0}


def labels_image(scheme_values=(1, 2, 4)):
    data = np.zeros((40, 44, 36), np.int16)
    data[10:26, 12:30, 9:25] = scheme_values[1]
    data[14:22, 16:25, 12:20] = scheme_values[2]
    data[16:19, 18:22, 14:18] = scheme_values[0]
    return nib.Nifti1Image(data, np.array([[-1.0, 0, 0, 30], [0, -1, 0, 20], [0, 0, 1.5, -10], [0, 0, 0, 1]]))


def perfect(labels, values=(1, 2, 4)):
    """Region probabilities on the canonical grid of a label image."""
    turned = nib.as_closest_canonical(labels)
    data = np.asanyarray(turned.dataobj)
    sets = {"WT": values, "TC": (values[0], values[2]), "ET": (values[2],)}
    return {k: nib.Nifti1Image(np.isin(data, v).astype(np.float32), turned.affine) for k, v in sets.items()}


def test_a_perfect_prediction_scores_perfectly():
    labels = labels_image()
    rows = evaluation.score_segmentation(CELL, "a", perfect(labels), np.eye(4), labels, "brats2018")
    assert {(row["region"], row["metric"]) for row in rows} == {
        (region, metric) for region in ("WT", "TC", "ET") for metric in metrics.METRICS["segmentation"]
    }
    for row in rows:
        assert row["value"] == (1 if row["metric"] == "dice" else 0)
        assert {key: row[key] for key in CELL} == CELL and row["subject"] == "a"


def test_shifted_prediction_and_true_spacing():
    labels = labels_image()
    shift = np.eye(4)
    shift[2, 3] = 3.0  # two slices of 1.5 mm
    rows = evaluation.score_segmentation(CELL, "a", perfect(labels), shift, labels, "brats2018")
    values = {(row["region"], row["metric"]): row["value"] for row in rows}
    assert values["WT", "dice"] == pytest.approx(14 / 16)
    assert values["WT", "hd95"] == pytest.approx(3.0)
    assert values["WT", "volume-error"] == pytest.approx(0)


def test_regions_absent_in_the_truth_and_float_labels():
    labels = labels_image()
    data = np.where(np.asanyarray(labels.dataobj) > 0, 2.0, 0.0)[..., None]
    rows = evaluation.score_segmentation(
        CELL, "a", perfect(labels), np.eye(4), nib.Nifti1Image(data, labels.affine), "brats2018"
    )
    values = {(row["region"], row["metric"]): row["value"] for row in rows}
    assert values["WT", "dice"] == 1 and values["ET", "dice"] == 0
    assert values["ET", "hd95"] == pytest.approx(np.linalg.norm([40, 44, 54]))


@pytest.mark.skipif(not BRATS.is_dir(), reason=f"no real scans at {BRATS}")
def test_a_real_case_there_and_back_under_a_rotation():
    path = next(BRATS.glob("*CBICA_ABM*/*_seg.nii.gz"))
    labels = nib.load(path)
    turned = np.eye(4)
    cos, sin = np.cos(0.1), np.sin(0.1)
    turned[:2, :2] = [[cos, -sin], [sin, cos]]
    turned[:3, 3] = 7, -4, 11
    shape, affine = (190, 230, 190), np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = -210, -20, -10
    given = {k: images.resample(v, shape, affine, np.linalg.inv(turned)) for k, v in perfect(labels).items()}
    start = time.process_time()
    rows = evaluation.score_segmentation(CELL, "a", given, turned, labels, "brats2018")
    assert time.process_time() - start < 6
    values = {(row["region"], row["metric"]): row["value"] for row in rows}
    assert values["WT", "dice"] > 0.97 and values["WT", "hd95"] <= 1


SLICES = [
    ("p1", 0, "tumour", 0.9),
    ("p1", 1, "tumour-free", 0.2),
    ("p1", 2, "tumour", 0.4),
    ("p2", 0, "tumour-free", 0.1),
]
CLASSES = ["tumour-free", "tumour"]


def both(rows):
    """Long form with a row for each class."""
    made = []
    for subject, number, truth, chance in rows:
        for name, value in zip(CLASSES, (1 - chance, chance)):
            made.append({"subject": subject, "slice": number, "class": name, "probability": value, "truth": truth})
    return made


def test_slices_are_scored_inside_a_patient():
    cell = CELL | {"task": "classification"}
    rows = evaluation.score_classification(cell, both(SLICES), CLASSES)
    values = {(row["subject"], row["metric"]): row["value"] for row in rows}
    assert values["p1", "balanced-accuracy"] == pytest.approx(0.75)
    assert values["p1", "prevalence"] == pytest.approx(2 / 3)
    assert values["p2", "brier"] == pytest.approx(0.01)
    assert ("p2", "auc") not in values and ("p2", "sensitivity") not in values
    # only the positive class listed, as text, is the same
    short = [{k: str(v) for k, v in row.items()} for row in both(SLICES) if row["class"] == "tumour"]
    again = evaluation.score_classification(cell, short, CLASSES)
    assert [row["value"] for row in again] == pytest.approx([row["value"] for row in rows])


def test_cohort_rows_over_slices_are_means_over_patients():
    cells = [
        (CELL | {"task": "classification", "fold": k}, both([r for r in SLICES if r[0] == p]))
        for k, p in enumerate(("p1", "p2"))
    ]
    rows = evaluation.pool_classification(cells, CLASSES)
    values = {row["metric"]: row["value"] for row in rows}
    assert all(row["subject"] == "" and row["fold"] == "" for row in rows)
    single = evaluation.score_classification(cells[0][0], cells[0][1], CLASSES)
    brier = next(row["value"] for row in single if row["metric"] == "brier")
    assert values["brier"] == pytest.approx((brier + 0.01) / 2)
    assert values["balanced-accuracy"] == pytest.approx(0.75)


def test_patients_as_units_are_pooled_over_folds():
    cells = []
    for fold, patients in enumerate(([("a", "high", 0.8), ("b", "low", 0.3)], [("c", "high", 0.6), ("d", "low", 0.7)])):
        rows = [{"subject": s, "slice": "", "class": "high", "probability": p, "truth": t} for s, t, p in patients]
        cells.append((CELL | {"task": "classification", "fold": fold}, rows))
    values = {row["metric"]: row["value"] for row in evaluation.pool_classification(cells, ["low", "high"])}
    assert values["auc"] == pytest.approx(0.75) and values["balanced-accuracy"] == pytest.approx(0.75)
    assert values["prevalence"] == 0.5
    with pytest.raises(ValueError, match=r"classes \['high'\]"):
        evaluation.pool_classification(cells, ["low", "none"])


def test_a_cell_without_predictions_has_no_scores():
    assert evaluation.score_classification(CELL, [], CLASSES) == []
    assert evaluation.pool_classification([(CELL, [])], CLASSES) == []
    assert len(evaluation.pool_classification([(CELL, []), (CELL | {"fold": 2}, both(SLICES))], CLASSES)) > 3


def study(gain, patients=10, folds=5, strategies=("scratch", "frozen-random", "lp-ft"), seeds=2, noise=0.02, seed=0):
    """Scores of a made-up experiment in which every strategy but scratch gains `gain`."""
    rng = np.random.default_rng(seed)
    level = rng.normal(0.8, 0.08, patients)
    rows = []
    for strategy in strategies:
        for repeat in range(seeds):
            for patient in range(patients):
                for region in ("WT", "TC"):
                    value = level[patient] + (strategy == "lp-ft") * gain + rng.normal(0, noise)
                    cell = CELL | {"strategy": strategy, "seed": repeat, "fold": patient % folds}
                    rows.append(cell | {"subject": f"p{patient}", "region": region, "metric": "dice", "value": value})
    return rows


def pick(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("gain, verdict", [(0.08, "helps"), (-0.08, "hurts"), (0.0, "no evidence")])
def test_verdict_of_the_primary_family_only(gain, verdict):
    rows = evaluation.compare_strategies(study(gain))
    assert tuple(rows[0]) == evaluation.COMPARISON
    primary = pick(rows, strategy="lp-ft", region="WT", against="scratch")
    assert primary["verdict"] == verdict and primary["reason"] and primary["patients"] == 10
    assert primary["mean_difference"] == pytest.approx(gain, abs=0.02) and primary["better"] == "higher"
    assert primary["low"] < primary["mean_difference"] < primary["high"]
    second = pick(rows, strategy="lp-ft", region="WT", against="frozen-random")
    control = pick(rows, strategy="frozen-random", region="WT")
    for row in (second, control, pick(rows, strategy="lp-ft", region="TC", against="scratch")):
        assert row["verdict"] == "" and np.isnan(row["p"]) and np.isfinite(row["low"])
    assert control["against"] == "scratch"


def test_scratch_against_scratch_says_no_evidence():
    verdicts = []
    for repeat in range(20):
        rows = study(0.0, strategies=("scratch", "lp-ft"), seed=repeat)
        verdicts.append(evaluation.compare_strategies(rows)[0]["verdict"])
    assert verdicts.count("no evidence") >= 18


def test_seeds_are_averaged_inside_a_patient():
    rows = study(0.05, seeds=3)
    doubled = rows + [dict(row, seed=row["seed"] + 10) for row in rows]
    first, second = (evaluation.compare_strategies(each) for each in (rows, doubled))
    assert pick(second, strategy="lp-ft", region="WT", against="scratch") == pytest.approx(
        pick(first, strategy="lp-ft", region="WT", against="scratch"), nan_ok=True
    )
    text = [{key: str(value) for key, value in row.items()} for row in rows]
    assert evaluation.compare_strategies(text)[0]["mean_difference"] == pytest.approx(first[0]["mean_difference"])


def test_time_points_count_as_one_patient():
    owner = {f"p{index}": f"q{index // 2}" for index in range(10)}
    row = evaluation.compare_strategies(study(0.05), patients=owner)[0]
    assert row["patients"] == 5


def test_only_the_largest_n_has_a_verdict_and_n_is_never_mixed():
    rows = study(0.08) + [dict(row, n=4, value=row["value"] - 0.2) for row in study(0.0, seed=1)]
    made = evaluation.compare_strategies(rows)
    assert pick(made, strategy="lp-ft", n="all", region="WT", against="scratch")["verdict"] == "helps"
    small = pick(made, strategy="lp-ft", n="4", region="WT", against="scratch")
    assert small["verdict"] == "" and abs(small["mean_difference"]) < 0.02


def test_what_bars_a_verdict():
    rows = study(0.08)
    cells = [
        CELL | {"strategy": name, "fold": fold, "converged": "true"}
        for name in ("scratch", "lp-ft")
        for fold in range(5)
    ]
    made = pick(evaluation.compare_strategies(rows, cells), strategy="lp-ft", region="WT", against="scratch")
    assert made["verdict"] == "helps"
    cells[2]["converged"] = False
    made = pick(evaluation.compare_strategies(rows, cells), strategy="lp-ft", region="WT", against="scratch")
    assert made["verdict"] == "not converged" and "1 of 10 trainings" in made["reason"]
    few = evaluation.compare_strategies(study(0.08, patients=5))
    assert pick(few, strategy="lp-ft", region="WT", against="scratch")["verdict"] == "refused"


def test_the_control_of_the_same_source_comes_first():
    rows = study(0.05)
    other = [dict(row, source="s2", value=row["value"] - 0.3) for row in rows if row["strategy"] == "lp-ft"]
    made = evaluation.compare_strategies(rows + other)
    borrowed = pick(made, source="s2", strategy="lp-ft", region="WT", against="scratch")
    assert borrowed["mean_difference"] == pytest.approx(-0.25, abs=0.02) and borrowed["verdict"] == "hurts"
    own = [dict(row, source="s2", value=row["value"] - 0.3) for row in rows if row["strategy"] == "scratch"]
    made = evaluation.compare_strategies(rows + other + own)
    assert pick(made, source="s2", strategy="lp-ft", region="WT", against="scratch")["mean_difference"] > 0


def test_nothing_to_compare():
    assert evaluation.compare_strategies([]) == []
    assert evaluation.compare_strategies(study(0.1, strategies=("lp-ft",))) == []
    pooled = [dict(row, subject="") for row in study(0.1)]
    assert evaluation.compare_strategies(pooled) == []


def test_times_to_a_set_dice():
    history = [{"step": step, "loss": 1.0, "train_dice": str(min(0.9, step / 50))} for step in range(1, 101)]
    made = evaluation.reach_times(CELL, history, [0.5 * step for step in range(1, 101)], dice=0.6, window=5)
    assert (made["steps"], made["seconds"], made["steps_to_dice"], made["seconds_to_dice"]) == (100, 50, 32, 16)
    never = evaluation.reach_times(CELL, history, [{"seconds": str(s)} for s in range(100)], dice=0.95)
    assert np.isnan(never["steps_to_dice"]) and np.isnan(never["seconds_to_dice"]) and never["dice"] == 0.95
    plain = evaluation.reach_times(CELL, [{"step": 1, "loss": 0.2}], [3.0])
    assert np.isnan(plain["steps_to_dice"]) and plain["seconds"] == 3
    assert evaluation.reach_times(CELL, [], [])["steps"] == 0


def test_scores_of_equal_strategies_from_several_sources_give_few_verdicts():
    """A/A from rows of scores to verdicts: three sources by two strategies, a lucky run lifts all of its fold."""
    rng = np.random.default_rng(0)
    arms = [("a", "scratch"), *((source, strategy) for source in "abc" for strategy in ("fine-tune", "frozen"))]
    wrong = 0
    for _ in range(80):
        level = rng.normal(0.8, 0.1, 15)
        rows = []
        for (source, strategy), seed in itertools.product(arms, range(2)):
            values = level + rng.normal(0, 0.04, 5)[np.arange(15) % 5] + rng.normal(0, 0.05, 15)
            cell = {"task": "segmentation", "source": source, "strategy": strategy, "n": "8", "seed": seed}
            measured = {"region": "WT", "metric": "dice"}
            rows += [cell | measured | {"fold": k % 5, "subject": f"p{k}", "value": v} for k, v in enumerate(values)]
        verdicts = [row["verdict"] for row in evaluation.compare_strategies(rows) if row["verdict"]]
        assert len(verdicts) == 6
        wrong += any(verdict != "no evidence" for verdict in verdicts)
    assert wrong / 80 <= 0.08
