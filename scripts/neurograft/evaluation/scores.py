"""Scores of every cell, one row a subject, region and metric."""

import nibabel as nib
import numpy as np
import pandas as pd

from neurograft.core.cells import CELL
from neurograft.core.files import read_json
from neurograft.core.labels import labels_from_regions, region_masks
from neurograft.delivery import native_grid
from neurograft.evaluation.metrics import METRICS
from neurograft.experiment.cell_folder import read_cell, read_classes, read_prediction


def score_segmentation(cell, subject, probabilities, transform, labels, scheme):
    """Score one subject of a cell on the native grid, against the label file as it is.

    Parameters
    ----------
    cell : dict
        With the keys of `CELL`; others are passed over.
    subject : str
    probabilities : dict of str to nibabel.Nifti1Image
        Region to probability on the template grid.
    transform : ndarray, shape (4, 4)
        Native world to template world: `native_grid.native_transform`.
    labels : nibabel.Nifti1Image
        The dataset's own file, in its own orientation and values.
    scheme : str
        Row of `labels.LABEL_SCHEMES`.

    Returns
    -------
    list of dict
        A row a region and metric: `CELL`, `subject`, `region`, `metric`, `value`.
    """
    shape = labels.shape[:3]
    truth = np.rint(np.asanyarray(labels.dataobj).reshape(shape)).astype(np.int16)
    native = native_grid.to_native_grid(
        probabilities, transform, shape, labels.affine, floor=native_grid.THRESHOLD * 0.99
    )
    # by way of labels, so that exactly what would be delivered is scored
    predicted = region_masks(labels_from_regions(native, scheme, native_grid.THRESHOLD), scheme)
    spacing = np.linalg.norm(np.asarray(labels.affine)[:3, :3], axis=0)
    wanted = {region: mask for region, mask in region_masks(truth, scheme).items() if region in native}
    return [
        _row(cell, subject, region, metric, row["function"](mask, predicted[region], spacing))
        for region, mask in wanted.items()
        for metric, row in METRICS["segmentation"].items()
    ]


def score_classification(cell, predictions, classes):
    """Score each test patient of a cell, over its slices or as the one prediction that it has.

    Parameters
    ----------
    cell : dict
    predictions : list of dict
        A row a unit and class: `subject`, `slice` (empty where the patient is the unit), `class`,
        `probability`, `truth` (the name of the true class). Where only one of two classes is listed the
        other has the rest.
    classes : list of str
        With two, the second is the positive one.

    Returns
    -------
    list of dict
        As `score_segmentation`, region empty. A metric that a patient cannot have, such as the AUC of slices
        that are all tumour-free, has no row.
    """
    if not predictions:  # test patients without a usable slice
        return []
    subjects = _units(predictions, classes).groupby("subject", sort=True)
    return [row for subject, units in subjects for row in _classified(cell, subject, units, classes)]


def pool_classification(cells, classes):
    """Score the whole cohort, fold and subject empty: what a single patient cannot have.

    Over slices, the mean of the patients that have the metric. Where the patient is the unit, the out-of-fold
    predictions of all folds together: a fold has too few patients for an AUC, at the price that
    probabilities of several networks stand in one ranking.

    Parameters
    ----------
    cells : list of (dict, list of dict)
        Every cell with its predictions, as in `score_classification`.
    classes : list of str

    Returns
    -------
    list of dict
    """
    groups = {}
    for cell, predictions in cells:
        key = tuple(str(cell[name]) for name in CELL if name != "fold")
        parts = groups.setdefault(key, ({**cell, "fold": ""}, []))[1]
        parts += [_units(predictions, classes)] if predictions else []
    rows = []
    for pooled, parts in groups.values():
        if not parts:
            continue
        units = pd.concat(parts, ignore_index=True)
        if units["slice"].eq("").all():
            rows += _classified(pooled, "", units, classes)
            continue
        single = pd.DataFrame(
            [row for subject, own in units.groupby("subject") for row in _classified(pooled, subject, own, classes)]
        )
        for metric in METRICS["classification"]:
            values = single.loc[single["metric"] == metric, "value"]
            rows += [_row(pooled, "", "", metric, values.mean())] if len(values) else []
    return rows


