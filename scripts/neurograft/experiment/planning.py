"""Estimate the cost and the statistical power of an experiment before training."""

import time

import numpy as np

from neurograft.core.labels import judged_region
from neurograft.core.region_words import name_region
from neurograft.core.split_file import count_repeats
from neurograft.experiment.network_cells import BUILDERS
from neurograft.networks import compute, sizes, stages
from neurograft.stats import error_rates, paired_verdict
from neurograft.training import inference, loop, patch_batches, tasks
from neurograft.training.slices import read_channels
from neurograft.training.strategy_plans import Phase

PROBED_STEPS, FEWEST_STEPS = 4, 2  # the fewest for networks of which a step takes minutes on a processor
PROBED_SLICES = 32


def plan_experiment(counts, split, subjects, backbones, options, judged):
    """Time a few training steps and some prediction on this machine, and estimate the experiment.

    Parameters
    ----------
    counts : dict of str to dict of str to int
        Task to source to its number of cells.
    split : dict
        `splits.json`.
    subjects : tasks.SubjectFiles
    backbones : dict of str to str
        Source to backbone.
    options : network_cells.CellOptions
    judged : dict
        `compared`: the arms (source, strategy) in the family of comparisons with a verdict; `task`, `seeds` and
        `margin` (for the metric of the verdict).

    Returns
    -------
    dict
        `cells`: rows of `task`, `source`, `cells`, `seconds` (one cell from scratch, the slowest of the ordinary
        strategies), `hours` (all cells, one after another), `reason` (why nothing is trained, or "") and, for a network
        meant for a GPU, `memory` (MB of a training), `free` (MB) and `gpu` (whether there is one); `task`,
        `measure` and `patients` of the verdict; `folds` of a partition, `repeats` (partitions, if several), `seeds`,
        `family`, `deviation` and `luck` (assumed standard deviations of the paired score and of a training), `margin`,
        `device` on which it was timed, `smallest_difference` that 4 of 5 such studies find (None: every verdict is
        "refused"), `needed_patients` for the margin (None: no number is enough), `error_rates`
        (`error_rates.tabulate_error_rates` of this design) and `words`.
    """
    rows = []
    for task, sources in counts.items():
        task_split = split["tasks"][task]
        for source, cells in sources.items():
            row = {"task": task, "source": source, "cells": cells, "reason": task_split["reason"]}
            seconds = 0.0
            if cells and task_split["trainable"]:
                chosen = options.choose(backbones[source])
                planned = chosen | {"planes": options.choose_planes(task, backbones[source])}
                row |= measure_room(backbones[source], chosen["batch"])
                if fits(row):
                    seconds = probe_cell(task, split, subjects, backbones[source], planned)
            rows.append(row | {"seconds": round(seconds, 1), "hours": round(cells * seconds / 3600, 3)})
    task_split, margin = split["tasks"][judged["task"]], judged["margin"]
    patients = len({task_split["patients"][subject] for subject in task_split["subjects"]})
    family = len(set(map(tuple, judged["compared"])))
    repeats = count_repeats(task_split["folds"])
    folds = len(task_split["folds"]) // repeats
    plan = {"cells": rows, "task": judged["task"], "patients": patients, "folds": folds, "seeds": judged["seeds"]}
    plan |= {"repeats": repeats} if repeats > 1 else {}
    plan["device"] = compute.device().type
    region = judged_region(task_split.get("regions", ()))
    measure = f"{name_region(region)} Dice" if judged["task"] == "segmentation" else "accuracy"
    plan |= {"family": family, "margin": margin, "measure": measure}
    plan |= {"deviation": paired_verdict.DEVIATION, "luck": paired_verdict.ASSUMED_LUCK}
    plan |= {"smallest_difference": None, "needed_patients": None, "error_rates": []}
    if folds and family:
        smallest = paired_verdict.plan_comparison(patients, folds, family, repeats=repeats)
        needed = paired_verdict.plan_patients(margin, folds, family, repeats=repeats)
        plan["smallest_difference"] = round(float(smallest), 3) if np.isfinite(smallest) else None
        plan["needed_patients"] = int(needed) if np.isfinite(needed) else None
        study: error_rates.Study = {"patients": patients, "folds": folds, "seeds": judged["seeds"], "family": family}
        if repeats > 1:
            study["repeats"] = repeats
        plan["error_rates"] = error_rates.tabulate_error_rates(study, margin / paired_verdict.DEVIATION)
    return plan | {"words": describe_plan(plan)}


def measure_room(backbone, batch):
    """Compare the memory that a training takes with what there is, for networks that are meant for a GPU.

    Parameters
    ----------
    backbone : str
    batch : int

    Returns
    -------
    dict
        `memory`, `free` (MB; None if nobody knows) and `gpu`; nothing for other networks.
    """
    if backbone not in sizes.LARGE:
        return {}
    gpu = compute.device().type == "cuda"
    return {"memory": sizes.training_memory(backbone, batch), "free": compute.free_memory(), "gpu": gpu}


def fits(row):
    """Check whether a training of a plan's row has the memory that it takes, as far as that is known."""
    return row.get("free") is None or row["memory"] <= row["free"]


