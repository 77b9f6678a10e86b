"""Deformable registration: planted warps are found, the lesion keeps its volume, and what is torn is refused."""

import numpy as np
import pytest
from scipy import ndimage

from neurograft.imaging import nifti, resampling, transforms
from neurograft.preprocessing import deformation, registration
from neurograft.simulation import subjects

SPACING = 5.0
CENTRE = np.array([-30.0, -20.0, 25.0])  # of the tumour, in mm of the template


@pytest.fixture(scope="module")
def pair():
    """The template, and a brain that is the template warped, with a tumour that the template has not."""
    whole = registration.load_template("MNI152", SPACING)
    brain = nifti.image((np.asanyarray(whole.dataobj) > 0).astype(np.uint8), whole.affine)
    template = resampling.working_copy(whole, brain, SPACING)
    inside = np.asanyarray(template.dataobj) > 500 / 2
    template = nifti.image(np.asanyarray(template.dataobj) * inside, template.affine)
    rng = np.random.default_rng(3)
    moves = np.stack([ndimage.gaussian_filter(rng.normal(size=inside.shape), 6) for _ in range(3)], axis=-1)
    truth = transforms.make_field(moves * 6 / np.linalg.norm(moves, axis=-1).max(), template.affine)
    moved = np.array(
        resampling.resample(template, inside.shape, template.affine, transforms.invert_transform(truth)).dataobj
    )
    brain = moved > 100
    distance = np.linalg.norm(transforms.grid_points(inside.shape, template.affine) - CENTRE, axis=-1)
    tumour = (distance < 20) & brain
    flair = np.where(tumour, 1000.0, 500 + 0.2 * moved) + rng.normal(0, 15, moved.shape)
    moved[tumour], moved[distance < 12] = 400, 950
    moved += rng.normal(0, 15, moved.shape)
    scans = {"t1c": moved, "flair": flair}
    scans = {name: nifti.image((data * brain).astype(np.float32), template.affine) for name, data in scans.items()}
    return template, scans | {"brain": nifti.image(brain, template.affine)}, truth, tumour


@pytest.mark.parametrize("engine", registration.REGISTRATION_ENGINES)
def test_planted_warp_is_found_and_the_tumour_keeps_its_volume(pair, engine):
    template, moved, truth, tumour = pair
    deform = registration.REGISTRATION_ENGINES[engine]["deformable"]
    warp, unwarp, quality = deformation.deform_brain(deform, template, moved, "t1c")
    assert quality["fault"] == "" and quality["overlap"] > 0.95
    assert abs(quality["volume_change"]["lesion"]) < 0.01
    assert abs(transforms.volume_change(unwarp, tumour)) < 0.05
    far = (np.asanyarray(template.dataobj) > 0) & ~ndimage.binary_dilation(tumour, iterations=8)
    missed = np.linalg.norm(np.asanyarray(warp.dataobj)[far] - np.asanyarray(truth.dataobj)[far], axis=-1)
    assert missed.mean() < 0.5 * SPACING / 2
    points = transforms.grid_points(template.shape, template.affine)[far]
    ended = transforms.map_points(transforms.chain(warp, unwarp), points)
    assert np.linalg.norm(ended - points, axis=-1).max() < 0.5 * SPACING


def test_without_the_lesion_left_out_and_held_the_tumour_shrinks(pair, monkeypatch):
    """What masking is for: the same engine, and nothing said of the lesion."""
    template, moved, _, tumour = pair
    monkeypatch.setattr(deformation, "find_lesion", lambda moved: np.zeros(tumour.shape, bool))
    deform = registration.REGISTRATION_ENGINES["greedy"]["deformable"]
    _, unwarp, _ = deformation.deform_brain(deform, template, moved, "t1c")
    assert transforms.volume_change(unwarp, tumour) < -0.05


def test_lesions_move_rigidly_and_far_away_nothing_changes(pair):
    template, _, truth, tumour = pair
    other = np.linalg.norm(transforms.grid_points(template.shape, template.affine) - [35, 10, 30], axis=-1) < 9
    lesion = tumour | other
    held = deformation.hold_lesion(truth, lesion)
    core = ndimage.binary_erosion(lesion)
    np.testing.assert_allclose(transforms.stretch(held)[core], 1, atol=0.01)
    assert transforms.stretch(held).min() > 0.3
    distance = ndimage.distance_transform_edt(~lesion, SPACING)
    away = distance > deformation.FADE
    np.testing.assert_allclose(np.asarray(held.dataobj)[away], np.asarray(truth.dataobj)[away], atol=1e-5)
    assert np.abs(np.asarray(held.dataobj) - np.asarray(truth.dataobj))[other].max() < 3
    assert deformation.hold_lesion(truth, lesion & False) is truth


def test_a_torn_brain_and_one_that_fits_less_are_refused(pair):
    template, moved, truth, _ = pair

    def tear(fixed, moving, counted, threads=1):
        return transforms.make_field(np.sin(transforms.grid_points(fixed.shape, fixed.affine) / 4) * 9, fixed.affine)

    def worsen(fixed, moving, counted, threads=1):
        return transforms.make_field(-2 * np.asarray(truth.dataobj), truth.affine)

    assert "fold" in deformation.deform_brain(tear, template, moved, "t1c")[2]["fault"]
    assert "less alike" in deformation.deform_brain(worsen, template, moved, "t1c")[2]["fault"]


@pytest.mark.long
@pytest.mark.parametrize("engine", registration.REGISTRATION_ENGINES)
def test_simulated_tumours_keep_their_volume(engine, capsys):
    """Against the known labels, of which candidates find a part; also told: without holding, and without both."""
    template = registration.load_template("MNI152", 1.0)
    deform = registration.REGISTRATION_ENGINES[engine]["deformable"]
    fixed, changes = registration.coarse_template(template), []
    for index in range(12):
        scans, truth = subjects.simulate_subject(index, 0, 3.0)
        if truth["grade"] == "none":
            continue
        there = {name: motion @ truth["to_template"] for name, motion in truth["motion"].items()}
        moved = registration.resample_all(scans, truth["brain"], there, "t1c", "t1c", resampling.grid_of(fixed))
        tumour = np.asanyarray(moved.pop("labels").dataobj) > 0
        _, unwarp, quality = deformation.deform_brain(deform, fixed, moved, "t1c")
        data = resampling.level(np.asanyarray(moved["t1c"].dataobj), np.asanyarray(moved["brain"].dataobj) > 0)
        data = nifti.image(data, fixed.affine)
        every = nifti.image(np.ones(fixed.shape, np.float32), fixed.affine)
        plain = transforms.invert_transform(deform(fixed, data, every))
        changes.append([transforms.volume_change(field, tumour) for field in (unwarp, plain)])
        with capsys.disabled():
            print(f"\n{engine} {index}: held {changes[-1][0]:+.3f}, plain {changes[-1][1]:+.3f}, {quality}")
    assert np.abs(np.array(changes)[:, 0]).max() < 0.05
