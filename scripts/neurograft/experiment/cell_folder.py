"""The files of a cell's folder; only this module names, writes and reads them.

Evaluation, delivery and report read the folder, whatever method wrote it:

manifest.json     what was trained, on whom, from what (`Manifest`); `trained` false and `reason` if it was impossible
history.tsv       step, phase, loss, train_dice or train_accuracy, rate; of the first network if there are two
seconds.tsv       step, seconds, summed over all trainings of the cell; with budgets.tsv and processor.tsv the only file
                  with times
sub-X.npz         segmentation: an array for each region, uint8 (0 to 255 for 0 to 1), on the brain's `box` of the grid
                  of its space, and `box`; for masks of other programs, on a box of the reference file's own grid
predictions.tsv   classification: subject, slice (on the grid of its space; empty if the unit is a patient), class,
                  probability, truth; predictions_unlabelled.tsv the same without truth
layers.tsv, features.tsv, fit.tsv   networks: what training changed, and the fit to training and test patients
                  (`training_records`)
candidates.tsv    supervoxel methods: evaluation of the candidates proposed by the classifier in each test patient, as
                  in `candidates.proposal`
weights.pt        networks: if requested
budgets.tsv       share, steps, seconds of each budget below 1 that a training was cut at, in ascending order;
processor.tsv     networks: share (of the steps, 1 for the finished network), and processor seconds of the training
                  until there and of predicting the test subjects
budget-0.25/      the predictions of the test subjects at that budget, in the same files
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

import nibabel as nib
import numpy as np

from neurograft.core import files, listings, tables

MANIFEST = "manifest.json"
HISTORY = "history.tsv"
SECONDS = "seconds.tsv"
LAYERS = "layers.tsv"
FEATURES = "features.tsv"
FIT = "fit.tsv"
CANDIDATES = "candidates.tsv"
WEIGHTS = "weights.pt"
BUDGETS = "budgets.tsv"
PROCESSOR = "processor.tsv"
# role of the subjects to the file of their classes
CLASSES = {"test": "predictions.tsv", "unlabelled": "predictions_unlabelled.tsv"}

# columns of tables that may have no rows
HISTORY_COLUMNS = ("step", "phase", "loss", "rate")
LAYER_COLUMNS = ("layer", "stage", "part", "values", "trained", "change", "statistics_change")
FEATURE_COLUMNS = ("stage", "samples", "cka")
BUDGET_COLUMNS = ("share", "steps", "seconds")
PROCESSOR_COLUMNS = ("share", "training", "prediction")
CLASS_COLUMNS = ("subject", "slice", "class", "probability", "truth")
CANDIDATE_COLUMNS = (
    *("subject", "recall_1", "recall_5", "recall_10", "recall_20"),
    *("precision_20", "false_candidates", "first_hit"),
)


class Manifest(TypedDict):
    """The content of `manifest.json`.

    Every cell has the keys of the cell, `trained` and `splits` (the hash of `splits.json`). A cell that was not trained
    also has its `reason`; the keys after `reason` are those of trained cells.
    """

    task: str
    source: str
    strategy: str
    space: str
    split: str
    n: str
    fold: int
    seed: int
    trained: bool
    splits: str
    reason: NotRequired[str]
    # all methods
    subjects: NotRequired[int]
    train: NotRequired[list[str]]
    test: NotRequired[list[str]]
    unlabelled: NotRequired[list[str]]
    outputs: NotRequired[list[str]]
    converged: NotRequired[bool]
    pretrained_on: NotRequired[list[str]]
    threads: NotRequired[int]
    # networks
    backbone: NotRequired[str]
    steps: NotRequired[int]
    batch: NotRequired[int]
    loaded_share: NotRequired[float | None]
    not_loaded: NotRequired[dict[str, str]]
    # of a source that learnt to segment another cohort: of the values of decoder and head
    top_loaded_share: NotRequired[float]
    weights_sha256: NotRequired[str]
    adaptation: NotRequired[list[dict[str, Any]]]
    parameters_trained: NotRequired[int]
    parameters_frozen: NotRequired[int]
    phases: NotRequired[list[dict[str, Any]]]
    budgets: NotRequired[list[float]]
    held_back: NotRequired[list[str]]
    intensity_scale: NotRequired[dict[str, Any]]
    incomplete: NotRequired[dict[str, list[str]]]
    unlearnt: NotRequired[list[str]]
    device: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    # supervoxel methods
    features: NotRequired[str]
    levels: NotRequired[list[float]]
    recall_by_level: NotRequired[dict[str, float]]
    harmonised_sites: NotRequired[list[str]]
    columns: NotRequired[list[str]]
    # ensembles
    members: NotRequired[list[dict[str, str]]]
    # masks of other programs: "reference" if they are on the grid of the reference's own file, and notes
    grid: NotRequired[str]
    notes: NotRequired[list[str]]


def name_prediction(subject):
    """Return the file name of a subject's predicted segmentation."""
    return f"sub-{subject}.npz"


