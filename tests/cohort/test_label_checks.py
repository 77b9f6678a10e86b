"""A label compared with the scan under it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurograft.cohort import label_checks

SHARED = Path(__file__).parents[3] / "shared/data"
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
GRID = np.indices((40, 40, 40)) - 19.5
RADIUS = np.linalg.norm(GRID, axis=0) * 4


def picture(data, affine=AFFINE):
    return nib.Nifti1Image(data, affine)


def tumour(values=(1, 2, 4), at=0):
    label = np.zeros((40, 40, 40), np.uint8)
    for index, value in enumerate(values):
        label[14 + 4 * index : 18 + 4 * index, 16 + at : 22 + at, 16:22] = value
    return label


@pytest.mark.parametrize("stripped", [True, False])
@pytest.mark.parametrize(("at", "expected"), [(0, 0.0), (19, 1.0)])
def test_a_label_in_the_air(stripped, at, expected):
    noise = np.random.default_rng(0).random((40, 40, 40))
    scan = np.where(RADIUS < 60, 100 + noise, 0 if stripped else 3 * noise).astype(np.float32)
    assert label_checks.share_outside(picture(tumour(at=at)), picture(scan), stripped) == pytest.approx(
        expected, abs=0.1
    )
    assert label_checks.share_outside(picture(0 * tumour()), picture(scan), stripped) == 0


def test_the_brighter_part():
    label, noise = tumour(), np.random.default_rng(0).random((40, 40, 40))
    scan = (50 + 10 * noise + 80 * (label == 4) - 20 * (label == 1)).astype(np.float32)
    bright = label_checks.measure_brightness(picture(label), picture(scan), [1, 2, 4])
    assert bright["4"] == 1.0 and bright["1"] == 0.0 and 0.4 < bright["2"] < 0.6
    alone = np.where(label == 4, 4, 0).astype(np.uint8)
    assert label_checks.measure_brightness(picture(alone), picture(scan), [4]) == {"4": 1.0}
    tiny = np.zeros_like(label)
    tiny[20, 20, 20:22] = 4
    assert label_checks.measure_brightness(picture(tiny), picture(scan), [4]) == {}


def test_how_headers_differ():
    scan = picture(np.zeros((40, 40, 40), np.uint8))
    moved, turned, larger = AFFINE.copy(), AFFINE.copy(), np.diag([5.0, 4, 4, 1])
    moved[:3, 3] = 0, 12, 0
    turned[0, 0], turned[0, 3] = -4, 156
    for affine, words in (
        (moved, "moved by 0 x 12 x 0 mm"),
        (turned, "left and right turned round"),
        (larger, "5 x 4"),
    ):
        told = label_checks.tell_headers(picture(tumour(), affine), scan, "t1c")
        assert words in told and "copy the affine of t1c" in told and "do not resample" in told


@pytest.mark.skipif(not SHARED.exists(), reason=f"real scans are not at {SHARED}")
def test_enhancing_tumour_is_the_brighter_part_of_real_patients():
    bright = []
    for folder in sorted((SHARED / "brats18").glob("*_2013_*")) + sorted((SHARED / "brats18").glob("*_CBICA_*")):
        label, scan = (nib.load(next(folder.glob(f"*_{kind}.nii.gz"))) for kind in ("seg", "t1ce"))
        found = label_checks.measure_brightness(label, scan, [1, 2, 4])
        assert label_checks.share_outside(label, scan, True) < 0.02
        bright.append(found.get("4", 1.0))
    assert np.median(bright) > 0.8
