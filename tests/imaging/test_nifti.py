"""Images on reference grids: whole files, reorientation, one interpolation."""

import itertools
import json
import os

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from neurograft.core import files
from neurograft.imaging import nifti, resampling

ORIENTATIONS = [
    "".join(codes) for order in itertools.permutations(["RL", "AP", "SI"]) for codes in itertools.product(*order)
]
AFFINE = np.diag([1.0, 1.5, 2.0, 1.0]) + np.array([[0, 0, 0, -20.0], [0, 0, 0, 7], [0, 0, 0, 3], [0, 0, 0, 0]])


def blob(shape=(12, 14, 16), seed=0):
    return nifti.image(np.random.default_rng(seed).random(shape).astype(np.float32) + 1, AFFINE)


def tilted(degrees=20):
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


# files


def test_whole_replaces_a_folder(tmp_path):
    for scans in ({"t1": blob(), "t2": blob()}, {"flair": blob()}, {}):
        nifti.write_scans(tmp_path / "scans", scans)
        assert sorted(os.listdir(tmp_path / "scans")) == sorted(f"{name}.nii.gz" for name in scans)
    assert os.listdir(tmp_path) == ["scans"]


def test_same_image_same_bytes(tmp_path):
    for name in ("a", "b"):
        nifti.write_image(tmp_path / name / f"{name}.nii.gz", blob())
    assert (tmp_path / "a/a.nii.gz").read_bytes() == (tmp_path / "b/b.nii.gz").read_bytes()


def test_scans_come_back_in_order(tmp_path):
    written = {name: blob(seed=seed) for seed, name in enumerate(["labels", "flair", "t1c", "brain", "t1"])}
    nifti.write_scans(tmp_path / "söme folder", written)
    read = nifti.read_scans(tmp_path / "söme folder")
    assert list(read) == ["t1", "t1c", "flair", "brain", "labels"]
    for name, scan in read.items():
        assert np.array_equal(scan.get_fdata(), written[name].get_fdata()) and np.allclose(scan.affine, AFFINE)
        assert scan.get_data_dtype() == np.float32


def test_packed_scans_lose_no_zero_and_hardly_anything_else(tmp_path):
    written = {"t1": blob(seed=1), "labels": nifti.image(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), AFFINE)}
    nifti.write_scans(tmp_path / "packed", written, packed=True)
    read = nifti.read_scans(tmp_path / "packed")
    before, after = (np.asanyarray(scans["t1"].dataobj) for scans in (written, read))
    assert after.dtype == np.float32 and np.abs(after - before).max() <= np.abs(before).max() / 65000
    assert not after[before == 0].any() and np.allclose(read["t1"].affine, AFFINE)
    assert np.array_equal(np.asanyarray(read["labels"].dataobj), np.asanyarray(written["labels"].dataobj))
    assert read["labels"].get_data_dtype() == np.uint8


def test_whole_numbers_take_two_bytes_and_come_back_as_the_floats_they_were(tmp_path):
    whole = np.random.default_rng(0).integers(-32768, 32768, (3, 4, 5)).astype(np.float32)
    whole[0, 0, :2] = -32768, 32767
    beyond, broken = whole.copy(), whole.copy()
    beyond[1, 1, 1], broken[1, 1, 1] = 32768, 0.5
    written = {"t1": whole, "t2": beyond, "flair": broken}
    nifti.write_scans(tmp_path / "scans", {name: nifti.image(data, AFFINE) for name, data in written.items()})
    for name, size in (("t1", 16), ("t2", 32), ("flair", 32)):
        assert nib.load(tmp_path / f"scans/{name}.nii.gz").header["bitpix"] == size
        read = nifti.read_scans(tmp_path / "scans")[name]
        assert read.get_data_dtype() == np.float32 and np.array_equal(read.get_fdata(), written[name])
        assert np.array_equal(read.affine, nifti.image(whole, AFFINE).affine)


def test_a_file_that_was_cut_off_is_no_image(tmp_path):
    nifti.write_image(tmp_path / "a.nii.gz", blob())
    (tmp_path / "a.nii.gz").write_bytes((tmp_path / "a.nii.gz").read_bytes()[:-20])
    with pytest.raises(Exception, match="(?i)end-of-stream|incomplete|expected"):
        nifti.read_image(tmp_path / "a.nii.gz")


def test_sidecar_and_json(tmp_path):
    nifti.write_image(tmp_path / "a.nii.gz", blob(), {"é": np.float32(0.5), "list": np.arange(2)})
    assert files.read_json(tmp_path / "a.json") == {"é": 0.5, "list": [0, 1]}
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


def test_masks_are_stored_as_bytes():
    made = nifti.image(np.ones((2, 2, 2), bool), AFFINE)
    assert made.get_data_dtype() == np.uint8
    assert int(made.header["sform_code"]) == int(made.header["qform_code"]) == 2


# orientation