def write_manifest(folder, manifest):
    """Write a cell's manifest.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    """
    files.write_json(Path(folder) / MANIFEST, manifest)


def read_manifest(folder) -> Manifest:
    """Read a cell's manifest."""
    return files.read_json(Path(folder) / MANIFEST)


def read_cell(folder) -> dict[str, Any]:
    """Read a cell's manifest, with its training history as `history` and, for supervoxel methods, `judged`.

    Returns
    -------
    dict
        `Manifest`, and rows of text.
    """
    manifest = read_manifest(folder)
    history = tables.read_table(Path(folder) / HISTORY) if manifest["trained"] else []
    judged = Path(folder) / CANDIDATES
    return {**manifest, "history": history} | ({"judged": tables.read_table(judged)} if judged.exists() else {})


def write_course(folder, history, seconds):
    """Write the history and the times of a training.

    Parameters
    ----------
    folder : Path
    history : list of dict
        One row for each step (`loop.train`); empty if nothing is trained in steps.
    seconds : list of float
        Time since the start after each step; without a history, only the total.
    """
    tables.write_table(folder / HISTORY, history, None if history else HISTORY_COLUMNS)
    steps = [row["step"] for row in history] or [1]
    rows = [{"step": step, "seconds": value} for step, value in zip(steps, seconds, strict=True)]
    tables.write_table(folder / SECONDS, rows)


def read_seconds(folder):
    """Read the times of a cell's training, `step` and `seconds` as text."""
    return tables.read_table(Path(folder) / SECONDS)


def budget_folder(folder, share):
    """Return the folder of the predictions at a budget."""
    return Path(folder) / f"budget-{share:g}"


def write_budgets(folder, rows):
    """Write the budgets of a cell, rows of `BUDGET_COLUMNS`; no file without any."""
    if rows:
        tables.write_table(folder / BUDGETS, rows, BUDGET_COLUMNS)


def read_budgets(folder):
    """Read the budgets of a cell, as rows of text; none for a cell without any."""
    path = Path(folder) / BUDGETS
    return tables.read_table(path) if path.exists() else []


def write_processor(folder, rows):
    """Write the processor seconds of a cell's training and prediction, rows of `PROCESSOR_COLUMNS`."""
    tables.write_table(folder / PROCESSOR, rows, PROCESSOR_COLUMNS)


def read_processor(folder):
    """Read the processor seconds of a cell, as rows of text; none for a cell without networks."""
    path = Path(folder) / PROCESSOR
    return tables.read_table(path) if path.exists() else []


def write_prediction(folder, subject, chances, box):
    """Write a subject's predicted segmentation.

    Parameters
    ----------
    folder : Path
    subject : str
    chances : dict of str to ndarray, shape (X, Y, Z)
        Region to probabilities, 0 to 1.
    box : array_like of int, shape (3, 2)
        First and end (exclusive) voxel along each axis, on the grid of the space.
    """
    packed = {region: np.rint(255 * values).astype(np.uint8) for region, values in chances.items()}
    write_packed(folder, subject, packed | {"box": np.asarray(box)})


