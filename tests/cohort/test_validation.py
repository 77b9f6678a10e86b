"""What is wrong with a subject's files, in plain words; never an exception."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurograft.cohort import validation
from neurograft.cohort.layouts import find_subjects
from neurograft.cohort.validation import join_job_outputs
from neurograft.imaging import nifti

SHARED = Path(__file__).parents[3] / "shared/data"
needs_scans = pytest.mark.skipif(not SHARED.exists(), reason=f"real scans are not at {SHARED}")
SHAPE = (40, 44, 36)
STEP = 5.0  # mm
AFFINE = np.diag([-STEP, -STEP, STEP, 1]) + np.array([[0, 0, 0, 100], [0, 0, 0, 110], [0, 0, 0, -90], [0] * 4])
RADIUS = np.linalg.norm((np.indices(SHAPE).T - np.array(SHAPE) / 2).T * STEP, axis=0)  # mm from the middle


def head(seed=0):
    """A coarse head: noisy air, scalp, dark skull, brain."""
    noise = np.random.default_rng(seed).normal(0, 1, SHAPE)
    return (np.select([RADIUS < 65, RADIUS < 73, RADIUS < 86], [100, 15, 150], 4) + 3 * np.abs(noise)).astype(
        np.float32
    )


def brain(seed=0):
    return np.where(RADIUS < 65, head(seed) + 1, 0).astype(np.float32)


def tumour(*values):
    """A label with one ball a value, in the file's own voxel order."""
    label = np.zeros(SHAPE, np.uint8)
    for index, value in enumerate(values):
        label[12 + 5 * index : 16 + 5 * index, 20:24, 16:20] = value
    return label


def save(path, data, affine=AFFINE, sform=1, qform=1, kind=nib.Nifti1Image):
    made = kind(data, affine)
    made.set_sform(affine, sform)
    made.set_qform(affine, qform)
    made.to_filename(path)
    return str(path)


def bring(layout="table", scheme="", reference=("t1c", "t1", "flair", "t2"), wanted="auto", **files):
    """Import a subject with these files."""
    plain = {"name": "a b", "site": "S", "columns": {"age": "4"}, "problems": [], "notes": ["seen"], "scheme": scheme}
    status, scans = validation.import_scans("ab", plain | {"files": files}, layout, reference, wanted)
    json.dumps(status)
    assert status["included"] == (not status["reason"]) == bool(scans) and "\n" not in status["reason"]
    return status, scans


def refused(**files):
    """Import a subject that must be excluded, and give the reason."""
    status, scans = bring(**files)
    assert not status["included"] and scans == {} and status["labels"] is None and not status["coregistered"]
    return status["reason"]


def test_a_good_subject(tmp_path):
    status, scans = bring(
        t1=save(tmp_path / "Köpf 1.nii.gz", head()),
        t2=save(tmp_path / "t2.nii", head(1).astype(np.int16), kind=nib.Nifti2Image),
        labels=save(tmp_path / "l.nii.gz", tumour(1, 2, 4)),
    )
    assert status["included"] and status["reference"] == "t1" and not status["coregistered"]
    assert status["sequences"]["t1"] == {
        "file": str(tmp_path / "Köpf 1.nii.gz"),
        "shape": list(SHAPE),
        "affine": AFFINE.tolist(),
        "stripped": False,
    }
    assert status["labels"]["values"] == [1, 2, 4] and status["labels"]["grid_of"] == "t1"
    assert status["scheme"] == status["labels"]["scheme"] == "brats2018" and status["labels"]["certain"]
    assert status["site"] == "S" and status["columns"] == {"age": "4"} and status["notes"] == ["seen"]
    assert list(scans) == ["t1", "t2", "labels"]
    for name, kind in (("t1", np.float32), ("t2", np.float32), ("labels", np.uint8)):
        assert scans[name].get_data_dtype() == kind and nib.aff2axcodes(scans[name].affine) == ("R", "A", "S")
    native = nifti.to_native(scans["t1"], SHAPE, AFFINE)
    assert np.array_equal(native.get_fdata(dtype=np.float32), head())


def test_reference_is_the_first_wish_that_is_there(tmp_path):
    files = {name: save(tmp_path / f"{name}.nii.gz", head()) for name in ("t2", "flair")}
    assert bring(**files)[0]["reference"] == "flair"
    assert bring(**files, reference=["t2"])[0]["reference"] == "t2"
    assert bring(**files, reference=["t1"])[0]["reference"] == "t2"


# files that cannot be read


