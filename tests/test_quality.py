"""Numbers with known truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft import images, quality


def test_volume_is_in_millilitres_whatever_the_axes():
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[:10, :10, :10] = 1
    affine = np.diag([-2.0, 1.0, 0.5, 1.0])
    assert quality.mask_volume(images.image(mask, affine)) == pytest.approx(1.0)


def test_overlap():
    first, second = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert quality.overlap(first, second) == 0.5
    assert quality.overlap(first & False, second & False) == 0


def test_mutual_information_of_identical_and_of_independent_images():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(size=(2, 40, 40, 40))
    inside = np.ones(first.shape, bool)
    assert quality.mutual_information(first, first, inside) == pytest.approx(2)
    assert quality.mutual_information(first, -3 * first, inside) == pytest.approx(2, abs=0.15)
    assert quality.mutual_information(first, second, inside) == pytest.approx(1, abs=0.01)
    assert quality.mutual_information(first, 0 * second, inside) == 1
    assert quality.mutual_information(first, second, ~inside, normalized=False) == 0


@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_noise_is_measured_on_a_slope_and_past_an_edge(sigma):
    rng = np.random.default_rng(1)
    data = np.indices((60, 60, 10))[0] * 3.0
    data[30:] += 200
    data += rng.normal(0, sigma, data.shape)
    assert quality.noise_level(data, np.ones(data.shape, bool)) == pytest.approx(sigma, rel=0.1)


def test_contrast_to_noise_halves_when_the_noise_doubles():
    rng = np.random.default_rng(2)
    tissue = np.repeat(np.repeat(rng.integers(1, 3, (12, 12, 10)), 6, 0), 6, 1) * 50.0
    inside = np.ones(tissue.shape, bool)
    values = [quality.contrast_to_noise(tissue + rng.normal(0, s, tissue.shape), inside) for s in (2.0, 4.0)]
    assert values[0] / values[1] == pytest.approx(2, rel=0.3)
    assert quality.contrast_to_noise(0 * tissue + 7, inside) == 0
    assert quality.contrast_to_noise(tissue, ~inside) == 0


def test_outliers_need_enough_subjects_and_a_spread():
    rows = [{"volume": 1400 + 10 * k, "same": 3} for k in range(6)]
    rows.append({"volume": 500, "same": 9})
    rows.append({"volume": None, "same": float("nan")})
    marked = quality.mark_outliers(rows, ["volume", "same", "absent"])
    assert marked == [[]] * 6 + [["volume"], []]
    assert quality.mark_outliers(rows[3:7], ["volume"]) == [[]] * 4


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=30), st.floats(0.1, 10), st.floats(-50, 50))
def test_outliers_do_not_depend_on_the_unit(values, scale, shift):
    rows = [{"a": round(v, 3), "b": round(v, 3) * scale + shift} for v in values]
    spread = np.median(np.abs(np.array([r["a"] for r in rows]) - np.median([r["a"] for r in rows])))
    marked = quality.mark_outliers(rows, ["a", "b"])
    distance = [abs(abs(r["a"] - np.median([q["a"] for q in rows])) - 3.5 * 1.4826 * spread) for r in rows]
    if spread > 1e-2 and min(distance) > 1e-3:
        assert all(("a" in columns) == ("b" in columns) for columns in marked)


def test_one_row_for_each_subject():
    row = quality.quality_row(
        {"volume_ml": {"t1": 1500.0}, "second": {"agreement": {"t1": 0.95}}, "flags": ["t1: odd"]},
        {"similarity": {"template": 1.1}, "overlap": {"template": 0.9}, "volume_change": {"lesion": 0.01}}
        | {"cut": {"flair": {"area_mm2": 70.0}}, "look": ["see"]},
        {"contrast_to_noise": {"t1": 9.0}, "flags": ["t1: dark"]},
    )
    assert row == {
        "volume_ml_t1": 1500.0,
        "similarity_template": 1.1,
        "overlap_template": 0.9,
        "volume_change_lesion": 0.01,
        "agreement_t1": 0.95,
        "cut_mm2_flair": 70.0,
        "contrast_to_noise_t1": 9.0,
        "look": "see",
        "flags": "t1: odd; t1: dark",
    }
