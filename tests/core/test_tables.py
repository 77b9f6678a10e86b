"""Tab-separated tables."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.core import tables

field = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]))


@given(rows=st.lists(st.tuples(st.text("abc", min_size=1), field), min_size=1))
def test_any_text_survives_the_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "größe 1.tsv"
    rows = [{"key": key, "value": value} for key, value in rows]
    tables.write_table(path, rows)
    assert tables.read_table(path) == rows


def test_how_values_are_written(tmp_path):
    path = tmp_path / "new/out.tsv"
    tables.write_table(
        path, [{"a": True, "b": None, "c": np.bool_(False)}, {"d": float("nan"), "a": "x\ty\nz", "b": 1.5}]
    )
    assert path.read_text() == "a\tb\tc\td\ntrue\t\tfalse\t\nx y z\t1.5\t\tn/a\n"
    tables.write_table(path, [], columns=["a", "b"])
    assert path.read_text() == "a\tb\n" and tables.read_table(path) == []
    assert os.listdir(path.parent) == ["out.tsv"]


def test_a_failed_write_leaves_the_old_table(tmp_path):
    class Unprintable:
        def __str__(self):
            raise RuntimeError("stop")

    path = tmp_path / "out.tsv"
    tables.write_table(path, [{"a": 1}])
    with pytest.raises(RuntimeError):
        tables.write_table(path, [{"a": 2}, {"a": Unprintable()}])
    assert path.read_text() == "a\n1\n" and os.listdir(tmp_path) == ["out.tsv"]


def test_forms_of_a_table_that_are_read(tmp_path):
    path = tmp_path / "in.tsv"
    path.write_bytes('\ufeffa\tb \r\n1\t"é\r\n\r\n2\r\n'.encode())
    assert tables.read_table(path) == [{"a": "1", "b": '"é'}, {"a": "2", "b": ""}]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("a\tb\n1\té\n".encode("utf-16"), "not encoded in UTF-8"),
        ("a\tb\n1\té\n".encode("latin-1"), "not encoded in UTF-8"),
        (b"a\ta\n1\t2\n", "a name of its own"),
        (b"", "a name of its own"),
        (b"a\tb\n1\t2\t3\n", "row 2 has 3 fields for 2 columns"),
    ],
)
def test_faults_are_named(tmp_path, content, fault):
    path = tmp_path / "in.tsv"
    path.write_bytes(content)
    with pytest.raises(tables.TableError, match=fault) as caught:
        tables.read_table(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(tables.TableError, match="cannot be read"):
        tables.read_table(tmp_path)
