"""Slices on black: the right way round, true to scale, marked where they should be, alive on strange data."""

import io

import numpy as np
import pytest
from fake_run import EVIL
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.text import Text

from neurograft import images, panels
from neurograft.panels import AXIAL, CORONAL, SAGITTAL

ONE = (1.0, 1.0, 1.0)


def laid(*rows, title="", simulated=False):
    """Lay rows out and draw them; what cannot be drawn fails here."""
    figure = panels.lay_out(list(rows), title, simulated, [])
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def letters(axes):
    """Give the letters at a panel's sides, from left to right."""
    return [text.get_text() for text in sorted(axes.texts, key=lambda text: text.get_position()[0])]


def corner_volume():
    """Give a volume whose only bright voxel is the patient's right, front and top one."""
    volume = np.zeros((5, 6, 7))
    volume[4, 5, 6] = 1
    return volume


def test_slices_are_radiological():
    views = [(AXIAL, 6), (CORONAL, 5), (SAGITTAL, 4)]
    axial, coronal, sagittal = laid(("", corner_volume(), ONE, views, [])).axes
    for axes, shape in ((axial, (6, 5)), (coronal, (7, 5)), (sagittal, (7, 6))):
        shown = axes.images[0].get_array()
        # the patient's right (or front) is on the left of the picture, the front (or top) is up
        assert shown.shape == shape and axes.images[0].origin == "lower"
        assert shown[-1, 0] == 1 and shown.sum() == 1
    assert letters(axial) == letters(coronal) == ["R", "L"] and letters(sagittal) == ["A", "P"]


def test_panels_have_the_proportions_of_the_body():
    axial, coronal, sagittal = laid(
        ("", np.ones((10, 20, 4)), (1, 2, 5), [(AXIAL, 0), (CORONAL, 0), (SAGITTAL, 0)], [])
    ).axes
    for axes, width, height in ((axial, 10, 40), (coronal, 10, 20), (sagittal, 40, 20)):
        assert axes.images[0].get_extent() == [0, width, 0, height] and axes.get_aspect() == 1
        assert (np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())) == (width, height)


def test_a_line_follows_the_edge_a_fill_its_values_and_a_number_its_area():
    data, mask = np.ones((20, 30, 3)), np.zeros((20, 30, 3), bool)
    mask[4:8, 10:20] = True
    layers = [("line", mask, "#F0E442"), ("fill", mask * 2, {2: "#D55E00", 3: "red"}), ("number", mask * 7, None)]
    axes = laid(("", data, (2, 1, 1), [(AXIAL, 1)], layers)).axes[0]
    edge = np.concatenate([path.vertices for line in axes.collections for path in line.get_paths()])
    # 20 voxels of 2 mm, mirrored: voxels 4 to 7 lie 24 to 32 mm from the left
    assert (edge[:, 0].min(), edge[:, 0].max()) == pytest.approx((24, 32), abs=1)
    assert (edge[:, 1].min(), edge[:, 1].max()) == pytest.approx((10, 20), abs=1)
    shade, other = (image.get_array() for image in axes.images[1:])
    assert np.argwhere(shade[..., 3]).tolist() == [[y, x] for y in range(10, 20) for x in range(12, 16)]
    assert np.allclose(shade[10, 12], colors.to_rgba("#D55E00", panels.FILL)) and not other.any()
    rank = next(text for text in axes.texts if text.get_text() == "7")
    assert 24 < rank.get_position()[0] < 32 and 10 < rank.get_position()[1] < 20


def test_a_view_may_bring_its_own_data_and_title():
    own = np.full((4, 4, 4), 9.0)
    plain, other = laid(("label", np.ones((4, 4, 4)), ONE, [(AXIAL, 0), (AXIAL, 0, own, "T2")], [])).axes
    assert other.images[0].get_array().max() == 9 and plain.images[0].get_array().max() == 1
    assert other.get_title(loc="left") == "T2" and (plain.get_ylabel(), other.get_ylabel()) == ("label", "")


def test_simulated_is_written_into_the_picture():
    for simulated in (True, False):
        figure = laid(("", np.ones((4, 4, 4)), ONE, [(AXIAL, 0)], []), title="sub-X", simulated=simulated)
        title = figure.get_suptitle()
        assert title.startswith("sub-X") and ("SIMULATED" in title) == simulated


