"""What a cell's networks predict: how its subjects are read, and the files that hold the answers."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import inference, splits, tables
from .cases import (
    add_candidates,
    classification_case,
    read_channels,
    read_landmarks,
    segmentation_case,
    target_case,
)
from .regions import region_values
from .standard_scale import bring_to_scale, learn_scale

TUMOUR_SHARE = 0.67  # of the slices of a batch


class Task(NamedTuple):
    """What depends on a cell's task.

    read : function of a subject, and of whether its labels are to be read, that gives a case.
    read_target : function of a subject that gives its images alone, for adaptation.
    outputs : names of the network's outputs.
    shares : share of each stratum in a batch.
    dropout : whether training drops whole channels: where a subject of the task lacks one, in every cell alike.
    scale : the intensity scale learnt from the training subjects by sequence, empty where none is asked for.
    """

    read: Callable
    read_target: Callable
    outputs: list
    shares: dict
    dropout: bool
    scale: dict


def open_task(split, cell, slices, truths, unlearnt=(), candidates=None, training=()):
    """Give the `Task` of a cell.

    Parameters
    ----------
    split, cell, slices, truths, candidates
        As in `cells.train_cell`.
    unlearnt : collection of str
        Sequences that no training subject has (`roles.find_unlearnt`): nobody's is given to the network.
    training : sequence of str
        Whose landmarks, where they have any, make the scale that every subject is read on.
    """
    task = split["tasks"][cell["task"]]
    incomplete = task.get("incomplete", {})
    scale = learn_scale([read_landmarks(slices[subject]) for subject in training])

    def lacks(subject):
        return {*incomplete.get(subject, ()), *unlearnt}

    def scaled(case):
        return bring_to_scale(case, task["sequences"], scale)

    def read_target(subject):
        return scaled(target_case(slices[subject], task["sequences"], lacks(subject)))

    if cell["task"] == "segmentation":
        regions = list(region_values(split["scheme"]))

        def read(subject, labelled=True):
            about = (task["sequences"], split["schemes"][subject], labelled, lacks(subject))
            case = scaled(segmentation_case(slices[subject], *about))
            return add_candidates(case, candidates[subject]) if candidates and labelled else case

        shares = {"tumour": TUMOUR_SHARE, "rest": 1 - TUMOUR_SHARE}
        if candidates:
            shares |= dict.fromkeys(("rest", "candidates"), (1 - TUMOUR_SHARE) / 2)
        return Task(read, read_target, regions, shares, bool(incomplete), scale)
    of_slices = task["target"] == splits.SLICE_TARGET
    if not of_slices and truths is None:
        raise ValueError(f"the target is the column {task['target']}: `truths` has to give each subject's class")

    def read(subject, labelled=True):
        truth = None if of_slices or not labelled else truths[subject]
        about = (task["sequences"], task["classes"], truth, labelled, lacks(subject))
        return scaled(classification_case(slices[subject], *about)) | {"pooled": not of_slices}

    shares = dict.fromkeys(task["classes"], 1.0)
    return Task(read, read_target, list(task["classes"]), shares, bool(incomplete), scale)


def write_predictions(part, name, task, networks, roles, threads):
    """Predict the test and unlabelled subjects and write the files that `cells` names.

    Parameters
    ----------
    part : Path
        An existing folder.
    name : str
        A key of `WRITERS`.
    task : Task
    networks : dict of str to nn.Module
        Subject to the network that predicts it.
    roles : dict of str to list of str
        `test` and `unlabelled`.
    threads : int
    """
    WRITERS[name](part, networks, task.read, roles, task.outputs, threads)


def _write_segmentation(part, networks, read, roles, outputs, threads):
    """Predict and write one `sub-X.npz` a subject."""
    for subject in roles["test"] + roles["unlabelled"]:
        case = read(subject, labelled=False)
        chances = inference.predict_volume(networks[subject], read_channels(case), threads=threads)
        packed = {name: np.rint(255 * chance).astype(np.uint8) for name, chance in zip(outputs, chances, strict=True)}
        np.savez_compressed(part / f"sub-{subject}.npz", **packed, box=np.asarray(case["index"]["box"]))
        log_line(f"predicted {subject}")


def _write_classification(part, networks, read, roles, outputs, threads):
    """Predict and write a table: a row a unit and class; the truth is empty where it is not known."""
    names = {"test": "predictions.tsv", "unlabelled": "predictions_unlabelled.tsv"}
    for role, name in names.items():
        rows = []
        for subject in roles[role]:
            rows += _classify(networks[subject], read(subject, labelled=role == "test"), subject, outputs, threads)
            log_line(f"predicted {subject}")
        if role == "test" or rows:
            tables.write_table(part / name, rows, ("subject", "slice", "class", "probability", "truth"))


def _classify(network, case, subject, outputs, threads):
    """Rows of one subject: its slices by their number on the grid of its space, or the patient alone."""
    usable = case["usable"]
    chances = inference.predict_slices(network, read_channels(case, usable), threads=threads)
    units = [number + case["index"]["box"][2][0] for number in usable.tolist()]
    truth = [outputs[number] for number in case["classes"][usable]] if "classes" in case else [""] * len(units)
    if case["pooled"]:
        units, chances, truth = [""], [inference.pool_slices(chances)], truth[:1]
    return [
        {"subject": subject, "slice": unit, "class": name, "probability": float(value), "truth": answer}
        for unit, row, answer in zip(units, chances, truth, strict=True)
        for name, value in zip(outputs, row, strict=True)
    ]


def log_line(line):
    """Say how far the job is, in its log."""
    print(line, file=sys.stderr, flush=True)


# task: what writes its predictions
WRITERS = {
    "segmentation": _write_segmentation,
    "classification": _write_classification,
}
