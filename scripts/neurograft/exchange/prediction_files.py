"""Match the mask files of another program to subjects and folds.

The Snakefile lists them when it is parsed, so this module uses only the standard library.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from neurograft.core.split_file import Fold

# part of the export; a copy beside the masks shows with which folds they were made
FOLDS_FILE = "neurograft_folds.json"
# nnU-Net copies the description of its data set, which includes the hash of the folds, to its results
DATASET_FILE = "dataset.json"
FOLDS_KEY = "neurograft_folds"
FOLD = re.compile(r"fold_(\d+)")
MASK = re.compile(r"(.+)\.nii(\.gz)?")


class PredictionError(ValueError):
    """Raised for masks that cannot be evaluated; the message is one line that says what to do."""


@dataclass(frozen=True)
class MaskFile:
    """A file that may be the mask of a subject.

    Attributes
    ----------
    path : str
    stem : str
        File name without extension.
    fold : int or None
        Number of the fold from its folder; None if there are no such folders.
    """

    path: str
    stem: str
    fold: int | None = None


def list_masks(folder):
    """List the masks in a folder, or in its nnU-Net subfolders (`fold_0/validation`).

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    list of MaskFile
        Sorted by path; empty if the folder does not exist.
    """
    folder = Path(folder)
    places = {path: int(found[1]) for path in folder.glob("fold_*") if (found := FOLD.fullmatch(path.name))}
    masks = []
    for place, fold in (places or {folder: None}).items():
        inner = place / "validation"
        for path in (inner if fold is not None and inner.is_dir() else place).glob("*"):
            if (found := MASK.fullmatch(path.name)) and path.is_file():
                masks.append(MaskFile(str(path), found[1], fold))
    return sorted(masks, key=lambda mask: mask.path)


def list_inputs(folder):
    """List all files that are read from a folder of masks; the folder itself if it does not exist."""
    folder = Path(folder)
    if not folder.is_dir():
        return [str(folder)]
    told = [str(folder / name) for name in (FOLDS_FILE, DATASET_FILE) if (folder / name).is_file()]
    return [mask.path for mask in list_masks(folder)] + told


def match_masks(masks: Iterable[MaskFile], names: Mapping[str, str]) -> dict[str, list[MaskFile]]:
    """Match mask files to subjects.

    Parameters
    ----------
    masks : list of MaskFile
    names : dict of str to str
        Subject to its name in the dataset. A file belongs to a subject if its name is either of these, or `sub-X`,
        optionally followed by other entities.

    Returns
    -------
    dict of str to list of MaskFile
        Files that match no subject, such as those of subjects that are not evaluated, are ignored.
    """
    owners = {name: subject for subject, name in names.items()} | {subject: subject for subject in names}
    owned: dict[str, list[MaskFile]] = {}
    for mask in masks:
        label = re.match(r"sub-([0-9A-Za-z]+)(?![0-9A-Za-z])", mask.stem)
        subject = owners.get(mask.stem) or (owners.get(label[1]) if label else None)
        if subject:
            owned.setdefault(subject, []).append(mask)
    return owned


def check_folds(owned: Mapping[str, list[MaskFile]], folds: list[Fold]) -> None:
    """Reject masks of patients on whom the network was trained, if the folder shows the fold.

    Parameters
    ----------
    owned : dict of str to list of MaskFile
        From `match_masks`.
    folds : list of dict
        The folds of the split.

    Raises
    ------
    PredictionError
        For the first such mask.
    """
    for subject, masks in owned.items():
        for mask in masks:
            if mask.fold is None:
                continue
            if mask.fold >= len(folds):
                raise PredictionError(
                    f"{mask.path} is of fold {mask.fold}, and there are {len(folds)} folds, counted from 0: train "
                    "with the folds that `snakemake export_folds` writes"
                )
            if subject in folds[mask.fold]["train"]:
                raise PredictionError(
                    f"{mask.path} is the mask of a training patient: fold {mask.fold} trains on {subject}; train with "
                    "the folds that `snakemake export_folds` writes"
                )


def keep_fold(owned: Mapping[str, list[MaskFile]], subjects: Iterable[str], fold: int) -> dict[str, list[MaskFile]]:
    """Keep the masks of one fold, where each partition of the cohort has masks of its own.

    Parameters
    ----------
    owned : dict of str to list of MaskFile
        From `match_masks`.
    subjects : list of str
        Those tested in the fold.
    fold : int

    Returns
    -------
    dict of str to list of MaskFile

    Raises
    ------
    PredictionError
        For the first subject without a mask.
    """
    kept = {subject: [mask for mask in owned[subject] if mask.fold == fold] for subject in subjects}
    missing = [subject for subject, masks in kept.items() if not masks]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise PredictionError(f"fold_{fold} has no mask of {missing[0]}{more}, whom it tests")
    return kept


def read_folds_hash(folder):
    """Read the hash of the folds with which the masks in a folder were made.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    str
        As from `digest_folds`; "" if no file contains it.

    Raises
    ------
    PredictionError
        If a file that should contain it cannot be read.
    """
    path, key = Path(folder) / FOLDS_FILE, "hash"
    if not path.is_file():
        path, key = Path(folder) / DATASET_FILE, FOLDS_KEY
    if not path.is_file():
        return ""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return str(told.get(key, "")) if path.name == DATASET_FILE else str(told[key])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PredictionError(f"{path} cannot be read; copy it again from the export") from None


def digest_folds(folds: list[Fold]) -> str:
    """Compute the SHA-256 of the training and test subjects of each fold, independent of their order."""
    content = [{side: sorted(fold[side]) for side in ("train", "test")} for fold in folds]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
