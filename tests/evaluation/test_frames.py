"""Means by key, against the same means by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.evaluation import frames

ROWS = [
    {"patient": "b", "strategy": "x", "seed": 0, "value": 0.2},
    {"patient": "b", "strategy": "x", "seed": 1, "value": 0.4},
    {"patient": "a", "strategy": "x", "seed": 0, "value": 0.9},
    {"patient": "a", "strategy": "y", "seed": 0, "value": 0.5},
]


def test_a_pivot_averages_what_shares_a_key_and_leaves_gaps():
    found = frames.pivot_values(ROWS, ("strategy",))
    assert found.patients == ["b", "a"] and list(found.columns) == [("x",), ("y",)]
    np.testing.assert_allclose(found.columns["x",], [0.3, 0.9])
    np.testing.assert_allclose(found.columns["y",], [np.nan, 0.5])
    assert len(frames.pivot_values(ROWS, ("strategy", "seed")).columns) == 3


def test_groups_keep_the_order_of_their_first_rows():
    assert [key for key in frames.group_rows(ROWS, ("strategy", "patient"))] == [("x", "b"), ("x", "a"), ("y", "a")]
    assert frames.group_rows([], ("strategy",)) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 4))
def test_rolling_means_are_those_of_the_last_values(values, window):
    found = frames.average_rolling(values, window)
    for place in range(len(values)):
        if place + 1 < window:
            assert np.isnan(found[place])
        else:
            assert found[place] == pytest.approx(np.mean(values[place + 1 - window : place + 1]), abs=1e-12)


def test_columns_are_averaged_without_what_is_missing_and_text_is_read():
    first, second = np.array([0.2, np.nan, np.nan]), np.array([0.4, 0.6, np.nan])
    np.testing.assert_allclose(frames.average_columns([first, second]), [0.3, 0.6, np.nan])
    np.testing.assert_allclose(frames.parse_values(["0.5", 1, "", "n/a"]), [0.5, 1, np.nan, np.nan])
    assert frames.average_patients(ROWS) == {"a": pytest.approx(0.7), "b": pytest.approx(0.3)}
