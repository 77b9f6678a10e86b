"""The simulated cohort: balance, determinism, contrasts, truth."""

import hashlib
import json
from itertools import product

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neurograft.core import sequences
from neurograft.imaging import nifti, resampling
from neurograft.simulation import subjects
from neurograft.simulation.anatomy import OUTSIDE, load_template

SPACING = 3.0


@pytest.fixture(scope="module")
def template():
    return load_template()


@pytest.fixture(scope="module")
def cohort(template):
    """Six subjects: each diagnosis at each site."""
    return [subjects.simulate_subject(index, 0, SPACING, template) for index in range(6)]


def array(image):
    return np.asarray(image.dataobj)


def on_reference(scans, truth, name):
    """A sequence on the grid of t1c, head motion undone."""
    reference = scans["t1c"]
    return array(resampling.resample(scans[name], reference.shape, reference.affine, truth["motion"][name]))


def inner(truth, cut=2):
    """The brain without its rim, where partial volume is."""
    return ndimage.binary_erosion(array(truth["brain"]), iterations=cut)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("seed", [0, 7])
def test_six_subjects_hold_every_kind_at_both_sites(first, seed):
    people = [subjects.describe_subject(index, seed) for index in range(first, first + 8)]
    kinds = {(person["diagnosis"], person["site"]) for person in people[:6]}
    assert kinds == set(product(("high-grade", "low-grade", "none"), "AB"))
    assert sum(person["diagnosis"] != "none" for person in people) == 6
    assert {(person["site"], person["sex"]) for person in people} == set(product("AB", "FM"))
    assert all(18 <= person["age"] <= 90 for person in people)


@pytest.mark.parametrize(("arguments", "message"), [((-1,), "index"), ((0, -3), "seed"), ((0, 0, 40.0), "spacing")])
def test_nonsense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        subjects.simulate_subject(*arguments)


def test_the_same_subject_is_written_as_the_same_bytes(cohort, template, tmp_path):
    again = subjects.simulate_subject(0, 0, SPACING, template)
    for name, (scans, truth) in {"one": cohort[0], "two": again}.items():
        subjects.write_subject(tmp_path / name / "sub-x", scans, truth)
    digests = [
        {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted((tmp_path / name / "sub-x").iterdir())
        }
        for name in ("one", "two")
    ]
    assert digests[0] == digests[1]
    other = subjects.simulate_subject(0, 1, SPACING, template)[0]
    assert not np.array_equal(array(other["t1"]), array(cohort[0][0]["t1"]))


def test_a_folder_holds_what_the_workflow_reads(cohort, tmp_path):
    scans, truth = cohort[1]
    subjects.write_subject(tmp_path / "sub-phantom002", scans, truth)
    found = nifti.read_scans(tmp_path / "sub-phantom002")
    assert set(found) == {*sequences.SEQUENCES, "labels", "truth"}
    for name in sequences.SEQUENCES:
        assert nib.aff2axcodes(found[name].affine) == ("R", "A", "S")
        np.testing.assert_array_equal(array(found[name]), array(scans[name]))
        header = nib.load(tmp_path / "sub-phantom002" / f"{name}.nii.gz").header
        assert header["descrip"].item() == b"simulated"
    people = json.loads((tmp_path / "sub-phantom002" / "participant.json").read_text())
    assert people == {**subjects.describe_subject(1), "origin": "simulated"}
    facts = json.loads((tmp_path / "sub-phantom002" / "truth.json").read_text())
    np.testing.assert_allclose(facts["motion"]["flair"], truth["motion"]["flair"])
    assert facts["origin"] == "simulated"


@pytest.mark.parametrize("index", range(6))
def test_labels_follow_the_grade(cohort, index):
    scans, truth = cohort[index]
    labels = array(scans["labels"])
    expected = {"high": {0, 1, 2, 4}, "low": {0, 2}, "none": {0}}[truth["grade"]]
    assert set(np.unique(labels)) == expected
    assert labels.dtype == np.uint8 and labels.shape == scans["t1c"].shape
    np.testing.assert_array_equal(scans["labels"].affine, scans["t1c"].affine)
    assert not labels[array(truth["brain"]) == 0].any()
    if truth["grade"] != "none":
        assert 5 < np.count_nonzero(labels) * abs(np.linalg.det(scans["labels"].affine)) / 1000 < 120


@pytest.mark.parametrize("index", range(6))
def test_heads_have_a_plausible_brain_and_enough_around_it(cohort, index):
    scans, truth = cohort[index]
    brain = array(truth["brain"])
    assert 1100 < brain.sum() * abs(np.linalg.det(truth["brain"].affine)) / 1000 < 1900
    for axis in range(2):  # below, the field of view may end at the brain stem
        inside = np.flatnonzero(brain.any(tuple({0, 1, 2} - {axis})))
        assert inside[0] >= 2 and inside[-1] <= brain.shape[axis] - 3
    head = array(scans["t1c"]) > 0.15 * np.percentile(array(scans["t1c"]), 99)
    assert head.sum() > 1.3 * brain.sum()


