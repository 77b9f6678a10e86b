"""Make intensities comparable between scanners, and cut the slices on which networks are trained."""

from typing import Any

import numpy as np
from scipy import ndimage

from neurograft.core.sequences import list_sequences
from neurograft.imaging.measures import contrast_to_noise, describe_intensities
from neurograft.imaging.nifti import image
from neurograft.imaging.resampling import grid_box
from neurograft.imaging.robust import robust_spread
from neurograft.preprocessing.intensity_scale import find_landmarks

SHRUNK_MM = 4.0  # a bias field is smooth and needs no finer grid
ITERATIONS = (50, 50, 50, 50)
# ratio of the brightest to the darkest place of a field; more than this is an artefact of N4 on a brain of a few voxels
LARGEST = 20.0


def correct_bias(data, inside, spacing):
    """Divide an image by its bias field, estimated with N4 (Tustison et al. 2010, IEEE TMI 29:1310; SimpleITK).

    It runs in one thread, so that the same image gives the same bytes.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    inside : ndarray of bool, the same shape
        The brain. Voxels outside it, and those of zero or below, keep their value. The field has a median of 1.
    spacing : sequence of 3 float
        Voxel sizes in mm.

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
        # N4 fails on a brain of a few voxels
        return data
    field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(whole)).T[usable]
    if not np.isfinite(field).all() or np.ptp(field) > np.log(LARGEST):
        return data
    even = np.array(data, np.float32)
    even[usable] /= np.exp(field - np.median(field))
    return even


FEWEST_COVERED = 0.9
HALF_STRIPE, RAREST = 0.05, 0.2  # the authors' values: half width in quantiles; relative height of a rare mode
CUT_DEVIATION = 0.0726  # standard deviation of the central tenth of a standard normal distribution


def robust_zscore(values, sequence=None):
    """Scale the median to 0 and the scaled median absolute deviation to 1.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Intensities of one sequence inside the brain, clipped to their 0.5 and 99.5 percentiles.
    sequence : str, optional
        Its name; used only by `whitestripe`.

    Returns
    -------
    (float, float)
        The value to subtract, and the value to divide by.
    """
    middle = np.median(values)
    spread = robust_spread(values - middle)
    # if half of the voxels share one value (in a rescaled or heavily blurred image), use the standard deviation
    return middle, spread if spread > 0 else np.std(values)


def zscore(values, sequence=None):
    """Scale the mean to 0 and the standard deviation to 1; parameters and result as in `robust_zscore`."""
    return np.mean(values), np.std(values)


def whitestripe(values, sequence=None):
    """Scale by normal-appearing white matter (WhiteStripe, Shinohara et al. 2014, NeuroImage Clin. 6:9).

    White matter is the last mode of the histogram that is not rare on T1 and T1c, and the highest mode on other
    sequences. The stripe is the tenth of the voxels around this mode. Its standard deviation is divided by that of the
    central tenth of a standard normal distribution, so that values have about the range of a z-score, as supervoxels
    and networks expect. Parameters and result as in `robust_zscore`.
    """
    low, high = np.min(values), np.max(values)
    if low == high:
        return low, 0.0
    heights, edges = np.histogram(values, bins=200, range=(low, high))
    heights = ndimage.gaussian_filter1d(heights.astype(float), 4)
    padded = np.concatenate([[-1], heights, [-1]])
    peaks = np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:]))
    common = peaks[heights[peaks] > heights.max() * RAREST]
    peak = common[-1] if sequence in ("t1", "t1c") else heights.argmax()
    at = np.mean(values <= (edges[peak] + edges[peak + 1]) / 2)
    stripe = np.quantile(values, np.clip((at - HALF_STRIPE, at + HALF_STRIPE), 0, 1))
    white = values[(values >= stripe[0]) & (values <= stripe[1])]
    return np.mean(white), np.std(white) / CUT_DEVIATION


def percentile(values, sequence=None):
    """Scale the 0.5 percentile to 0 and the 99.5 percentile to 1; parameters and result as in `robust_zscore`."""
    return np.min(values), np.ptp(values)


def normalize_intensity(registered, method="robust-zscore", bias_correction=False, prepared=False):
    """Normalise each sequence by its intensities in the brain.

    Intensities are first clipped to the 0.5 and 99.5 percentiles of the brain, so that a bright vessel or a spike does
    not compress all other values.

    Parameters
    ----------
    registered : dict of str to nibabel.Nifti1Image
        Sequences on one grid, zero outside the brain and the field of view, and `brain`, the mask. Other images
        (`labels`) are ignored.
    method : str
        A key of `INTENSITY_METHODS`.
    bias_correction : bool
        Correct the bias field first (`intensity.correct_bias`).
    prepared : bool
        The scans were prepared elsewhere: each covers the whole mask, so a zero inside it is a measured value.

    Returns
    -------
    normalised : dict of str to nibabel.Nifti1Image
        float32, exactly zero outside the brain and the field of view; and `brain`.
    record : dict
        `method`, `bias_correction`, `prepared` (only if true); for each sequence, `contrast_to_noise`, `coverage`
        (share of the brain in the field of view) and `intensities` (percentiles `before`, as scanned, and `after`);
        `flags` in plain words; for the method `nyul`, the `landmarks` of each sequence, from which the cells learn a
        common scale (`intensity_scale`).
    """
    scale = INTENSITY_METHODS[method]
    whole = np.asanyarray(registered["brain"].dataobj) > 0
    # compute only in the bounding box of the brain, about half of the grid
    box = _brain_box(whole)
    brain = whole[box]
    normalised = {}
    record: dict[str, Any] = {"method": method, "bias_correction": bias_correction}
    record |= {"prepared": True} if prepared else {}
    record |= {"contrast_to_noise": {}, "coverage": {}, "flags": [], "intensities": {"before": {}, "after": {}}}
    for name in list_sequences(registered):
        data = scanned = np.nan_to_num(np.asanyarray(registered[name].dataobj)[box].astype(np.float32))
        inside = brain if prepared else brain & (data != 0)
        if bias_correction:
            data = correct_bias(data, inside, np.linalg.norm(registered[name].affine[:3, :3], axis=0))
        out = np.zeros(whole.shape, np.float32)
        if inside.any():
            values = np.clip(data[inside], *np.percentile(data[inside], (0.5, 99.5)))
            middle, spread = scale(values, name)
            out[box][inside] = (values - middle) / (spread if spread > 0 else 1)
        normalised[name] = image(out, registered[name].affine)
        if method == "nyul" and inside.any():
            record.setdefault("landmarks", {})[name] = find_landmarks(out[box][inside])
        for when, shown in (("before", scanned), ("after", out[box])):
            record["intensities"][when][name] = describe_intensities(shown[inside])
        record["contrast_to_noise"][name] = round(contrast_to_noise(data, inside), 3)
        record["coverage"][name] = round(float(inside.sum() / max(1, brain.sum())), 4)
        record["flags"] += _flags(name, record["coverage"][name], bool(np.any(out)))
    normalised["brain"] = registered["brain"]
    if not whole.any():
        record["flags"].append("the brain mask is empty")
    return normalised, record


def _brain_box(brain):
    return grid_box(brain) if brain.any() else tuple(slice(0, n) for n in brain.shape)


def _flags(name, coverage, varies):
    flags = []
    if not varies:
        flags.append(f"{name}: no contrast inside the brain")
    elif coverage < FEWEST_COVERED:
        flags.append(f"{name}: the scan shows only {100 * coverage:.0f} % of the brain")
    return flags


def cut_slices(normalised, labels=None, landmarks=None):
    """Stack the sequences as axial slices, cropped to the brain's bounding box, as input of the training steps.

    Parameters
    ----------
    normalised : dict of str to nibabel.Nifti1Image
        From `normalize_intensity`, with `brain`.
    labels : nibabel.Nifti1Image, optional
        On the same grid.
    landmarks : dict of str to list of float, optional
        Landmarks of each sequence, as recorded by `normalize_intensity`.

    Returns
    -------
    images : ndarray of float16, shape (Z, C, X, Y)
        C in the order of `index["sequences"]`.
    labels : ndarray of uint8, shape (Z, X, Y), or None
        The dataset's own label values.
    index : dict
        `sequences`; `box`, for each axis of the grid, the first voxel and one past the last (the whole grid if the
        brain mask is empty); `shape` and `affine` of the grid; `spacing` in mm; `landmarks`, if given.
    """
    brain = np.asanyarray(normalised["brain"].dataobj) > 0
    box = _brain_box(brain)
    sequences = list_sequences(normalised)
    stack = np.stack([np.asanyarray(normalised[name].dataobj)[box] for name in sequences])
    # the largest float16 is 65504; plausible normalised values are much smaller
    images = np.ascontiguousarray(np.clip(stack, -6e4, 6e4).transpose(3, 0, 1, 2).astype(np.float16))
    cut = None
    if labels is not None:
        cut = np.ascontiguousarray(np.asanyarray(labels.dataobj)[box].transpose(2, 0, 1).astype(np.uint8))
    affine = normalised["brain"].affine
    index = {
        "sequences": sequences,
        "box": [[s.start, s.stop] for s in box],
        "shape": list(brain.shape),
        "affine": affine.tolist(),
        "spacing": np.linalg.norm(affine[:3, :3], axis=0).round(6).tolist(),
    }
    return images, cut, index | ({"landmarks": landmarks} if landmarks else {})


INTENSITY_METHODS = {
    "robust-zscore": robust_zscore,
    "zscore": zscore,
    "percentile": percentile,
    "whitestripe": whitestripe,
    # only the first step; the common scale is learnt in each cell, from its training patients (`intensity_scale`)
    "nyul": robust_zscore,
}
