"""Predict the subjects of a cell with its networks, and write their files; what training changes lies elsewhere."""

import time

import numpy as np

from neurograft.core.control_splits import subject_of
from neurograft.execution import logs
from neurograft.experiment import cell_folder
from neurograft.training import inference
from neurograft.training.slices import read_channels, turn_back


def write_predictions(part, name, task, networks, roles, threads):
    """Predict the test and unlabelled subjects and write their files in the cell's folder.

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

    Returns
    -------
    float
        Processor seconds that the test subjects took.
    """
    return WRITERS[name](part, networks, task, roles, threads)


def _write_segmentation(part, networks, task, roles, threads):
    """Predict and write the segmentation of each subject: the mean of all planes; return the test subjects' time."""
    mirrored = len(task.planes) == 1  # other planes are the better average, for the same time
    took = 0.0
    for subject in roles["test"] + roles["unlabelled"]:
        each, box, start = [], [], time.process_time()
        for plane in task.planes:
            case = task.read(subject, labelled=False, plane=plane)
            own = inference.predict_volume(networks[subject], read_channels(case), mirrored, threads=threads)
            each.append(turn_back(own, plane))
            box = case["index"]["box"]
        chances = dict(zip(task.outputs, np.mean(each, axis=0), strict=True))
        cell_folder.write_prediction(part, subject, chances, box)
        took += (time.process_time() - start) * (subject in roles["test"])
        logs.log_line(f"predicted {subject}")
    return took


def _write_classification(part, networks, task, roles, threads):
    """Predict and write a table with a row for each unit and class; an unknown truth is empty; time as above."""
    took = 0.0
    for role in cell_folder.CLASSES:
        rows, start = [], time.process_time()
        for subject in roles[role]:
            case = task.read(subject, labelled=role == "test")
            rows += _classify(networks[subject], case, subject, task.outputs, threads)
            logs.log_line(f"predicted {subject}")
        if role == "test" or rows:
            cell_folder.write_classes(part, role, rows)
        took += (time.process_time() - start) * (role == "test")
    return took


def _classify(network, case, subject, outputs, threads):
    """Classify one subject: one unit per slice, numbered on the grid of its space, or one for the whole patient."""
    usable = case["usable"]
    chances = inference.predict_slices(network, read_channels(case, usable), threads=threads)
    units = [number + case["index"]["box"][2][0] for number in usable.tolist()]
    truth = [outputs[number] for number in case["classes"][usable]] if "classes" in case else [""] * len(units)
    if case["pooled"]:
        units, chances, truth = [""], [inference.pool_slices(chances)], truth[:1]
    return [
        {"subject": subject_of(subject), "slice": unit, "class": name, "probability": float(value), "truth": answer}
        for unit, row, answer in zip(units, chances, truth, strict=True)
        for name, value in zip(outputs, row, strict=True)
    ]


# task to the function that writes its predictions
WRITERS = {
    "segmentation": _write_segmentation,
    "classification": _write_classification,
}
