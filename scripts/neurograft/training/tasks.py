"""What depends on a cell's task: how its subjects are read, and what its network puts out."""

from collections.abc import Callable
from typing import NamedTuple

from neurograft.cohort import splits
from neurograft.core.labels import region_values
from neurograft.preprocessing.intensity_scale import bring_to_scale, learn_scale
from neurograft.training.slices import (
    add_candidates,
    classification_case,
    read_landmarks,
    segmentation_case,
    target_case,
)

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
        As in `network_cells.train_cell`.
    unlearnt : collection of str
        Sequences that no training subject has (`assignment.find_unlearnt`): nobody's is given to the network.
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
