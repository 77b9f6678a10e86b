"""Membership inference against simulated networks that do and do not remember."""

import numpy as np
import pytest

from neurograft.evaluation import privacy


def simulate_arm(rng, patients=10, folds=5, n=None, leak=0.0, seeds=1, skewed=False):
    """Confidences of an experiment: patients and networks differ by more than chance, and members may be remembered."""
    fold, hard = rng.permutation(np.arange(patients) % folds), rng.normal(0, 2, patients)
    rows = []
    for network in range(folds * seeds):
        tests, level = fold == network % folds, rng.normal(0, 1)
        for patient in [*rng.permutation(np.flatnonzero(~tests))[:n], *np.flatnonzero(tests)]:
            noise = 1 - rng.exponential() if skewed else rng.normal()
            value = hard[patient] + level + noise + leak * (not tests[patient])
            rows.append((network, int(fold[patient]), f"p{patient}", not tests[patient], value))
    return rows


@pytest.mark.parametrize(
    "study", [{}, {"patients": 20, "skewed": True}, {"patients": 20, "n": 4}, {"patients": 9, "folds": 3, "seeds": 2}]
)
def test_no_leak_is_rarely_seen_and_a_large_one_mostly(study):
    rng = np.random.default_rng(8)
    told = {}
    for leak, studies in ((0.0, 500), (2.5, 60)):
        rows = [privacy.compare_memberships(simulate_arm(rng, leak=leak, **study)) for _ in range(studies)]
        told[leak] = np.mean([row["verdict"] == "members can be told" for row in rows])
        if not leak:
            assert np.mean([row["auc"] for row in rows]) == pytest.approx(0.5, abs=0.02)
            assert np.mean([row["control"] for row in rows]) == pytest.approx(0.5, abs=0.02)
            assert np.mean([row["tpr"] for row in rows]) == pytest.approx(rows[0]["chance"], abs=0.05)
    assert told[0.0] <= 0.05 and told[2.5] >= 0.8


def test_patients_are_their_own_controls():
    """Whatever patients and networks differ by, only what membership adds is counted."""
    rng = np.random.default_rng(9)
    rows = simulate_arm(rng, leak=1.0)
    moved = [(g, f, p, m, value + 10 * g + 100 * int(p[1:])) for g, f, p, m, value in rows]
    made, other = privacy.compare_memberships(rows), privacy.compare_memberships(moved)
    for name in privacy.NUMBERS:
        assert other[name] == pytest.approx(made[name], abs=1e-6), name
    assert (made["networks"], made["members"], made["outsiders"]) == (5, 40, 10)
    assert privacy.compare_memberships(rows) == made


def test_an_arm_too_small_to_show_a_leak_is_refused():
    rng = np.random.default_rng(10)
    two = privacy.compare_memberships(simulate_arm(rng, folds=2, leak=9.0))
    assert two["verdict"] == "refused" and "2 folds" in two["reason"] and np.isnan(two["auc"])
    few = privacy.compare_memberships(simulate_arm(rng, patients=5, leak=9.0))
    assert few["verdict"] == "refused" and "5 patients" in few["reason"]
    nobody = privacy.compare_memberships([])
    assert nobody["verdict"] == "refused" and nobody["networks"] == 0 and set(nobody) == set(two)
    # outsiders alone have nothing to be compared with
    outsiders = [row for row in simulate_arm(rng) if not row[3]]
    assert privacy.compare_memberships(outsiders)["verdict"] == "refused"
    perfect = privacy.compare_memberships(simulate_arm(rng, leak=100.0))
    assert perfect["verdict"] == "members can be told" and perfect["auc"] == 1 and perfect["low"] < 0.9
