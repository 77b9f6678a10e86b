"""The bound on a mean loss holds on data of known truth, and is refused where too few patients forbid it."""

import numpy as np
import pytest

from neurograft.stats import risk_control


def draw(random, count, thresholds=40):
    """Losses that rise along the thresholds at a place that differs by patient."""
    places = random.beta(2, 2, (count, 1))
    return np.clip((np.linspace(0, 1, thresholds) - places) * 2 + 0.3, 0, 1)


def test_by_hand():
    losses = np.array([[0, 0, 0.2, 0.5]] * 9)
    assert risk_control.control_risk(losses, 0.1) == 1, "(0 + 1) / 10 is allowed, (1.8 + 1) / 10 is not"
    assert risk_control.control_risk(losses, 0.28) == 2
    assert risk_control.control_risk(losses[:8], 0.1) is None
    assert risk_control.control_risk(np.empty((0, 4)), 0.5) is None


@pytest.mark.parametrize("bound", [0.1, 0.2])
def test_patients_to_come_lose_no_more_than_promised(bound):
    random, lost = np.random.default_rng(0), []
    for _ in range(400):
        losses = draw(random, 20)
        place = risk_control.control_risk(losses, bound)
        lost.append(0.0 if place is None else float(draw(random, 50)[:, place].mean()))
    # no more, and not much less: at least bound - 2 / (n + 1)
    assert 0.4 * bound < np.mean(lost) < bound + 0.005


def test_each_patient_is_judged_by_the_threshold_of_the_others():
    losses = draw(np.random.default_rng(1), 15)
    judged = risk_control.judge_control(losses, 0.2)
    expected = losses[3, risk_control.control_risk(np.delete(losses, 3, axis=0), 0.2)]
    assert judged[3] == expected
    assert np.isnan(risk_control.judge_control(losses[:9], 0.1)).all(), "eight others are too few"


@pytest.mark.parametrize("losses", [[[0.2, 0.1]], [[0.0, 1.2]], [[-0.1, 0.0]]])
def test_losses_that_fall_or_are_no_shares_are_refused(losses):
    with pytest.raises(ValueError, match="rise along the thresholds"):
        risk_control.control_risk(np.array(losses), 0.5)
