"""From features' files to scores of sources and their audit."""

import itertools

import numpy as np
import pytest
from scipy import stats

from helpers.fake_scores import write_source
from neurograft.transferability import formulas, scores
from neurograft.transferability.scores import SCORES, audit, score_patients, score_source, tau_interval

PRIMARY = {"space": "MNI152", "split": "folds"}


def values(folder, **options):
    rows = scores.score_features(folder, "MNI152", folder.name, **options)
    assert [row["score"] for row in rows] == list(scores.SCORES)
    assert all(set(row) == set(scores.SCORED) for row in rows)
    return {row["score"]: row for row in rows}


def test_a_score_is_the_mean_over_maps_and_patients(tmp_path):
    found = values(write_source(tmp_path / "one", 1.0))
    assert all(row["patients"] == 3 and row["left_out"] == 0 and row["reason"] == "" for row in found.values())
    wanted = []
    for path in sorted((tmp_path / "one").glob("*.npz")):
        with np.load(path) as packed:
            wanted += [formulas.h_score(packed[name], packed["labels"]) for name in ("map1", "map2")]
    assert found["h-score"]["value"] == pytest.approx(np.mean(wanted))


def test_features_that_separate_tumour_score_higher_on_every_score(tmp_path):
    good, poor = values(write_source(tmp_path / "good", 2.0)), values(write_source(tmp_path / "poor", 0.2))
    better = {name for name in good if good[name]["value"] > poor[name]["value"]}
    # cc-fv looks at how alike patients' tumours are, not at the background
    assert better >= {"logme", "h-score", "leep", "transrate", "gbc"}


def test_same_seed_same_scores(tmp_path):
    folder = write_source(tmp_path / "one", 1.0)
    assert str(values(folder, seed=3)) == str(values(folder, seed=3))


def test_a_source_without_a_head_has_no_leep_and_says_so(tmp_path):
    found = values(write_source(tmp_path / "one", 1.0, head=False))
    assert np.isnan(found["leep"]["value"]) and "no classification head" in found["leep"]["reason"]
    assert all(np.isfinite(row["value"]) for name, row in found.items() if name != "leep")


def test_a_patient_with_one_class_is_left_out_and_counted(tmp_path):
    folder = write_source(tmp_path / "one", 1.0)
    random = np.random.default_rng(5)
    healthy = {"labels": np.zeros(50, np.uint8), "slice_labels": np.zeros(12, np.uint8)}
    healthy |= {"map1": random.normal(size=(50, 4)), "map2": random.normal(size=(50, 9))}
    np.savez(folder / "sub-H.npz", **healthy, probabilities=np.full((12, 2), 0.5, np.float32))
    assert {(row["patients"], row["left_out"]) for row in values(folder).values()} == {(3, 1)}


def test_what_cannot_be_scored_says_why(tmp_path):
    made = values(write_source(tmp_path / "made", 1.0, patients=0, reason="nobody to learn from"))
    assert all(np.isnan(row["value"]) and row["reason"] == "nobody to learn from" for row in made.values())
    alone = values(write_source(tmp_path / "alone", 1.0, patients=0))
    assert all("no labelled patient" in row["reason"] for row in alone.values())
    volumes = scores.gather_scores([{"source": "flat"}], ["heads"], ["MNI152", "native"])
    assert volumes[0] == {"source": "flat"} and len(volumes) == 1 + 2 * len(scores.SCORES)
    assert {(row["space"], row["source"]) for row in volumes[1:]} == {("MNI152", "heads"), ("native", "heads")}
    assert all("3-D" in row["reason"] and np.isnan(row["value"]) for row in volumes[1:])


