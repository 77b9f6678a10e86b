"""A patient's DICOM folder, written here from real scans, to one image a sequence and nothing that identifies."""

import gzip
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers.fake_dicom import PRIVATE, SECRETS, drop_slices, write_enhanced, write_series
from neurograft.cohort import dicom_conversion, dicom_files, dicom_rules, layouts, validation
from neurograft.core.tables import read_table
from neurograft.imaging.headers import corner_distance, voxel_sizes

RULES = dicom_rules.read_rules(Path(__file__).parents[2] / "config/sequences.tsv")

HEAD = Path(__file__).parents[3] / "shared/data/raw_tumour_head"

AFFINE = np.array([[-7.0, 0, 0, 80], [0, 7, 0, -90], [0, 0, 10, -60], [0, 0, 0, 1]])


def load(sequence):
    """A sequence of the real head, every 8th voxel in plane; a made volume where it is absent."""
    if not HEAD.exists():
        return nib.Nifti1Image(noise(seed=sum(sequence.encode())).astype(np.int16), AFFINE)
    loaded = nib.load(HEAD / f"{sequence}.nii.gz")
    return loaded.slicer[::8, ::8, ::2]


def noise(shape=(16, 18, 12), seed=0):
    """A volume that is the same from no two sides."""
    return np.random.default_rng(seed).integers(1, 3000, shape)


def convert(tmp_path, source=None):
    """Convert a folder; its images, what was said, and the table of its series."""
    out = tmp_path / "results/converted"
    dicom_conversion.convert_dicom(out, source or tmp_path / "patient", RULES)
    images = {path.name.removesuffix(".nii.gz"): nib.load(path) for path in sorted(out.glob("*.nii.gz"))}
    return images, json.loads((out / "conversion.json").read_text()), read_table(out / "series.tsv")


def assert_same_place(made, data, affine):
    """The same values at the same world positions, whatever the order of axes."""
    want = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data, np.int16), affine))
    made = nib.as_closest_canonical(made)
    assert made.shape == want.shape
    assert corner_distance(made.shape, made.affine, want.affine) < 0.02 * voxel_sizes(affine).min()
    assert np.array_equal(np.asanyarray(made.dataobj), np.asanyarray(want.dataobj))


def test_four_sequences_in_one_folder_with_shuffled_names(tmp_path):
    scans = {sequence: load(sequence) for sequence in ("t1", "t1c", "t2", "flair")}
    for number, (sequence, scan) in enumerate(scans.items(), start=1):
        data = np.asarray(scan.dataobj)
        order = np.random.default_rng(number).permutation(data.shape[2])
        names = lambda k, order=order, number=number: f"{order[k]:02d}-{number}"  # noqa: E731
        write_series(tmp_path / "patient", data, scan.affine, sequence, number, names=names)
    images, said, rows = convert(tmp_path)
    assert list(images) == sorted(scans) and said == {"problems": [], "notes": []}
    for sequence, scan in scans.items():
        assert_same_place(images[sequence], np.asarray(scan.dataobj), scan.affine)
    assert [(row["series"], row["sequence"], row["taken"]) for row in rows] == [
        (str(number), sequence, "true") for number, sequence in enumerate(scans, start=1)
    ]


@pytest.mark.parametrize("turn", [(0, 0, 0), (90, 0, 0), (0, 90, 0), (20, -15, 40), (-100, 30, 170)])
@pytest.mark.parametrize("order", [1, -1])
def test_any_direction_of_slices(tmp_path, turn, order):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ np.diag([2.0, 3.0, 7.5 * order])
    affine[:3, 3] = 31, -17, 5
    write_series(tmp_path / "patient", noise(), affine)
    images, said, _ = convert(tmp_path)
    assert_same_place(images["t1"], noise(), affine)
    assert said["problems"] == []


def test_one_file_of_many_frames(tmp_path):
    write_enhanced(tmp_path / "patient/enhanced.dcm", noise(), AFFINE)
    images, _, _ = convert(tmp_path)
    assert_same_place(images["t1"], noise(), AFFINE)


def secret_words():
    """Everything planted, as the words that somebody would search for."""
    planted = [*SECRETS.values(), PRIVATE, "Drosselbart", "Fuchsbau"]
    return {word.lower() for text in planted for word in re.split(r"[\^ ]", text) if len(word) > 4}


