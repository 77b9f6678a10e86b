"""A planted sensitivity is taken out; what has none, or is no image, stays as it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_intensities import AFFINE, make_subject
from neurograft.imaging import nifti, packing
from neurograft.preprocessing import intensity

SPACING, COARSE = (3.0, 3.0, 3.0), (6.0, 6.0, 6.0)


@pytest.fixture(scope="module")
def head():
    """A ball of two tissues with a little noise, and the field of a coil at one side."""
    x, y, z = (np.indices((48, 48, 40)).T - [24, 24, 20]).T
    inside = x**2 + y**2 + (1.2 * z) ** 2 < 20**2
    tissue = np.where(x**2 + y**2 + z**2 < 11**2, 140.0, 100.0)
    noise = np.random.default_rng(0).normal(0, 1.5, inside.shape)
    field = np.exp(0.02 * x + 0.0006 * y**2)
    return ((tissue + noise) * inside).astype(np.float32), inside, field.astype(np.float32)


def spread(data, inside, tissue):
    """Coefficient of variation within each tissue, the mean of both."""
    return np.mean([data[inside & part].std() / data[inside & part].mean() for part in (tissue, ~tissue)])


def test_a_planted_field_is_found_and_the_tissues_stay_apart(head):
    data, inside, field = head
    tissue = data > 120
    before, after = data * field, intensity.correct_bias(data * field, inside, SPACING)
    assert spread(after, inside, tissue) < 0.3 * spread(before, inside, tissue)
    contrast = [each[inside & tissue].mean() / each[inside & ~tissue].mean() for each in (data, after)]
    assert contrast[1] == pytest.approx(contrast[0], rel=0.05)


def test_an_even_image_stays_even(head):
    data, inside, _ = head
    ratio = intensity.correct_bias(data, inside, SPACING)[inside] / data[inside]
    assert ratio.std() / ratio.mean() < 0.03


def test_what_is_no_brain_keeps_its_value_and_the_same_image_gives_the_same_bytes(head):
    data, inside, field = (each[::2, ::2, ::2] for each in head)
    seen = data * field + np.where(inside, 0, 17).astype(np.float32)
    seen[tuple(np.argwhere(inside)[0])] = -5
    before = seen.copy()
    first, second = (intensity.correct_bias(seen, inside, COARSE) for _ in range(2))
    assert first.tobytes() == second.tobytes() and np.array_equal(seen, before)
    assert np.all(first[~inside] == 17) and first[tuple(np.argwhere(inside)[0])] == -5


@pytest.mark.parametrize("strange", ["nothing", "flat", "a few voxels"])
def test_what_shows_no_field_is_not_blown_up(strange):
    data, inside = np.zeros((10, 10, 10), np.float32), np.zeros((10, 10, 10), bool)
    if strange == "flat":
        data[:], inside[:] = 4, True
    if strange == "a few voxels":
        data[4:6, 4:6, 4], inside[4:6, 4:6, 4] = [[1, 2], [3, 4]], True
    found = intensity.correct_bias(data, inside, SPACING)
    assert np.isfinite(found).all() and not found[~inside].any()
    if strange == "a few voxels":
        # N4 alone makes ten millions of them
        factors = found[inside] / data[inside]
        assert factors.max() <= intensity.LARGEST * factors.min()
        assert np.median(factors) == pytest.approx(1, rel=0.1)
    else:
        assert np.array_equal(found, data)


@pytest.mark.parametrize("method", intensity.INTENSITY_METHODS)
@given(scale=st.floats(0.01, 300), shift=st.floats(1, 1000))
@settings(deadline=None, max_examples=10)
def test_a_scanner_s_own_scale_is_gone(method, scale, shift):
    plain, _ = intensity.normalize_intensity(make_subject(), method)
    other, _ = intensity.normalize_intensity(make_subject(scale=scale, shift=shift * scale), method)
    np.testing.assert_allclose(other["t1c"].dataobj, plain["t1c"].dataobj, atol=0.02)


def test_methods_have_the_middle_and_spread_they_promise():
    registered = make_subject()
    inside = np.asanyarray(registered["brain"].dataobj) > 0
    values = {
        m: np.asanyarray(intensity.normalize_intensity(registered, m)[0]["t1c"].dataobj)[inside]
        for m in intensity.INTENSITY_METHODS
    }
    robust = values["robust-zscore"]
    assert np.median(robust) == pytest.approx(0, abs=1e-5)
    assert 1.4826 * np.median(np.abs(robust)) == pytest.approx(1, abs=1e-5)
    assert (values["zscore"].mean(), values["zscore"].std()) == pytest.approx((0, 1), abs=1e-4)
    assert (values["percentile"].min(), values["percentile"].max()) == pytest.approx((0, 1))


@pytest.mark.parametrize(("sequence", "modes"), [("t1", (40, 70, 100)), ("t2", (120, 70, 50))])
def test_whitestripe_puts_white_matter_at_zero(sequence, modes):
    """Fluid, grey and white matter, with more white than grey; on T1 a lesion darkens neither middle nor spread."""
    rng = np.random.default_rng(0)
    sizes = (2000, 9000, 12000)
    values = np.concatenate([rng.normal(mode, 5, size) for mode, size in zip(modes, sizes, strict=True)])
    middle, spread = intensity.whitestripe(values, sequence)
    assert middle == pytest.approx(modes[2], abs=1.5)
    with_lesion = np.concatenate([values, rng.normal(modes[0], 5, 3000)])
    assert intensity.whitestripe(with_lesion, sequence) == pytest.approx((middle, spread), rel=0.25)
    assert 3 < spread < 12
    scaled = intensity.whitestripe(300 * values + 7, sequence)
    assert scaled == pytest.approx((300 * middle + 7, 300 * spread), rel=1e-3)


def test_bias_correction_evens_out_a_coil_s_sensitivity_and_repeats_itself():
    rng = np.random.default_rng(0)
    grid = np.indices((30, 36, 24)) - np.reshape((15, 18, 12), (3, 1, 1, 1))
    brain = (grid[0] / 13) ** 2 + (grid[1] / 16) ** 2 + (grid[2] / 10) ** 2 < 1
    tissue = np.where(rng.uniform(size=brain.shape) < 0.5, 100, 70) + rng.normal(0, 2, brain.shape)
    data = (brain * tissue * np.exp(0.3 * grid[1] / 16)).astype(np.float32)
    registered = {"t1": nifti.image(data, AFFINE * 2), "brain": nifti.image(brain.astype(np.uint8), AFFINE * 2)}
    values = {}
    for corrected in (False, True):
        done, record = intensity.normalize_intensity(registered, bias_correction=corrected)
        values[corrected] = np.asanyarray(done["t1"].dataobj)
        assert record["bias_correction"] == corrected and not values[corrected][~brain].any()
    slope = {key: np.polyfit(grid[1][brain], each[brain], 1)[0] for key, each in values.items()}
    assert abs(slope[True]) < 0.3 * abs(slope[False])
    again, _ = intensity.normalize_intensity(registered, bias_correction=True)
    np.testing.assert_array_equal(again["t1"].dataobj, values[True])


def test_zero_outside_and_a_record():
    normalised, record = intensity.normalize_intensity(make_subject())
    outside = np.asanyarray(normalised["brain"].dataobj) == 0
    assert not np.any(np.asanyarray(normalised["flair"].dataobj)[outside])
    assert normalised["flair"].get_data_dtype() == np.float32
    assert set(record["contrast_to_noise"]) == {"t1c", "flair"}
    assert record["flags"] == []


def test_strange_data_are_flagged_not_raised():
    registered = make_subject()
    flat = np.asanyarray(registered["brain"].dataobj).astype(np.float32)
    slab = np.asanyarray(registered["t1c"].dataobj).copy()
    slab[:, :, 7:] = 0
    registered |= {"flair": nifti.image(flat, AFFINE), "t1c": nifti.image(slab, AFFINE)}
    _, record = intensity.normalize_intensity(registered)
    assert record["flags"] == ["t1c: the scan shows only 45 % of the brain", "flair: no contrast inside the brain"]
    empty = registered | {"brain": nifti.image(np.zeros((20, 24, 16), np.uint8), AFFINE)}
    normalised, record = intensity.normalize_intensity(empty)
    assert "the brain mask is empty" in record["flags"]
    assert intensity.cut_slices(normalised)[0].shape == (16, 2, 20, 24)


def test_mostly_one_value_does_not_divide_by_zero():
    registered = make_subject()
    data = np.asanyarray(registered["t1c"].dataobj).copy()
    data[(data > 0) & (data < 150)] = 32000
    registered["t1c"] = nifti.image(data, AFFINE)
    assert np.all(np.isfinite(intensity.normalize_intensity(registered)[0]["t1c"].dataobj))


def test_slices_are_the_brain_s_box_and_lead_back():
    registered = make_subject()
    marks = np.zeros((20, 24, 16), np.uint8)
    marks[6:9, 7:9, 5] = 4
    normalised, _ = intensity.normalize_intensity(registered)
    stack, labels, index = intensity.cut_slices(normalised, nifti.image(marks, AFFINE))
    assert stack.shape == (11, 2, 12, 17) and stack.dtype == np.float16
    assert index["box"] == [[4, 16], [3, 20], [2, 13]] and index["sequences"] == ["t1c", "flair"]
    assert index["shape"] == [20, 24, 16] and index["spacing"] == [2, 2, 2]
    np.testing.assert_allclose(stack[3, 1], np.asanyarray(normalised["flair"].dataobj)[4:16, 3:20, 5], atol=5e-3)
    assert labels.dtype == np.uint8 and labels[3, 2:5, 4:6].min() == 4 and (labels > 0).sum() == 6
    assert intensity.cut_slices(normalised)[1] is None


def test_packed_image_keeps_zero_and_nearly_everything(tmp_path):
    normalised, _ = intensity.normalize_intensity(make_subject())
    nifti.write_image(tmp_path / "a.nii.gz", packing.as_int16(normalised["t1c"]))
    data = np.asanyarray(normalised["t1c"].dataobj)
    back = np.asanyarray(nifti.read_image(tmp_path / "a.nii.gz").dataobj)
    np.testing.assert_allclose(back, data, atol=np.abs(data).max() / 65000)
    assert not np.any(back[data == 0])


def test_a_zero_inside_of_a_prepared_scan_is_a_value():
    rng = np.random.default_rng(0)
    data = rng.uniform(50, 60, (10, 12, 6)).astype(np.float32)
    data[4, 5, 3] = 0
    whole = {"mri": nifti.image(data, np.eye(4)), "brain": nifti.image(np.ones(data.shape, np.uint8), np.eye(4))}
    for prepared, low in ((True, True), (False, False)):
        normalised, record = intensity.normalize_intensity(whole, prepared=prepared)
        value = np.asanyarray(normalised["mri"].dataobj)[4, 5, 3]
        assert (value < -1) == low and (value == 0) != low
        assert (record["coverage"]["mri"] == 1) == prepared
    images, _, index = intensity.cut_slices(normalised)
    assert index["sequences"] == ["mri"] and images.shape == (6, 1, 10, 12)
