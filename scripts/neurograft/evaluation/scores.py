"""Score every cell, with one row per subject, region and metric."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurograft.core.cells import CELL, Cell, CellManifest, take_cell
from neurograft.core.files import read_json
from neurograft.core.labels import labels_from_regions, region_masks
from neurograft.core.split_file import SplitFile
from neurograft.delivery import native_grid
from neurograft.evaluation.frames import average_rolling
from neurograft.evaluation.metrics import CLASSIFICATION, SEGMENTATION
from neurograft.evaluation.records import (
    BudgetScore,
    HistoryRow,
    Prediction,
    ScoreRow,
    read_budgets,
    read_manifest,
    read_predictions,
)
from neurograft.experiment import cell_folder

# the module that reads and writes cell files, which is checked less strictly
_CELL_FOLDER: Any = cell_folder


class TimeRow(Cell):
    """A row of `times.tsv`: how long a training took, and when it reached a set Dice; NaN if it did not."""

    steps: int
    seconds: float
    steps_to_dice: float
    seconds_to_dice: float
    dice: float


def score_segmentation(
    cell: Mapping[str, Any],
    subject: str,
    probabilities: Mapping[str, Any],
    transform: NDArray[Any],
    labels: Any,
    scheme: str,
) -> list[ScoreRow]:
    """Score one subject of a cell on the native grid, against the original label file.

    Parameters
    ----------
    cell : dict
        With the keys of `CELL`; others are ignored.
    subject : str
    probabilities : dict of str to nibabel.Nifti1Image
        Region to probability on the template grid.
    transform : ndarray, shape (4, 4)
        Native world to template world: `native_grid.native_transform`.
    labels : nibabel.Nifti1Image
        The dataset's own file, with its orientation and values.
    scheme : str
        Key of `label_schemes.LABEL_SCHEMES`.

    Returns
    -------
    list of dict
        A row per region and metric: `CELL`, `subject`, `region`, `metric`, `value`.
    """
    return [
        _score_row(cell, subject, region, name, metric["function"](truth, predicted, spacing))
        for region, truth, predicted, spacing in pair_masks(probabilities, transform, labels, scheme)
        for name, metric in SEGMENTATION.items()
    ]


def pair_masks(
    probabilities: Mapping[str, Any], transform: NDArray[Any], labels: Any, scheme: str
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]]:
    """Put a prediction on the grid of the label file; arguments as of `score_segmentation`.

    Returns
    -------
    list of tuple
        Region, its mask in the label, its mask in what would be delivered, and the voxel size in mm.
    """
    shape: tuple[int, ...] = labels.shape[:3]
    affine: NDArray[np.float64] = np.asarray(labels.affine)
    truth = np.rint(np.asanyarray(labels.dataobj).reshape(shape)).astype(np.int16)
    native = _resample_to_native(probabilities, transform, shape, affine)
    # converted to labels and back, to score exactly what would be delivered
    predicted = region_masks(labels_from_regions(native, scheme, native_grid.THRESHOLD), scheme)
    spacing: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0)
    true = region_masks(truth, scheme)
    return [(region, mask, predicted[region], spacing) for region, mask in true.items() if region in native]


def _resample_to_native(
    probabilities: Mapping[str, Any], transform: NDArray[Any], shape: tuple[int, ...], affine: NDArray[Any]
) -> Mapping[str, ArrayLike]:
    """Resample region probabilities onto the native grid as for delivery, with a floor just below its threshold."""
    floor = native_grid.THRESHOLD * 0.99
    return native_grid.to_native_grid(probabilities, transform, shape, affine, floor=floor)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # `delivery` is checked less strictly


@dataclass(frozen=True)
class Units:
    """The units of a classification: slices, or whole patients.

    Attributes
    ----------
    subjects, slices : list of str
        Of each unit; the slice is empty if the unit is a patient.
    truth : ndarray of int, shape (units,)
        Index of the true class.
    chances : ndarray, shape (units, classes)
        Probability of each class.
    """

    subjects: list[str]
    slices: list[str]
    truth: NDArray[np.intp]
    chances: NDArray[np.float64]

    def of_subject(self, subject: str) -> "Units":
        """Return the units of one subject."""
        chosen = [index for index, name in enumerate(self.subjects) if name == subject]
        names, slices = [self.subjects[k] for k in chosen], [self.slices[k] for k in chosen]
        return Units(names, slices, self.truth[chosen], self.chances[chosen])


def score_classification(
    cell: Mapping[str, Any], predictions: Sequence[Prediction], classes: Sequence[str]
) -> list[ScoreRow]:
    """Score each test patient of a cell, over its slices or from its single prediction.

    Parameters
    ----------
    cell : dict
    predictions : list of dict
        A row per unit and class: `subject`, `slice` (empty if the unit is a patient), `class`, `probability`, `truth`
        (the name of the true class). If only one of two classes is listed, the other has the remaining probability.
    classes : list of str
        With two, the second is the positive one.

    Returns
    -------
    list of dict
        As `score_segmentation`, with an empty region. An undefined metric, such as the AUC if all slices of a patient
        are tumour-free, has no row.
    """
    if not predictions:  # test patients without a usable slice
        return []
    units = gather_units(predictions, classes)
    return [
        row for subject in sorted(set(units.subjects)) for row in _score_units(cell, subject, units.of_subject(subject))
    ]


def pool_classification(
    cells: Iterable[tuple[Mapping[str, Any], Sequence[Prediction]]],
    classes: Sequence[str],
    repeats: Mapping[tuple[str, int], int] | None = None,
) -> list[ScoreRow]:
    """Score the whole cohort, with fold and subject empty, for metrics that a single patient cannot have.

    For slices, the mean over the patients for which the metric is defined. If the units are patients, the out-of-fold
    predictions of all folds are scored together, because one fold has too few patients for an AUC; the drawback is
    that probabilities of several networks are ranked together. Repeated partitions are scored each for itself, and
    their scores averaged.

    Parameters
    ----------
    cells : list of (dict, list of dict)
        Every cell with its predictions, as in `score_classification`.
    classes : list of str
    repeats : dict of tuple to int, optional
        From `split_file.map_repeats`; without it all folds are of one partition.

    Returns
    -------
    list of dict
    """
    groups: dict[tuple[str, ...], tuple[Mapping[str, Any], dict[int, list[Units]]]] = {}
    for cell, predictions in cells:
        key = tuple(str(cell[name]) for name in CELL if name != "fold")
        partitions = groups.setdefault(key, ({**cell, "fold": ""}, {}))[1]
        parts = partitions.setdefault((repeats or {}).get((str(cell["split"]), int(cell["fold"])), 0), [])
        parts += [gather_units(predictions, classes)] if predictions else []
    rows: list[ScoreRow] = []
    for pooled, partitions in groups.values():
        scored = [_pool_units(pooled, _join_units(parts)) for parts in partitions.values() if parts]
        for metric in CLASSIFICATION:
            values = [row[metric] for row in scored if metric in row]
            rows += [_score_row(pooled, "", "", metric, float(np.mean(values)))] if values else []
    return rows


def _pool_units(cell: Mapping[str, Any], units: Units) -> dict[str, float]:
    """Compute each metric of one partition's out-of-fold predictions: of all patients, or the mean over patients."""
    if not any(units.slices):
        return {row["metric"]: row["value"] for row in _score_units(cell, "", units)}
    single = [
        row for subject in sorted(set(units.subjects)) for row in _score_units(cell, subject, units.of_subject(subject))
    ]
    values = {metric: [row["value"] for row in single if row["metric"] == metric] for metric in CLASSIFICATION}
    return {metric: float(np.mean(found)) for metric, found in values.items() if found}


