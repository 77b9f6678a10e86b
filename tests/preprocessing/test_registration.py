"""A pair that cannot be aligned is said to be so, and a second start finds what the first does not."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from helpers.planted import DEFAULT, TRUTHS, error, planted, seen_by
from neurograft.core import files
from neurograft.delivery import native_grid
from neurograft.imaging import nifti, resampling, templates, transforms
from neurograft.imaging.masks import overlap
from neurograft.preprocessing import registration, registration_engines
from neurograft.preprocessing.registration import PriorAlignment, RegistrationOptions

OTHERS = [engine for engine in registration.REGISTRATION_ENGINES if engine != DEFAULT]


@pytest.fixture(scope="module")
def brain():
    """The MNI152 T1 at 2 mm."""
    return registration.load_template("MNI152", 2.0)


@pytest.mark.parametrize(
    "degrees", [(0.0, 90.0, 0.0), pytest.param((0.0, 0.0, 180.0), marks=[pytest.mark.long, pytest.mark.ci])]
)
def test_second_start_finds_a_brain_lying_on_its_side(brain, degrees):
    """A wrong header is too much for the first start, not for the principal axes."""
    truth = planted(degrees, (20.0, 0.0, 10.0), (1, 1, 1))
    moving = seen_by(brain, truth, np.array([2.5, 2.5, 2.5]))
    masks = [nifti.image((np.asanyarray(each.dataobj) > 0).astype(np.uint8), each.affine) for each in (brain, moving)]
    found, quality = registration.align_pair(registration_engines.align_greedy, (brain, moving, *masks), "rigid", 1)
    assert not quality["fault"]
    assert quality["turn"] == pytest.approx(np.abs(degrees).sum(), abs=2)
    assert error(brain, found, truth) < 1


def test_hopeless_pair_is_said_to_be_so_and_centres_are_aligned(brain):
    noise = np.zeros((40, 40, 12), np.float32)
    noise[5:35, 18:22, 2:10] = np.random.default_rng(0).uniform(1, 100, (30, 4, 8))
    moving = nifti.image(noise, np.diag([3.0, 3.0, 3.0, 1.0]))
    masks = [nifti.image((np.asanyarray(each.dataobj) > 0).astype(np.uint8), each.affine) for each in (brain, moving)]
    found, quality = registration.align_pair(registration_engines.align_greedy, (brain, moving, *masks), "rigid", 1)
    assert quality["fault"]
    np.testing.assert_allclose(found, registration.centre_start(*masks))


def head_of(scan):
    return nifti.image((np.asanyarray(scan.dataobj) > 0).astype(np.uint8), scan.affine)


def cloud(brain):
    """A thing of a brain's size and smoothness; within a brain's own outline its similarity is 1.11, not 1.06."""
    shape = (48, 56, 46)
    egg = (((np.indices(shape).T - np.array(shape) / 2) / [16.5, 21, 15.75]) ** 2).sum(-1).T < 1
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 1.5)
    return nifti.image((egg * (100 + 25 * noise / noise.std())).astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0]))


def half(brain):
    """A brain of which the mask lost the upper half."""
    moving = seen_by(brain, planted(*TRUTHS["rigid"]), np.array([4.0, 4.0, 4.0]))
    data = np.asanyarray(moving.dataobj).copy()
    data[:, :, int(0.45 * data.shape[2]) :] = 0
    return nifti.image(data, moving.affine)


@pytest.mark.parametrize(
    ("engine", "wrong"),
    [
        (DEFAULT, cloud),
        *(
            pytest.param(engine, wrong, marks=pytest.mark.long)
            for engine, wrong in [*((each, cloud) for each in OTHERS), ("simpleitk", half)]
        ),
    ],
)
def test_wrong_pair_is_refused(brain, engine, wrong):
    moving = wrong(brain)
    align = registration.REGISTRATION_ENGINES[engine]["linear"]
    _, quality = registration.align_pair(align, (brain, moving, head_of(brain), head_of(moving)), "affine", 1)
    assert quality["fault"]


RAW = Path(__file__).parents[3] / "shared/data/raw_tumour_head"


def still(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """An engine for brains that lie aligned already."""
    return np.eye(4)


@pytest.fixture
def subject():
    """A smooth egg with a labelled ball, two sequences on different grids, and a rim that is no brain."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -60
    x, y, z = np.indices((60, 60, 60)) - 30
    egg = (x / 22.0) ** 2 + (y / 27.0) ** 2 + (z / 20.0) ** 2 < 1
    rim = ((x / 25.0) ** 2 + (y / 29.0) ** 2 + (z / 23.0) ** 2 < 1) & ~egg
    data = (100 + 20 * np.sin(x / 4.0) * np.cos(y / 5.0)).astype(np.float32) * egg + 500.0 * rim
    ball = (x - 8) ** 2 + (y - 5) ** 2 + z**2 < 36
    brain = nifti.image(egg.astype(np.uint8), affine)
    t1 = nifti.image(data.astype(np.float32), affine)
    flair = resampling.resample(
        t1, (40, 40, 24), np.array([[3, 0, 0, -60], [0, 3, 0, -60], [0, 0, 5, -60], [0, 0, 0, 1]])
    )
    small = resampling.resample(brain, flair.shape, flair.affine, order=0)
    labels = nifti.image(np.where(ball, 4, 0).astype(np.uint8), affine)
    return {"t1": t1, "flair": flair, "labels": labels}, {"t1": brain, "flair": small}


