"""The heads of one person. A T1 takes half a minute: benchmarks and `docs/results.md` have real ones."""

import numpy as np
import pytest

from neurograft.eeg import heads, person_heads, simulated_people
from neurograft.eeg.heads import Head
from neurograft.eeg.person_heads import HeadError, face_white_matter, flag_inside, model_head
from neurograft.eeg.trials import Trials
from neurograft.imaging.nifti import image


def test_the_cortex_faces_away_from_the_persons_own_white_matter():
    """White matter is a bright ball; normals that were 35 degrees off become radial."""
    places = np.moveaxis(np.indices((60, 60, 60)), 0, -1) * 1.5 - 45.0
    radius = np.linalg.norm(places, axis=-1)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = -45.0
    scan = image(np.where(radius < 30, 100, 60).astype(np.float32), affine)
    directions = heads.list_directions()[0]
    wrong = simulated_people.turn_normals(0.03 * directions, directions, 35.0, np.random.default_rng(0))
    head = Head(np.zeros(3), np.full((3, 642), 0.05), 0.03 * directions, wrong, np.eye(4))
    turned, angle = face_white_matter(head, scan, radius < 42)
    assert angle == pytest.approx(35, abs=8)
    right = np.einsum("ij,ij->i", turned.normals, directions) > np.cos(np.radians(10))
    # where the gradient is weakest, the old ones stay
    assert right.mean() > 0.7
    np.testing.assert_allclose(np.linalg.norm(turned.normals, axis=1), 1)


def test_a_simulated_head_is_known_to_some_degrees_and_by_the_channels_that_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(person_heads, "read_template", lambda: None)
    generator, count = np.random.default_rng(0), len(simulated_people.CHANNELS)
    cortex = generator.normal(0, 0.05, (40, 3))
    normals = cortex / np.linalg.norm(cortex, axis=1, keepdims=True)
    free = generator.normal(0, 1, (count, 40, 3))
    folder = tmp_path / "sub-01"
    folder.mkdir()
    np.savez(folder / "truth.npz", free=free, cortex=cortex, normals=normals)
    left = simulated_people.CHANNELS[1:]
    trials = Trials(np.zeros((2, len(left), 4)), ("a", "b"), np.arange(2.0), left, np.zeros((len(left), 3)), 100.0)
    sources, options = {"t1": "", "truth": str(folder / "truth.npz")}, {"spaces": ["cortex"], "seed": 0, "known": 0}
    gains, record = model_head(trials, sources, options)
    np.testing.assert_allclose(gains["cortex"], heads.orient(free[1:], normals), atol=1e-9)
    assert record["fault"] == ""
    assert not np.allclose(model_head(trials, sources, options | {"known": 30})[0]["cortex"], gains["cortex"])


def test_a_cortex_that_leaves_the_skull_is_flagged_and_then_refused():
    assert flag_inside(0.994) == []
    # a real head with a tumour
    assert flag_inside(0.956) == ["4.4 % of the cortex lay outside the skull and was drawn in: look at the T1"]
    with pytest.raises(HeadError, match="only 90 % of the cortex"):
        flag_inside(0.9)


def test_whoever_has_no_trials_has_no_head():
    assert model_head(None, {"t1": "", "truth": ""}, {}) == ({}, {"fault": ""})


def test_sensors_alone_need_no_head(monkeypatch):
    monkeypatch.setattr(person_heads, "read_template", lambda: None)
    trials = Trials(np.zeros((2, 3, 4)), ("a", "b"), np.arange(2.0), ("C3", "CZ", "C4"), np.zeros((3, 3)), 100.0)
    assert model_head(trials, {"t1": "", "truth": ""}, {"spaces": ["sensors"]}) == ({}, {"fault": ""})
