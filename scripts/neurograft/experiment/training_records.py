"""Records of what a training changed, and how well it fits its own patients: three tables in a cell's folder."""

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

    With the unbiased HSIC estimator (Song et al. 2012; Nguyen et al. 2021, arXiv 2010.15327), since the plain
    form (Kornblith et al. 2019) finds similarity where there is none: 0.86 for two independent sets of 256
    features at 40 samples.

    Parameters
    ----------
    first, second : array_like, shape (samples, width)
        The widths may differ; at least 4 samples. The Gram matrices are samples x samples.

    Returns
    -------
    float
        1 for features equal up to rotation, scale and shift; about 0, also slightly below, for independent
        ones; NaN where one of them does not vary.

    Raises
    ------
    ValueError
        If the numbers of samples differ, or there are fewer than 4.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if len(first) != len(second) or len(first) < 4:
        raise ValueError(f"CKA takes at least 4 samples, the same of both: {len(first)} and {len(second)}")
    grams = [_gram(features) for features in (first, second)]
    norms = [unbiased_hsic(gram, gram) for gram in grams]
    # what is left of a constant, or of 4 samples that happen to be alike, is rounding
    if any(value <= 1e-9 * np.mean(gram**2) for value, gram in zip(norms, grams)):
        return np.nan
    return float(unbiased_hsic(*grams) / np.sqrt(norms[0] * norms[1]))


def _gram(features):
    """Compute the linear kernel; centring and scale change nothing but the rounding."""
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
        State dicts, of tensors on the CPU or arrays. A layer is a name up to its last dot.

    Returns
    -------
    list of dict
        In the order of `before`: `layer`, `values` (how many weights), `change` (of weights and biases; infinite
        if they were all zero and are not), `statistics_change` (of BatchNorm's running mean and variance), NaN
        where a layer has none, `reason` (why there is no number, or nothing).
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
    """Divide the norm of a vector's change by its norm before; NaN for an empty one, 0 where nothing changed."""
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
    """The fixed inputs that networks are looked at on.

    Attributes
    ----------
    read : callable
        Returns the case of a subject, with its labels.
    roles : dict of str to list of str
        `train` and `test`.
    subjects : sequence of str
        Everyone with labels, in whatever role.
    options : dict
        `steps`, `batch` and `threads` of the training.
    """

    read: Callable
    roles: Mapping[str, list[str]]
    subjects: Collection[str]
    options: Mapping[str, int]


def write_records(part, task, trainings, inputs, draw=None):
    """Write the three tables of a cell that was trained.

    Parameters
    ----------
    part : Path
        The cell's folder.
    task : str
        A row of `loop.TASKS`.
    trainings : list of dict
        The rounds of a cell: `network`, `before` (a copy from before the training), `plan`, `predicts`. Features
        and layers are those of the first.
    inputs : Inputs
    draw : callable, optional
        Function of a case and a number that returns images and targets; that of the network's own inputs
        (`slice_batches.draw_fixed`) where none is given.
    """
    first, count = trainings[0], count_inputs(inputs.options, inputs.subjects)
    before, after = first["before"], first["network"]
    draw = draw or loop.inputs(after).draw_fixed
    predicting = {subject: each["network"] for each in trainings for subject in each["predicts"]}
    features, fit = [], []
    with reproducible(0, inputs.options["threads"]), torch.no_grad():
        # one patient at a time: of hundreds, neither the files nor the images can all be held open
        for subject, role in choose_subjects(inputs.roles, inputs.subjects):
            case = inputs.read(subject)
            images = draw(case, count // 2)[0]
            features.append([pool_features(network.encoder, images) for network in (before, after)])
            # outsiders by the network that predicts them, members by the first
            measured = measure_fit(predicting.get(subject, after), task, *draw(case, count))
            fit.append({"subject": subject, "role": role} | measured)
    sides = [[np.concatenate(stage) for stage in zip(*side, strict=True)] for side in zip(*features, strict=True)]
    layers = compare_layers(before, after, first["plan"].phases)
    cell_folder.write_records(part, layers, compare_stages(*sides), fit, _measure(task))


def count_inputs(options, subjects):
    """Choose how many fixed inputs of a patient are looked at: 4 to 16, to take a twentieth of the training.

    A step of training costs three times what looking costs, and each input is looked at about twice. The number
    goes by all patients of the experiment and not by the cell's, so that every cell has the same inputs.
    """
    share = options["steps"] * options["batch"] // (10 * max(1, len(subjects)))
    return max(FEWEST_INPUTS, min(MOST_INPUTS, share))


def choose_subjects(roles, subjects):
    """Choose who is looked at: everyone, or, of a role with more than 300, those among 300 of all subjects, evenly.

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
    """Tabulate how far each layer moved, where it stands, and whether it trained.

    Parameters
    ----------
    before, after : nn.Module
        One network with an `encoder`, at two times.
    phases : sequence of strategies.Phase

    Returns
    -------
    list of dict
        `cell_folder.LAYER_COLUMNS`. A layer is trained if one of its parameters, or a low-rank change of it, was
        trained in any phase; a frozen one has a change of exactly 0.
    """
    stages = {}
    for number, names in enumerate(split_stages(before), start=1):
        stages |= dict.fromkeys([name.rpartition(".")[0] for name in names], number)
    # LoRA's factors hang below the layer that they change
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
    """Compute each stage's features of one patient, the mean over space of each input.

    Neighbouring positions are nearly copies of each other: as samples they would make any two networks look alike,
    and one patient would have as many as a cohort. The mean over a slice (or patch) is one sample, whatever the
    dimension.

    Parameters
    ----------
    encoder : nn.Module
        Returns a list of feature maps, (batch, C, ...), finest first; put into evaluation mode.
    images : Tensor, shape (batch, C, ...)

    Returns
    -------
    list of ndarray, shape (batch, C)
        One a stage; maps without a channel are left out, as `stages.split_stages` does.
    """
    encoder.to(device()).eval()
    pooled = []
    with lower_precision():
        for part in images.split(CHUNKS[images.ndim]):
            maps = [features for features in encoder(part.to(device())) if features.shape[1]]
            pooled.append([features.float().flatten(2).mean(2).cpu() for features in maps])
    return [torch.cat(stage).numpy() for stage in zip(*pooled, strict=True)]


def compare_stages(before, after):
    """Tabulate the debiased CKA of each stage's features before and after; NaN of fewer than 4 samples.

    Parameters
    ----------
    before, after : list of ndarray, shape (samples, C)
        One a stage.
    """
    return [
        {"stage": stage, "samples": len(own), "cka": linear_cka(own, other) if len(own) > 3 else np.nan}
        for stage, (own, other) in enumerate(zip(before, after, strict=True), start=1)
    ]


def measure_fit(network, task, images, targets):
    """Measure a network on one patient's inputs, all together, by the loss it was trained with.

    Parameters
    ----------
    network : nn.Module
        Put into evaluation mode.
    task : str
        A row of `loop.TASKS`.
    images, targets : Tensor
        As a function such as `slice_batches.draw_fixed` returns them.

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
    """Name the task's measure of fit, here not of training batches alone."""
    return TASKS[task]["measure"].removeprefix("train_")
