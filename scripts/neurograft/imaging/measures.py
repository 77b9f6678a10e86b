"""Measures of image quality and of the similarity of two images."""

import numpy as np
from scipy import ndimage

from neurograft.imaging.resampling import grid_box
from neurograft.imaging.robust import robust_spread
from neurograft.imaging.typed import fill_holes


def mutual_information(first, second, inside, bins=32, normalized=True):
    """Compute the mutual information of two images from their joint histogram.

    Parameters
    ----------
    first, second : ndarray of one shape
    inside : ndarray of bool, the same shape
        The voxels to use. Intensities are clipped to their 0.5 and 99.5 percentiles there.
    bins : int
        Bins along each axis of the histogram.
    normalized : bool
        If true, (H(a) + H(b)) / H(a, b): 1 for independent and 2 for identical images (Studholme et al. 1999);
        otherwise H(a) + H(b) - H(a, b) in nats.

    Returns
    -------
    float
        The value of independent images (1 or 0) if either image is constant or `inside` is empty.
    """
    pair = [_binned(np.asarray(image)[inside], bins) for image in (first, second)]
    if any(values.size == 0 or values.min() == values.max() for values in pair):
        return 1.0 if normalized else 0.0
    joint = np.bincount(pair[0] * bins + pair[1], minlength=bins * bins).reshape(bins, bins) / pair[0].size
    alone = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))
    together = _entropy(joint)
    return float(alone / together if normalized else alone - together)


def _binned(values, bins):
    if values.size == 0:
        return values.astype(int)
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (values - low) / max(high - low, np.finfo(np.float32).tiny)
    return np.clip(scaled * bins, 0, bins - 1).astype(int)


def _entropy(shares):
    shares = shares[shares > 0]
    return -np.sum(shares * np.log(shares))


def noise_level(data, inside):
    """Estimate the standard deviation of the noise from in-plane differences between neighbours.

    Uses the residual of the 3x3 Laplacian-difference kernel of Immerkaer (1996, Comput. Vis. Image Underst. 64:300),
    which ignores linear gradients. Its spread is the median absolute value, which is robust to edges.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    inside : ndarray of bool, the same shape
    """
    kernel = np.array([1.0, -2.0, 1.0], np.float32)
    residual = ndimage.convolve1d(ndimage.convolve1d(np.asarray(data, np.float32), kernel, 0), kernel, 1)
    core = np.asarray(ndimage.binary_erosion(inside, np.ones((3, 3, 1))), bool)
    chosen: np.ndarray = core if core.any() else inside
    # 6 is the root of the sum of the squared weights of the 3x3 kernel
    return float(robust_spread(residual[chosen]) / 6) if chosen.any() else 0.0


def contrast_to_noise(data, inside):
    """Compute the contrast between the two main intensity classes of a brain, in units of the noise.

    The brain is divided into three classes by one-dimensional k-means (fluid, grey and white matter, in an order that
    depends on the sequence); the contrast is that of the two largest classes. It is for comparing scans of one sequence
    in one cohort, and is not an absolute measure.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    inside : ndarray of bool, the same shape

    Returns
    -------
    float
        0 if there is no brain, no contrast or no noise.
    """
    values = np.asarray(data, np.float32)[inside]
    if values.size < 10 or values.min() == values.max():
        return 0.0
    low, high = np.percentile(values, (0.5, 99.5))
    values = np.clip(values, low, high)
    centres = np.percentile(values, (10, 50, 90)).astype(float)
    for _ in range(50):
        which = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        moved = np.array([values[which == k].mean() if (which == k).any() else centres[k] for k in range(3)])
        if np.allclose(moved, centres, rtol=1e-4):
            break
        centres = np.sort(moved)
    first, second = np.argsort(np.bincount(which, minlength=3))[-2:]
    noise = noise_level(data, inside)
    return float(abs(centres[first] - centres[second]) / noise) if noise > 0 else 0.0


THINNED = 4.0  # mm; fine enough to find the air
AIR_MARGIN = 2  # thinned voxels around the head that are not counted as air
FEWEST_AIR = 500  # thinned voxels
MOST_SLICES = 20
FINE = 2.0  # mm, the smaller of the two distances for measuring sharpness
RIM = 5.0  # mm of the brain's in-plane edge to exclude, because of partial volume and the mask's edge
RAYLEIGH_MEDIAN = 1.1774  # median magnitude of noise with standard deviation 1: the square root of 2 ln 2
QUANTILES = (5, 25, 50, 75, 95)


def measure_scans(scans, masks, stripped):
    """Measure every sequence on its own grid.

    Parameters
    ----------
    scans, masks : dict of str to nibabel.Nifti1Image
        Sequences as imported, and the brain mask of each.
    stripped : dict of str to bool
        Whether a sequence was already skull-stripped, and so has no air for measuring noise.

    Returns
    -------
    dict of str to dict of str to float
        `signal_to_noise` and `sharpness` of each sequence that has them.
    """
    measures = {"signal_to_noise": {}, "sharpness": {}}
    for name, mask in masks.items():
        data = np.nan_to_num(np.asanyarray(scans[name].dataobj).astype(np.float32), posinf=0.0, neginf=0.0)
        brain = np.asanyarray(mask.dataobj) > 0
        sizes = np.linalg.norm(mask.affine[:3, :3], axis=0)
        values = {"sharpness": sharpness(data, brain, sizes)}
        if not stripped.get(name, False):
            values["signal_to_noise"] = signal_to_noise(data, brain, sizes)
        for measure, value in values.items():
            if value is not None:
                measures[measure][name] = float(f"{value:.4g}")
    return measures


