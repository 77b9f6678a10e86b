"""Train a network on slices or patches, reproducible to the bit."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from neurograft.execution import memory
from neurograft.networks import compute
from neurograft.networks.stages import spatial_axes
from neurograft.training import checkpoints, masking, patch_batches, schedules, slice_batches
from neurograft.training.optimizer import AdamW


@dataclass(frozen=True)
class TrainingOptions:
    """Length and batches of a training: the same for every network and plan of a seed.

    Attributes
    ----------
    steps : int
        Over all phases; the most, if `least` is set.
    batch : int
        Slices per step (patches, if the network takes volumes).
    seed, threads : int
        As in `compute.reproducible`.
    dropout : bool
        Drop whole channels of training patients (`slice_batches.drop_channels`), never of target patients.
    weight_decay : float
        Of AdamW.
    budgets, least
        As in `schedules.Length`; `least` needs `Hooks.held_back`.
    """

    steps: int = 450
    batch: int = 16
    seed: int = 0
    threads: int = 1
    dropout: bool = False
    weight_decay: float = 1e-4
    budgets: Sequence[float] = ()
    least: int = 0

    @property
    def length(self):
        """Its length and budgets."""
        return schedules.Length(self.steps, tuple(self.budgets), self.least)


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
    held_back : sequence of dict
        Cases on which nothing is trained; their loss ends a training of open length.
    """

    log: Callable[[str], None] | None = None
    extra: Callable | None = None
    targets: Sequence[dict] = ()
    draw: Iterator | None = None
    checkpoint: checkpoints.Checkpoint | None = None
    held_back: Sequence[dict] = ()


class Course(NamedTuple):
    """What a training leaves beside the network.

    history : for every step: `step`, `phase`, `loss` (of the task), `added` (if there is an `extra`), the task's
        measure on the batch, `rate` (the largest learning rate) and, if the length is open, `held_back`: the loss of
        the held-back cases after it, NaN where it was not measured.
    seconds : time since the start after each step, without the cool-downs of budgets.
    cooled : share of the steps to the network at that budget: `steps`, `seconds`, `processor` and `state` (on the CPU).
    processor : as `seconds`, of processor time: of all threads, without what a GPU computes.
    """

    history: list[dict]
    seconds: list[float]
    cooled: dict[float, dict]
    processor: list[float]


@dataclass(frozen=True)
class _Work:
    """What every step of a training needs."""

    network: torch.nn.Module
    scaler: torch.amp.GradScaler
    cases: Sequence[dict]
    task: str
    shares: Mapping[str, float]
    options: TrainingOptions
    hooks: Hooks
    add: Callable | None


NO_HOOKS = Hooks()


def inputs(network):
    """Return the module that draws the inputs of a network: `slice_batches` or `patch_batches`."""
    return INPUTS[spatial_axes(network)]


def train(network, cases, phases, task, shares, options, hooks=NO_HOOKS):
    """Train a network in place.

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
    Course
    """
    memory.keep_freed_memory()
    length = options.length
    ends = length.phase_ends([phase.share for phase in phases])
    batches = hooks.draw or draw_with_targets(inputs(network), cases, hooks.targets, shares, options)
    with (
        compute.reproducible(options.seed, options.threads),
        _deepest_features(network, hooks.extra) as add,
        compute.load_ahead(batches) as draw,
    ):
        compute.place_network(network)
        work = _Work(network, compute.make_scaler(), cases, task, shares, options, hooks, add)
        held_back = _draw_held_back(work)
        kept = _go_on(work, draw)
        course = Course(*(kept[name] for name in Course._fields))
        start = _read_clocks() - ([course.seconds[-1], course.processor[-1]] if course.seconds else 0)
        for number, (phase, last) in enumerate(zip(phases, ends, strict=True)):
            if number < kept["phase"]:
                continue
            optimizer, schedule = _start_phase(network, phase, last - [0, *ends][number], options)
            if kept["optimizer"] and number == kept["phase"]:
                optimizer.load_state_dict(kept["optimizer"])
                schedule.load_state_dict(kept["schedule"])
            while len(course.history) < last:
                step, (cooling, end) = len(course.history), _find_end(length, course)
                if step == end:
                    break
                start += _take_budget(work, optimizer, schedule, course, _read_clocks() - start)
                if step == cooling and isinstance(schedule, schedules.StableRate):
                    schedule.cool_down(end - step)
                rate = max(group["lr"] for group in optimizer.param_groups)
                measured = _step(work, next(draw), optimizer, step)
                schedule.step()
                if options.least:
                    due = step < cooling and (step + 1) % length.every == 0
                    measured["held_back"] = _measure_loss(work, held_back) if due else math.nan
                course.history.append({"step": step + 1, "phase": number, **measured, "rate": rate})
                for times, spent in zip((course.seconds, course.processor), _read_clocks() - start, strict=True):
                    times.append(float(spent))
                _tell(work, course)
                if hooks.checkpoint:
                    hooks.checkpoint.write(network, number, (optimizer, schedule, work.scaler), course)
    return course


