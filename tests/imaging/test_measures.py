"""Signal, sharpness and percentiles with known truths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from neurograft.imaging import measures, nifti

SHAPE, SIZES = (48, 52, 40), (4.0, 4.0, 4.0)
RADIUS = np.linalg.norm((np.indices(SHAPE).T - np.array(SHAPE) / 2).T * 4.0, axis=0)
BRAIN = RADIUS < 60


def head(signal, noise, seed=0, zeroed=False):
    """A brain with folds, and scalp, in air with the noise of two channels."""
    rng = np.random.default_rng(seed)
    folds = 1 + 0.2 * np.sin(np.indices(SHAPE)[0]) * np.sin(np.indices(SHAPE)[1])
    clean = np.select([RADIUS < 60, RADIUS < 66, RADIUS < 76], [signal * folds, 0.1 * signal, 1.5 * signal], 0.0)
    data = np.hypot(clean + rng.normal(0, noise, SHAPE), rng.normal(0, noise, SHAPE)).astype(np.float32)
    return np.where(RADIUS < 80, data, 0) if zeroed else data


@pytest.mark.parametrize(("signal", "noise"), [(400.0, 10.0), (400.0, 40.0), (30.0, 1.0)])
def test_signal_to_noise_is_that_of_the_simulation(signal, noise):
    found = measures.signal_to_noise(head(signal, noise), BRAIN, SIZES)
    assert found == pytest.approx(np.hypot(signal, noise) / noise, rel=0.03)


def test_no_air_is_no_measure():
    assert measures.signal_to_noise(head(400.0, 10.0, zeroed=True), BRAIN, SIZES) is None
    inner = tuple(slice(n // 2 - 8, n // 2 + 8) for n in SHAPE)
    assert measures.signal_to_noise(head(400.0, 10.0)[inner], BRAIN[inner], SIZES) is None
    assert measures.signal_to_noise(head(400.0, 10.0), BRAIN & False, SIZES) is None


def waves(plane, sizes, lengths=(16.0, 16.0)):
    """Two crossing waves in a plane, of lengths in mm."""
    places = np.indices((72, 72, 72))
    found = [np.sin(2 * np.pi * places[a] * sizes[a] / length) for a, length in zip(plane, lengths, strict=True)]
    return (500 + 50 * sum(found)).astype(np.float32)


@pytest.mark.parametrize(
    ("plane", "sizes", "lengths", "longer"),
    [
        ((0, 1), (1, 1, 5), (16, 16), 16),
        ((0, 1), (2, 2, 2), (32, 16), 32),
        ((1, 2), (5, 2, 2), (16, 32), 32),
    ],
)
def test_the_longer_of_two_waves_says_how_sharp_the_plane_is(plane, sizes, lengths, longer):
    """A wave of length L changes by the sine of pi d / L over a distance d."""
    found = measures.sharpness(waves(plane, sizes, lengths), np.ones((72, 72, 72), bool), np.array(sizes, float))
    truth = np.sin(np.pi * 2 / longer) / np.sin(np.pi * 6 / longer)
    assert found == pytest.approx(truth, rel=0.04)


def test_a_slope_is_as_blunt_as_can_be():
    slope = np.indices((40, 40, 10)).sum(axis=0).astype(np.float32)
    inside = np.zeros(slope.shape, bool)
    inside[8:30, 8:30] = True
    # clipping at the percentiles bends its ends
    assert measures.sharpness(slope, inside, np.ones(3)) == pytest.approx(1 / 3, rel=0.05)
    assert measures.sharpness(0 * slope + 7, inside, np.ones(3)) is None


def test_blur_is_less_sharp_and_noise_is_not_sharper():
    rng = np.random.default_rng(0)
    inside = np.ones((64, 64, 20), bool)
    tissue = ndimage.gaussian_filter(rng.normal(size=inside.shape), (1.5, 1.5, 1)) * 400
    tissue = tissue.astype(np.float32)
    plain = measures.sharpness(tissue, inside, np.ones(3))
    blurred = measures.sharpness(ndimage.gaussian_filter(tissue, (2, 2, 0)), inside, np.ones(3))
    noisy = measures.sharpness(tissue + rng.normal(0, 0.25 * tissue.std(), inside.shape), inside, np.ones(3))
    assert blurred < 0.8 * plain
    assert noisy == pytest.approx(plain, rel=0.15)


@given(gain=st.floats(0.01, 1000))
@settings(max_examples=5, deadline=None)
def test_neither_measure_knows_the_scanner_s_scale(gain):
    data = head(400.0, 20.0)
    for measure in (measures.signal_to_noise, measures.sharpness):
        assert measure(np.float32(gain) * data, BRAIN, np.array(SIZES)) == pytest.approx(
            measure(data, BRAIN, np.array(SIZES)), rel=1e-3
        )


def test_every_sequence_is_measured_and_stripped_ones_have_no_air():
    affine = np.diag([4.0, 4.0, 4.0, 1])
    scans = {name: nifti.image(head(400.0, 10.0, seed), affine) for seed, name in enumerate(("t1", "flair"))}
    masks = {name: nifti.image(BRAIN.astype(np.uint8), affine) for name in scans}
    found = measures.measure_scans(scans | {"labels": masks["t1"]}, masks, {"t1": True, "flair": False})
    assert set(found["signal_to_noise"]) == {"flair"} and set(found["sharpness"]) == {"t1", "flair"}
    empty = {"t1": nifti.image(np.zeros(SHAPE, np.uint8), affine)}
    assert measures.measure_scans(scans, empty, {}) == {"signal_to_noise": {}, "sharpness": {}}


def test_percentiles_are_rounded_to_what_their_spread_can_tell():
    assert measures.describe_intensities(np.arange(101)) == [5, 25, 50, 75, 95]
    values = np.random.default_rng(0).normal(size=10001)
    middle = measures.describe_intensities(values - np.median(values) + 1e-9)[2]
    assert middle == 0 and str(middle) == "0.0"
    assert measures.describe_intensities(np.array([])) == []
    assert measures.describe_intensities(np.full(9, 7.0)) == [7.0] * 5