def test_own_space_and_grid_leave_the_reference_untouched(subject):
    scans, masks = subject
    registered, record = registration.register_scans(scans, masks, PriorAlignment("t1", True))
    inside = np.asanyarray(masks["t1"].dataobj) > 0
    np.testing.assert_array_equal(registered["t1"].affine, scans["t1"].affine)
    np.testing.assert_allclose(
        np.asanyarray(registered["t1"].dataobj), np.asanyarray(scans["t1"].dataobj) * inside, atol=0.05
    )
    np.testing.assert_array_equal(registered["labels"].dataobj, scans["labels"].dataobj)
    np.testing.assert_array_equal(registered["brain"].dataobj, masks["t1"].dataobj)
    assert list(registered) == ["t1", "flair", "labels", "brain"]
    assert record["aligned_already"] and record["flags"] == []
    np.testing.assert_array_equal(record["to_reference"]["flair"], np.eye(4))


def test_everything_is_on_the_template_grid_and_zero_outside_the_brain(subject, monkeypatch):
    scans, masks = subject
    monkeypatch.setitem(registration.REGISTRATION_ENGINES, "still", {"linear": still})
    template = nifti.image(
        np.asanyarray(scans["t1"].dataobj) * (np.asanyarray(masks["t1"].dataobj) > 0), scans["t1"].affine
    )
    registered, record = registration.register_scans(
        scans, masks, PriorAlignment("t1", True, labels_on="t1"), template, RegistrationOptions("still")
    )
    outside = np.asanyarray(registered["brain"].dataobj) == 0
    for name in ("t1", "flair"):
        assert registered[name].shape == template.shape
        assert registered[name].get_data_dtype() == np.float32
        assert not np.any(np.asanyarray(registered[name].dataobj)[outside])
    assert set(np.unique(registered["labels"].dataobj)) == {0, 4}
    assert record["grid"]["shape"] == list(template.shape)
    assert set(record["similarity"]) == set(record["overlap"]) == {"flair", "template"}


@pytest.mark.parametrize("true", [True, False])
def test_who_lies_in_the_template_is_left_there_but_not_unseen(subject, monkeypatch, true):
    scans, masks = subject
    asked = []
    row = {"linear": lambda *a, **k: asked.append(1) or still(*a, **k)}
    monkeypatch.setitem(registration.REGISTRATION_ENGINES, "still", row)
    inside = np.asanyarray(masks["t1"].dataobj) > 0
    affine = scans["t1"].affine.copy()
    affine[0, 3] += 0 if true else 60  # a claim that the images do not bear out
    template = nifti.image(np.asanyarray(scans["t1"].dataobj) * inside, affine)
    registered, record = registration.register_scans(
        scans, masks, PriorAlignment("t1", True, in_template=True), template, RegistrationOptions("still")
    )
    shift = np.asarray(record["to_template"]) - np.eye(4)
    assert (not asked and not shift.any()) if true else (asked and shift[0, 3] == pytest.approx(-60, abs=0.1))
    assert record["flags"] == []
    assert overlap(np.asanyarray(registered["brain"].dataobj) > 0, np.asanyarray(template.dataobj) > 0) > 0.99


def bent(fixed, moving, counted, threads=1):
    """A deformation that is known: a smooth bulge."""
    points = transforms.grid_points(fixed.shape, fixed.affine)
    near = np.exp(-(np.linalg.norm(points - [-38, 0, 0], axis=-1, keepdims=True) ** 2) / (2 * 30.0**2))
    return transforms.make_field(near * [6.0, -4.0, 3.0], fixed.affine)


