"""A training that was interrupted goes on to the same bytes as one that was not."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from helpers import gpu
from helpers.fake_cases import CASES, SHARES
from helpers.fake_cells import cell, train
from neurograft.networks import builders, compute
from neurograft.training import checkpoints, loop, strategy_plans
from neurograft.training.optimizer import AdamW

STEPS = 5


class KilledError(Exception):
    """What ends a training in these tests."""


def go(strategy, path=None, dies_after=None, fingerprint="same", **length):
    """Train, with a state after every step; give the network, or None where it was ended."""
    with compute.reproducible(1):
        network = builders.build_segmenter("efficientnet-lite0", 2, 1)
        plan = strategy_plans.plan(strategy, network)
        if plan.prepare:
            plan.prepare(network)
    extra = plan.extra(network, set()) if plan.extra else None
    options = loop.TrainingOptions(**{"steps": STEPS, "batch": 2, "seed": 1, **length})
    draw = loop.draw_with_targets(loop.inputs(network), CASES, TARGETS if extra else (), SHARES, options)
    checkpoint = checkpoints.Checkpoint(path, fingerprint, every=0.0, share=math.inf) if path else None
    try:
        hooks = loop.Hooks(extra=extra, draw=mortal(draw, dies_after), checkpoint=checkpoint, held_back=CASES[:1])
        course = loop.train(network, CASES, plan.phases, "segmentation", SHARES, options, hooks)
    except KilledError:
        return None
    cooled = {share: float(kept["state"]["encoder._bn0.weight"].sum()) for share, kept in course.cooled.items()}
    # as text: not a number equals none
    return str(course.history), cooled, checkpoints.hash_weights(network)


def mortal(draw, last):
    """Draw so many batches."""
    for number, drawn in enumerate(draw):
        if number == last:
            raise KilledError
        yield drawn


TARGETS = [{"images": case["images"], "channels": case["channels"], "strata": {"any": range(3)}} for case in CASES]


@pytest.mark.parametrize("strategy", ["lp-ft", "dann", "lora"])
def test_wherever_it_is_interrupted_the_end_is_the_same(strategy, tmp_path_factory):
    """Phases of which each has an optimizer of its own, a head beside the network, kernels in parts."""
    whole = go(strategy)

    @settings(max_examples=1, deadline=None)
    @given(some.integers(1, STEPS - 1), some.integers(1, STEPS))
    def interrupt(first, second):
        path = tmp_path_factory.mktemp("states") / "state"
        assert go(strategy, path, dies_after=first) is None and path.exists()
        ended = go(strategy, path, dies_after=second) if second > first else None
        assert (ended or go(strategy, path)) == whole

    interrupt()


@pytest.mark.parametrize("dies_after", [5, 12])
def test_budgets_and_an_open_length_go_on_to_the_same_bytes(dies_after, tmp_path):
    length = {"steps": 14, "budgets": (0.3, 0.6), "least": 8}
    whole = go("lp-ft", **length)
    assert set(whole[1]) == {0.3, 0.6} and "'held_back': 1." in whole[0]
    assert go("lp-ft", tmp_path / "state", dies_after=dies_after, **length) is None
    assert go("lp-ft", tmp_path / "state", **length) == whole


def test_a_finished_training_is_not_trained_again(tmp_path):
    whole = go("scratch", tmp_path / "state")
    before = (tmp_path / "state").stat().st_mtime_ns
    assert go("scratch", tmp_path / "state", dies_after=STEPS) == whole
    assert (tmp_path / "state").stat().st_mtime_ns == before


def test_a_state_of_another_training_or_half_a_file_is_not_used(tmp_path):
    path = tmp_path / "state"
    assert go("scratch", path, dies_after=3) is None
    assert checkpoints.Checkpoint(path, "same").read()["history"][-1]["step"] == 3
    assert checkpoints.Checkpoint(path, "other").read() is None
    path.write_bytes(path.read_bytes()[:5000])
    assert checkpoints.Checkpoint(path, "same").read() is None
    assert checkpoints.Checkpoint(tmp_path / "none", "same").read() is None


def test_the_fingerprint_knows_the_network_the_slices_and_the_facts():
    network = torch.nn.Linear(2, 2)
    case = {"channels": [0], "strata": {"any": [1, 2]}, "index": {"sha256": "ab"}}
    first = checkpoints.take_fingerprint(network, [case], {"steps": 4})
    assert checkpoints.take_fingerprint(network, [case], {"steps": 4}) == first
    changed = [case | {"channels": [1]}, case | {"strata": {"any": [1]}}, case | {"index": {"sha256": "cd"}}]
    taken = {checkpoints.take_fingerprint(network, [other], {"steps": 4}) for other in changed}
    taken |= {checkpoints.take_fingerprint(network, [case], {"steps": 5})}
    taken |= {checkpoints.take_fingerprint(torch.nn.Linear(2, 2), [case], {"steps": 4}), first}
    assert len(taken) == 6


def test_a_killed_cell_goes_on_to_the_same_weights(cell_cohort, tmp_path):
    """SIGKILL in a process of its own; then the same command again."""
    slices, split = cell_cohort
    task = [{name: str(folder) for name, folder in slices.items()}, split, cell(), {"steps": 5}]
    (tmp_path / "task.json").write_text(json.dumps(task))
    command = [sys.executable, str(Path(__file__).parents[1] / "helpers/killed_cell.py"), str(tmp_path), "3"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run(command, check=False, env=environment).returncode == -9
    assert not (tmp_path / "cell").exists() and [path.name for path in tmp_path.glob("state*")] == ["state-0"]
    again = train(tmp_path / "cell", (task[0], split), cell(), checkpoint=tmp_path / "state", steps=5)
    whole = train(tmp_path / "whole", (task[0], split), cell(), steps=5)
    assert again == whole and not list(tmp_path.glob("state*"))
    for path in (tmp_path / "whole").iterdir():
        if path.name not in ("seconds.tsv", "processor.tsv"):
            assert (tmp_path / "cell" / path.name).read_bytes() == path.read_bytes(), path.name


def test_on_a_gpu_the_state_holds_its_random_numbers_and_the_scale_of_losses(monkeypatch, tmp_path):
    """Replaced: the device's name while the state is written, and CUDA's random state."""
    gpu.take(monkeypatch, **gpu.HALF)
    network, scaler = gpu.Small(), compute.make_scaler()
    scaler.load_state_dict(scaler.state_dict() | {"scale": 256.0, "_growth_tracker": 7})
    optimizer = AdamW(network.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    path, put_back = tmp_path / "state", []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: torch.tensor([5], dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", put_back.append)
    course = loop.Course([{"step": 1}], [0.1], {}, [0.1])
    for kind in ("cpu", "cuda"):
        with monkeypatch.context() as there:
            there.setattr(compute, "device", lambda kind=kind: torch.device(kind))
            kept = checkpoints.Checkpoint(path, "same", every=0.0)
            kept.write(network, 0, (optimizer, schedule, scaler), course)
        state = checkpoints.Checkpoint(path, "same").read()
        checkpoints.restore_random(state)
        assert ("random_cuda" in state) == (kind == "cuda")
    assert [saved.tolist() for saved in put_back] == [[5]]
    again = compute.make_scaler()
    again.load_state_dict(state["scaler"])
    assert again.get_scale() == 256 and again.state_dict()["_growth_tracker"] == 7


def test_drawn_ahead_and_in_float16_an_interrupted_training_goes_on_to_the_same_bytes(monkeypatch, tmp_path):
    gpu.take(monkeypatch, **gpu.HALF)
    # the first scale is too large for the first gradients: it is halved before the interruption
    monkeypatch.setattr(compute, "make_scaler", lambda: torch.amp.GradScaler("cpu", init_scale=2.0**40))
    monkeypatch.setattr(builders, "build_segmenter", lambda *_: gpu.Small())
    whole = go("scratch", steps=30)
    assert go("scratch", tmp_path / "state", dies_after=20, steps=30) is None
    state = checkpoints.Checkpoint(tmp_path / "state", "same").read()
    assert 1 < state["scaler"]["scale"] < 2**40
    assert go("scratch", tmp_path / "state", steps=30) == whole
