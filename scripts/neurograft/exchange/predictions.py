"""Import the masks of another program as a cell of the experiment.

The masks stay on the grid of the reference scan's own file, voxel for voxel. If they were resampled through the
template, like a network's probabilities, interpolation would change their borders. The manifest records this (`grid`),
for `evaluation.scores`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np

from neurograft.cohort.assignment import UntrainableError, assign_roles
from neurograft.cohort.file_opening import open_nifti
from neurograft.cohort.subject_status import SequenceFile, SubjectStatus, reference_of
from neurograft.core import files
from neurograft.core.external import ExternalMasks
from neurograft.core.labels import count_tissues, region_masks, tissues_of
from neurograft.core.split_file import count_repeats
from neurograft.exchange.prediction_files import (
    MaskFile,
    PredictionError,
    check_folds,
    digest_folds,
    keep_fold,
    list_masks,
    match_masks,
    read_folds_hash,
)
from neurograft.experiment import cell_folder
from neurograft.imaging.headers import same_grid, voxel_sizes
from neurograft.imaging.nifti import ScanError, onto_axes
from neurograft.imaging.resampling import Grid, grid_box
from neurograft.imaging.typed import affine_of

USERS_WORD = (
    "that its masks are out of fold is the user's word: nothing among them says which folds they were made with"
)


@dataclass(frozen=True)
class _Mask:
    """A subject's mask, cropped to its bounding box, on the axes of the reference's own file."""

    subject: str
    path: str
    values: np.ndarray = field(repr=False)
    box: np.ndarray = field(repr=False)


def import_predictions(out_folder, split, cell, given: ExternalMasks, statuses: Mapping[str, str]):
    """Import another program's predictions for a cell's test patients, and write the cell's folder.

    Parameters
    ----------
    out_folder : str or Path
        Written atomically.
    split, cell
        As in `network_cells.train_cell`; the cell's strategy is the name that the user gave the masks.
    given : dict
        The config's settings for these masks.
    statuses : dict of str to path
        Subject to its import status.

    Returns
    -------
    cell_folder.Manifest
        As written; if the split has no such cell, `trained` is false and `reason` is given.

    Raises
    ------
    PredictionError
        One line for the first mask that is missing, has another grid or other values, or is of a training patient.
    """
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    manifest = {**cell, "trained": False, "splits": split["hash"]}
    task = split["tasks"]["segmentation"]
    with files.whole(out_folder) as part:
        part.mkdir()
        try:
            roles = assign_roles(split, cell) | {"unlabelled": []}
            masks, notes = _read_fold(split, cell, roles["test"], given, statuses)
            for subject, values, box in masks:
                cell_folder.write_prediction(part, subject, region_masks(values, split["schemes"][subject]), box)
            cell_folder.write_course(part, [], [round(given.get("seconds", math.nan) / len(task["folds"]), 3)])
            # it is unknown whether the training of another program had converged
            manifest |= {"trained": True, "reason": "", "converged": True, "subjects": len(roles["train"]), **roles}
            manifest |= {"outputs": list(task["regions"]), "pretrained_on": [], "grid": "reference", "notes": notes}
        except UntrainableError as reason:
            manifest["reason"] = str(reason)
        cell_folder.write_manifest(part, manifest)
    return manifest


def _read_fold(split, cell, subjects, given: ExternalMasks, statuses):
    """Read the masks of a fold's test subjects: (subject, values of its scheme, box) of each, and notes."""
    try:
        owned, notes = find_masks(given["predictions"], split, statuses)
        if count_repeats(split["tasks"]["segmentation"]["folds"]) > 1:
            owned = keep_fold(owned, subjects, cell["fold"])
        masks = [_read_mask(subject, owned[subject], statuses) for subject in subjects]
        tables = choose_values(masks, split["schemes"])
    except (PredictionError, ScanError) as fault:
        raise PredictionError(f"{cell['strategy']}: {fault}") from None
    return [(mask.subject, tables[mask.subject][mask.values], mask.box) for mask in masks], notes


def find_masks(folder, split, statuses: Mapping[str, str]) -> tuple[dict[str, list[MaskFile]], list[str]]:
    """Find all subjects' masks in a folder, and check that they were made with the folds of the split.

    Parameters
    ----------
    folder : str or Path
    split : SplitFile
    statuses : dict of str to path
        Subject to its import status.

    Returns
    -------
    owned : dict of str to list of MaskFile
        Subject of the split to its files.
    notes : list of str
        What could not be checked.

    Raises
    ------
    PredictionError
    """
    task = split["tasks"]["segmentation"]
    folds, told = task["folds"], read_folds_hash(folder)
    if told and told != digest_folds(folds):
        raise PredictionError(
            f"the masks in {folder} were made with other folds than those of results/splits.json; run `snakemake "
            "export_folds` and train again with its folds"
        )
    names = {subject: files.read_json(statuses[subject])["name"] for subject in task["subjects"]}
    owned = match_masks(list_masks(folder), names)
    check_folds(owned, folds)
    if count_repeats(folds) > 1 and any(mask.fold is None for masks in owned.values() for mask in masks):
        raise PredictionError(
            f"{folder} has no folders fold_0 to fold_{len(folds) - 1}: with split_cohort.repeats a patient has a mask "
            "of each partition, so put each network's masks into the folder of its fold, or set repeats to 1"
        )
    known = told or any(mask.fold is not None for masks in owned.values() for mask in masks)
    missing = [subject for subject in task["subjects"] if subject not in owned]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise PredictionError(f"{folder} has no mask of {missing[0]}{more}; it is looked for as {missing[0]}.nii.gz")
    return owned, [] if known else [USERS_WORD]