def gather_units(predictions: Sequence[Prediction], classes: Sequence[str]) -> Units:
    """Collect the probabilities of each unit, sorted by subject, slice and true class.

    Parameters
    ----------
    predictions : list of dict
        As in `score_classification`, at least one.
    classes : list of str

    Returns
    -------
    Units

    Raises
    ------
    ValueError
        If a class is none of `classes`.
    """
    listed = {row["class"] for row in predictions}
    unknown = (listed | {row["truth"] for row in predictions}) - set(classes)
    if unknown:
        raise ValueError(f"predictions of classes {sorted(unknown)}; the task has {list(classes)}")
    chances: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in predictions:
        unit = (row["subject"], str(row["slice"]), row["truth"])
        chances.setdefault(unit, {})[row["class"]] = float(row["probability"])
    if len(listed) == 1 and len(classes) == 2:
        (given,) = listed
        (other,) = set(classes) - listed
        chances = {unit: {**row, other: 1 - row[given]} for unit, row in chances.items()}
    units = sorted(chances)
    return Units(
        [subject for subject, _, _ in units],
        [number for _, number, _ in units],
        np.array([list(classes).index(truth) for _, _, truth in units]),
        np.array([[chances[unit][name] for name in classes] for unit in units]),
    )


def _join_units(parts: Sequence[Units]) -> Units:
    """Join the units of several cells."""
    return Units(
        [subject for part in parts for subject in part.subjects],
        [number for part in parts for number in part.slices],
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.chances for part in parts]),
    )


def _score_units(cell: Mapping[str, Any], subject: str, units: Units) -> list[ScoreRow]:
    """Make rows for all classification metrics that are defined for these units."""
    values = {name: metric["function"](units.truth, units.chances) for name, metric in CLASSIFICATION.items()}
    return [_score_row(cell, subject, "", name, value) for name, value in values.items() if np.isfinite(value)]


