"""Headers that cannot be true."""

import nibabel as nib
import numpy as np
import pytest

from neurograft.imaging import headers
from neurograft.imaging.nifti import ScanError

SHAPE = (40, 44, 36)
AFFINE = np.diag([-5.0, -5, 5, 1]) + np.array([[0, 0, 0, 100], [0, 0, 0, 110], [0, 0, 0, -90], [0] * 4])


def scan(sform=AFFINE, qform=AFFINE, shape=SHAPE, codes=(1, 1)):
    """An image with these two affines, as it comes back from a file."""
    made = nib.Nifti1Image(np.zeros(shape, np.uint8), None)
    made.header.set_qform(qform, codes[1])
    made.header.set_sform(sform, codes[0])
    raw = bytearray(made.to_bytes())
    raw[280:328] = np.asarray(sform, "<f4")[:3].tobytes()
    raw[76:80] = made.header["pixdim"][:1].tobytes()
    raw[252:256] = np.array([codes[1], codes[0]], "<i2").tobytes()
    return nib.Nifti1Image.from_bytes(bytes(raw))


def fault(*args, **kwargs):
    with pytest.raises(ScanError) as caught:
        headers.read_geometry("a.nii", scan(*args, **kwargs))
    assert str(caught.value).startswith("a.nii") and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 1), (4, 1)])
def test_a_true_header(codes):
    for shape in (SHAPE, (*SHAPE, 1)):
        affine, other, notes = headers.read_geometry("a.nii", scan(codes=codes, shape=shape))
        assert np.allclose(affine, AFFINE) and other is None and notes == []


def test_zero_singular_and_infinite_affine():
    flat, endless = AFFINE.copy(), AFFINE.copy()
    flat[:, 1], endless[0, 3] = flat[:, 0], np.inf
    for affine in (np.zeros((4, 4)), flat, endless):
        assert "zero or singular affine" in fault(sform=affine, codes=(1, 0))


def test_no_orientation():
    assert "left and right are unknown" in fault(codes=(0, 0))


def test_contradicting_affines():
    for shift in (2.4, 2.6):
        moved = AFFINE.copy()
        moved[0, 3] += shift
        if shift < 2.5:
            headers.read_geometry("a.nii", scan(moved))
        else:
            assert "contradict each other, 2.6 mm apart at a corner" in fault(moved)
    assert "left and right swapped" in fault(AFFINE @ np.diag([-1, 1, 1, 1]))


@pytest.mark.parametrize(
    ("factor", "words"), [(0.01, "voxels of 0.05"), (3, "voxels of 15"), (0.2, "covers only 40 x")]
)
def test_absurd_sizes(factor, words):
    affine = AFFINE @ np.diag([factor] * 3 + [1])
    assert words in fault(affine, affine)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((40, 44), "not three axes"), ((40, 44, 36, 3), "series of 3 volumes"), ((40, 44, 1), "covers only")],
)
def test_shapes(shape, words):
    assert words in fault(shape=shape)


def test_corner_distance():
    turned = np.eye(4)
    turned[:2, :2] = [[0, -1], [1, 0]]
    assert headers.corner_distance((11, 11, 11), np.eye(4), np.eye(4)) == 0
    assert headers.corner_distance((11, 11, 11), np.eye(4), turned) == pytest.approx(20)
    assert headers.voxel_sizes(AFFINE @ turned) == pytest.approx([5, 5, 5])