def bend(subject, spacing=2.0, **row):
    """Register the egg onto itself bent, and give what came out with the scans."""
    scans, masks = subject
    inside = np.asanyarray(masks["t1"].dataobj) > 0
    egg = nifti.image(np.asanyarray(scans["t1"].dataobj) * inside, scans["t1"].affine)
    field = bent(egg, None, None)
    template = resampling.resample(egg, *resampling.regridded(egg, spacing), field)
    template = nifti.image(np.clip(template.dataobj, 0, None) * (np.asanyarray(template.dataobj) > 50), template.affine)

    def home(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
        """Take the start back, for the egg lies where it belongs."""
        return moving.affine @ np.linalg.inv(egg.affine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registration.REGISTRATION_ENGINES, "bent", {"linear": home, "deformable": bent} | row)
        found = registration.register_scans(
            scans,
            masks,
            PriorAlignment("t1", True, labels_on="t1"),
            template,
            RegistrationOptions("bent", deformable=True),
        )
    return *found, template


def test_deformed_images_fit_and_predictions_come_back(subject, tmp_path):
    scans, masks = subject
    registered, record, template = bend(subject)
    assert record["deformable"] and record["flags"] == []
    egg = resampling.resample_labels(masks["t1"], template.shape, template.affine)
    affine, deformed = (
        overlap(np.asanyarray(each.dataobj) > 0, np.asanyarray(template.dataobj) > 0)
        for each in (egg, registered["brain"])
    )
    assert 1 - deformed < 0.5 * (1 - affine)
    assert abs(record["volume_change"]["lesion"]) < 0.05
    nifti.write_scans(tmp_path / "registered", registered)
    files.write_json(tmp_path / "register_scans.json", record)
    read = native_grid.read_registration(tmp_path / "register_scans.json")
    there = transforms.chain(registered["warp"], np.array(record["to_template"]))
    points = nib.affines.apply_affine(masks["t1"].affine, np.argwhere(masks["t1"].dataobj)[::50])
    back = transforms.map_points(native_grid.native_transform(read), points)
    assert np.linalg.norm(transforms.map_points(there, back) - points, axis=-1).max() < 0.5 * 2.0
    # the lesion lies elsewhere in template space, and where it was when it is delivered
    lesion = np.asanyarray(registered["labels"].dataobj) > 0
    shifted = resampling.resample_labels(scans["labels"], lesion.shape, registered["labels"].affine)
    assert overlap(lesion, np.asanyarray(shifted.dataobj) > 0) < 0.97
    predicted = {"WT": nifti.image(lesion.astype(np.float32), registered["labels"].affine)}
    grid = scans["labels"].shape, scans["labels"].affine
    native = native_grid.to_native_grid(predicted, native_grid.native_transform(read), *grid)["WT"]
    assert overlap(native >= 0.5, np.asanyarray(scans["labels"].dataobj) > 0) >= 0.97
    whole = resampling.resample(predicted["WT"], *grid, native_grid.native_transform(read), order=1)
    np.testing.assert_allclose(native, whole.dataobj, atol=1e-4)


def test_a_torn_brain_stays_affine_and_is_flagged(subject):
    def torn(fixed, moving, counted, threads=1):
        return transforms.make_field(9 * np.sin(transforms.grid_points(fixed.shape, fixed.affine) / 4), fixed.affine)

    registered, record, _ = bend(subject, deformable=torn)
    assert record["deformable"] is False and "warp" not in registered
    assert any("only aligned affinely" in flag for flag in record["flags"])
    assert registered["labels"].shape == registered["t1"].shape and np.any(registered["t1"].dataobj)


def test_nothing_is_deformed_without_a_template(subject):
    scans, masks = subject
    registered, record = registration.register_scans(
        scans, masks, PriorAlignment("t1", True), options=RegistrationOptions(deformable=True)
    )
    assert "warp" not in registered and "deformable" not in record


def test_target_spacing_without_a_template(subject):
    scans, masks = subject
    registered, _record = registration.register_scans(
        scans, masks, PriorAlignment("t1", True), options=RegistrationOptions(spacing=4.0)
    )
    assert registered["t1"].shape == (30, 30, 30)
    volume = np.count_nonzero(registered["labels"].dataobj) * 64
    assert volume == pytest.approx(np.count_nonzero(scans["labels"].dataobj) * 8, rel=0.1)
    np.testing.assert_allclose(np.abs(np.linalg.det(registered["t1"].affine[:3, :3])), 64)


def test_empty_brain_mask_is_flagged_and_something_is_still_shown(subject):
    scans, masks = subject
    masks = masks | {"flair": nifti.image(np.zeros(scans["flair"].shape, np.uint8), scans["flair"].affine)}
    registered, record = registration.register_scans(scans, masks, PriorAlignment("t1", True))
    assert any(flag.startswith("registration failed: the brain mask of flair") for flag in record["flags"])
    assert np.any(registered["flair"].dataobj)


def test_failed_alignment_is_flagged_and_not_raised(subject, monkeypatch):
    def astray(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
        far = np.eye(4)
        far[:3, 3] = 500
        return far

    scans, masks = subject
    monkeypatch.setitem(registration.REGISTRATION_ENGINES, "astray", {"linear": astray})
    registered, record = registration.register_scans(
        scans, masks, PriorAlignment("t1"), options=RegistrationOptions("astray")
    )
    assert record["flags"][0].startswith("registration failed: flair to reference")
    assert np.any(registered["flair"].dataobj)


def test_brain_that_lies_turned_against_its_header_is_flagged():
    brain = registration.load_template("MNI152", 4.0)
    turned = nifti.image(brain.dataobj, np.diag([-1.0, -1.0, 1.0, 1.0]) @ brain.affine)
    scans = {"t1": brain, "flair": nib.as_closest_canonical(turned)}
    masks = {name: nifti.image(np.asanyarray(scan.dataobj) > 0, scan.affine) for name, scan in scans.items()}
    _, record = registration.register_scans(scans, masks, PriorAlignment("t1"))
    assert len(record["flags"]) == 1 and "turned by 180 degrees" in record["flags"][0]


@pytest.mark.parametrize("spacing", [None, 2.0, 3.0])
def test_template_keeps_its_brain_at_any_spacing(spacing):
    template = registration.load_template("MNI152", spacing)
    volume = np.count_nonzero(template.dataobj) * abs(np.linalg.det(template.affine)) / 1000
    assert volume == pytest.approx(1886.5, rel=0.02)
    assert registration.load_template("none") is None


def test_template_that_is_missing_or_has_a_skull(tmp_path):
    with pytest.raises(FileNotFoundError, match="MNI152"):
        templates.template_path("MNI125")
    nifti.write_image(tmp_path / "head.nii.gz", nifti.image(np.ones((9, 9, 9), np.float32), np.eye(4)))
    with pytest.raises(ValueError, match="skull-stripped"):
        registration.load_template(tmp_path / "head.nii.gz")


@pytest.mark.long
@pytest.mark.ci
@pytest.mark.skipif(not RAW.is_dir(), reason=f"real scans are absent: {RAW}")
def test_real_sequences_are_aligned_with_the_reference():
    """With the reference masks at hand: the patient moved (Dice .81 by headers), and is brought back (.97)."""
    names = ("t1c", "t2")
    scans = {name: nib.as_closest_canonical(nib.load(RAW / f"{name}.nii.gz")) for name in names}
    masks = {name: nib.as_closest_canonical(nib.load(RAW / f"brainmask_hdbet_{name}.nii.gz")) for name in names}
    _, record = registration.register_scans(
        scans, masks, PriorAlignment("t1c"), options=RegistrationOptions(spacing=3.0)
    )
    there = np.asanyarray(masks["t1c"].dataobj) > 0
    grid = masks["t1c"].shape, masks["t1c"].affine
    moved = resampling.resample(masks["t2"], *grid, np.array(record["to_reference"]["t2"]), order=0)
    assert record["flags"] == []
    assert overlap(np.asanyarray(moved.dataobj) > 0, there) > 0.965


def test_two_alignments_at_a_time_give_the_bytes_of_one_at_a_time(subject):
    scans, masks = subject
    first, again = (
        registration.register_scans(scans, masks, PriorAlignment("t1"), threads=threads) for threads in (1, 2)
    )
    assert first[1] == again[1] and first[0].keys() == again[0].keys()
    for name, scan in first[0].items():
        assert np.asanyarray(scan.dataobj).tobytes() == np.asanyarray(again[0][name].dataobj).tobytes()


def test_prepared_scans_stay_as_they_are():
    rng, affine = np.random.default_rng(0), np.diag([0.5, 0.5, 6.0, 1.0])
    data = {name: rng.uniform(1, 9, (20, 18, 4)).astype(np.float32) for name in ("pd", "dwi")}
    data["dwi"][:3] = 0
    scans = {name: nifti.image(values, affine) for name, values in data.items()}
    scans["labels"] = nifti.image((data["pd"] > 8).astype(np.uint8), affine)
    masks = {name: nifti.image((values != 0).astype(np.uint8), affine) for name, values in data.items()}
    prior = PriorAlignment("pd", coregistered=True, prepared=True)
    registered, record = registration.register_scans(scans, masks, prior, options=RegistrationOptions())
    assert list(registered) == ["pd", "dwi", "labels", "brain"]
    for name, values in data.items():
        np.testing.assert_array_equal(np.asanyarray(registered[name].dataobj), values)
    assert np.asanyarray(registered["brain"].dataobj).all() and record["flags"] == record["look"] == []
    assert record["to_reference"] == {"dwi": np.eye(4).tolist()} and record["to_template"] == np.eye(4).tolist()
    assert record["grid"] == {"shape": [20, 18, 4], "affine": affine.tolist()}
    native = native_grid.native_transform(record, "dwi")
    np.testing.assert_array_equal(native, np.eye(4))
    coarse, record = registration.register_scans(scans, masks, prior, options=RegistrationOptions(spacing=2.0))
    assert coarse["pd"].shape == coarse["labels"].shape == tuple(record["grid"]["shape"]) == (5, 4, 12)
