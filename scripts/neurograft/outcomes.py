"""From cells' files to scores and comparisons: where evaluation meets paths."""

from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft import comparison, delivery, evaluation, images, tables
from neurograft.delivered import read_cell, read_prediction, read_registration


def score_cell(folder, split, files):
    """Score the test patients of one cell.

    Parameters
    ----------
    folder : str or Path
        The cell.
    split : dict
        `splits.json`.
    files : dict of str to dict
        Where each subject's import `status` and its `registered` record are (`cases.find_records`).

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
        return evaluation.score_classification(cell, tables.read_table(Path(folder) / "predictions.tsv"), classes)
    rows = []
    for subject in cell["test"]:
        record = read_registration(files[subject]["registered"])
        labels = images.read_json(files[subject]["status"])["labels"]
        rows += evaluation.score_segmentation(
            cell,
            subject,
            read_prediction(folder, subject, record),
            delivery.native_transform(record, labels["grid_of"]),
            _untouched(labels),
            split["schemes"][subject],
        )
    return rows


def _untouched(labels):
    """Open a label file as it is, its voxels where the import found them."""
    loaded = nib.load(labels["file"])
    return nib.Nifti1Image(loaded.dataobj, np.asarray(labels["affine"]))


def compare_cells(folders, scores, split, primary=None, kin=None):
    """Put all cells' scores together, compare the strategies, and say how fast each was.

    Parameters
    ----------
    folders : list of str or Path
        The cells.
    scores : list of dict
        The rows of every cell that `score_cell` gave.
    split : dict
        `splits.json`.
    primary, kin : dict, optional
        As in `comparison.compare_strategies`.

    Returns
    -------
    scores, comparison, again, times : list of dict
        Rows of four tables of `results/evaluation`.
    """
    cells = [(Path(folder), read_cell(folder)) for folder in folders]
    trained = [(folder, cell) for folder, cell in cells if cell["trained"]]
    task = split["tasks"]["classification"]
    predicted = [
        (cell, tables.read_table(folder / "predictions.tsv"))
        for folder, cell in trained
        if cell["task"] == "classification"
    ]
    pooled = evaluation.pool_classification(predicted, task["classes"])
    patients = {**task["patients"], **split["tasks"]["segmentation"]["patients"]}
    known = [cell for _, cell in trained]
    compared = comparison.compare_strategies(scores, known, patients, primary, kin) if scores else []
    again = comparison.compare_again(scores, known, patients, primary)
    times = [
        evaluation.reach_times(cell, cell["history"], tables.read_table(folder / "seconds.tsv"))
        for folder, cell in trained
    ]
    return [*scores, *pooled], compared, again, times
