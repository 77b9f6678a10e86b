"""Subjects of BraTS releases and of sets named like them, by their names."""

from pathlib import Path

import pytest

from helpers.fake_files import brats_case, names_of, touch
from neurograft.cohort import layouts
from neurograft.cohort.brats_folders import read_release


def test_brats_2018_naming_in_grade_folders(tmp_path):
    brats_case(tmp_path, "HGG/Brats18_CBICA_ABM_1")
    brats_case(tmp_path, "LGG/Brats18_2013_6_1", suffix=".nii")
    found = layouts.find_subjects("brats", str(tmp_path))
    high, low = found["Brats18CBICAABM1"], found["Brats18201361"]
    assert list(high["files"]) == ["t1", "t1c", "t2", "flair", "labels"]
    assert names_of(high)["t1c"] == "Brats18_CBICA_ABM_1_t1ce.nii.gz"
    assert (high["site"], low["site"]) == ("CBICA", "2013")
    assert high["columns"] == {"patient": "Brats18_CBICA_ABM", "grade": "HGG"}
    assert low["columns"]["grade"] == "LGG" and names_of(low)["labels"].endswith("_seg.nii")
    assert high["scheme"] == "brats2018" and high["name"] == "Brats18_CBICA_ABM_1"


def test_brats_2020_has_no_site_and_a_misnamed_label(tmp_path):
    brats_case(tmp_path, "BraTS20_Training_355", ("_t1", "_t1ce", "_t2", "_flair"))
    touch(tmp_path, "BraTS20_Training_355/W39_1998.09.19_Segm.nii", "name_mapping.csv")
    (found,) = layouts.find_subjects("brats", str(tmp_path)).values()
    assert found["site"] == "" and found["columns"] == {}
    assert names_of(found)["labels"] == "W39_1998.09.19_Segm.nii"


def test_brats_2023_naming(tmp_path):
    for visit in ("000", "001"):
        brats_case(tmp_path, f"BraTS-GLI-00005-{visit}", ("-t1n", "-t1c", "-t2w", "-t2f"))
    found = layouts.find_subjects("brats", str(tmp_path))
    assert list(found) == ["BraTSGLI00005000", "BraTSGLI00005001"]
    assert {entry["columns"]["patient"] for entry in found.values()} == {"BraTS-GLI-00005"}
    assert names_of(found["BraTSGLI00005000"])["flair"] == "BraTS-GLI-00005-000-t2f.nii.gz"
    assert all(entry["scheme"] == "brats2023" and "labels" not in entry["files"] for entry in found.values())


def test_brats_files_side_by_side_and_twice(tmp_path):
    touch(tmp_path, "flat/A_t1.nii.gz", "flat/A_t2.nii.gz", "flat/B_t1.nii", "flat/B_t1.nii.gz", "flat/._B_t1.nii")
    found = layouts.find_subjects("brats", str(tmp_path / "flat"))
    assert list(found) == ["A", "B"] and set(found["A"]["files"]) == {"t1", "t2"}
    assert len(found["B"]["open"]["t1"]) == 2


def test_roots_are_joined_and_paths_may_be_strange(tmp_path):
    brats_case(tmp_path / "Ärzte & co (1)", "Brats18_TCIA01_1_1")
    brats_case(tmp_path / "second", "BraTS-MET-1-000", ("-t1c",))
    found = layouts.find_subjects("brats", [str(tmp_path / "Ärzte & co (1)"), str(tmp_path / "second")])
    assert list(found) == ["Brats18TCIA0111", "BraTSMET1000"]
    assert all(Path(path).exists() for entry in found.values() for path in entry["files"].values())


def test_two_compressions_of_one_name_are_left_to_their_headers(tmp_path):
    touch(tmp_path, "flat/A_t1.nii", "flat/A_t1.nii.gz", "flat/B_t1.nii")
    found = layouts.find_subjects("brats", str(tmp_path / "flat"))["A"]
    assert sorted(Path(path).name for path in found["open"]["t1"]) == ["A_t1.nii", "A_t1.nii.gz"]
    assert found["ordered"] == []


@pytest.mark.parametrize("flat", [False, True])
def test_a_prediction_beside_the_label_is_no_truth(tmp_path, flat):
    folder = "" if flat else "X_1/"
    touch(
        tmp_path, *(f"{folder}X_1_{kind}.nii.gz" for kind in ("t1", "pred_seg", "seg")), f"{folder}X_1_auto_seg.nii.gz"
    )
    touch(tmp_path, *(["Y_t1.nii.gz"] if flat else ["Y/Y_t1.nii.gz", "Y/Y_pred_seg.nii.gz"]))
    found = layouts.find_subjects("brats", str(tmp_path))
    assert list(found) == ["X1", "Y"] and names_of(found["X1"])["labels"] == "X_1_seg.nii.gz"
    assert str(tmp_path / f"{folder}X_1_pred_seg.nii.gz") in found["X1"]["notes"][0]
    assert "labels" not in found["Y"]["files"]
    taken = layouts.find_subjects("brats", str(tmp_path), choose=["*_pred_seg.nii.gz"])["X1"]
    assert names_of(taken)["labels"] == "X_1_pred_seg.nii.gz" and "dataset.choose says so" in taken["notes"][0]


