"""Training of a network on slices, for a fixed number of steps, reproducible to the bit."""

import time
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

from .batches import case_canvas, draw_batches

BatchNorm = torch.nn.modules.batchnorm._BatchNorm


@contextmanager
def reproducible(seed, threads=1):
    """Fix torch's random numbers, thread count and choice of algorithms; restore the latter two.

    The thread count is part of the result, since sums are split by it: it never follows the
    number of cores that a run was given.
    """
    filling = torch.utils.deterministic.fill_uninitialized_memory
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # CUDA lacks a deterministic form of some operations: there it warns instead of failing
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # or every new tensor is first filled with NaN; no operation here reads before it writes
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filling


def device():
    """Give the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def lower_precision():
    """Give the context in which a network runs: bfloat16 where the processor computes in it.

    Encoders stay out of it by themselves. Together that is a fifth faster on an EPYC with avx512_bf16.
    """
    able = not torch.cuda.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=able)


def train(
    network,
    cases,
    phases,
    task,
    shares,
    steps=400,
    batch=16,
    seed=0,
    threads=1,
    log=None,
    weight_decay=1e-4,
    extra=None,
    targets=(),
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
        Steps over all phases; slices in a step.
    seed, threads : int
        As in `reproducible`; slices and augmentation are the same for every network and plan.
    log : callable, optional
        Gets a line of text every now and then.
    weight_decay : float
    extra : callable, optional
        Function of the encoder's deepest features of the training slices and of the target's, and
        of the progress from 0 to 1; its value is added to the task's loss.
    targets : list of dict, optional
        Patients of the target (`cases.target_case`), a batch of whose slices goes through the network with
        each batch, for `extra` alone.

    Returns
    -------
    history : list of dict
        `step`, `phase`, `loss` (the task's), `added` (where there is an `extra`), the task's measure on
        the batch, `rate` (the largest learning rate) of every step.
    seconds : list of float
        Since the start, after each step.
    """
    history, seconds = [], []
    start = time.perf_counter()
    with reproducible(seed, threads), _deepest_features(network, extra) as add:
        network.to(device(), memory_format=torch.channels_last)
        draw = _draw_with_targets(cases, targets, shares, batch, seed)
        for number, (phase, length) in enumerate(zip(phases, phase_lengths(phases, steps), strict=True)):
            optimizer, schedule = _start_phase(network, phase, length, weight_decay)
            for _ in range(length):
                rate = max(group["lr"] for group in optimizer.param_groups)
                found = _step(network, next(draw), task, optimizer, add, len(history) / steps)
                schedule.step()
                history.append({"step": len(history) + 1, "phase": number, **found, "rate": rate})
                seconds.append(time.perf_counter() - start)
                if log and len(history) % max(1, steps // 20) == 0:
                    log(f"step {len(history)}/{steps}, loss {found['loss']:.3f}, {seconds[-1]:.0f} s")
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


def estimate_norms(network, cases, **drawing):
    """Set the encoder's BatchNorm statistics to averages over slices of these cases, labels unseen.

    Parameters are those of `average_norms`.
    """
    blind = [{name: case[name] for name in ("images", "channels")} | _one_stratum(case) for case in cases]
    average_norms(network.encoder, blind, **drawing)


def average_norms(network, cases, count=12, batch=16, seed=0, threads=1, augmented=True):
    """Set the BatchNorm statistics of a network, or of a part that takes images, to averages over slices.

    Parameters
    ----------
    network : nn.Module
    cases : list of dict
        With the stratum "any", and without anything but images.
    count : int
        Number of batches.
    batch, seed, threads : int
        As in `train`.
    augmented : bool
        Whether the slices are augmented as in training.
    """
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    with reproducible(seed, threads), torch.no_grad():
        network.to(device(), memory_format=torch.channels_last).eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.train()
        draw = draw_batches(cases, {"any": 1.0}, batch, seed, augmented=augmented)
        for _ in range(count):
            images = _to_device(next(draw)[0])
            with lower_precision():  # not around the drawing, whose augmentation would follow it
                network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def dice_and_cross_entropy(logits, targets):
    """Soft Dice loss of each region over the whole batch, plus binary cross-entropy; means.

    Over the batch, since a slice without tumour has no Dice of its own.
    """
    chance = logits.sigmoid()
    both = (chance * targets).sum((0, 2, 3))
    dice = (2 * both + 1) / (chance.sum((0, 2, 3)) + targets.sum((0, 2, 3)) + 1)
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


def _draw_with_targets(cases, targets, shares, batch, seed):
    """Draw training batches; where there are targets, as many of their slices follow, without truth."""
    if not targets:
        return draw_batches(cases, shares, batch, seed)
    size = case_canvas([*cases, *targets])
    own = draw_batches(cases, shares, batch, seed, size)
    others = draw_batches(targets, {"any": 1.0}, batch, seed + 1, size)
    return ((torch.cat([images, more]), truth) for (images, truth), (more, _) in zip(own, others))


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
    optimizer = torch.optim.AdamW([{"params": p, "lr": rate} for rate, p in groups.items()], weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, list(groups), total_steps=length + 1, pct_start=0.15, div_factor=10, cycle_momentum=False
    )
    return optimizer, schedule


def _step(network, drawn, task, optimizer, add, progress):
    """Do one step of descent; give its loss, what was added to it, and the measure of fit by name."""
    images, truth = _to_device(drawn[0]), drawn[1].to(device())
    row = TASKS[task]
    optimizer.zero_grad(set_to_none=True)
    with lower_precision():
        logits = network(images)
    logits = logits[: len(truth)].float()
    loss = row["loss"](logits, truth)
    added = add(len(truth), progress) if add else 0.0
    (loss + added if add else loss).backward()
    optimizer.step()
    with torch.no_grad():
        measured = {"loss": float(loss)} | ({"added": float(added)} if add else {})
        return measured | {row["measure"]: float(row["fit"](logits, truth))}


def _to_device(images):
    """Move a batch of slices to where the network is, in the layout that convolutions like."""
    return images.to(device(), memory_format=torch.channels_last)


def _one_stratum(case):
    """Put every slice of a case that any stratum holds into one."""
    return {"strata": {"any": np.unique(np.concatenate([np.asarray(z, int) for z in case["strata"].values()]))}}


# task: its loss, and a measure of fit for the training curves
TASKS = {
    "segmentation": {"loss": dice_and_cross_entropy, "measure": "train_dice", "fit": batch_dice},
    "classification": {"loss": functional.cross_entropy, "measure": "train_accuracy", "fit": batch_accuracy},
}
