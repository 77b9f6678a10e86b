"""Budgets, cool-downs, and where a training of open length ends."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from neurograft.training import schedules
from neurograft.training.schedules import Length


def test_without_budgets_phases_take_their_shares_of_all_steps():
    assert Length(10).one_cycle and Length(10).cuts == {}
    assert Length(10).phase_ends([0.3, 0.7]) == [3, 10]


def test_with_budgets_every_budget_holds_every_phase():
    length = Length(100, (0.2, 0.5))
    assert length.phase_ends([0.3, 0.7]) == [6, 100]
    # a fifth of each budget is its cool-down
    assert length.cuts == {16: (0.2, 20), 40: (0.5, 50)}
    assert length.phase_ends([0.3, 0.7])[0] < min(length.cuts)


@given(some.integers(5, 500), some.lists(some.floats(0.05, 0.95), max_size=4, unique=True))
def test_every_budget_is_cooled_before_it_ends(steps, budgets):
    for start, (share, end) in Length(steps, tuple(sorted(budgets))).cuts.items():
        assert 0 <= start < end <= steps and share in budgets


def rates(steps, warm_up=4, cool=0):
    """The rate of every step, of a schedule that is cooled at its end."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = schedules.StableRate(optimizer, warm_up)
    taken = []
    for step in range(steps):
        if cool and step == steps - cool:
            schedule.cool_down(cool)
        taken.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return taken, optimizer.param_groups[0]["lr"]


def test_the_rate_rises_stays_and_falls_to_nothing():
    taken, after = rates(20, cool=5)
    stable = 2.0 * schedules.STABLE
    assert taken[:4] == pytest.approx([stable * part for part in (0.25, 0.5, 0.75, 1)])
    assert taken[4:15] == pytest.approx([stable] * 11)
    assert np.all(np.diff(taken[14:]) < 0) and taken[-1] > 0 and after == 0


def test_a_saved_schedule_goes_on_where_it_was():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    first, second = schedules.StableRate(optimizer, 3), schedules.StableRate(optimizer, 3)
    for _ in range(6):
        first.step()
    first.cool_down(4)
    first.step()
    second.load_state_dict(first.state_dict())
    assert second.factor == first.factor and 0 < second.factor < schedules.STABLE


def measured(values, every):
    return {every * (number + 1): value for number, value in enumerate(values)}


def test_it_ends_where_the_loss_no_longer_falls_beyond_its_noise():
    length = Length(1000, least=80)
    noise = np.random.default_rng(0).normal(0, 0.01, 100)
    falling = 1 / np.arange(1, 101) + noise / 100
    assert schedules.find_end(length, measured(falling, length.every)) == (800, 1000)
    flat = np.r_[np.linspace(1, 0.5, 12), np.full(88, 0.5)] + noise
    cooling, end = schedules.find_end(length, measured(flat, length.every))
    assert 12 * length.every <= cooling <= 25 * length.every
    # the cool-down is a fifth of the whole, as at every budget
    assert end == round(cooling / (1 - schedules.COOL_DOWN))


def test_it_ends_where_the_loss_rises_but_not_before_the_least_steps():
    length = Length(1000, least=80)
    rising = measured(np.linspace(0.2, 1, 60), length.every)
    assert schedules.find_end(length, rising) == (80, 100)
    early = {step: value for step, value in rising.items() if step < length.least}
    assert schedules.find_end(length, early) == (800, 1000)


def test_few_measurements_never_end_it():
    assert not schedules.has_settled([1.0] * (2 * schedules.WINDOW - 1))
    assert schedules.has_settled([1.0] * 2 * schedules.WINDOW)
