"""Scores on the native grid."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.fake_cases import CELL
from helpers.fake_registration import RECORD
from neurograft.core.files import write_json
from neurograft.evaluation import metrics, scores
from neurograft.evaluation.comparison import compare_cells
from neurograft.evaluation.scores import score_cell
from neurograft.imaging import resampling

BRATS = Path(__file__).parents[3] / "shared/data/brats18"


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
    rows = scores.score_segmentation(CELL, "a", perfect(labels), np.eye(4), labels, "brats2018")
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
    rows = scores.score_segmentation(CELL, "a", perfect(labels), shift, labels, "brats2018")
    values = {(row["region"], row["metric"]): row["value"] for row in rows}
    assert values["WT", "dice"] == pytest.approx(14 / 16)
    assert values["WT", "hd95"] == pytest.approx(3.0)
    assert values["WT", "volume-error"] == pytest.approx(0)


def test_regions_absent_in_the_truth_and_float_labels():
    labels = labels_image()
    data = np.where(np.asanyarray(labels.dataobj) > 0, 2.0, 0.0)[..., None]
    rows = scores.score_segmentation(
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
    given = {k: resampling.resample(v, shape, affine, np.linalg.inv(turned)) for k, v in perfect(labels).items()}
    rows = scores.score_segmentation(CELL, "a", given, turned, labels, "brats2018")
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
    rows = scores.score_classification(cell, both(SLICES), CLASSES)
    values = {(row["subject"], row["metric"]): row["value"] for row in rows}
    assert values["p1", "balanced-accuracy"] == pytest.approx(0.75)
    assert values["p1", "prevalence"] == pytest.approx(2 / 3)
    assert values["p2", "brier"] == pytest.approx(0.01)
    assert ("p2", "auc") not in values and ("p2", "sensitivity") not in values
    # only the positive class listed, as text, is the same
    short = [{k: str(v) for k, v in row.items()} for row in both(SLICES) if row["class"] == "tumour"]
    again = scores.score_classification(cell, short, CLASSES)
    assert [row["value"] for row in again] == pytest.approx([row["value"] for row in rows])


def test_cohort_rows_over_slices_are_means_over_patients():
    cells = [
        (CELL | {"task": "classification", "fold": k}, both([r for r in SLICES if r[0] == p]))
        for k, p in enumerate(("p1", "p2"))
    ]
    rows = scores.pool_classification(cells, CLASSES)
    values = {row["metric"]: row["value"] for row in rows}
    assert all(row["subject"] == "" and row["fold"] == "" for row in rows)
    single = scores.score_classification(cells[0][0], cells[0][1], CLASSES)
    brier = next(row["value"] for row in single if row["metric"] == "brier")
    assert values["brier"] == pytest.approx((brier + 0.01) / 2)
    assert values["balanced-accuracy"] == pytest.approx(0.75)


def test_patients_as_units_are_pooled_over_folds():
    cells = []
    for fold, patients in enumerate(([("a", "high", 0.8), ("b", "low", 0.3)], [("c", "high", 0.6), ("d", "low", 0.7)])):
        rows = [{"subject": s, "slice": "", "class": "high", "probability": p, "truth": t} for s, t, p in patients]
        cells.append((CELL | {"task": "classification", "fold": fold}, rows))
    values = {row["metric"]: row["value"] for row in scores.pool_classification(cells, ["low", "high"])}
    assert values["auc"] == pytest.approx(0.75) and values["balanced-accuracy"] == pytest.approx(0.75)
    assert values["prevalence"] == 0.5
    with pytest.raises(ValueError, match=r"classes \['high'\]"):
        scores.pool_classification(cells, ["low", "none"])


def test_repeated_partitions_are_pooled_each_for_itself_and_averaged():
    def predict(fold, **chances):
        rows = [
            {
                "subject": name,
                "slice": "",
                "class": "high",
                "probability": chance,
                "truth": "high" if name < "c" else "low",
            }
            for name, chance in chances.items()
        ]
        return CELL | {"task": "classification", "split": "folds", "fold": fold}, rows

    first = [predict(0, a=0.9, c=0.1), predict(1, b=0.8, d=0.3)]
    second = [predict(2, a=0.2, d=0.3), predict(3, b=0.8, c=0.6)]
    classes, repeats = ["low", "high"], {("folds", 2): 1, ("folds", 3): 1}
    apart = [
        {row["metric"]: row["value"] for row in scores.pool_classification(part, classes)} for part in (first, second)
    ]
    rows = scores.pool_classification([*first, *second], classes, repeats)
    assert apart[0]["auc"] == 1.0 and apart[1]["auc"] == 0.5
    assert {row["metric"]: row["value"] for row in rows} == pytest.approx(
        {metric: (apart[0][metric] + apart[1][metric]) / 2 for metric in apart[0]}
    )
    # joined as if of eight patients it would be another number
    joined = {row["metric"]: row["value"] for row in scores.pool_classification([*first, *second], classes)}
    assert joined["auc"] == pytest.approx(13 / 16)


def test_a_cell_without_predictions_has_no_scores():
    assert scores.score_classification(CELL, [], CLASSES) == []
    assert scores.pool_classification([(CELL, [])], CLASSES) == []
    assert len(scores.pool_classification([(CELL, []), (CELL | {"fold": 2}, both(SLICES))], CLASSES)) > 3


def test_times_to_a_set_dice():
    history = [{"step": step, "loss": 1.0, "train_dice": min(0.9, step / 50)} for step in range(1, 101)]
    made = scores.reach_times(CELL, history, [0.5 * step for step in range(1, 101)], dice=0.6, window=5)
    assert (made["steps"], made["seconds"], made["steps_to_dice"], made["seconds_to_dice"]) == (100, 50, 32, 16)
    never = scores.reach_times(CELL, history, [float(s) for s in range(100)], dice=0.95)
    assert np.isnan(never["steps_to_dice"]) and np.isnan(never["seconds_to_dice"]) and never["dice"] == 0.95
    plain = scores.reach_times(CELL, [{"step": 1, "loss": 0.2}], [3.0])
    assert np.isnan(plain["steps_to_dice"]) and plain["seconds"] == 3
    assert scores.reach_times(CELL, [], [])["steps"] == 0


def write_records(folder, status):
    """Write the two records that scoring reads of a subject; say where they are."""
    files = {"status": folder / "status.json", "registered": folder / "register_scans.json"}
    write_json(files["status"], status)
    write_json(files["registered"], RECORD)
    return {"X": files}


def test_a_perfect_prediction_scores_one_on_the_native_grid(registered_case):
    folder, split, status, _ = registered_case
    scores = score_cell(folder, split, write_records(folder, status))
    dice = {row["region"]: row["value"] for row in scores if row["metric"] == "dice"}
    assert dice == {"WT": 1.0, "TC": 1.0, "ET": 1.0}


def test_comparison_tables_of_one_cell(registered_case):
    folder, split, status, _ = registered_case
    scores = score_cell(folder, split, write_records(folder, status))
    all_scores, comparison, _again, times = compare_cells([folder], scores, split)
    assert all_scores == scores
    assert comparison == []
    assert times[0]["steps"] == 1


def test_an_untrained_cell_has_no_scores(tmp_path):
    write_json(tmp_path / "manifest.json", {"task": "segmentation", "trained": False, "reason": "too few"})
    assert score_cell(tmp_path, {}, {}) == []