def write_packed(folder, subject, packed):
    """Write a subject's predicted segmentation in the form of `read_packed`."""
    np.savez_compressed(Path(folder) / name_prediction(subject), **packed)


def has_prediction(folder, subject):
    """Check whether a cell predicted a subject's segmentation."""
    return (Path(folder) / name_prediction(subject)).exists()


def read_packed(folder, subject):
    """Read a subject's predicted segmentation as it is stored.

    Returns
    -------
    dict of str to ndarray
        Region to uint8 (0 to 255 for 0 to 1), shape (X, Y, Z), and `box`.
    """
    with np.load(Path(folder) / name_prediction(subject)) as packed:
        return dict(packed)


def read_prediction(folder, subject, record):
    """Read a cell's predicted segmentation of a subject.

    Parameters
    ----------
    folder : str or Path
    subject : str
    record : dict
        The subject's registration record.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        Region to probability, on the brain's box of the template grid.
    """
    return unpack_prediction(read_packed(folder, subject), record["grid"]["affine"])


def unpack_prediction(packed, affine):
    """Turn a cell's stored prediction into probability images, on the brain's box of the template grid.

    Parameters
    ----------
    packed : dict of str to ndarray
        From `read_packed`.
    affine : array_like, shape (4, 4)
        Of the whole template grid.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        float32, padded with one voxel of zeros, so that interpolation at the border is as on the whole grid.
    """
    corner = np.array(affine, float)
    corner[:3, 3] += corner[:3, :3] @ (np.asarray(packed["box"])[:, 0] - 1)
    return {
        region: nib.Nifti1Image(np.pad(values.astype(np.float32) / 255, 1), corner)
        for region, values in packed.items()
        if region != "box"
    }


def write_classes(folder, role, rows):
    """Write the predicted classes of the subjects with a role.

    Parameters
    ----------
    folder : Path
    role : {"test", "unlabelled"}
    rows : list of dict
        `CLASS_COLUMNS`.
    """
    tables.write_table(folder / CLASSES[role], rows, CLASS_COLUMNS)


def read_classes(folder):
    """Read the predicted classes of a cell's test subjects, as rows of text."""
    return tables.read_table(Path(folder) / CLASSES["test"])


def write_records(folder, layers, features, fit, measure):
    """Write what training changed and how well the network fits (`training_records`).

    Parameters
    ----------
    folder : Path
    layers, features : list of dict
        `LAYER_COLUMNS`, `FEATURE_COLUMNS`.
    fit : list of dict
        `subject`, `role`, `loss` and the measure.
    measure : {"dice", "accuracy"}
    """
    tables.write_table(folder / LAYERS, layers, LAYER_COLUMNS)
    tables.write_table(folder / FEATURES, features, FEATURE_COLUMNS)
    tables.write_table(folder / FIT, fit, ("subject", "role", "loss", measure))


def read_records(folder):
    """Read what training changed, how well the network fits, and the times.

    Returns
    -------
    dict of str to list of dict
        `layers`, `features`, `fit` and `seconds`: rows of text.
    """
    names = {"layers": LAYERS, "features": FEATURES, "fit": FIT, "seconds": SECONDS}
    return {key: tables.read_table(Path(folder) / name) for key, name in names.items()}


def write_judged(folder, rows):
    """Write the evaluation of the test patients' candidates, rows of `CANDIDATE_COLUMNS`."""
    tables.write_table(folder / CANDIDATES, rows, CANDIDATE_COLUMNS)


def gather_cells(folders):
    """List cells with a hash of their content, so that each subject's job has one input instead of one per cell.

    Returns
    -------
    list of dict
        `cell` (its folder) and `sha256`, which changes with its manifest and with any of its predictions.
    """
    rows = []
    for folder in folders:
        contents = [Path(folder, MANIFEST).read_bytes()]
        contents += [path.name.encode() + path.read_bytes() for path in sorted(Path(folder).glob(name_prediction("*")))]
        rows.append(listings.add_hash({"cell": folder}, contents))
    return rows


def find_cells(path):
    """Read the cell folders from a table made by `gather_cells`."""
    return [row["cell"] for row in listings.read_listing(path)]
