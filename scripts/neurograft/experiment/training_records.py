"""Records of what training changed and how well the network fits its patients: three tables in a cell's folder."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from neurograft.experiment import cell_folder
from neurograft.networks.compute import device, lower_precision, reproducible
from neurograft.networks.stages import PREFIX, split_stages
from neurograft.training import loop
from neurograft.training.loop import TASKS

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def linear_cka(first, second):
    """Compute the debiased linear centred kernel alignment (CKA) of two sets of features of the same samples.

    Uses the unbiased HSIC estimator (Song et al. 2012; Nguyen et al. 2021, arXiv 2010.15327), because the biased form
    (Kornblith et al. 2019) finds similarity where there is none: 0.86 for two independent sets of 256 features with 40
    samples.

    Parameters
    ----------
    first, second : array_like, shape (samples, width)
        The widths may differ; at least 4 samples. The Gram matrices are samples x samples.

    Returns
    -------
    float
        1 for features that are equal up to rotation, scale and shift; about 0, or slightly below, for independent
        ones; NaN if one of them is constant.

    Raises
    ------
    ValueError
        If the numbers of samples differ or are below 4.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if len(first) != len(second) or len(first) < 4:
        raise ValueError(f"CKA takes at least 4 samples, the same of both: {len(first)} and {len(second)}")
    grams = [_gram(features) for features in (first, second)]
    norms = [unbiased_hsic(gram, gram) for gram in grams]
    # for constant features, or 4 samples that happen to be equal, only rounding errors remain
    if any(value <= 1e-9 * np.mean(gram**2) for value, gram in zip(norms, grams)):
        return np.nan
    return float(unbiased_hsic(*grams) / np.sqrt(norms[0] * norms[1]))


def _gram(features):
    """Compute the linear kernel; centring and scaling affect only rounding."""
    features = features - features.mean(axis=0)
    largest = np.abs(features).max(initial=0)
    features = features / largest if largest > 0 else features
    return features @ features.T


def unbiased_hsic(first, second):
    """Estimate the Hilbert-Schmidt independence criterion without bias (HSIC_1 of Song et al. 2012, JMLR 13:1393).

    Parameters
    ----------
    first, second : ndarray, shape (samples, samples)
        Symmetric kernel matrices; their diagonals are not used.

    Returns
    -------
    float
    """
    count = len(first)
    first, second = (kernel - np.diag(np.diag(kernel)) for kernel in (first, second))
    sums = first.sum(axis=0), second.sum(axis=0)
    both = (first * second).sum()
    apart = sums[0].sum() * sums[1].sum() / ((count - 1) * (count - 2))
    return (both + apart - 2 * (sums[0] @ sums[1]) / (count - 2)) / (count * (count - 3))


def compare_weights(before, after):
    """Tabulate how far each layer moved: `||after - before|| / ||before||` over all its tensors.

    Parameters
    ----------
    before, after : dict of str to array_like
        State dicts of CPU tensors or arrays. A layer is a name up to its last dot.

    Returns
    -------
    list of dict
        In the order of `before`: `layer`, `values` (number of weights), `change` (of weights and biases; infinite if
        all were zero before but not after), `statistics_change` (of BatchNorm's running mean and variance; NaN if the
        layer has none), `reason` (why there is no number, or "").
    """
    layers = {}
    for name in before:
        layer, _, tensor = name.rpartition(".")
        layers.setdefault(layer, []).append((name, tensor))
    rows = []
    for layer, names in layers.items():
        weights = [name for name, tensor in names if tensor not in STATISTICS]
        statistics = [name for name, tensor in names if tensor in STATISTICS[:2]]
        row = {"layer": layer, "values": len(_flat(before, weights))}
        missing = [name for name, _ in names if name not in after or np.shape(after[name]) != np.shape(before[name])]
        if missing:
            nothing = {"change": np.nan, "statistics_change": np.nan}
            rows.append(row | nothing | {"reason": f"{missing[0]} is missing or of another shape after training"})
            continue
        changes = [
            relative_change(*(_flat(state, part) for state in (before, after))) for part in (weights, statistics)
        ]
        rows.append(row | {"change": changes[0], "statistics_change": changes[1], "reason": ""})
    return rows


