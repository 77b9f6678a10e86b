"""The optimizer is torch's, number for number, without torch's compiler."""

import subprocess
import sys

import pytest
import torch

from helpers.running import ROOT
from neurograft.training import optimizer


def descend(kind, steps, state=None):
    """Take some steps of descent with two learning rates; return the network and the optimizer."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
    groups = [{"params": network[0].parameters(), "lr": 1e-2}, {"params": network[2].parameters(), "lr": 1e-1}]
    chosen = kind(groups, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(chosen, [1e-2, 1e-1], total_steps=20, cycle_momentum=False)
    if state:
        network.load_state_dict(state[0])
        chosen.load_state_dict(state[1])
    for _ in range(steps):
        chosen.zero_grad(set_to_none=True)
        network(torch.randn(11, 5)).square().mean().backward()
        chosen.step()
        schedule.step()
    return network.state_dict(), chosen.state_dict()


@pytest.mark.parametrize("again", [False, True])
def test_weights_and_state_are_those_of_torch(again):
    kinds = (torch.optim.AdamW, optimizer.AdamW)
    states = [descend(kind, 4) for kind in kinds]
    if again:
        states = [descend(kind, 4, state) for kind, state in zip(kinds, states, strict=True)]
    (plain, plain_state), (own, own_state) = states
    assert all(torch.equal(plain[name], own[name]) for name in plain)
    assert repr(plain_state) == repr(own_state)
    assert not any(weight.requires_grad for weight in own.values())


def test_the_compiler_is_not_imported():
    code = """if True:
        import sys, torch
        from neurograft.training import optimizer
        weight = torch.nn.Parameter(torch.ones(3))
        chosen = optimizer.AdamW([{"params": [weight], "lr": 0.1}], fused=True)
        weight.sum().backward()
        chosen.step()
        chosen.load_state_dict(chosen.state_dict())
        chosen.zero_grad()
        sys.exit("torch._dynamo" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts").returncode == 0
