"""Intensities made comparable between scanners, and the slices that networks are trained on."""

from typing import Any

import numpy as np
from scipy import ndimage

from neurograft.core.sequences import list_sequences
from neurograft.imaging.measures import contrast_to_noise, describe_intensities
from neurograft.imaging.nifti import image
from neurograft.imaging.resampling import grid_box
from neurograft.imaging.robust import robust_spread
from neurograft.preprocessing.intensity_scale import find_landmarks

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


FEWEST_COVERED = 0.9
HALF_STRIPE, RAREST = 0.05, 0.2  # the authors' values: half the width as a quantile, and the height of a rare mode
CUT_DEVIATION = 0.0726  # standard deviation of the middle tenth of a standard Gaussian


def robust_zscore(values, sequence=None):
    """Median to 0 and the scaled median absolute deviation to 1.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Intensities of one sequence inside the brain, clipped to their 0.5 and 99.5 percentiles.
    sequence : str, optional
        Its name; only `whitestripe` asks.

    Returns
    -------
    (float, float)
        What to subtract, and what to divide by.
    """
    middle = np.median(values)
    spread = robust_spread(values - middle)
    # half of the voxels may share one value (a rescaled or heavily blurred image): then the usual deviation
    return middle, spread if spread > 0 else np.std(values)


def zscore(values, sequence=None):
    """Mean to 0 and standard deviation to 1; parameters and result as in `robust_zscore`."""
    return np.mean(values), np.std(values)


def whitestripe(values, sequence=None):
    """Scale by normal-appearing white matter (WhiteStripe, Shinohara et al. 2014, NeuroImage Clin. 6:9).

    White matter is the last mode of the histogram on T1 and T1c that is no rare tail, the highest mode on others; the
    stripe holds the tenth of the voxels around it. The stripe's standard deviation is that of a narrow cut, so it is
    brought by a fixed factor to what it would be of the whole Gaussian: about the range of a z-score, which
    supervoxels and networks expect. Parameters and result as in `robust_zscore`.
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
    """Scale each sequence by its own brain.

    Intensities are clipped to the 0.5 and 99.5 percentiles of the brain first, so that a bright vessel
    or a spike does not squeeze everything else.

    Parameters
    ----------
    registered : dict of str to nibabel.Nifti1Image
        Sequences on one grid, zero outside of the brain or of the scan, and `brain`, the mask.
        Anything else (`labels`) is left out.
    method : str
        A key of `INTENSITY_METHODS`.
    bias_correction : bool
        Take the coil's sensitivity out first (`intensity.correct_bias`).
    prepared : bool
        The scans were prepared elsewhere: all show the whole mask, so that a zero inside of it is a value.

    Returns
    -------
    normalised : dict of str to nibabel.Nifti1Image
        float32, exactly zero outside of the brain and where the scan does not reach; and `brain`.
    record : dict
        `method`, `bias_correction`, `prepared` (where they are), `contrast_to_noise` and `coverage` (share of the brain
        that the scan shows) of each sequence, `intensities` (percentiles of each `before`, as scanned, and `after`),
        `flags` in plain words, and with the method `nyul` the `landmarks` of each sequence, from which the cells learn
        a scale (`standard_scale`).
    """
    scale = INTENSITY_METHODS[method]
    whole = np.asanyarray(registered["brain"].dataobj) > 0
    # all that follows happens in the brain's box, half of the grid
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
    """Stack the sequences as axial slices, cropped to the brain's box, as the learning steps read them.

    Parameters
    ----------
    normalised : dict of str to nibabel.Nifti1Image
        From `normalize_intensity`, with `brain`.
    labels : nibabel.Nifti1Image, optional
        On the same grid.
    landmarks : dict of str to list of float, optional
        Of each sequence, as `normalize_intensity` records them.

    Returns
    -------
    images : ndarray of float16, shape (Z, C, X, Y)
        C in the order of `index["sequences"]`.
    labels : ndarray of uint8, shape (Z, X, Y), or None
        The dataset's own label values.
    index : dict
        `sequences`; `box`, first and last-but-one voxel of each axis on the grid; `shape` and `affine` of
        the grid; `spacing` in mm; `landmarks`, if given. The whole grid is the box where the brain mask is empty.
    """
    brain = np.asanyarray(normalised["brain"].dataobj) > 0
    box = _brain_box(brain)
    sequences = list_sequences(normalised)
    stack = np.stack([np.asanyarray(normalised[name].dataobj)[box] for name in sequences])
    # a float16 ends at 65504; no sane normalised value comes near
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
    # each brain by itself first; what is learnt from others is learnt in the cells, from their training patients
    "nyul": robust_zscore,
}