def run(gains, **changes):
    """Scores that follow the gains, and a comparison with them and with much that is not asked for."""
    names = [f"s{number}" for number in range(len(gains))]
    scored = [
        {"space": "MNI152", "source": name, "score": "logme", "value": str(number), "better": "higher"}
        for number, name in enumerate(names)
    ]
    scored += [row | {"space": "native", "value": str(-float(row["value"]))} for row in scored]
    row = {"task": "segmentation", "strategy": "frozen", "space": "MNI152", "split": "folds", "n": "all"}
    row |= {"region": "WT", "metric": "dice", "against": "scratch"}
    compared = [row | {"source": name, "mean_difference": str(gain)} | changes for name, gain in zip(names, gains)]
    others = {"strategy": "lp-ft", "n": "2", "region": "ET", "metric": "hd95", "against": "frozen-random"}
    others |= {"space": "native", "split": "sites", "task": "classification"}
    for key, value in others.items():
        compared += [row | {key: value, "source": name, "mean_difference": "7"} for name in names]
    return scored, compared


def test_the_audit_holds_scores_against_the_measured_gain_of_the_frozen_strategy():
    audit = {row["score"]: row for row in scores.audit_scores(*run([0.1, 0.2, 0.3, 0.4, 0.5]), PRIMARY)}
    assert list(audit) == list(scores.SCORES)
    assert audit["logme"]["tau"] == pytest.approx(1) and audit["logme"]["verdict"] == "follows the gain"
    assert audit["gbc"]["verdict"] == "too few sources"
    against = {row["score"]: row for row in scores.audit_scores(*run([0.5, 0.4, 0.3, 0.2, 0.1]), PRIMARY)}
    assert against["logme"]["tau"] == pytest.approx(-1) and against["logme"]["verdict"] == "do not use"
    assert set(audit["logme"]) == set(scores.AUDIT)


def test_without_five_sources_measured_the_audit_says_so():
    four = {row["score"]: row for row in scores.audit_scores(*run([0.1, 0.2, 0.3, 0.4]), PRIMARY)}
    assert {row["verdict"] for row in four.values()} == {"too few sources"}
    unmeasured = run([0.1, 0.2, 0.3, 0.4, 0.5], mean_difference="n/a")
    assert {row["sources"] for row in scores.audit_scores(*unmeasured, PRIMARY)} == {0}
    assert {row["sources"] for row in scores.audit_scores([], [], PRIMARY)} == {0}


def cohort():
    """Four patients with 3 % foreground, and one without any."""
    rng = np.random.default_rng(6)
    patients = np.repeat(["a", "b", "c", "d", "healthy"], 1000)
    labels = ((rng.random(5000) < 0.03) & (patients != "healthy")).astype(int)
    return rng.normal(size=(5000, 6)) + labels[:, None], labels, patients


