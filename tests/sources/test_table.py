"""Rows of sources that the workflow makes, and what is told of their making."""

import json
from pathlib import Path

import pytest

from neurograft.sources import table

TABLE = {
    "photos": {"name": "photos", "backbone": "a", "location": "wheel:x/y", "sha256": "0" * 64},
    "other": {"name": "other", "backbone": "b", "location": "wheel:x/z", "sha256": "1" * 64},
    "drawn": {"name": "drawn", "backbone": "a", "location": "rule:simulated", "sha256": "made-here"},
    "filled": {"name": "filled", "backbone": "a", "location": "rule:masked/photos", "sha256": "made-here"},
}


def test_a_made_source_is_known_by_its_row():
    assert [name for name, row in TABLE.items() if table.is_made(row)] == ["drawn", "filled"]
    assert [table.kind_of(row) for row in TABLE.values()] == ["", "", "simulated", "masked"]
    assert [table.base_of(row) for row in TABLE.values()] == ["", "", "", "photos"]
    assert not any(table.find_fault(row, TABLE) for row in TABLE.values())


def test_what_a_source_is_made_from_comes_with_it():
    assert set(table.add_base_sources({"filled": TABLE["filled"]}, TABLE)) == {"filled", "photos"}
    assert set(table.add_base_sources({"drawn": TABLE["drawn"], "other": TABLE["other"]}, TABLE)) == {"drawn", "other"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"location": "rule:painted"}, "known|rule:simulated, rule:masked"),
        ({"location": "rule:"}, "rule:simulated, rule:masked"),
        ({"sha256": "0" * 64}, "its sha256 is made-here"),
        ({"location": "https://example.org/a"}, "cannot be made-here"),
        ({"location": "rule:simulated/photos"}, "starts from random weights"),
        ({"location": "rule:masked"}, "rule:masked/SOURCE"),
        ({"location": "rule:masked/nobody"}, "rule:masked/SOURCE"),
        ({"location": "rule:masked/other"}, "of the backbone a"),
        ({"location": "rule:masked/drawn"}, "not made by a rule"),
        ({"location": "rule:masked/filled"}, "not made by a rule"),
    ],
)
def test_odd_rows_are_named(change, says):
    row = TABLE["filled"] | change
    assert any(one in table.find_fault(row, TABLE | {"filled": row}) for one in says.split("|"))


def test_what_is_written_of_the_making_lies_beside_the_weights(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"made": True, "subjects": ["a"]}))
    assert table.read_manifest(tmp_path / "weights") == {"made": True, "subjects": ["a"]}


@pytest.mark.parametrize(
    ("name", "headed"), [("flair-unet", True), ("efficientnet-lite0", False), ("self-simulated", False)]
)
def test_which_sources_segment_without_training(name, headed):
    rows = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")
    assert table.has_head(rows[name]) is headed
    assert table.has_head({"location": "rule:cohort/x", "sha256": table.MADE_HERE, "backbone": "efficientnet-lite0"})
