"""The simulated tumour: speed, conservation, label rules."""

import numpy as np
import pytest
from scipy import ndimage

from neurograft.simulation.tumours import ENHANCING, NECROSIS, OEDEMA, VISIBLE, grow_tumour, label_tumour

SHAPE = (41, 41, 41)
MIDDLE = (20, 20, 20)


def tissue(white_part):
    white = np.zeros(SHAPE, np.float32)
    white[white_part] = 1
    return white, 1 - white


def test_grows_faster_in_white_matter_than_in_grey():
    white, grey = tissue(np.s_[20:])
    density, _ = grow_tumour(white, grey, MIDDLE, 2.0, 25.0)
    seen = density[:, 20, 20] > VISIBLE
    assert seen[20:].sum() > 1.5 * seen[:20].sum() > 0


def test_is_round_where_the_tissue_is_the_same_everywhere():
    white, grey = tissue(np.s_[:])
    density, _ = grow_tumour(white, grey, MIDDLE, 2.0, 25.0)
    np.testing.assert_allclose(density, density[::-1], atol=1e-4)
    np.testing.assert_allclose(density, density.transpose(2, 0, 1), atol=1e-4)


def test_speed_of_the_front_is_that_of_the_theory():
    """2 sqrt(D rho) in time units of 1 / D; a front in one dimension is 3 (log t) / 2 late, so the bound is loose."""
    white, grey = np.ones((3, 3, 200), np.float32), np.zeros((3, 3, 200), np.float32)
    far = []
    for volume in (0.6, 1.2):
        density, load = grow_tumour(white, grey, (1, 1, 0), 1.0, volume, width=3.0)
        far.append((np.count_nonzero(density[1, 1] > VISIBLE), load[1, 1, 0]))
    steps = far[1][1] - far[0][1]  # the seed is full: its load counts the time steps
    speed = (far[1][0] - far[0][0]) / (steps / 6.5)
    assert speed == pytest.approx(2 / 3.0, rel=0.15)


def test_stays_out_of_fluid_and_stops_when_the_tissue_is_used_up():
    white = np.zeros(SHAPE, np.float32)
    white[10:31, 10:31, 10:31] = 1
    white[20, 20, 21] = 0
    density, _ = grow_tumour(white, np.zeros_like(white), MIDDLE, 2.0, 1000.0)
    assert density[white == 0].max() == 0
    assert density[white == 1].min() > 0.9 and density.max() <= 1 + 1e-5


@pytest.mark.parametrize("volume", [5.0, 20.0, 60.0])
def test_has_the_volume_that_was_asked_for(volume):
    white, grey = tissue(np.s_[:, 15:])
    density, load = grow_tumour(white, grey, MIDDLE, 2.5, volume)
    assert np.count_nonzero(density > VISIBLE) * 2.5**3 / 1000 == pytest.approx(volume, rel=0.2)
    assert load[MIDDLE] == load.max()


def test_a_seed_in_fluid_is_refused():
    white, _ = tissue(np.s_[25:])
    with pytest.raises(ValueError, match="seed .* white or grey"):
        grow_tumour(white, np.zeros_like(white), MIDDLE, 2.0, 10.0)


def test_a_high_grade_has_a_closed_rim_around_its_necrosis():
    white, grey = tissue(np.s_[:])
    density, load = grow_tumour(white, grey, MIDDLE, 2.0, 40.0)
    labels = label_tumour(density, load, "high", np.ones(SHAPE, bool), 2.0)
    assert set(np.unique(labels)) == {0, NECROSIS, OEDEMA, ENHANCING}
    around = ndimage.binary_dilation(labels == NECROSIS) & (labels != NECROSIS)
    assert set(np.unique(labels[around])) == {ENHANCING}
    core = np.isin(labels, (NECROSIS, ENHANCING)).sum() / (labels > 0).sum()
    assert core == pytest.approx(0.45, abs=0.05)


def test_a_low_grade_is_infiltration_only_and_stays_inside_the_brain():
    white, grey = tissue(np.s_[:])
    density, load = grow_tumour(white, grey, MIDDLE, 2.0, 40.0)
    brain = np.zeros(SHAPE, bool)
    brain[:22] = True
    labels = label_tumour(density, load, "low", brain, 2.0)
    assert set(np.unique(labels)) == {0, OEDEMA}
    assert not labels[~brain].any()


def test_an_unknown_grade_is_refused():
    with pytest.raises(ValueError, match="grade 'middle'"):
        label_tumour(np.zeros(SHAPE), np.zeros(SHAPE), "middle", np.ones(SHAPE, bool), 2.0)
