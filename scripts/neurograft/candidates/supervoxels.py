"""Supervoxels: cut a brain into a few thousand small regions that are alike in all sequences, and measure them."""

import numpy as np
import pandas as pd
import SimpleITK as sitk
from nibabel.affines import apply_affine, voxel_sizes
from scipy import sparse
from scipy.ndimage import map_coordinates
from scipy.spatial import KDTree
from skimage.segmentation import slic

from neurograft.imaging.nifti import read_image
from neurograft.imaging.resampling import grid_box
from neurograft.imaging.robust import robust_spread
from neurograft.imaging.templates import mni_tissue_maps
from neurograft.imaging.typed import affine_of


def tissue_priors(centres):
    """Sample the template's shares of grey matter, white matter and the rest (fluid) at points in MNI152 space.

    Parameters
    ----------
    centres : ndarray, shape (n, 3)
        World coordinates (RAS, millimetres); a point outside of the maps has none of the tissues.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        `prior_grey`, `prior_white`, `prior_fluid`, each from 0 to 1.
    """
    shares = {}
    for tissue, path in mni_tissue_maps().items():
        tissue_map = read_image(path)
        data = np.asanyarray(tissue_map.dataobj).astype(np.float32)
        places = apply_affine(np.linalg.inv(affine_of(tissue_map)), np.asarray(centres, float))
        share = map_coordinates(data / max(float(data.max()), 1e-6), places.T, order=1, mode="constant")
        shares[f"prior_{tissue}"] = np.clip(share, 0, 1)
    return shares | {"prior_fluid": np.clip(1 - sum(shares.values()), 0, 1)}


# The intensities are rounded to 1/256 before they are summed. Sums of a million of them are then exact in double
# precision, and so do not depend on the order in which threads add them up: same bytes for any number of threads.
FRACTION = 256
RANGE = 8.0
ITERATIONS = 5
SMALLEST = 27  # voxels; smaller supervoxels describe noise
MIDLINE_MM = 10.0  # a brain whose centre is nearer to x = 0 is taken to be in template space
MIRRORED = 8  # supervoxels on the other side that make up the counterpart: forgives a few mm of asymmetric anatomy


