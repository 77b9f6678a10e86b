"""Headers and sidecars: what is needed stays, what could name a patient goes."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neurograft.cohort import validation
from neurograft.cohort.file_opening import open_nifti
from neurograft.core import sequences, tables
from neurograft.delivery import sharing
from neurograft.imaging import nifti

AFFINE = np.array([[-2.0, 0.1, 0, 90], [0.1, 2.0, 0, -80], [0, 0, 3.0, -70], [0, 0, 0, 1]])


@given(st.dictionaries(st.sampled_from([*sharing.NUMBERS, *sharing.WORDS, "PatientName"]), st.text(min_size=1)))
def test_no_free_text_survives_in_any_field(sidecar):
    allowed = {word for words in sharing.WORDS.values() for word in words}
    for value in sharing.scrub_sidecar(sidecar).values():
        assert set(value.split("_")) <= allowed


def test_the_acquisition_stays():
    kept = {"EchoTime": 0.012, "MagneticFieldStrength": 3, "Manufacturer": "Siemens", "ScanningSequence": "GR_IR"}
    gone = {"RepetitionTime": 19540312, "FlipAngle": True, "PatientName": "Doe", "EchoTrainLength": [1], "Modality": 7}
    gone |= {"InversionTime": float("nan"), "SeriesInstanceUID": "1.2.3", "DeviceSerialNumber": 3}
    assert sharing.scrub_sidecar(kept | gone) == kept
    assert sharing.scrub_sidecar(["Doe"]) == sharing.scrub_sidecar(None) == {}


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize(
    ("dtype", "slope", "inter", "codes"),
    [
        (np.int16, 0.5, -100.0, (1, 1)),
        (np.uint8, None, None, (0, 2)),
        (np.float32, None, None, (1, 0)),
        (">i2", 2.0, 3.0, (4, 1)),
    ],
)
def test_voxels_places_and_scale_stay(tmp_path, kind, dtype, slope, inter, codes):
    data = np.random.default_rng(0).integers(0, 200, (5, 6, 7, 1)).astype(dtype)
    made = kind(data, AFFINE)
    made.set_qform(AFFINE, codes[1])
    made.set_sform(AFFINE, codes[0])
    made.header.set_slope_inter(slope, inter)
    made.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    made.header["descrip"] = b"Doe^Jane"
    made.to_filename(tmp_path / "a.nii")
    loaded = open_nifti(tmp_path / "a.nii")[0]
    stored, zero = sharing.read_stored(loaded)
    sharing.scrub_image(loaded, stored).to_filename(tmp_path / "b.nii")
    again, before = nib.load(tmp_path / "b.nii"), nib.load(tmp_path / "a.nii")
    np.testing.assert_array_equal(again.get_fdata(), before.get_fdata()[..., 0])
    assert np.allclose(again.affine, before.affine, atol=1e-5)
    assert (int(again.header["sform_code"]), int(again.header["qform_code"])) == codes
    assert np.allclose(again.header.get_zooms(), before.header.get_zooms()[:3], atol=1e-5)
    assert again.get_data_dtype() == np.dtype(dtype).newbyteorder("=")
    assert b"Doe" in (tmp_path / "a.nii").read_bytes() and b"Doe" not in (tmp_path / "b.nii").read_bytes()
    assert abs(zero * (slope or 1) + (inter or 0)) <= (slope or 1) / 2


def test_every_byte_of_the_header_that_is_not_needed_is_made_anew(tmp_path):
    """Text is planted in every field that takes some; numbers that could be dates too."""
    made = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), AFFINE)
    for field, size in (("descrip", 80), ("aux_file", 24), ("intent_name", 16), ("db_name", 18), ("data_type", 10)):
        made.header[field] = b"Doe^Jane"[:size]
    for field in ("extents", "glmax", "toffset", "slice_duration", "intent_p1", "cal_max"):
        made.header[field] = 19540312
    made.to_filename(tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw += b"Doe^Jane after the voxels"
    (tmp_path / "a.nii").write_bytes(raw)
    loaded = open_nifti(tmp_path / "a.nii")[0]
    clean = sharing.scrub_image(loaded, sharing.read_stored(loaded)[0])
    clean.to_filename(tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    known = {"sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units"}
    known |= {"qform_code", "sform_code", "magic", "regular"}
    known |= {f"quatern_{axis}" for axis in "bcd"} | {f"qoffset_{axis}" for axis in "xyz"}
    known |= {f"srow_{axis}" for axis in "xyz"}
    empty = {field for field in header if not np.any(header[field].tobytes().strip(b"\0"))}
    assert set(header) - empty <= known
    assert len((tmp_path / "b.nii").read_bytes()) == 352 + 120


HEAD = Path(__file__).parents[3] / "shared/data/raw_tumour_head"
SECRETS = ("MUSTERFRAU", "ERIKA", "19640812", "Klinikum", "SN4711", "1.2.276.0.7230010")
STEP = 4.0  # mm
SHAPE = (48, 60, 56)
# the middle of the head; a nose stands out in front below it, forwards is the second axis, upwards the third
PLACE = (np.indices(SHAPE).T * STEP - [94, 100, 120]).T
BRAIN = (PLACE[0] / 66) ** 2 + (PLACE[1] / 80) ** 2 + (PLACE[2] / 58) ** 2 < 1
SKIN = (PLACE[0] / 78) ** 2 + (PLACE[1] / 92) ** 2 + ((PLACE[2] + 15) / 88) ** 2 < 1
NOSE = (np.abs(PLACE[0]) < 12) & (PLACE[1] > 60) & (PLACE[1] < 112) & (PLACE[2] < -30) & (PLACE[2] > -70)


def head(seed=0):
    noise = np.random.default_rng(seed).integers(1, 9, SHAPE)
    return np.select([BRAIN, SKIN | NOSE], [300, 400], 0).astype(np.int16) + noise.astype(np.int16)


def plant(path, data, affine):
    """Write an image with identifiers wherever it takes some, and a sidecar beside it."""
    made = nib.Nifti1Image(data, affine)
    made.header.set_slope_inter(0.5, 0)
    made.header["descrip"], made.header["db_name"] = b"MUSTERFRAU^ERIKA Klinikum", b"19640812"
    made.header["aux_file"], made.header["intent_name"] = b"MUSTERFRAU.dcm", b"ERIKA"
    for code in ("comment", "dicom"):
        made.header.extensions.append(nib.nifti1.Nifti1Extension(code, b"MUSTERFRAU 1.2.276.0.7230010 "))
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    made.to_filename(path)
    # the gzip header has a place for the name of the file that was packed
    raw = gzip.decompress(path.read_bytes()) + b"ERIKA after the voxels"
    with open(path, "wb") as file, gzip.GzipFile("MUSTERFRAU.nii", "wb", fileobj=file) as packed:
        packed.write(raw)
    sidecar = {"PatientName": "MUSTERFRAU^ERIKA", "Manufacturer": "Klinikum", "EchoTime": 0.012, "FlipAngle": 19640812}
    sidecar |= {"InstitutionName": "Klinikum", "DeviceSerialNumber": "SN4711", "ScanningSequence": "MUSTERFRAU_SE"}
    sidecar |= {"SeriesInstanceUID": "1.2.276.0.7230010", "global": {"const": {"PatientBirthDate": "19640812"}}}
    Path(str(path).removesuffix(".nii.gz") + ".json").write_text(json.dumps(sidecar))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A subject with skull (T1), one sequence without (FLAIR), labels, and identifiers everywhere; and one more."""
    folder = tmp_path_factory.mktemp("study")
    affine = np.diag([-STEP, STEP, STEP, 1]) + np.array([[0, 0, 0, 90], [0, 0, 0, -90], [0, 0, 0, -90], [0] * 4])
    folders = {}
    for subject in ("MUSTERFRAUERIKA19640812", "Klinikum2"):
        root = folder / subject
        root.mkdir()
        marks = np.zeros(SHAPE, np.int16)
        marks[20:26, 25:30, 30:34] = 4
        for name, data in (("t1", head()), ("flair", np.where(BRAIN, head(1), 0)), ("labels", marks)):
            plant(root / f"MUSTERFRAU_{name}.nii.gz", data[::-1], affine)
        found = {"name": subject, "site": "Klinikum", "columns": {}, "problems": [], "notes": [], "scheme": "brats2018"}
        found["files"] = {name: str(root / f"MUSTERFRAU_{name}.nii.gz") for name in ("t1", "flair", "labels")}
        nib.save(_with_scale(found["files"]["labels"], 1), found["files"]["labels"])
        status, _ = validation.import_scans(subject, found, "table")
        assert status["included"], status["reason"]
        mask = nifti.image(BRAIN[::-1].astype(np.uint8), affine)
        for name in ("t1", "flair"):
            nifti.write_image(root / f"sub_acq-{name}_desc-brain_mask.nii.gz", mask)
        folders[subject] = root / "shared"
        sharing.share_scans(folders[subject], root / "look.png", subject, status, str(root / "sub"))
    sharing.gather_shared(folder / "share", folder / "key.tsv", folders)
    return folder


