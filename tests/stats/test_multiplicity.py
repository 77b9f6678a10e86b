"""Holm's method against a naive form, for one family and for many at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.stats.multiplicity import holm


def test_holm_by_hand():
    assert holm([0.04, 0.001, 0.03, 0.5]) == pytest.approx([0.09, 0.004, 0.09, 0.5])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_against_a_naive_form(values):
    adjusted = np.empty(len(values))
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    assert holm(values) == pytest.approx(adjusted)
    assert holm([values, values[::-1]])[1] == pytest.approx(holm(values[::-1]))
