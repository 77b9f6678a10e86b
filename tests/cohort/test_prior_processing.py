"""What was done to scans before is seen, said, and not seen where it was not done."""

from pathlib import Path

import numpy as np
import pytest

from helpers.fake_nifti import write_nifti
from neurograft.cohort import prior_processing, scan_reading, validation
from neurograft.imaging import nifti, templates

SHARED = Path(__file__).parents[3] / "shared/data"

needs_scans = pytest.mark.skipif(not SHARED.exists(), reason=f"real scans are not at {SHARED}")
SHAPE, STEP = (40, 44, 36), 5.0  # voxels, mm
GRID = np.diag([STEP, STEP, STEP, 1.0])
RADIUS = np.linalg.norm((np.indices(SHAPE).T - np.array(SHAPE) / 2).T * STEP, axis=0)  # mm from the middle
FSL = ((91, 109, 91), np.array([[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1.0]]))


def head(seed=0):
    """A coarse head: noisy air, scalp, dark skull, brain."""
    noise = np.abs(np.random.default_rng(seed).normal(0, 3, SHAPE))
    return (np.select([RADIUS < 65, RADIUS < 73, RADIUS < 86], [100, 15, 150], 4) + noise).astype(np.float32)


def brain(seed=0, outside=0.0):
    return np.where(RADIUS < 65, head(seed) + 1, outside).astype(np.float32)


def bring(tmp_path, template=None, affine=GRID, reference=("t1c", "t1"), **scans):
    """Import a subject with these arrays as scans."""
    files = {name: write_nifti(tmp_path / f"{name}.nii", data, affine) for name, data in scans.items()}
    found = {"name": "a", "site": "", "columns": {}, "problems": [], "notes": [], "scheme": "", "files": files}
    return validation.import_scans("a", found, "table", reference, template=template)


def test_heads_are_not_stripped():
    cleared = np.where(RADIUS < 86, head(), 0)  # air set to zero by the scanner
    dark_skull = np.where((RADIUS > 65) & (RADIUS < 73), 0, cleared)
    defaced = cleared.copy()
    defaced[:, :10, :12] = 0
    for data in (head(), cleared, dark_skull, defaced):
        assert not prior_processing.looks_stripped(nifti.image(data.astype(np.float32), GRID))
    assert prior_processing.looks_stripped(nifti.image(brain(), GRID))


@needs_scans
def test_real_heads_with_skull():
    heads = [*sorted(SHARED.glob("healthy_heads/*/[tf]*.nii.gz"))[:4], *SHARED.glob("raw_tumour_head/[tf]*.nii.gz")]
    heads += SHARED.glob("bids_ds000011/sub-01/anat/*.nii.gz")
    assert len(heads) == 10
    for path in heads:
        scan, facts, notes = scan_reading.read_scan(path)
        assert not facts["stripped"] and notes == [], path
        data = scan.get_fdata(dtype=np.float32)  # the same head, its air set to zero
        data[data < 0.05 * np.percentile(data, 98)] = 0
        assert not prior_processing.looks_stripped(nifti.image(data, scan.affine)), path


@pytest.mark.parametrize("outside", [-1024.0, -0.75, 40.0])
def test_a_brain_on_a_background_that_is_not_zero_is_stripped(tmp_path, outside):
    status, scans = bring(tmp_path, t1=brain(outside=outside))
    assert status["sequences"]["t1"]["stripped"] and f"the background was {outside:g} everywhere" in status["notes"][0]
    found = scans["t1"].get_fdata()
    assert np.array_equal(found != 0, RADIUS < 65) and np.allclose(found[RADIUS < 65], brain()[RADIUS < 65] - outside)


def test_air_with_noise_is_left_as_it_is(tmp_path):
    data = head()
    data[:: SHAPE[0] - 1, :: SHAPE[1] - 1, :: SHAPE[2] - 1] = 7  # the corners alone prove nothing
    status, scans = bring(tmp_path, t1=data)
    assert status["notes"] == [] and np.array_equal(scans["t1"].get_fdata(dtype=np.float32), data)


@pytest.mark.parametrize(
    ("scans", "template", "recognised", "will_do"),
    [
        (
            {"t1c": head(), "t2": head(1)}, "MNI152",
            "with skull: t1c, t2; registered to each other: no; in template space: no",
            "strip t1c, t2; align t2 to t1c; align t1c to the template MNI152",
        ),
        (
            {"t1c": brain(), "flair": head(1)}, "MNI152",
            "skull-stripped: t1c; with skull: flair; registered to each other: no; in template space: no",
            "strip flair; align flair to t1c; align t1c to the template MNI152",
        ),
        (
            {"t1": brain(), "t2": brain(1)}, "MNI152",
            "skull-stripped: t1, t2; registered to each other: yes; in template space: no",
            "align t1 to the template MNI152",
        ),
        ({"t2": brain()}, "none", "skull-stripped: t2; in template space: no", "nothing to strip or to align"),
        ({"t2": head(), "t1": brain()[1:]}, None,
         "skull-stripped: t1; with skull: t2; registered to each other: no; in template space: no",
         "strip t2; align t2 to t1"),
        ({"t1": np.ones(SHAPE, np.float32), "t2": head()}, "MNI152", "", "nothing, it is excluded"),
    ],
)  # fmt: skip
def test_what_is_recognised_and_done_is_said(tmp_path, scans, template, recognised, will_do):
    status, _ = bring(tmp_path, template, **scans)
    assert (status["recognised"], status["will_do"]) == (recognised, will_do)


def put_on(shape):
    """The head, brain alone, on a larger grid."""
    out = np.zeros(shape, np.float32)
    out[5:85, 10:98, 10:82] = brain().repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return out


@pytest.mark.parametrize("shift", [0, 1])
def test_a_grid_of_the_template_is_known_in_any_orientation(tmp_path, shift):
    shape, affine = FSL
    affine = affine.copy()
    affine[2, 3] += shift
    status, _ = bring(tmp_path, "MNI152", affine, t1=put_on(shape))
    assert status["in_template"] == (not shift)
    assert status["will_do"] == ("align t1 to the template MNI152" if shift else "nothing to strip or to align")
    assert not bring(tmp_path, "none", affine, t1=put_on(shape))[0]["in_template"]


def test_a_template_of_ones_own_is_known_by_its_own_grid_alone(tmp_path):
    path = write_nifti(tmp_path / "template.nii", brain(), GRID)
    status, _ = bring(tmp_path, path, t1=brain(1), t2=head())
    assert status["in_template"] and status["will_do"] == "strip t2; align t2 to t1"
    assert not bring(tmp_path, path, t1=brain(1)[1:], t2=head())[0]["in_template"]
    assert not bring(tmp_path, path, FSL[1], t1=put_on(FSL[0]))[0]["in_template"]


def test_the_grids_are_those_of_the_template_in_use():
    own, *others = prior_processing.template_grids("MNI152")
    # what nilearn carries is itself one of the usual grids
    assert any(own[0] == shape and np.array_equal(own[1], affine) for shape, affine in others)
    assert prior_processing.template_grids("none") == [] and Path(templates.template_path("MNI152")).exists()


def test_a_background_is_cleared_from_a_single_slice_too():
    data = np.full((20, 20, 1), -1024.0, np.float32)
    data[5:15, 5:15] = 50
    assert prior_processing.clear_background(data) and data.min() == 0 and data.max() == 1074
