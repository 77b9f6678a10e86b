"""Slices as files become cases: the right channels, strata, classes."""

import json

import numpy as np
import pytest

from neurograft.core import tables
from neurograft.imaging import packing
from neurograft.training.slices import (
    PLANES,
    add_candidates,
    classification_case,
    find_candidates,
    find_records,
    find_slices,
    gather_subjects,
    keep_part,
    read_channels,
    segmentation_case,
    take_channels,
    target_case,
    turn_back,
    write_slices,
)


@pytest.fixture
def folder(tmp_path):
    """Six slices of 20 x 30 voxels of 2 mm: two with much tumour, one with one voxel, one nearly without brain."""
    images = np.ones((6, 3, 20, 30), np.float16)
    images[:, 1] *= 2
    images[5, :, 1:] = 0
    labels = np.zeros((6, 20, 30), np.uint8)
    labels[0, 5:10, 5:10] = 2
    labels[1, 5:10, 5:10] = 4
    labels[2, 5, 5] = 1
    packing.write_packed(tmp_path / "images.zlib", images)
    packing.write_packed(tmp_path / "labels.zlib", labels)
    index = {"sequences": ["t1c", "t2", "flair"], "box": [[1, 21], [2, 32], [7, 13]], "spacing": [2, 2, 2]}
    (tmp_path / "index.json").write_text(json.dumps(index))
    return tmp_path


def test_segmentation_strata_are_slices_with_and_without_tumour(folder):
    case = segmentation_case(folder, ["t2", "t1c"], "brats2018")
    assert case["channels"] == [1, 0]
    assert float(case["images"][0][case["channels"]][0, 0, 0]) == 2
    assert {name: slices.tolist() for name, slices in case["strata"].items()} == {
        "tumour": [0, 1, 2],
        "rest": [3, 4, 5],
    }


def test_candidates_are_slices_without_tumour(folder, tmp_path):
    case = segmentation_case(folder, ["t2"], "brats2018")
    place = tmp_path / "sub-A/space-S/propose_candidates.json"
    place.parent.mkdir(parents=True)
    # on the grid, whose slice 7 is the first of the box: one with tumour, two without, and two outside of the box
    place.write_text(json.dumps({"slices": [2, 7, 10, 12, 40]}))
    tables.write_table(tmp_path / "candidates.tsv", [{"subject": "A", "record": str(place)}])
    found = find_candidates(tmp_path / "candidates.tsv")
    strata = add_candidates(case, found["A"])["strata"]
    assert strata["candidates"].tolist() == [3, 5]
    assert {name: strata[name].tolist() for name in ("tumour", "rest")} == {"tumour": [0, 1, 2], "rest": [3, 4, 5]}
    assert "candidates" not in case["strata"]


def test_region_table_turns_labels_into_masks(folder):
    case = segmentation_case(folder, ["t2"], "brats2018")
    masks = case["regions"][case["labels"]]
    assert masks[0, 5, 5].tolist() == [True, False, False]
    assert masks[1, 5, 5].tolist() == [True, True, True]
    assert masks[2, 5, 5].tolist() == [True, True, False]
    assert not masks[3].any()


def test_slices_without_labels_need_no_labels(folder):
    (folder / "labels.zlib").unlink()
    case = segmentation_case(folder, ["flair"], "brats2018", labelled=False)
    assert "labels" not in case and case["images"].shape == (6, 3, 20, 30)
    assert "classes" not in classification_case(folder, ["flair"], ["a", "b"], labelled=False)


def test_a_slice_has_tumour_above_a_stated_area_and_needs_brain(folder):
    case = classification_case(folder, ["t1c"], ["tumour-free", "tumour"])
    assert case["classes"].tolist()[:5] == [1, 1, 0, 0, 0]
    assert case["usable"].tolist() == [0, 1, 2, 3, 4]
    assert {name: z.tolist() for name, z in case["strata"].items()} == {"tumour-free": [2, 3, 4], "tumour": [0, 1]}


def test_a_patients_class_is_every_slices_class(folder):
    case = classification_case(folder, ["t1c"], ["none", "low", "high"], truth="low")
    assert case["classes"].tolist() == [1] * 6
    assert [len(case["strata"][name]) for name in ("none", "low", "high")] == [0, 5, 0]


def test_a_target_is_images_alone_of_the_slices_with_brain(folder):
    (folder / "labels.zlib").unlink()
    case = target_case(folder, ["t2"])
    assert set(case) == {"images", "channels", "index", "strata"} and case["channels"] == [1]
    assert {name: slices.tolist() for name, slices in case["strata"].items()} == {"any": [0, 1, 2, 3, 4]}


def test_pictures_share_one_array_and_are_read_as_cases_of_one_slice(tmp_path):
    shared = tmp_path / "images/slices"
    shared.mkdir(parents=True)
    np.save(shared / "images.npy", np.arange(1, 4, dtype=np.float16)[:, None, None, None] * np.ones((3, 1, 8, 8)))
    index = {"subjects": ["a", "b", "c"], "sequences": ["image"], "box": [[0, 8], [0, 8], [0, 1]], "spacing": [1, 1, 1]}
    (shared / "index.json").write_text(json.dumps(index))
    found = find_slices(shared)
    assert list(found) == ["a", "b", "c"] and find_records(shared) == {}
    case = classification_case(found["b"], ["image"], ["x", "y"], truth="y")
    assert isinstance(case["images"], np.memmap) and case["images"].shape == (1, 1, 8, 8)
    assert float(case["images"].max()) == 2 and case["channels"] == [0]
    assert {name: z.tolist() for name, z in case["strata"].items()} == {"x": [], "y": [0]}


