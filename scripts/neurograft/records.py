"""What one training changed, and how well it fits its own patients: three tables in a cell's folder.

layers.tsv      layer, stage (1 = finest, "" for the top), part (encoder or top), values, trained, change,
                statistics_change: relative, from the state in which the training started (`similarity`)
features.tsv    stage, samples, cka: the encoder's features before and after, on the same fixed inputs
fit.tsv         subject, role (train or test), loss, dice or accuracy: the finished network on fixed inputs

"Before" is the network with the source's weights, or its random start, as it was before anything trained. Inputs
are not augmented, and every network of an experiment gets the same ones of a patient: training and test
patients, members and outsiders, one strategy and another are held against each other by one measure.
"""

import numpy as np
import torch

from . import similarity, tables
from .batches import draw_fixed
from .computing import device, lower_precision, reproducible
from .stages import PREFIX, split_stages
from .training import TASKS

MOST_INPUTS, FEWEST_INPUTS = 16, 4
MOST_SUBJECTS = 300
CHUNKS = {4: 16, 5: 2}  # slices or patches at once, by the axes of a batch


def write_records(part, task, read, made, roles, subjects, options, draw=draw_fixed):
    """Write the three tables of a cell that was trained.

    Parameters
    ----------
    part : Path
        The cell's folder.
    task : str
        A row of `training.TASKS`.
    read : callable
        Gives the case of a subject, with its labels.
    made : list of dict
        The rounds of a cell: `network`, `before` (a copy from before the training), `plan`, `predicts`. Features
        and layers are those of the first.
    roles : dict of str to list of str
        `train` and `test`.
    subjects : list of str
        Everyone with labels, in whatever role.
    options : dict
        `steps`, `batch` and `threads` of the training.
    draw : callable
        Function of a case and a number that gives images and targets (`batches.draw_fixed`).
    """
    first, count = made[0], count_inputs(options, subjects)
    before, after = first["before"], first["network"]
    predicting = {subject: each["network"] for each in made for subject in each["predicts"]}
    features, fit = [], []
    with reproducible(0, options["threads"]), torch.no_grad():
        # one patient at a time: of hundreds, neither the files nor the images can all be held open
        for subject, role in choose_subjects(roles, subjects):
            case = read(subject)
            images = draw(case, count // 2)[0]
            features.append([pool_features(network.encoder, images) for network in (before, after)])
            # outsiders by the network that predicts them, members by the first
            found = measure_fit(predicting.get(subject, after), task, *draw(case, count))
            fit.append({"subject": subject, "role": role} | found)
    sides = [[np.concatenate(stage) for stage in zip(*side, strict=True)] for side in zip(*features, strict=True)]
    tables.write_table(part / "layers.tsv", compare_layers(before, after, first["plan"].phases), LAYERS)
    tables.write_table(part / "features.tsv", compare_stages(*sides), FEATURES)
    tables.write_table(part / "fit.tsv", fit, ("subject", "role", "loss", _measure(task)))


def count_inputs(options, subjects):
    """Say how many fixed inputs of a patient are looked at: 4 to 16, so that it takes a twentieth of the training.

    A step of training costs three times what looking costs, and each input is looked at about twice. The number
    goes by all patients of the experiment and not by the cell's, so that every cell has the same inputs.
    """
    share = options["steps"] * options["batch"] // (10 * max(1, len(subjects)))
    return max(FEWEST_INPUTS, min(MOST_INPUTS, share))


def choose_subjects(roles, subjects):
    """Say who is looked at: everyone, or, of a role with more than 300, those among 300 of all subjects, evenly.

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
        `LAYERS`. Trained is a layer one of whose parameters, or a low-rank change of it, was trained in any phase;
        a frozen one has a change of exactly 0.
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
        for row in similarity.compare_weights(*states)
    ]


def pool_features(encoder, images):
    """Give each stage's features of one patient, the mean over space of each input.

    Neighbouring positions are nearly copies of each other: as samples they would make any two networks look alike,
    and one patient would have as many as a cohort. The mean over a slice (or patch) is one sample, whatever the
    dimension.

    Parameters
    ----------
    encoder : nn.Module
        Gives a list of feature maps, (batch, C, ...), finest first; put into evaluation mode.
    images : Tensor, shape (batch, C, ...)

    Returns
    -------
    list of ndarray, shape (batch, C)
        One a stage; maps without a channel are left out, as `stages.split_stages` does.
    """
    encoder.to(device()).eval()
    found = []
    with lower_precision():
        for part in images.split(CHUNKS[images.ndim]):
            maps = [features for features in encoder(part.to(device())) if features.shape[1]]
            found.append([features.float().flatten(2).mean(2).cpu() for features in maps])
    return [torch.cat(stage).numpy() for stage in zip(*found, strict=True)]


def compare_stages(before, after):
    """Tabulate the debiased CKA of each stage's features before and after; NaN of fewer than 4 samples.

    Parameters
    ----------
    before, after : list of ndarray, shape (samples, C)
        One a stage.
    """
    return [
        {"stage": stage, "samples": len(own), "cka": similarity.linear_cka(own, other) if len(own) > 3 else np.nan}
        for stage, (own, other) in enumerate(zip(before, after, strict=True), start=1)
    ]


def measure_fit(network, task, images, targets):
    """Measure a network on one patient's inputs, all together, by the loss it was trained with.

    Parameters
    ----------
    network : nn.Module
        Put into evaluation mode.
    task : str
        A row of `training.TASKS`.
    images, targets : Tensor
        As a function such as `batches.draw_fixed` gives them.

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


# the columns of the tables
LAYERS = ("layer", "stage", "part", "values", "trained", "change", "statistics_change")
FEATURES = ("stage", "samples", "cka")
