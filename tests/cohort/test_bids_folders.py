"""BIDS datasets by their names: visits, scans, labels, and whose they are."""

import json
from pathlib import Path

import pytest

from helpers.fake_files import names_of, touch
from neurograft.cohort import bids_folders, layouts


def test_bids_sequences_and_participants(tmp_path):
    stem = "sub-01/anat/sub-01"
    touch(tmp_path, f"{stem}_T1w.nii.gz", f"{stem}_ce-gadolinium_T1w.nii.gz", f"{stem}_T2w.nii", f"{stem}_FLAIR.nii.gz")
    touch(tmp_path, f"{stem}_inplaneT2.nii.gz", f"{stem}_T1w.json", "sub-01/func/sub-01_task-a_bold.nii.gz")
    touch(tmp_path, f"{stem}_part-phase_T1w.nii.gz", "sub-02/anat/sub-02_inplaneT2.nii.gz", "sub-03/func/x.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tSite\nsub-01\t50\tÅrhus\n02\tn/a\tOslo\n")
    found = layouts.find_subjects("bids", str(tmp_path))
    assert list(found) == ["01", "02", "03"]
    assert names_of(found["01"]) == {
        "t1": "sub-01_T1w.nii.gz",
        "t1c": "sub-01_ce-gadolinium_T1w.nii.gz",
        "t2": "sub-01_T2w.nii",
        "flair": "sub-01_FLAIR.nii.gz",
    }
    assert found["01"]["site"] == "Århus" and found["01"]["columns"] == {"age": "50"}
    assert found["02"]["site"] == "Oslo" and found["02"]["columns"] == {"age": ""}
    assert names_of(found["02"]) == {"t2": "sub-02_inplaneT2.nii.gz"} and found["03"]["files"] == {}
    anat = tmp_path / "sub-01/anat"
    assert found["01"]["notes"] == [
        f"t2: took {anat}/sub-01_T2w.nii, left {anat}/sub-01_inplaneT2.nii.gz (not in-plane)"
    ]


def test_bids_session_with_most_sequences(tmp_path):
    for name, kinds in (("ses-1", ["T1w"]), ("ses-2", ["T1w", "T2w"]), ("ses-3", ["T1w", "FLAIR"])):
        touch(tmp_path, *(f"sub-a/{name}/anat/sub-a_{name}_{kind}.nii.gz" for kind in kinds))
    touch(tmp_path, "derivatives/hand/sub-a/ses-2/anat/sub-a_ses-2_dseg.nii.gz")
    touch(tmp_path, "derivatives/hand/sub-a/ses-3/anat/sub-a_ses-3_dseg.nii.gz")
    found = layouts.find_subjects("bids", str(tmp_path))["a"]
    assert names_of(found)["t2"] == "sub-a_ses-2_T2w.nii.gz" and names_of(found)["labels"] == "sub-a_ses-2_dseg.nii.gz"
    (note,) = found["notes"]
    assert note.startswith(f"visit: took {tmp_path}/sub-a/ses-2, left {tmp_path}/sub-a/ses-3")


def test_bids_duplicates_first_run_and_not_defaced(tmp_path):
    stem = "sub-a/anat/sub-a"
    touch(tmp_path, *(f"{stem}_run-{run}_T1w.nii.gz" for run in ("10", "2")))
    touch(tmp_path, f"{stem}_rec-defaced_T2w.nii.gz", f"{stem}_acq-b_run-9_T2w.nii.gz")
    found = layouts.find_subjects("bids", str(tmp_path))["a"]
    assert names_of(found) == {"t1": "sub-a_run-2_T1w.nii.gz", "t2": "sub-a_acq-b_run-9_T2w.nii.gz"}
    assert [Path(path).name for path in found["open"]["t1"]] == ["sub-a_run-2_T1w.nii.gz", "sub-a_run-10_T1w.nii.gz"]
    assert found["ordered"] == ["t1"]


def test_bids_names_are_read_as_the_kept_library_reads_them():
    library = pytest.importorskip("ancpbids.utils", reason="ancpbids is not installed")
    for file in ("sub-01_T1w.nii.gz", "sub-01_ses-2_ce-gadolinium_run-03_T1w.nii", "sub-a_acq-x_desc-y_dseg.nii.gz"):
        theirs = library.parse_bids_name(file)
        assert bids_folders.split_name(file) == (theirs["entities"], theirs["suffix"], theirs["extension"])