def _read_mask(subject, masks, statuses) -> _Mask:
    """Read a subject's only mask, cropped to its bounding box."""
    if len(masks) > 1:
        paths = " and ".join(mask.path for mask in masks[:2])
        raise PredictionError(f"{paths} are both masks of {subject}; keep the one that is meant")
    status: SubjectStatus = files.read_json(statuses[subject])
    name = reference_of(status)
    values = read_values(masks[0].path, status["sequences"][name], name)
    box = grid_box(values) if values.any() else (slice(0, 1),) * 3
    return _Mask(subject, masks[0].path, values[box], np.array([[part.start, part.stop] for part in box]))


def read_values(path, grid: SequenceFile, name="reference"):
    """Read a mask on the grid of a scan's own file; its axes are flipped or permuted to those of the file if needed.

    Parameters
    ----------
    path : str or Path
    grid : SequenceFile
        The scan's file.
    name : str
        Name of the scan, for error messages.

    Returns
    -------
    ndarray of uint8, shape (X, Y, Z)

    Raises
    ------
    PredictionError
        If the mask has other voxels, or values that cannot be labels.
    ScanError
        If the file cannot be read.
    """
    loaded, _ = open_nifti(path)
    data = np.asanyarray(loaded.dataobj)
    shape = data.shape[:3]
    if data.ndim < 3 or data.size != math.prod(shape):
        raise PredictionError(f"{path} has the shape {data.shape}, not that of one mask; write one label map a subject")
    if not np.array_equal(data, np.clip(np.rint(data), 0, 255)):
        raise PredictionError(f"{path} holds values that are no label (whole numbers, 0 to 255); write masks")
    native = nib.Nifti1Image(data.reshape(shape).astype(np.uint8), loaded.affine)
    # a program may have used the scan's other orientation, if its header has two
    affines = [np.asarray(affine) for affine in (grid["affine"], grid.get("other_affine")) if affine is not None]
    for affine in affines if abs(np.linalg.det(affine_of(loaded))) > 1e-6 else ():
        turned = onto_axes(native, affine)
        if same_grid(turned, Grid(tuple(grid["shape"]), affine)):
            return np.asanyarray(turned.dataobj)
    own, wanted = (
        f"{' x '.join(map(str, size))} voxels of {' x '.join(f'{edge:.3g}' for edge in voxel_sizes(affine))} mm"
        for size, affine in ((shape, native.affine), (grid["shape"], grid["affine"]))
    )
    where = "elsewhere in space" if own == wanted else own
    raise PredictionError(f"{path} lies on another grid ({where}) than the scan {name} ({wanted}); resample it")


def choose_values(masks: Iterable[_Mask], schemes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Determine whether the values of a fold's masks are the dataset's own, or the consecutive ones of the export.

    Parameters
    ----------
    masks : list of _Mask
    schemes : dict of str to str
        Subject to its label scheme.

    Returns
    -------
    dict of str to ndarray of uint8, shape (256,)
        Subject to a table from the mask's values to those of its scheme.

    Raises
    ------
    PredictionError
        If a value has no meaning, or if the values are ambiguous.
    """
    found = {mask.subject: (mask, set(np.unique(mask.values).tolist()) - {0}) for mask in masks}
    fits = []
    for number_values in (_keep_values, _count_values):
        meanings = {subject: number_values(schemes[subject]) for subject in found}
        if all(values <= set(meanings[subject]) for subject, (_, values) in found.items()):
            fits.append(meanings)
    if not fits:
        own = next(
            (mask, values - set(_keep_values(schemes[subject])), schemes[subject])
            for subject, (mask, values) in found.items()
            if not values <= set(_keep_values(schemes[subject]))
        )
        mask, strange, scheme = own
        known = ", ".join(f"{value} {tissue}" for tissue, value in tissues_of(scheme).items())
        raise PredictionError(
            f"{mask.path} holds the value {min(strange)}, which is no label of the dataset ({known}), nor are the "
            "masks those of the export, whose labels are counted from 1"
        )
    for subject, (mask, values) in found.items():
        if len({tuple(meanings[subject][value] for value in sorted(values)) for meanings in fits}) > 1:
            raise PredictionError(
                f"{mask.path}: its values may be the dataset's or those of the export, counted from 1; recode "
                "the masks to the dataset's"
            )
    return {subject: _make_table(meaning) for subject, meaning in fits[0].items()}


def _keep_values(scheme):
    """Map the values of a scheme to themselves."""
    return {value: value for value in tissues_of(scheme).values()}


def _count_values(scheme):
    """Map consecutive values, from 1, to those of a scheme, as the export numbers them."""
    values = tissues_of(scheme)
    return {number: values[tissue] for tissue, number in count_tissues(scheme).items()}


def _make_table(meaning):
    """Make a table that maps values by indexing; 0 stays 0."""
    table = np.zeros(256, np.uint8)
    table[list(meaning)] = list(meaning.values())
    return table
