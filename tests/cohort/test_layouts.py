"""Datasets by their names, and the table of who is in."""

import subprocess
import sys
from pathlib import Path

import pytest

from neurograft.cohort import cohort_table, layouts, validation
from neurograft.cohort.layouts import CohortError, find_subjects, read_exclusions
from neurograft.core import tables
from neurograft.pictures import reading

ROOT = Path(__file__).parents[2]
SHARED = Path(__file__).parents[3] / "shared/data"
needs_scans = pytest.mark.skipif(not SHARED.exists(), reason=f"real scans are not at {SHARED}")


def touch(root, *paths):
    """Make empty files, and their folders."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def brats_case(root, folder, kinds=("_t1", "_t1ce", "_t2", "_flair", "_seg"), suffix=".nii.gz"):
    name = Path(folder).name
    touch(root, *(f"{folder}/{name}{kind}{suffix}" for kind in kinds))


def names_of(found):
    """The base names of a subject's files."""
    return {kind: Path(path).name for kind, path in found["files"].items()}


def test_colliding_labels_stop_the_run(tmp_path):
    brats_case(tmp_path, "a/Case_1")
    brats_case(tmp_path, "b/Case-1")
    with pytest.raises(layouts.CohortError, match="both subject 'Case1'") as caught:
        layouts.find_subjects("brats", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert "a/Case_1" in str(caught.value) and "b/Case-1" in str(caught.value) and "rename" in str(caught.value)


def test_a_name_without_letters_or_digits_stops_the_run(tmp_path):
    brats_case(tmp_path, "病人")
    with pytest.raises(layouts.CohortError, match="letters or digits"):
        layouts.find_subjects("brats", str(tmp_path))


@pytest.mark.parametrize("layout", ["bids", "brats", "dicom", "table", "images"])
def test_a_root_that_is_missing_or_empty(tmp_path, layout):
    empty = tmp_path / "empty"
    empty.write_text("participant_id\tt1\n") if layout == "table" else empty.mkdir()
    for root, fault in (
        (tmp_path / "nowhere", "does not exist"),
        (empty, "holds no subject"),
        ([], "does not exist"),
    ):
        with pytest.raises(layouts.CohortError, match=fault) as caught:
            layouts.find_subjects(layout, root and str(root))
        assert layouts.EXPECTED[layout] in str(caught.value) and "\n" not in str(caught.value)


# brats


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
    assert names_of(found["B"]) == {"t1": "B_t1.nii.gz"} and found["B"]["notes"] == [
        "t1: took B_t1.nii.gz, left B_t1.nii"
    ]


def test_roots_are_joined_and_paths_may_be_strange(tmp_path):
    brats_case(tmp_path / "Ärzte & co (1)", "Brats18_TCIA01_1_1")
    brats_case(tmp_path / "second", "BraTS-MET-1-000", ("-t1c",))
    found = layouts.find_subjects("brats", [str(tmp_path / "Ärzte & co (1)"), str(tmp_path / "second")])
    assert list(found) == ["Brats18TCIA0111", "BraTSMET1000"]
    assert all(Path(path).exists() for entry in found.values() for path in entry["files"].values())


# bids


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
    assert found["01"]["notes"] == ["t2: took sub-01_T2w.nii, left sub-01_inplaneT2.nii.gz"]


def test_bids_session_with_most_sequences(tmp_path):
    for name, kinds in (("ses-1", ["T1w"]), ("ses-2", ["T1w", "T2w"]), ("ses-3", ["T1w", "FLAIR"])):
        touch(tmp_path, *(f"sub-a/{name}/anat/sub-a_{name}_{kind}.nii.gz" for kind in kinds))
    touch(tmp_path, "derivatives/hand/sub-a/ses-2/anat/sub-a_ses-2_dseg.nii.gz")
    touch(tmp_path, "derivatives/hand/sub-a/ses-3/anat/sub-a_ses-3_dseg.nii.gz")
    found = layouts.find_subjects("bids", str(tmp_path))["a"]
    assert names_of(found)["t2"] == "sub-a_ses-2_T2w.nii.gz" and names_of(found)["labels"] == "sub-a_ses-2_dseg.nii.gz"
    assert found["notes"] == ["took session ses-2 of 3: the first with most sequences"]


def test_bids_duplicates_first_run_and_not_defaced(tmp_path):
    stem = "sub-a/anat/sub-a"
    touch(tmp_path, *(f"{stem}_run-{run}_T1w.nii.gz" for run in ("10", "2")))
    touch(tmp_path, f"{stem}_rec-defaced_T2w.nii.gz", f"{stem}_acq-b_run-9_T2w.nii.gz")
    found = layouts.find_subjects("bids", str(tmp_path))["a"]
    assert names_of(found) == {"t1": "sub-a_run-2_T1w.nii.gz", "t2": "sub-a_acq-b_run-9_T2w.nii.gz"}
    assert found["notes"][0] == "t1: took sub-a_run-2_T1w.nii.gz, left sub-a_run-10_T1w.nii.gz"


# table


def write_tsv(path, *rows, encoding="utf-8"):
    path.write_bytes("\n".join("\t".join(row) for row in rows).encode(encoding))
    return str(path)


def test_table_paths_columns_and_missing_files(tmp_path):
    touch(tmp_path, "scans of Zoë/flair.nii.gz", "b.nii.gz")
    path = write_tsv(
        tmp_path / "my table.tsv",
        ("participant_id", "T1", "flair", "labels", "center", "note"),
        ("p_1", str(tmp_path / "b.nii.gz"), '"scans of Zoë/flair.nii.gz"', "", "A", '"x, ""y"""'),
        ("sub-p2", "b.nii.gz", "gone.nii.gz"),
        encoding="utf-8-sig",
    )
    found = layouts.find_subjects("table", path)
    assert list(found) == ["p1", "p2"]
    assert {kind: Path(file).exists() for kind, file in found["p1"]["files"].items()} == {"t1": True, "flair": True}
    assert found["p1"]["site"] == "A" and found["p1"]["columns"] == {"note": 'x, "y"'} and found["p1"]["problems"] == []
    (problem,) = found["p2"]["problems"]
    assert problem == f"flair: {tmp_path / 'gone.nii.gz'} does not exist; correct row 3 of {path}"
    assert list(found["p2"]["files"]) == ["t1"]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            [("participant_id", "t1"), ("a", "x"), ("b", "x"), ("a", "x")],
            "row 2 of .* and row 4 of .* both subject 'a'",
        ),
        ([("id", "t1"), ("a", "x")], "expects a tab-separated file"),
        ([("participant_id,t1",), ("a,x",)], "expects a tab-separated file"),
        ([("participant_id", "path"), ("a", "x")], "expects a tab-separated file"),
        ([("participant_id", "t1"), ("", "x")], "letters or digits"),
        ([("participant_id", "t1"), ("a", "x", "y")], "row 2 has 3 fields"),
    ],
)
def test_table_faults_stop_the_run(tmp_path, rows, fault):
    with pytest.raises(layouts.CohortError, match=fault) as caught:
        layouts.find_subjects("table", write_tsv(tmp_path / "t.tsv", *rows))
    assert "\n" not in str(caught.value)