def spill(folder):
    """Everything that a folder says: its names, its bytes, unpacked too."""
    said = b""
    for path in sorted(folder.rglob("*")):
        said += str(path.relative_to(folder)).encode() + b"\n"
        if path.is_file():
            raw = path.read_bytes()
            said += raw + (gzip.decompress(raw) if path.suffix == ".gz" else b"")
    return said.lower()


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_no_identity_in_any_output(tmp_path, capfd):
    source = tmp_path / "in/patient12"
    tags = {"SeriesDescription": "AX T1 Drosselbart", "ProtocolName": "for Zwiebelfisch", "ScanOptions": "FUCHSBAU"}
    tags |= {"ManufacturerModelName": "Ignotus 3T", "ContrastBolusAgent": "Drosselbart", "SequenceName": "fuchsbau"}
    named = lambda k: f"Zwiebelfisch_19430817_{k}.dcm"  # noqa: E731
    write_series(source / "Zwiebelfisch^Ottokar/20190523", noise(), AFFINE, "t1", 1, names=named, **tags)
    written = drop_slices(write_series(source / "MRN7731902", noise(), AFFINE, "t2", 2), 5)
    written += write_series(source, noise(), AFFINE, "flair", 3, PatientBirthDate="Zwiebelfisch 1943")
    written += write_series(source, noise(), AFFINE, "t2", 4, ImageType=["DERIVED", "FUCHSBAU"])
    written[-1].write_bytes(written[-1].read_bytes()[:1500])
    written[0].write_bytes(written[0].read_bytes()[:300])
    images, said, rows = convert(tmp_path, source)
    assert list(images) == ["flair", "t1c"] and len(said["notes"]) == 3 and len(rows) == 4
    found = spill(tmp_path / "results") + "".join(capfd.readouterr()).lower().encode()
    assert [word for word in sorted(secret_words()) if word.encode() in found] == []
    # what is searched for is really there, in the headers and in what dcm2niix makes of them
    raw = spill(source)
    assert all(word.encode() in raw for word in secret_words())
    (tmp_path / "raw").mkdir()
    (plain, *_) = dicom_files.convert_series(dicom_files.list_series(source)[0][0]["files"], tmp_path / "raw")
    assert "Ignotus" in plain["sidecar"]["InstitutionName"] and b"time=" in plain["image"].read_bytes().lower()


def test_missing_slices_and_a_cut_file_leave_the_rest(tmp_path):
    write_series(tmp_path / "patient", noise(), AFFINE, "t1", 1)
    drop_slices(write_series(tmp_path / "patient", noise(), AFFINE, "t2", 2), 4, 5)
    (first, *_) = write_series(tmp_path / "patient", noise(), AFFINE, "flair", 3)
    first.write_bytes(first.read_bytes()[:-100])
    images, said, rows = convert(tmp_path)
    assert list(images) == ["t1"] and said["problems"] == []
    assert said["notes"] == [
        "series 2 (t2): slices are missing or not evenly spaced; export the series again",
        "series 3 (unknown): dcm2niix cannot convert it; is a file cut off? copy it again",
    ]
    assert [row["taken"] for row in rows] == ["true", "false", "false"]


def test_a_last_slice_without_pixels_is_noted(tmp_path):
    *_, last = write_series(tmp_path / "patient", noise(), AFFINE)
    last.write_bytes(last.read_bytes()[:1500])
    assert convert(tmp_path)[1]["notes"] == ["t1: dcm2niix used 11 of 12 files; is one cut off?"]