def test_bids_folder(tmp_path):
    kinds = ("run-2_T1w.nii.gz", "run-1_T1w.nii.gz", "ce-gd_T1w.nii.gz", "part-phase_T1w.nii.gz", "T2starw.nii.gz")
    touch(tmp_path, *(f"sub-a_{kind}" for kind in (*kinds, "inplaneT2.nii", "FLAIR.json")), ".sub-a_FLAIR.nii.gz")
    scans, labels = bids_folders.list_images(tmp_path)
    assert {sequence: len(paths) for sequence, paths in scans.items()} == {"t1": 2, "t1c": 1, "t2": 1} and labels == []
    assert bids_folders.list_images(tmp_path / "nowhere") == ({}, [])


def test_bids_labels_that_say_they_are_something_else(tmp_path):
    others = ("desc-aseg_dseg", "desc-aparcaseg_dseg", "atlas-x_dseg", "desc-candidates_dseg")
    touch(tmp_path, *(f"sub-a_{kind}.nii.gz" for kind in (*others, "dseg", "desc-tumour_dseg", "space-orig_dseg")))
    _, labels = bids_folders.list_images(tmp_path)
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
    assert bids_folders.may_hold_tumours(str(shelf)) == expected


def find_one(root, name="01", **more):
    return layouts.find_subjects("bids", str(root), **more)[name]


def test_contrast_agent_by_words(tmp_path):
    stem = "sub-01/anat/sub-01"
    touch(tmp_path, *(f"{stem}_{kind}_T1w.nii.gz" for kind in ("acq-postGd", "acq-preGd")), f"{stem}_FLAIR.nii.gz")
    touch(tmp_path, f"{stem}_ce-gad_FLAIR.nii.gz")
    found = find_one(tmp_path)
    assert names_of(found)["t1"] == "sub-01_acq-preGd_T1w.nii.gz"
    assert names_of(found)["t1c"] == "sub-01_acq-postGd_T1w.nii.gz"
    assert names_of(found)["flair"] == "sub-01_FLAIR.nii.gz" and "(without contrast agent)" in found["notes"][0]


