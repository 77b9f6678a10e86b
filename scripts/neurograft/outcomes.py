"""From cells' files to scores, comparisons and delivered segmentations: where evaluation meets paths."""

from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft import comparison, delivery, derivatives, evaluation, images, regions, tables


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
        record = images.read_json(files[subject]["registered"])
        labels = images.read_json(files[subject]["status"])["labels"]
        rows += evaluation.score_segmentation(
            cell,
            subject,
            read_prediction(folder, subject, record),
            delivery.native_transform(record, labels["grid_of"]),
            nib.load(labels["file"]),
            split["schemes"][subject],
        )
    return rows


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


def read_cell(folder):
    """Read a cell's manifest, with its training history as `history`.

    Returns
    -------
    dict
    """
    manifest = images.read_json(Path(folder) / "manifest.json")
    history = tables.read_table(Path(folder) / "history.tsv") if manifest["trained"] else []
    return manifest | {"history": history}


def read_prediction(folder, subject, record):
    """Read what a cell predicted for a subject.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        Region to probability, on the brain's box of the template grid.
    """
    with np.load(Path(folder) / f"sub-{subject}.npz") as packed:
        return delivery.unpack_prediction(dict(packed), record["grid"]["affine"])


def deliver_subject(stem, subject, folders, split, status, record):
    """Write one subject's delivered segmentation, or say why there is none.

    Parameters
    ----------
    stem : str
        Native stem of the subject (`derivatives`).
    subject : str
    folders : list of str or Path
        The cells of the delivered strategy, one a fold.
    split, status, record : dict
        `splits.json`, the import status and the registration record.

    Returns
    -------
    dict
        `delivered`, `reason`, `networks` (how many predicted it), `volume_ml` of each region, and
        `seen_in_pretraining`: whether the source was trained on this subject's scans, without labels.
    """
    task = split["tasks"]["segmentation"]
    having = [folder for folder in folders if (Path(folder) / f"sub-{subject}.npz").exists()]
    if not having:
        derivatives.write_delivered(stem, None, {}, [])
        why = {read_cell(folder).get("reason") for folder in folders} - {"", None}
        reason = task["left_out"].get(subject) or task["reason"] or "; ".join(sorted(why)) or "no network was trained"
        return {"delivered": False, "reason": reason, "networks": 0, "volume_ml": {}, "seen_in_pretraining": False}
    scheme = split["schemes"][subject]
    grid = status["sequences"][status["reference"]]
    predictions = [read_prediction(folder, subject, record) for folder in having]
    labels, chances = delivery.deliver_segmentation(predictions, record, grid["shape"], grid["affine"], scheme)
    derivatives.write_delivered(stem, labels, chances, delivery.dseg_table(scheme))
    voxel = abs(np.linalg.det(np.asarray(grid["affine"])[:3, :3])) / 1000
    masks = regions.region_masks(np.asanyarray(labels.dataobj), scheme)
    volumes = {region: round(float(mask.sum() * voxel), 3) for region, mask in masks.items()}
    seen = any(subject in read_cell(folder).get("pretrained_on", ()) for folder in having)
    record = {"delivered": True, "reason": "", "networks": len(having), "volume_ml": volumes}
    return record | {"seen_in_pretraining": seen}
