"""The standard scale: learnt from some, exact at the landmarks, and zero stays zero."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fake_cells import cell, train
from neurograft.imaging import packing
from neurograft.preprocessing import intensity_scale
from neurograft.training.slices import take_channels


def brain(seed=0, count=20000):
    """A z-scored brain with a skewed histogram."""
    values = np.random.default_rng(seed).gamma(2.0, 1.0, count)
    values -= np.median(values)
    return values / (1.4826 * np.median(np.abs(values)))


def look_up(table, values):
    return table[np.asarray(values, np.float16).view(np.uint16)]


def test_the_scale_is_the_mean_of_who_has_the_sequence():
    scale = intensity_scale.learn_scale([{"t1": [0, 1, 2]}, {"t1": [0, 3, 6], "t2": [1, 2, 3]}])
    assert scale == {"t1": [0, 2, 4], "t2": [1, 2, 3]}
    assert intensity_scale.learn_scale([{}, {}]) == {}


def test_histograms_of_other_shapes_come_to_the_standard_one():
    """Two scanners whose brains differ by a gamma curve, after the z-score too."""
    one, other = brain(), np.sign(brain(1)) * np.abs(brain(1)) ** 1.5
    standard = intensity_scale.learn_scale([{"t1": intensity_scale.find_landmarks(one)}])["t1"]
    moved = look_up(intensity_scale.tabulate_scale(intensity_scale.find_landmarks(other), standard), other)
    asked = (5, 25, 50, 75, 95)
    assert np.abs(np.percentile(other, asked) - np.percentile(one, asked)).max() > 0.5
    np.testing.assert_allclose(np.percentile(moved, asked), np.percentile(one, asked), atol=0.15)


@given(st.lists(st.floats(-50, 50, width=16), min_size=11, max_size=11), st.integers(0, 9))
def test_the_map_rises_and_keeps_zero(own, seed):
    standard = intensity_scale.find_landmarks(brain(seed, count=500))
    table = intensity_scale.tabulate_scale(sorted(own), standard)
    asked = np.unique(np.float16(np.linspace(-100, 100, 999)))
    asked = asked[asked != 0]
    assert (np.diff(look_up(table, asked).astype(float)) >= 0).all()
    assert (look_up(table, [0.0, -0.0]) == 0).all()


def test_landmarks_are_met_and_outer_pieces_go_on():
    own = [float(k) for k in range(11)]
    table = intensity_scale.tabulate_scale(own, [2 * value + 1 for value in own])
    np.testing.assert_allclose(look_up(table, [1, 2.5, 10, 20, -3]), [3, 6, 21, 41, -5])


def test_an_even_image_is_shifted():
    table = intensity_scale.tabulate_scale([2.0] * 11, list(range(11)))
    np.testing.assert_allclose(look_up(table, [2, 3]), [5, 6])


@pytest.mark.parametrize("axis", [0, 1])
def test_channels_are_read_on_the_scale(axis):
    array = np.random.default_rng(0).normal(size=(3, 3, 8, 9)).astype(np.float16)
    case = {"index": {"landmarks": {"t1": [-1, 0, 1], "t2": [-2, 0, 2]}}}
    scaled = intensity_scale.bring_to_scale(case, ["t2", "t1", "flair"], {"t1": [-3, 0, 3], "flair": [0, 1, 2]})
    taken = np.moveaxis(take_channels(array, [1, 0, None], axis, scaled["scale"]), axis, 0)
    plain = np.moveaxis(take_channels(array, [1, 0, None], axis), axis, 0)
    np.testing.assert_array_equal(taken[0], plain[0])  # the scale has no t2
    np.testing.assert_allclose(taken[1], 3 * plain[1].astype(float), rtol=2e-3, atol=1e-5)
    assert not taken[2].any()
    assert intensity_scale.bring_to_scale(case, ["t1"], {}) is case


def test_a_cell_learns_its_scale_from_its_training_patients(cell_cohort, tmp_path):
    """Who is tested may come from any scanner: twice as bright, the network gets the same and answers the same."""
    slices, split = cell_cohort
    landmarks = {name: intensity_scale.find_landmarks(brain(k)) for k, name in enumerate(("t1c", "t2", "flair"))}
    made = []
    for gain in (1, 2):
        folders = {}
        for subject, folder in slices.items():
            folders[subject] = tmp_path / f"{gain}/{subject}/slices"
            shutil.copytree(folder, folders[subject])
            own = gain if subject == "p0" else 1
            packing.write_packed(
                folders[subject] / "images.zlib", packing.PackedArray(folder / "images.zlib")[:] * np.float16(own)
            )
            index = json.loads((folder / "index.json").read_text())
            index["landmarks"] = {name: (own * np.array(values)).tolist() for name, values in landmarks.items()}
            (folders[subject] / "index.json").write_text(json.dumps(index))
        made.append(train(tmp_path / f"{gain}/cell", (folders, split), cell(fold=0)))
    assert made[0]["intensity_scale"] == made[1]["intensity_scale"] == landmarks
    assert made[0]["weights_sha256"] == made[1]["weights_sha256"]
    one, other = (np.load(tmp_path / f"{gain}/cell/sub-p0.npz")["WT"].astype(int) for gain in (1, 2))
    assert np.abs(one - other).max() <= 2