def test_path_missing_and_link_without_target(tmp_path):
    assert refused(t1=f"{tmp_path}/no.nii.gz") == f"t1: {tmp_path}/no.nii.gz does not exist; correct the path"
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "store")
    assert "fetch the file that the link points to" in refused(t1=tmp_path / "link.nii.gz")
    assert "cannot be opened" in refused(t1=tmp_path)


@pytest.mark.parametrize("harm", ["cut", "flipped", "checksum"])
def test_damaged_gzip(tmp_path, harm):
    path = tmp_path / "t1.nii.gz"
    raw = bytearray(Path(save(path, head())).read_bytes())
    if harm == "cut":
        raw = raw[: len(raw) // 2]
    raw[-6 if harm == "checksum" else len(raw) // 2] ^= 255
    path.write_bytes(raw)
    assert refused(t1=path) == f"t1: {path} is a damaged gzip file; copy or download it again"


def test_not_a_nifti(tmp_path):
    for content in (b"", b"hello", b"\x89PNG" * 500, gzip.compress(b"x" * 1000)):
        (tmp_path / "t1.nii.gz").write_bytes(content)
        assert "is not a NIfTI image" in refused(t1=tmp_path / "t1.nii.gz")


def test_cut_off_without_gzip(tmp_path):
    path = Path(save(tmp_path / "t1.nii", head()))
    path.write_bytes(path.read_bytes()[:-100])
    assert "is cut off" in refused(t1=path)


def test_colours_and_complex_numbers(tmp_path):
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for data in (colours, head().astype(np.complex64)):
        assert "colours or complex" in refused(t1=save(tmp_path / "t1.nii.gz", data))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_broken_header_is_a_reason_never_a_crash(tmp_path, changes):
    raw = bytearray(Path(save(tmp_path / "good.nii", head())).read_bytes())
    for place, value in changes:
        raw[place] = value
    (tmp_path / "t1.nii").write_bytes(raw)
    bring(t1=tmp_path / "t1.nii")


# values


def test_not_numbers_inside_the_head(tmp_path):
    data = head()
    data[20, 22, 18] = np.nan
    data[0, 0, 0] = np.inf
    assert "has 2 voxels that are not numbers, 1 of them inside the head" in refused(t1=save(tmp_path / "a.nii", data))


def test_not_numbers_everywhere_or_widely(tmp_path):
    assert "not numbers" in refused(t1=save(tmp_path / "a.nii", head() * np.nan))
    data = head()
    data[:2] = np.nan
    assert "5.0% of the image" in refused(t1=save(tmp_path / "a.nii", data))


def test_a_few_not_numbers_in_the_air_are_set_to_zero(tmp_path):
    data = head()
    data[0, 0, :5] = np.nan
    status, scans = bring(t1=save(tmp_path / "a.nii", data))
    assert status["notes"] == ["seen", "t1: 5 voxels outside of the head were not numbers, set to 0"]
    assert np.isfinite(scans["t1"].get_fdata()).all()


def test_not_numbers_around_a_stripped_brain_are_its_outside(tmp_path):
    plain, data = brain(), np.where(brain() == 0, np.nan, brain())
    status, scans = bring(t1=save(tmp_path / "a.nii", data.astype(np.float32)))
    assert status["sequences"]["t1"]["stripped"] and "were not numbers, set to 0" in status["notes"][-1]
    assert np.array_equal(scans["t1"].get_fdata(), bring(t1=save(tmp_path / "b.nii", plain))[1]["t1"].get_fdata())
    data[20, 22, 18] = np.nan
    assert "1 of them inside the head" in refused(t1=save(tmp_path / "c.nii", data.astype(np.float32)))


def test_tiny_intensities_keep_their_grey_levels(tmp_path):
    plain = bring(t1=save(tmp_path / "a.nii", head()))[1]["t1"].get_fdata()
    status, scans = bring(t1=save(tmp_path / "b.nii", (head().astype(float) * 1e-10)))
    made = scans["t1"].get_fdata()
    assert "multiplied by" in status["notes"][-1] and 500 < made.max() <= 1024
    assert np.corrcoef(made.ravel(), plain.ravel())[0, 1] > 0.999999
    assert len(np.unique(made)) > 0.99 * len(np.unique(plain))


def test_constant_image_and_mask_instead_of_a_scan(tmp_path):
    assert "is constant (7 everywhere)" in refused(t1=save(tmp_path / "a.nii", np.full(SHAPE, 7, np.int16)))
    assert "it is a mask" in refused(t1=save(tmp_path / "a.nii", tumour(1, 2)))


def test_scale_of_a_scanner(tmp_path):
    made = nib.Nifti1Image(head().astype(np.int16), AFFINE)
    made.to_filename(tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    for slope, factor in ((np.nan, 1), (np.inf, 1), (0, 1), (2, 2)):
        raw[112:120] = np.array([slope, 0], "<f4").tobytes()
        (tmp_path / "b.nii").write_bytes(raw)
        scan = bring(t1=tmp_path / "b.nii")[1]["t1"]
        assert scan.get_fdata().max() == factor * head().astype(np.int16).max()
    raw[112:116] = np.array(3e38, "<f4").tobytes()
    (tmp_path / "b.nii").write_bytes(raw)
    assert "not numbers" in refused(t1=tmp_path / "b.nii")


# axes and position


def test_series_of_volumes(tmp_path):
    status, scans = bring(t1=save(tmp_path / "a.nii", head()[..., None]))
    assert scans["t1"].shape == SHAPE and status["sequences"]["t1"]["shape"] == list(SHAPE)
    assert "series of one volume" in status["notes"][1]
    assert "is a series of 3 volumes" in refused(t1=save(tmp_path / "a.nii", np.stack([head()] * 3, -1)))
    assert "not three axes" in refused(t1=save(tmp_path / "a.nii", head()[..., 0]))


def test_no_sequence_and_all_problems_at_once(tmp_path):
    assert refused() == "no sequence found; give at least one of t1, t1c, t2, flair, or those of dataset.sequences"
    assert refused(labels=save(tmp_path / "l.nii", tumour(1))).startswith("no sequence found")
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8bno")
    reason = refused(
        t1=save(tmp_path / "t1.nii", head()),
        t2=tmp_path / "bad.nii.gz",
        flair=save(tmp_path / "f.nii", np.ones(SHAPE)),
        labels=save(tmp_path / "l.nii", tumour(9)),
    )
    assert [part.split(":")[0] for part in reason.split("; ") if ".nii" in part] == ["t2", "flair", "labels"]


def test_a_problem_found_by_name_excludes(tmp_path):
    found = {"name": "a", "site": "", "columns": {}, "notes": [], "scheme": "", "problems": ["t2: gone"]}
    found["files"] = {"t1": save(tmp_path / "t1.nii", head())}
    status, scans = validation.import_scans("a", found, "table")
    assert status["reason"] == "t2: gone" and scans == {}


# labels


def test_label_without_tumour_is_kept(tmp_path):
    files = {"t1": save(tmp_path / "t1.nii", head()), "labels": save(tmp_path / "l.nii", tumour())}
    status, scans = bring(**files)
    assert status["included"] and status["labels"]["values"] == [] and not scans["labels"].get_fdata().any()
    assert status["notes"][-1] == "labels: no tumour in the label, kept as tumour-free"


@pytest.mark.parametrize(
    ("values", "layout", "naming", "wanted", "scheme"),
    [
        ((1, 2), "brats", "brats2023", "auto", "brats2023"),
        ((1,), "table", "", "auto", "binary"),
        ((1,), "table", "", "brats2018", "brats2018"),
        (None, "brats", "brats2023", "auto", "brats2023"),
        (None, "table", "", "brats2018", "brats2018"),
    ],
)
def test_scheme_of_a_subject(tmp_path, values, layout, naming, wanted, scheme):
    files = {"t1": save(tmp_path / "t1.nii", head())}
    if values:
        files["labels"] = save(tmp_path / "l.nii", tumour(*values))
    status, _ = bring(layout, naming, wanted=wanted, **files)
    assert status["scheme"] == scheme and (status["labels"] is None) == (values is None)


def test_label_values_that_are_not_known(tmp_path):
    t1 = save(tmp_path / "t1.nii", head())
    assert "label values 7 are not known" in refused(t1=t1, labels=save(tmp_path / "l.nii", tumour(7)))
    many = save(tmp_path / "l.nii", np.round(head()).astype(np.int16))
    assert len(refused(t1=t1, labels=many)) < 400
    halves = save(tmp_path / "l.nii", tumour(1) * np.float32(0.5))
    assert "no whole numbers" in refused(t1=t1, labels=halves)
    assert "no whole numbers" in refused(t1=t1, labels=save(tmp_path / "l.nii", tumour(1) * np.nan))


def test_label_on_another_grid(tmp_path):
    t1, t2 = save(tmp_path / "t1.nii", head()), save(tmp_path / "t2.nii", head()[:, :, 2:])
    moved = AFFINE.copy()
    moved[2, 3] += STEP
    reason = refused(t1=t1, t2=t2, labels=save(tmp_path / "l.nii", tumour(1)[1:]))
    assert "on the grid of no sequence" in reason and "resample it" in reason
    reason = refused(t1=t1, t2=t2, labels=save(tmp_path / "l.nii", tumour(1), moved))
    assert "has the voxels of t1, but its header places them elsewhere (moved by 0 x 0 x 5 mm" in reason
    assert "copy the affine of t1" in reason and "do not resample it" in reason
    status, scans = bring(t1=t1, t2=t2, labels=save(tmp_path / "l.nii", tumour(1)[:, :, 2:]))
    assert status["labels"]["grid_of"] == "t2" and scans["labels"].shape == scans["t2"].shape


def test_label_stored_in_another_orientation(tmp_path):
    t1 = save(tmp_path / "t1.nii", head())
    turned = nib.as_closest_canonical(nib.Nifti1Image(tumour(1, 2), AFFINE))
    straight = bring(t1=t1, labels=save(tmp_path / "l.nii", tumour(1, 2)))[1]["labels"]
    again = bring(t1=t1, labels=save(tmp_path / "m.nii", turned.get_fdata(), turned.affine))[1]["labels"]
    assert np.array_equal(straight.get_fdata(), again.get_fdata())


def test_label_larger_than_any_tumour(tmp_path):
    files = {"t1": save(tmp_path / "t1.nii", head())}
    tissue = save(tmp_path / "l.nii", (RADIUS < 65).astype(np.uint8))
    assert "more than a tumour" in refused(**files, labels=tissue)


def test_a_label_in_the_air(tmp_path):
    far = np.roll(tumour(1, 2), 18, axis=1)
    reason = refused(t1=save(tmp_path / "t1.nii", head()), labels=save(tmp_path / "l.nii", far))
    assert "lies in the air of t1 with" in reason and "another patient's, or mirrored?" in reason
    reason = refused(t1=save(tmp_path / "t1.nii", brain()), labels=save(tmp_path / "l.nii", far))
    assert "lies outside of the brain of t1" in reason


def test_how_bright_the_parts_of_a_label_are_after_contrast_agent(tmp_path):
    label = tumour(1, 2, 4)
    t1c = head() + 90 * (label == 4)
    status, _ = bring(t1c=save(tmp_path / "t1c.nii", t1c), labels=save(tmp_path / "l.nii", label))
    assert status["labels"]["brightness"]["4"] == 1.0 and "stated" not in status["labels"]


# the skull is off, or not


def write_group(tmp_path, **data):
    return {name: save(tmp_path / f"{name}.nii.gz", values) for name, values in data.items()}


def test_stripped_and_coregistered(tmp_path):
    status, _ = bring(**write_group(tmp_path, t1=brain(), t2=brain(1)))
    assert status["coregistered"] and all(facts["stripped"] for facts in status["sequences"].values())
    shifted = np.roll(brain(1), 1, axis=0)
    status, _ = bring(**write_group(tmp_path, t1=brain(), t2=shifted))
    assert not status["coregistered"] and status["sequences"]["t2"]["stripped"]
    status, _ = bring(**write_group(tmp_path, t1=brain(), t2=brain()[:, :, 1:]))
    assert not status["coregistered"]
    status, _ = bring(**write_group(tmp_path, t1=brain(), t2=head()))
    assert not status["coregistered"] and status["sequences"]["t1"]["stripped"]


def real(layout, root):
    return find_subjects(layout, str(SHARED / root)).items()


@needs_scans
def test_a_real_brats_case():
    subject = "Brats18TCIA012011"  # its brain reaches the lowest slice
    found = dict(real("brats", "brats18"))[subject]
    status, scans = validation.import_scans(subject, found, "brats")
    assert status["included"] and status["coregistered"] and status["notes"] == []
    assert all(facts["stripped"] for facts in status["sequences"].values())
    assert status["labels"]["scheme"] == "brats2018" and status["labels"]["values"] == [1, 2, 4]
    seg = nib.load(found["files"]["labels"])
    assert np.array_equal(nifti.to_native(scans["labels"], seg.shape, seg.affine).get_fdata(), seg.get_fdata())


@needs_scans
def test_real_unlabelled_brats_case_with_masks_that_differ():
    found = dict(real("brats", "brats23_unlabelled"))["BraTSMET00110000"]
    status, _ = validation.import_scans("x", found, "brats")
    assert status["coregistered"] and status["scheme"] == "brats2023" and status["labels"] is None


def test_of_a_conversion_the_files_that_came_to_be_and_what_was_said(tmp_path):
    (tmp_path / "t2.nii.gz").touch()
    (tmp_path / "conversion.json").write_text(json.dumps({"problems": ["bad"], "notes": ["new"]}))
    files = {kind: str(tmp_path / f"{kind}.nii.gz") for kind in ("t1", "t2")} | {"labels": str(tmp_path / "t2.nii.gz")}
    found = {"files": files, "problems": [], "notes": ["old"], "columns": {}}
    joined = join_job_outputs(found, "dicom")
    assert list(joined["files"]) == ["t2", "labels"]
    assert (joined["problems"], joined["notes"]) == (["bad"], ["old", "new"])
    assert found["notes"] == ["old"]


def test_of_a_simulated_subject_its_columns(tmp_path):
    (tmp_path / "participant.json").write_text('{"age": "61"}')
    found = {"files": {"t1": str(tmp_path / "t1.nii.gz")}, "columns": {"site": "a"}}
    assert join_job_outputs(found, "phantom")["columns"] == {"site": "a", "age": "61"}


def test_other_layouts_have_said_everything():
    assert join_job_outputs({"files": {}}, "bids") == {"files": {}}


# scans that were prepared elsewhere, and labels of the user's own

OWN = "anterior=1,posterior=2"
CROP = (9, 11, 8)  # voxels of 1 mm


def prepared(wanted=OWN, **files):
    """Import a subject as it was prepared."""
    plain = {"name": "a", "site": "", "columns": {}, "problems": [], "notes": [], "scheme": "", "files": files}
    return validation.import_scans("a", plain, "table", labels=wanted, template="none", prepared=True)


def crop(seed=0):
    return np.random.default_rng(seed).uniform(10, 90, CROP).astype(np.float32)


def marks(*values):
    data = np.zeros(CROP, np.uint8)
    data[2 : 2 + len(values), 3, 3] = values
    return data


def test_a_crop_is_taken_where_it_is_said_to_be_one(tmp_path):
    files = {"mri": save(tmp_path / "a.nii.gz", crop(), np.eye(4)), "labels": save(tmp_path / "l.nii.gz", marks(1, 2))}
    files["labels"] = save(tmp_path / "l.nii.gz", marks(1, 2), np.eye(4))
    status, scans = prepared(**files)
    assert status["included"] and status["prepared"] and status["coregistered"] and not status["in_template"]
    assert status["reference"] == "mri" and list(scans) == ["mri", "labels"]
    assert status["scheme"] == status["labels"]["scheme"] == OWN and status["labels"]["values"] == [1, 2]
    assert status["will_do"] == "nothing to strip or to align" and status["recognised"] == "taken as prepared: mri"
    assert "less than a brain; give a scan of the whole head, or set strip_skull.engine to none" in refused(
        t1=files["mri"]
    )


def test_a_label_value_without_a_name_excludes_its_subject(tmp_path):
    files = {"mri": save(tmp_path / "a.nii.gz", crop(), np.eye(4))}
    status, _ = prepared(**files, labels=save(tmp_path / "l.nii.gz", marks(1, 3), np.eye(4)))
    assert not status["included"] and "label values 1, 3 are not known" in status["reason"]
    assert status["reason"].endswith("recode the values, or name them in dataset.labels")
    status, _ = prepared(**files, labels=save(tmp_path / "l.nii.gz", marks(), np.eye(4)))
    assert status["included"] and status["notes"] == ["labels: none of the labels is in the file"]


def test_own_labels_may_be_larger_than_a_tumour(tmp_path):
    whole = np.ones(SHAPE, np.uint8)
    files = {"t1": save(tmp_path / "t1.nii.gz", head()), "labels": save(tmp_path / "l.nii.gz", whole)}
    assert "more than a tumour" in refused(**files)
    status, _ = bring(**files, wanted="tissue=1")
    assert status["included"] and "prepared" in status and not status["prepared"]


def test_prepared_sequences_share_a_grid(tmp_path):
    moved = np.eye(4)
    moved[0, 3] = 3
    files = {"pd": save(tmp_path / "pd.nii.gz", crop(), np.eye(4)), "dwi": save(tmp_path / "d.nii.gz", crop(1), moved)}
    status, scans = prepared(**files)
    assert not status["included"] and scans == {}
    assert status["reason"].startswith("dwi and pd are on different grids ((9, 11, 8) and (9, 11, 8) voxels, or placed")
    files["dwi"] = save(tmp_path / "d.nii.gz", crop(1), np.eye(4))
    status, scans = prepared(**files)
    assert list(scans) == ["pd", "dwi"] and status["coregistered"]
