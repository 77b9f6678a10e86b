"""Estimates of what an experiment will cost and what it can show, before anything trains."""

import time

import numpy as np

from neurograft.core.labels import judged_region
from neurograft.core.region_words import name_region
from neurograft.experiment.network_cells import BUILDERS
from neurograft.networks import compute, stages
from neurograft.stats import error_rates, paired_verdict
from neurograft.training import inference, loop, tasks
from neurograft.training.slices import read_channels
from neurograft.training.strategy_plans import Phase

PROBED_STEPS = 4
PROBED_SLICES = 32


def plan_experiment(counts, split, subjects, backbones, compared, options):
    """Time a few steps of training and some prediction on this machine, and estimate the experiment.

    Parameters
    ----------
    counts : dict of str to dict of str to int
        Task to source to its number of cells.
    split : dict
        `splits.json`.
    subjects : tasks.SubjectFiles
    backbones : dict of str to str
        Source to backbone.
    compared : list of tuple
        The arms of segmentation (source, strategy) that make the family of comparisons with a verdict.
    options : network_cells.CellOptions

    Returns
    -------
    dict
        `cells`: rows of `task`, `source`, `cells`, `seconds` (one cell from scratch, the dearest of the ordinary
        strategies), `hours` (all of them, one after another) and `reason` (why nothing is trained, or empty);
        `patients`, `folds`, `family`, `region` (that the verdict is about), `deviation` (assumed, of the paired Dice),
        `smallest_difference` (None: no verdict can be given), `error_rates` (`error_rates.tabulate_error_rates` of
        this design) and `words`.
    """
    rows = []
    for task, sources in counts.items():
        task_split = split["tasks"][task]
        for source, cells in sources.items():
            row = {"task": task, "source": source, "cells": cells, "reason": task_split["reason"]}
            seconds = 0.0
            if cells and task_split["trainable"]:
                chosen = options.choose(backbones[source])
                seconds = probe_cell(task, split, subjects, backbones[source], chosen)
            rows.append(row | {"seconds": round(seconds, 1), "hours": round(cells * seconds / 3600, 3)})
    task_split = split["tasks"]["segmentation"]
    patients = len({task_split["patients"][subject] for subject in task_split["subjects"]})
    family = len(set(map(tuple, compared)))
    folds = len(task_split["folds"])
    smallest = paired_verdict.smallest_difference(patients, folds, family) if folds and family else np.inf
    plan = {
        "cells": rows,
        "patients": patients,
        "folds": folds,
        "family": family,
        "region": judged_region(task_split.get("regions", ())),
        "deviation": paired_verdict.DEVIATION,
        "smallest_difference": round(float(smallest), 3) if np.isfinite(smallest) else None,
        "error_rates": error_rates.tabulate_error_rates(patients, folds, family) if folds and family else [],
    }
    return plan | {"words": describe_plan(plan)}


def probe_cell(task, split, subjects, backbone, options):
    """Estimate the seconds of one cell that trains everything, from a few of its steps and slices.

    Parameters
    ----------
    task : {"segmentation", "classification"}
    split : dict
        `splits.json`.
    subjects : tasks.SubjectFiles
    backbone : str
    options : dict
        `steps`, `batch` and `threads`.

    Returns
    -------
    float
    """
    task_split = split["tasks"][task]
    opened = tasks.open_task(split, {"task": task}, subjects)
    fold = task_split["folds"][0]
    cases = [opened.read(subject) for subject in fold["train"]]
    threads = options["threads"]
    with compute.reproducible(0, threads):
        network = BUILDERS[task](backbone, len(cases[0]["channels"]), len(opened.outputs))
        rates = {name: 1e-3 for name, _ in network.named_parameters()}
        probed = loop.TrainingOptions(PROBED_STEPS, options["batch"], threads=threads)
        _, seconds = loop.train(network, cases, (Phase(1.0, rates),), task, opened.shares, probed)
    # a 3-D network predicts in windows, which a few slices would not fill
    count = PROBED_SLICES if stages.spatial_axes(network) == 2 else None
    images = read_channels(cases[0], slice(count))
    predict = inference.predict_volume if task == "segmentation" else inference.predict_slices
    # a picture is one slice: without a first call, warming up would be all that is timed
    predict(network, images[:1], threads=threads)
    start = time.perf_counter()
    predict(network, images, threads=threads)
    a_slice = (time.perf_counter() - start) / len(images)
    tested = sum(len(opened.read(subject, labelled=False)["images"]) for subject in fold["test"])
    # the first step warms up
    return float(np.median(np.diff(seconds)) * options["steps"] + a_slice * tested)


def describe_plan(plan):
    """Describe a plan in plain words.

    Parameters
    ----------
    plan : dict
        As `plan_experiment` returns it.

    Returns
    -------
    list of str
    """
    lines = []
    for row in plan["cells"]:
        if not row["seconds"]:
            why = row["reason"] or "no strategy was asked for"
            lines.append(f"{row['task']} from {row['source']}: nothing to train ({why})")
            continue
        hours = row["hours"]
        together = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
        lines.append(
            f"{row['task']} from {row['source']}: {row['cells']} networks of about {row['seconds']:.0f} s, "
            f"{together} one after another; with k at a time, divide by k"
        )
    if not plan["patients"]:
        return [*lines, "no verdict can be given: it is about segmentation, which no patient has labels for"]
    design = f"{plan['patients']} patients in {plan['folds']} folds, {plan['family']} to be compared with scratch"
    if plan["smallest_difference"] is None:
        lines.append(
            f"{design}: no verdict can be given, whatever the difference; add patients or folds, or compare less"
        )
    else:
        lines.append(
            f"{design}: the smallest difference that 9 of 10 such studies find is {plan['smallest_difference']:.3f} of "
            f"{name_region(plan['region'])} Dice, if the paired differences have a standard deviation of "
            f"{plan['deviation']:g}"
        )
    return lines
