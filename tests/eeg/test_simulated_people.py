"""Simulated people of known truth."""

import numpy as np
import pytest

from neurograft.eeg import simulated_people
from neurograft.eeg.simulated_people import Population


def test_normals_are_turned_by_the_median_that_is_asked_for():
    generator = np.random.default_rng(0)
    normals = generator.normal(0, 1, (1500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    turned = simulated_people.turn_normals(0.07 * normals, normals, 30.0, generator)
    angles = np.degrees(np.arccos(np.clip(np.einsum("ij,ij->i", normals, turned), -1, 1)))
    assert np.median(angles) == pytest.approx(30, abs=4)
    np.testing.assert_allclose(simulated_people.turn_normals(0.07 * normals, normals, 0.0, generator), normals)


def test_a_cap_turned_stays_rigid():
    cap = np.random.default_rng(0).normal(0, 0.1, (8, 3))
    turned = simulated_people.turn_cap(cap, Population(), np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(cap, axis=1))
    assert 0 < np.abs(turned - cap).max() < 0.06


def test_classes_differ_at_the_sources_and_only_there():
    cortex = np.random.default_rng(0).normal(0, 0.05, (200, 3))
    # every channel is one vertex: what is seen is what is there
    gain, population = np.eye(200) * 1e2, Population(trials=40, signal=100.0, noise=0.1, jitter=0.0)
    sources = simulated_people.choose_sources(cortex, population, np.random.default_rng(0))
    data, labels = simulated_people.simulate_trials(gain, cortex, sources, population, np.random.default_rng(1))
    right = np.array([label == "right" for label in labels])
    assert data.shape == (80, 200, 80) and right.sum() == 40
    difference = np.abs(data[right].mean(0) - data[~right].mean(0)).max(axis=1)
    assert set(np.argsort(-difference)[:4]) & set(sources)
    assert difference[sources].min() > 3 * np.median(difference)


def test_people_of_another_seed_have_other_heads():
    pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")
    from neurograft.eeg.heads import measure_inside, read_template

    template = read_template()
    one, other = (
        simulated_people.simulate_head(template, Population(), np.random.default_rng(seed)) for seed in (0, 1)
    )
    assert np.abs(one.radii - other.radii).max() > 0.001
    assert min(measure_inside(one), measure_inside(other)) > 0.98
