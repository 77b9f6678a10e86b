"""The orientation gate: however a file stores a head, it is read to the same places, or refused with the reason."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from helpers.fake_nifti import MARKERS, ORIENTATIONS, SHAPE, SIZES, draw_markers, find_markers, make_affine, write_nifti
from neurograft.cohort import validation
from neurograft.imaging import nifti

HALF = min(SIZES) / 2  # mm
OBLIQUE = Rotation.from_euler("xyz", [17, -24, 31], degrees=True).as_matrix()
STRAIGHT, _ = make_affine()


def bring(path, labels=None):
    """Import a subject with this scan, through the files."""
    files = {"t1": str(path)} | ({"labels": str(labels)} if labels else {})
    found = {"name": "a", "site": "", "columns": {}, "problems": [], "notes": [], "scheme": "", "files": files}
    return validation.import_scans("a", found, "table")


def read(path):
    """The scan of a file that must be taken; its canonical axes, and the way back to its own, are checked too."""
    status, scans = bring(path)
    assert status["included"], status["reason"]
    facts = status["sequences"]["t1"]
    native = nifti.to_native(scans["t1"], facts["shape"], facts["affine"])
    stored = nib.load(path).get_fdata(dtype=np.float32)
    assert np.array_equal(np.asanyarray(native.dataobj), stored.reshape(native.shape))
    assert np.linalg.det(scans["t1"].affine) > 0
    return scans["t1"], status


def reason(path):
    status, scans = bring(path)
    assert not status["included"] and not scans and status["reason"].startswith(f"t1: {path}")
    assert "; " in status["reason"], "a reason says what to do"
    return status["reason"]


@pytest.mark.parametrize("which", ["sform", "qform", "both"])
@pytest.mark.parametrize("turn", [np.eye(3), OBLIQUE], ids=["straight", "oblique"])
def test_all_48_orientations_are_read_to_the_same_places(tmp_path, turn, which):
    for order, signs in ORIENTATIONS:
        affine, shape = make_affine(order, signs, turn)
        given = {name: affine for name in ("sform", "qform") if which in (name, "both")}
        path = write_nifti(tmp_path / "a.nii", draw_markers(affine, shape), **given)
        scan, _ = read(path)
        assert find_markers(scan) < HALF / 5, (order, signs)


def test_the_markers_tell_every_orientation_from_every_other():
    """A test that the test can fail: under any wrong flip or permutation they are not found."""
    affine, shape = make_affine(sizes=(5, 5, 5), shape=(26, 26, 26))
    data = draw_markers(affine, shape)
    for order, signs in ORIENTATIONS:
        wrong = data.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
        found = find_markers(nib.Nifti1Image(wrong, affine))
        assert (found < HALF) == (order == (0, 1, 2) and signs == (1, 1, 1)), (order, signs)


turns = st.tuples(*[st.floats(-180, 180)] * 3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns, st.sampled_from(ORIENTATIONS), st.sampled_from(["sform", "qform"]))
@example((0, 0, 45), ORIENTATIONS[9], "sform")
@example((45, 45, 45), ORIENTATIONS[21], "qform")
@example((45, 0, 180), ORIENTATIONS[40], "sform")
@example((90, 45, -90), ORIENTATIONS[33], "qform")
def test_any_turn_is_read_to_the_same_places(tmp_path, angles, orientation, which):
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine, shape = make_affine(*orientation, turn)
    data = draw_markers(affine, shape)
    scan, _ = read(write_nifti(tmp_path / "a.nii", data, **{which: affine}))
    assert find_markers(scan) < HALF / 5


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns, st.sampled_from(ORIENTATIONS), st.sampled_from(ORIENTATIONS))
@example((0, 0, 45), ORIENTATIONS[0], ORIENTATIONS[9])
@example((45, 0, 45), ORIENTATIONS[3], ORIENTATIONS[30])
def test_a_label_stored_otherwise_than_its_scan_lies_on_it(tmp_path, angles, one, other):
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine, shape = make_affine(*one, turn)
    scan = write_nifti(tmp_path / "a.nii", draw_markers(affine, shape), sform=affine)
    affine, shape = make_affine(*other, turn)
    truth = (draw_markers(affine, shape, MARKERS[:1]) > 100).astype(np.uint8)
    status, scans = bring(scan, write_nifti(tmp_path / "l.nii", truth, qform=affine))
    assert status["included"], status["reason"]
    assert np.array_equal(scans["labels"].affine, scans["t1"].affine)
    # the air is not the same in both
    assert (np.asanyarray(scans["t1"].dataobj)[scans["labels"].get_fdata() > 0] > 98).all()
    kept = nifti.to_native(scans["labels"], shape, status["labels"]["affine"])
    assert np.array_equal(np.asanyarray(kept.dataobj), truth)


def test_itk_reads_the_same_places(tmp_path):
    """An independent reader, whose world is LPS: the first voxel and the last lie where ours do."""
    sitk = pytest.importorskip("SimpleITK")
    for order, signs in ORIENTATIONS[::5]:
        affine, shape = make_affine(order, signs, OBLIQUE)
        path = write_nifti(tmp_path / "a.nii", draw_markers(affine, shape), affine, affine)
        facts = bring(path)[0]["sequences"]["t1"]
        theirs = sitk.ReadImage(path)
        for voxel in ((0, 0, 0), tuple(n - 1 for n in shape)):
            place = np.array(theirs.TransformIndexToPhysicalPoint(voxel)) * [-1, -1, 1]
            assert np.abs(place - (np.array(facts["affine"]) @ [*voxel, 1])[:3]).max() < 0.01


# what else a header can say


@pytest.mark.parametrize("end", ["<", ">"])
@pytest.mark.parametrize(("slope", "inter"), [(0, 0), (2.5, -40), (np.nan, np.nan), (-1, 900)])
def test_scaled_integers_of_either_byte_order(tmp_path, end, slope, inter):
    data = np.round(draw_markers(STRAIGHT, SHAPE)).astype(np.int16)
    path = write_nifti(tmp_path / "a.nii", data, STRAIGHT, end=end, slope=slope, inter=inter)
    found = np.asanyarray(read(path)[0].dataobj)
    assert np.allclose(found, data * (slope or 1) + inter if np.isfinite(slope) else data)


def test_one_volume_of_a_series(tmp_path):
    data = draw_markers(STRAIGHT, SHAPE)
    scan, status = read(write_nifti(tmp_path / "a.nii", data[..., None, None], STRAIGHT))
    assert find_markers(scan) < HALF / 5 and "series of one volume" in status["notes"][0]
    assert "series of 2 volumes" in reason(write_nifti(tmp_path / "a.nii", np.stack([data] * 2, -1), STRAIGHT))


@pytest.mark.parametrize(("units", "scale", "name"), [(1, 1e-3, "metres"), (3, 1e3, "micrometres")])
@pytest.mark.parametrize("which", ["sform", "qform", "both"])
def test_lengths_in_another_unit(tmp_path, units, scale, name, which):
    given = {one: STRAIGHT for one in ("sform", "qform") if which in (one, "both")}
    data = draw_markers(STRAIGHT, SHAPE)
    scan, status = read(write_nifti(tmp_path / "a.nii", data, unit=(units, scale), **given))
    assert find_markers(scan) < HALF / 5 and status["notes"] == [
        f"t1: lengths are in {name} by the header, converted to mm"
    ]
    assert np.allclose(status["sequences"]["t1"]["affine"], STRAIGHT)
    said = reason(write_nifti(tmp_path / "a.nii", data, unit=(units, 1.0), **given))
    assert f"the header says {name}" in said and "xyzt_units" in said


@pytest.mark.parametrize("units", [0, 2, 10, 18])  # not told; mm; mm and seconds; mm and milliseconds
def test_millimetres(tmp_path, units):
    scan, status = read(write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), STRAIGHT, unit=(units, 1.0)))
    assert find_markers(scan) < HALF / 5 and status["notes"] == []


# headers that contradict themselves


def moved(mm, angle=0.0):
    """STRAIGHT, turned about z and shifted along x."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", angle, degrees=True).as_matrix()
    affine[0, 3] = mm
    return affine @ STRAIGHT