def relative_change(before, after):
    """Divide the norm of a vector's change by its norm before; NaN for an empty vector, 0 if nothing changed."""
    if not len(before):
        return np.nan
    moved, norm = np.linalg.norm(after - before), np.linalg.norm(before)
    if norm == 0:
        return np.inf if moved else 0.0
    return float(moved / norm)


def _flat(state, names):
    """Join several tensors of a state dict into one vector."""
    parts = [np.asarray(state[name], float).ravel() for name in names]
    return np.concatenate(parts) if parts else np.zeros(0)


MOST_INPUTS, FEWEST_INPUTS = 16, 4
MOST_SUBJECTS = 300
CHUNKS = {4: 16, 5: 2}  # slices or patches at once, by the axes of a batch


@dataclass(frozen=True)
class Inputs:
    """The fixed inputs on which networks are measured.

    Attributes
    ----------
    read : callable
        Returns the case of a subject, with its labels.
    roles : dict of str to list of str
        `train` and `test`.
    subjects : sequence of str
        All labelled subjects, in any role.
    options : dict
        `steps`, `batch` and `threads` of the training.
    """

    read: Callable
    roles: Mapping[str, list[str]]
    subjects: Collection[str]
    options: Mapping[str, int]


def write_records(part, task, trainings, inputs, draw=None):
    """Write the three tables of a trained cell.

    Parameters
    ----------
    part : Path
        The cell's folder.
    task : str
        A key of `loop.TASKS`.
    trainings : list of dict
        The rounds of a cell: `network`, `before` (a copy made before training), `plan`, `predicts`. Features and
        layers are those of the first.
    inputs : Inputs
    draw : callable, optional
        Function of a case and a number that returns images and targets; by default the one for the network's inputs
        (such as `slice_batches.draw_fixed`).
    """
    first, count = trainings[0], count_inputs(inputs.options, inputs.subjects)
    before, after = first["before"], first["network"]
    draw = draw or loop.inputs(after).draw_fixed
    predicting = {subject: each["network"] for each in trainings for subject in each["predicts"]}
    features, fit = [], []
    with reproducible(0, inputs.options["threads"]), torch.no_grad():
        # one patient at a time: with hundreds, files and images cannot all be kept open
        for subject, role in choose_subjects(inputs.roles, inputs.subjects):
            case = inputs.read(subject)
            images = draw(case, count // 2)[0]
            features.append([pool_features(network.encoder, images) for network in (before, after)])
            # test patients by the network that predicts them, training patients by the first
            measured = measure_fit(predicting.get(subject, after), task, *draw(case, count))
            fit.append({"subject": subject, "role": role} | measured)
    sides = [[np.concatenate(stage) for stage in zip(*side, strict=True)] for side in zip(*features, strict=True)]
    layers = compare_layers(before, after, first["plan"].phases)
    cell_folder.write_records(part, layers, compare_stages(*sides), fit, _measure(task))


def count_inputs(options, subjects):
    """Choose the number of fixed inputs per patient, 4 to 16, so that measuring takes a twentieth of the training time.

    A training step costs three times as much as measuring, and each input is measured about twice. The number depends
    on all patients of the experiment, not on those of the cell, so that every cell has the same inputs.
    """
    share = options["steps"] * options["batch"] // (10 * max(1, len(subjects)))
    return max(FEWEST_INPUTS, min(MOST_INPUTS, share))


def choose_subjects(roles, subjects):
    """Choose the subjects to measure: all, or for a role with more than 300, those among 300 evenly spaced subjects.

    Returns
    -------
    list of (str, str)
        Subject and role, training first.
    """
    ordered = sorted(subjects)
    among = {ordered[k * len(ordered) // MOST_SUBJECTS] for k in range(MOST_SUBJECTS)} if ordered else set()
    return [
        (subject, role)
        for role in ("train", "test")
        for subject in roles[role]
        if len(roles[role]) <= MOST_SUBJECTS or subject in among
    ]


def compare_layers(before, after, phases):
    """Tabulate how far each layer moved, its stage and part, and whether it was trained.

    Parameters
    ----------
    before, after : nn.Module
        A network with an `encoder`, before and after training.
    phases : sequence of strategy_plans.Phase

    Returns
    -------
    list of dict
        `cell_folder.LAYER_COLUMNS`. A layer is trained if one of its parameters, or a low-rank change of it, was
        trained in any phase; a frozen layer has a change of exactly 0.
    """
    stages = {}
    for number, names in enumerate(split_stages(before), start=1):
        stages |= dict.fromkeys([name.rpartition(".")[0] for name in names], number)
    # the names of LoRA's factors begin with the layer that they change
    trained = {name.split(".parametrizations.")[0] for phase in phases for name in phase.rates}
    trained |= {name.rpartition(".")[0] for phase in phases for name in phase.rates}
    states = [{name: value.cpu() for name, value in network.state_dict().items()} for network in (before, after)]
    return [
        row
        | {"stage": stages.get(row["layer"], ""), "trained": row["layer"] in trained}
        | {"part": "encoder" if row["layer"].startswith(PREFIX) else "top"}
        for row in compare_weights(*states)
    ]


def pool_features(encoder, images):
    """Compute each stage's features of one patient, averaged over space for each input.

    Neighbouring positions are nearly identical. As samples they would make any two networks look similar, and one
    patient would have as many samples as a cohort. Therefore the mean over a slice or patch is one sample.

    Parameters
    ----------
    encoder : nn.Module
        Returns a list of feature maps, (batch, C, ...), finest first; set to evaluation mode.
    images : Tensor, shape (batch, C, ...)

    Returns
    -------
    list of ndarray, shape (batch, C)
        One for each stage; maps without channels are left out, as in `stages.split_stages`.
    """
    encoder.to(device()).eval()
    pooled = []
    with lower_precision():
        for part in images.split(CHUNKS[images.ndim]):
            maps = [features for features in encoder(part.to(device())) if features.shape[1]]
            pooled.append([features.float().flatten(2).mean(2).cpu() for features in maps])
    return [torch.cat(stage).numpy() for stage in zip(*pooled, strict=True)]


def compare_stages(before, after):
    """Tabulate the debiased CKA of each stage's features before and after; NaN with fewer than 4 samples.

    Parameters
    ----------
    before, after : list of ndarray, shape (samples, C)
        One for each stage.
    """
    return [
        {"stage": stage, "samples": len(own), "cka": linear_cka(own, other) if len(own) > 3 else np.nan}
        for stage, (own, other) in enumerate(zip(before, after, strict=True), start=1)
    ]


def measure_fit(network, task, images, targets):
    """Measure a network on all inputs of one patient together, with its training loss.

    Parameters
    ----------
    network : nn.Module
        Set to evaluation mode.
    task : str
        A key of `loop.TASKS`.
    images, targets : Tensor
        From a function such as `slice_batches.draw_fixed`.

    Returns
    -------
    dict
        `loss`, and `dice` or `accuracy`.
    """
    network.to(device()).eval()
    with lower_precision():
        logits = torch.cat([network(part.to(device())).float().cpu() for part in images.split(CHUNKS[images.ndim])])
    row = TASKS[task]
    return {"loss": float(row["loss"](logits, targets)), _measure(task): float(row["fit"](logits, targets))}


def _measure(task):
    """Return the name of the task's measure of fit, without the prefix for training batches."""
    return TASKS[task]["measure"].removeprefix("train_")
