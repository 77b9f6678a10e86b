"""What goes with the site, and what does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft import intensity, site_effects, tables
from neurograft.site_effects import compare_sites, gather_intensities, site_effect


def test_all_none_and_by_chance():
    sites = ["A"] * 20 + ["B"] * 20
    assert site_effect([0.0 + k for k in range(20)] + [100.0 + k for k in range(20)], sites) > 0.7
    assert site_effect([float(k % 20) for k in range(40)], sites) == 0
    rng = np.random.default_rng(0)
    chance = [site_effect(rng.normal(size=40), rng.permutation(sites)) for _ in range(200)]
    assert np.mean(chance) < 0.03


@given(st.lists(st.integers(-50, 50), min_size=12, max_size=12, unique=True))
@settings(deadline=None, max_examples=25)
def test_any_rising_scale_gives_the_same_share(values):
    sites = ["A", "B", "C"] * 4
    assert site_effect(values, sites) == pytest.approx(site_effect([np.exp(v / 20) for v in values], sites))


def test_what_cannot_be_compared_is_none():
    assert site_effect([1, 2, 3, 4], ["A"] * 4) is None
    assert site_effect([1, 2, 3, 4, 5], ["A", "A", "A", "B", "B"]) is None
    assert site_effect([1.0] * 6, ["A", "B"] * 3) is None
    assert site_effect([], []) is None


def cohort(gains, patients=5):
    """Statuses and records of patients whose scanners differ in gain alone."""
    rng = np.random.default_rng(1)
    statuses, records = [], []
    for site, gain in gains.items():
        for number in range(patients):
            from test_intensity import subject

            _, record = intensity.normalize_intensity(subject(seed=number, scale=gain * rng.uniform(0.97, 1.03)))
            statuses.append({"subject": f"{site}{number}", "site": site})
            records.append(record)
    return statuses, records


def test_a_difference_of_gain_is_there_before_and_gone_after(tmp_path):
    rows = gather_intensities(*cohort({"A": 1.0, "": 3.0}))
    assert len(rows) == 2 * 5 * 2 * 2
    tables.write_table(tmp_path / "t.tsv", rows, site_effects.COLUMNS)
    first, second = compare_sites(tables.read_table(tmp_path / "t.tsv"))
    assert (first["sequence"], second["sequence"]) == ("t1c", "flair")
    assert [row["site"] for row in first["sites"]] == ["A", "not stated"]
    low, high = (row["before"][2] for row in first["sites"])
    assert high / low == pytest.approx(3, rel=0.1)
    assert first["effects"]["median"]["before"] > 0.6 and first["effects"]["median"]["after"] is None
    assert first["effects"]["95th percentile"]["before"] > 0.6 and first["effects"]["95th percentile"]["after"] < 0.1


def test_one_site_and_scans_without_brain_are_no_comparison():
    assert compare_sites(gather_intensities(*cohort({"A": 1.0}, patients=3))) == compare_sites([]) == []
    status, old = {"subject": "x", "site": ""}, {"flags": []}
    assert gather_intensities([status], [old]) == []
    assert gather_intensities([status], [{"intensities": {"before": {"t1": []}, "after": {"t1": []}}}]) == []
