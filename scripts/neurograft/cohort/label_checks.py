"""Compare a label with the scan under it: where it lies, how bright its parts are, and how the two headers differ."""

import numpy as np
from scipy import stats

from neurograft.cohort.prior_processing import find_head_coarse
from neurograft.imaging.headers import corner_distance, voxel_sizes

LARGEST_OUTSIDE = 0.5  # share of a label's voxels that may lie in the air, or outside of a stripped brain
FEWEST_VOXELS = 50  # of a part of the label, to compare its brightness
MOST_VOXELS = 20_000  # of each side of the comparison, evenly spaced
NAMES = ("left and right", "front and back", "top and bottom")


def share_outside(labels, scan, stripped):
    """Compute the share of a label's voxels in the air, or outside of a stripped brain.

    Parameters
    ----------
    labels, scan : nibabel.Nifti1Image
        On one grid.
    stripped : bool
        Whether the scan is skull-stripped.

    Returns
    -------
    float
        0 for an empty label.
    """
    marked = np.asanyarray(labels.dataobj) != 0
    if not marked.any():
        return 0.0
    data = np.asanyarray(scan.dataobj)
    inside = data != 0 if stripped else find_head_coarse(data, voxel_sizes(scan.affine))
    return float(1 - inside[marked].mean())


def measure_brightness(labels, scan, values):
    """Compare the brightness of each part of a label with that of its other parts; with all else if there is but one.

    Parameters
    ----------
    labels, scan : nibabel.Nifti1Image
        On one grid; the scan is after contrast agent.
    values : sequence of int
        Of the label, without 0.

    Returns
    -------
    dict of str to float
        Value (as text, for JSON) to the probability that a voxel of it is brighter than one of the others; without
        parts of fewer than `FEWEST_VOXELS`.
    """
    marked, data = np.asanyarray(labels.dataobj), np.asanyarray(scan.dataobj)
    measured = {}
    for value in values:
        own = data[marked == value]
        others = data[(marked != 0) & (marked != value)]
        if not others.size:
            others = data[(marked == 0) & (data != 0)]
        if min(own.size, others.size) < FEWEST_VOXELS:
            continue
        own, others = (part[:: max(1, part.size // MOST_VOXELS)] for part in (own, others))
        rank = stats.mannwhitneyu(own, others).statistic
        measured[str(value)] = round(float(rank / (own.size * others.size)), 3)
    return measured


def tell_headers(labels, scan, name):
    """Say how the header of a label differs from that of a scan of the same shape, and what to do.

    Parameters
    ----------
    labels, scan : nibabel.Nifti1Image
        Of the same shape.
    name : str
        The sequence.
    """
    one, other = np.asarray(labels.affine), np.asarray(scan.affine)
    sizes = voxel_sizes(one), voxel_sizes(other)
    apart = corner_distance(scan.shape, one, other)
    if not np.allclose(*sizes, rtol=0.01):
        how = f"voxels of {_by(sizes[0])} mm instead of {_by(sizes[1])} mm"
    elif np.allclose(one[:3, :3], other[:3, :3], atol=0.01 * sizes[1].min()):
        how = f"moved by {_by(one[:3, 3] - other[:3, 3])} mm"
    else:
        turned = [NAMES[axis] for axis in range(3) if one[axis, axis] * other[axis, axis] < 0]
        how = f"{', '.join(turned)} turned round" if turned else "turned"
    return (
        f"has the voxels of {name}, but its header places them elsewhere ({how}; {apart:.1f} mm apart at a corner); if "
        f"it was drawn on {name}, copy the affine of {name} into its header; do not resample it"
    )


def _by(lengths):
    return " x ".join(f"{length:.3g}" for length in lengths)