def test_table_in_another_encoding(tmp_path):
    with pytest.raises(layouts.CohortError, match="not encoded in UTF-8; save it"):
        layouts.find_subjects(
            "table", write_tsv(tmp_path / "t.tsv", ("participant_id", "t1"), ("é", "x"), encoding="latin-1")
        )


# phantom and all


def test_phantom_names_its_subjects_before_they_exist():
    found = layouts.find_subjects("phantom", subjects=12)
    assert list(found)[::11] == ["phantom001", "phantom012"]
    assert found["phantom012"]["files"]["t1c"] == "results/simulated/sub-phantom012/t1c.nii.gz"
    with pytest.raises(layouts.CohortError, match="set their number"):
        layouts.find_subjects("phantom", subjects=0)
    found = layouts.find_subjects("phantom", subjects=4, unlabelled=1)
    assert ["labels" in subject["files"] for subject in found.values()] == [True, True, True, False]


@pytest.mark.parametrize("layout", ["bids", "brats"])
def test_a_thousand_subjects_are_listed(tmp_path, layout):
    for index in range(1000):
        if layout == "brats":
            brats_case(tmp_path, f"HGG/Brats18_CBICA_{index:04d}_1")
        else:
            stem = f"sub-{index:04d}/anat/sub-{index:04d}"
            touch(tmp_path, *(f"{stem}_{kind}.nii.gz" for kind in ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR")))
            touch(tmp_path, f"derivatives/hand/{stem}_dseg.nii.gz")
    found = layouts.find_subjects(layout, str(tmp_path))
    assert len(found) == 1000 and all(len(entry["files"]) == 5 for entry in found.values())


def test_dicom_is_one_folder_a_patient(tmp_path):
    touch(tmp_path, "Case 1/a/b/IM1", "Case 1/IM2", "case-2/labels.nii.gz", "case-2/x", "loose.dcm", ".trash/IM1")
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\tage\nCase 1\tBern\t60\n")
    found = layouts.find_subjects("dicom", str(tmp_path))
    assert list(found) == ["Case1", "case2"] and found["Case1"]["source"] == str(tmp_path / "Case 1")
    assert found["Case1"]["files"]["flair"] == "results/work/sub-Case1/converted/flair.nii.gz"
    assert found["Case1"]["site"] == "Bern" and found["Case1"]["columns"] == {"age": "60"}
    assert "labels" not in found["Case1"]["files"]
    assert found["case2"]["files"]["labels"] == str(tmp_path / "case-2/labels.nii.gz")


def test_a_thousand_dicom_folders_are_listed_without_opening_a_file(tmp_path):
    for index in range(1000):
        (tmp_path / f"p{index:04d}").mkdir()
    touch(tmp_path, *(f"p0000/study/IM{k}" for k in range(20)))
    # in a process of its own, for such a hook cannot be taken away again
    code = (
        "import sys; from neurograft.cohort import layouts; root = sys.argv[1]; seen = []\n"
        "sys.addaudithook(lambda event, about: seen.append(about[0]) if event in ('open', 'os.scandir') else None)\n"
        "print(len(layouts.find_subjects('dicom', root)), [path == root for path in seen])"
    )
    where = {"cwd": ROOT / "scripts", "capture_output": True, "text": True}
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], **where).stdout.strip() == "1000 [True]"


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from neurograft.cohort import layouts;"
        "sys.exit(bool({'numpy', 'nibabel', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts").returncode == 0


