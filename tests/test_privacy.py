"""Membership inference against simulated networks that do and do not remember."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from neurograft import privacy


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=20), st.lists(st.integers(0, 5), min_size=4, max_size=20))
def test_auc_and_rate_are_those_of_scikit_learn(members, outsiders):
    row = privacy.membership_inference(members, outsiders)
    truth = [1] * len(members) + [0] * len(outsiders)
    assert row["auc"] == pytest.approx(roc_auc_score(truth, members + outsiders))
    false, true, _ = roc_curve(truth, members + outsiders, drop_intermediate=False)
    assert row["tpr"] == pytest.approx(true[false <= row["fpr"] + 1e-12].max())
    assert 0 <= row["low"] <= row["auc"] <= row["high"] <= 1


@pytest.mark.parametrize("positives, negatives", [(4, 4), (8, 2), (16, 4), (40, 10)])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_the_interval_covers_the_true_auc(positives, negatives, shift):
    rng = np.random.default_rng(3)
    truth, covered = stats.norm.cdf(shift / np.sqrt(2)), 0
    for _ in range(500):
        area = privacy.area_under_curve(rng.normal(shift, 1, positives), rng.normal(size=negatives))
        low, high = privacy.auc_interval(area, positives, negatives)
        covered += low <= truth <= high
    assert 0.92 <= covered / 500 <= 0.985


def test_perfect_separation_still_has_an_interval():
    low, high = privacy.auc_interval(1.0, 8, 4)
    assert 0.5 < low < 0.9 and high == 1
    assert privacy.auc_interval(0.0, 8, 4) == pytest.approx((0, 1 - low))


def test_verdicts_on_networks_whose_memory_is_known():
    rng = np.random.default_rng(4)
    told = {shift: 0 for shift in (0, 2)}
    for shift in told:
        for _ in range(400):
            row = privacy.membership_inference(rng.normal(shift, 1, 16), rng.normal(size=4))
            told[shift] += row["verdict"] == "members can be told"
    assert told[0] / 400 <= 0.05 and told[2] / 400 >= 0.8


def test_chance_is_the_rate_without_a_leak():
    rng = np.random.default_rng(5)
    rows = [privacy.membership_inference(*rng.normal(size=(2, 6))) for _ in range(300)]
    assert np.mean([row["tpr"] for row in rows]) == pytest.approx(rows[0]["chance"], abs=0.04)
    assert rows[0]["fpr"] == pytest.approx(1 / 6) and rows[0]["chance"] == pytest.approx(2 / 7)


def test_members_cannot_be_told_from_members():
    rng = np.random.default_rng(6)
    members = rng.normal(3, 1, 20)
    row = privacy.membership_inference(members, rng.normal(size=5), seed=1)
    assert row["control"] == pytest.approx(0.5, abs=0.02)
    halves = [rng.permutation(members) for _ in range(1000)]
    areas = [privacy.area_under_curve(order[5:], order[:5]) for order in halves]
    assert (row["control_low"], row["control_high"]) == pytest.approx(np.percentile(areas, [2.5, 97.5]), abs=0.04)
    assert row["control_low"] < 0.4 and 0.6 < row["control_high"] < row["auc"]


def test_too_few_patients_are_refused():
    row = privacy.membership_inference([0.9, 0.8, 0.7, np.nan], [0.1, 0.2, 0.3, 0.2])
    assert set(row) == set(privacy.membership_inference(range(8), range(8)))
    assert row["verdict"] == "refused" and "3 members and 4 outsiders" in row["reason"] and np.isnan(row["auc"])
    assert privacy.membership_inference([0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.2])["verdict"] == "members can be told"


def test_same_seed_same_row():
    sides = np.random.default_rng(7).normal(size=(2, 9))
    assert privacy.membership_inference(*sides, seed=3) == privacy.membership_inference(*sides, seed=3)


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
