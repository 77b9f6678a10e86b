"""Simulated anatomy: fields, warps, tissues."""

import numpy as np
import pytest

from neurograft.imaging import templates
from neurograft.simulation import anatomy

AXES = [np.arange(-96.0, 97.0, 4.0)] * 3


@pytest.fixture(scope="module")
def template():
    return anatomy.load_template()


@pytest.fixture(scope="module")
def head(template):
    rng = np.random.default_rng(3)
    return anatomy.build_head(template, rng, AXES, anatomy.place_head(rng), age=70)


def test_template_is_a_brain_inside_its_hull(template):
    assert template["brain"].sum() / 1000 == pytest.approx(1887, abs=5)
    inside = (template["surface"] < 0).sum() * anatomy.SURFACE_SPACING**3 / 1000
    assert 1887 < inside < 2400


@pytest.mark.parametrize("scale", [6.0, 20.0, 60.0])
def test_fields_are_standard_normal_and_smooth(scale):
    field = np.stack([anatomy.smooth_field(np.random.default_rng(n), AXES, scale) for n in range(20)])
    assert field.mean() == pytest.approx(0, abs=0.15)
    assert field.std() == pytest.approx(1, abs=0.1)
    slope = np.diff(field, axis=1).std() / 4.0
    assert slope == pytest.approx(1 / (0.7 * np.sqrt(2) * scale), rel=0.15)


def test_a_field_is_the_same_anatomy_at_every_spacing():
    fine = anatomy.smooth_field(np.random.default_rng(5), [np.arange(-96.0, 97.0, 2.0)] * 3, 20.0)
    coarse = anatomy.smooth_field(np.random.default_rng(5), AXES, 20.0)
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, atol=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_warps_fold_nothing(seed):
    rng = np.random.default_rng(seed)
    to_template = anatomy.place_head(rng)
    place = anatomy.template_places(rng, AXES, to_template)
    jacobian = np.stack([np.stack(np.gradient(row, 4.0), -1) for row in place], -2)
    stretch = np.linalg.det(jacobian) * np.linalg.det(to_template[:3, :3])
    assert stretch.min() > 0.3 and stretch.max() < 2.5


def test_rigid_turns_about_its_point():
    turn = anatomy.rigid((0, 0, 90), (1, 2, 3), about=(10, 0, 0))
    np.testing.assert_allclose(turn @ [10, 0, 0, 1], [11, 2, 3, 1], atol=1e-9)
    np.testing.assert_allclose(turn @ [11, 0, 0, 1], [11, 3, 3, 1], atol=1e-9)
    assert np.linalg.det(anatomy.rigid((5, -7, 20), (0, 0, 0))) == pytest.approx(1)


def test_tissues_are_shares_of_the_brain(head):
    shares = [head[name] for name in ("white", "grey", "fluid")]
    assert min(share.min() for share in shares) >= 0
    np.testing.assert_allclose(sum(shares), head["brain"], atol=1e-4)
    millilitres = head["truth"].sum() * 64 / 1000
    assert 1100 < millilitres < 1900
    assert 0.6 < head["grey"].sum() / head["white"].sum() < 2.5


def test_the_brain_lies_in_fluid_bone_and_skin_in_this_order(head):
    """From the brain outwards along the line through its middle to the left, each tissue is met in turn."""
    middle = len(AXES[0]) // 2
    line = head["outside"][:middle, middle, middle + 5][::-1]
    names = [
        anatomy.OUTSIDE[value]
        for value, brain in zip(line, head["truth"][:middle, middle, middle + 5][::-1])
        if not brain
    ]
    bone, fat = names.index("bone"), names.index("fat")
    assert bone < fat < names.index("air")
    assert "air" not in names[:fat]


def test_gliomas_start_in_cerebral_white_matter(head):
    assert head["cerebrum"].sum() > 500
    assert np.quantile(head["white"][head["cerebrum"]], 0.05) > 0.5
    assert not head["cerebrum"][~head["truth"]].any()


def test_age_widens_the_sulci(template):
    fluid = []
    for age in (30, 75):
        rng = np.random.default_rng(0)
        fluid.append(anatomy.build_head(template, rng, AXES, anatomy.place_head(rng), age)["fluid"].sum())
    assert fluid[1] > 1.2 * fluid[0]


def test_nilearn_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(templates, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="nilearn"):
        anatomy.load_template()
