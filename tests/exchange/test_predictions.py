"""Masks of another program become a cell, voxel for voxel, or are refused in one line."""

import json
import math
import shutil

import nibabel as nib
import numpy as np
import pytest

from helpers.fake_masks import CELL, NAMES, make_split, make_truth, write_mask, write_masks, write_statuses
from helpers.fake_registration import NATIVE, RECORD, SHAPE
from neurograft.core import files
from neurograft.core.labels import region_masks
from neurograft.evaluation import scores
from neurograft.evaluation.records import read_history, read_seconds
from neurograft.exchange.prediction_files import FOLDS_FILE, PredictionError, digest_folds
from neurograft.exchange.predictions import import_predictions, read_values
from neurograft.experiment import cell_folder
from neurograft.imaging.nifti import ScanError

SPLIT = make_split()
TESTED = SPLIT["tasks"]["segmentation"]["folds"][0]["test"]


@pytest.fixture
def cohort(tmp_path):
    return write_masks(tmp_path / "masks of mine"), write_statuses(tmp_path)


def take(tmp_path, cohort, split=SPLIT, cell=CELL, **given):
    """Import the masks; return the manifest."""
    folder, statuses = cohort
    return import_predictions(tmp_path / "cell", split, cell, {"predictions": str(folder), **given}, statuses)


def refuse(tmp_path, cohort, words, **arguments):
    """Check that the masks are refused in one line, and that nothing is left."""
    with pytest.raises(PredictionError, match=words) as refused:
        take(tmp_path, cohort, **arguments)
    assert "\n" not in str(refused.value) and str(refused.value).startswith("nnunet: ")
    assert not (tmp_path / "cell").exists()


def read_regions(folder, subject):
    """A subject's regions on the whole native grid."""
    packed = cell_folder.read_packed(folder, subject)
    box = tuple(slice(*ends) for ends in packed["box"])
    regions = {}
    for region in ("WT", "TC", "ET"):
        regions[region] = np.zeros(SHAPE, bool)
        regions[region][box] = packed[region] > 127
    return regions


def test_a_cell_holds_the_masks_of_its_test_patients_voxel_for_voxel(tmp_path, cohort):
    manifest = take(tmp_path, cohort, seconds=1234)
    assert manifest["trained"] and manifest["test"] == TESTED and manifest["grid"] == "reference"
    assert (manifest["source"], manifest["strategy"], manifest["fold"]) == ("external", "nnunet", 0)
    assert sorted(manifest["train"] + TESTED) == sorted(NAMES) and manifest["splits"] == SPLIT["hash"]
    assert {path.name for path in (tmp_path / "cell").glob("*.npz")} == {f"sub-{name}.npz" for name in TESTED}
    for subject in TESTED:
        truth = region_masks(make_truth(list(NAMES).index(subject)), "brats2018")
        found = read_regions(tmp_path / "cell", subject)
        assert all(np.array_equal(found[region], truth[region]) for region in truth)
    assert read_seconds(tmp_path / "cell") == [617.0] and read_history(tmp_path / "cell") == []


def test_without_seconds_the_time_is_not_known(tmp_path, cohort):
    take(tmp_path, cohort)
    (seconds,) = read_seconds(tmp_path / "cell")
    assert math.isnan(seconds)
    row = scores.reach_times(CELL, [], [seconds])
    assert row["steps"] == 0 and math.isnan(row["seconds"])


def test_the_labels_of_the_export_are_turned_back(tmp_path, cohort):
    write_masks(cohort[0], values=(1, 2, 3))
    take(tmp_path, cohort)
    truth = region_masks(make_truth(list(NAMES).index(TESTED[0])), "brats2018")
    found = read_regions(tmp_path / "cell", TESTED[0])
    assert found["ET"].any() and all(np.array_equal(found[region], truth[region]) for region in truth)


@pytest.mark.parametrize("scheme", ["brats2018", "brats2023", "anterior=1,posterior=2"])
def test_values_that_fit_every_meaning_are_taken(tmp_path, cohort, scheme):
    write_masks(cohort[0], values=(1, 2, 2))
    assert take(tmp_path, cohort, make_split(scheme=scheme))["trained"]


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 0, 1)])
def test_the_same_voxels_along_other_axes(tmp_path, cohort, turn):
    for number, subject in enumerate(NAMES):
        native = nib.Nifti1Image(make_truth(number), NATIVE)
        turned = native.as_reoriented([[axis, -1 if axis == 1 else 1] for axis in turn])
        nib.save(turned, cohort[0] / f"{subject}.nii.gz")
    take(tmp_path, cohort)
    truth = region_masks(make_truth(list(NAMES).index(TESTED[0])), "brats2018")
    assert np.array_equal(read_regions(tmp_path / "cell", TESTED[0])["TC"], truth["TC"])


