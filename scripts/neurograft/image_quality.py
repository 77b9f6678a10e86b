"""What an image is worth as it was scanned: signal against the noise of the air, sharpness, spread of intensities."""

import numpy as np
from scipy import ndimage

from neurograft.images import grid_box
from neurograft.quality import noise_level

THINNED = 4.0  # mm; fine enough to find the air
AIR_MARGIN = 2  # thinned voxels around the head that are not counted as air
FEWEST_AIR = 500  # thinned voxels
MOST_SLICES = 40
RAYLEIGH_MEDIAN = 1.1774  # of the magnitude of noise with standard deviation 1: the root of 2 ln 2
QUANTILES = (5, 25, 50, 75, 95)


def measure_scans(scans, masks, stripped):
    """Measure every sequence on its own grid.

    Parameters
    ----------
    scans, masks : dict of str to nibabel.Nifti1Image
        Sequences as imported, and the brain mask of each.
    stripped : dict of str to bool
        Whether a sequence came without skull, and so without air to take the noise from.

    Returns
    -------
    dict of str to dict of str to float
        `signal_to_noise` and `sharpness` of each sequence that has them.
    """
    found = {"signal_to_noise": {}, "sharpness": {}}
    for name, mask in masks.items():
        data = np.nan_to_num(np.asanyarray(scans[name].dataobj).astype(np.float32), posinf=0.0, neginf=0.0)
        brain = np.asanyarray(mask.dataobj) > 0
        sizes = np.linalg.norm(mask.affine[:3, :3], axis=0)
        values = {"sharpness": sharpness(data, brain, sizes)}
        if not stripped.get(name, False):
            values["signal_to_noise"] = signal_to_noise(data, brain, sizes)
        for measure, value in values.items():
            if value is not None:
                found[measure][name] = float(f"{value:.4g}")
    return found


def signal_to_noise(data, brain, sizes):
    """Signal of the brain in units of the noise of the air around the head.

    The signal is the brain's median. Noise of a magnitude image has a Rayleigh distribution in the air, so its
    standard deviation in tissue is the air's median / 1.177 (Dietrich et al. 2007, J. Magn. Reson. Imaging 26:375,
    who take the air's standard deviation; the median minds ghosts less). With several coils or parallel imaging it
    compares scans of one protocol, and is no absolute measure.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
    brain : ndarray of bool, the same shape
    sizes : array_like, shape (3,)
        Voxel sizes in mm.

    Returns
    -------
    float or None
        None where there is no brain, or no air: the head fills the image, or the air was set to zero.
    """
    steps = np.maximum(1, np.round(THINNED / np.asarray(sizes))).astype(int)
    cut = tuple(slice(None, None, step) for step in steps)
    thin, inside = data[cut], brain[cut]
    if not inside.any():
        return None
    signal = float(np.median(data[brain]))
    # the mean over neighbours lifts nothing but the head over the threshold, unless the noise is a fifth of the signal
    head = ndimage.uniform_filter(thin, 3) > 0.25 * signal
    pad = AIR_MARGIN + 1
    head = ndimage.binary_closing(np.pad(head | inside, pad), iterations=2)
    head = ndimage.binary_dilation(ndimage.binary_fill_holes(head), iterations=AIR_MARGIN)[(slice(pad, -pad),) * 3]
    outside = thin[~head]
    air = outside[outside != 0]
    if air.size < FEWEST_AIR or air.size < 0.5 * outside.size or signal <= 0:
        return None
    noise = float(np.median(air)) / RAYLEIGH_MEDIAN
    return signal / noise if noise > 0 else None


def sharpness(data, brain, sizes):
    """How steep intensities are in the plane of the slices, against how far they spread.

    The root of the mean squared gradient (Tenengrad: Krotkov 1988, Int. J. Comput. Vis. 1:223) over the standard
    deviation of the brain's intensities, both clipped to the 0.5 and 99.5 percentiles. What noise adds to the
    gradient is taken off (`quality.noise_level`), or noisy scans would look sharp. It does not change with
    intensities, falls with blur, motion and thick voxels, and compares scans of one sequence.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
    brain : ndarray of bool, the same shape
    sizes : array_like, shape (3,)
        Voxel sizes in mm; the two finest axes are the plane.

    Returns
    -------
    float or None
        Per mm; None without a brain or without contrast.
    """
    if not brain.any():
        return None
    box = grid_box(brain, margin=2)
    *plane, across = np.argsort(sizes, kind="stable")
    order = (*sorted(plane), across)
    data, brain = data[box].transpose(order), brain[box].transpose(order)
    every = max(1, data.shape[2] // MOST_SLICES)
    data, brain = data[:, :, ::every], brain[:, :, ::every]
    core = ndimage.binary_erosion(brain, np.ones((3, 3, 1)))
    if not core.any():
        return None
    data = np.clip(data, *np.percentile(data[brain], (0.5, 99.5)))
    spread = float(data[brain].std())
    if spread <= 0:
        return None
    noise, energy = noise_level(data, brain), 0.0
    for axis in (0, 1):
        step = 2 * float(sizes[order[axis]])
        slope = (np.roll(data, -1, axis) - np.roll(data, 1, axis))[core] / step
        energy += float(np.mean(slope**2)) - 2 * (noise / step) ** 2
    return max(0.0, energy) ** 0.5 / spread


def describe_intensities(values):
    """Give the 5, 25, 50, 75 and 95 percentiles of a brain's intensities, rounded to what their spread can tell.

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
    found = np.percentile(values, QUANTILES).astype(float)
    scale = float(np.ptp(found)) or float(np.abs(found).max()) or 1.0
    # 0.0 is added so that nothing is -0
    return [round(value, 4 - int(np.floor(np.log10(scale)))) + 0.0 for value in found.tolist()]
