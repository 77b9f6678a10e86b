"""Functions with exact types do what scipy and nibabel do."""

import nibabel as nib
import numpy as np
from scipy import ndimage

from neurograft.imaging import typed


def test_results_are_those_of_the_libraries(tmp_path):
    mask = np.random.default_rng(0).random((9, 8, 7)) > 0.6
    pieces, count = typed.label_pieces(mask, np.ones((3, 3, 3)))
    expected, number = ndimage.label(mask, np.ones((3, 3, 3)))
    assert count == number and np.array_equal(pieces, expected)
    assert typed.label_pieces(mask)[1] == ndimage.label(mask)[1] > count
    sizes = np.array([1.0, 2.0, 3.0])
    assert np.array_equal(typed.distance_to_outside(mask, sizes), ndimage.distance_transform_edt(mask, sizes))
    assert np.array_equal(typed.fill_holes(mask), ndimage.binary_fill_holes(mask))
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), tmp_path / "mask.nii.gz")
    loaded = typed.load_nifti(tmp_path / "mask.nii.gz")
    assert np.array_equal(loaded.dataobj, mask) and np.array_equal(typed.affine_of(loaded), affine)
