"""Planted copies are found, whatever was done to them; other pictures are not."""

import io

import numpy as np
import pytest
from fake_images import make_head
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neurograft import duplicates

HEADS = [make_head(seed).astype(np.float32) for seed in range(12)]


def compress(picture, quality=30):
    held = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held), np.float32)


def resize(picture, size):
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


CHANGES = {
    "the same": lambda picture: picture,
    "brighter": lambda picture: np.clip(1.3 * picture + 20, 0, 255),
    "16 bits": lambda picture: picture * 257,
    "compressed anew": compress,
    "smaller": lambda picture: resize(picture, (60, 60)),
    "of another shape": lambda picture: resize(picture, (120, 90)),
}


def find(pictures, **options):
    return duplicates.find_copies([duplicates.make_thumbnail(one) for one in pictures], **options)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("turn", duplicates.TURNS)
def test_a_planted_copy_is_found_and_how_it_lies(change, turn):
    copy = duplicates.TURNS[turn](CHANGES[change](HEADS[5])[None])[0]
    pairs = find([*HEADS, np.ascontiguousarray(copy)])
    assert pairs[["first", "second"]].tolist() == [(5, 12)]
    assert pairs["turn"][0] == turn and pairs["likeness"][0] > duplicates.LIKENESS


def test_blocks_change_nothing():
    pictures = [*HEADS, HEADS[0], HEADS[7], HEADS[0][::-1].copy()]
    whole = find(pictures)
    assert whole[["first", "second"]].tolist() == [(0, 12), (0, 14), (7, 13), (12, 14)]
    for block in (1, 4, 14):
        parts = find(pictures, block=block)
        assert parts[["first", "second", "turn"]].tolist() == whole[["first", "second", "turn"]].tolist()
        assert np.allclose(parts["likeness"], whole["likeness"], atol=1e-5)


def test_no_pictures_have_no_copies():
    assert len(duplicates.find_copies([])) == 0
    assert duplicates.group_pictures(0, []).tolist() == []


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_are_what_is_linked(drawn):
    count, pairs = drawn
    group = duplicates.group_pictures(count, pairs)
    assert all(group[a] == group[b] for a, b in pairs)
    assert all(group[first] == first and first <= number for number, first in enumerate(group))
    # as many groups as a count by hand leaves
    label = list(range(count))
    for a, b in pairs:
        label = [label[a] if one == label[b] else one for one in label]
    assert len(set(label)) == len(set(group.tolist()))
