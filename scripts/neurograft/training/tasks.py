"""Parts of training that depend on the task: how subjects are read, and the outputs of the network."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurograft.cohort import splits
from neurograft.core.control_splits import has_random_labels, part_of, subject_of
from neurograft.core.labels import region_values
from neurograft.preprocessing.intensity_scale import bring_to_scale, learn_scale
from neurograft.training.slices import (
    AXIAL,
    add_candidates,
    classification_case,
    keep_part,
    read_landmarks,
    segmentation_case,
    target_case,
)

TUMOUR_SHARE = 0.67  # of the slices of a batch


@dataclass(frozen=True)
class SubjectFiles:
    """The input data of networks.

    Attributes
    ----------
    slices : dict of str to path or dict
        Subject to its folder of `images.zlib`, `labels.zlib` and `index.json`, in the cell's space; or a picture of
        the shared array (`slices.find_slices`).
    truths : dict of str to str, optional
        Subject to class, if a column of the cohort is the target.
    candidates : dict of str to list of int, optional
        Subject to the slices of its tumour candidates (`slices.find_candidates`). If given, half of the training slices
        without tumour are drawn from those of these slices that have no tumour.
    """

    slices: Mapping[str, str | Path | dict]
    truths: Mapping[str, str | None] | None = None
    candidates: Mapping[str, list[int]] | None = None


class Task(NamedTuple):
    """The parts of training that depend on the task.

    read : function of a subject, and of whether to read its labels, that returns a case.
    read_target : function of a subject that returns only its images, for adaptation.
    outputs : names of the network's outputs.
    shares : share of each stratum in a batch.
    dropout : whether training drops whole channels; true for all cells of a task with incomplete subjects.
    scale : the intensity scale by sequence, learnt from the training subjects; empty if not used.
    planes : in which slices are trained on and predicted; `read` takes one as a keyword.
    """

    read: Callable
    read_target: Callable
    outputs: list
    shares: dict
    dropout: bool
    scale: dict
    planes: Sequence[str] = (AXIAL,)

    def read_all(self, subjects):
        """Read the cases of some subjects with their labels, each subject in every plane."""
        return [self.read(subject, plane=plane) for plane in self.planes for subject in subjects]


def open_task(split, cell, subjects, unlearnt=(), training=(), planes=(AXIAL,)):
    """Prepare the `Task` of a cell.

    Parameters
    ----------
    split, cell
        As in `network_cells.train_cell`.
    subjects : SubjectFiles
    unlearnt : collection of str
        Sequences that no training subject has (`assignment.find_unlearnt`); they are not used for any subject.
    training : sequence of str
        Subjects whose landmarks, if they have any, define the intensity scale of all subjects.
    planes : sequence of str
        Keys of `slices.PLANES`, for segmentation.

    Returns
    -------
    Task
    """
    slices, truths, candidates = subjects.slices, subjects.truths, subjects.candidates
    task = split["tasks"][cell["task"]]
    incomplete = task.get("incomplete", {})
    scale = learn_scale([read_landmarks(slices[subject]) for subject in dict.fromkeys(map(subject_of, training))])

    def lacks(subject):
        return {*incomplete.get(subject, ()), *unlearnt}

    def scaled(case):
        return bring_to_scale(case, task["sequences"], scale)

    def read_target(name):
        subject = subject_of(name)
        return scaled(target_case(slices[subject], task["sequences"], lacks(subject)))

    if cell["task"] == "segmentation":
        regions = list(region_values(split["scheme"]))

        def read(subject, labelled=True, plane=AXIAL):
            about = (task["sequences"], split["schemes"][subject], labelled, lacks(subject), plane)
            case = scaled(segmentation_case(slices[subject], *about))
            # candidates are known by axial slices
            return add_candidates(case, candidates[subject]) if candidates and labelled and plane == AXIAL else case

        shares = {"tumour": TUMOUR_SHARE, "rest": 1 - TUMOUR_SHARE}
        if candidates:
            shares |= dict.fromkeys(("rest", "candidates"), (1 - TUMOUR_SHARE) / 2)
        return Task(read, read_target, regions, shares, bool(incomplete), scale, planes)
    of_slices = task["target"] == splits.SLICE_TARGET
    if not of_slices and truths is None:
        raise ValueError(f"the target is the column {task['target']}: `truths` has to give each subject's class")
    count = len(splits.list_folds(task, cell.get("split", "folds")))
    if has_random_labels(cell.get("split", "")):
        truths, of_slices = permute_labels(task, truths or {}, [split["seed"], 7, int(cell["seed"])]), False
    pooled = not (of_slices or task["target"] == splits.SLICE_TARGET or task.get("unit") == "slice")

    def read_whole(subject, labelled):
        truth = None if of_slices or not labelled else truths[subject]
        about = (task["sequences"], task["classes"], truth, labelled, lacks(subject))
        return scaled(classification_case(slices[subject], *about)) | {"pooled": pooled}

    # finding the slices with enough brain reads all of them, and a subject's parts are read one after another
    read_once = cache(read_whole)

    def read(subject, labelled=True, plane=AXIAL):
        # classified slices are axial
        whose, part = subject_of(subject), part_of(subject)
        if part is None:
            return read_whole(whose, labelled)
        seed = [split["seed"], 8, zlib.crc32(whose.encode())]
        return keep_part(read_once(whose, labelled), part, count, seed)

    shares = dict.fromkeys(task["classes"], 1.0)
    return Task(read, read_target, list(task["classes"]), shares, bool(incomplete), scale)


def permute_labels(task, truths, seed):
    """Give patients the labels of other patients, so that nothing but the patient itself predicts a label.

    Parameters
    ----------
    task : split_file.ClassificationSplit
    truths : dict of str to str
        Subject to class. If the target is "tumour-slice", where each slice has its own class, every patient gets one of
        the two for all its slices, in equal numbers.
    seed : list of int

    Returns
    -------
    dict of str to str
        Subject to class, the same for all subjects of a patient.
    """
    first = {}
    for subject in task["subjects"]:
        first.setdefault(task["patients"][subject], subject)
    patients, classes = sorted(first), task["classes"]
    if task["target"] == splits.SLICE_TARGET:
        labels = [classes[number % len(classes)] for number in range(len(patients))]
    else:
        labels = [truths[first[patient]] for patient in patients]
    dealt = dict(zip(patients, np.random.default_rng(seed).permutation(labels).tolist(), strict=True))
    return {subject: dealt[task["patients"][subject]] for subject in task["subjects"]}
