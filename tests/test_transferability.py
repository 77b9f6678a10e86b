"""Balanced scores of patients, and the audit against known rankings."""

import itertools

import numpy as np
import pytest
from scipy import stats

from neurograft import transferability


def cohort():
    """Four patients with 3 % foreground, and one without any."""
    rng = np.random.default_rng(6)
    patients = np.repeat(["a", "b", "c", "d", "healthy"], 1000)
    labels = ((rng.random(5000) < 0.03) & (patients != "healthy")).astype(int)
    return rng.normal(size=(5000, 6)) + labels[:, None], labels, patients


def test_patients_are_balanced_and_averaged():
    features, labels, patients = cohort()
    rows = {row["score"]: row for row in transferability.score_patients(features, labels, patients, seed=1)}
    assert set(rows) == set(transferability.SCORES)
    assert all(row["left_out"] == 1 for row in rows.values())
    assert all(row["patients"] == 4 and np.isfinite(row["value"]) for name, row in rows.items() if name != "leep")
    assert np.isnan(rows["leep"]["value"]) and "classification head" in rows["leep"]["reason"]
    # three times the background leaves the patients' weights alone, and every foreground voxel is used
    single = [
        transferability.score_patients(features[patients == p], labels[patients == p], patients[patients == p], seed=1)
        for p in "abcd"
    ]
    means = np.mean([[row["value"] for row in rows if row["score"] == "h-score"] for rows in single])
    assert rows["h-score"]["value"] == pytest.approx(means)


def test_balanced_classes_give_the_same_score_whatever_the_prevalence():
    """Unbalanced, a source whose features tell nothing would look better where tumours are rarer."""
    rng = np.random.default_rng(0)
    features, patients = rng.normal(size=(4000, 4)), np.repeat(["a", "b"], 2000)
    plain, balanced = [], []
    for share in (0.5, 0.02):
        labels = (np.arange(4000) % 100 < 100 * share).astype(int)
        plain.append(transferability.logme(features, labels))
        rows = transferability.score_patients(features, labels, patients)
        balanced.append(next(row["value"] for row in rows if row["score"] == "logme"))
    assert plain[1] - plain[0] > 0.5 and abs(balanced[1] - balanced[0]) < 0.1


def test_all_sources_are_scored_on_the_same_samples():
    features, labels, patients = cohort()
    first = transferability.score_patients(features, labels, patients, seed=2)
    again = transferability.score_patients(features, labels, patients, seed=2)
    moved = transferability.score_patients(5 * features + 1, labels, patients, seed=2)
    assert str(first) == str(again)
    by_name = [{row["score"]: row["value"] for row in rows} for rows in (first, moved)]
    assert by_name[0]["transrate"] == pytest.approx(by_name[1]["transrate"], abs=1e-6)
    assert by_name[0]["gbc"] == pytest.approx(by_name[1]["gbc"], abs=1e-6)


def test_a_cohort_without_two_classes_has_no_score():
    rows = transferability.score_patients(np.ones((20, 3)), np.zeros(20, int), ["a"] * 20)
    assert all(np.isnan(row["value"]) and row["patients"] == 0 and row["left_out"] == 1 for row in rows)
    assert {row["reason"] for row in rows if row["score"] != "leep"} == {"no patient has two classes"}


def ranked(order):
    """Scores and gains of sources; `order` ranks the gains by score."""
    names = [f"s{index}" for index in range(len(order))]
    return {"logme": dict(zip(names, map(float, range(len(order)))))}, dict(zip(names, map(float, order)))


def test_audit_says_what_a_score_is_worth():
    (row,) = transferability.audit(*ranked([0, 1, 2, 3]))
    assert row["verdict"] == "too few sources" and np.isnan(row["tau"]) and "4 sources" in row["reason"]
    (row,) = transferability.audit(*ranked(range(6)))
    assert row["tau"] == pytest.approx(1) and row["verdict"] == "follows the gain"
    assert 0 < row["low"] < row["high"] == 1
    (row,) = transferability.audit(*ranked(range(6)[::-1]))
    assert row["verdict"] == "do not use" and row["high"] < 0 and "wrong way round" in row["reason"]
    (row,) = transferability.audit(*ranked([3, 0, 5, 1, 4, 2]))
    assert row["verdict"] == "do not use" and row["low"] < 0 < row["high"]


def test_audit_leaves_out_what_is_missing_and_constant():
    scores, gains = ranked(range(6))
    scores["logme"]["s0"] = np.nan
    scores["gbc"] = dict.fromkeys(gains, -1.0)
    first, second = transferability.audit(scores, gains)
    assert first["sources"] == 5 and first["verdict"] == "follows the gain"
    assert second["verdict"] == "do not use" and "same score" in second["reason"]


@pytest.mark.parametrize("count", [5, 6, 7])
def test_the_interval_contains_0_exactly_where_the_permutation_test_says_so(count):
    taus = [stats.kendalltau(range(count), order).statistic for order in itertools.permutations(range(count))]
    for tau in np.unique(np.round(taus, 6)):
        p = 2 * np.mean(np.array(taus) >= abs(tau) - 1e-6)
        low, high = transferability.tau_interval(tau, count)
        assert (low <= 0 <= high) == (p > 0.05), (tau, p)
        assert low <= tau <= high


@pytest.mark.parametrize("count, truth", [(5, 0.0), (5, 0.7), (8, 0.4), (12, 0.0), (12, 0.8)])
def test_the_interval_covers_the_true_correlation(count, truth):
    rng = np.random.default_rng(9)
    rho = np.sin(np.pi / 2 * truth)
    covered = 0
    for first, noise in rng.standard_normal((500, 2, count)):
        tau = stats.kendalltau(first, rho * first + np.sqrt(1 - rho**2) * noise).statistic
        low, high = transferability.tau_interval(tau, count)
        covered += low <= truth <= high
    assert covered / 500 >= 0.93


def test_a_source_is_scored_map_by_map_and_by_its_own_head():
    features, labels, patients = cohort()
    maps = [features, 3 * features[:, :2] + 1, np.ones((5000, 4))]
    probabilities = np.stack([1 - 0.9 * labels, 0.9 * labels], 1) * 0.9 + 0.05
    head = (probabilities, labels, patients)
    rows = {row["score"]: row for row in transferability.score_source(iter(maps), labels, patients, 1, head)}
    assert list(rows) == list(transferability.SCORES) and all(row["left_out"] == 1 for row in rows.values())
    single = [transferability.score_patients(one, labels, patients, 1) for one in maps[:2]]
    for name in ("logme", "gbc", "cc-fv"):
        # the third map is constant: it has no score, and does not drag the others' mean down
        wanted = np.mean([row["value"] for made in single for row in made if row["score"] == name])
        assert rows[name]["value"] == pytest.approx(wanted), name
    assert rows["leep"]["value"] > np.log(0.5) and rows["leep"]["reason"] == ""
    headless = {row["score"]: row for row in transferability.score_source(maps[:1], labels, patients, 1)}
    assert np.isnan(headless["leep"]["value"]) and "classification head" in headless["leep"]["reason"]
