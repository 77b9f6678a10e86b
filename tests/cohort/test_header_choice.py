"""Choices that names leave open are made by headers, or wait for the user."""

import nibabel as nib
import numpy as np
import pytest

from neurograft.cohort.header_choice import read_header, settle_open


def save(path, shape, sizes=(1.0, 1.0, 1.0), seed=0):
    data = np.random.default_rng(seed).integers(0, 50, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.diag([*sizes, 1])), path)
    return str(path)


def settle(paths, kind="t2", ordered=(), **others):
    entry = {
        "files": {kind: paths[0], **others},
        "notes": [],
        "problems": [],
        "open": {kind: paths},
        "ordered": ordered,
    }
    made = settle_open(entry)
    assert "open" not in made and "ordered" not in made and entry["notes"] == []
    return made


def test_the_whole_head_before_a_slab_even_of_a_plainer_name(tmp_path):
    slab, whole = (
        save(tmp_path / "a.nii.gz", (40, 40, 12), (5, 5, 5)),
        save(tmp_path / "b.nii", (40, 40, 30), (5, 5, 5)),
    )
    made = settle([slab, whole], ordered=["t2"])
    assert made["files"]["t2"] == whole and made["notes"] == [f"t2: took {whole}, left {slab} (the whole head)"]


def test_names_then_equal_voxels_then_finer_ones(tmp_path):
    one, two = save(tmp_path / "a.nii", (40, 40, 30), (5, 5, 5)), save(tmp_path / "b.nii", (40, 40, 30), (5, 5, 5), 1)
    fine = save(tmp_path / "c.nii", (60, 60, 50), (3, 3, 3))
    assert settle([two, one], ordered=["t2"])["files"]["t2"] == two
    same = save(tmp_path / "d.nii.gz", (40, 40, 30), (5, 5, 5))
    assert "they hold the same" in settle([one, same])["notes"][0]
    assert settle([one, fine])["files"]["t2"] == fine
    waiting = settle([one, two])
    assert waiting["notes"] == [] and "waits for you" in waiting["problems"][0]
    assert (
        one in waiting["problems"][0] and two in waiting["problems"][0] and "dataset.choose" in waiting["problems"][0]
    )


def test_a_label_on_the_grid_of_a_scan(tmp_path):
    scan, on = save(tmp_path / "t1.nii", (20, 21, 22), (9, 9, 9)), save(tmp_path / "l.nii", (20, 21, 22), (9, 9, 9), 2)
    off = save(tmp_path / "m.nii", (10, 10, 10), (18, 18, 18))
    assert settle([off, on], "labels", t1=scan)["files"]["labels"] == on


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b damaged", b"\x5c\x01\x00\x00" + b"\xff" * 600])
def test_bytes_that_are_no_header(tmp_path, content):
    path = tmp_path / "x.nii.gz"
    path.write_bytes(content)
    assert read_header(path) is None or not read_header(path).single
    assert read_header(tmp_path / "nowhere.nii") is None
    whole = save(tmp_path / "w.nii", (40, 40, 30), (5, 5, 5))
    assert settle([str(path), whole])["files"]["t2"] == whole
