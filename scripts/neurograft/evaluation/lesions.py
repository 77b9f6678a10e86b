"""Scores of single lesions as BraTS 2023 defines them, and how close two surfaces are."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage  # pyright: ignore[reportMissingTypeStubs] # SciPy has none

from neurograft.core.split_file import SplitFile
from neurograft.evaluation import scores
from neurograft.evaluation.metrics import Spacing, bounding_box, dice, hd95, volume_error
from neurograft.evaluation.records import read_manifest

Mask = NDArray[np.bool_]

# the challenge's numbers for glioma
DILATION = 3  # voxels, over faces and edges: nearer lesions are one
LEAST_MM3 = 50.0  # a smaller lesion is not scored
PENALTY_MM = 374.0  # the distance of a lesion that is missed, or marked where none is
TOLERANCE_MM = 1.0
NEAR: Mask = cast(Any, ndimage).generate_binary_structure(3, 2)
TOUCHING = np.ones((3, 3, 3), bool)


class LesionScores(TypedDict):
    """Scores of one region of one mask."""

    lesions: int  # of the label, larger than `LEAST_MM3`
    found: int  # of them, touched by the mask
    false: int  # pieces of the mask that touch no lesion
    lesion_dice: float
    lesion_hd95: float  # mm


def score_lesions(truth: ArrayLike, predicted: ArrayLike, spacing: Spacing) -> LesionScores:
    """Score each lesion by itself.

    Lesions of the label that meet when dilated by `DILATION` voxels are one. To each belong all pieces of the mask
    that touch it, so dilated; a piece that touches none is false. The lesion-wise Dice is the sum over lesions divided
    by lesions and false pieces; the distance of a missed lesion and of a false piece is `PENALTY_MM`. The definition is
    that of the BraTS 2023 challenge (Saluja, github.com/rachitsaluja/BraTS-2023-Metrics); distances are ours (`hd95`,
    voxels, where the challenge weights by area).

    Parameters
    ----------
    truth, predicted : ndarray of bool, shape (X, Y, Z)
    spacing : sequence of float
        Voxel size along each axis, mm.

    Returns
    -------
    dict
        Without a lesion and without a false piece the Dice is 1, the distance 0.
    """
    label, mask = np.asarray(truth, bool), np.asarray(predicted, bool)
    both = label | mask
    if not both.any():
        return {"lesions": 0, "found": 0, "false": 0, "lesion_dice": 1.0, "lesion_hd95": 0.0}
    # beyond this box a dilation reaches nothing
    box = tuple(slice(max(0, part.start - DILATION - 1), part.stop + DILATION + 1) for part in bounding_box(both))
    label, mask = label[box], mask[box]
    pieces = _number(mask)
    lesions: NDArray[Any] = np.where(label, _number(_dilate(label)), 0)
    touched: set[int] = set()
    rows: list[tuple[float, float, bool]] = []
    for number in range(1, int(lesions.max()) + 1):
        lesion: Mask = lesions == number
        near = {int(piece) for piece in np.unique(pieces[_dilate(lesion)])} - {0}
        touched |= near
        if float(lesion.sum() * np.prod(spacing)) > LEAST_MM3:
            own = np.isin(pieces, list(near))
            distance = hd95(lesion, own, spacing) if near else PENALTY_MM
            rows.append((dice(lesion, own, spacing), min(distance, PENALTY_MM), bool(near)))
    false = int(pieces.max()) - len(touched)
    count = len(rows) + false
    if not count:
        return {"lesions": 0, "found": 0, "false": 0, "lesion_dice": 1.0, "lesion_hd95": 0.0}
    return {
        "lesions": len(rows),
        "found": sum(found for _, _, found in rows),
        "false": false,
        "lesion_dice": float(sum(value for value, _, _ in rows) / count),
        "lesion_hd95": float((sum(distance for _, distance, _ in rows) + false * PENALTY_MM) / count),
    }


def _number(mask: Mask) -> NDArray[Any]:
    """Count up the connected pieces of a mask from 1; corners connect."""
    return cast(Any, ndimage).label(mask, TOUCHING)[0]


def _dilate(mask: Mask) -> Mask:
    return cast(Any, ndimage).binary_dilation(mask, NEAR, DILATION)


def surface_dice(truth: ArrayLike, predicted: ArrayLike, spacing: Spacing) -> float:
    """Compute the normalised surface distance: the share of both surfaces within `TOLERANCE_MM` of the other.

    By MONAI, with areas of surface elements (Nikolov 2021, doi:10.2196/26151).

    Parameters
    ----------
    truth, predicted : ndarray of bool, shape (X, Y, Z)
    spacing : sequence of float

    Returns
    -------
    float
        0 to 1; 1 if both are empty, 0 if one is.
    """
    # a second each, and nothing else of this room needs torch
    import torch
    from monai.metrics.surface_dice import compute_surface_dice

    label, mask = np.asarray(truth, bool), np.asarray(predicted, bool)
    if not label.any() or not mask.any():
        return float(not label.any() and not mask.any())
    inner = bounding_box(label | mask)
    # a margin, so that a surface at the border of the box has an outside
    pair = [torch.as_tensor(np.pad(one[inner], 2)[None, None]) for one in (label, mask)]
    found: Any = compute_surface_dice(
        pair[1], pair[0], [TOLERANCE_MM], include_background=True, spacing=list(map(float, spacing)), use_subvoxels=True
    )
    return float(found[0, 0])


def score_delivered(
    folders: Iterable[str | Path], split: SplitFile, files: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Score the masks that labelled patients get, each by the network that did not see the patient.

    Parameters
    ----------
    folders : sequence of str or Path
        The delivered cells.
    split : dict
        `splits.json`.
    files : dict of str to dict
        As in `scores.score_cell`.

    Returns
    -------
    list of dict
        `COLUMNS`, a row for each subject and region; of repeated partitions the first.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for folder in folders:
        cell = read_manifest(folder)
        for subject in cell["test"] if cell["trained"] else []:
            given = scores.read_pair(cell, Path(folder), subject, files[subject])
            for region, truth, predicted, spacing in scores.pair_masks(*given, split["schemes"][subject]):
                rows.setdefault((subject, region), {
                    "subject": subject, "region": region, "dice": dice(truth, predicted, spacing),
                    "hd95": hd95(truth, predicted, spacing), **score_lesions(truth, predicted, spacing),
                    "surface_dice": surface_dice(truth, predicted, spacing),
                    "volume_error": volume_error(truth, predicted, spacing),
                    "volume_ml": float(np.count_nonzero(truth) * np.prod(spacing) / 1000),
                })  # fmt: skip
    return list(rows.values())


def summarise_lesions(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Summarise each measure of each region over patients: mean, median, and mean of the worst three.

    Parameters
    ----------
    rows : list of dict
        `subject`, `region` and the measures of `MEASURES`.

    Returns
    -------
    list of dict
        `SUMMARY`.
    """
    listed = list(rows)
    summary: list[dict[str, Any]] = []
    for region in dict.fromkeys(row["region"] for row in listed):
        for measure, better in MEASURES.items():
            values = sorted((float(row[measure]), str(row["subject"])) for row in listed if row["region"] == region)
            worst = values[:3] if better == "higher" else values[::-1][:3]
            numbers = [value for value, _ in values]
            summary.append({
                "region": region, "measure": measure, "patients": len(values),
                "mean": round(float(np.mean(numbers)), 4),
                "median": round(float(np.median(numbers)), 4),
                "worst_three": round(float(np.mean([value for value, _ in worst])), 4),
                "worst": ", ".join(subject for _, subject in worst),
            })  # fmt: skip
    return summary


# each measure, and which direction is better
MEASURES = {
    "dice": "higher", "hd95": "lower", "lesion_dice": "higher", "lesion_hd95": "lower", "surface_dice": "higher",
    "volume_error": "lower",
}  # fmt: skip
# the columns of the tables
COLUMNS = ("subject", "region", *MEASURES, "lesions", "found", "false", "volume_ml")
SUMMARY = ("region", "measure", "patients", "mean", "median", "worst_three", "worst")
