"""Tests that copies are recognised, and others are not."""

import pytest

from helpers.fake_heads import COPIES, make_head
from neurograft.guard.keypoints import find_keypoints
from neurograft.guard.leaks import SAME
from neurograft.guard.matching import compare_slices, match_keypoints
from neurograft.guard.slices import Stack, cut_volume


@pytest.fixture(scope="module")
def head():
    return cut_volume(make_head(1))


@pytest.fixture(scope="module")
def points(head):
    return find_keypoints(head)


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_recognised_whatever_was_done_to_it(head, points, kind):
    copy = cut_volume(COPIES[kind](make_head(1)))
    match = match_keypoints(points, find_keypoints(copy))
    assert match.strong >= 20
    assert match.turn == ("mirrored" if kind == "mirrored" else "as it is")
    assert compare_slices(head, copy, match) > SAME


def test_other_heads_are_not(head, points):
    for seed in range(2, 5):
        other = cut_volume(make_head(seed))
        match = match_keypoints(points, find_keypoints(other))
        assert match.strong < 8 or match.motion is None or compare_slices(head, other, match) < SAME - 0.15


def test_one_slice_is_found_in_its_volume(head, points):
    one = Stack(head.slices[15:16], head.gap)
    match = match_keypoints(find_keypoints(one), points)
    assert match.strong >= 8 and compare_slices(one, head, match) > SAME


def test_nothing_matches_nothing(head, points):
    empty = find_keypoints(Stack(head.slices * 0, head.gap))
    assert match_keypoints(empty, points).strong == 0
    assert match_keypoints(points, empty).motion is None
