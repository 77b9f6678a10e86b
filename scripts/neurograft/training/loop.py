"""Train a network on slices or patches for a fixed number of steps, reproducible to the bit."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from neurograft.execution import memory
from neurograft.networks import compute
from neurograft.networks.stages import spatial_axes
from neurograft.training import checkpoints, masking, patch_batches, slice_batches
from neurograft.training.optimizer import AdamW


@dataclass(frozen=True)
class TrainingOptions:
    """Length and batches of a training: the same for every network and plan of a seed.

    Attributes
    ----------
    steps : int
        Over all phases.
    batch : int
        Slices per step (patches, if the network takes volumes).
    seed, threads : int
        As in `compute.reproducible`.
    dropout : bool
        Drop whole channels of training patients (`slice_batches.drop_channels`), never of target patients.
    weight_decay : float
        Of AdamW.
    """

    steps: int = 450
    batch: int = 16
    seed: int = 0
    threads: int = 1
    dropout: bool = False
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Hooks:
    """Additions to the ordinary steps of a training.

    Attributes
    ----------
    log : callable, optional
        Called with a line of text from time to time.
    extra : callable, optional
        Function of the encoder's deepest features of the training slices and of the target slices, and of the progress
        from 0 to 1; its value is added to the task's loss.
    targets : sequence of dict
        Target patients (`slices.target_case`); with each training batch, a batch of their slices is passed through
        the network, only for `extra`.
    draw : iterator of (images, truth), optional
        Source of the batches, instead of the cases.
    checkpoint : checkpoints.Checkpoint, optional
        Saves the state from time to time; training resumes from a saved state. The earlier batches are drawn again, so
        that the result is the same to the bit.
    """

    log: Callable[[str], None] | None = None
    extra: Callable | None = None
    targets: Sequence[dict] = ()
    draw: Iterator | None = None
    checkpoint: checkpoints.Checkpoint | None = None


NO_HOOKS = Hooks()


def inputs(network):
    """Return the module that draws the inputs of a network: `slice_batches` or `patch_batches`."""
    return INPUTS[spatial_axes(network)]


def train(network, cases, phases, task, shares, options, hooks=NO_HOOKS):
    """Train a network in place, for a fixed number of steps.

    Parameters
    ----------
    network : nn.Module
        Has an `encoder`. Moved to the GPU if there is one.
    cases : list of dict
        The training patients (`slices`).
    phases : sequence of strategy_plans.Phase
    task : str
        A key of `TASKS`, for the loss and the measure of fit in the history.
    shares : dict of str to float
        Share of each stratum in a batch; a stratum that no case has is left out.
    options : TrainingOptions
    hooks : Hooks, optional

    Returns
    -------
    history : list of dict
        For every step: `step`, `phase`, `loss` (of the task), `added` (if there is an `extra`), the task's measure on
        the batch, `rate` (the largest learning rate).
    seconds : list of float
        Time since the start, after each step.
    """
    memory.keep_freed_memory()
    steps, lengths = options.steps, phase_lengths(phases, options.steps)
    with compute.reproducible(options.seed, options.threads), _deepest_features(network, hooks.extra) as add:
        compute.place_network(network)
        draw = hooks.draw or draw_with_targets(inputs(network), cases, hooks.targets, shares, options)
        kept = _go_on(network, draw, hooks.checkpoint)
        history, seconds = kept["history"], kept["seconds"]
        start = time.perf_counter() - (seconds[-1] if seconds else 0)
        for number, (phase, length) in enumerate(zip(phases, lengths, strict=True)):
            if number < kept["phase"]:
                continue
            optimizer, schedule = _start_phase(network, phase, length, options.weight_decay)
            if kept["optimizer"] and number == kept["phase"]:
                optimizer.load_state_dict(kept["optimizer"])
                schedule.load_state_dict(kept["schedule"])
            for _ in range(sum(lengths[: number + 1]) - len(history)):
                rate = max(group["lr"] for group in optimizer.param_groups)
                measured = _step(network, next(draw), task, optimizer, add, len(history) / steps)
                schedule.step()
                history.append({"step": len(history) + 1, "phase": number, **measured, "rate": rate})
                seconds.append(time.perf_counter() - start)
                if hooks.log and len(history) % max(1, steps // 20) == 0:
                    hooks.log(f"step {len(history)}/{steps}, loss {measured['loss']:.3f}, {seconds[-1]:.0f} s")
                if hooks.checkpoint:
                    hooks.checkpoint.write(network, number, optimizer, schedule, history, seconds)
    return history, seconds


def phase_lengths(phases, steps):
    """Divide the steps among the phases, as whole numbers that sum to `steps`."""
    ends = np.round(np.cumsum([phase.share for phase in phases]) * steps).astype(int)
    return np.diff(ends, prepend=0).tolist()


def is_converged(losses, least=0.1):
    """Check whether the loss has stopped falling: its last fifth compared with the fifth before.

    The loss is still falling if its mean drops by more than `least` of the mean before, and by more than two standard
    errors of the difference of the two means (with steps as samples).

    Parameters
    ----------
    losses : sequence of float
    least : float

    Returns
    -------
    bool
        Also False with fewer than 10 steps.
    """
    fifth = len(losses) // 5
    if fifth < 2:
        return False
    before, last = np.array(losses[-2 * fifth : -fifth]), np.array(losses[-fifth:])
    drop = before.mean() - last.mean()
    error = np.sqrt((before.var(ddof=1) + last.var(ddof=1)) / fifth)
    return not drop > max(2 * error, least * before.mean())


def dice_and_cross_entropy(logits, targets):
    """Compute the mean over regions of the soft Dice loss, plus the mean binary cross-entropy.

    Dice is computed over the whole batch, because it is undefined for a slice without tumour.

    Parameters
    ----------
    logits, targets : Tensor, shape (batch, R, X, Y) or (batch, R, X, Y, Z)
    """
    chance, over = logits.sigmoid(), (0, *range(2, logits.ndim))
    both = (chance * targets).sum(over)
    dice = (2 * both + 1) / (chance.sum(over) + targets.sum(over) + 1)
    return 1 - dice.mean() + functional.binary_cross_entropy_with_logits(logits, targets)


def batch_dice(logits, targets):
    """Compute the Dice of the thresholded first region over the whole batch."""
    predicted, truth = logits[:, 0] > 0, targets[:, 0] > 0.5
    return (2 * (predicted & truth).sum() + 1e-6) / (predicted.sum() + truth.sum() + 1e-6)


def batch_accuracy(logits, targets):
    """Compute the share of slices whose most probable class is correct."""
    return (logits.argmax(1) == targets).float().mean()


@contextmanager
def _deepest_features(network, extra):
    """Yield a function that computes the value of `extra` from the encoder features of a step."""
    if extra is None:
        yield None
        return
    kept = []
    handle = network.encoder.register_forward_hook(lambda module, images, features: kept.append(features[-1]))

    def add(count, progress):
        deepest = kept.pop()
        return extra(deepest[:count], deepest[count:], progress)

    try:
        yield add
    finally:
        handle.remove()


def draw_with_targets(inputs, cases, targets, shares, options):
    """Draw training batches; if there are targets, append as many of their slices, without truth.

    Parameters
    ----------
    inputs : module
        From `inputs`.
    cases, targets : list of dict
    shares : dict of str to float
    options : TrainingOptions

    Returns
    -------
    iterator of (images, truth)
    """
    batch, seed = options.batch, options.seed
    if not targets:
        return inputs.draw_batches(cases, shares, batch, seed, dropout=options.dropout)
    size = inputs.case_canvas([*cases, *targets])
    labelled = inputs.draw_batches(cases, shares, batch, seed, size, dropout=options.dropout)
    unlabelled = inputs.draw_batches(targets, {"any": 1.0}, batch, seed + 1, size)
    return (
        (torch.cat([images, more]), truth)
        for (images, truth), (more, _) in zip(labelled, unlabelled, strict=False)  # both are endless
    )


def _go_on(network, draw, checkpoint):
    """Restore a network, its batches and torch's random state from a checkpoint; return the checkpoint's state."""
    kept = checkpoint.read() if checkpoint else None
    if kept is None:
        return {"history": [], "seconds": [], "phase": 0, "optimizer": None}
    network.load_state_dict(kept["network"])
    for _ in kept["history"]:
        next(draw)
    checkpoints.restore_random(kept)
    return kept


def _start_phase(network, phase, length, weight_decay):
    """Freeze parameters, set the mode of each BatchNorm, and make the optimizer and its one-cycle schedule."""
    network.train()
    for name, module in network.named_modules():
        # a BatchNorm with a frozen weight also keeps its running statistics
        if isinstance(module, BatchNorm) and module.affine and f"{name}.weight" not in phase.rates:
            module.eval()
    groups = {}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in phase.rates)
        parameter.grad = None
        if name in phase.rates:
            groups.setdefault(phase.rates[name], []).append(parameter)
    by_rate = [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
    optimizer = AdamW(by_rate, weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, list(groups), total_steps=length + 1, pct_start=0.15, div_factor=10, cycle_momentum=False
    )
    return optimizer, schedule


def _step(network, drawn, task, optimizer, add, progress):
    """Do one optimisation step; return its loss, the value added to it, and the measure of fit, by name."""
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


# number of spatial axes of a network's inputs to the module that draws them
INPUTS = {2: slice_batches, 3: patch_batches}
# task to its loss and its measure of fit for training curves
TASKS = {
    "segmentation": {"loss": dice_and_cross_entropy, "measure": "train_dice", "fit": batch_dice},
    "reconstruction": {"loss": masking.masked_error, "measure": "train_explained", "fit": masking.share_explained},
    "classification": {"loss": functional.cross_entropy, "measure": "train_accuracy", "fit": batch_accuracy},
}