@pytest.mark.parametrize("words", [EVIL, "a $\\frac{$ b", "$x_1$", "é\n%s"])
def test_any_text_is_shown_as_it_is(words):
    figure = laid((words, np.ones((4, 4, 4)), ONE, [(AXIAL, 0, np.ones((4, 4, 4)), words)], []), title=words)
    assert [text.get_text() for text in figure.findobj(Text)].count(words) == 3
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text() == words)


def test_no_rows_still_give_a_picture():
    assert laid(title="empty").get_suptitle() == "empty"


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 9), (9, 9, 1)])
@pytest.mark.parametrize("fill", [0.0, 7.0, -3.0, np.nan, np.inf])
def test_strange_volumes_are_drawn(shape, fill):
    scan = images.image(np.full(shape, fill, np.float32), np.eye(4))
    data, _, sizes = panels.crop_head(scan)
    nothing, everything = np.zeros(data.shape, bool), np.ones(data.shape, bool)
    views = panels.choose_evenly(nothing)[2:] + panels.choose_by_weight(nothing, data, sizes)[2:]
    layers = [(kind, inside, look) for inside in (nothing, everything)
              for kind, look in (("line", "red"), ("fill", {1: "red"}), ("number", None))]  # fmt: skip
    figure = laid(("", data, sizes, views, layers))
    assert len(figure.axes) == 4 and all(np.isfinite(axes.images[0].get_clim()).all() for axes in figure.axes)


def test_odd_numbers_become_zero_and_the_others_stay():
    data = np.array([[[1.5, np.nan, -np.inf, np.inf, 4]]], np.float32)
    assert panels.read_finite(images.image(data, np.eye(4))).tolist() == [[[1.5, 0, 0, 0, 4]]]


def test_the_crop_keeps_the_head_with_a_margin_and_the_true_voxel_sizes():
    data = np.zeros((30, 30, 30), np.float32)
    data[10:20, 5:25, 8:12] = 100
    data[0, 0, 0] = 5  # noise of the background
    cropped, cut, sizes = panels.crop_head(images.image(data, np.diag([-2, 1, 3, 1])))
    assert [(part.start, part.stop) for part in cut] == [(8, 22), (3, 27), (6, 14)]
    assert np.array_equal(cropped, data[cut]) and sizes.tolist() == [2, 1, 3]
    whole, _, _ = panels.crop_head(images.image(data * 0, np.eye(4)))
    assert whole.shape == data.shape


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(0, 29)), max_size=4))
def test_even_views_lie_inside_the_mask(spots):
    mask = np.zeros((9, 10, 30), bool)
    for spot in spots:
        mask[spot] = True
    *axial, side = panels.choose_evenly(mask)
    box = images.grid_box(mask if spots else ~mask)
    assert [axis for axis, _ in axial] == [AXIAL] * 3 and side[0] == SAGITTAL
    assert all(box[2].start <= index < box[2].stop for _, index in axial) and box[0].start <= side[1] < box[0].stop
    assert [index for _, index in axial] == sorted(index for _, index in axial)


def test_the_slices_with_most_weight_are_shown_8_mm_apart():
    weight = np.zeros((10, 12, 40), int)
    weight[3, 7, [5, 6, 11, 20, 22, 30, 38]] = [9, 10, 8, 7, 6, 5, 4]
    chosen = panels.choose_by_weight(weight, weight, (1, 1, 2.0))  # 8 mm are 4 slices
    assert chosen == [(AXIAL, 6), (AXIAL, 11), (AXIAL, 20), (CORONAL, 7)]
    assert panels.choose_by_weight(weight, weight, ONE)[:-1] == [(AXIAL, 6), (AXIAL, 20), (AXIAL, 30)]
    weight[..., :38] = 0
    assert panels.choose_by_weight(weight, weight, ONE)[:-1] == [(AXIAL, 38)]


def test_without_weight_the_views_are_even():
    data = np.ones((10, 12, 40))
    assert panels.choose_by_weight(data * 0, data, ONE) == [*panels.choose_evenly(data > 0)[:3], (CORONAL, 6)]
