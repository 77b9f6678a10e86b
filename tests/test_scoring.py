"""From features' files to scores of sources and their audit."""

import json

import numpy as np
import pytest

from neurograft import scoring, transfer_scores, transferability

PRIMARY = {"space": "MNI152", "split": "folds"}


def write_source(folder, apart, seed=0, head=True, patients=3, reason=""):
    """A source's files, whose features put the classes `apart` standard deviations from each other."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "source.json").write_text(json.dumps({"reason": reason}))
    for number in range(patients):
        labels, slice_labels = np.repeat([0, 1], 60).astype(np.uint8), np.repeat([1, 0], 8).astype(np.uint8)
        packed = {"labels": labels, "slice_labels": slice_labels}
        for place, width in ((1, 4), (2, 9)):
            packed[f"map{place}"] = (random.normal(size=(120, width)) + apart * labels[:, None]).astype(np.float32)
        if head:
            sure = 1 / (1 + np.exp(-apart * (2 * slice_labels - 1.0) + random.normal(size=16)))
            packed["probabilities"] = np.stack([sure, 1 - sure], 1).astype(np.float32)
        np.savez(folder / f"sub-P{number}.npz", **packed)
    return folder


def values(folder, **options):
    rows = scoring.score_features(folder, "MNI152", folder.name, **options)
    assert [row["score"] for row in rows] == list(transferability.SCORES)
    assert all(set(row) == set(scoring.SCORED) for row in rows)
    return {row["score"]: row for row in rows}


def test_a_score_is_the_mean_over_maps_and_patients(tmp_path):
    found = values(write_source(tmp_path / "one", 1.0))
    assert all(row["patients"] == 3 and row["left_out"] == 0 and row["reason"] == "" for row in found.values())
    wanted = []
    for path in sorted((tmp_path / "one").glob("*.npz")):
        with np.load(path) as packed:
            wanted += [transfer_scores.h_score(packed[name], packed["labels"]) for name in ("map1", "map2")]
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
    volumes = scoring.gather_scores([{"source": "flat"}], ["heads"], ["MNI152", "native"])
    assert volumes[0] == {"source": "flat"} and len(volumes) == 1 + 2 * len(transferability.SCORES)
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
    audit = {row["score"]: row for row in scoring.audit_scores(*run([0.1, 0.2, 0.3, 0.4, 0.5]), PRIMARY)}
    assert list(audit) == list(transferability.SCORES)
    assert audit["logme"]["tau"] == pytest.approx(1) and audit["logme"]["verdict"] == "follows the gain"
    assert audit["gbc"]["verdict"] == "too few sources"
    against = {row["score"]: row for row in scoring.audit_scores(*run([0.5, 0.4, 0.3, 0.2, 0.1]), PRIMARY)}
    assert against["logme"]["tau"] == pytest.approx(-1) and against["logme"]["verdict"] == "do not use"
    assert set(audit["logme"]) == set(scoring.AUDIT)


def test_without_five_sources_measured_the_audit_says_so():
    four = {row["score"]: row for row in scoring.audit_scores(*run([0.1, 0.2, 0.3, 0.4]), PRIMARY)}
    assert {row["verdict"] for row in four.values()} == {"too few sources"}
    unmeasured = run([0.1, 0.2, 0.3, 0.4, 0.5], mean_difference="n/a")
    assert {row["sources"] for row in scoring.audit_scores(*unmeasured, PRIMARY)} == {0}
    assert {row["sources"] for row in scoring.audit_scores([], [], PRIMARY)} == {0}
