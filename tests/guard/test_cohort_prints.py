"""Tests of how a cohort's scans are read for the guard, and remembered."""

import json

import numpy as np
import pytest

from helpers.fake_heads import make_head
from neurograft.guard.cohort_prints import PictureReader, ScanReader, make_reader, remember_stacks, take_fingerprints
from neurograft.imaging.nifti import write_scans


@pytest.fixture
def folders(tmp_path):
    for number in (1, 2):
        write_scans(tmp_path / f"sub-{number}", {"t1": make_head(number), "labels": make_head(9)})
    return {str(number): str(tmp_path / f"sub-{number}") for number in (1, 2)}


def test_scans_are_read_without_their_labels(folders):
    values, stacks = ScanReader(folders).read("1")
    assert set(values) == set(stacks) == {"t1"}


def test_fingerprints_are_taken_once(folders, tmp_path, monkeypatch):
    reader, store = ScanReader(folders), tmp_path / "store"
    first = take_fingerprints(reader, ["1", "2"], store)
    monkeypatch.setattr(ScanReader, "read", lambda *_: pytest.fail("read again"))
    again = take_fingerprints(reader, ["1", "2"], store)
    assert [one.hashes for one in first] == [one.hashes for one in again]
    monkeypatch.undo()
    write_scans(folders["1"], {"t1": make_head(3)})
    changed = take_fingerprints(reader, ["1", "2"], store)
    assert changed[0].hashes != first[0].hashes and changed[1].hashes == first[1].hashes
    assert len(list(store.glob("*.npz"))) == 2


def test_other_code_takes_them_again(folders, tmp_path, monkeypatch):
    """Wherever the job runs: on a cluster it is told no digest."""
    reader, store = ScanReader(folders), tmp_path / "store"
    take_fingerprints(reader, ["1"], store)
    (before,) = store.glob("*.npz")
    monkeypatch.setattr("neurograft.execution.code_digest.code_digest", lambda *_: "other")
    take_fingerprints(reader, ["1"], store)
    (after,) = store.glob("*.npz")
    assert before != after


def test_stacked_pictures_are_scaled_by_their_heads_and_zeros_are_no_sequence(folders):
    head = make_head(1)
    empty = type(head)(np.zeros(head.shape, np.float32), np.eye(4))
    write_scans(folders["1"], {"t1": type(head)(head.dataobj, np.eye(4)), "flair": empty})
    values, stacks = ScanReader(folders, stacked=True).read("1")
    assert set(values) == set(stacks) == {"t1"}
    assert len(stacks["t1"].slices) == head.shape[2]


def test_single_pictures_are_read_as_they_are_shown(tmp_path):
    picture = np.asarray(make_head(1).dataobj)[:, :, 18].T
    canvas = np.pad(picture, ((0, 0), (7, 7)))
    np.save(tmp_path / "images.npy", canvas[::-1, ::-1].T[None, None].astype(np.float16))
    (tmp_path / "index.json").write_text(json.dumps({"subjects": ["a"]}))
    _, stacks = PictureReader(tmp_path).read("a")
    shown = stacks["image"].slices[0]
    assert shown.shape[0] == shown.shape[1]
    corners = np.abs(shown[: len(shown) // 2]).sum() / np.abs(shown).sum()
    assert corners == pytest.approx(0.5, abs=0.1)


def test_the_reader_fits_the_dataset():
    rows, pictures = [{"participant_id": "1"}], {"pictures": {"spacing": []}}
    assert make_reader(rows, [], {"1": {}}, pictures).stacked is False
    assert make_reader(rows, [], {"1": {"slices": []}}, pictures).stacked is True
    assert make_reader(rows, [], {"1": {"slices": []}}, {"pictures": {"spacing": [1, 1, 5]}}).stacked is False


def test_slices_are_remembered(folders):
    reader = ScanReader(folders)
    stacks = remember_stacks(reader)
    assert stacks("1") is stacks("1")
