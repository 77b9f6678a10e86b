"""Planted errors stand first among labels, hard patients do not."""

import numpy as np
import pytest

from neurograft.delivery import label_doubt
from neurograft.delivery.mask_features import FEATURES, LABEL_MEASURES


def draw_labels(random, count=60):
    """Masks of differing quality, which they show of themselves, and how much right labels contradict them."""
    quality = random.beta(3, 2, count)
    features = random.normal(0, 1, (count, len(FEATURES)))
    features[:, 1] = features[:, 2] = quality + random.normal(0, 0.05, count)
    noise = random.normal(0, 0.03, (count, 3))
    shares = np.stack([0.3 * (1 - quality), 0.3 * (1 - quality), 1 - quality], axis=1) + noise
    return features, np.clip(shares, 0, 1)


def write_rows(features, shares, region="WT", names=None):
    names = names or [f"p{k:02}" for k in range(len(features))]
    return [
        {"subject": name, "labelled": "true", "region": region}
        | dict(zip(FEATURES, map(str, own)))
        | {"agreement": "n/a"}
        | dict(zip(LABEL_MEASURES, map(str, found)))
        for name, own, found in zip(names, features, shares)
    ]


def split_of(rows):
    return {"tasks": {"segmentation": {"patients": {row["subject"]: row["subject"] for row in rows}}}}


@pytest.mark.parametrize(
    ("measure", "planted"),
    [("core_outside", (0.6, 0.1, 0.5)), ("label_unseen", (0.1, 0.6, 0.5)), ("overlap", (0.3, 0.3, 0.95))],
)
def test_a_planted_error_is_among_the_first_five(measure, planted):
    found = []
    for seed in range(10):
        features, shares = draw_labels(np.random.default_rng(seed))
        good = int(np.argsort(shares[:, 2])[10])  # a patient whom the network segments well
        shares[good] = planted
        rows = write_rows(features, shares)
        ranked = label_doubt.rank_labels(rows, split_of(rows))
        (own,) = [row for row in ranked if row["subject"] == f"p{good:02}"]
        found.append(own["rank"] <= 5)
        assert own["measure"] in LABEL_MEASURES and own["expected"] < own["value"]
    assert np.mean(found) >= 0.9, measure


def test_a_hard_patient_is_expected_to_contradict():
    """By Dice alone the hardest patient would stand first."""
    places = []
    for seed in range(10):
        features, shares = draw_labels(np.random.default_rng(seed))
        ranked = label_doubt.rank_labels(rows := write_rows(features, shares), split_of(rows))
        hardest = f"p{int(shares[:, 2].argmax()):02}"
        places.append(next(row["rank"] for row in ranked if row["subject"] == hardest))
    assert np.median(places) > 5


def test_each_subject_stands_once_with_its_worst_region():
    features, shares = draw_labels(np.random.default_rng(0), 20)
    rows = write_rows(features, shares, "WT")
    shares = shares.copy()
    shares[4] = 0.9
    rows += write_rows(features, shares, "ET")
    ranked = label_doubt.rank_labels(rows, split_of(rows))
    assert [row["rank"] for row in ranked] == list(range(1, 21)) and set(ranked[0]) == set(label_doubt.COLUMNS)
    assert (ranked[0]["subject"], ranked[0]["region"]) == ("p04", "ET")
    assert len({row["subject"] for row in ranked}) == 20


def test_few_patients_and_unlabelled_ones_are_not_ranked():
    rows = write_rows(*draw_labels(np.random.default_rng(1), 7))
    assert label_doubt.rank_labels(rows, split_of(rows)) == label_doubt.rank_labels([], split_of([])) == []
    rows = write_rows(*draw_labels(np.random.default_rng(1), 9))
    rows[8] |= {"labelled": "false"} | dict.fromkeys(LABEL_MEASURES, "")
    assert len(label_doubt.rank_labels(rows, split_of(rows))) == 8


def test_equal_labels_are_none_of_them_doubtful():
    features, shares = draw_labels(np.random.default_rng(2), 12)
    doubts, expected = label_doubt.doubt_labels(features, np.zeros_like(shares), [str(k) for k in range(12)])
    assert np.abs(doubts).max() < 1e-6 and expected == pytest.approx(0.02)