def _with_scale(path, slope):
    """Give labels that are whole numbers, whatever else is planted in them."""
    loaded = nib.load(path)
    made = nib.Nifti1Image(np.asanyarray(loaded.dataobj.get_unscaled()), loaded.affine, loaded.header)
    made.header.set_slope_inter(slope, 0)
    return made


def test_no_identifier_is_left_in_any_byte_or_name(shared):
    for place, wanted in ((shared / "MUSTERFRAUERIKA19640812", True), (shared / "share", False)):
        found = set()
        for path in [path for path in place.rglob("*") if "shared" not in path.parts]:
            texts = [str(path.relative_to(shared / "share") if not wanted else path.name).encode()]
            if path.is_file():
                texts.append(path.read_bytes())
                texts += [gzip.decompress(texts[-1])] if texts[-1][:2] == b"\x1f\x8b" else []
            # a NIfTI may also hold text of two bytes a letter
            found |= {s for s in SECRETS for text in texts if s.encode() in text or s.encode("utf-16-le") in text}
        assert found == (set(SECRETS) if wanted else set())


def test_what_is_shared_is_a_dataset_under_numbers(shared):
    names = {path.relative_to(shared / "share").as_posix() for path in (shared / "share").rglob("*") if path.is_file()}
    for number in ("sub-0001", "sub-0002"):
        images_ = ("desc-defaced_T1w", "desc-stripped_FLAIR", "acq-t1_desc-brain_mask", "desc-tumour_dseg")
        for name in images_:
            assert {f"{number}/anat/{number}_{name}.nii.gz", f"{number}/anat/{number}_{name}.json"} <= names
    assert {"README", "dataset_description.json", "participants.tsv", "scans.tsv"} <= names
    faces = {row["filename"][14:]: row["face"] for row in tables.read_table(shared / "share/scans.tsv")}
    assert [faces[name] for name in sorted(faces) if "0001" in name] == ["cut off", "none: it came without skull"]
    key = {row["subject"]: row["participant_id"] for row in tables.read_table(shared / "key.tsv")}
    assert sorted(key.values()) == ["sub-0001", "sub-0002"] and set(key) == {"MUSTERFRAUERIKA19640812", "Klinikum2"}
    sidecar = json.loads((shared / "share/sub-0001/anat/sub-0001_desc-defaced_T1w.json").read_text())
    assert sidecar == {"EchoTime": 0.012, "SkullStripped": False}