def test_series_that_are_left_say_why(tmp_path):
    write_series(tmp_path / "patient", noise(), AFFINE, "t1", 1, SeriesDescription="LOC")
    write_series(tmp_path / "patient", noise(), AFFINE, "t2", 2, ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC"])
    write_series(tmp_path / "patient", noise((16, 18, 3)), AFFINE, "t2", 3)
    write_series(tmp_path / "patient", noise(), AFFINE, "t2", 4, Modality="CT")
    images, said, rows = convert(tmp_path)
    assert images == {} and "none of 4 DICOM series can be used" in said["problems"][0]
    reasons = ["localiser or calibration", "computed map or projection", "fewer than 10 slices", "holds no MR images"]
    assert all(row["reason"].startswith(reason) for row, reason in zip(rows, reasons, strict=True))


@pytest.mark.parametrize("files", [{}, {"report.pdf": b"%PDF", "scan.nii": b"\0" * 500}])
def test_a_folder_without_dicom(tmp_path, files):
    (tmp_path / "patient").mkdir()
    for name, content in files.items():
        (tmp_path / "patient" / name).write_bytes(content)
    images, said, rows = convert(tmp_path)
    assert (
        images == {}
        and rows == []
        and said["problems"] == ["no DICOM series found; put the patient's DICOM files into the folder"]
    )


def test_two_patients_in_one_folder_are_a_problem(tmp_path):
    write_series(tmp_path / "patient", noise(), AFFINE, "t1", 1)
    write_series(tmp_path / "patient", noise(), AFFINE, "t2", 2, PatientID="ANOTHER1")
    assert convert(tmp_path)[1]["problems"] == ["the folder holds DICOM of 2 PatientIDs; give each patient a folder"]


def image(number, sequence="t1", **differs):
    """An image as it comes to the choice."""
    one = {
        "study": "1",
        "number": number,
        "sequence": sequence,
        "reason": "",
        "when": ("2020", "10"),
        "files": [],
        "used": 0,
    }
    one |= {"rule": {"rank": 1, "comment": "so"}, "slices": 24, "sizes": np.array([1.0, 1.0, 5.0])}
    return one | differs


@pytest.mark.parametrize(
    "better",
    [
        {"rule": {"rank": 1, "comment": "so"}},
        {"slices": 25, "sizes": np.array([2.0, 2.0, 5.0])},
        {"sizes": np.array([1.0, 0.9, 5.0]), "when": ("2020", "09")},
        {"when": ("2020", "11")},
    ],
)
def test_the_best_of_a_sequence(better):
    lesser = {"rule": {"rank": 2, "comment": "guessed"}} if "rule" in better else {}
    for found in ([image(5, **lesser), image(2, **better)], [image(2, **better), image(5, **lesser)]):
        taken, notes = dicom_conversion.choose_images(found)
        assert taken["t1"]["number"] == 2 and notes == ["t1: took series 2, left 5"]
        assert {one["number"]: one["reason"] for one in found} == {2: "", 5: "series 2 was taken for t1"}


def test_visits_are_never_mixed():
    early = [image(1), image(2, "t2"), image(3, "flair", reason="uneven", fault=True)]
    late = [image(1, study="2"), image(2, "flair", study="2"), image(3, "t1c", study="2")]
    taken, notes = dicom_conversion.choose_images(early + late)
    assert {key: (one["study"], one["number"]) for key, one in taken.items()} == {
        "t1": ("2", 1), "flair": ("2", 2), "t1c": ("2", 3)}  # fmt: skip
    assert notes == ["series 3 (flair): uneven", "took study 2 of 2: the first with most sequences"]
    assert early[0]["reason"] == "study 2 was taken" and early[0]["visit"] == 1 and late[0]["visit"] == 2


def test_what_is_not_sure_is_noted():
    rule = {"rank": 3, "comment": "by its times alone"}
    assert dicom_conversion.choose_images([image(4, rule=rule)])[1] == ["t1: series 4, by its times alone"]


def test_two_conversions_are_the_same_bytes(tmp_path):
    write_series(tmp_path / "patient", noise(), AFFINE)
    spilled = []
    for _ in range(2):
        convert(tmp_path)
        spilled.append(spill(tmp_path / "results"))
    assert spilled[0] == spilled[1]


def test_from_a_folder_of_patients_to_their_import(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = np.pad(noise((14, 14, 10)), 1)
    write_series(tmp_path / "in/good/x", data, AFFINE, "t2", 4)
    (tmp_path / "in/bad").mkdir()
    labels = np.zeros(data.shape, np.uint8)
    labels[5:8, 5:8, 5:8] = 1
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "in/good/labels.nii.gz")
    (tmp_path / "in/participants.tsv").write_text("participant_id\tsite\tage\ngood\tUlm\t50\n")
    statuses = {}
    for subject, found in layouts.find_subjects("dicom", str(tmp_path / "in")).items():
        dicom_conversion.convert_dicom(f"results/work/sub-{subject}/converted", found["source"], RULES)
        statuses[subject], _scans = validation.import_scans(subject, found, "dicom")
    good, bad = statuses["good"], statuses["bad"]
    assert good["included"] and list(good["sequences"]) == ["t2"] and good["labels"]["values"] == [1]
    assert (good["site"], good["columns"]) == ("Ulm", {"age": "50"})
    assert not bad["included"] and bad["reason"].startswith("no DICOM series found")
    shutil.rmtree(tmp_path / "results")
