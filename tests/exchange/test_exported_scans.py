"""Scans leave on one grid: as they are where they lie there, else interpolated once, without skull."""

import nibabel as nib
import numpy as np
import pytest

from helpers.fake_masks import make_truth
from helpers.fake_registration import NATIVE, SHAPE
from neurograft.exchange.exported_scans import export_scans
from neurograft.imaging.nifti import image

CANONICAL = nib.as_closest_canonical(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), NATIVE)).affine


def make_scan(seed, shape=SHAPE, affine=CANONICAL):
    """Smooth, whole-numbered, nowhere zero."""
    x, y, z = np.indices(shape)
    return image((100 + 20 * np.sin(0.3 * (x + seed)) + 10 * np.cos(0.2 * y) + z).round().astype(np.float32), affine)


def status(names, stripped=True, grid_of="t1c"):
    file = {"shape": list(SHAPE), "affine": NATIVE.tolist(), "stripped": stripped}
    return {"reference": "t1c", "sequences": dict.fromkeys(names, file), "labels": {"grid_of": grid_of}}


def full(names, shape=SHAPE, affine=CANONICAL):
    return {name: image(np.ones(shape, np.uint8), affine) for name in names}


def native(scan):
    """A canonical image's voxels along the axes of the reference's file, which run left and forwards."""
    return np.asanyarray(scan.dataobj)[::-1, ::-1]


def test_scans_that_lie_on_one_grid_keep_their_voxels(tmp_path):
    scans = {"t1c": make_scan(1), "flair": make_scan(2)}
    labels = image(np.ascontiguousarray(make_truth()[::-1, ::-1]), CANONICAL)
    record = {"to_reference": {"flair": np.eye(4).tolist()}}
    export_scans(tmp_path / "out", status(scans), scans | {"labels": labels}, full(scans), record)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"t1c.nii.gz", "flair.nii.gz", "labels.nii.gz"}
    for name, scan in scans.items():
        written = nib.load(tmp_path / f"out/{name}.nii.gz")
        assert np.array_equal(written.get_fdata(), native(scan)) and np.allclose(written.affine, NATIVE)
    assert np.array_equal(np.asanyarray(nib.load(tmp_path / "out/labels.nii.gz").dataobj), make_truth())


@pytest.mark.parametrize("moved", ["t1c", "flair"])
def test_another_grid_is_brought_to_the_references(tmp_path, moved):
    """FLAIR lies 3 mm further up than its header says; labels may be drawn on either."""
    shift = np.eye(4)
    shift[2, 3] = 3
    scans = {"t1c": make_scan(1), "flair": make_scan(1, affine=shift @ CANONICAL)}
    truth = np.ascontiguousarray(make_truth()[::-1, ::-1])
    labels = image(truth, scans[moved].affine)
    record = {"to_reference": {"flair": shift.tolist()}}
    masks = {name: image(np.ones(SHAPE, np.uint8), scan.affine) for name, scan in scans.items()}
    export_scans(tmp_path / "out", status(scans, grid_of=moved), scans | {"labels": labels}, masks, record)
    flair = nib.load(tmp_path / "out/flair.nii.gz").get_fdata()
    assert np.abs(flair - native(scans["t1c"])).max() < 1e-2, "the same voxels once it is moved back"
    assert np.array_equal(np.asanyarray(nib.load(tmp_path / "out/labels.nii.gz").dataobj), make_truth())


def test_a_skull_is_taken_off_and_labels_are_kept_whole(tmp_path):
    scans = {"t1c": make_scan(1)}
    inside = np.zeros(SHAPE, np.uint8)
    inside[6:18, 6:20, 5:17] = 1
    labels = image(np.ones(SHAPE, np.uint8), CANONICAL)
    about = status(scans, stripped=False)
    export_scans(
        tmp_path / "out", about, scans | {"labels": labels}, {"t1c": image(inside, CANONICAL)}, {"to_reference": {}}
    )
    written = nib.load(tmp_path / "out/t1c.nii.gz").get_fdata()
    assert np.array_equal(written != 0, native(image(inside, CANONICAL)) > 0)
    assert np.array_equal(written[written != 0], native(scans["t1c"])[written != 0])
    assert np.asanyarray(nib.load(tmp_path / "out/labels.nii.gz").dataobj).all()


def test_a_subject_without_labels(tmp_path):
    scans = {"t1c": make_scan(1)}
    export_scans(tmp_path / "out", status(scans) | {"labels": None}, scans, full(scans), {"to_reference": {}})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["t1c.nii.gz"]
