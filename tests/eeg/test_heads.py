"""Head models: surfaces that nest, a cortex inside them, and gains that agree with an analytic sphere."""

from dataclasses import replace

import numpy as np
import pytest

from neurograft.eeg import heads
from neurograft.eeg.carrying import make_operator
from neurograft.eeg.heads import Head, carry_head, list_directions, measure_inside, mesh_normals, nest, sink


def make_ball(seed=0, vertices=60):
    """Make a head of three spheres with random dipoles in it."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(0, 1, (vertices, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.repeat([[0.080], [0.085], [0.092]], 642, axis=1)
    places = directions * generator.uniform(0.03, 0.065, (vertices, 1))
    return Head(np.zeros(3), radii, places, directions, np.eye(4))


def make_cap(count=20):
    """Place electrodes on the upper half of the scalp of the ball."""
    directions = list_directions()[0]
    return 0.092 * directions[directions[:, 2] > 0.1][:: max(1, 250 // count)][:count]


def test_directions_are_even_and_triangles_face_outwards():
    points, triangles = list_directions()
    assert points.shape == (642, 3) and triangles.shape == (1280, 3)
    np.testing.assert_allclose(mesh_normals(points, triangles), points, atol=0.02)


def test_surfaces_nest_whatever_is_asked():
    inner = np.full(642, 0.08)
    for scalp in (0.05, 0.085, 0.2):
        shells = nest(inner, np.full(642, scalp))
        assert (np.diff(shells, axis=0) > 0.0029).all() and shells[2].max() <= 0.1051


def test_a_vertex_outside_the_skull_is_counted_and_drawn_in():
    ball = make_ball()
    cortex = ball.cortex.copy()
    cortex[0] = [0, 0, 0.09]
    sunk, inside = sink(replace(ball, cortex=cortex))
    assert np.isclose(inside, 59 / 60) and np.linalg.norm(sunk.cortex[0]) < 0.08


def test_the_template_carried_by_a_stretch_is_stretched():
    ball = make_ball()
    carried = carry_head(ball, lambda points: points * [1.1, 1, 1])
    np.testing.assert_allclose(carried.cortex, ball.cortex * [1.1, 1, 1])
    assert np.isclose(carried.radii[0][np.argmax(abs(list_directions()[0][:, 0]))], 0.088, atol=0.001)
    np.testing.assert_allclose(carried.from_head, np.eye(4), atol=1e-9)


def test_a_persons_brain_gives_the_skull_its_shape():
    brain = 0.07 * list_directions()[0]
    carried = carry_head(make_ball(), lambda points: points, brain)
    np.testing.assert_allclose(carried.radii[0], 0.072, atol=0.0005)
    np.testing.assert_allclose(carried.radii[2] - carried.radii[0], 0.014, atol=0.001)


def test_the_templates_cortex_has_normals_that_point_out_of_its_gyri():
    points, normals = heads.read_cortex()
    assert points.shape == normals.shape == (1284, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    away = points - points.mean(axis=0)
    assert (np.einsum("ij,ij->i", away, normals) > 0).mean() > 0.6


def test_a_sphere_of_boundary_elements_agrees_with_the_analytic_one():
    mne = pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")
    ball, cap = make_ball(), make_cap()
    gain = heads.orient(heads.compute_free_gain(ball, cap), ball.normals)
    info = mne.create_info([str(number) for number in range(len(cap))], 100.0, "eeg")
    info.set_montage(mne.channels.make_dig_montage(dict(zip(info["ch_names"], cap)), coord_frame="head"))
    shells = {"relative_radii": (0.080 / 0.092, 0.085 / 0.092, 1.0), "sigmas": heads.CONDUCTIVITY}
    sphere = mne.make_sphere_model((0, 0, 0), 0.092, info, **shells, verbose="error")
    sources = mne.setup_volume_source_space(pos={"rr": ball.cortex, "nn": ball.normals}, verbose="error")
    known = mne.make_forward_solution(info, None, sources, sphere, meg=False, mindist=0.0, verbose="error")
    free = known["sol"]["data"].reshape(len(cap), -1, 3)
    wanted = heads.orient(free, ball.normals)
    assert np.corrcoef(gain.ravel(), wanted.ravel())[0, 1] > 0.99


def test_the_template_is_whole_and_carries_a_person_to_himself():
    pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")
    from neurograft.eeg.recordings import name_cap

    template, cap = heads.read_template(), name_cap()
    assert measure_inside(template) >= 0.99
    names = ("FP1", "FP2", "F3", "F4", "C3", "CZ", "C4", "P3", "P4", "O1", "O2")
    gain = heads.orient(heads.compute_free_gain(template, np.array([cap[name] for name in names])), template.normals)
    np.testing.assert_allclose(make_operator(gain, gain, 1e-9), np.eye(11) - 1 / 11, atol=1e-4)
    # a channel sees most of what lies beneath it
    strongest = template.cortex[np.argsort(-np.abs(gain[names.index("O1")]))[:30]].mean(axis=0)
    assert strongest[1] < -0.03 and strongest[0] < 0.01