def segment_supervoxels(channels, brain, spacing=(1.0, 1.0, 1.0), engine="simpleitk", segments=8000, compactness=0.5):
    """Cut the brain into supervoxels.

    Parameters
    ----------
    channels : sequence of ndarray, each of shape (X, Y, Z)
        Normalised intensities, of standard deviation near 1 in the brain; clipped to -8 to 8.
    brain : ndarray of bool, shape (X, Y, Z)
        No supervoxel reaches outside.
    spacing : sequence of 3 float
        Voxel size in mm.
    engine : str
        A key of `SUPERVOXEL_ENGINES`.
    segments : int
        How many supervoxels to aim at within the brain; fewer where they would fall under 27 voxels.
    compactness : float
        Weight of position against intensity, in standard deviations a grid step: higher is rounder.

    Returns
    -------
    ndarray of int32, shape (X, Y, Z)
        1 to n without gaps inside the brain, 0 outside; all 0 if the brain is empty.
    """
    out = np.zeros(np.shape(brain), np.int32)
    brain = np.asarray(brain, bool)
    if not brain.any():
        return out
    box = grid_box(brain, margin=1)
    inside = brain[box]
    # outside of the brain the darkest value of all: supervoxels then end at the edge by themselves
    stack = np.stack([np.where(inside, np.clip(channel[box], -RANGE, RANGE), -RANGE) for channel in channels], axis=-1)
    stack = (np.round(stack * (FRACTION / np.sqrt(len(channels)))) / FRACTION).astype(np.float32)
    voxels = int(inside.sum())
    segments = int(np.clip(segments, 1, max(1, voxels // SMALLEST)))
    step = (voxels * float(np.prod(spacing)) / segments) ** (1 / 3)
    raw = SUPERVOXEL_ENGINES[engine](stack, np.asarray(spacing, float), step, compactness)
    _found, numbers = np.unique(raw[inside], return_inverse=True)
    cut = np.zeros(inside.shape, np.int32)
    cut[inside] = numbers.reshape(-1) + 1
    out[box] = cut
    return out


def _slic_simpleitk(stack, spacing, step, compactness):
    """Cut with ITK's SLIC, several threads; `stack` is (X, Y, Z, C), the result (X, Y, Z)."""
    run = sitk.SLICImageFilter()
    # the arrays' axes are reversed in SimpleITK, and so must the grid be
    grid = np.clip(np.round(step / spacing), 1, stack.shape[:3]).astype(int)
    run.SetSuperGridSize([int(size) for size in grid[::-1]])
    run.SetSpatialProximityWeight(float(compactness))
    run.SetMaximumNumberOfIterations(ITERATIONS)
    return sitk.GetArrayFromImage(run.Execute(sitk.GetImageFromArray(stack, isVector=True)))


def _slic_scikit_image(stack, spacing, step, compactness):
    """Cut with scikit-image's SLIC, one thread; it scales intensities to 0-1, so the compactness is scaled too.

    Its first grid is regular in voxels, not in millimetres: for thick slices the other engine is better.
    """
    volume = float(np.prod(stack.shape[:3]) * np.prod(spacing))
    width = float(stack.max() - stack.min()) or 1.0
    return slic(
        stack,
        n_segments=max(1, round(volume / step**3)),
        compactness=compactness / width,
        max_num_iter=ITERATIONS,
        spacing=spacing / spacing.min(),
        channel_axis=-1,
        start_label=0,
    )


def neighbours(segments):
    """Find the pairs of supervoxels that share faces of voxels.

    Parameters
    ----------
    segments : ndarray of int, shape (X, Y, Z)
        0 is outside and no neighbour of any.

    Returns
    -------
    pairs : ndarray of int, shape (P, 2)
        Labels, the smaller first, each pair once, in order.
    contact : ndarray of int, shape (P,)
        Number of shared voxel faces.
    """
    size = int(segments.max()) + 1
    codes = []
    for axis in range(segments.ndim):
        first = np.take(segments, range(segments.shape[axis] - 1), axis)
        second = np.take(segments, range(1, segments.shape[axis]), axis)
        differ = (first != second) & (first > 0) & (second > 0)
        low, high = np.minimum(first[differ], second[differ]), np.maximum(first[differ], second[differ])
        codes.append(low.astype(np.int64) * size + high)
    codes, contact = np.unique(np.concatenate(codes), return_counts=True)
    return np.stack([codes // size, codes % size], axis=1), contact


def tumour_share(segments, tumour):
    """Compute the share of each supervoxel that is tumour.

    Returns
    -------
    ndarray of float, shape (n + 1,)
        By label; the entry of the outside (0) is 0.
    """
    sizes = np.bincount(segments.ravel())
    hits = np.bincount(segments[np.asarray(tumour, bool)].ravel(), minlength=sizes.size)
    share = hits / np.maximum(sizes, 1)
    share[0] = 0
    return share


def oracle_dice(segments, tumour):
    """Compute the best Dice that whole supervoxels allow: take each one that is more than half tumour.

    Tumour outside of every supervoxel counts as missed.

    Parameters
    ----------
    segments : ndarray of int, shape (X, Y, Z)
    tumour : ndarray of bool, shape (X, Y, Z)

    Returns
    -------
    float
        NaN without any tumour.
    """
    tumour = np.asarray(tumour, bool)
    if not tumour.any():
        return float("nan")
    chosen = (tumour_share(segments, tumour) > 0.5)[segments]
    return float(2 * (chosen & tumour).sum() / (chosen.sum() + tumour.sum()))


def robust_z(values):
    """Standardise by median and scaled median absolute deviation, or standard deviation where the latter is 0.

    Parameters
    ----------
    values : ndarray of float
        Not empty, finite.

    Returns
    -------
    ndarray of float, same shape
        All 0 if the values are constant.
    """
    values = values - np.median(values)
    scale = robust_spread(values) or np.std(values)
    return values / scale if scale > 0 else np.zeros_like(values)


def measure_supervoxels(channels, segments, mask, affine):
    """Measure every supervoxel.

    Parameters
    ----------
    channels : dict of str to ndarray, shape (X, Y, Z)
        Finite intensities; `t1` and `t1c` together also give `enhancement`, their standardised difference.
    segments : ndarray of int, shape (X, Y, Z)
        Supervoxels 1 to n within `mask`.
    mask : ndarray of bool, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxels to millimetres, x from left to right.

    Returns
    -------
    features : pandas.DataFrame, n rows
        `volume_ml`, `x_mm`, `y_mm`, `z_mm`, `depth_mm` (mean distance to the brain's edge), `edge` (touches it), and
        for each sequence `mean_` and `sd_` (input units), `z_` (mean in robust standard deviations of the brain),
        `asymmetry_` (z minus that of the other side, 0 without a counterpart) and `contrast_` (z minus the
        neighbours').
    links : dict
        `neighbours`: sparse (n, n), rows sum to 1, weights by shared surface; `mirrored`: int (n, 8), supervoxels
        nearest to the mirrored centroid; `matched`: bool (n,), whether there is a counterpart.
    mirror : float
        The mirror plane's x in mm: 0 in template space, else the brain's centre.
    """
    count = int(segments.max())
    if not count:
        return pd.DataFrame(), {}, 0.0
    inside = segments > 0
    owner = segments[inside] - 1
    sizes = np.bincount(owner, minlength=count)
    spacing = voxel_sizes(affine)

    def average(values):
        return np.bincount(owner, values, count) / sizes

    depth = _depth(mask, spacing)[inside]
    centres = apply_affine(affine, np.stack([average(axis) for axis in np.nonzero(inside)], axis=1))
    columns = {"volume_ml": sizes * np.prod(spacing) / 1000}
    columns |= dict(zip(("x_mm", "y_mm", "z_mm"), centres.T, strict=True))
    columns |= {"depth_mm": average(depth), "edge": np.bincount(owner, depth <= spacing.max(), count) > 0}
    links, mirror = _link(segments, centres, sizes)
    values = {name: channel[inside].astype(np.float64) for name, channel in channels.items()}
    if "t1" in values and "t1c" in values:
        values["enhancement"] = robust_z(values["t1c"]) - robust_z(values["t1"])
    for name, value in values.items():
        mean = average(value)
        z = average(robust_z(value))
        other = np.where(links["matched"], z[links["mirrored"]].mean(axis=1), z)
        columns |= {f"mean_{name}": mean, f"sd_{name}": np.sqrt(np.maximum(average(value**2) - mean**2, 0))}
        columns |= {f"z_{name}": z, f"asymmetry_{name}": z - other, f"contrast_{name}": z - links["neighbours"] @ z}
    return pd.DataFrame(columns), links, mirror


def _depth(mask, spacing):
    """Compute each brain voxel's distance, in mm, to the nearest voxel outside, within the brain's box only."""
    depth = np.zeros(mask.shape, np.float32)
    box = grid_box(mask)
    # ITK's exact transform (Maurer et al. 2003) takes half the time of scipy's
    outside = sitk.GetImageFromArray(np.pad(~mask[box], 1, constant_values=True).astype(np.uint8))
    outside.SetSpacing([float(size) for size in spacing[::-1]])
    distance = sitk.SignedMaurerDistanceMap(outside, squaredDistance=False, useImageSpacing=True)
    depth[box] = sitk.GetArrayFromImage(distance)[1:-1, 1:-1, 1:-1]
    return depth


def weigh_neighbours(segments, count):
    """Build the graph of neighbours, weighted by shared surface; a supervoxel without any is its own.

    Parameters
    ----------
    segments : ndarray of int, shape (X, Y, Z)
    count : int
        Number of supervoxels, n.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, n)
        Rows sum to 1.
    """
    pairs, contact = neighbours(segments)
    first, second = pairs.T - 1
    both = (np.concatenate([first, second]), np.concatenate([second, first]))
    graph = sparse.csr_array((np.tile(contact, 2).astype(float), both), shape=(count, count))
    surface = graph.sum(axis=1)
    # a supervoxel without any neighbour is its own, so that its contrast is 0
    graph = graph + sparse.diags_array((surface == 0).astype(float))
    return sparse.diags_array(1 / np.where(surface > 0, surface, 1)) @ graph


def _link(segments, centres, sizes):
    """Find each supervoxel's neighbours and its counterpart on the other side."""
    count = len(sizes)
    middle = float(np.average(centres[:, 0], weights=sizes))
    mirror = 0.0 if abs(middle) <= MIDLINE_MM else middle
    mirrored = centres * [-1, 1, 1] + [2 * mirror, 0, 0]
    # a list of ranks keeps the axis of the neighbours where there is one supervoxel; the hint knows numbers only
    ranks = list(range(1, min(MIRRORED, count) + 1))
    tree = KDTree(centres, leafsize=16)  # the order among equally near ones depends on it
    distance, nearest = tree.query(mirrored, k=ranks)  # pyright: ignore[reportArgumentType]
    links = {"neighbours": weigh_neighbours(segments, count)}
    return links | {"mirrored": nearest, "matched": distance[:, 0] <= MIDLINE_MM}, mirror


SUPERVOXEL_ENGINES = {
    "simpleitk": _slic_simpleitk,
    "scikit-image": _slic_scikit_image,
}