@needs_scans
def test_real_datasets_are_recognised():
    found = layouts.find_subjects("brats", [str(SHARED / "brats18"), str(SHARED / "brats23_unlabelled")])
    assert len(found) == 12 and sum("labels" in entry["files"] for entry in found.values()) == 10
    assert {entry["site"] for entry in found.values()} == {"2013", "CBICA", "TCIA01", "TCIA02", "TCIA10", ""}
    people = layouts.find_subjects("bids", str(SHARED / "bids_ds000011"))
    assert list(people) == ["01", "02", "03", "04"] and people["02"]["columns"] == {"sex": "F", "age": "34"}
    assert all(list(entry["files"]) == ["t1", "t2"] for entry in people.values())


def write(folder, text):
    path = folder / "excluded.tsv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_names_may_be_those_of_the_dataset_or_of_the_cohort_s_table(tmp_path):
    path = write(tmp_path, "reason\tparticipant_id\twho\nmotion\tsub-a_1\tme\ncyst, no tumour\tB2\tyou\n")
    assert read_exclusions(path, {"a1", "B2", "c"}) == {"a1": "motion", "B2": "cyst, no tumour"}
    assert read_exclusions(write(tmp_path, "participant_id\treason\n"), {"a1"}) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "participant_id\treason\nphantom01\tmotion\n",
            "no subject 'phantom01' in the dataset; did you mean 'phantom001'",
        ),
        ("participant_id\treason\nnobody\tmotion\n", "no subject 'nobody' in the dataset; correct it"),
        ("participant_id\treason\nphantom001\t \n", "'phantom001' has no reason"),
        ("participant_id\treason\nphantom001\tn/a\n", "'phantom001' has no reason"),
        ("participant_id\treason\nphantom001\tx\nsub-phantom001\ty\n", "'sub-phantom001' is there twice"),
        ("participant_id\twhy\nphantom001\tx\n", "no column reason"),
        ("", "column"),
    ],
)
def test_a_mistake_stops_the_run_with_one_line(tmp_path, text, says):
    with pytest.raises(CohortError, match="^dataset.exclude: ") as caught:
        find_subjects("phantom", subjects=3, exclude=write(tmp_path, text))
    assert says in str(caught.value) and "\n" not in str(caught.value) and "excluded.tsv" in str(caught.value)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(tables.TableError, match="nowhere.tsv cannot be read"):
        read_exclusions(str(tmp_path / "nowhere.tsv"), {"a"})