def _score_row(cell: Mapping[str, Any], subject: str, region: str, metric: str, value: float) -> ScoreRow:
    """Make one row of `scores.tsv`."""
    return {**take_cell(cell), "subject": subject, "region": region, "metric": metric, "value": float(value)}


def reach_times(
    cell: Mapping[str, Any],
    history: Sequence[HistoryRow],
    seconds: Sequence[float],
    dice: float = 0.8,
    window: int = 5,
) -> TimeRow:
    """Find when a cell's training reached a set Dice on its training slices.

    It is reached when the mean of the last `window` values is at least `dice` for the first time, because a single
    batch may be easy.

    Parameters
    ----------
    cell : dict
    history : list of dict
        Rows with `step` and, for segmentation, `train_dice`.
    seconds : list of float
        Time since the start at each row of the history.
    dice : float
    window : int

    Returns
    -------
    dict
        `CELL`, `steps`, `seconds`, `steps_to_dice`, `seconds_to_dice` (NaN: not reached), `dice`.
    """
    smooth = average_rolling([row.get("train_dice", np.nan) for row in history], window)
    reached = np.flatnonzero(smooth >= dice)
    first = int(reached[0]) if len(reached) else None
    return {
        **take_cell(cell),
        "steps": history[-1]["step"] if history else 0,
        "seconds": seconds[-1] if len(seconds) else np.nan,
        "steps_to_dice": np.nan if first is None else history[first]["step"],
        "seconds_to_dice": np.nan if first is None else seconds[first],
        "dice": dice,
    }


# the columns of the tables
SCORES = (*CELL, "subject", "region", "metric", "value")
BUDGET_SCORES = (*SCORES, "budget")
TIMES = (*CELL, "steps", "seconds", "steps_to_dice", "seconds_to_dice", "dice")


def score_cell(folder: str | Path, split: SplitFile, files: Mapping[str, Mapping[str, str]]) -> list[BudgetScore]:
    """Score the test patients of one cell, with the finished network and at each budget.

    Parameters
    ----------
    folder : str or Path
        The cell.
    split : dict
        `splits.json`.
    files : dict of str to dict
        Paths of each subject's import `status` and `registered` record (`slices.find_records`).

    Returns
    -------
    list of dict
        Rows of `BUDGET_SCORES`; none for a cell that could not be trained.
    """
    cell = read_manifest(folder)
    if not cell["trained"]:
        return []
    budgets = [row["share"] for row in read_budgets(folder)]
    places = {1.0: Path(folder)} | {share: Path(_CELL_FOLDER.budget_folder(folder, share)) for share in budgets}
    return [{**row, "budget": share} for share, place in places.items() for row in _score(cell, place, split, files)]


def _score(
    cell: CellManifest, folder: Path, split: SplitFile, files: Mapping[str, Mapping[str, str]]
) -> list[ScoreRow]:
    """Score the predictions in a folder."""
    if cell["task"] == "classification":
        return score_classification(cell, read_predictions(folder), split["tasks"]["classification"]["classes"])
    rows: list[ScoreRow] = []
    for subject in cell["test"]:
        rows += _score_subject(cell, folder, subject, files[subject], split["schemes"][subject])
    return rows


def _score_subject(
    cell: Mapping[str, Any], folder: Path, subject: str, files: Mapping[str, str], scheme: str
) -> list[ScoreRow]:
    """Read a cell's prediction for a subject and the true labels, and score it."""
    return score_segmentation(cell, subject, *read_pair(cell, folder, subject, files), scheme)


def read_pair(
    cell: Mapping[str, Any], folder: Path, subject: str, files: Mapping[str, str]
) -> tuple[dict[str, Any], NDArray[Any], Any]:
    """Read a cell's prediction for a subject, the way to its native grid, and the true labels."""
    delivery: Any = native_grid
    record: Any = delivery.read_registration(files["registered"])
    status = read_json(files["status"])
    if cell.get("grid") == "reference":  # masks of another program, which went through no template
        record = delivery.stay_native(record, status["sequences"][status["reference"]])
    labels = status["labels"]
    predicted: dict[str, Any] = _CELL_FOLDER.read_prediction(folder, subject, record)
    transform = delivery.native_transform(record, labels["grid_of"])
    return predicted, transform, _open_labels(labels)


def _open_labels(labels: Mapping[str, Any]) -> Any:
    """Open a label file without reorienting it, with the affine found at import."""
    nibabel: Any = nib
    return nibabel.Nifti1Image(nibabel.load(labels["file"]).dataobj, np.asarray(labels["affine"]))