def probe_cell(task, split, subjects, backbone, options):
    """Estimate the seconds of one cell that trains all parameters, from a few of its steps and slices.

    They are computed as the cell's will be: on the same device, with batches drawn ahead.

    Parameters
    ----------
    task : {"segmentation", "classification"}
    split : dict
        `splits.json`.
    subjects : tasks.SubjectFiles
    backbone : str
    options : dict
        `steps`, `batch`, `threads` and `planes`.

    Returns
    -------
    float
    """
    task_split = split["tasks"][task]
    planes, slow = options["planes"], backbone in sizes.LARGE and compute.device().type == "cpu"
    opened = tasks.open_task(split, {"task": task}, subjects, planes=planes)
    fold = task_split["folds"][0]
    cases = opened.read_all(fold["train"])
    threads = options["threads"]
    with compute.reproducible(0, threads):
        network = BUILDERS[task](backbone, len(cases[0]["channels"]), len(opened.outputs))
        rates = {name: 1e-3 for name, _ in network.named_parameters()}
        ahead, fewest = compute.choose_plan().ahead, FEWEST_STEPS if slow else PROBED_STEPS
        probed = loop.TrainingOptions(fewest + ahead, options["batch"], threads=threads)
        seconds = loop.train(network, cases, (Phase(1.0, rates),), task, opened.shares, probed).seconds
    # differences between steps exclude the first one, which is warm-up, and those whose batches were drawn during it
    training = float(np.median(np.diff(seconds)[ahead:]) * options["steps"])
    if slow:
        shapes = [opened.read(subject, labelled=False)["images"].shape for subject in fold["test"]]
        return training + _time_windows(network, cases[0], shapes, threads)
    # a 3-D network predicts in windows, which need more than a few slices
    count = PROBED_SLICES if stages.spatial_axes(network) == 2 else None
    images = read_channels(cases[0], slice(count))
    predict = inference.predict_volume if task == "segmentation" else inference.predict_slices
    # a picture is one slice: without a first call, only the warm-up would be timed
    predict(network, images[:1], threads=threads)
    start = time.perf_counter()
    predict(network, images, len(planes) == 1, threads=threads)
    a_slice = (time.perf_counter() - start) / len(images)
    # a patient's box has about as many slices in every plane
    tested = len(planes) * sum(len(opened.read(subject, labelled=False)["images"]) for subject in fold["test"])
    return training + a_slice * tested


def _time_windows(network, case, shapes, threads):
    """Estimate the seconds of predicting patients of some shapes (Z, C, X, Y), from a single window."""
    z, _, x, y = case["images"].shape
    size = patch_batches.patch_size((x, y, z))
    images = read_channels(case, slice(size[2]))[:, :, : size[0], : size[1]]
    start = time.perf_counter()
    inference.predict_volume(network, images, flip=False, threads=threads)
    a_window = time.perf_counter() - start
    # twice, because the mirrored patient is predicted as well
    return a_window * sum(2 * inference.count_windows((x, y, z)) for z, _, x, y in shapes)


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
    timed = plan["device"] == "cuda" and any(row["seconds"] for row in plan["cells"])
    lines = ["timed on a GPU, computing one network at a time"] if timed else []
    for row in plan["cells"]:
        if not fits(row):
            lines.append(
                f"{row['task']} from {row['source']}: {row['cells']} networks, not timed: one takes about "
                f"{_say_memory(row)}, and {row['free'] / 1000:.1f} GB are free; it is meant for a GPU with more memory"
            )
            continue
        if not row["seconds"]:
            why = row["reason"] or "no strategy was asked for"
            lines.append(f"{row['task']} from {row['source']}: nothing to train ({why})")
            continue
        hours = row["hours"]
        together = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
        lines.append(
            f"{row['task']} from {row['source']}: {row['cells']} networks of about {row['seconds']:.0f} s, "
            f"{together} one after another; with k at a time, divide by k" + _warn_of_size(row)
        )
    if not plan["patients"]:
        return [*lines, f"no verdict can be given: it is about {plan['task']}, which no patient has labels for"]
    if not plan["family"]:
        return [*lines, "no verdict will be given: no transfer strategy is compared with scratch"]
    repeated = f", {plan['repeats']} times anew" if "repeats" in plan else ""
    design = (
        f"{plan['patients']} patients in {plan['folds']} folds{repeated}, {plan['family']} to be compared with scratch"
    )
    if plan["smallest_difference"] is None:
        lines.append(f"{design}: no verdict can be given; it takes {paired_verdict.FEWEST_PATIENTS} patients")
        return lines
    lines.append(
        f"{design}: 4 of 5 such studies find a true difference of {plan['smallest_difference']:.3f} "
        f"in {plan['measure']}, if the paired "
        f"differences have a standard deviation of {plan['deviation']:g} over patients, and a training's luck one of "
        f"{plan['luck'] * plan['deviation']:.3g}"
    )
    if plan["margin"]:
        needed = plan["needed_patients"]
        words = f"about {needed} patients" if needed else "no number of patients in so few folds"
        words = f"a difference as small as the margin ({plan['margin']:g}) takes {words}"
        lines.append(
            words + ("" if needed else ": the luck of single trainings is larger; more folds, seeds or repeats help")
        )
    return lines


def _say_memory(row):
    """Name the memory of one training of a network that is meant for a GPU."""
    where = "the GPU's memory" if row["gpu"] else "memory"
    return f"{row['memory'] / 1000:.1f} GB of {where}"


def _warn_of_size(row):
    """Name the memory of a large network, and what it is meant for if it has to do without."""
    if not row.get("memory"):
        return ""
    lacking = "" if row["gpu"] else ", and is meant for a GPU: there is none here"
    return f"; each takes about {_say_memory(row)}{lacking}"
