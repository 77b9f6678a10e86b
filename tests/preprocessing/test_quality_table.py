"""Numbers with known truths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_intensities import make_subject
from neurograft.core import tables
from neurograft.imaging import masks, measures, nifti
from neurograft.preprocessing import intensity, quality_table


def test_volume_is_in_millilitres_whatever_the_axes():
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[:10, :10, :10] = 1
    affine = np.diag([-2.0, 1.0, 0.5, 1.0])
    assert masks.mask_volume(nifti.image(mask, affine)) == pytest.approx(1.0)


def test_overlap():
    first, second = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert masks.overlap(first, second) == 0.5
    assert masks.overlap(first & False, second & False) == 0


def test_mutual_information_of_identical_and_of_independent_images():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(size=(2, 40, 40, 40))
    inside = np.ones(first.shape, bool)
    assert measures.mutual_information(first, first, inside) == pytest.approx(2)
    assert measures.mutual_information(first, -3 * first, inside) == pytest.approx(2, abs=0.15)
    assert measures.mutual_information(first, second, inside) == pytest.approx(1, abs=0.01)
    assert measures.mutual_information(first, 0 * second, inside) == 1
    assert measures.mutual_information(first, second, ~inside, normalized=False) == 0


@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_noise_is_measured_on_a_slope_and_past_an_edge(sigma):
    rng = np.random.default_rng(1)
    data = np.indices((60, 60, 10))[0] * 3.0
    data[30:] += 200
    data += rng.normal(0, sigma, data.shape)
    assert measures.noise_level(data, np.ones(data.shape, bool)) == pytest.approx(sigma, rel=0.1)


def test_contrast_to_noise_halves_when_the_noise_doubles():
    rng = np.random.default_rng(2)
    tissue = np.repeat(np.repeat(rng.integers(1, 3, (12, 12, 10)), 6, 0), 6, 1) * 50.0
    inside = np.ones(tissue.shape, bool)
    values = [measures.contrast_to_noise(tissue + rng.normal(0, s, tissue.shape), inside) for s in (2.0, 4.0)]
    assert values[0] / values[1] == pytest.approx(2, rel=0.3)
    assert measures.contrast_to_noise(0 * tissue + 7, inside) == 0
    assert measures.contrast_to_noise(tissue, ~inside) == 0


def test_outliers_need_enough_subjects_and_a_spread():
    rows = [{"volume": 1400 + 10 * k, "same": 3} for k in range(6)]
    rows.append({"volume": 500, "same": 9})
    rows.append({"volume": None, "same": float("nan")})
    marked = quality_table.mark_outliers(rows, ["volume", "same", "absent"])
    assert marked == [[]] * 6 + [["volume"], []]
    assert quality_table.mark_outliers(rows[3:7], ["volume"]) == [[]] * 4


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=30), st.floats(0.1, 10), st.floats(-50, 50))
def test_outliers_do_not_depend_on_the_unit(values, scale, shift):
    rows = [{"a": round(v, 3), "b": round(v, 3) * scale + shift} for v in values]
    spread = np.median(np.abs(np.array([r["a"] for r in rows]) - np.median([r["a"] for r in rows])))
    marked = quality_table.mark_outliers(rows, ["a", "b"])
    distance = [abs(abs(r["a"] - np.median([q["a"] for q in rows])) - 3.5 * 1.4826 * spread) for r in rows]
    if spread > 1e-2 and min(distance) > 1e-3:
        assert all(("a" in columns) == ("b" in columns) for columns in marked)


def test_one_row_for_each_subject():
    row = quality_table.quality_row(
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


def test_all_none_and_by_chance():
    sites = ["A"] * 20 + ["B"] * 20
    assert quality_table.site_effect([0.0 + k for k in range(20)] + [100.0 + k for k in range(20)], sites) > 0.7
    assert quality_table.site_effect([float(k % 20) for k in range(40)], sites) == 0
    rng = np.random.default_rng(0)
    chance = [quality_table.site_effect(rng.normal(size=40), rng.permutation(sites)) for _ in range(200)]
    assert np.mean(chance) < 0.03


@given(st.lists(st.integers(-50, 50), min_size=12, max_size=12, unique=True))
@settings(deadline=None, max_examples=25)
def test_any_rising_scale_gives_the_same_share(values):
    sites = ["A", "B", "C"] * 4
    assert quality_table.site_effect(values, sites) == pytest.approx(
        quality_table.site_effect([np.exp(v / 20) for v in values], sites)
    )


def test_what_cannot_be_compared_is_none():
    assert quality_table.site_effect([1, 2, 3, 4], ["A"] * 4) is None
    assert quality_table.site_effect([1, 2, 3, 4, 5], ["A", "A", "A", "B", "B"]) is None
    assert quality_table.site_effect([1.0] * 6, ["A", "B"] * 3) is None
    assert quality_table.site_effect([], []) is None


def cohort(gains, patients=5):
    """Statuses and records of patients whose scanners differ in gain alone."""
    rng = np.random.default_rng(1)
    statuses, records = [], []
    for site, gain in gains.items():
        for number in range(patients):
            _, record = intensity.normalize_intensity(make_subject(seed=number, scale=gain * rng.uniform(0.97, 1.03)))
            statuses.append({"subject": f"{site}{number}", "site": site})
            records.append(record)
    return statuses, records


def test_a_difference_of_gain_is_there_before_and_gone_after(tmp_path):
    rows = quality_table.gather_intensities(*cohort({"A": 1.0, "": 3.0}))
    assert len(rows) == 2 * 5 * 2 * 2
    tables.write_table(tmp_path / "t.tsv", rows, quality_table.COLUMNS)
    first, second = quality_table.compare_sites(tables.read_table(tmp_path / "t.tsv"))
    assert (first["sequence"], second["sequence"]) == ("t1c", "flair")
    assert [row["site"] for row in first["sites"]] == ["A", "not stated"]
    low, high = (row["before"][2] for row in first["sites"])
    assert high / low == pytest.approx(3, rel=0.1)
    assert first["effects"]["median"]["before"] > 0.6 and first["effects"]["median"]["after"] is None
    assert first["effects"]["95th percentile"]["before"] > 0.6 and first["effects"]["95th percentile"]["after"] < 0.1


def test_one_site_and_scans_without_brain_are_no_comparison():
    assert (
        quality_table.compare_sites(quality_table.gather_intensities(*cohort({"A": 1.0}, patients=3)))
        == quality_table.compare_sites([])
        == []
    )
    status, old = {"subject": "x", "site": ""}, {"flags": []}
    assert quality_table.gather_intensities([status], [old]) == []
    assert (
        quality_table.gather_intensities([status], [{"intensities": {"before": {"t1": []}, "after": {"t1": []}}}]) == []
    )