def test_the_list_of_subjects_changes_with_whatever_a_cell_reads(tmp_path):
    """One voxel of a label, or one number of a record, and nothing else, tells two lists apart."""
    volume, labels = np.ones((2, 1, 4, 4), np.float16), np.zeros((2, 4, 4), np.uint8)

    def gather(changed_voxel=0, moved=0):
        folder = tmp_path / "sub-A/space-S/slices"
        labels[0, 0, 0] = changed_voxel
        write_slices(folder, volume, labels, {"sequences": ["t1"]})
        (tmp_path / "status.json").write_text(json.dumps({"subject": "A"}))
        (folder.parent / "normalize_intensity.json").write_text(json.dumps({"moved": moved}))
        files = {"status": tmp_path / "status.json", "normalized": folder.parent / "normalize_intensity.json"}
        return gather_subjects(**{name: [str(path)] for name, path in files.items()})

    first = gather()
    assert gather() == first and [row["subject"] for row in first] == ["A"]
    assert len({row["sha256"] for row in (*first, *gather(changed_voxel=1), *gather(moved=1))}) == 3
    tables.write_table(tmp_path / "subjects.tsv", first)
    assert find_slices(tmp_path / "subjects.tsv") == {"A": str(tmp_path / "sub-A/space-S/slices")}
    assert find_records(tmp_path / "subjects.tsv")["A"]["status"] == str(tmp_path / "status.json")


def test_an_absent_sequence_is_an_error_unless_it_is_known_to_be_missing(folder):
    with pytest.raises(ValueError, match="t1"):
        segmentation_case(folder, ["t1"], "brats2018")
    with pytest.raises(ValueError, match="none of t1"):
        segmentation_case(folder, ["t1"], "brats2018", missing=["t1"])
    case = segmentation_case(folder, ["t2", "t1", "t1c"], "brats2018", missing=["t1"])
    assert case["channels"] == [1, None, 0]


def test_a_missing_channel_is_zero_and_nobody_elses(folder):
    # the slices hold T2, but the split says that it is not there
    case = segmentation_case(folder, ["t1c", "t2", "flair"], "brats2018", missing=["t2"])
    for axis, whole in ((1, case["images"][:]), (0, case["images"][0])):
        taken = take_channels(whole, case["channels"], axis)
        known = np.asarray(whole)
        assert not np.any(taken.take(1, axis))
        assert np.array_equal(taken.take([0, 2], axis), known.take([0, 2], axis))
    assert np.array_equal(take_channels(case["images"][0], [2, 0]), case["images"][0][[2, 0]])
    # slices with brain are told by the channels that are there
    assert target_case(folder, ["t1c", "t2"], ["t2"])["strata"]["any"].tolist() == [0, 1, 2, 3, 4]


def test_the_parts_of_a_subjects_slices_are_all_of_them_once(folder):
    case = classification_case(folder, ["t1c"], ["tumour-free", "tumour"])
    parts = [keep_part(case, part, 2, [0, 1]) for part in range(2)]
    assert sorted(z for part in parts for z in part["usable"].tolist()) == case["usable"].tolist()
    assert abs(len(parts[0]["usable"]) - len(parts[1]["usable"])) <= 1
    for part in parts:
        assert sorted(z for slices in part["strata"].values() for z in slices) == part["usable"].tolist()
    again = keep_part(case, 0, 2, [0, 1])
    assert again["usable"].tolist() == parts[0]["usable"].tolist()
    # more parts than slices: some are empty
    assert sorted(len(keep_part(case, part, 9, [0])["usable"]) for part in range(9)) == [0] * 4 + [1] * 5
    assert "strata" not in keep_part(classification_case(folder, ["t1c"], [], labelled=False), 0, 2, [0])


@pytest.mark.parametrize("plane", PLANES)
def test_a_plane_has_the_same_voxels_in_other_places(tmp_path, plane):
    random = np.random.default_rng(0)
    volume = random.normal(size=(5, 2, 6, 7)).astype(np.float16)  # Z, C, X, Y
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1, 2, 3:5] = 1
    write_slices(tmp_path / "slices", volume, labels, {"sequences": ["t1", "t2"]}, planes=list(PLANES))
    case = segmentation_case(tmp_path / "slices", ["t2", "t1"], "binary", plane=plane)
    images, drawn = read_channels(case), case["labels"][:]
    length = {"axial": 5, "coronal": 7, "sagittal": 6}[plane]
    assert images.shape[:2] == (length, 2) and case.get("plane", "axial") == plane
    tumour = {"axial": [1], "coronal": [3, 4], "sagittal": [2]}[plane]
    assert case["strata"]["tumour"].tolist() == tumour
    # from (N, C, A, B) as a network predicts, (C, A, B, N), back to X, Y, Z
    back = turn_back(images.transpose(1, 2, 3, 0), plane)
    assert np.array_equal(back, volume[:, ::-1].transpose(1, 2, 3, 0))
    assert np.array_equal(turn_back(drawn.transpose(1, 2, 0)[None], plane)[0], labels.transpose(1, 2, 0))


def test_a_plane_that_was_not_written_is_an_error(tmp_path):
    write_slices(tmp_path / "slices", np.ones((2, 1, 4, 4), np.float16), None, {"sequences": ["t1"]})
    assert sorted(path.name for path in (tmp_path / "slices").iterdir()) == ["images.zlib", "index.json"]
    with pytest.raises(FileNotFoundError, match=r"images-coronal\.zlib"):
        segmentation_case(tmp_path / "slices", ["t1"], "binary", labelled=False, plane="coronal")
