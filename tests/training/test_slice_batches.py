"""Batches: what is drawn, how it is put on a canvas and augmented."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from helpers.fake_cases import CASES, SHARES, make_case
from neurograft.training import slice_batches


def test_only_the_named_channels_reach_the_network():
    images, masks = next(slice_batches.draw_batches(CASES, SHARES, 6, 0))
    assert images.shape == (6, 2, 32, 32) and float(images.max()) < 50
    assert masks.shape == (6, 1, 32, 32) and set(masks.unique().tolist()) <= {0.0, 1.0}


def test_slices_are_drawn_by_share_and_patients_alike():
    many = make_case(2, (80, 32, 32))
    marked = [{**case, "classes": np.full(len(case["images"]), mark)} for case, mark in ((many, 1), (CASES[0], 2))]
    drawn = slice_batches.draw_batches(marked, {"tumour": 1.0, "absent": 5.0}, 50, 0)
    marks = torch.cat([next(drawn)[1] for _ in range(8)])
    assert 0.4 < float((marks == 1).float().mean()) < 0.6


def test_without_augmentation_slices_come_as_they_are_on_the_canvas_asked_for():
    case = CASES[0] | {"strata": {"any": np.array([2])}}
    images, _ = next(slice_batches.draw_batches([case], {"any": 1.0}, 2, 0, size=(64, 32), augmented=False))
    assert images.shape == (2, 2, 64, 32)
    assert torch.equal(images[0, :, 16:48], torch.from_numpy(case["images"][2, 1:]).float())


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="no training patient has a slice"):
        next(slice_batches.draw_batches(CASES, {"absent": 1.0}, 4, 0))


@budget(max_examples=50, deadline=None)
@given(st.tuples(st.integers(1, 70), st.integers(1, 70)), st.tuples(st.integers(1, 70), st.integers(1, 70)))
def test_fitting_there_and_back_keeps_what_both_hold(have, want):
    array = np.random.default_rng(0).normal(size=(2, *have))
    there = slice_batches.fit(array, want)
    assert there.shape == (2, *want)
    back = slice_batches.fit(there, have)
    assert np.array_equal(back[back != 0], array[back != 0])
    if all(n <= m for n, m in zip(have, want)):
        assert np.array_equal(back, array)


@budget(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=4))
def test_canvas_holds_all_but_a_rim(sizes):
    canvas = slice_batches.canvas_size(sizes)
    assert all(n % 32 == 0 for n in canvas)
    assert all(canvas[axis] + 8 >= size[axis] for size in sizes for axis in (0, 1))


def numbered(strata, count=40):
    """A patient whose slices hold their own number."""
    images = np.ones((count, 1, 32, 32)) * np.arange(count)[:, None, None, None]
    return {"images": images, "channels": [0], "classes": np.arange(count), "strata": strata}


def test_fixed_slices_are_half_of_each_stratum_as_they_are():
    case = make_case(3, (20, 40, 32))
    images, masks = slice_batches.draw_fixed(case, 8)
    assert images.shape == (8, 2, 32, 32) and masks.shape == (8, 1, 32, 32)
    assert masks.any((1, 2, 3)).sum() == 4
    assert all(torch.equal(a, b) for a, b in zip(slice_batches.draw_fixed(case, 8), (images, masks)))
    wide, _ = slice_batches.draw_fixed(case, 8, size=(64, 32))
    known = torch.from_numpy(case["images"][:, 1:]).float()
    assert all((known == one[:, 12:52]).all((1, 2, 3)).any() for one in wide)


@budget(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 30))
def test_fixed_slices_are_shared_out_evenly_and_never_twice(sizes, count):
    starts = np.cumsum([0, *sizes])
    strata = {str(k): np.arange(start, start + size) for k, (start, size) in enumerate(zip(starts, sizes))}
    if not sum(sizes):
        with pytest.raises(ValueError, match="no slice"):
            slice_batches.draw_fixed(numbered(strata), count)
        return
    images, numbers = slice_batches.draw_fixed(numbered(strata), count)
    assert torch.equal(images[:, 0, 0, 0].long(), numbers)
    assert len(set(numbers.tolist())) == len(numbers) == min(count, sum(sizes))
    taken = [sum(int(z) in own for z in numbers) for own in strata.values()]
    # a stratum gives less than another only where it has no more
    assert all(taken[k] >= max(taken) - 1 or taken[k] == sizes[k] for k in range(len(sizes)))


def test_dropping_leaves_half_whole_and_never_nothing():
    drawn = [
        next(draw)
        for draw in (slice_batches.draw_batches(CASES, SHARES, 400, 0, dropout=drop) for drop in (False, True))
    ]
    (whole, masks), (dropped, same) = drawn
    assert torch.equal(masks, same)
    kept = (dropped == whole).flatten(2).all(2)
    assert kept.any(1).all() and 0.4 < float(kept.all(1).float().mean()) < 0.6
    # both channels are dropped alike, and wholly
    assert 0.15 < float(kept[:, 0].logical_not().float().mean()) < 0.35 and not dropped[~kept].any()
    again = next(slice_batches.draw_batches(CASES, SHARES, 400, 0, dropout=True))[0]
    other = next(slice_batches.draw_batches(CASES, SHARES, 400, 1, dropout=True))[0]
    assert torch.equal(again, dropped) and not torch.equal((other != 0).any((2, 3)), (dropped != 0).any((2, 3)))


@budget(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=4), st.integers(0, 99))
def test_dropping_keeps_one_of_the_channels_that_are_there(channels, seed):
    there = [place for place, channel in enumerate(channels) if channel is not None]
    images = torch.zeros(12, len(channels), 3, 3)
    images[:, there] = 1
    slice_batches.drop_channels(images, [{"channels": channels}] * 12, np.random.default_rng(seed))
    assert not there or images[:, there].amax(1).eq(1).all()


def test_every_subset_of_the_channels_is_seen():
    images = torch.ones(600, 3, 2, 2)
    slice_batches.drop_channels(images, [{"channels": [0, 1, 2]}] * 600, np.random.default_rng(0))
    seen, counts = images[:, :, 0, 0].unique(dim=0, return_counts=True)
    assert len(seen) == 7 and counts.min() > 30 and counts.max() > 250


def test_a_missing_channel_stays_zero_through_augmentation():
    case = make_case(0) | {"channels": [1, None, 2]}
    images, _ = next(slice_batches.draw_batches([case, make_case(1) | {"channels": [1, 0, 2]}], SHARES, 40, 0))
    missing = ~images[:, 1].flatten(1).any(1)
    assert 0.3 < float(missing.float().mean()) < 0.7 and images[:, [0, 2]].flatten(2).any(2).all()
    assert not slice_batches.draw_fixed(case, 4)[0][:, 1].any()


def test_planes_take_turns_each_on_its_own_canvas():
    coronal = [make_case(seed, (30, 60, 32)) | {"plane": "coronal"} for seed in (5, 6)]
    drawn = slice_batches.draw_batches([*CASES, *coronal], SHARES, 4, 3)
    alone = slice_batches.draw_batches(CASES, SHARES, 4, 3)
    for _ in range(3):
        (axial, masks), (other, _) = next(drawn), next(drawn)
        assert axial.shape[2:] == (32, 32) and other.shape[2:] == (64, 32)
        # another plane changes nothing of what is drawn of the first
        images, wanted = next(alone)
        assert torch.equal(axial, images) and torch.equal(masks, wanted)