def test_no_code_at_all(tmp_path):
    path = write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), STRAIGHT, STRAIGHT, codes=(0, 0))
    assert "left and right are unknown" in reason(path) and "DICOM" in reason(path)


@pytest.mark.parametrize(
    ("codes", "true"), [((1, 0), "sform"), ((0, 1), "qform"), ((2, 0), "sform"), ((0, 2), "qform")]
)
def test_an_orientation_with_code_0_is_not_one(tmp_path, codes, true):
    affines = {"sform": moved(40, 90), "qform": moved(40, 90), true: STRAIGHT}
    scan, status = read(write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), **affines, codes=codes))
    assert find_markers(scan) < HALF / 5 and status["notes"] == []


@pytest.mark.parametrize("codes", [(1, 1), (2, 1), (4, 2), (2, 2)])
def test_half_a_voxel_apart_is_the_same(tmp_path, codes):
    path = write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), STRAIGHT, moved(1.9), codes=codes)
    assert find_markers(read(path)[0]) < HALF


@pytest.mark.parametrize(
    ("codes", "true"), [((2, 1), "qform"), ((4, 1), "qform"), ((1, 2), "sform"), ((1, 4), "sform")]
)
def test_the_scanner_is_believed(tmp_path, codes, true):
    """Both may be true, in worlds of their own; the sequences of a patient share the scanner's."""
    affines = {"sform": moved(20, 15), "qform": moved(20, 15), true: STRAIGHT}
    path = write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), **affines, codes=codes)
    scan, status = read(path)
    assert find_markers(scan) < HALF / 5 and f"took the {true}" in status["notes"][0]
    # a label that repeats only the other orientation of its scan is still known for its own
    truth = (draw_markers(STRAIGHT, SHAPE, MARKERS[:1]) > 100).astype(np.uint8)
    status, scans = bring(path, write_nifti(tmp_path / "l.nii", truth, sform=moved(20, 15)))
    assert status["included"] and np.array_equal(scans["labels"].get_fdata() > 0, truth > 0)
    assert np.allclose(status["labels"]["affine"], STRAIGHT)


