"""What file and folder names say."""

import json
from pathlib import Path

import pytest

from neurograft.cohort import file_names


def touch(root, *paths):
    """Make empty files, and their folders."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.mark.parametrize(
    ("name", "label"),
    [("sub-01", "01"), ("Brats18_CBICA_ABM_1", "Brats18CBICAABM1"), ("Müller, Jörg", "MullerJorg"), ("病人 3", "3")],
)
def test_subject_label(name, label):
    assert file_names.subject_label(name) == label


def test_bids_names_are_read_as_the_kept_library_reads_them():
    library = pytest.importorskip("ancpbids.utils", reason="ancpbids is not installed")
    for file in ("sub-01_T1w.nii.gz", "sub-01_ses-2_ce-gadolinium_run-03_T1w.nii", "sub-a_acq-x_desc-y_dseg.nii.gz"):
        theirs = library.parse_bids_name(file)
        assert file_names.split_bids_name(file) == (theirs["entities"], theirs["suffix"], theirs["extension"])


def test_bids_folder(tmp_path):
    kinds = ("run-2_T1w.nii.gz", "run-1_T1w.nii.gz", "ce-gd_T1w.nii.gz", "part-phase_T1w.nii.gz", "T2starw.nii.gz")
    touch(tmp_path, *(f"sub-a_{kind}" for kind in (*kinds, "inplaneT2.nii", "FLAIR.json")), ".sub-a_FLAIR.nii.gz")
    scans, labels = file_names.list_bids_images(tmp_path)
    assert {sequence: len(paths) for sequence, paths in scans.items()} == {"t1": 2, "t1c": 1, "t2": 1} and labels == []
    assert file_names.list_bids_images(tmp_path / "nowhere") == ({}, [])


def test_bids_labels_that_say_they_are_something_else(tmp_path):
    others = ("space-MNI152_dseg", "desc-aseg_dseg", "desc-aparcaseg_dseg", "atlas-x_dseg", "desc-candidates_dseg")
    touch(tmp_path, *(f"sub-a_{kind}.nii.gz" for kind in (*others, "dseg", "desc-tumour_dseg", "space-orig_dseg")))
    _, labels = file_names.list_bids_images(tmp_path)
    kept = ["sub-a_desc-tumour_dseg.nii.gz", "sub-a_dseg.nii.gz", "sub-a_space-orig_dseg.nii.gz"]
    assert [Path(path).name for path in labels] == kept


@pytest.mark.parametrize(
    ("folder", "maker", "expected"),
    [
        ("manual", None, True),
        ("fmriprep-23.1", None, False),
        ("mine", "neurograft", False),
        ("mine", "ITK-SNAP", True),
        ("mine", 5, True),
    ],
)
def test_derivatives_that_may_hold_tumours(tmp_path, folder, maker, expected):
    shelf = tmp_path / folder
    shelf.mkdir()
    if maker:
        described = {"Name": "x", "GeneratedBy": [{"Name": maker}]} if isinstance(maker, str) else [maker]
        (shelf / "dataset_description.json").write_text(json.dumps(described))
    assert file_names.may_hold_tumours(str(shelf)) == expected


def test_the_lowest_rank_is_taken_and_the_rest_noted():
    files = ["x/sub-a_inplaneT2.nii", "x/sub-a_acq-1_T2w.nii", "x/sub-a_defaced_T2w.nii", "x/sub-a_run-02_T2w.nii"]
    order = sorted(files, key=file_names.rank_bids)
    assert order == [files[3], files[1], files[2], files[0]]
    taken, notes = file_names.take_one({"t2": files, "t1": ["x/a.nii"]}, file_names.rank_bids)
    assert taken == {"t1": "x/a.nii", "t2": files[3]}
    assert notes == ["t2: took sub-a_run-02_T2w.nii, left " + ", ".join(Path(path).name for path in order[1:])]


def test_files_of_any_depth_and_their_digest(tmp_path):
    touch(tmp_path, "b/c/IM2", "b/IM1", "a", ".DS_Store", "b/.git/x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    listed = [str(Path(path).relative_to(tmp_path)) for path, _ in file_names.list_files(tmp_path)]
    assert listed == ["a", "b/IM1", "b/c/IM2"]
    before = file_names.digest_files(tmp_path)
    touch(tmp_path, "b/.DS_Store")
    assert file_names.digest_files(tmp_path) == before
    (tmp_path / "b/IM1").write_text("other")
    after = file_names.digest_files(tmp_path)
    (tmp_path / "b/IM1").rename(tmp_path / "b/IM0")
    assert len({before, after, file_names.digest_files(tmp_path)}) == 3
