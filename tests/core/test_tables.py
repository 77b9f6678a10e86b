"""Tab-separated tables."""

import math
import os
from typing import NotRequired, TypedDict

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


class Measured(TypedDict):
    """A row of typed columns."""

    subject: str
    count: int
    value: float
    good: bool
    spare: NotRequired[float]


def test_columns_are_read_as_their_types(tmp_path):
    path = tmp_path / "in.tsv"
    rows = [
        {"subject": "1", "count": 3, "value": 0.1 + 0.2, "good": True, "other": "2"},
        {"subject": "2", "count": -1, "value": math.inf, "good": False, "other": ""},
    ]
    tables.write_table(path, rows)
    read = tables.read_typed_table(path, Measured)
    assert read == rows and [list(row) for row in read] == [list(row) for row in rows]
    assert [type(row["good"]) for row in read] == [bool, bool]


@pytest.mark.parametrize("empty", ["", "n/a"])
def test_an_empty_number_is_not_a_number(empty):
    rows = [{"subject": "", "count": "1", "value": empty, "good": "true", "spare": "2"}]
    (row,) = tables.parse_rows(rows, Measured)
    assert math.isnan(row["value"]) and row["spare"] == 2.0 and row["subject"] == ""


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("count", "1.5", "row 2: count is '1.5'; it takes a whole number"),
        ("count", "", "it takes a whole number"),
        ("value", "high", "it takes a number"),
        ("good", "yes", "it takes true or false"),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path, field, value, fault):
    row = {"subject": "A", "count": "1", "value": "1", "good": "true"} | {field: value}
    tables.write_table(tmp_path / "in.tsv", [row])
    with pytest.raises(tables.TableError, match=fault) as caught:
        tables.read_typed_table(tmp_path / "in.tsv", Measured)
    assert str(caught.value).startswith(str(tmp_path / "in.tsv"))


def test_a_missing_column_is_named(tmp_path):
    tables.write_table(tmp_path / "in.tsv", [{"subject": "A", "count": "1", "value": "1"}])
    with pytest.raises(tables.TableError, match="the column good is missing; there are subject, count, value"):
        tables.read_typed_table(tmp_path / "in.tsv", Measured)


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_a_table_is_read_by_the_separator_that_its_first_line_has_most_of(tmp_path, separator):
    path = tmp_path / "t.csv"
    path.write_text("patient,age,site\nA,40,Oslo\n\nB,,x\n".replace(",", separator), encoding="utf-8-sig")
    expected = [{"patient": "A", "age": "40", "site": "Oslo"}, {"patient": "B", "age": "", "site": "x"}]
    assert tables.read_separated_table(path) == expected


def test_quotes_hold_a_separator_and_faults_are_one_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a;b\n"x; y";"say ""z"""\n')
    assert tables.read_separated_table(path) == [{"a": "x; y", "b": 'say "z"'}]
    for text, says in (
        ('a;b\n"x;1\n', "cannot be read"),
        ("a;b\n1;2;3\n", "remove a ';'"),
        ("a;a\n", "name of its own"),
    ):
        path.write_text(text)
        with pytest.raises(tables.TableError, match=says) as caught:
            tables.read_separated_table(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(tables.TableError, match="No such file"):
        tables.read_separated_table(tmp_path / "none.csv")