def test_patients_are_balanced_and_averaged():
    features, labels, patients = cohort()
    rows = {row["score"]: row for row in score_patients(features, labels, patients, seed=1)}
    assert set(rows) == set(SCORES)
    assert all(row["left_out"] == 1 for row in rows.values())
    assert all(row["patients"] == 4 and np.isfinite(row["value"]) for name, row in rows.items() if name != "leep")
    assert np.isnan(rows["leep"]["value"]) and "classification head" in rows["leep"]["reason"]
    # three times the background leaves the patients' weights alone, and every foreground voxel is used
    single = [
        score_patients(features[patients == p], labels[patients == p], patients[patients == p], seed=1) for p in "abcd"
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
        plain.append(formulas.logme(features, labels))
        rows = score_patients(features, labels, patients)
        balanced.append(next(row["value"] for row in rows if row["score"] == "logme"))
    assert plain[1] - plain[0] > 0.5 and abs(balanced[1] - balanced[0]) < 0.1


def test_all_sources_are_scored_on_the_same_samples():
    features, labels, patients = cohort()
    first = score_patients(features, labels, patients, seed=2)
    again = score_patients(features, labels, patients, seed=2)
    moved = score_patients(5 * features + 1, labels, patients, seed=2)
    assert str(first) == str(again)
    by_name = [{row["score"]: row["value"] for row in rows} for rows in (first, moved)]
    assert by_name[0]["transrate"] == pytest.approx(by_name[1]["transrate"], abs=1e-6)
    assert by_name[0]["gbc"] == pytest.approx(by_name[1]["gbc"], abs=1e-6)


def test_a_cohort_without_two_classes_has_no_score():
    rows = score_patients(np.ones((20, 3)), np.zeros(20, int), ["a"] * 20)
    assert all(np.isnan(row["value"]) and row["patients"] == 0 and row["left_out"] == 1 for row in rows)
    assert {row["reason"] for row in rows if row["score"] != "leep"} == {"no patient has two classes"}


def ranked(order):
    """Scores and gains of sources; `order` ranks the gains by score."""
    names = [f"s{index}" for index in range(len(order))]
    return {"logme": dict(zip(names, map(float, range(len(order)))))}, dict(zip(names, map(float, order)))


def test_audit_says_what_a_score_is_worth():
    (row,) = audit(*ranked([0, 1, 2, 3]))
    assert row["verdict"] == "too few sources" and np.isnan(row["tau"]) and "4 sources" in row["reason"]
    (row,) = audit(*ranked(range(6)))
    assert row["tau"] == pytest.approx(1) and row["verdict"] == "follows the gain"
    assert 0 < row["low"] < row["high"] == 1
    (row,) = audit(*ranked(range(6)[::-1]))
    assert row["verdict"] == "do not use" and row["high"] < 0 and "wrong way round" in row["reason"]
    (row,) = audit(*ranked([3, 0, 5, 1, 4, 2]))
    assert row["verdict"] == "do not use" and row["low"] < 0 < row["high"]


def test_audit_leaves_out_what_is_missing_and_constant():
    scores, gains = ranked(range(6))
    scores["logme"]["s0"] = np.nan
    scores["gbc"] = dict.fromkeys(gains, -1.0)
    first, second = audit(scores, gains)
    assert first["sources"] == 5 and first["verdict"] == "follows the gain"
    assert second["verdict"] == "do not use" and "same score" in second["reason"]


@pytest.mark.parametrize("count", [5, 6, 7])
def test_the_interval_contains_0_exactly_where_the_permutation_test_says_so(count):
    taus = [stats.kendalltau(range(count), order).statistic for order in itertools.permutations(range(count))]
    for tau in np.unique(np.round(taus, 6)):
        p = 2 * np.mean(np.array(taus) >= abs(tau) - 1e-6)
        low, high = tau_interval(tau, count)
        assert (low <= 0 <= high) == (p > 0.05), (tau, p)
        assert low <= tau <= high


@pytest.mark.parametrize(("count", "truth"), [(5, 0.0), (5, 0.7), (8, 0.4), (12, 0.0), (12, 0.8)])
def test_the_interval_covers_the_true_correlation(count, truth):
    rng = np.random.default_rng(9)
    rho = np.sin(np.pi / 2 * truth)
    covered = 0
    for first, noise in rng.standard_normal((500, 2, count)):
        tau = stats.kendalltau(first, rho * first + np.sqrt(1 - rho**2) * noise).statistic
        low, high = tau_interval(tau, count)
        covered += low <= truth <= high
    assert covered / 500 >= 0.93


def test_a_source_is_scored_map_by_map_and_by_its_own_head():
    features, labels, patients = cohort()
    maps = [features, 3 * features[:, :2] + 1, np.ones((5000, 4))]
    probabilities = np.stack([1 - 0.9 * labels, 0.9 * labels], 1) * 0.9 + 0.05
    head = (probabilities, labels, patients)
    rows = {row["score"]: row for row in score_source(iter(maps), labels, patients, 1, head)}
    assert list(rows) == list(SCORES) and all(row["left_out"] == 1 for row in rows.values())
    single = [score_patients(one, labels, patients, 1) for one in maps[:2]]
    for name in ("logme", "gbc", "cc-fv"):
        # the third map is constant: it has no score, and does not drag the others' mean down
        wanted = np.mean([row["value"] for made in single for row in made if row["score"] == name])
        assert rows[name]["value"] == pytest.approx(wanted), name
    assert rows["leep"]["value"] > np.log(0.5) and rows["leep"]["reason"] == ""
    headless = {row["score"]: row for row in score_source(maps[:1], labels, patients, 1)}
    assert np.isnan(headless["leep"]["value"]) and "classification head" in headless["leep"]["reason"]
