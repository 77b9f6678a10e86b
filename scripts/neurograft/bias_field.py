"""The coil's sensitivity taken out of an image."""

import numpy as np

SHRUNK_MM = 4.0  # a field so smooth needs no finer grid
ITERATIONS = (50, 50, 50, 50)
LARGEST = (
    20.0  # from the darkest to the brightest place: more is no coil's sensitivity, but N4 on a brain of a few voxels
)


def correct_bias(data, inside, spacing):
    """Divide an image by its bias field, found with N4 (Tustison et al. 2010, IEEE TMI 29:1310; SimpleITK).

    Runs in one thread, so that the same image gives the same bytes.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    inside : ndarray of bool, the same shape
        The brain. What is outside, zero or below keeps its value, and so does the brain's middle.
    spacing : sequence of 3 float
        mm.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    import SimpleITK as sitk

    usable = inside & (data > 0)
    if not usable.any() or np.ptp(data[usable]) == 0:
        return data
    whole, mask = (
        sitk.GetImageFromArray(np.ascontiguousarray(each.T))
        for each in (np.where(usable, data, 0).astype(np.float32), usable.astype(np.uint8))
    )
    for each in (whole, mask):
        each.SetSpacing([float(size) for size in spacing])
    factors = [max(1, round(SHRUNK_MM / float(size))) for size in spacing]
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(ITERATIONS)
    corrector.SetNumberOfThreads(1)
    try:
        corrector.Execute(sitk.Shrink(whole, factors), sitk.Shrink(mask, factors))
    except RuntimeError:
        # so it ends on a brain of a few voxels
        return data
    field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(whole)).T[usable]
    if not np.isfinite(field).all() or np.ptp(field) > np.log(LARGEST):
        return data
    even = np.array(data, np.float32)
    even[usable] /= np.exp(field - np.median(field))
    return even
