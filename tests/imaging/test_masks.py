"""One mask from those of several sequences: a vote on the reference's grid."""

import numpy as np
import pytest

from neurograft.core import sequences
from neurograft.imaging import nifti
from neurograft.imaging.masks import combine_masks, overlap

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
STAY = np.eye(4)


def ball(shape=(40, 40, 40), centre=(20, 20, 20), radius=12.0, affine=AFFINE):
    places = np.indices(shape) - np.reshape(centre, (3, 1, 1, 1))
    return nifti.image(((places**2).sum(axis=0) < radius**2).astype(np.uint8), affine)


def data(mask):
    return np.asanyarray(mask.dataobj) > 0


def without(mask, cut):
    kept = np.asanyarray(mask.dataobj).copy()
    kept[cut] = 0
    return nifti.image(kept, mask.affine)


def test_equal_masks_are_their_own_combination():
    masks = {name: ball() for name in ("t1", "t1c", "flair")}
    combined = combine_masks(masks, dict.fromkeys(masks, STAY), "t1c")
    np.testing.assert_array_equal(combined.dataobj, masks["t1c"].dataobj)
    assert combined.get_data_dtype() == np.uint8


@pytest.mark.parametrize(("cut", "kept"), [(("t1c",), True), (("t1c", "t1"), True), (("t1c", "t1", "t2"), False)])
def test_majority_decides_and_a_tie_is_brain(cut, kept):
    bite = np.s_[26:, :, :]
    masks = {name: without(ball(), bite) if name in cut else ball() for name in sequences.SEQUENCES}
    combined = combine_masks(masks, dict.fromkeys(masks, STAY), "t1c")
    assert bool(data(combined)[28, 20, 20]) == kept


def test_masks_are_moved_before_they_vote():
    shift = np.eye(4)
    shift[0, 3] = 12.0
    masks = {"t1c": ball(), "flair": ball(centre=(26, 20, 20)), "t2": ball(centre=(26, 20, 20))}
    combined = combine_masks(masks, {"t1c": STAY, "flair": shift, "t2": shift}, "t1c")
    assert overlap(data(combined), data(masks["t1c"])) > 0.99


def test_a_sequence_has_no_vote_where_it_shows_nothing():
    """Two slabs show only the lower half; above, the reference alone decides."""
    slab = nifti.image(np.asanyarray(ball().dataobj)[:, :, :20], AFFINE)
    masks = {"t1c": ball(), "flair": slab, "t2": slab}
    combined = combine_masks(masks, dict.fromkeys(masks, STAY), "t1c")
    assert overlap(data(combined), data(masks["t1c"])) > 0.99


def test_one_piece_without_holes():
    hollow = without(ball(), np.s_[18:22, 18:22, 18:22])
    specked = np.asanyarray(hollow.dataobj).copy()
    specked[1, 1, 1] = 1
    combined = combine_masks({"t1": nifti.image(specked, AFFINE)}, {"t1": STAY}, "t1")
    np.testing.assert_array_equal(combined.dataobj, ball().dataobj)