def test_an_empty_mask_is_a_mask(tmp_path, cohort):
    write_mask(cohort[0] / f"{TESTED[0]}.nii.gz", np.zeros(SHAPE, np.uint8))
    take(tmp_path, cohort)
    assert not read_regions(tmp_path / "cell", TESTED[0])["WT"].any()


def test_the_other_orientation_of_a_header_with_two(tmp_path, cohort):
    other = NATIVE.copy()
    other[:3, 3] += 40
    statuses = write_statuses(tmp_path, other_affine=other.tolist())
    for number, subject in enumerate(NAMES):
        write_mask(cohort[0] / f"{subject}.nii.gz", make_truth(number), other)
    assert take(tmp_path, (cohort[0], statuses))["trained"]


def test_a_missing_mask_is_named(tmp_path, cohort):
    (cohort[0] / "p3.nii.gz").unlink()
    refuse(tmp_path, cohort, r"masks of mine has no mask of p3; it is looked for as p3\.nii\.gz")
    (cohort[0] / "p1.nii.gz").unlink()
    refuse(tmp_path, cohort, "no mask of p1 and 1 more")
    refuse(tmp_path, (tmp_path / "nowhere", cohort[1]), "nowhere has no mask of p0 and 3 more")


def test_two_masks_of_one_subject(tmp_path, cohort):
    write_mask(cohort[0] / f"sub-{TESTED[0]}_dseg.nii.gz", make_truth())
    refuse(tmp_path, cohort, f"are both masks of {TESTED[0]}; keep the one")


@pytest.mark.parametrize(
    ("data", "move", "words"),
    [
        (
            make_truth()[:-1],
            0,
            r"another grid \(23 x 26 x 22 voxels of 1 x 1 x 1 mm\) than the scan t1c \(24 x 26 x 22 vox",
        ),
        (make_truth(), 1, "another grid .elsewhere in space. than the scan t1c"),
        (make_truth()[..., None].repeat(3, -1), 0, "shape .24, 26, 22, 3., not that of one mask"),
        (make_truth() / 3, 0, "values that are no label"),
        (make_truth() * np.nan, 0, "values that are no label"),
        (make_truth().astype(np.int16) * 100, 0, "values that are no label"),
        (
            make_truth(0, (1, 2, 7)),
            0,
            "holds the value 7, which is no label of the dataset .1 necrosis, 2 oedema, 4 enh",
        ),
        (make_truth(0, (3, 2, 4)), 0, "holds the value 3, which is no label"),
    ],
)
def test_strange_masks_are_refused(tmp_path, cohort, data, move, words):
    affine = NATIVE.copy()
    affine[0, 3] += move
    write_mask(cohort[0] / f"{TESTED[0]}.nii.gz", data, affine)
    refuse(tmp_path, cohort, words)


def test_unreadable_files_are_refused(tmp_path, cohort):
    path = cohort[0] / f"{TESTED[0]}.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    refuse(tmp_path, cohort, "damaged gzip")
    path.write_text("no image")
    refuse(tmp_path, cohort, "not a NIfTI image")
    grid = {"shape": list(SHAPE), "affine": NATIVE.tolist()}
    with pytest.raises(ScanError):
        read_values(path, grid)


def test_both_meanings_in_one_fold_are_refused(tmp_path, cohort):
    write_mask(cohort[0] / f"{TESTED[0]}.nii.gz", make_truth(0, (1, 2, 3)))
    refuse(tmp_path, cohort, "holds the value 3")


def lay_into_folds(folder, split=SPLIT, shift=0):
    """Move the masks into nnU-Net's folders."""
    folds = split["tasks"]["segmentation"]["folds"]
    for number, fold in enumerate(folds):
        place = folder / f"fold_{(number + shift) % len(folds)}/validation"
        place.mkdir(parents=True)
        for subject in fold["test"]:
            (folder / f"{subject}.nii.gz").rename(place / f"{subject}.nii.gz")


