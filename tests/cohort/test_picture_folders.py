"""Patients by the names of their pictures: folders with masks, tables, and what is wrong with them."""

import pytest

from neurograft.cohort.layouts import CohortError, find_subjects
from neurograft.cohort.picture_folders import PictureOptions, PictureSetError, find_patients, has_masks, order_of
from neurograft.core.tables import TableError


def touch(root, *paths):
    """Make empty files, and their folders."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def patients(root, **options):
    """The patients of a folder of grey pictures, by name."""
    found = find_patients(str(root), ("t1c",), PictureOptions(**options))
    return {patient["name"]: patient for patient in found}


def names(patient):
    return [one["name"] for one in patient["slices"]]


def test_pictures_are_ordered_by_the_last_number_of_their_names(tmp_path):
    touch(tmp_path, *(f"set/A_1/A_1_{n}{end}" for n in (10, 9, 2) for end in (".tif", "_mask.tif")), "set/B/x.png")
    found = patients(tmp_path)
    assert list(found) == ["A_1", "B"]
    assert names(found["A_1"]) == ["A_1_2.tif", "A_1_9.tif", "A_1_10.tif"]
    assert found["A_1"]["slices"][0] == {
        "name": "A_1_2.tif",
        "files": [str(tmp_path / "set/A_1/A_1_2.tif")],
        "mask": str(tmp_path / "set/A_1/A_1_2_mask.tif"),
    }
    assert found["B"]["slices"][0]["mask"] == "" and found["A_1"]["notes"] == found["B"]["notes"] == []
    assert found["B"]["columns"] == {"patient": "B"}
    assert sorted(["b", "a3", "a"], key=order_of) == ["a", "b", "a3"]


def test_what_has_no_partner_is_left_out_by_name(tmp_path):
    touch(
        tmp_path, "A/1.png", "A/1_mask.png", "A/2.png", "A/3_mask.png", "A/4.png", "A/4.tif", "A/4_mask.png", "A/r.txt"
    )
    patient = patients(tmp_path)["A"]
    assert names(patient) == ["1.png", "4.png"]
    assert [note.split("; ")[0] for note in patient["notes"]] == [
        "left out: 4.tif has the name of 4.png",
        "left out: r.txt is no picture",
        "left out: 3_mask.png has no picture",
        "left out: 2.png, no mask",
    ]


def test_a_patient_without_any_mask_keeps_all_pictures(tmp_path):
    touch(tmp_path, "A/1.png", "A/2.png", "B/1.png", "B/1_mask.png")
    found = find_subjects("images", str(tmp_path), sequences=["t1c"])
    assert [len(subject["slices"]) for subject in found.values()] == [2, 1]
    assert list(found["A"]["files"]) == ["t1c"] and list(found["B"]["files"]) == ["t1c", "labels"]
    assert found["B"]["files"]["labels"] == "results/work/sub-B/stacked/labels.nii.gz"


def test_the_same_number_twice_is_noted_and_nothing_is_lost(tmp_path):
    touch(tmp_path, "A/a_5.png", "A/b_5.png", "A/x.png")
    patient = patients(tmp_path)["A"]
    assert names(patient) == ["x.png", "a_5.png", "b_5.png"]
    assert patient["notes"] == ["several slices have the number 5; they follow each other by name"]


def test_a_picture_in_another_patients_folder_is_left_out(tmp_path):
    touch(tmp_path, "P_1/P_1_1.png", "P_1/P_10_2.png", "P_10/P_10_1.png", "P_1/P_1_3.png")
    found = patients(tmp_path)
    assert names(found["P_1"]) == ["P_1_1.png", "P_1_3.png"]
    (note,) = found["P_1"]["notes"]
    assert "P_10_2.png is named after P_10 but lies in the folder of P_1" in note


def test_a_patient_in_two_folders_waits_or_is_kept_together(tmp_path):
    touch(tmp_path, "a/P1/1.png", "b/P1/1.png")
    found = find_subjects("images", str(tmp_path), sequences=["t1c"])
    assert "both subject 'P1'" in found["P1"]["problems"][0] and found["P1"]["files"] == {}
    touch(tmp_path, "c/P_1_1999/1.png", "c/P_1_2001/1.png", "c/P_12/1.png")
    (tmp_path / "data.csv").write_text("Patient;age\nP_1;40\nP_12;50\n")
    found = patients(tmp_path / "c", patients=str(tmp_path / "data.csv"))
    assert {name: one["columns"] for name, one in found.items()} == {
        "P_12": {"patient": "P_12", "age": "50"},
        "P_1_1999": {"patient": "P_1", "age": "40"},
        "P_1_2001": {"patient": "P_1", "age": "40"},
    }
    assert found["P_1_1999"]["notes"] == ["the same person as P_1_2001, on one side of every fold"]


def test_persons_sites_and_columns_of_a_table(tmp_path):
    touch(tmp_path, "set/MR1/1.png", "set/MR1B/1.png", "set/XY2/1.png", "set/Q/1.png")
    (tmp_path / "p.tsv").write_text("patient\tperson\tdiagnosis\nMR1\tMR1\tglioma\nMR1B\tMR1\tglioma\nXY2\tXY2\tn/a\n")
    found = patients(tmp_path / "set", patients=str(tmp_path / "p.tsv"), person="person", site="^([A-Z]{2})")
    assert found["MR1B"]["columns"] == {"patient": "MR1", "person": "MR1", "diagnosis": "glioma", "site": "MR"}
    assert found["MR1B"]["notes"] == ["the same person as MR1, on one side of every fold"]
    assert found["Q"]["notes"] == ["not in p.tsv", "dataset.pictures.site is not in the name, so the site is not known"]
    more = {"patients": str(tmp_path / "p.tsv"), "site": "^(..)"}
    subjects = find_subjects("images", str(tmp_path / "set"), sequences=["t1c"], pictures=more)
    assert subjects["XY2"]["site"] == "XY" and subjects["XY2"]["columns"]["diagnosis"] == ""


def test_a_table_of_pictures_with_one_a_channel(tmp_path):
    touch(tmp_path, "i/a1.png", "i/a2.png", "i/f1.png", "i/f2.png", "i/f3.png", "m/1.png", "m/2.png")
    (tmp_path / "t.csv").write_text(
        "Patient,slice,T1,flair,Mask,diagnosis,quality\n"
        "P,2,i/a1.png,i/f1.png,m/1.png,glioma,good\n"
        'P,1,i/a2.png,i/f2.png,m/2.png,glioma,"bad, moved"\n'
        "P,3,i/lost.png,i/f3.png,m/2.png,glioma,good\n"
    )
    options = PictureOptions(table=str(tmp_path / "t.csv"))
    (patient,) = find_patients("", ("t1", "flair"), options)
    assert names(patient) == ["a2.png", "a1.png"]
    assert patient["slices"][0]["files"] == [f"{tmp_path}/i/a2.png", f"{tmp_path}/i/f2.png"]
    assert patient["columns"] == {"patient": "P", "diagnosis": "glioma", "quality": ""}
    assert "row 4 of t.csv" in patient["notes"][0] and "lost.png does not exist" in patient["notes"][0]
    assert patient["notes"][1] == "quality: differs between the rows of the patient, not used"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("patient\tpath\nP\t1.png\n", "it needs patient and picture"),
        ("picture\tpatient\n1.png\t\n", "row 2 of .* names no patient"),
        ("picture\tpatient\n1.png\tP\n1.png\tQ\n", "rows 2 and 3 are both"),
        ("picture\tpatient\n", "has no rows"),
    ],
)
def test_a_table_of_pictures_that_cannot_be_used(tmp_path, text, says):
    touch(tmp_path, "1.png")
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(PictureSetError, match=says) as caught:
        find_patients("", ("t1",), PictureOptions(table=str(tmp_path / "t.tsv")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"person": "who"}, "choose one of diagnosis"),
        ({"site": "(A"}, "no regular expression"),
        ({"site": "A"}, "needs one group"),
        ({"site": "(Z)"}, "in no patient's name"),
    ],
)
def test_options_that_fit_no_patient(tmp_path, options, says):
    touch(tmp_path, "set/A/1.png")
    (tmp_path / "p.tsv").write_text("patient\tdiagnosis\nA\tx\n")
    with pytest.raises(PictureSetError, match=says):
        patients(tmp_path / "set", patients=str(tmp_path / "p.tsv"), **options)


def test_tables_of_patients_that_cannot_be_used(tmp_path):
    touch(tmp_path, "set/A/1.png")
    for text, error, says in (
        ("name\tx\nA\t1\n", TableError, "one must be patient"),
        ("patient\tx\nA\t1\nA\t2\n", TableError, "'A' is there twice"),
        ("patient\tx\nB\t1\n", PictureSetError, "no patient of the pictures"),
    ):
        (tmp_path / "p.tsv").write_text(text)
        with pytest.raises(error, match=says):
            patients(tmp_path / "set", patients=str(tmp_path / "p.tsv"))


def test_sets_that_are_laid_out_otherwise(tmp_path):
    touch(tmp_path, "1.png", "glioma/1.jpg", "glioma/1_mask.png")
    with pytest.raises(PictureSetError, match="put those of each patient into a folder of his own"):
        patients(tmp_path)
    with pytest.raises(CohortError, match=r"say in dataset\.sequences"):
        find_subjects("images", str(tmp_path))
    with pytest.raises(CohortError, match="a folder a patient"):
        find_subjects("images", str(tmp_path / "nowhere"), sequences=["t1c"])
    with pytest.raises(PictureSetError, match="leave it out"):
        patients(tmp_path, table="t.tsv")
    assert has_masks(["1.jpg", "1_mask.png"]) and not has_masks(["1_mask.png", "2.png"])
