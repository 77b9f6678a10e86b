"""Tests of keypoints and of their turned descriptors."""

import numpy as np
import pytest

from helpers.fake_heads import make_head
from neurograft.guard.keypoints import CELLS, TURNS, find_keypoints, turn_values
from neurograft.guard.slices import Stack, cut_volume


@pytest.fixture(scope="module")
def stack():
    return cut_volume(make_head(1))


@pytest.fixture(scope="module")
def points(stack):
    return find_keypoints(stack)


def test_a_head_has_hundreds_of_keypoints_within_it(stack, points):
    assert 150 < len(points.sizes) <= 320
    columns, rows = points.places[:, 0].astype(int), points.places[:, 1].astype(int)
    numbers = np.rint(points.places[:, 2] / stack.gap).astype(int)
    assert (np.abs(stack.slices[numbers, rows, columns]) > 0).mean() > 0.9


def test_descriptors_have_one_length(points):
    assert np.linalg.norm(points.values.astype(float), axis=1) == pytest.approx(127, abs=5)


@pytest.mark.parametrize("turn", TURNS)
def test_turned_descriptors_are_those_of_the_turned_picture(stack, points, turn):
    across, upside = TURNS[turn]
    slices = stack.slices[:, :: -1 if upside else 1, :: -1 if across else 1]
    turned = find_keypoints(Stack(np.ascontiguousarray(slices), stack.gap))
    rows, columns = slices.shape[1:]
    places = points.places.copy()
    places[:, 0] = columns - 1 - places[:, 0] if across else places[:, 0]
    places[:, 1] = rows - 1 - places[:, 1] if upside else places[:, 1]
    theirs = {(*place, size): value for place, size, value in zip(turned.places.tolist(), turned.sizes, turned.values)}
    ours = turn_values(points.values, turn)
    shared = [
        (value, theirs[key])
        for value, key in zip(ours, ((*p, s) for p, s in zip(places.tolist(), points.sizes)))
        if key in theirs
    ]
    assert len(shared) > 0.9 * len(ours)
    assert all(np.abs(one.astype(int) - other).max() <= 3 for one, other in shared)


def test_an_empty_stack_has_none():
    empty = find_keypoints(Stack(np.zeros((3, 40, 40), np.float32), 2.5))
    assert empty.values.shape == (0, CELLS * CELLS * 8)