def test_who_is_excluded_is_out_with_the_reason_and_nothing_of_the_others_changes(tmp_path):
    """Nothing is read: the simulated files are not even there."""
    before = find_subjects("phantom", subjects=3)
    after = find_subjects("phantom", subjects=3, exclude=write(tmp_path, "participant_id\treason\nphantom002\tcyst\n"))
    assert {name for name in before if before[name] != after[name]} == {"phantom002"}
    status, scans = validation.import_scans("phantom002", after["phantom002"], "phantom")
    (row,) = cohort_table.gather_cohort([status])
    assert (row["included"], row["reason"], scans) == (False, "excluded by hand: cyst", {})


def test_a_picture_is_left_out_too(tmp_path):
    from helpers.fake_images import make_head, save

    for number in range(3):
        save(tmp_path / f"set/glioma/p{number}.png", make_head(number))
    names = list(find_subjects("images", str(tmp_path / "set")))
    tables.write_table(tmp_path / "out.tsv", [{"participant_id": names[1], "reason": "a drawing"}])
    found = find_subjects("images", str(tmp_path / "set"), exclude=str(tmp_path / "out.tsv"))
    rows, _, record = reading.import_images(tmp_path / "slices", found, size=32)
    out = {row["participant_id"]: row["reason"] for row in rows if not row["included"]}
    assert out == {names[1]: "excluded by hand: a drawing"} and record["included"] == 2


