"""Patches: what is drawn and where, how it is turned, and what is fixed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from helpers.fake_cases import SHARES
from helpers.fake_volumes import make_volume
from neurograft.training import patch_batches

CASES = [make_volume(0), make_volume(1)]
SMALL = (32, 32, 32)


def test_patches_have_the_named_channels_and_a_mask_a_region():
    images, masks = next(patch_batches.draw_batches(CASES, SHARES, 3, 0))
    assert images.shape == (3, 3, 64, 64, 64) and masks.shape == (3, 3, 64, 64, 64)
    assert images.dtype == masks.dtype == torch.float32 and set(masks.unique().tolist()) == {0.0, 1.0}
    # the first sequence, which is not for the network, is 100
    assert float(images.max()) < 50


def test_patches_are_as_large_as_the_largest_case_asks_for():
    tall = make_volume(0, shape=(20, 30, 100), cube=(slice(2, 9), slice(2, 9), slice(2, 9)))
    assert patch_batches.case_canvas(CASES) == (64, 64, 64) and patch_batches.case_canvas([*CASES, tall]) == (
        64,
        64,
        96,
    )
    assert next(patch_batches.draw_batches([tall], SHARES, 1, 0))[0].shape == patch_batches.draw_fixed(tall, 1)[0].shape
    assert patch_batches.patch_size((72, 73, 300)) == (64, 96, 96)


def test_the_same_seed_draws_the_same_patches():
    first, again, other = (next(patch_batches.draw_batches(CASES, SHARES, 2, seed, SMALL)) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("augmented", [False, True])
def test_tumour_is_in_its_share_of_the_patches(augmented):
    # a cohort so large that a patch of the rest hardly ever meets the tumour
    case = make_volume(0, shape=(120, 32, 120), cube=(slice(4, 10), slice(10, 16), slice(4, 10)))
    draw = patch_batches.draw_batches([case], SHARES, 60, 0, SMALL, augmented=augmented)
    share = (next(draw)[1][:, 0].amax((1, 2, 3)) > 0).float().mean()
    assert 0.55 < float(share) < 0.85


def test_without_augmentation_patches_are_the_case_padded_with_zeros():
    case = make_volume(0, shape=(20, 24, 28))
    images, masks = next(patch_batches.draw_batches([case], SHARES, 1, 0, SMALL, augmented=False))
    whole = torch.from_numpy(case["images"][:, case["channels"]].transpose(1, 2, 3, 0)).float()
    assert torch.equal(images[0, :, 6:26, 4:28, 2:30], whole) and images.count_nonzero() == whole.count_nonzero()
    assert masks[0, 0].sum() == np.count_nonzero(case["labels"])


def test_a_patch_reads_no_further_than_the_case_where_the_case_is_larger():
    case = make_volume(0, shape=(70, 64, 80))
    draw = patch_batches.draw_batches([case], SHARES, 8, 0, SMALL, augmented=False)
    assert all(bool((next(draw)[0][:, 0] != 0).float().mean((1, 2, 3)).gt(0.99).all()) for _ in range(3))


def test_cases_without_labels_are_drawn_without_targets():
    blind = [{"images": case["images"], "channels": [1], "strata": {"any": np.arange(5, 9)}} for case in CASES]
    images, masks = next(patch_batches.draw_batches(blind, {"any": 1.0}, 2, 0, SMALL))
    assert images.shape == (2, 1, *SMALL) and masks is None


def test_augmentation_moves_image_and_mask_together_and_keeps_sizes():
    block = torch.zeros(24, 1, 48, 48, 48)
    block[:, :, 14:30, 18:30, 16:34] = 1
    moved, masks = patch_batches.augment(block, block.clone(), (32, 32, 32), torch.Generator().manual_seed(0))
    assert moved.shape == (24, 1, 32, 32, 32)
    inside = moved > 0.35
    overlap = 2 * (inside & (masks > 0)).sum() / (inside.sum() + (masks > 0).sum())
    assert overlap > 0.9
    volumes = masks.sum((1, 2, 3, 4)) / (16 * 12 * 18)
    assert float(volumes.std()) > 0.05 and float(volumes.max()) < 1.15**3 * 1.2 and float(volumes.min()) > 0.5
    assert torch.all(moved[:, :, 0, 0, 0] == 0)


def test_only_left_and_right_are_exchanged():
    block = torch.zeros(40, 1, 48, 48, 48)
    block[:, :, 10:14, 10:14, 10:14] = 1  # a corner of the patch's inside
    _, masks = patch_batches.augment(block, block.clone(), (40, 40, 40), torch.Generator().manual_seed(2))
    middles = np.array([np.argwhere(mask[0].numpy() > 0).mean(0) for mask in masks])
    flipped = middles[:, 0] > 20
    assert 8 < flipped.sum() < 32
    assert np.all(middles[:, 1:] < 20)


def test_turns_are_rotations_to_fifteen_degrees():
    angles = torch.tensor([0.26, -0.1, 0.2])
    turns = patch_batches._turns(angles, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(3).expand(3, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(3))
    for turn, angle, axis in zip(turns, angles, range(3)):
        assert float(turn.trace()) == pytest.approx(1 + 2 * float(angle.cos())) and turn[axis, axis] == 1


@budget(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 50)] * 3), st.tuples(*[st.integers(-60, 60)] * 3), st.tuples(*[st.integers(1, 40)] * 3)
)
def test_a_block_is_the_array_where_it_reaches_and_zero_beyond(shape, corner, size):
    array = 1 + np.arange(np.prod(shape)).reshape(shape)
    block = patch_batches._read(array.transpose(2, 0, 1), np.array(corner), np.array(size))
    padded = np.pad(array, 100)
    wanted = padded[tuple(slice(100 + at, 100 + at + length) for at, length in zip(corner, size))]
    assert np.array_equal(block, wanted)


def test_fixed_patches_are_the_same_each_time_and_half_of_them_hold_tumour():
    case = make_volume(0, shape=(40, 40, 200), cube=(slice(8, 20), slice(8, 20), slice(10, 60)))
    images, masks = patch_batches.draw_fixed(case, 5, SMALL)
    again, _ = patch_batches.draw_fixed(case, 5, SMALL)
    assert images.shape == (5, 3, *SMALL) and torch.equal(images, again)
    held = masks[:, 0].amax((1, 2, 3)) > 0
    assert held.tolist() == [True] * 3 + [False] * 2
    # whole voxels of the case, not augmented
    known = set(np.unique(case["images"]).tolist())
    assert set(images.unique().tolist()) <= known | {0.0}
    assert len({tuple(image.flatten()[:50].tolist()) for image in images}) == 5


def test_fixed_patches_of_a_patient_without_tumour():
    case = CASES[0] | {"strata": {"tumour": np.array([], int), "rest": np.arange(30, 40)}}
    images, masks = patch_batches.draw_fixed(case, 3, SMALL)
    assert images.shape == (3, 3, *SMALL) and masks.shape == (3, 3, *SMALL)
    with pytest.raises(ValueError, match="no slice to draw"):
        patch_batches.draw_fixed(case | {"strata": {"tumour": np.array([], int)}}, 3, SMALL)
    images, masks = patch_batches.draw_fixed({k: v for k, v in case.items() if k != "labels"}, 1, SMALL)
    assert images.shape == (1, 3, *SMALL) and masks is None


def test_channels_are_missing_and_dropped_as_in_slices():
    incomplete = CASES[0] | {"channels": [1, None, 3]}
    whole, dropped = (
        next(patch_batches.draw_batches([incomplete, CASES[1]], SHARES, 12, 0, SMALL, dropout=drop))[0]
        for drop in (False, True)
    )
    missing = ~whole[:, 1].flatten(1).any(1)
    assert 0 < int(missing.sum()) < 12 and whole[:, [0, 2]].flatten(2).any(2).all()
    kept = (whole == dropped).flatten(2).all(2) & whole.flatten(2).any(2)
    assert kept.any(1).all() and not kept[~missing].all() and not dropped[~kept].any()
    assert not patch_batches.draw_fixed(incomplete, 2, SMALL)[0][:, 1].any()
