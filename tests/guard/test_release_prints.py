"""Tests of adding a release to the registry."""

import numpy as np
import pytest

from helpers.fake_heads import COPIES, make_head
from neurograft.core.tables import TableError
from neurograft.guard.fingerprints import Fingerprint, find_pairs, read_fingerprints, take_fingerprint
from neurograft.guard.registry import find_stored, read_releases
from neurograft.guard.release_prints import MOST_KEPT, add_release, thin_fingerprint
from neurograft.guard.slices import cut_volume


@pytest.fixture
def registry(tmp_path):
    """A registry that knows one release by name."""
    (tmp_path / "releases.tsv").write_text("name\tpattern\tperson\tholds\tshares\tabout\nA\t(?P<who>a)\t\t\t\t\n")
    (tmp_path / "persons.tsv").write_text("name\tperson\n")
    return tmp_path


def take(name, image):
    return take_fingerprint(name, {"t1": np.asarray(image.dataobj)}, {"t1": cut_volume(image)})


def test_a_release_is_added_and_a_second_part_joins_it(registry):
    words = add_release("A", [Fingerprint("b", {"t1": "1"}), Fingerprint("a", {"t1": "2"})], registry)
    assert "2 patients were written" in words and "holds 2 of A" in words
    assert "holds 3 of A" in add_release("A", [Fingerprint("c", {"t1": "3"}), Fingerprint("a", {"t1": "4"})], registry)
    releases = read_releases(registry / "releases.tsv", registry / "persons.tsv")
    ((name, path),) = find_stored(registry, [], releases)
    stored = {one.name: one.hashes["t1"] for one in read_fingerprints(path)}
    assert name == "A" and stored == {"a": "4", "b": "1", "c": "3"} and list(stored) == sorted(stored)


@pytest.mark.parametrize("name", ["", "B"])
def test_a_release_that_the_table_does_not_know_is_refused(registry, name):
    with pytest.raises(TableError, match=f"add_release.name is '{name}'; it takes one of A, or a new row"):
        add_release(name, [], registry)
    assert not (registry / "releases").exists()


def test_thinned_fingerprints_still_tell_copies_from_others():
    heads = [make_head(1), make_head(2)]
    stored = [thin_fingerprint(take(str(seed), head)) for seed, head in enumerate(heads)]
    assert all(len(one.keypoints["t1"].sizes) == MOST_KEPT for one in stored)
    for kind, change in COPIES.items():
        found = [pair.second for pair in find_pairs([take("x", change(heads[0]))], stored) if pair.sure]
        assert found == ["0"], kind
