"""Headers sorted into series, and what is kept of what dcm2niix writes."""

import numpy as np
import pytest

from helpers.fake_dicom import SECRETS, write_series
from neurograft.cohort import dicom_files

AFFINE = np.diag([-3.0, 3, 5, 1])


def ramp(z=3):
    """A volume of which no two slices are alike."""
    return np.arange(8 * 6 * z).reshape(8, 6, z)


def test_series_of_any_names_and_depths(tmp_path):
    write_series(tmp_path / "a" / "very/deep/folder/of/eight/levels/indeed", ramp(), AFFINE, number=7, study=2)
    write_series(tmp_path, ramp(), AFFINE, "t1c", number=3, names="IM{}.weird name".format)
    write_series(tmp_path, ramp(), AFFINE, "t2", number=12, Modality="CT")
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / ".hidden").write_bytes(b"")
    series, facts = dicom_files.list_series(tmp_path)
    assert sorted((one["number"], len(one["files"])) for one in series) == [(3, 3), (7, 3), (12, 3)]
    by_number = {one["number"]: one for one in series}
    assert by_number[3]["study"] == by_number[12]["study"] != by_number[7]["study"]
    assert (by_number[3]["agent"], by_number[7]["agent"]) == ("Gadovist", "")
    assert by_number[3]["images"] and not by_number[12]["images"]
    assert (facts["damaged"], facts["people"]) == (0, 1)


def test_a_copy_of_a_slice_counts_once(tmp_path):
    (first, *_) = write_series(tmp_path, ramp(), AFFINE)
    (tmp_path / "copy of it").write_bytes(first.read_bytes())
    (one,), _ = dicom_files.list_series(tmp_path)
    assert len(one["files"]) == 3


@pytest.mark.parametrize("meta", [True, False])
def test_files_without_preamble_are_read_and_converted(tmp_path, meta):
    files = write_series(tmp_path / "in", ramp(12), AFFINE)
    for file in files:
        raw = file.read_bytes()[132:]
        # without group 2 the first field is of group 8; how long group 2 is stands in its first field
        file.write_bytes(raw if meta else raw[12 + int.from_bytes(raw[8:12], "little") :])
    (tmp_path / "in/short.txt").write_bytes(b"\x08\x00\x05\x00" + b"x" * 400)
    (one,), facts = dicom_files.list_series(tmp_path / "in")
    assert len(one["files"]) == 12 and facts["damaged"] == 0
    (tmp_path / "out").mkdir()
    (image,) = dicom_files.convert_series(one["files"], tmp_path / "out")
    assert image["used"] == 12


def test_archives_are_counted(tmp_path):
    (tmp_path / "scan.ZIP").write_bytes(b"PK\x03\x04")
    assert dicom_files.list_series(tmp_path)[1]["archives"] == 1


@pytest.mark.parametrize("kept", [0, 140, 300, 700, 1300])
def test_files_cut_off_in_the_header_are_counted(tmp_path, kept):
    (first, *_) = write_series(tmp_path, ramp(), AFFINE)
    first.write_bytes(first.read_bytes()[:kept])
    (one,), facts = dicom_files.list_series(tmp_path)
    assert (len(one["files"]), facts["damaged"]) == (2, 1)


@pytest.mark.parametrize(
    ("folder", "tags", "named"),
    [
        ("Zwiebelfisch", {}, True),
        ("OTTOKAR Z. (2019)", {}, True),
        ("mrn-7731902", {}, True),
        ("patient 12", {}, False),
        ("mrn-7731902", {"PatientIdentityRemoved": "YES"}, False),
    ],
)
def test_a_folder_named_as_its_patient(tmp_path, folder, tags, named):
    write_series(tmp_path / folder, ramp(), AFFINE, **tags)
    assert dicom_files.list_series(tmp_path / folder)[1]["named"] == named


def test_a_sidecar_keeps_what_cannot_identify():
    technical = {
        "Manufacturer": "Siemens",
        "ManufacturersModelName": "Prisma fit",
        "MagneticFieldStrength": 3,
        "RepetitionTime": 2.3,
        "ScanningSequence": "GR_IR",
    }
    harm = {name: value for name, value in SECRETS.items()} | {"SeriesDescription": "of Mr X", "AcquisitionTime": "1"}
    assert dicom_files.clean_sidecar(technical | harm) == technical
    assert (
        dicom_files.clean_sidecar({"EchoTime": "Zwiebelfisch", "FlipAngle": [1], "ScanningSequence": "SE_OTTOKAR"})
        == {}
    )
    assert dicom_files.clean_sidecar({"ManufacturersModelName": "Prisma Ignotus"}, {"ignotus"}) == {}
    assert dicom_files.clean_sidecar({"ManufacturersModelName": "Mr. Miller, born 1943"}) == {}