@pytest.mark.parametrize("index", [4, 5])
def test_contrasts_are_those_of_each_sequence(cohort, index):
    """Without tumour, tissues are told apart on T1; their order on the others is then what anatomy demands."""
    scans, truth = cohort[index]
    mask = inner(truth)
    t1 = on_reference(scans, truth, "t1")
    low, high = np.percentile(t1[mask], [10, 60])
    fluid, white = mask & (t1 < np.percentile(t1[mask], 3)), mask & (t1 > high)
    grey = mask & (t1 > low) & (t1 < np.percentile(t1[mask], 35))
    seen = {
        name: [np.median(on_reference(scans, truth, name)[part]) for part in (white, grey, fluid)]
        for name in sequences.SEQUENCES
    }
    assert seen["t1c"][0] > seen["t1c"][1] > seen["t1c"][2]
    assert seen["t2"][2] > seen["t2"][1] > seen["t2"][0]
    assert seen["flair"][1] > seen["flair"][2] and seen["flair"][0] > seen["flair"][2]


@pytest.mark.parametrize("index", range(4))
def test_tumours_look_as_they_should(cohort, index):
    scans, truth = cohort[index]
    labels = array(scans["labels"])
    healthy = inner(truth) & (labels == 0)
    seen = {name: on_reference(scans, truth, name) for name in sequences.SEQUENCES}
    for name in ("t2", "flair"):
        assert np.median(seen[name][labels == 2]) > 1.15 * np.median(seen[name][healthy])
    if truth["grade"] == "high":
        rise = {part: np.median(seen["t1c"][labels == part]) / np.median(seen["t1c"][healthy]) for part in (1, 2, 4)}
        assert rise[4] > 1.1 > rise[2] > rise[1]
        assert np.median(seen["t1"][labels == 4]) < np.median(seen["t1"][healthy])


@pytest.mark.parametrize("index", [0, 3])
def test_true_motion_aligns_the_sequences(cohort, index):
    """Undoing the motion brings edges together; applying it the wrong way round makes them worse."""
    scans, truth = cohort[index]
    assert np.array_equal(truth["motion"]["t1c"], np.eye(4))
    mask = inner(truth, 1)
    reference = array(scans["t1c"]).astype(float)
    motion = truth["motion"]["t1"]
    likeness = []
    for transform in (motion, np.eye(4), np.linalg.inv(motion)):
        moved = array(resampling.resample(scans["t1"], reference.shape, scans["t1c"].affine, transform))
        likeness.append(np.corrcoef(moved[mask], reference[mask])[0, 1])
    assert likeness[0] > likeness[1] > likeness[2]


def test_motion_is_small_and_rigid(cohort):
    for _, truth in cohort:
        for matrix in truth["motion"].values():
            np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
            assert np.abs(matrix[:3, 3]).max() <= 3


def test_the_template_lies_on_the_brain(cohort, template):
    """The affine part of the anatomy, given as truth, brings the template's brain onto the subject's."""
    moving = nifti.image(template["brain"], template["affine"])
    for scans, truth in cohort[:2]:
        pull = np.linalg.inv(truth["to_template"])
        placed = array(resampling.resample(moving, scans["t1c"].shape, scans["t1c"].affine, pull)) > 0.5
        brain = array(truth["brain"]) > 0
        assert 2 * (placed & brain).sum() / (placed.sum() + brain.sum()) > 0.9


def test_sites_look_different(cohort):
    """Other voxels, and a lower ratio of signal to noise at B."""
    noise = {}
    for scans, truth in cohort:
        flair = array(scans["flair"]).astype(float)
        air = flair[:, :4, -6:]
        noise.setdefault(truth["site"], []).append(air.mean() / np.percentile(flair, 90))
    assert min(noise["B"]) > max(noise["A"])
    sizes = {truth["site"]: np.linalg.norm(scans["t2"].affine[:3, :3], axis=0) for scans, truth in cohort}
    assert sizes["A"] == pytest.approx([3, 3, 4.5]) and sizes["B"] == pytest.approx([3.3, 3.3, 6])


def test_the_same_subject_at_another_spacing_is_the_same_person(cohort, template):
    scans, truth = subjects.simulate_subject(1, 0, 4.0, template)
    fine, coarse = (array(t["brain"]).sum() * abs(np.linalg.det(t["brain"].affine)) for t in (cohort[1][1], truth))
    assert coarse == pytest.approx(fine, rel=0.03)
    centres = [(s["labels"].affine @ [*np.argwhere(array(s["labels"])).mean(0), 1])[:3] for s in (cohort[1][0], scans)]
    assert np.linalg.norm(centres[0] - centres[1]) < 10


def test_every_tissue_has_an_intensity_in_every_sequence():
    needed = {*OUTSIDE, "white", "grey", "fluid", "oedema", "enhancing", "necrosis"}
    for name in ("t1", "t2", "flair"):
        assert set(subjects.INTENSITIES[name]) == needed
    assert set(subjects.INTENSITIES["t1c"]) <= needed
    assert all(set(site["thick"]) == set(sequences.SEQUENCES) for site in subjects.SITES.values())


def test_a_real_tool_strips_the_skull(cohort):
    """T2 is the hardest of the four: fluid is bright, and bone and skull base are dark."""
    deepbet = pytest.importorskip("deepbet")
    scans, truth = cohort[1]
    scan = scans["t2"]
    moved = nib.Nifti1Image(array(truth["brain"]).astype(np.float32), truth["brain"].affine)
    brain = array(resampling.resample(moved, scan.shape, scan.affine, np.linalg.inv(truth["motion"]["t2"]))) >= 0.5
    found = deepbet.BrainExtraction(no_gpu=True).run(nib.Nifti1Image(array(scan).astype(np.float32), scan.affine))[1]
    found = array(found) > 0.5
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.93
