"""What users take away keeps its grid, its names and its values."""

import nibabel as nib
import numpy as np
import pytest

from neurograft.core import files
from neurograft.core.sequences import SEQUENCES
from neurograft.imaging import derivatives, nifti

LPS = np.array([[-2.0, 0, 0, 30], [0, -2, 0, 40], [0, 0, 3, -20], [0, 0, 0, 1]])


@pytest.fixture
def mask():
    """A canonical mask whose file is stored left-posterior-superior."""
    data = np.zeros((10, 12, 8), np.uint8)
    data[2:5, 3:9, 1:4] = 1
    return nib.as_closest_canonical(nib.Nifti1Image(data, LPS)), data


@pytest.mark.parametrize("name", ["sub-1", "sub-1_space-MNI152"])
def test_every_name_gives_its_stem_back(name):
    stem = f"/a_dseg.nii.gz/_desc-x_mask.nii.gz/{name}"
    named = [derivatives.brain_mask_file(stem), derivatives.disagreement_file(stem), derivatives.candidates_file(stem)]
    named += [derivatives.segmentation_file(stem), derivatives.segmentation_table_file(stem)]
    named += [derivatives.probability_file(stem, "WT")]
    for sequence in SEQUENCES:
        named += [derivatives.brain_mask_file(stem, sequence), derivatives.normalized_file(stem, sequence)]
    assert {derivatives.stem_of(path) for path in named} == {stem} and len(set(named)) == len(named)


@pytest.mark.parametrize("name", ["sub-1.nii.gz", "sub-1_desc-brain_mask.nii", "sub-1_desc-x_seg.nii.gz", "dseg.tsv"])
def test_a_name_that_is_no_derivative_has_no_stem(name):
    with pytest.raises(ValueError, match="not the name of a derivative"):
        derivatives.stem_of(name)


def test_masks_lie_on_their_own_files_voxels(tmp_path, mask):
    canonical, stored = mask
    file = {"file": "/scan.nii.gz", "shape": [10, 12, 8], "affine": LPS.tolist()}
    status = {"reference": "flair", "sequences": {"t1": file, "flair": file}}
    stem = str(tmp_path / "sub-1" / "anat" / "sub-1")
    derivatives.write_masks(stem, {"t1": canonical, "flair": canonical}, status)
    for name in ("acq-t1_", "acq-flair_", ""):
        written = nib.load(f"{stem}_{name}desc-brain_mask.nii.gz")
        assert np.array_equal(np.asanyarray(written.dataobj), stored)
        assert np.allclose(written.affine, LPS)
    back = derivatives.read_masks(stem, ["t1"])["t1"]
    assert np.array_equal(np.asanyarray(back.dataobj), np.asanyarray(canonical.dataobj))


def test_disagreement_lies_on_the_reference_s_voxels_and_goes_with_the_second_opinion(tmp_path, mask):
    canonical, stored = mask
    file = {"file": "/scan.nii.gz", "shape": [10, 12, 8], "affine": LPS.tolist()}
    status = {"reference": "t1", "sequences": {"t1": file}}
    record = {"engine": "deepbet", "second": {"engine": "robex"}}
    stem = str(tmp_path / "sub-1")
    derivatives.write_disagreement(stem, canonical, status, record)
    assert np.array_equal(np.asanyarray(nib.load(f"{stem}_desc-disagreement_dseg.nii.gz").dataobj), stored)
    assert np.array_equal(derivatives.read_disagreement(stem).dataobj, canonical.dataobj)
    assert files.read_json(f"{stem}_desc-disagreement_dseg.json")["2"] == "robex only"
    derivatives.write_disagreement(stem, None, status, record)
    assert derivatives.read_disagreement(stem) is None and not list(tmp_path.glob("*disagreement*"))


def test_a_sequence_that_went_away_leaves_no_mask_behind(tmp_path, mask):
    file = {"file": "/scan.nii.gz", "shape": [10, 12, 8], "affine": LPS.tolist()}
    status = {"reference": "t1", "sequences": {"t1": file, "t2": file}}
    stem = str(tmp_path / "sub-1")
    derivatives.write_masks(stem, {"t1": mask[0], "t2": mask[0]}, status)
    derivatives.write_masks(stem, {"t1": mask[0]}, status)
    assert not list(tmp_path.glob("*t2*"))


def test_normalized_images_keep_zero_and_three_decimals(tmp_path):
    data = np.random.default_rng(0).normal(0, 2, (6, 6, 6)).astype(np.float32)
    data[:3] = 0
    scans = {"t1c": nifti.image(data, np.eye(4)), "flair": nifti.image(data, np.eye(4))}
    scans["brain"] = nifti.image(data != 0, np.eye(4))
    stem = str(tmp_path / "sub-1_space-MNI152")
    derivatives.write_normalized(stem, scans, {})
    back = derivatives.read_normalized(stem)
    assert list(back) == ["t1c", "flair"]
    values = np.asanyarray(back["t1c"].dataobj)
    assert np.all(values[:3] == 0)
    assert np.abs(values - data).max() <= 0.0006


def test_images_of_the_user_s_own_come_back_by_their_names(tmp_path):
    data = np.random.default_rng(0).normal(0, 2, (6, 6, 6)).astype(np.float32)
    scans = {name: nifti.image(data + k, np.eye(4)) for k, name in enumerate(("pd", "t2", "dwi"))}
    scans["brain"] = nifti.image(data != 0, np.eye(4))
    stem = str(tmp_path / "sub-1_space-reference")
    derivatives.write_normalized(stem, scans, {"prepared": True})
    back = derivatives.read_normalized(stem)
    assert list(back) == ["t2", "dwi", "pd"]
    assert np.abs(np.asanyarray(back["pd"].dataobj) - data).max() <= 0.0006
    named = derivatives.normalized_file(stem, "pd")
    assert named.endswith("_desc-pd_MRI.nii.gz") and derivatives.stem_of(named) == stem
    assert files.read_json(named.replace(".nii.gz", ".json"))["SkullStripped"] is False
    assert files.read_json(f"{stem}_desc-brain_mask.json")["Type"] == "ROI"
    derivatives.write_normalized(stem, {"brain": scans["brain"]}, {})
    assert derivatives.read_normalized(stem) == {}
    assert derivatives.stem_of([]) is None


def test_of_who_is_gone_nothing_stays(tmp_path):
    for name in ("sub-a", "sub-b", "logs"):
        (tmp_path / name / "anat").mkdir(parents=True)
    (tmp_path / "sub-c.tsv").touch()
    derivatives.remove_others([tmp_path, tmp_path / "nowhere"], ["a"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "sub-a", "sub-c.tsv"]


def test_delivery_replaces_and_withdraws(tmp_path):
    stem = str(tmp_path / "sub-1")
    labels = nifti.image(np.eye(4, dtype=np.uint8)[None] * 4, np.eye(4))
    probability = nifti.image(np.full((1, 4, 4), 0.25, np.float32), np.eye(4))
    derivatives.write_delivered(stem, labels, {"WT": probability}, [{"index": 4, "name": "enhancing"}])
    assert np.array_equal(np.unique(nib.load(f"{stem}_dseg.nii.gz").dataobj), [0, 4])
    assert np.abs(nib.load(f"{stem}_desc-WT_probseg.nii.gz").get_fdata() - 0.25).max() < 0.002
    derivatives.write_delivered(stem, None, {}, [])
    assert not list(tmp_path.iterdir())
