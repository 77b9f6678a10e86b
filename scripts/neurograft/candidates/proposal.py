"""Tumour candidates: regions of the brain that stand out, ranked, without any training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from nibabel.affines import voxel_sizes
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from neurograft.candidates.supervoxels import (
    measure_supervoxels,
    oracle_dice,
    segment_supervoxels,
    tissue_priors,
    tumour_share,
)
from neurograft.core.sequences import SEQUENCES
from neurograft.imaging.nifti import image
from neurograft.imaging.robust import robust_spread

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
    region_levels = []
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
                region_levels.append(level)
                regions[parts == part] = len(region_levels)
        taken |= high
    return regions, np.array(region_levels)


def _components(chosen, graph):
    """Label the connected parts of the chosen supervoxels from 1; 0 for the others."""
    picked = np.flatnonzero(chosen)
    parts = np.zeros(len(chosen), int)
    parts[picked] = connected_components(graph[picked][:, picked], directed=False)[1] + 1
    return parts


def _fill(chosen, edge, graph):
    """Add what the chosen supervoxels enclose: parts of the rest that do not reach the brain's edge."""
    parts = _components(~chosen, graph)
    open_parts = np.bincount(parts, edge) > 0
    return chosen | ~open_parts[parts]


def rank_regions(regions, levels, score, features, top) -> tuple[pd.DataFrame, np.ndarray]:
    """Describe the first `top` regions by level and evidence; also rank each supervoxel, the outside first.

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
        return pd.DataFrame(columns=pd.Index(COLUMNS)), ranks
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


KS = (1, 5, 10, 20)
FIRST = 5  # candidates that the record repeats, for a reader of the images
LEAST_AREA = 20.0  # mm2
# FLAIR tells oedema from fluid, so it counts most; T2 half of that, since fluid is brighter than any tumour there.
WEIGHTS = {"flair": 1.0, "t2": 0.5, "t1c": 0.25, "t1": 0.25}
FLUID = 4.0  # robust z; without FLAIR, what is brighter than this on T2 looks like fluid
EDGE_MM = 3.0  # partial volume with fluid and dura reaches about so deep
ROUNDS = 5
ALIKE = 2.0  # supervoxels share their score the less, the more their evidence differs in units of this (a Gaussian)
# In a very even brain the median absolute deviation of the score is so small that anything would be an outlier:
# at least this much, in the units of the evidence (standard deviations of single voxels), is one step of the score.
STEP = 0.25


@dataclass(frozen=True)
class ProposalOptions:
    """The block `propose_candidates` of the configuration.

    Parameters
    ----------
    engine, segments, compactness
        See `supervoxels.segment_supervoxels`.
    top : int
        How many candidates to keep.
    curve : sequence of int
        Further numbers of supervoxels, for which the oracle Dice of a labelled tumour is recorded.
    """

    engine: str = "simpleitk"
    segments: int = 8000
    compactness: float = 0.5
    top: int = 20
    curve: Sequence[int] = ()


def propose_candidates(images, brain, labels=None, options=None, priors=False):
    """Propose ranked tumour candidates from any subset of the sequences.

    Parameters
    ----------
    images : dict of str to nibabel.Nifti1Image
        Normalised images, any of `SEQUENCES`, all on one grid; other names are left out.
    brain : nibabel.Nifti1Image
        Brain mask on the same grid.
    labels : nibabel.Nifti1Image, optional
        Tumour labels on the same grid, used to judge the candidates only; every value above 0 is tumour.
    options : ProposalOptions, optional
    priors : bool
        Whether the images are in MNI152 space, so that the template's tissues are measured too.

    Returns
    -------
    ranked : nibabel.Nifti1Image of uint16
        1 is the first candidate, up to `options.top`; 0 elsewhere.
    table : pandas.DataFrame
        One row a candidate, in order of `level` (see `LEVELS`), then of `evidence` (sum of volume in ml times squared
        score): `rank`, `level`, `evidence`, `score` (mean, robust z), `volume_ml`, `x_mm`, `y_mm`, `z_mm` (centroid),
        `depth_mm` (below the brain's edge), `supervoxels`, for each sequence the volume-weighted mean of `z_`, `sd_`,
        `asymmetry_` and `contrast_` (see `measure_supervoxels`), and `tumour_share` if there are labels. Empty if
        nothing is found.
    record : dict
        `sequences`, `engine`, `supervoxels`, `candidates`, `mirror_x_mm`, `flags`, `first` (the first rows of the
        table: where to look), `slices` (of the grid, where these first candidates are), and with a labelled tumour
        `oracle_dice`, `recall` and `precision` at 1, 5, 10, 20, `first_hit` (rank of the first candidate that is
        mostly tumour, or None) and `false_candidates` (kept candidates without any tumour), and `curve`, the oracle
        Dice at each further number.
    cut : dict
        The supervoxels behind them, for `supervoxel_files.write_supervoxels`: `segments`, `features`,
        `mirror`.

    Raises
    ------
    ValueError
        If images, mask and labels are not on one grid. Strange data (empty mask, constant or non-finite images) do
        not raise: the table is empty and `flags` says why.
    """
    options = options or ProposalOptions()
    mask = np.asanyarray(brain.dataobj) > 0
    grids = [*images.values(), *([] if labels is None else [labels])]
    if any(grid.shape != brain.shape or not np.allclose(grid.affine, brain.affine, atol=1e-3) for grid in grids):
        raise ValueError("images, brain mask and labels must be on one grid")
    channels, flags = _usable(images, mask)
    spacing = voxel_sizes(brain.affine)

    def cut_into(number):
        if not channels:
            return np.zeros(mask.shape, np.int32)
        return segment_supervoxels(list(channels.values()), mask, spacing, options.engine, number, options.compactness)

    segments_image = cut_into(options.segments)
    features, links, mirror = measure_supervoxels(channels, segments_image, mask, brain.affine)
    if priors and len(features):
        features = features.assign(**tissue_priors(features[["x_mm", "y_mm", "z_mm"]].to_numpy()))
    score = score_supervoxels(features, links)
    regions, levels = group_supervoxels(score, features, links.get("neighbours"))
    table, ranks = rank_regions(regions, levels, score, features, options.top)
    if not len(table):
        flags.append("no candidate found")
    ranked = ranks.astype(np.uint16)[segments_image]
    record = {
        "sequences": list(channels),
        "engine": options.engine,
        "supervoxels": len(features),
        "candidates": len(table),
        "mirror_x_mm": mirror,
        "flags": flags,
        "first": cast(pd.DataFrame, table.head(FIRST)[list(COLUMNS)]).round(2).to_dict("records"),
    }
    if labels is not None:
        tumour = np.asanyarray(labels.dataobj) > 0
        table["tumour_share"] = tumour_share(ranked, tumour)[1 : len(table) + 1]
        if tumour.any():
            record |= judge_candidates(segments_image, ranked, tumour)
            record["curve"] = {str(number): oracle_dice(cut_into(number), tumour) for number in options.curve}
    record["slices"] = list_slices(ranked, spacing)
    cut = {"segments": segments_image, "features": features, "mirror": mirror}
    return image(ranked, brain.affine), table, record, cut


def _usable(images, mask):
    """Return the sequences as finite float32 arrays in the order of `SEQUENCES`, and what is wrong with the others."""
    if not mask.any():
        return {}, ["brain mask is empty"]
    channels, flags = {}, []
    for name in SEQUENCES:
        if name not in images:
            continue
        data = np.asarray(images[name].dataobj, np.float32)
        finite = np.isfinite(data[mask])
        if not finite.all():
            flags.append(f"{name} has values that are not finite")
            data = np.nan_to_num(data, nan=0.0, posinf=0.0, neginf=0.0)
        if np.ptp(data[mask]) > 0:
            channels[name] = data
        else:
            flags.append(f"{name} is constant within the brain")
    return channels, flags if channels else [*flags, "no usable sequence"]


def score_supervoxels(features, links):
    """Score each supervoxel as tumour, without training: an outlier against the subject's own brain.

    The evidence is the weighted mean of what tumour looks like on the sequences present (bright on FLAIR and T2,
    enhancing or, without T1, bright on T1c; dark on T1), each limited to -3 to 5 robust standard deviations. Half of
    the counterpart's evidence on the other side is taken off, the brain's rim is faded out, and the result is shared
    with those neighbours that are alike, since tumours are larger than supervoxels and noise is not.

    Parameters
    ----------
    features : pandas.DataFrame
    links : dict
        Both of `measure_supervoxels`.

    Returns
    -------
    ndarray of float, shape (n,)
        In robust standard deviations above the median of the brain's supervoxels, each at least `STEP`.
    """
    if not len(features):
        return np.zeros(0)
    signs = _signs(features)
    total = sum(WEIGHTS[name] for name in signs)
    evidence = np.asarray(sum(WEIGHTS[name] * np.clip(sign, -3, 5) for name, sign in signs.items())) / total
    other = np.where(links["matched"], evidence[links["mirrored"]].mean(axis=1), evidence)
    score = (evidence - other / 2) * (1 - np.exp(-features["depth_mm"].to_numpy() / EDGE_MM))
    shared = links["neighbours"].tocoo()
    shared.data = shared.data * np.exp(-(((score[shared.row] - score[shared.col]) / ALIKE) ** 2) / 2)
    shared = shared.tocsr() + sparse.diags_array(1 - shared.sum(axis=1))  # the rest is a supervoxel's own
    for _ in range(ROUNDS):
        score = (score + shared @ score) / 2
    score = score - np.median(score)
    return score / max(robust_spread(score), STEP)


def _signs(features):
    """Compute the signs of tumour, by sequence, in robust z."""
    z = {name: features[f"z_{name}"].to_numpy() for name in SEQUENCES if f"z_{name}" in features}
    signs = {}
    if "flair" in z:
        signs["flair"] = z["flair"]
    if "t2" in z:
        fluid = np.maximum(2 * FLUID - z["t2"], -1)
        signs["t2"] = z["t2"] if "flair" in z else np.minimum(z["t2"], fluid)
    if "t1c" in z:
        bright = features["z_enhancement"].to_numpy() if "t1" in z else z["t1c"]
        # alone, T1c shows a tumour by its dark core as well as by its rim
        signs["t1c"] = np.abs(bright) if set(z) == {"t1c"} else np.maximum(bright, 0)
    # fluid is dark on T1 too: without FLAIR to tell them apart this counts only if there is nothing else
    if "t1" in z and ("flair" in z or set(z) == {"t1"}):
        signs["t1"] = -z["t1"]
    return signs


def list_slices(ranked, spacing):
    """List the axial slices in which the first candidates together cover more than `LEAST_AREA`.

    Parameters
    ----------
    ranked : ndarray of int, shape (X, Y, Z)
    spacing : sequence of 3 float
        Voxel size in mm.
    """
    area = ((ranked > 0) & (ranked <= FIRST)).sum((0, 1)) * spacing[0] * spacing[1]
    return np.flatnonzero(area > LEAST_AREA).tolist()


def recall_at(ranked, tumour, ks=KS):
    """Compute the share of the tumour's volume that the first k candidates cover together.

    Parameters
    ----------
    ranked : ndarray of int, shape (X, Y, Z)
        Ranks from 1, 0 elsewhere.
    tumour : ndarray of bool, shape (X, Y, Z)
    ks : sequence of int

    Returns
    -------
    dict of int to float
        NaN without any tumour.
    """
    ranks = np.asarray(ranked)[np.asarray(tumour, bool)]
    return {k: float(((ranks > 0) & (ranks <= k)).mean()) if ranks.size else float("nan") for k in ks}


def precision_at(ranked, tumour, ks=KS):
    """Compute the share of the first k candidates' volume that is tumour; NaN without candidates. See `recall_at`."""
    tumour = np.asarray(tumour, bool)[ranked > 0]
    ranks = ranked[ranked > 0]
    return {k: float(tumour[ranks <= k].mean()) if ranks.size else float("nan") for k in ks}


def judge_candidates(segments, ranked, tumour):
    """Judge supervoxels and candidates against a labelled tumour; the entries are named in `propose_candidates`."""
    share = tumour_share(ranked, tumour)
    hits = np.flatnonzero(share > 0.5)
    judged = {"oracle_dice": oracle_dice(segments, tumour), "first_hit": int(hits[0]) if hits.size else None}
    judged["recall"] = {str(k): value for k, value in recall_at(ranked, tumour).items()}
    precision = precision_at(ranked, tumour).items()
    judged["precision"] = {str(k): None if np.isnan(value) else value for k, value in precision}  # JSON has no NaN
    return judged | {"false_candidates": int((share[1:] == 0).sum())}