def test_the_names_of_other_glioma_sets(tmp_path):
    upenn, ucsf = "UPENN-GBM-00001_11", "UCSF-PDGM-0004"
    touch(tmp_path, *(f"images/{upenn}/{upenn}_{kind}.nii.gz" for kind in ("T1", "T1GD", "T2", "FLAIR")))
    touch(tmp_path, f"images_segm/{upenn}_segm.nii.gz", f"auto/{upenn}_automated_approx_segm.nii.gz")
    kinds = ("T1", "T1c", "T2", "FLAIR", "T1c_bias", "tumor_segmentation", "brain_segmentation")
    touch(tmp_path, *(f"{ucsf}_nifti/{ucsf}_{kind}.nii.gz" for kind in kinds))
    touch(tmp_path, *(f"PatientID_3/Timepoint_1/PatientID_3_Timepoint_1_{kind}.nii" for kind in ("t1n", "tumorMask")))
    found = {entry["name"]: entry for entry in layouts.find_subjects("brats", str(tmp_path)).values()}
    assert set(found) == {upenn, f"{ucsf}_nifti", "PatientID_3_Timepoint_1"}
    assert names_of(found[upenn])["t1c"] == f"{upenn}_T1GD.nii.gz"
    assert names_of(found[upenn])["labels"] == f"{upenn}_segm.nii.gz"
    assert found[upenn]["columns"] == {"patient": "UPENN-GBM-00001"}
    assert names_of(found[f"{ucsf}_nifti"])["labels"] == f"{ucsf}_tumor_segmentation.nii.gz"
    assert names_of(found[f"{ucsf}_nifti"])["t1c"] == f"{ucsf}_T1c.nii.gz"
    third = found["PatientID_3_Timepoint_1"]
    assert third["scheme"] == "brats2024" and third["columns"] == {"patient": "PatientID_3"}


def test_folders_of_sequences_are_one_patient(tmp_path):
    touch(tmp_path, "P1/T1/P1_T1.nii.gz", "P1/FLAIR/P1_FLAIR.nii.gz", "P2/T1.nii.gz", "P2/flair.nii.gz", "P2/seg.nii")
    found = layouts.find_subjects("brats", str(tmp_path))
    assert {label: list(entry["files"]) for label, entry in found.items()} == {
        "P1": ["t1", "flair"],
        "P2": ["t1", "flair", "labels"],
    }
    assert list(layouts.find_subjects("brats", str(tmp_path / "P1"))) == ["P1"]


def test_another_subject_s_file_in_a_folder(tmp_path):
    brats_case(tmp_path, "A", ("_t1", "_t2"))
    brats_case(tmp_path, "B", ("_t1", "_t2"))
    touch(tmp_path, "A/B_t1.nii.gz", "A/B_seg.nii.gz")
    found = layouts.find_subjects("brats", str(tmp_path))
    assert names_of(found["A"]) == {"t1": "A_t1.nii.gz", "t2": "A_t2.nii.gz"} and "B_t1" in found["A"]["notes"][-1]
    (problem,) = found["A"]["problems"]
    assert "A/B_seg.nii.gz is named after B but lies in the folder of A" in problem and not found["B"]["problems"]


@pytest.mark.parametrize(
    ("name", "path", "words", "scheme"),
    [
        ("Brats18_CBICA_ABM_1", "/d/x", {"t1", "seg"}, "brats2018"),
        ("BraTS-GLI-00005-000", "/d/x", {"t1n"}, "brats2023"),
        ("BraTS-GLI-00005-101", "/d/x", {"t1n"}, "brats2024"),
        ("BraTS-GLI-00005-000", "/d/BraTS2024-GLI/x", {"t1n"}, "brats2024"),
        ("BraTS-SSA-00005-000", "/d/BraTS2024-SSA/x", {"t1n"}, "brats2023"),
        ("BraTS-PED-00005-000", "/d/PEDs/x", {"t1n"}, "bratsped"),
        ("BraTS-PED-00005-000", "/d/ASNR-MICCAI-BraTS2023-PED/x", {"t1n"}, "brats2023"),
        ("BraTS-PED-00005-000", "/d/BraTS-PEDs2024_Training/x", {"t1n"}, "bratsped2024"),
        ("P_1", "/d/x", {"t1n", "tumormask"}, "brats2024"),
    ],
)
def test_a_release_by_its_names(name, path, words, scheme):
    assert read_release(name, path, words) == scheme
