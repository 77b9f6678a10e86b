"""Pictures in folders of classes are found by name, each under a name of its own."""

from neurograft import cohort, tables
from neurograft.image_folders import find_images


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def by_file(root):
    return {one["columns"]["file"]: one for one in find_images(root)}


def test_folders_are_classes(tmp_path):
    touch(tmp_path, "glioma/a.jpg", "no tumour/b.PNG", "glioma/.hidden.jpg", "readme.txt")
    found = by_file(tmp_path)
    assert {name: one["columns"]["class"] for name, one in found.items()} == {
        "glioma/a.jpg": "glioma",
        "no tumour/b.PNG": "no tumour",
    }
    assert {one["columns"]["part"] for one in found.values()} == {""}


def test_a_sets_own_parts_are_known_by_their_names(tmp_path):
    touch(tmp_path, "Training/glioma/a.jpg", "Testing/glioma/a.jpg")
    found = by_file(tmp_path)
    assert found["Training/glioma/a.jpg"]["columns"]["part"] == "train"
    assert found["Testing/glioma/a.jpg"]["columns"] | {"file": ""} == {
        "class": "glioma", "part": "test", "file": "", "stated_patient": "",
    }  # fmt: skip
    touch(tmp_path, "glioma/b.jpg")  # now `Training` is a class as any other
    assert {one["columns"]["class"] for one in find_images(tmp_path)} == {"glioma"}


def test_names_that_would_be_one_label_are_kept_apart_whatever_else_is_there(tmp_path):
    names = ("gl/a b.jpg", "gl/a_b.jpg", "gl/ab.png", "gl/AB.jpg", "脑/脑.jpg", "脑/瘤.jpg", "gl/é.jpg", "gl/c.jpg")
    touch(tmp_path, *names)
    found = cohort.find_subjects("images", str(tmp_path))
    assert len(found) == len(names) == len({label.lower() for label in found})
    assert "glc" in found and all(label.isalnum() and label.isascii() for label in found)
    before = {about["columns"]["file"]: label for label, about in found.items()}
    touch(tmp_path, "gl/x.jpg")
    after = cohort.find_subjects("images", str(tmp_path))
    assert before.items() <= {about["columns"]["file"]: label for label, about in after.items()}.items()


def test_a_table_may_say_who_is_who(tmp_path):
    touch(tmp_path, "train/gl/a.jpg", "test/gl/b.jpg", "test/gl/c.jpg")
    rows = [
        {"filename": "train/gl/a.jpg", "patient": "p1", "site": "Graz", "age": "51"},
        {"filename": "test/gl/b.jpg", "patient": "p1", "site": "Graz", "age": "51"},
    ]
    tables.write_table(tmp_path / "participants.tsv", rows)
    found = cohort.find_subjects("images", str(tmp_path))
    assert {about["columns"]["stated_patient"] for about in found.values()} == {"p1", ""}
    assert found["traingla"]["site"] == "Graz" and found["traingla"]["columns"]["age"] == "51"


def test_an_empty_root_stops_the_run(tmp_path):
    touch(tmp_path, "picture.jpg")  # in no class
    try:
        cohort.find_subjects("images", str(tmp_path))
    except cohort.CohortError as error:
        assert "holds no subject" in str(error) and "folder of classes" in str(error)
    else:
        raise AssertionError("nothing was said")
