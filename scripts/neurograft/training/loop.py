"""Training of a network on slices or patches, for a fixed number of steps, reproducible to the bit."""

import time
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from neurograft.execution import memory
from neurograft.networks import compute
from neurograft.networks.stages import spatial_axes
from neurograft.training import checkpoints, masking, patch_batches, slice_batches
from neurograft.training.optimizer import AdamW


def inputs(network):
    """Give the module that draws what a network takes: `batches` (slices) or `patches`."""
    return INPUTS[spatial_axes(network)]


def train(
    network,
    cases,
    phases,
    task,
    shares,
    steps=450,
    batch=16,
    seed=0,
    threads=1,
    log=None,
    weight_decay=1e-4,
    extra=None,
    targets=(),
    draw=None,
    dropout=False,
    checkpoint=None,
):
    """Train a network in place, for a fixed number of steps.

    Parameters
    ----------
    network : nn.Module
        Has an `encoder`. Moved to the GPU where there is one.
    cases : list of dict
        The training patients (`batches`).
    phases : sequence of strategies.Phase
    task : str
        A row of `TASKS`: loss, and the measure of fit that the history shows.
    shares : dict of str to float
        Share of each batch that is drawn from each stratum; a stratum that no case has is left out.
    steps, batch : int
        Steps over all phases; slices (patches, where the network is one for volumes) in a step.
    seed, threads : int
        As in `reproducible`; inputs and augmentation are the same for every network and plan.
    log : callable, optional
        Gets a line of text every now and then.
    weight_decay : float
    extra : callable, optional
        Function of the encoder's deepest features of the training slices and of the target's, and
        of the progress from 0 to 1; its value is added to the task's loss.
    targets : list of dict, optional
        Patients of the target (`slices.target_case`), a batch of whose slices goes through the network with
        each batch, for `extra` alone.
    draw : iterator of (images, truth), optional
        Gives the batches instead of the cases.
    dropout : bool
        Drop whole channels of the training patients (`slice_batches.drop_channels`), the same for every network and
        plan of a seed; never of the target's.
    checkpoint : checkpoints.Checkpoint, optional
        Takes the state now and then; a training that finds one goes on from there. The batches drawn before are
        drawn again, so that what follows is the same to the bit.

    Returns
    -------
    history : list of dict
        `step`, `phase`, `loss` (the task's), `added` (where there is an `extra`), the task's measure on
        the batch, `rate` (the largest learning rate) of every step.
    seconds : list of float
        Since the start, after each step.
    """
    memory.keep_freed_memory()
    lengths = phase_lengths(phases, steps)
    with compute.reproducible(seed, threads), _deepest_features(network, extra) as add:
        compute.place_network(network)
        draw = draw or _draw_with_targets(inputs(network), cases, targets, shares, batch, seed, dropout)
        kept = _go_on(network, draw, checkpoint)
        history, seconds = kept["history"], kept["seconds"]
        start = time.perf_counter() - (seconds[-1] if seconds else 0)
        for number, (phase, length) in enumerate(zip(phases, lengths, strict=True)):
            if number < kept["phase"]:
                continue
            optimizer, schedule = _start_phase(network, phase, length, weight_decay)
            if kept["optimizer"] and number == kept["phase"]:
                optimizer.load_state_dict(kept["optimizer"])
                schedule.load_state_dict(kept["schedule"])
            for _ in range(sum(lengths[: number + 1]) - len(history)):
                rate = max(group["lr"] for group in optimizer.param_groups)
                found = _step(network, next(draw), task, optimizer, add, len(history) / steps)
                schedule.step()
                history.append({"step": len(history) + 1, "phase": number, **found, "rate": rate})
                seconds.append(time.perf_counter() - start)
                if log and len(history) % max(1, steps // 20) == 0:
                    log(f"step {len(history)}/{steps}, loss {found['loss']:.3f}, {seconds[-1]:.0f} s")
                if checkpoint:
                    checkpoint.write(network, number, optimizer, schedule, history, seconds)
    return history, seconds


def phase_lengths(phases, steps):
    """Share out the steps: whole numbers that sum to `steps`."""
    ends = np.round(np.cumsum([phase.share for phase in phases]) * steps).astype(int)
    return np.diff(ends, prepend=0).tolist()


def is_converged(losses, least=0.1):
    """Say whether the loss has stopped falling: its last fifth against the fifth before.

    It still falls if the mean drops by more than `least` of itself and by more than two standard
    errors of the difference of the two means (steps as the sample).

    Parameters
    ----------
    losses : sequence of float
    least : float

    Returns
    -------
    bool
        False also with fewer than 10 steps.
    """
    fifth = len(losses) // 5
    if fifth < 2:
        return False
    before, last = np.array(losses[-2 * fifth : -fifth]), np.array(losses[-fifth:])
    drop = before.mean() - last.mean()
    error = np.sqrt((before.var(ddof=1) + last.var(ddof=1)) / fifth)
    return not drop > max(2 * error, least * before.mean())


def dice_and_cross_entropy(logits, targets):
    """Soft Dice loss of each region over the whole batch, plus binary cross-entropy; means.

    Over the batch, since a slice without tumour has no Dice of its own.

    Parameters
    ----------
    logits, targets : Tensor, shape (batch, R, X, Y) or (batch, R, X, Y, Z)
    """
    chance, over = logits.sigmoid(), (0, *range(2, logits.ndim))
    both = (chance * targets).sum(over)
    dice = (2 * both + 1) / (chance.sum(over) + targets.sum(over) + 1)
    return 1 - dice.mean() + functional.binary_cross_entropy_with_logits(logits, targets)


def batch_dice(logits, targets):
    """Give the Dice of the first region, thresholded, over the whole batch."""
    predicted, truth = logits[:, 0] > 0, targets[:, 0] > 0.5
    return (2 * (predicted & truth).sum() + 1e-6) / (predicted.sum() + truth.sum() + 1e-6)


def batch_accuracy(logits, targets):
    """Give the share of slices whose likeliest class is right."""
    return (logits.argmax(1) == targets).float().mean()


@contextmanager
def _deepest_features(network, extra):
    """Give a function that adds `extra` to a step, from the features that the encoder gave in it."""
    if extra is None:
        yield None
        return
    given = []
    handle = network.encoder.register_forward_hook(lambda module, images, features: given.append(features[-1]))

    def add(count, progress):
        deepest = given.pop()
        return extra(deepest[:count], deepest[count:], progress)

    try:
        yield add
    finally:
        handle.remove()


def _draw_with_targets(inputs, cases, targets, shares, batch, seed, dropout):
    """Draw training batches; where there are targets, as many of their slices follow, without truth."""
    if not targets:
        return inputs.draw_batches(cases, shares, batch, seed, dropout=dropout)
    size = inputs.case_canvas([*cases, *targets])
    own = inputs.draw_batches(cases, shares, batch, seed, size, dropout=dropout)
    others = inputs.draw_batches(targets, {"any": 1.0}, batch, seed + 1, size)
    return ((torch.cat([images, more]), truth) for (images, truth), (more, _) in zip(own, others))


def _go_on(network, draw, checkpoint):
    """Put a network, its draw of batches and torch's random numbers where a checkpoint left them; give its state."""
    kept = checkpoint.read() if checkpoint else None
    if kept is None:
        return {"history": [], "seconds": [], "phase": 0, "optimizer": None}
    network.load_state_dict(kept["network"])
    for _ in kept["history"]:
        next(draw)
    checkpoints.restore_random(kept)
    return kept


def _start_phase(network, phase, length, weight_decay):
    """Freeze, choose each BatchNorm's mode, make the optimizer and its one-cycle schedule."""
    network.train()
    for name, module in network.named_modules():
        # BatchNorm follows its own weight: what is frozen keeps its running statistics too
        if isinstance(module, BatchNorm) and module.affine and f"{name}.weight" not in phase.rates:
            module.eval()
    groups = {}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in phase.rates)
        parameter.grad = None
        if name in phase.rates:
            groups.setdefault(phase.rates[name], []).append(parameter)
    of_rates = [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
    optimizer = AdamW(of_rates, weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, list(groups), total_steps=length + 1, pct_start=0.15, div_factor=10, cycle_momentum=False
    )
    return optimizer, schedule


def _step(network, drawn, task, optimizer, add, progress):
    """Do one step of descent; give its loss, what was added to it, and the measure of fit by name."""
    images, truth = compute.place_images(drawn[0]), drawn[1].to(compute.device())
    row = TASKS[task]
    optimizer.zero_grad(set_to_none=True)
    with compute.lower_precision():
        logits = network(images)
    logits = logits[: len(truth)].float()
    loss = row["loss"](logits, truth)
    added = add(len(truth), progress) if add else 0.0
    (loss + added if add else loss).backward()
    optimizer.step()
    with torch.no_grad():
        measured = {"loss": float(loss)} | ({"added": float(added)} if add else {})
        return measured | {row["measure"]: float(row["fit"](logits, truth))}


# axes of the images that a network takes: what draws them
INPUTS = {2: slice_batches, 3: patch_batches}
# task: its loss, and a measure of fit for the training curves
TASKS = {
    "segmentation": {"loss": dice_and_cross_entropy, "measure": "train_dice", "fit": batch_dice},
    "reconstruction": {"loss": masking.masked_error, "measure": "train_explained", "fit": masking.share_explained},
    "classification": {"loss": functional.cross_entropy, "measure": "train_accuracy", "fit": batch_accuracy},
}