def _units(predictions, classes):
    """One row a unit: subject, slice, index of the true class, the probabilities as an array."""
    frame = pd.DataFrame(predictions, columns=["subject", "slice", "class", "probability", "truth"])
    frame["slice"] = frame["slice"].fillna("").astype(str)
    frame[["class", "truth"]] = frame[["class", "truth"]].astype(str)
    unknown = set(frame["class"]) | set(frame["truth"])
    if unknown - set(classes):
        raise ValueError(f"predictions of classes {sorted(unknown - set(classes))}; the task has {list(classes)}")
    frame["probability"] = frame["probability"].astype(float)
    wide = frame.pivot_table(index=["subject", "slice", "truth"], columns="class", values="probability", sort=True)
    if wide.shape[1] == 1 and len(classes) == 2:
        wide[next(name for name in classes if name not in wide)] = 1 - wide.iloc[:, 0]
    units = wide.index.to_frame(index=False)
    units["truth"] = [list(classes).index(name) for name in units["truth"]]
    units["chances"] = list(wide[list(classes)].to_numpy())
    return units


def _classified(cell, subject, units, classes):
    """Rows of all classification metrics that are defined for these units."""
    truth, chances = units["truth"].to_numpy(), np.stack(units["chances"].tolist())
    values = {name: row["function"](truth, chances) for name, row in METRICS["classification"].items()}
    return [_row(cell, subject, "", name, value) for name, value in values.items() if np.isfinite(value)]


def _row(cell, subject, region, metric, value):
    """One row of `scores.tsv`."""
    return {name: cell[name] for name in CELL} | {
        "subject": subject,
        "region": region,
        "metric": metric,
        "value": float(value),
    }


def reach_times(cell, history, seconds, dice=0.8, window=5):
    """Say how soon a cell's training reached a set Dice on the slices that it trained on.

    Reached is where the mean of the last `window` values is at least `dice` for the first time, for a single
    batch may be easy.

    Parameters
    ----------
    cell : dict
    history : list of dict
        Rows with `step` and, of segmentation, `train_dice`; numbers or text.
    seconds : list of float or list of dict
        Time since the start at each row of the history, or rows with `seconds`.
    dice : float
    window : int

    Returns
    -------
    dict
        `CELL`, `steps`, `seconds`, `steps_to_dice`, `seconds_to_dice` (NaN: not reached), `dice`.
    """
    times = [float(value["seconds"] if isinstance(value, dict) else value) for value in seconds]
    values = [float(row.get("train_dice") or np.nan) for row in history]
    smooth = pd.Series(values, dtype=float).rolling(window).mean().to_numpy()
    reached = np.flatnonzero(smooth >= dice)
    at = int(reached[0]) if len(reached) else None
    return {name: cell[name] for name in CELL} | {
        "steps": int(history[-1]["step"]) if history else 0,
        "seconds": times[-1] if times else np.nan,
        "steps_to_dice": np.nan if at is None else int(history[at]["step"]),
        "seconds_to_dice": np.nan if at is None else times[at],
        "dice": dice,
    }


# the columns of the two tables
SCORES = (*CELL, "subject", "region", "metric", "value")
TIMES = (*CELL, "steps", "seconds", "steps_to_dice", "seconds_to_dice", "dice")


def score_cell(folder, split, files):
    """Score the test patients of one cell.

    Parameters
    ----------
    folder : str or Path
        The cell.
    split : dict
        `splits.json`.
    files : dict of str to dict
        Where each subject's import `status` and its `registered` record are (`slices.find_records`).

    Returns
    -------
    list of dict
        Rows of `scores.tsv`; none for a cell that could not be trained.
    """
    cell = read_cell(folder)
    if not cell["trained"]:
        return []
    if cell["task"] == "classification":
        classes = split["tasks"]["classification"]["classes"]
        return score_classification(cell, read_classes(folder), classes)
    rows = []
    for subject in cell["test"]:
        record = native_grid.read_registration(files[subject]["registered"])
        labels = read_json(files[subject]["status"])["labels"]
        rows += score_segmentation(
            cell,
            subject,
            read_prediction(folder, subject, record),
            native_grid.native_transform(record, labels["grid_of"]),
            _untouched(labels),
            split["schemes"][subject],
        )
    return rows


def _untouched(labels):
    """Open a label file as it is, its voxels where the import found them."""
    loaded = nib.load(labels["file"])
    return nib.Nifti1Image(loaded.dataobj, np.asarray(labels["affine"]))