def test_the_face_is_gone_and_the_brain_is_as_it_was(shared):
    before = nib.load(shared / "Klinikum2/MUSTERFRAU_t1.nii.gz").get_fdata()
    loaded = nib.load(shared / "Klinikum2/shared/t1.nii.gz")
    after = loaded.get_fdata()
    np.testing.assert_array_equal(after[BRAIN[::-1]], before[BRAIN[::-1]])
    assert not after[NOSE[::-1] & (PLACE[1] > 80)[::-1]].any() and before[NOSE[::-1]].all()
    behind = (PLACE[1] < 0) & (PLACE[2] > 0)
    np.testing.assert_array_equal(after[behind[::-1]], before[behind[::-1]])
    assert (loaded.dataobj.slope, loaded.dataobj.inter) == (0.5, 0)
    stripped = [shared / f"Klinikum2/{name}.nii.gz" for name in ("MUSTERFRAU_flair", "shared/flair")]
    np.testing.assert_array_equal(*[nib.load(path).get_fdata() for path in stripped])
    assert np.unique(nib.load(shared / "Klinikum2/shared/labels.nii.gz").get_fdata()).tolist() == [0, 4]


def test_there_is_a_picture_to_look_at_that_is_not_shared(shared):
    with Image.open(shared / "Klinikum2/look.png") as picture:
        assert min(picture.size) > 100
    assert not list((shared / "share").rglob("*.png"))


