"""Listings of gathered files: they change with the content of what they name."""

from neurograft.core import listings, tables


def test_a_row_s_hash_changes_with_any_of_its_contents():
    row = {"subject": "A", "slices": "here"}
    first = listings.add_hash(row, [b"one", b"two"])
    assert {name: first[name] for name in row} == row and list(first)[-1] == "sha256"
    assert listings.add_hash(row, [b"one", b"two"]) == first
    assert listings.add_hash(row, [b"one", b"too"])["sha256"] != first["sha256"]


def test_the_hash_is_that_of_the_contents_line_by_line():
    # of `printf 'one\ntwo' | sha256sum`
    expected = "21066d108d5319ecb5a1fc4454f42ef22fc5f1c7df49c31d90294950e0ea8b2c"
    assert listings.add_hash({}, [b"one", b"two"]) == {"sha256": expected}


def test_what_is_written_is_read_back_without_the_hash(tmp_path):
    rows = [listings.add_hash({"subject": name, "record": f"{name}.json"}, [name.encode()]) for name in "BA"]
    listings.write_listing(tmp_path / "list.tsv", rows, ["subject", "record"])
    assert tables.read_table(tmp_path / "list.tsv") == rows
    assert listings.read_subjects(tmp_path / "list.tsv") == {
        name: {"subject": name, "record": f"{name}.json"} for name in "BA"
    }


def test_a_listing_of_nothing_has_its_columns(tmp_path):
    listings.write_listing(tmp_path / "list.tsv", [], ["cell"])
    assert (tmp_path / "list.tsv").read_text() == "cell\tsha256\n" and listings.read_listing(
        tmp_path / "list.tsv"
    ) == []
