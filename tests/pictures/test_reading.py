"""A set of pictures becomes one array; a file at fault is out with its reason."""

import json

import numpy as np
import pytest
from PIL import Image

from helpers.fake_images import make_head, save
from neurograft.cohort import layouts
from neurograft.imaging.nifti import ScanError
from neurograft.pictures import reading
from neurograft.training.slices import find_slices


def import_set(root, **options):
    """Import a folder; rows by file, quality rows by subject, record, and the folder written."""
    found = layouts.find_subjects("images", str(root))
    rows, measured, record = reading.import_images(root.parent / "out", found, **({"size": 64} | options))
    return {row["file"]: row for row in rows}, {row["subject"]: row for row in measured}, record, root.parent / "out"


@pytest.fixture
def root(tmp_path):
    """Twelve pictures of two classes in two parts: one copy across the parts, one within."""
    for number in range(12):
        place = f"{'train' if number < 8 else 'test'}/{'glioma' if number % 2 else 'no tumour'}"
        save(tmp_path / "set" / place / f"p {number}.jpg", make_head(number), quality=92)
    brighter = np.clip(1.2 * make_head(3)[:, ::-1].astype(float), 0, 255)
    save(tmp_path / "set/test/glioma/again.jpg", brighter.astype(np.uint8))
    save(tmp_path / "set/train/no tumour/again.png", make_head(2))
    return tmp_path / "set"


FAULTS = {
    "empty.jpg": (lambda path: path.touch(), "is empty"),
    "text.jpg": (lambda path: path.write_text("no picture"), "is not a picture"),
    "notes.txt": (lambda path: path.write_text("see appendix"), "is not a picture"),
    "cut.jpg": (lambda path: (save(path, make_head(50)), path.write_bytes(path.read_bytes()[:900])), "cannot be read"),
    "black.png": (lambda path: save(path, np.zeros((64, 64), np.uint8)), "is constant"),
    "tiny.png": (lambda path: save(path, make_head(51, (20, 80))), "only 80 x 20 pixels"),
    "mask.png": (lambda path: save(path, (make_head(52) > 0).astype(np.uint8)), "is a mask"),
    "gone.jpg": (lambda path: path.symlink_to("nowhere.jpg"), "gone.jpg"),
    "nan.tif": (lambda path: save(path, np.full((64, 64), np.nan, np.float32)), "not numbers"),
}


def test_faults_are_excluded_with_their_reason_and_the_rest_goes_on(root):
    for name, (make, _) in FAULTS.items():
        make(root / "train/glioma" / name)
    rows, measured, record, folder = import_set(root)
    for name, (_, says) in FAULTS.items():
        row = rows[f"train/glioma/{name}"]
        assert row["included"] is False and says in row["reason"], (name, row["reason"])
        assert name in row["reason"] and row["participant_id"] not in measured
    assert sum(row["included"] for row in rows.values()) == len(measured) == record["included"] == 14
    assert record["found"] == 14 + len(FAULTS)
    assert all(row["sequences"] == "image" and row["labels"] is False for row in rows.values() if row["included"])
    slices = find_slices(folder)
    for row in rows.values():
        assert slices[row["participant_id"]]["images"].any() == row["included"]


def test_copies_are_found_grouped_and_counted(root):
    rows, _, record, _ = import_set(root)
    assert rows["test/glioma/again.jpg"]["patient"] == rows["train/glioma/p 3.jpg"]["patient"] == "testgliomaagain"
    assert rows["train/no tumour/again.png"]["patient"] == rows["train/no tumour/p 2.jpg"]["patient"]
    assert (record["groups"], record["copied"], record["units"], record["size"]) == (2, 4, 12, 64)
    assert (record["test"], record["leaked"], record["turned"]) == (5, 1, 1)


