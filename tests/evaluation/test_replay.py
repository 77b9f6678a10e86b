"""Control splits beside the split by patient: scores, inflation and its interval, on predictions of known truth."""

import json

import numpy as np
import pytest

from neurograft.evaluation import replay

CLASSES = ["normal", "tumour"]


def task(patients):
    return {"classes": CLASSES, "patients": {name: name for name in patients}}


def predict(split, right, seed=0, folds=2, strategy="fine-tune", truths=None):
    """Cells of an arm: `right` says of each patient which slices are right; by slice everybody is in training."""
    names = list(right)
    for fold in range(folds):
        cell = {"source": "photos", "strategy": strategy, "space": "none", "split": split, "seed": seed, "fold": fold}
        cell["test"] = names[fold::folds]
        cell["train"] = [name for name in names if split.startswith("slices") or name not in cell["test"]]
        rows = []
        for number, name in enumerate(names):
            if number % folds != fold:
                continue
            truth = (truths or {}).get(name, CLASSES[number // 2 % 2])
            for at, good in enumerate(right[name]):
                chance = 0.9 if good else 0.1
                for label in CLASSES:
                    value = chance if label == truth else 1 - chance
                    row = {"subject": name, "slice": str(at), "class": label, "probability": value, "truth": truth}
                    rows.append(row)
        yield cell, rows


def pick(rows, metric="accuracy", split="slices"):
    (row,) = [row for row in rows if row["metric"] == metric and row["split"] == split]
    return row


def make(shares, slices=10):
    """Patients whose first slices are right."""
    return {f"p{k}": [at < share * slices for at in range(slices)] for k, share in enumerate(shares)}


def test_inflation_is_the_difference_over_the_same_slices():
    honest, leaky = make([0.5, 0.7, 0.6, 0.8]), make([1.0, 1.0, 0.9, 1.0])
    rows = replay.compare_splits([*predict("folds", honest), *predict("slices", leaky)], task(honest))
    row = pick(rows)
    assert row["score"] == pytest.approx(0.975) and row["by_patient"] == pytest.approx(0.65)
    assert row["inflation"] == pytest.approx(0.325) and row["low"] < 0.325 < row["high"]
    assert (row["patients"], row["slices"], row["folds"], row["seeds"]) == (4, 40, 2, 1)
    assert row["shared"] == 4
    assert row["guess"] == pytest.approx(0.5) and np.isnan(row["random"]) and np.isnan(row["leak_low"])
    assert {r["metric"] for r in rows} == {"accuracy", "balanced-accuracy", "auc"}


def test_a_patient_counts_once_however_many_slices_it_has():
    """The interval is that of the patients' own means, as wide with every slice twice."""
    shares = np.random.default_rng(0).choice([0.2, 0.5, 0.9], 12)
    widths = []
    for slices in (10, 20):
        honest, leaky = make(shares, slices), make(np.ones(12), slices)
        listed = [*predict("folds", honest, folds=12), *predict("slices", leaky, folds=12)]
        row = pick(replay.compare_splits(listed, task(honest)))
        widths.append(row["high"] - row["low"])
    expected = 2 * 2.2 * np.std(shares, ddof=1) / np.sqrt(12)
    assert widths[0] == pytest.approx(widths[1], rel=1e-6) and 0.85 < widths[0] / expected < 1.2


def test_few_folds_do_not_make_the_interval_endless():
    """Two folds that differ by luck: wider than without, but no t test over two folds (12.7 standard errors)."""
    luck = [0.1 * (number % 2) for number in range(12)]
    shares = np.array([0.4, 0.6] * 6) + luck
    honest, leaky = make(shares), make([1.0] * 12)
    widths = []
    for folds in (12, 2):
        listed = [*predict("folds", honest, folds=folds), *predict("slices", leaky, folds=folds)]
        row = pick(replay.compare_splits(listed, task(honest)))
        widths.append(row["high"] - row["low"])
    assert widths[0] < widths[1] < 0.7


def test_the_interval_covers_the_truth():
    """150 studies of 20 patients of unequal difficulty, true inflation .3."""
    random, hit = np.random.default_rng(1), 0
    for _ in range(150):
        level = np.clip(0.6 + random.choice([-0.3, 0.3], 20), 0, 1)
        honest = {f"p{k}": (random.random(6) < value).tolist() for k, value in enumerate(level)}
        leaky = {f"p{k}": (random.random(6) < 0.9).tolist() for k in range(20)}
        split = {"classes": CLASSES, "patients": {name: name for name in honest}}
        kinds = (("s", leaky), ("f", honest))
        sides = [replay._collect(list(predict(name, of, folds=20)), split) for name, of in kinds]
        result = replay._pair("accuracy", tuple(sides), sorted(sides[1].truth), split)
        hit += result["low"] <= 0.3 <= result["high"]
    assert 0.9 <= hit / 150 <= 0.99


def test_random_labels_show_what_the_leak_alone_buys():
    honest = make([0.5] * 6)
    truths = {name: CLASSES[number % 2] for number, name in enumerate(honest)}
    cells = [*predict("folds", honest), *predict("slices", make([1.0] * 6))]
    cells += predict("slices-random-labels", make([0.9] * 6), truths=truths)
    cells += predict("folds-random-labels", make([0.5] * 6), truths=truths)
    row = pick(replay.compare_splits(cells, task(honest)))
    assert (row["random"], row["random_by_patient"]) == (pytest.approx(0.9), pytest.approx(0.5))
    assert row["leak"] == pytest.approx(0.4) and row["leak_low"] < 0.4 < row["leak_high"]
    # true labels: four of one class, two of the other; permuted ones are half and half here
    assert row["guess"] == pytest.approx(2 / 3) and row["random_guess"] == pytest.approx(0.5)


def test_the_datasets_own_split_is_compared_over_its_own_test_pictures():
    honest = {f"p{k}": [k % 2 == 1] for k in range(5)}
    own = predict("own", {"p0": [True], "p1": [True], "p2": [True]}, folds=1)
    row = pick(replay.compare_splits([*predict("folds", honest), *own], task(honest)), split="own")
    assert (row["slices"], row["score"], row["shared"]) == (3, 1, 0) and row["by_patient"] == pytest.approx(1 / 3)


def test_of_repeated_partitions_the_first_stands_beside_the_control_split():
    """A mean over partitions would be an ensemble, which the control split is not."""
    first, second = (list(predict("folds", make([share] * 4))) for share in (0.5, 1.0))
    later = [({**cell, "fold": cell["fold"] + 2}, rows) for cell, rows in second]
    cells = [*later, *first, *predict("slices", make([1.0] * 4))]
    row = pick(replay.compare_splits(cells, task(make([1.0] * 4))))
    assert row["by_patient"] == pytest.approx(0.5) and row["folds"] == 2


def test_where_a_metric_is_undefined_there_is_no_interval():
    """Balanced accuracy and AUC take both classes, of which one is in nobody, or in one patient alone."""
    honest, leaky = make([0.5, 0.7, 0.6, 0.8]), make([1.0, 1.0, 0.9, 1.0])
    for classes in ("normal",) * 4, ("normal",) * 3 + ("tumour",):
        truths = dict(zip(honest, classes))
        cells = [*predict("folds", honest, truths=truths), *predict("slices", leaky, truths=truths)]
        rows = replay.compare_splits(cells, task(honest))
        assert all(np.isnan(pick(rows, metric)["low"]) for metric in ("balanced-accuracy", "auc"))
        assert all(np.isnan(pick(rows, metric)["high"]) for metric in ("balanced-accuracy", "auc"))
        assert pick(rows)["low"] < pick(rows)["inflation"] < pick(rows)["high"]


def test_without_the_same_arm_by_patient_there_is_nothing_to_compare():
    leaky = make([1.0] * 4)
    other = predict("folds", leaky, strategy="scratch")
    assert replay.compare_splits([*predict("slices", leaky), *other], task(leaky)) == []
    assert replay.describe_replay([], [], [], "").startswith("Nothing to compare")


def test_two_patients_get_no_interval():
    right = make([0.5, 1.0])
    row = pick(replay.compare_splits([*predict("folds", right), *predict("slices", right)], task(right)))
    assert row["inflation"] == 0 and np.isnan(row["low"])


def score(subject, value, strategy="supervoxels", **changes):
    row = {"task": "segmentation", "source": "photos", "strategy": strategy, "space": "MNI152", "split": "folds"}
    row |= {"n": "all", "fold": "0", "seed": "0", "subject": subject, "region": "WT", "metric": "dice", "value": value}
    return row | changes


def test_dice_is_averaged_over_the_patients_that_were_scored():
    scores = [
        score("a", 0.6),
        score("b", 0.8),
        score("b", 0.9, seed="1"),
        score("c", 0.7),
        score("c", 0.1, region="ET"),
    ]
    scores += [score("", 0.2), score("a", 0.3, metric="hd95"), score("a", 0.3, n="2"), score("a", 0.9, split="sites")]
    # a network has no superpixels
    scores += [score("a", 0.9, strategy="fine-tune")]
    oracle, method = replay.average_dice(scores, {"a": 0.9, "b": 0.95, "c": 1.0, "d": 0.1}, {})
    assert oracle["method"] == "oracle" and oracle["dice"] == pytest.approx(0.95) and oracle["patients"] == 3
    assert method["method"] == "supervoxels (photos)" and method["dice"] == pytest.approx((0.6 + 0.85 + 0.7) / 3)
    assert method["low"] < method["dice"] < method["high"] <= 1
    assert replay.average_dice([], {"a": 1.0}, {}) == []


def test_oracles_are_read_where_there_are_labels(tmp_path):
    for name, record in {"a": {"oracle_dice": 0.9}, "b": {"oracle_dice": None}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    table = tmp_path / "candidates.tsv"
    table.write_text(f"subject\trecord\tsha256\na\t{tmp_path}/a.json\t0\nb\t{tmp_path}/b.json\t0\n")
    assert replay.read_oracles(table) == {"a": 0.9} and replay.read_oracles([]) == {}


def test_the_words_show_published_slice_patient_and_verdict():
    honest, leaky = make([0.5, 0.7, 0.6, 0.8]), make([1.0, 1.0, 0.9, 1.0])
    rows = replay.compare_splits([*predict("folds", honest), *predict("slices", leaky)], task(honest))
    verdict = {"source": "photos", "strategy": "fine-tune", "task": "classification", "verdict": "undecided"}
    barred = verdict | {"verdict": "helps", "split": "slices"}
    dice = [{"method": "oracle", "dice": 0.9, "low": 0.8, "high": 0.95, "patients": 4}]
    words = replay.describe_replay(rows, dice, [verdict | {"split": "folds"}, barred], "ahuja-2020")
    line = next(line for line in words.splitlines() if "fine-tune" in line)
    assert line.split()[2:6] == ["slices", "0.975", "0.650", "+0.325"] and line.endswith("undecided")
    assert "slices: 40 slices of 4 patients, 4 of them in training too; 2 folds by patient, 1 seed\n" in words
    assert "accuracy (published 0.993); guessing 0.500 (slices)\n" in words
    assert "(published 0.932)" in words and "helps" not in words