@given(st.sampled_from(ORIENTATIONS), st.integers(0, 5))
def test_to_native_undoes_canonical_exactly(codes, seed):
    data = np.random.default_rng(seed).integers(0, 99, (4, 5, 6)).astype(np.int16)
    turn = ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes))
    canonical = nib.Nifti1Image(data, AFFINE)
    native = canonical.as_reoriented(turn)
    assert "".join(nib.aff2axcodes(native.affine)) == codes
    back = nifti.to_native(nib.as_closest_canonical(native), native.shape, native.affine)
    assert np.array_equal(np.asanyarray(back.dataobj), np.asanyarray(native.dataobj))
    assert np.allclose(back.affine, native.affine) and back.get_data_dtype() == np.int16


def test_to_native_of_an_oblique_scan():
    affine = tilted() @ AFFINE @ inv_ornt_aff(axcodes2ornt("LPS"), (4, 5, 6))
    native = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), affine)
    back = nifti.to_native(nib.as_closest_canonical(native), native.shape, affine)
    assert np.array_equal(np.asanyarray(back.dataobj), np.asanyarray(native.dataobj))


@pytest.mark.parametrize(("shape", "affine"), [((12, 14, 15), AFFINE), ((12, 14, 16), np.eye(4))])
def test_to_native_refuses_another_grid(shape, affine):
    with pytest.raises(ValueError, match="not on the same voxels"):
        nifti.to_native(blob(), shape, affine)


# interpolation


@pytest.mark.parametrize("order", [0, 1, 3])
def test_resampling_onto_itself_changes_nothing(order):
    scan = blob()
    same = resampling.resample(scan, scan.shape, AFFINE, order=order)
    assert np.allclose(same.get_fdata(), scan.get_fdata(), atol=1e-4 if order == 3 else 0)


@settings(deadline=None)
@given(st.tuples(*[st.integers(-3, 3)] * 3), st.sampled_from([0, 1]))
def test_transform_points_from_target_to_source(shift, order):
    scan = blob()
    transform = np.eye(4)
    transform[:3, 3] = np.array(shift) * [1.0, 1.5, 2.0]  # whole voxels, so that the result is exact
    moved = resampling.resample(scan, scan.shape, AFFINE, transform, order=order).get_fdata()
    for voxel in ((5, 6, 7), (4, 4, 4), (8, 9, 10)):
        assert moved[voxel] == scan.get_fdata()[tuple(np.add(voxel, shift))]


@pytest.mark.parametrize("order", [1, 3])
def test_outside_is_zero_and_the_range_is_kept(order):
    scan = blob()
    out = resampling.resample(
        scan, (40, 40, 40), np.diag([1, 1, 1, 1.0]) - np.array([[0, 0, 0, 30]] * 3 + [[0] * 4]), order=order
    )
    data = out.get_fdata()
    assert data[0, 0, 0] == 0 and data[-1, -1, -1] == 0
    assert data.min() >= 0 and data.max() <= scan.get_fdata().max() and data.max() > 1
    assert out.get_data_dtype() == np.float32


def ball(radius, value=1):
    shape, affine = (60, 60, 60), np.diag([1.0, 1, 1, 1])
    distance = np.linalg.norm(np.indices(shape) - 29.3, axis=0)
    return nifti.image(np.where(distance < radius, value, 0).astype(np.uint8), affine)


@pytest.mark.parametrize("spacing", [0.8, 1.7])
def test_labels_keep_their_volume_and_values(spacing):
    labels = ball(18, 2)
    data = np.asanyarray(labels.dataobj).copy()
    data[np.asanyarray(ball(9).dataobj) > 0] = 4
    labels = nifti.image(data, labels.affine)
    count = int(60 / spacing)
    out = np.asanyarray(
        resampling.resample_labels(labels, (count,) * 3, np.diag([spacing] * 3 + [1]), tilted(0)).dataobj
    )
    assert out.dtype == np.uint8 and set(np.unique(out)) == {0, 2, 4}
    for value in (2, 4):
        assert (out == value).sum() * spacing**3 == pytest.approx((data == value).sum(), rel=0.03)


def test_labels_outside_and_empty():
    far = np.eye(4)
    far[:3, 3] = 500
    assert not np.asanyarray(resampling.resample_labels(ball(10), (5, 5, 5), far).dataobj).any()
    assert not np.asanyarray(resampling.resample_labels(ball(0), (5, 5, 5), np.eye(4)).dataobj).any()


def test_grid_box():
    mask = np.zeros((10, 10, 10))
    mask[2:4, 0, 9] = 3
    assert resampling.grid_box(mask) == (slice(2, 4), slice(0, 1), slice(9, 10))
    assert resampling.grid_box(mask, margin=2) == (slice(0, 6), slice(0, 3), slice(7, 10))
    with pytest.raises(ValueError, match="empty"):
        resampling.grid_box(mask * 0)
