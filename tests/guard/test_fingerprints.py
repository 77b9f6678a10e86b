"""Tests of fingerprints: pairs, files, hashes."""

import numpy as np
import pytest

from helpers.fake_heads import encode, make_head, mirror
from neurograft.guard import fingerprints
from neurograft.guard.fingerprints import Fingerprint, find_pairs, hash_values, take_fingerprint
from neurograft.guard.recognition import is_sure
from neurograft.guard.slices import cut_volume


def take(name, **images):
    values = {sequence: np.asarray(image.dataobj) for sequence, image in images.items()}
    return take_fingerprint(name, values, {sequence: cut_volume(image) for sequence, image in images.items()})


@pytest.fixture(scope="module")
def cohort():
    heads = [make_head(seed) for seed in range(1, 5)]
    return [
        take("a", t1=heads[0], flair=heads[1]), take("b", t1=heads[2]), take("c", t1=mirror(encode(heads[0]))),
        take("d", t2=heads[2]), take("e", mri=encode(heads[1])), take("f", t1=heads[3]),
    ]  # fmt: skip


def test_pairs_are_found_by_sequence_and_by_value(cohort):
    found = {(pair.first, pair.second): pair for pair in find_pairs(cohort) if is_sure(pair)}
    # b and d: the same values under two sequences; a name that says nothing is compared with all
    assert set(found) == {("a", "c"), ("a", "e"), ("b", "d")}
    assert found["b", "d"].equal and not found["a", "c"].equal
    assert found["a", "c"].match.turn == "mirrored" and found["a", "c"].sequences == ("t1", "t1")
    assert found["a", "e"].sequences == ("flair", "mri")


def test_two_sets_are_compared_with_each_other_only(cohort):
    found = [(pair.first, pair.second) for pair in find_pairs(cohort[:1], cohort[2:]) if is_sure(pair)]
    assert found == [("a", "c"), ("a", "e")]


def test_stored_fingerprints_are_the_same(cohort, tmp_path):
    fingerprints.write_fingerprints(tmp_path / "set.npz", cohort)
    again = fingerprints.read_fingerprints(tmp_path / "set.npz")
    assert [one.name for one in again] == [one.name for one in cohort]
    assert again[0].hashes == cohort[0].hashes
    assert np.array_equal(again[0].keypoints["flair"].values, cohort[0].keypoints["flair"].values)
    assert len((tmp_path / "set.npz").read_bytes()) < 60_000 * 7
    assert {(p.first, p.second) for p in find_pairs(again) if is_sure(p)} == {("a", "c"), ("a", "e"), ("b", "d")}


def test_a_file_that_holds_none_is_named(tmp_path):
    (tmp_path / "set.npz").write_text("participant_id\tage\n")
    with pytest.raises(ValueError, match=r"set\.npz holds no fingerprints .*give a results/fingerprints\.npz"):
        fingerprints.read_fingerprints(tmp_path / "set.npz")
    with pytest.raises(ValueError, match="holds no fingerprints"):
        fingerprints.read_fingerprints(tmp_path / "missing.npz")


def test_a_hash_is_of_the_values_and_their_shape():
    values = np.arange(12.0).reshape(3, 4)
    assert hash_values(values) == hash_values(values.astype(np.int16))
    assert hash_values(values) != hash_values(values.T)
    assert hash_values(values) != hash_values(values + 1)


def test_a_subject_without_scans_matches_nobody():
    assert find_pairs([Fingerprint("a"), Fingerprint("b")]) == []