def touch_image_folders(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def by_file(root):
    return {one["columns"]["file"]: one for one in layouts.find_images(root)}


def test_folders_are_classes(tmp_path):
    touch_image_folders(tmp_path, "glioma/a.jpg", "no tumour/b.PNG", "glioma/.hidden.jpg", "readme.txt")
    found = by_file(tmp_path)
    assert {name: one["columns"]["class"] for name, one in found.items()} == {
        "glioma/a.jpg": "glioma",
        "no tumour/b.PNG": "no tumour",
    }
    assert {one["columns"]["part"] for one in found.values()} == {""}


def test_a_sets_own_parts_are_known_by_their_names(tmp_path):
    touch_image_folders(tmp_path, "Training/glioma/a.jpg", "Testing/glioma/a.jpg")
    found = by_file(tmp_path)
    assert found["Training/glioma/a.jpg"]["columns"]["part"] == "train"
    assert found["Testing/glioma/a.jpg"]["columns"] | {"file": ""} == {
        "class": "glioma", "part": "test", "file": "", "stated_patient": "",
    }  # fmt: skip
    touch_image_folders(tmp_path, "glioma/b.jpg")  # now `Training` is a class as any other
    assert {one["columns"]["class"] for one in layouts.find_images(tmp_path)} == {"glioma"}


def test_names_that_would_be_one_label_are_kept_apart_whatever_else_is_there(tmp_path):
    names = ("gl/a b.jpg", "gl/a_b.jpg", "gl/ab.png", "gl/AB.jpg", "脑/脑.jpg", "脑/瘤.jpg", "gl/é.jpg", "gl/c.jpg")
    touch_image_folders(tmp_path, *names)
    found = layouts.find_subjects("images", str(tmp_path))
    assert len(found) == len(names) == len({label.lower() for label in found})
    assert "glc" in found and all(label.isalnum() and label.isascii() for label in found)
    before = {about["columns"]["file"]: label for label, about in found.items()}
    touch_image_folders(tmp_path, "gl/x.jpg")
    after = layouts.find_subjects("images", str(tmp_path))
    assert before.items() <= {about["columns"]["file"]: label for label, about in after.items()}.items()


def test_a_table_may_say_who_is_who(tmp_path):
    touch_image_folders(tmp_path, "train/gl/a.jpg", "test/gl/b.jpg", "test/gl/c.jpg")
    rows = [
        {"filename": "train/gl/a.jpg", "patient": "p1", "site": "Graz", "age": "51"},
        {"filename": "test/gl/b.jpg", "patient": "p1", "site": "Graz", "age": "51"},
    ]
    tables.write_table(tmp_path / "participants.tsv", rows)
    found = layouts.find_subjects("images", str(tmp_path))
    assert {about["columns"]["stated_patient"] for about in found.values()} == {"p1", ""}
    assert found["traingla"]["site"] == "Graz" and found["traingla"]["columns"]["age"] == "51"


def test_an_empty_root_stops_the_run(tmp_path):
    touch_image_folders(tmp_path, "picture.jpg")  # in no class
    with pytest.raises(layouts.CohortError, match=r"holds no subject.*folder of classes"):
        layouts.find_subjects("images", str(tmp_path))


# images and labels side by side, and sequences of the user's own


def test_a_table_has_the_columns_that_the_config_names(tmp_path):
    touch(tmp_path, "a.nii.gz", "l.nii.gz")
    path = write_tsv(tmp_path / "t.tsv", ("participant_id", "MRI", "labels", "t1"), ("a", "a.nii.gz", "l.nii.gz", "x"))
    (found,) = layouts.find_subjects("table", path, sequences=["mri"]).values()
    assert {kind: Path(file).name for kind, file in found["files"].items()} == {"mri": "a.nii.gz", "labels": "l.nii.gz"}
    assert found["columns"] == {"t1": "x"}
    with pytest.raises(layouts.CohortError, match="paths in pd, dwi, labels"):
        layouts.find_subjects("table", path, sequences=["pd", "dwi"])


def test_decathlon_pairs_images_and_labels_by_name(tmp_path):
    touch(tmp_path, "imagesTr/h_001.nii.gz", "imagesTr/h_0002.nii", "imagesTr/._h_001.nii.gz", "imagesTr/notes.txt")
    touch(tmp_path, "labelsTr/h_001.nii.gz", "imagesTs/h_003.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\tage\nh_001\tA\t4\n")
    found = layouts.find_subjects("decathlon", str(tmp_path), sequences=["mri"])
    assert {name: list(one["files"]) for name, one in found.items()} == {"h0002": ["mri"], "h001": ["mri", "labels"]}
    assert found["h001"]["site"] == "A" and found["h001"]["columns"] == {"age": "4"}
    assert not any(one["problems"] for one in found.values())


def test_decathlon_numbers_several_images(tmp_path):
    touch(tmp_path, "images/p1_0000.nii.gz", "images/p1_0001.nii.gz", "images/p2_0001.nii.gz", "images/p3_0007.nii.gz")
    touch(tmp_path, "labels/p1.nii.gz", "labels/p4.nii.gz", "images/p2_0000.nii", "images/p2_0000.nii.gz")
    found = layouts.find_subjects("decathlon", str(tmp_path), sequences=["t2", "adc"])
    assert list(found["p1"]["files"]) == ["t2", "adc", "labels"] and not found["p1"]["problems"]
    assert "are both its t2; remove one" in found["p2"]["problems"][0]
    assert found["p3"]["problems"] == [
        f"{tmp_path}/images/p3_0007.nii.gz: dataset.sequences names no image 7, counted from 0; name it there"
    ]
    assert "has no image of its name" in found["p4"]["problems"][0] and found["p4"]["files"] == {}


def test_decathlon_numbers_of_subjects_are_no_numbers_of_images(tmp_path):
    touch(tmp_path, *(f"images/h_000{k}.nii.gz" for k in (1, 2)), *(f"labels/h_000{k}.nii.gz" for k in (1, 2)))
    found = layouts.find_subjects("decathlon", str(tmp_path), sequences=["mri"])
    assert list(found) == ["h0001", "h0002"]
    assert all(list(one["files"]) == ["mri", "labels"] for one in found.values())
    with pytest.raises(layouts.CohortError, match=r"a folder images \(or imagesTr\)"):
        layouts.find_subjects("decathlon", str(tmp_path / "images"), sequences=["mri"])