def test_a_label_by_hand_before_one_of_a_program(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    paths = [f"derivatives/{shelf}/sub-01/anat/sub-01_dseg.nii.gz" for shelf in ("hd-glio", "manual", "other")]
    touch(tmp_path, *paths)
    found = find_one(tmp_path)
    assert found["files"]["labels"] == str(tmp_path / paths[1])
    assert all(str(tmp_path / path) in " ".join(found["notes"]) for path in paths)
    found = find_one(tmp_path, choose=["derivatives/hd-glio/*"])
    assert found["files"]["labels"] == str(tmp_path / paths[0])
    found = find_one(tmp_path, choose=["!derivatives/manual/*"])
    assert found["files"]["labels"] == str(tmp_path / paths[2])


def test_only_a_program_s_label_is_no_truth_until_the_user_says_so(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", "derivatives/nnunet/sub-01/sub-01_dseg.nii.gz")
    found = find_one(tmp_path)
    assert "labels" not in found["files"] and "not taken as truth" in found["notes"][0]
    assert "labels" in find_one(tmp_path, choose=["derivatives/nnunet/*"])["files"]


def test_words_of_the_root_and_of_a_subject_s_name_do_not_count(tmp_path):
    root = tmp_path / "derivatives/nnunet_input"
    touch(root, "sub-auto1/anat/sub-auto1_T1w.nii.gz", "sub-auto1/anat/sub-auto1_dseg.nii.gz")
    assert "labels" in find_one(root, "auto1")["files"]


def test_two_labels_of_equal_standing_are_left_open(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    touch(tmp_path, *(f"derivatives/{name}/sub-01/anat/sub-01_dseg.nii.gz" for name in ("anna", "zoe")))
    assert len(find_one(tmp_path)["open"]["labels"]) == 2


@pytest.mark.parametrize(
    ("visits", "taken"),
    [(("10", "2"), "2"), (("postop", "preop"), "preop"), (("followup", "baseline"), "baseline"), (("B", "A"), "A")],
)
def test_the_first_visit_by_meaning(tmp_path, visits, taken):
    touch(tmp_path, *(f"sub-01/ses-{visit}/anat/sub-01_ses-{visit}_T1w.nii.gz" for visit in visits))
    found = find_one(tmp_path)
    assert f"/ses-{taken}/" in found["files"]["t1"] and not found["problems"]
    assert all(str(tmp_path / f"sub-01/ses-{visit}") in found["notes"][0] for visit in visits)


def test_visits_without_order_wait_for_the_user(tmp_path):
    touch(tmp_path, *(f"sub-01/ses-{visit}/anat/sub-01_ses-{visit}_T1w.nii.gz" for visit in ("oslo", "bern")))
    assert "waits for you" in find_one(tmp_path)["problems"][0]
    found = find_one(tmp_path, choose=["ses-oslo/*"])
    assert not found["problems"] and "ses-oslo" in found["files"]["t1"]


def test_the_visit_with_a_label_and_its_own_label(tmp_path):
    for visit in (1, 2, 3):
        kinds = ("T1w", "T2w", "FLAIR")[:visit]
        touch(tmp_path, *(f"sub-01/ses-{visit}/anat/sub-01_ses-{visit}_{kind}.nii.gz" for kind in kinds))
    touch(tmp_path, "derivatives/manual/sub-01/sub-01_ses-2_dseg.nii.gz")
    found = find_one(tmp_path)
    assert "ses-2" in found["files"]["t1"] and "the one with labels" in found["notes"][0]
    found = find_one(tmp_path, choose=["ses-3/*"])
    assert "ses-3" in found["files"]["t1"] and "labels" not in found["files"]


def test_parts_of_the_body_and_single_echoes(tmp_path):
    stem = "sub-01/anat/sub-01"
    touch(tmp_path, *(f"{stem}_{kind}_T2w.nii.gz" for kind in ("acq-hippo", "acq-spine", "echo-1", "echo-2", "run-2")))
    assert names_of(find_one(tmp_path)) == {"t2": "sub-01_run-2_T2w.nii.gz"}
    (tmp_path / f"{stem}_run-2_T2w.nii.gz").unlink()
    assert names_of(find_one(tmp_path)) == {"t2": "sub-01_echo-2_T2w.nii.gz"}


def test_usual_names_of_lesion_masks_and_of_scans(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_UNIT1.NII.GZ", "sub-01/anat/sub-01_label-lesion_mask.nii.gz")
    touch(tmp_path, "sub-02/anat/sub-02_T1w.nii.gz", "derivatives/x/sub-02/anat/sub-02_label-lesion_roi.nii.gz")
    touch(tmp_path, "derivatives/x/sub-02/anat/sub-02_desc-brain_mask.nii.gz")
    stem = "sub-03_ses-1_space-MNI152NLin2009aSym"  # as ATLAS names its stroke lesions
    touch(tmp_path, *(f"sub-03/ses-1/anat/{stem}_{kind}.nii.gz" for kind in ("T1w", "label-L_desc-T1lesion_mask")))
    found = layouts.find_subjects("bids", str(tmp_path))
    assert names_of(found["01"]) == {"t1": "sub-01_UNIT1.NII.GZ", "labels": "sub-01_label-lesion_mask.nii.gz"}
    assert names_of(found["02"])["labels"] == "sub-02_label-lesion_roi.nii.gz"
    assert names_of(found["03"])["labels"] == f"{stem}_label-L_desc-T1lesion_mask.nii.gz"


def test_another_subject_s_file_in_a_folder(tmp_path):
    touch(tmp_path, "sub-16/anat/sub-61_T1w.nii.gz", "sub-16/anat/sub-16_T2w.nii.gz", "sub-61/anat/sub-61_T1w.nii.gz")
    found = layouts.find_subjects("bids", str(tmp_path))
    assert "named after sub-61 but lies in the folder of sub-16" in found["16"]["problems"][0]
    assert "t1" not in found["16"]["files"] and not found["61"]["problems"]
    touch(tmp_path, "sub-16/anat/sub-16_T1w.nii.gz")
    found = find_one(tmp_path, "16")
    assert names_of(found)["t1"] == "sub-16_T1w.nii.gz" and not found["problems"] and "sub-61" in found["notes"][-1]


def test_a_root_that_is_one_subject(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz")
    assert list(layouts.find_subjects("bids", str(tmp_path / "sub-01"))) == ["01"]
