"""Tests of axial slices: one size of head, one contrast."""

import numpy as np
import pytest

from helpers.fake_heads import make_head, resample
from neurograft.guard.slices import FINE, PIXEL, cut_volume, stack_pictures


def test_values_on_another_scale_give_the_same_slices():
    head = make_head(1)
    other = type(head)(np.asarray(head.dataobj) * 3.5, head.affine)
    assert np.allclose(cut_volume(head).slices, cut_volume(other).slices, atol=1e-4)


def test_a_pixel_has_one_size_whatever_the_voxels():
    fine, coarse = cut_volume(make_head(1)), cut_volume(resample(make_head(1)))
    assert np.allclose(fine.slices.shape[1:], coarse.slices.shape[1:], atol=2)
    assert fine.slices.shape[2] == pytest.approx(70 * 2 / PIXEL, abs=1)


def test_the_first_row_is_the_front_and_the_first_column_the_right():
    head = make_head(1)
    values = np.asarray(head.dataobj).copy()
    values[:35] = 0
    values[:, :42] = 0
    # RAS+: high x is right, high y is the front
    shown = np.abs(cut_volume(type(head)(values, head.affine)).slices).sum(0)
    rows, columns = shown.shape
    assert shown[: rows // 2, : columns // 2].sum() > 0.95 * shown.sum()


def test_a_small_field_gets_small_pixels():
    small = make_head(1, (40, 50, 36), (1.0, 1.0, 1.0))
    assert cut_volume(small).slices.shape[1:] == (round(50 / FINE), round(40 / FINE))


def test_pictures_are_scaled_by_the_head_they_show():
    picture = np.asarray(make_head(1).dataobj)[:, :, 18].T
    padded = np.pad(picture, 30)
    one, other = stack_pictures([picture]).slices, stack_pictures([padded]).slices
    assert np.ptp(np.flatnonzero(np.abs(one[0]).sum(1) > 1)) == pytest.approx(
        np.ptp(np.flatnonzero(np.abs(other[0]).sum(1) > 1)), abs=3
    )


def test_a_constant_picture_gives_nothing_to_go_by():
    assert not np.abs(stack_pictures([np.zeros((40, 40))]).slices).any()
