"""The template's tissues at points of known anatomy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.priors import tissue_priors

# MNI152, millimetres: corpus callosum, lateral ventricle, caudate head, precentral cortex
PLACES = {"white": (0, 22, 8), "fluid": (-9, 0, 20), "grey": (-12, 14, 8)}


def test_known_places_hold_their_tissue():
    for tissue, place in PLACES.items():
        priors = {name: float(value[0]) for name, value in tissue_priors(np.array([place])).items()}
        assert max(priors, key=priors.get) == f"prior_{tissue}", (place, priors)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-300, 300)] * 3), min_size=1, max_size=5))
def test_priors_are_shares(places):
    priors = tissue_priors(np.array(places))
    total = sum(priors.values())
    assert all(((own >= 0) & (own <= 1)).all() for own in priors.values())
    assert (total >= 1 - 1e-6).all()


def test_outside_of_the_head_there_is_no_tissue():
    far = tissue_priors(np.array([[500.0, 0, 0]]))
    assert far["prior_grey"][0] == far["prior_white"][0] == 0


def test_left_and_right_are_told_alike():
    """The template is symmetric."""
    places = np.random.default_rng(0).uniform(-60, 60, (200, 3))
    left, right = tissue_priors(places), tissue_priors(places * [-1, 1, 1])
    for name, value in left.items():
        assert np.abs(value - right[name]).mean() < 0.02