def _read_clocks():
    """Read the clock and the processor time of this process, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def _find_end(length, course):
    """Return the steps after which a training cools down and ends, as far as they are known."""
    if not length.least:
        return schedules.start_cooling(length.steps), length.steps
    losses = {row["step"]: row["held_back"] for row in course.history if not math.isnan(row["held_back"])}
    return schedules.find_end(length, losses)


def _tell(work, course):
    """Log from time to time how far a training is."""
    steps, done = work.options.steps, len(course.history)
    if work.hooks.log and done % max(1, steps // 20) == 0:
        loss, seconds = course.history[-1]["loss"], course.seconds[-1]
        work.hooks.log(f"step {done}/{steps}, loss {loss:.3f}, {seconds:.0f} s")


def _take_budget(work, optimizer, schedule, course, elapsed):
    """Cool a training down where a budget asks for it, keep the network, and go back; return the times it took."""
    step, options = len(course.history), work.options
    share, end = options.length.cuts.get(step, (None, 0))
    if share is None or share in course.cooled:
        return np.zeros(2)
    start = _read_clocks()
    # the training itself must not notice: batches and random numbers are the cool-down's own
    parts = work.network, optimizer, schedule, work.scaler
    before = copy.deepcopy([part.state_dict() for part in parts])
    seed = int(np.random.SeedSequence([options.seed, step]).generate_state(1)[0])
    again = replace(options, seed=seed)
    batches = draw_with_targets(inputs(work.network), work.cases, work.hooks.targets, work.shares, again)
    with torch.random.fork_rng(), compute.load_ahead(islice(batches, end - step)) as draw:
        torch.manual_seed(seed)
        schedule.cool_down(end - step)
        for number, drawn in enumerate(draw):
            _step(work, drawn, optimizer, step + number)
            schedule.step()
    seconds, processor = (elapsed + _read_clocks() - start).tolist()
    state = {name: value.detach().cpu().clone() for name, value in work.network.state_dict().items()}
    course.cooled[share] = {"steps": end, "seconds": seconds, "processor": processor, "state": state}
    for part, saved in zip(parts, before, strict=True):
        if saved:  # a scaler that passes everything through has no state
            part.load_state_dict(saved)
    return _read_clocks() - start


def _draw_held_back(work):
    """Draw the fixed batches on which the loss of the held-back cases is measured: one for each, two at least."""
    cases, options = work.hooks.held_back, work.options
    if not options.least:
        return []
    if not cases:
        raise ValueError("a training of open length takes held-back patients")
    draw = draw_with_targets(inputs(work.network), cases, (), work.shares, replace(options, dropout=False))
    return list(islice(draw, max(2, len(cases))))


def _measure_loss(work, batches):
    """Compute the mean loss of the task over some batches, without training."""
    network, loss = work.network, TASKS[work.task]["loss"]
    modes = {module: module.training for module in network.modules()}
    network.eval()
    total = 0.0
    with torch.no_grad():
        for images, truth in batches:
            with compute.lower_precision():
                logits = network(compute.place_images(images))
            total += float(loss(logits.float(), compute.place(truth)))
    for module, mode in modes.items():
        module.training = mode
    return total / len(batches)


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

    def keep(module, images, features):
        """Keep the features of training steps, not of other uses in between."""
        if module.training:
            kept.append(features[-1])

    handle = network.encoder.register_forward_hook(keep)

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


def _go_on(work, draw):
    """Restore a network, its batches and torch's random state from a checkpoint; return the checkpoint's state."""
    kept = work.hooks.checkpoint.read() if work.hooks.checkpoint else None
    if kept is None:
        return Course([], [], {}, [])._asdict() | {"phase": 0, "optimizer": None}
    work.network.load_state_dict(kept["network"])
    if kept["scaler"]:
        work.scaler.load_state_dict(kept["scaler"])
    for _ in kept["history"]:
        next(draw)
    checkpoints.restore_random(kept)
    return kept


def _start_phase(network, phase, steps, options):
    """Freeze parameters, set the mode of each BatchNorm, and make the optimizer and its schedule."""
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
    optimizer = AdamW(by_rate, weight_decay=options.weight_decay, fused=True)
    if not options.length.one_cycle:
        within = phase.share * options.length.smallest
        return optimizer, schedules.StableRate(optimizer, round(schedules.WARM_UP * within))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, list(groups), total_steps=steps + 1, pct_start=0.15, div_factor=10, cycle_momentum=False
    )
    return optimizer, schedule


def _step(work, drawn, optimizer, step):
    """Do one optimisation step; return its loss, the value added to it, and the measure of fit, by name."""
    images, truth = compute.place_images(drawn[0]), compute.place(drawn[1])
    row, add = TASKS[work.task], work.add
    optimizer.zero_grad(set_to_none=True)
    with compute.lower_precision():
        logits = work.network(images)
    logits = logits[: len(truth)].float()
    loss = row["loss"](logits, truth)
    added = add(len(truth), step / work.options.steps) if add else 0.0
    work.scaler.scale(loss + added if add else loss).backward()
    work.scaler.step(optimizer)
    work.scaler.update()
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