@given(axes=st.sampled_from(["RAS", "LPS", "PIR", "SLA", "ASL", "IRP"]), margin=st.floats(0, 20))
@settings(deadline=None, max_examples=12)
def test_the_brain_is_never_cut_and_the_nose_always(axes, margin):
    affine = np.diag([STEP, STEP, STEP, 1])
    turn = nib.orientations.axcodes2ornt(axes)
    turned = nib.Nifti1Image(BRAIN.astype(np.uint8), affine).as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), turn)
    )
    face, reason = sharing.find_face(turned, np.ones(turned.shape, bool), margin)
    back = nib.orientations.apply_orientation(face, nib.io_orientation(turned.affine))
    assert reason == "" and not (back & BRAIN).any() and back[NOSE & (PLACE[1] > 100)].all()


def test_what_cannot_be_defaced_is_not_shared():
    affine = np.diag([STEP, STEP, STEP, 1])
    shown = np.ones(SHAPE, bool)
    _, reason = sharing.find_face(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), affine), shown)
    assert "no brain was found" in reason
    _, reason = sharing.find_face(nib.Nifti1Image(BRAIN.astype(np.uint8), affine), BRAIN)
    assert "field of view may end in the face" in reason


def test_who_has_a_number_keeps_it_and_names_do_not_tell_the_order():
    first = sharing.number_subjects([f"P{k:02d}" for k in range(20)])
    assert sorted(first.values()) == [f"sub-{k:04d}" for k in range(1, 21)] and list(first) != sorted(first)
    known = [{"subject": name, "participant_id": number} for name, number in first.items()]
    again = sharing.number_subjects(["A", "P03"], known)
    assert again == first | {"A": "sub-0021"}


@pytest.mark.skipif(not HEAD.is_dir(), reason=f"real scans are absent: {HEAD}")
@pytest.mark.parametrize("name", sequences.SEQUENCES)
def test_a_real_head_loses_its_face_and_nothing_of_its_brain(name):
    """Slices are 5.5 mm thick. The face is taken for what lies 15 mm in front of the brain, in the lower half."""
    scan = nib.as_closest_canonical(nib.load(HEAD / f"{name}.nii.gz"))
    brain = nib.as_closest_canonical(nib.load(HEAD / f"brainmask_hdbet_{name}.nii.gz")).get_fdata() > 0
    data, sizes = scan.get_fdata(), nib.affines.voxel_sizes(scan.affine)
    face, reason = sharing.find_face(nib.Nifti1Image(brain.astype(np.uint8), scan.affine), data != 0)
    assert reason == "" and not (face & brain).any()
    front = np.flatnonzero(brain.any(axis=(0, 2))).max() + round(5 / sizes[1])
    low = np.flatnonzero(brain.any(axis=(0, 1)))
    lower = slice(0, (low.min() + low.max()) // 2 - 2)
    assert face[:, front:, lower].all()
    head = data > 0.1 * np.percentile(data, 99)
    assert 0.1 < (face & head).sum() / head.sum() < 0.5


def test_prepared_scans_are_not_shared_as_if_their_face_were_gone(tmp_path):
    affine = np.diag([STEP, STEP, STEP, 1])
    plant(tmp_path / "mri.nii.gz", head(), affine)
    found = {"name": "p", "site": "", "columns": {}, "problems": [], "notes": [], "scheme": ""}
    found["files"] = {"mri": str(tmp_path / "mri.nii.gz")}
    status, _ = validation.import_scans("p", found, "table", template="none", prepared=True)
    nifti.write_image(tmp_path / "sub_acq-mri_desc-brain_mask.nii.gz", nifti.image(np.ones(SHAPE, np.uint8), affine))
    sharing.share_scans(tmp_path / "shared", tmp_path / "look.png", "p", status, str(tmp_path / "sub"))
    record = json.loads((tmp_path / "shared/record.json").read_text())
    assert record["images"] == {} and "prepared elsewhere" in record["left_out"]["mri"]
    assert not list((tmp_path / "shared").glob("*.nii.gz"))
