"""Tests of adding a release to the registry."""

import pytest

from neurograft.core.tables import TableError
from neurograft.guard.fingerprints import Fingerprint, read_fingerprints
from neurograft.guard.registry import find_stored, read_releases
from neurograft.guard.release_prints import add_release


@pytest.fixture
def registry(tmp_path):
    """A registry that knows one release by name."""
    (tmp_path / "releases.tsv").write_text("name\tpattern\tperson\tholds\tshares\tabout\nA\t(?P<who>a)\t\t\t\t\n")
    (tmp_path / "persons.tsv").write_text("name\tperson\n")
    return tmp_path


def test_a_release_is_added_and_a_second_part_joins_it(registry):
    words = add_release("A", [Fingerprint("b", {"t1": "1"}), Fingerprint("a", {"t1": "2"})], registry)
    assert "2 patients were written" in words and "holds 2 of A" in words
    assert "holds 3 of A" in add_release("A", [Fingerprint("c", {"t1": "3"}), Fingerprint("a", {"t1": "4"})], registry)
    releases = read_releases(registry)
    ((name, path),) = find_stored(registry, [], releases)
    stored = {one.name: one.hashes["t1"] for one in read_fingerprints(path)}
    assert name == "A" and stored == {"a": "4", "b": "1", "c": "3"} and list(stored) == sorted(stored)


@pytest.mark.parametrize("name", ["", "B"])
def test_a_release_that_the_table_does_not_know_is_refused(registry, name):
    with pytest.raises(TableError, match=f"add_release.name is '{name}'; it takes one of A, or a new row"):
        add_release(name, [], registry)
    assert not (registry / "releases").exists()
