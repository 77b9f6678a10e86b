"""Pictures of a patient become volumes; what cannot be read whole is left out, by name."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from helpers.fake_images import make_head, save
from neurograft.cohort import validation
from neurograft.imaging.nifti import ScanError
from neurograft.pictures.stacking import StackOptions, find_head, read_channels, read_mask, stack_pictures

SHAPE = (60, 40)


def write_slices(folder, count=3, suffix=".png", channels=3):
    """Write a patient of slices in colour with masks, and list them as `picture_folders` does."""
    slices = []
    for z in range(count):
        planes = [make_head(10 * z + channel, SHAPE) for channel in range(channels)]
        save(folder / f"{z}{suffix}", planes[0] if channels == 1 else np.stack(planes, axis=2))
        mask = np.zeros(SHAPE, np.uint8)
        mask[20 : 20 + z, 5:9] = 255
        save(folder / f"{z}_mask{suffix}", mask)
        slices.append({
            "name": f"{z}{suffix}", "files": [str(folder / f"{z}{suffix}")], "mask": str(folder / f"{z}_mask{suffix}")
        })  # fmt: skip
    return slices


def stack(tmp_path, slices, channels=("t1", "flair", "t1c"), **options):
    """Stack slices; return the volumes as arrays by name, and the record."""
    stack_pictures(tmp_path / "stacked", slices, StackOptions(channels, **options))
    found = {path.name.removesuffix(".nii.gz"): nib.load(path) for path in (tmp_path / "stacked").glob("*.nii.gz")}
    return found, json.loads((tmp_path / "stacked/stack.json").read_text())


def values(scan):
    return np.asanyarray(scan.dataobj)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_pixel_goes_where_it_belongs(tmp_path, suffix):
    slices = write_slices(tmp_path, suffix=suffix)
    scans, record = stack(tmp_path, slices, spacing=[0.5, 0.6, 7.0])
    assert sorted(scans) == ["flair", "labels", "t1", "t1c"] and scans["t1"].shape == (40, 60, 3)
    assert nib.aff2axcodes(scans["t1"].affine) == ("R", "A", "S")
    np.testing.assert_allclose(scans["labels"].header.get_zooms(), [0.5, 0.6, 7.0])
    picture = np.array(Image.open(slices[2]["files"][0]))
    # the left of a picture is the right of the head, its top the front
    for name, channel in (("t1", 0), ("flair", 1), ("t1c", 2)):
        plane = values(scans[name])[::-1, ::-1, 2].T
        # but for a pixel or two at the rim of the head
        assert np.count_nonzero(plane != picture[..., channel]) < 10
    assert [int(plane.sum()) for plane in values(scans["labels"]).transpose(2, 0, 1)] == [0, 4, 8]
    assert values(scans["labels"])[40 - 9 : 40 - 5, 60 - 22 : 60 - 20, 2].all()
    assert record["slices"][1] == {"slice": 1} | slices[1] and record["problems"] == []
    assert record["notes"] == [f"empty masks, kept as slices without tumour: 0{suffix}"]


def test_noisy_air_becomes_zero_and_a_dark_inside_stays():
    head = np.stack([make_head(seed, (120, 100)).astype(float) for seed in range(2)], axis=2)
    inside = head > 0
    head[50:60, 45:55] = 1
    noisy = head + np.random.default_rng(0).uniform(2, 9, head.shape)
    found = find_head([noisy])
    assert np.mean(found != inside) < 0.06 and found[50:60, 45:55].all()
    crop = noisy[40:90, 30:70]
    assert find_head([crop, crop]).mean() > 0.98


def test_pictures_of_one_channel_each(tmp_path):
    slices = write_slices(tmp_path, channels=1)
    flair = write_slices(tmp_path / "flair", channels=1)
    for one, other in zip(slices, flair, strict=True):
        save(tmp_path / "flair" / other["name"], 255 - make_head(int(one["name"][0]) + 50, SHAPE))
        one["files"] = [one["files"][0], other["files"][0], ""]
    scans, record = stack(tmp_path, slices)
    assert sorted(scans) == ["flair", "labels", "t1"]
    slices[1]["files"][1] = ""
    scans, record = stack(tmp_path, slices)
    assert sorted(scans) == ["labels", "t1"]
    assert "flair not used: 1.png lack it" in " ".join(record["notes"])


def test_sixteen_bits_are_kept(tmp_path):
    deep = make_head(1, SHAPE).astype(np.uint16) * 200
    for suffix in (".png", ".tif"):
        save(tmp_path / f"x{suffix}", deep)
        (read,), remarks = read_channels(tmp_path / f"x{suffix}", 1)
        np.testing.assert_array_equal(read, deep)
        assert remarks == []


def test_grey_saved_in_colour_is_grey_and_true_colours_are_noted(tmp_path):
    head = make_head(1, SHAPE)
    save(tmp_path / "grey.jpg", np.stack([head] * 3, axis=2), quality=95)
    (grey,), remarks = read_channels(tmp_path / "grey.jpg", 1)
    assert np.abs(grey - head).mean() < 8 and remarks == []
    save(tmp_path / "red.png", np.stack([head, head // 2, head // 4], axis=2))
    assert read_channels(tmp_path / "red.png", 1)[1] == ["in colour, read as grey"]
    save(tmp_path / "seen.png", np.dstack([head, head // 2, head // 4, np.full(SHAPE, 255, np.uint8)]))
    np.testing.assert_array_equal(read_channels(tmp_path / "seen.png", 3)[0][1], head // 2)


def test_a_damaged_picture_is_left_out_by_name_and_never_half_read(tmp_path):
    slices = write_slices(tmp_path, count=4)
    for place in (slices[1]["files"][0], slices[3]["mask"]):
        whole = Path(place).read_bytes()
        Path(place).write_bytes(whole[: len(whole) // 2])
    scans, record = stack(tmp_path, slices)
    assert scans["t1"].shape == (40, 60, 2) == scans["labels"].shape
    assert [one["name"] for one in record["slices"]] == ["0.png", "2.png"]
    left = [note for note in record["notes"] if note.startswith("left out")]
    assert len(left) == 2 and slices[1]["files"][0] in left[0] and slices[3]["mask"] in left[1]
    assert all("cannot be read" in note and "\n" not in note for note in left)


def test_a_damaged_strip_of_a_tiff_is_not_filled_with_zeros(tmp_path):
    slices = write_slices(tmp_path, suffix=".tif")
    head = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), np.uint8)
    path = tmp_path / "1.tif"
    Image.fromarray(head).save(path, compression="tiff_lzw", tiffinfo={278: 8})
    raw = bytearray(path.read_bytes())
    raw[300:420] = b"\xff" * 120
    path.write_bytes(bytes(raw))
    scans, record = stack(tmp_path, slices)
    assert scans["t1"].shape[2] == 2 and "1.tif cannot be read" in record["notes"][0]


def test_sizes_that_differ(tmp_path):
    slices = write_slices(tmp_path, count=5)
    save(tmp_path / "1_mask.png", np.zeros((50, 40), np.uint8))
    save(tmp_path / "3.png", np.stack([make_head(1, (80, 70))] * 3, axis=2))
    save(tmp_path / "3_mask.png", np.zeros((80, 70), np.uint8))
    scans, record = stack(tmp_path, slices)
    assert scans["t1"].shape == (40, 60, 3)
    notes = " ".join(record["notes"])
    assert "1.png, its other channels or its mask differ in size (40 x 50 and 40 x 60 pixels)" in notes
    assert "3.png, not of 40 x 60 pixels as the patient's others" in notes


@pytest.mark.parametrize(
    ("mask", "allowed", "expected"),
    [
        ([0, 255], (1,), [0, 1]),
        ([0, 1], (1,), [0, 1]),
        ([0, 0], (1,), [0, 0]),
        ([0, 255], (7,), [0, 7]),
        ([0, 4], (1, 2, 4), [0, 4]),
        ([0, 128, 255], (1,), None),
        ([0, 1, 255], (1,), None),
        ([0, 255], (1, 2, 4), None),
    ],
)
def test_values_of_masks(tmp_path, mask, allowed, expected):
    save(tmp_path / "m.png", np.resize(np.array(mask, np.uint8), (40, 40)))
    if expected is None:
        with pytest.raises(ScanError, match="holds the values") as caught:
            read_mask(tmp_path / "m.png", allowed)
        assert "\n" not in str(caught.value)
    else:
        assert np.unique(read_mask(tmp_path / "m.png", allowed)).tolist() == sorted(set(expected))


def test_forms_of_masks(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[3:9, 5] = 255
    forms = {"deep": mask.astype(np.uint16) * 257, "colour": np.stack([mask] * 3, axis=2), "bit": mask > 0}
    forms["seen"] = np.dstack([mask, mask, mask, np.full_like(mask, 255)])
    for name, form in forms.items():
        save(tmp_path / f"{name}.png", form)
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png"), mask // 255)
    palette = Image.fromarray(mask // 255 * 2, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "palette.png", (1, 2)), mask // 255 * 2)
    save(tmp_path / "red.png", np.dstack([mask, mask * 0, mask * 0]))
    with pytest.raises(ScanError, match="in colour"):
        read_mask(tmp_path / "red.png")


def test_what_fills_the_place_of_a_sequence_counts_as_missing(tmp_path):
    slices = write_slices(tmp_path)
    for one in slices:
        picture = np.array(Image.open(one["files"][0]))
        picture[..., 0], picture[..., 2] = picture[..., 1], 9
        Image.fromarray(picture).save(one["files"][0])
    scans, record = stack(tmp_path, slices)
    assert sorted(scans) == ["flair", "labels"]
    notes = " ".join(record["notes"])
    assert "t1 counts as missing: it is a copy of flair" in notes and "t1c counts as missing: it is 9 every" in notes


@pytest.mark.parametrize(
    ("picture", "count", "says"),
    [
        (np.zeros((60, 40), np.uint8), 3, "has 1 channels, and dataset.sequences names 3"),
        (np.zeros((60, 40, 3), np.uint8), 2, "has 3 channels"),
        (np.zeros((20, 40), np.uint8), 1, "has only 40 x 20 pixels"),
        (np.full((60, 40), np.nan, np.float32), 1, "not numbers"),
    ],
)
def test_pictures_that_cannot_be_used(tmp_path, picture, count, says):
    save(tmp_path / "x.tif", picture)
    with pytest.raises(ScanError, match=says):
        read_channels(tmp_path / "x.tif", count)


def test_several_pictures_in_one_file_are_not_read_in_part(tmp_path):
    pages = [Image.fromarray(make_head(seed, SHAPE)) for seed in range(3)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ScanError, match="holds 3 pictures"):
        read_channels(tmp_path / "x.tif", 1)


def test_a_patient_without_any_good_picture_is_excluded_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slices = write_slices(tmp_path / "in", count=1)
    (tmp_path / "in/0.png").write_bytes(b"no picture")
    folder = "results/work/sub-A/stacked"
    stack_pictures(folder, slices, StackOptions(["t1c"]))
    found = {
        "name": "A", "files": {"t1c": f"{folder}/t1c.nii.gz", "labels": f"{folder}/labels.nii.gz"}, "site": "",
        "columns": {}, "scheme": "", "problems": [], "notes": ["before"],
    }  # fmt: skip
    joined = validation.join_job_outputs(found, "images")
    assert (
        joined["files"] == {} and joined["notes"][0] == "before" and "0.png is not a picture" in joined["problems"][0]
    )
    status, scans = validation.import_scans("A", found, "images")
    assert not status["included"] and scans == {} and status["reason"] == joined["problems"][0]
    stack_pictures(folder, [], StackOptions(["t1c"]))
    assert validation.join_job_outputs(found, "images")["problems"] == ["there is no picture of this patient left"]