def signal_to_noise(data, brain, sizes):
    """Compute the brain's signal in units of the noise in the air around the head.

    The signal is the brain's median. The noise of a magnitude image has a Rayleigh distribution in air, so its standard
    deviation in tissue is the median of air / 1.177 (Dietrich et al. 2007, J. Magn. Reson. Imaging 26:375, who use the
    standard deviation of air; the median is less sensitive to ghosts). With several coils or parallel imaging, it is
    only for comparing scans of one protocol, and is not an absolute measure.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
    brain : ndarray of bool, the same shape
    sizes : array_like, shape (3,)
        Voxel sizes in mm.

    Returns
    -------
    float or None
        None if there is no brain, or no air because the head fills the image or the air was set to zero.
    """
    steps = np.maximum(1, np.round(THINNED / np.asarray(sizes))).astype(int)
    cut = tuple(slice(None, None, step) for step in steps)
    thin, inside = data[cut], brain[cut]
    if not inside.any():
        return None
    signal = float(np.median(data[brain]))
    # averaged over neighbours, only the head exceeds the threshold, unless the noise is a fifth of the signal
    head = ndimage.uniform_filter(thin, 3) > 0.25 * signal
    pad = AIR_MARGIN + 1
    head = ndimage.binary_closing(np.pad(head | inside, pad), iterations=2)
    head = ndimage.binary_dilation(fill_holes(head), iterations=AIR_MARGIN)[(slice(pad, -pad),) * 3]
    outside = thin[~head]
    air = outside[outside != 0]
    if air.size < FEWEST_AIR or air.size < 0.5 * outside.size or signal <= 0:
        return None
    noise = float(np.median(air)) / RAYLEIGH_MEDIAN
    return signal / noise if noise > 0 else None


def sharpness(data, brain, sizes):
    """Compare in-plane changes of intensity over 2 mm with those over 6 mm.

    The result is the square root of the ratio of the variogram (half the mean squared difference of voxels at a
    distance) at the two distances, along the less sharp of the two in-plane axes, because motion and resampled thick
    slices blur only one axis. Unlike gradient energy it needs no contrast to divide by (why it was chosen:
    docs/explanation/decisions/preprocessing.md). The contribution of noise is subtracted (`noise_level`), and the edge
    of the brain is excluded.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
    brain : ndarray of bool, the same shape
    sizes : array_like, shape (3,)
        Voxel sizes in mm. The two finest axes are the plane, or the first two if all are equal. Voxels above 2 mm are
        compared over 1 and 3 voxels.

    Returns
    -------
    float or None
        1/3 if no detail is finer than 6 mm, about 1 if much is finer than 2 mm. None without a brain or contrast.
    """
    if not brain.any():
        return None
    box = grid_box(brain)
    *plane, across = np.argsort(sizes, kind="stable")
    order = (*sorted(plane), across)
    data, brain = data[box].transpose(order), brain[box].transpose(order)
    # the middle half of the slices shows similar anatomy in all patients
    depth = data.shape[2]
    some = slice(depth // 4, max(depth // 4 + 1, 3 * depth // 4), max(1, depth // 2 // MOST_SLICES))
    data, brain = data[:, :, some], brain[:, :, some]
    reach = np.maximum(1, np.round(RIM / np.asarray(sizes)[list(order)])).astype(int)
    core = ndimage.binary_erosion(brain, np.ones((2 * reach[0] + 1, 2 * reach[1] + 1, 1)))
    if not core.any():
        return None
    data = np.clip(data, *np.percentile(data[brain], (0.5, 99.5)))
    noise, ratios = noise_level(data, brain), []
    for axis in (0, 1):
        near = max(1, round(FINE / float(sizes[order[axis]])))
        change = [_variogram(data, core, axis, lag) - noise**2 for lag in (near, 3 * near)]
        if change[1] <= 0:
            return None
        ratios.append((max(0.0, change[0]) / change[1]) ** 0.5)
    return min(ratios)


def _variogram(data, inside, axis, lag):
    """Compute half the mean squared difference of inside voxels that are `lag` apart; 0 if there are none."""
    first, second = (np.moveaxis(data, axis, 0)[cut] for cut in (slice(lag, None), slice(None, -lag)))
    both = np.moveaxis(inside, axis, 0)
    both = both[lag:] & both[:-lag]
    return float(np.mean((first[both] - second[both]) ** 2)) / 2 if both.any() else 0.0


def describe_intensities(values):
    """Compute the 5, 25, 50, 75 and 95 percentiles of a brain's intensities, rounded according to their spread.

    Parameters
    ----------
    values : ndarray, shape (N,)

    Returns
    -------
    list of float
        Empty without values.
    """
    if not len(values):
        return []
    percentiles = np.percentile(values, QUANTILES).astype(float)
    scale = float(np.ptp(percentiles)) or float(np.abs(percentiles).max()) or 1.0
    # adding 0.0 avoids -0
    return [round(value, 4 - int(np.floor(np.log10(scale)))) + 0.0 for value in percentiles.tolist()]
