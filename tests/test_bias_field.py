"""A planted sensitivity is taken out; what has none, or is no image, stays as it is."""

import numpy as np
import pytest

from neurograft import bias_field

SPACING = (3.0, 3.0, 3.0)


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
    before, after = data * field, bias_field.correct_bias(data * field, inside, SPACING)
    assert spread(after, inside, tissue) < 0.3 * spread(before, inside, tissue)
    contrast = [each[inside & tissue].mean() / each[inside & ~tissue].mean() for each in (data, after)]
    assert contrast[1] == pytest.approx(contrast[0], rel=0.05)


def test_an_even_image_stays_even(head):
    data, inside, _ = head
    ratio = bias_field.correct_bias(data, inside, SPACING)[inside] / data[inside]
    assert ratio.std() / ratio.mean() < 0.03


def test_what_is_no_brain_keeps_its_value_and_the_same_image_gives_the_same_bytes(head):
    data, inside, field = head
    seen = data * field + np.where(inside, 0, 17).astype(np.float32)
    seen[tuple(np.argwhere(inside)[0])] = -5
    before = seen.copy()
    first, second = (bias_field.correct_bias(seen, inside, SPACING) for _ in range(2))
    assert first.tobytes() == second.tobytes() and np.array_equal(seen, before)
    assert np.all(first[~inside] == 17) and first[tuple(np.argwhere(inside)[0])] == -5


@pytest.mark.parametrize("strange", ["nothing", "flat", "a few voxels"])
def test_what_shows_no_field_is_not_blown_up(strange):
    data, inside = np.zeros((10, 10, 10), np.float32), np.zeros((10, 10, 10), bool)
    if strange == "flat":
        data[:], inside[:] = 4, True
    if strange == "a few voxels":
        data[4:6, 4:6, 4], inside[4:6, 4:6, 4] = [[1, 2], [3, 4]], True
    found = bias_field.correct_bias(data, inside, SPACING)
    assert np.isfinite(found).all() and not found[~inside].any()
    if strange == "a few voxels":
        # N4 alone makes ten millions of them
        factors = found[inside] / data[inside]
        assert factors.max() <= bias_field.LARGEST * factors.min()
        assert np.median(factors) == pytest.approx(1, rel=0.1)
    else:
        assert np.array_equal(found, data)
