"""Headers and sidecars: what is needed stays, what could name a patient goes."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft import scrubbing
from neurograft.checks import open_nifti

AFFINE = np.array([[-2.0, 0.1, 0, 90], [0.1, 2.0, 0, -80], [0, 0, 3.0, -70], [0, 0, 0, 1]])


@given(st.dictionaries(st.sampled_from([*scrubbing.NUMBERS, *scrubbing.WORDS, "PatientName"]), st.text(min_size=1)))
def test_no_free_text_survives_in_any_field(sidecar):
    allowed = {word for words in scrubbing.WORDS.values() for word in words}
    for value in scrubbing.scrub_sidecar(sidecar).values():
        assert set(value.split("_")) <= allowed


def test_the_acquisition_stays():
    kept = {"EchoTime": 0.012, "MagneticFieldStrength": 3, "Manufacturer": "Siemens", "ScanningSequence": "GR_IR"}
    gone = {"RepetitionTime": 19540312, "FlipAngle": True, "PatientName": "Doe", "EchoTrainLength": [1], "Modality": 7}
    gone |= {"InversionTime": float("nan"), "SeriesInstanceUID": "1.2.3", "DeviceSerialNumber": 3}
    assert scrubbing.scrub_sidecar(kept | gone) == kept
    assert scrubbing.scrub_sidecar(["Doe"]) == scrubbing.scrub_sidecar(None) == {}


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
    stored, zero = scrubbing.read_stored(loaded)
    scrubbing.scrub_image(loaded, stored).to_filename(tmp_path / "b.nii")
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
    clean = scrubbing.scrub_image(loaded, scrubbing.read_stored(loaded)[0])
    clean.to_filename(tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    known = {"sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units"}
    known |= {"qform_code", "sform_code", "magic", "regular"}
    known |= {f"quatern_{axis}" for axis in "bcd"} | {f"qoffset_{axis}" for axis in "xyz"}
    known |= {f"srow_{axis}" for axis in "xyz"}
    empty = {field for field in header if not np.any(header[field].tobytes().strip(b"\0"))}
    assert set(header) - empty <= known
    assert len((tmp_path / "b.nii").read_bytes()) == 352 + 120
