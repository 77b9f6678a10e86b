"""Datasets by their names, and the table of who is in."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.fake_files import brats_case, touch
from neurograft.cohort import layouts
from neurograft.core import tables

ROOT = Path(__file__).parents[2]
SHARED = Path(__file__).parents[3] / "shared/data"
needs_scans = pytest.mark.skipif(not SHARED.exists(), reason=f"real scans are not at {SHARED}")


def test_names_that_only_signs_tell_apart_get_labels_of_their_own(tmp_path):
    brats_case(tmp_path, "a/Case_1")
    brats_case(tmp_path, "b/Case-1")
    brats_case(tmp_path, "b/Fine")
    found = layouts.find_subjects("brats", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert len(found) == 3 and found["Fine"]["notes"] == []
    pair = [label for label in found if label.startswith("Case1")]
    assert {found[label]["name"] for label in pair} == {"Case_1", "Case-1"}
    assert all(f"called {label} here" in found[label]["notes"][-1] for label in pair)


def test_one_name_twice_waits_and_the_others_go_on(tmp_path):
    for folder in ("a/P1", "b/P1", "b/P2"):
        brats_case(tmp_path, folder)
    found = layouts.find_subjects("brats", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert found["P1"]["files"] == {} and found["P2"]["problems"] == []
    (problem,) = found["P1"]["problems"]
    assert "a/P1" in problem and "b/P1" in problem and "rename or remove one" in problem


def test_a_strange_name_is_its_subject_s_own_fault(tmp_path):
    for name in ("病人", "a{b}", "two\nlines", "fine"):
        brats_case(tmp_path, name)
    found = {entry["name"]: (label, entry) for label, entry in layouts.find_subjects("brats", str(tmp_path)).items()}
    assert all(label.isalnum() and label.isascii() for label, _ in found.values())
    assert [name for name, (_, entry) in found.items() if entry["problems"]] == ["two?lines"]
    assert "line break" in found["two?lines"][1]["problems"][0] and len(found["a{b}"][1]["files"]) == 5


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


def test_columns_by_the_names_that_others_use(tmp_path):
    touch(tmp_path, "a.nii", "l.nii")
    header = ("participant_id", "t1", "T1CE", "t2w", "seg", "mask")
    path = write_tsv(tmp_path / "t.tsv", header, ("a", *["a.nii"] * 3, "l.nii", "worn"), ("a", "a.nii"), ("b", "a.nii"))
    found = layouts.find_subjects("table", path)
    assert "row 2 of" in found["a"]["problems"][0] and "row 3 of" in found["a"]["problems"][0]
    path = write_tsv(tmp_path / "t.tsv", header, ("a", *["a.nii"] * 3, "l.nii", "worn"))
    (one,) = layouts.find_subjects("table", path).values()
    assert list(one["files"]) == ["t1", "t1c", "t2", "labels"] and one["columns"] == {"mask": "worn"}
    path = write_tsv(tmp_path / "t.tsv", ("participant_id", "t1c", "t1ce"), ("a", "a.nii", "a.nii"))
    with pytest.raises(layouts.CohortError, match="t1c and t1ce are both its t1c"):
        layouts.find_subjects("table", path)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("id", "t1"), ("a", "x")], "expects a tab-separated file"),
        ([("participant_id,t1",), ("a,x",)], "expects a tab-separated file"),
        ([("participant_id", "path"), ("a", "x")], "expects a tab-separated file"),
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


def test_a_dicom_root_of_one_patient(tmp_path):
    touch(tmp_path, "Ms X/T1_mprage/IM1", "Ms X/ax_FLAIR/IM1")
    (found,) = layouts.find_subjects("dicom", str(tmp_path / "Ms X")).values()
    assert found["name"] == "Ms X" and found["source"] == str(tmp_path / "Ms X")
    assert "taken as one patient" in found["notes"][0]


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