def test_any_way_of_storing_a_picture_gives_the_same_slice(tmp_path):
    head = make_head(1)
    kinds = {
        "grey": head,
        "colour": np.stack([head] * 3, -1),
        "deep": head.astype(np.uint16) * 257,
        "alpha": np.dstack([head, head, head, np.full_like(head, 255)]),
    }
    for name, picture in kinds.items():
        save(tmp_path / "set" / "a" / f"{name}.png", picture)
    save(tmp_path / "set/b/other.png", make_head(2))
    rows, _, record, folder = import_set(tmp_path / "set", size=96)
    slices = find_slices(folder)
    first = np.asarray(slices["agrey"]["images"], float)
    for name in kinds:
        assert np.allclose(slices[f"a{name}"]["images"], first, atol=0.02), name
    assert record["groups"] == 1 and record["largest"] == 4
    assert not any("colour" in row["notes"] for row in rows.values())


def test_a_coloured_picture_is_read_and_said(tmp_path):
    head = make_head(1)
    save(tmp_path / "a.png", np.dstack([head, head // 2, head // 3]))
    picture, notes = reading.read_picture(tmp_path / "a.png")
    assert picture.shape == head.shape and notes == ["in colour, read as grey"]


def test_the_first_picture_of_several_is_taken(tmp_path):
    frames = [Image.fromarray(make_head(seed)) for seed in (1, 2)]
    frames[0].save(tmp_path / "two.tif", save_all=True, append_images=frames[1:])
    picture, notes = reading.read_picture(tmp_path / "two.tif")
    assert np.array_equal(picture, make_head(1)) and notes == ["the first of 2 pictures in the file"]


@pytest.mark.parametrize("shape", [(96, 96), (40, 120), (300, 100)])
def test_the_longer_side_fills_the_canvas_and_the_rest_is_zero(shape):
    picture = np.random.default_rng(0).uniform(60, 250, shape).astype(np.float32)  # all of it is foreground
    picture[0, 0] = 0
    out, facts = reading.prepare(picture, 64, "robust-zscore")
    assert out.shape == (64, 64) and out.dtype == np.float16
    wide = round(64 * shape[1] / max(shape))
    shown = np.flatnonzero((out != 0).any(1))
    assert shown[-1] - shown[0] + 1 == wide and facts["foreground"] > 0.9


def test_a_slice_lies_as_those_of_scans_do():
    """X runs to the left of the picture (the head's right is at its left edge), Y upwards."""
    picture = np.zeros((64, 64), np.float32)
    picture[8:20, 30:50] = np.linspace(100, 200, 20)  # near the upper edge
    out, _ = reading.prepare(picture, 64, "percentile")
    x, y = np.nonzero(out)
    assert y.min() == 64 - 20 and y.max() == 64 - 8 - 1
    assert out[x.min(), y.min()] > out[x.max() - 1, y.min()] >= 0


def test_brightness_is_normalised_away():
    picture = make_head(4).astype(np.float32)
    one, two = (reading.prepare(p, 64, "robust-zscore")[0].astype(float) for p in (picture, 90 * picture))
    assert np.allclose(one, two, atol=2e-2) and abs(np.median(one[one != 0])) < 0.01


def test_histograms_know_only_grey_values(root):
    *_, folder = import_set(root)
    subjects = json.loads((folder / "index.json").read_text())["subjects"]
    seen = reading.read_histograms(folder)
    assert list(seen) == ["histogram of the picture", "histogram of the input"]
    assert all(list(features) == subjects for features in seen.values())
    picture, _ = reading.read_picture(root / "train/glioma/p 1.jpg")
    shuffled = np.random.default_rng(0).permutation(picture.ravel())
    assert np.allclose(seen["histogram of the picture"]["traingliomap1"], reading.describe_histogram(shuffled))


def test_the_same_bytes_twice(root):
    import_set(root)
    before = (root.parent / "out/images.npy").read_bytes()
    import_set(root)
    assert (root.parent / "out/images.npy").read_bytes() == before


def test_a_folder_is_refused_as_a_picture(tmp_path):
    with pytest.raises(ScanError):
        reading.read_picture(tmp_path)