@pytest.mark.parametrize("codes", [(1, 1), (2, 2), (4, 2), (3, 4)])
@pytest.mark.parametrize("other", [moved(2.1), moved(0, 180), moved(0, 3)])
def test_a_conflict_that_nothing_settles(tmp_path, codes, other):
    said = reason(write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), STRAIGHT, other, codes=codes))
    assert "contradict each other" in said and "apart at a corner" in said and "set both" in said


@pytest.mark.parametrize("codes", [(1, 1), (2, 1), (1, 4)])
def test_a_conflict_about_left_and_right(tmp_path, codes):
    mirrored = STRAIGHT.copy()
    mirrored[0] *= -1
    said = reason(write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), STRAIGHT, mirrored, codes=codes))
    assert "left and right swapped" in said and "set both" in said


@pytest.mark.parametrize("pixdim", [(0.5, 5, 4, 6), (-3, 5, 4, 6), (1, -5, 4, 6), (1, 5, 0, 6), (np.nan, 5, 4, 6)])
def test_a_qform_that_readers_take_in_different_ways(tmp_path, pixdim):
    data = draw_markers(STRAIGHT, SHAPE)
    assert "mirrored" in reason(write_nifti(tmp_path / "a.nii", data, qform=STRAIGHT, pixdim=pixdim))


def test_qfac_of_0_counts_as_1(tmp_path):
    path = write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), qform=STRAIGHT, pixdim=(0, *SIZES))
    assert find_markers(read(path)[0]) < HALF / 5


def test_voxel_sizes_that_the_sform_contradicts(tmp_path):
    data = draw_markers(STRAIGHT, SHAPE)
    said = reason(write_nifti(tmp_path / "a.nii", data, STRAIGHT, pixdim=(1, 4.5, 4, 6)))
    assert "4.5 x 4 x 6 by pixdim and 5 x 4 x 6 by the sform" in said
    for pixdim in ((1, 5.05, 4, 6), (1, 0, 0, 0), (-1, 5, -4, 6)):  # rounded, not told, and of no use to an sform
        assert find_markers(read(write_nifti(tmp_path / "a.nii", data, STRAIGHT, pixdim=pixdim))[0]) < HALF / 5


@pytest.mark.parametrize(("lean", "taken"), [(0.01, True), (0.3, False)])
def test_axes_that_are_not_at_right_angles(tmp_path, lean, taken):
    affine = STRAIGHT.copy()
    affine[1, 2] = lean * SIZES[2]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    path = write_nifti(tmp_path / "a.nii", draw_markers(affine, SHAPE), affine, pixdim=(1, 0, 0, 0))
    if taken:
        assert find_markers(read(path)[0]) < HALF / 5
    else:
        assert "not at right angles" in reason(path) and "resample it" in reason(path)


@pytest.mark.parametrize("fault", ["zero", "flat", "endless"])
def test_an_affine_that_is_none(tmp_path, fault):
    affine = {"zero": np.zeros((4, 4)), "flat": STRAIGHT.copy(), "endless": STRAIGHT.copy()}[fault]
    if fault == "flat":
        affine[:, 1] = affine[:, 0]
    if fault == "endless":
        affine[0, 3] = np.inf
    path = write_nifti(tmp_path / "a.nii", draw_markers(STRAIGHT, SHAPE), affine, pixdim=(1, *SIZES))
    assert "zero or singular affine" in reason(path)
