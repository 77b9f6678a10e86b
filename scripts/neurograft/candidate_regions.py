"""From scores of supervoxels to ranked regions, each one candidate."""

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components

# Levels of the score, in robust standard deviations above the brain's median: 3 is the usual limit of an outlier,
# the regions that only 2 and 1 reach follow as candidates of their own (the fringe of a lesion is one).
LEVELS = (3.0, 2.0, 1.0)
SMALLEST_ML = 0.2
COLUMNS = ("rank", "level", "evidence", "score", "volume_ml", "x_mm", "y_mm", "z_mm", "depth_mm", "supervoxels")


def group_supervoxels(score, features, neighbours, levels=LEVELS):
    """Join neighbouring supervoxels of high score to regions, level by level.

    What a region encloses belongs to it (a dark necrotic core). A lower level sees only what the higher ones left
    over, so regions never overlap. Regions under 0.2 ml are dropped.

    Returns
    -------
    regions : ndarray of int, shape (n,)
        1 to m, 0 for none.
    levels : ndarray of float, shape (m,)
    """
    regions = np.zeros(len(score), int)
    found = []
    if not len(score):
        return regions, np.zeros(0)
    volume, edge = features["volume_ml"].to_numpy(), features["edge"].to_numpy()
    taken = np.zeros(len(score), bool)
    for level in levels:
        high = _fill((score > level) | taken, edge, neighbours)
        parts = _components(high & ~taken, neighbours)
        sizes = np.bincount(parts, volume)
        for part in np.flatnonzero(sizes >= SMALLEST_ML):
            if part:
                found.append(level)
                regions[parts == part] = len(found)
        taken |= high
    return regions, np.array(found)


def _components(chosen, graph):
    """Number the connected parts of the chosen supervoxels from 1; 0 for the others."""
    picked = np.flatnonzero(chosen)
    parts = np.zeros(len(chosen), int)
    parts[picked] = connected_components(graph[picked][:, picked], directed=False)[1] + 1
    return parts


def _fill(chosen, edge, graph):
    """Add what the chosen supervoxels enclose: parts of the rest that do not reach the brain's edge."""
    parts = _components(~chosen, graph)
    open_parts = np.bincount(parts, edge) > 0
    return chosen | ~open_parts[parts]


def rank_regions(regions, levels, score, features, top):
    """Describe the first `top` regions by level and evidence; also give each supervoxel its rank, from the outside on.

    Parameters
    ----------
    regions, levels
        Of `group_supervoxels`.
    score : ndarray of float, shape (n,)
    features : pandas.DataFrame, n rows
    top : int

    Returns
    -------
    table : pandas.DataFrame
    ranks : ndarray of int, shape (n + 1,)
    """
    ranks = np.zeros(len(score) + 1, int)
    if not len(levels):
        return pd.DataFrame(columns=COLUMNS), ranks
    volume = features["volume_ml"].to_numpy()
    totals = np.bincount(regions, volume)
    evidence = np.bincount(regions, volume * score**2)
    order = np.lexsort((-evidence[1:], -levels))[:top] + 1
    renamed = np.zeros(len(totals), int)
    renamed[order] = np.arange(1, len(order) + 1)
    ranks[1:] = renamed[regions]

    def average(column):
        return (np.bincount(regions, volume * column) / totals)[order]

    table = {"rank": renamed[order], "level": levels[order - 1], "evidence": evidence[order], "score": average(score)}
    table |= {"volume_ml": totals[order], **{name: average(features[name]) for name in ("x_mm", "y_mm", "z_mm")}}
    table |= {"depth_mm": average(features["depth_mm"]), "supervoxels": np.bincount(regions)[order]}
    for name in features:
        if name.startswith(("z_", "sd_", "asymmetry_", "contrast_")) and name != "z_mm":
            table[name] = average(features[name])
    return pd.DataFrame(table), ranks
