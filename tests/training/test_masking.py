"""Masked reconstruction: what is hidden is not seen, and only what was hidden is scored."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_cases import CASES
from neurograft.training import masking, slice_batches

BLIND = [{name: case[name] for name in ("images", "channels")} | {"strata": {"any": range(8)}} for case in CASES]


def drawn(seed=0):
    """One batch of masked slices with their truth."""
    return next(masking.mask_batches(BLIND, 6, seed))


def test_hidden_voxels_are_empty_and_the_others_untouched():
    images, truth = drawn()
    whole, scored = truth[:, :-1], truth[:, -1:].bool()
    assert scored.any() and not scored.all()
    assert (images[scored.expand_as(images)] == 0).all()
    changed = images != whole
    # all that differs is scored, but for zeros, which no one can tell from empty
    assert (changed <= scored).all() and changed.any()


def test_the_slices_are_those_of_training_without_masks():
    with_masks, again, other = drawn()[1], drawn()[1], drawn(seed=1)[1]
    assert torch.equal(with_masks, again) and not torch.equal(with_masks, other)
    plain = next(slice_batches.draw_batches(BLIND, {"any": 1.0}, 6, 0))[0]
    assert torch.equal(with_masks[:, :-1], plain)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 70), st.integers(1, 70), st.integers(1, 20))
def test_squares_are_whole(channels, x, y, patch):
    hidden = masking.hide_squares((3, channels, x, y), torch.Generator().manual_seed(x), patch)
    assert hidden.shape == (3, 1, x, y)
    for row in range(0, x, patch):
        for column in range(0, y, patch):
            square = hidden[:, 0, row : row + patch, column : column + patch].flatten(1)
            assert (square.any(1) == square.all(1)).all()


def test_about_the_asked_share_is_hidden():
    hidden = masking.hide_squares((64, 1, 128, 128), torch.Generator().manual_seed(0), share=0.3)
    assert float(hidden.float().mean()) == pytest.approx(0.3, abs=0.02)


def test_only_hidden_brain_is_scored():
    _, truth = drawn()
    whole, scored = truth[:, :-1], truth[:, -1:]
    assert masking.masked_error(whole, truth) == 0 and masking.share_explained(whole, truth) == 1
    # wrong by 2 where it counts, by anything elsewhere
    wrong = whole + 2 * scored + 1000 * (1 - scored)
    assert float(masking.masked_error(wrong, truth)) == pytest.approx(2, rel=1e-5)
    empty = torch.zeros_like(whole)
    assert float(masking.share_explained(empty, truth)) == pytest.approx(0, abs=1e-6)


def test_nothing_hidden_is_no_error():
    truth = torch.cat([torch.ones(1, 2, 4, 4), torch.zeros(1, 1, 4, 4)], 1)
    assert masking.masked_error(torch.zeros(1, 2, 4, 4), truth) == 0