def test_nnunets_own_folders(tmp_path, cohort):
    lay_into_folds(cohort[0])
    assert take(tmp_path, cohort)["notes"] == [], "the folders show the folds"


def test_a_network_that_trained_on_the_patient_is_refused(tmp_path, cohort):
    lay_into_folds(cohort[0], shift=1)
    refuse(tmp_path, cohort, r"fold_\d/validation/p\d\.nii\.gz is the mask of a training patient: fold \d trains on p")


def test_folds_that_are_not_ours_are_refused_and_unknown_ones_noted(tmp_path, cohort):
    (note,) = take(tmp_path, cohort)["notes"]
    assert "user's word" in note
    told = {"hash": digest_folds(SPLIT["tasks"]["segmentation"]["folds"])}
    files.write_json(cohort[0] / FOLDS_FILE, told)
    assert take(tmp_path, cohort)["notes"] == []
    files.write_json(cohort[0] / FOLDS_FILE, {"hash": "of others"})
    (tmp_path / "cell").rename(tmp_path / "before")
    refuse(tmp_path, cohort, "made with other folds than those of results/splits.json; run `snakemake export_folds`")


def test_a_split_without_such_a_cell_gives_the_reason(tmp_path, cohort):
    manifest = take(tmp_path, cohort, cell=CELL | {"fold": "7"})
    assert not manifest["trained"] and "no fold 7" in manifest["reason"]
    assert json.loads((tmp_path / "cell/manifest.json").read_text()) == manifest


@pytest.mark.parametrize("grid_of", ["t1c", "t2"])
def test_a_perfect_mask_scores_perfectly_whatever_the_template(tmp_path, cohort, grid_of):
    """By way of the template a mask would lose its border; labels may also lie on another sequence's grid."""
    take(tmp_path, cohort)
    shift = np.eye(4)
    shift[2, 3] = 2.0 if grid_of == "t2" else 0.0  # two voxels
    turned = np.array(RECORD["to_template"])
    turned[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    record = {"to_template": turned.tolist(), "to_reference": {"t2": shift.tolist()}, "grid": RECORD["grid"]}
    rows = []
    for subject in TESTED:
        truth = make_truth(list(NAMES).index(subject))
        status = files.read_json(cohort[1][subject])
        status["labels"]["grid_of"] = grid_of
        files.write_json(cohort[1][subject], status)
        write_mask(status["labels"]["file"], np.roll(truth, int(shift[2, 3]), axis=2))
        files.write_json(tmp_path / subject / "registered.json", record)
    places = {
        name: {"status": cohort[1][name], "registered": str(tmp_path / name / "registered.json")} for name in TESTED
    }
    rows = scores.score_cell(tmp_path / "cell", SPLIT, places)
    assert {row["subject"] for row in rows} == set(TESTED)
    assert [row["value"] for row in rows if row["metric"] == "dice"] == [1.0] * 3 * len(TESTED)
    assert all(row["source"] == "external" and row["strategy"] == "nnunet" for row in rows)


def test_with_repeats_each_cell_takes_the_masks_of_its_own_fold(tmp_path, cohort):
    split = make_split(repeats=2)
    folds, (_, statuses) = split["tasks"]["segmentation"]["folds"], cohort
    apart = tmp_path / "apart"
    for number, fold in enumerate(folds):
        for subject in fold["test"]:
            # another mask in every partition
            write_mask(apart / f"fold_{number}/validation/{subject}.nii.gz", make_truth(number))
    for number in (1, 2):
        manifest = take(tmp_path, (apart, statuses), split=split, cell=CELL | {"fold": str(number)})
        assert manifest["trained"] and manifest["test"] == folds[number]["test"]
        found = read_regions(tmp_path / "cell", manifest["test"][0])["WT"]
        assert np.array_equal(found, region_masks(make_truth(number), "brats2018")["WT"])
        shutil.rmtree(tmp_path / "cell")
    missing = folds[3]["test"][0]
    (apart / f"fold_3/validation/{missing}.nii.gz").unlink()
    refuse(tmp_path, (apart, statuses), f"fold_3 has no mask of {missing}", split=split, cell=CELL | {"fold": "3"})


def test_with_repeats_masks_in_one_folder_are_refused(tmp_path, cohort):
    refuse(tmp_path, cohort, "no folders fold_0 to fold_3: with split_cohort.repeats", split=make_split(repeats=2))
