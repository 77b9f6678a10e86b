"""A comparison of strategies that knows what it may say."""

import itertools

import numpy as np
import pytest

from helpers.fake_cases import CELL
from neurograft.evaluation import comparison


def study(gain, patients=10, folds=5, strategies=("scratch", "frozen-random", "lp-ft"), seeds=2, noise=0.02, seed=0):
    """Scores of a made-up experiment in which every strategy but scratch gains `gain`."""
    rng = np.random.default_rng(seed)
    level = rng.normal(0.8, 0.08, patients)
    rows = []
    for strategy in strategies:
        for repeat in range(seeds):
            for patient in range(patients):
                for region in ("WT", "TC"):
                    value = level[patient] + (strategy == "lp-ft") * gain + rng.normal(0, noise)
                    cell = CELL | {"strategy": strategy, "seed": repeat, "fold": patient % folds}
                    rows.append(cell | {"subject": f"p{patient}", "region": region, "metric": "dice", "value": value})
    return rows


def pick(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("gain", "verdict"), [(0.08, "helps"), (-0.08, "hurts"), (0.0, "no evidence")])
def test_verdict_of_the_primary_family_only(gain, verdict):
    rows = comparison.compare_strategies(study(gain))
    assert tuple(rows[0]) == comparison.COMPARISON
    primary = pick(rows, strategy="lp-ft", region="WT", against="scratch")
    assert primary["verdict"] == verdict and primary["reason"] and primary["patients"] == 10
    assert primary["mean_difference"] == pytest.approx(gain, abs=0.02) and primary["better"] == "higher"
    assert primary["low"] < primary["mean_difference"] < primary["high"]
    second = pick(rows, strategy="lp-ft", region="WT", against="frozen-random")
    control = pick(rows, strategy="frozen-random", region="WT")
    for row in (second, control, pick(rows, strategy="lp-ft", region="TC", against="scratch")):
        assert row["verdict"] == "" and np.isnan(row["p"]) and np.isfinite(row["low"])
    assert control["against"] == "scratch"


def test_scratch_against_scratch_says_no_evidence():
    verdicts = []
    for repeat in range(20):
        rows = study(0.0, strategies=("scratch", "lp-ft"), seed=repeat)
        verdicts.append(comparison.compare_strategies(rows)[0]["verdict"])
    assert verdicts.count("no evidence") >= 18


def test_seeds_are_averaged_inside_a_patient():
    rows = study(0.05, seeds=3)
    doubled = rows + [dict(row, seed=row["seed"] + 10) for row in rows]
    first, second = (comparison.compare_strategies(each) for each in (rows, doubled))
    assert pick(second, strategy="lp-ft", region="WT", against="scratch") == pytest.approx(
        pick(first, strategy="lp-ft", region="WT", against="scratch"), nan_ok=True
    )
    text = [{key: str(value) for key, value in row.items()} for row in rows]
    assert comparison.compare_strategies(text)[0]["mean_difference"] == pytest.approx(first[0]["mean_difference"])


def test_time_points_count_as_one_patient():
    owner = {f"p{index}": f"q{index // 2}" for index in range(10)}
    row = comparison.compare_strategies(study(0.05), patients=owner)[0]
    assert row["patients"] == 5


def test_only_the_largest_n_has_a_verdict_and_n_is_never_mixed():
    rows = study(0.08) + [dict(row, n=4, value=row["value"] - 0.2) for row in study(0.0, seed=1)]
    made = comparison.compare_strategies(rows)
    assert pick(made, strategy="lp-ft", n="all", region="WT", against="scratch")["verdict"] == "helps"
    small = pick(made, strategy="lp-ft", n="4", region="WT", against="scratch")
    assert small["verdict"] == "" and abs(small["mean_difference"]) < 0.02


@pytest.mark.parametrize(("key", "other"), [("space", "native"), ("split", "sites")])
def test_spaces_and_splits_are_never_mixed_and_only_the_primary_ones_have_a_verdict(key, other):
    rows = study(0.08) + [dict(row, **{key: other}) for row in study(-0.08, seed=1)]
    made = comparison.compare_strategies(rows)
    first = pick(made, strategy="lp-ft", region="WT", against="scratch", **{key: CELL[key]})
    second = pick(made, strategy="lp-ft", region="WT", against="scratch", **{key: other})
    assert first["verdict"] == "helps" and second["verdict"] == "" and second["mean_difference"] < -0.05
    primary = {"space": CELL["space"], "split": CELL["split"]} | {key: other}
    primary = {"space": CELL["space"], "split": CELL["split"]} | {key: other}
    turned = comparison.compare_strategies(rows, primary=primary)
    assert pick(turned, strategy="lp-ft", region="WT", against="scratch", **{key: other})["verdict"] == "hurts"


def test_what_bars_a_verdict():
    rows = study(0.08)
    cells = [
        CELL | {"strategy": name, "fold": fold, "converged": True} for name in ("scratch", "lp-ft") for fold in range(5)
    ]
    made = pick(comparison.compare_strategies(rows, cells), strategy="lp-ft", region="WT", against="scratch")
    assert made["verdict"] == "helps"
    cells[2]["converged"] = False
    made = pick(comparison.compare_strategies(rows, cells), strategy="lp-ft", region="WT", against="scratch")
    assert made["verdict"] == "not converged" and "1 of 10 trainings" in made["reason"]
    few = comparison.compare_strategies(study(0.08, patients=5))
    assert pick(few, strategy="lp-ft", region="WT", against="scratch")["verdict"] == "refused"


def test_the_control_of_the_same_source_comes_first():
    rows = study(0.05)
    other = [dict(row, source="s2", value=row["value"] - 0.3) for row in rows if row["strategy"] == "lp-ft"]
    made = comparison.compare_strategies(rows + other)
    borrowed = pick(made, source="s2", strategy="lp-ft", region="WT", against="scratch")
    assert borrowed["mean_difference"] == pytest.approx(-0.25, abs=0.02) and borrowed["verdict"] == "hurts"
    own = [dict(row, source="s2", value=row["value"] - 0.3) for row in rows if row["strategy"] == "scratch"]
    made = comparison.compare_strategies(rows + other + own)
    assert pick(made, source="s2", strategy="lp-ft", region="WT", against="scratch")["mean_difference"] > 0


def test_without_a_control_of_its_dimensions_an_arm_is_compared_with_nothing():
    rows = study(0.05, strategies=("scratch", "lp-ft"))
    rows = [row | {"source": "heads"} if row["strategy"] == "scratch" else row for row in rows]
    kin = {"heads": (3, "resnet"), "efficientnet-lite0": (2, "lite")}
    assert comparison.compare_strategies(rows, kin=kin) == []
    assert len(comparison.compare_strategies(rows)) == 2


def test_scratch_is_compared_with_itself_trained_again():
    scores = study(0.08, strategies=("scratch", "lp-ft"), seeds=3)
    cells = [{**CELL, "strategy": s, "seed": k, "converged": True} for s in ("scratch", "lp-ft") for k in range(3)]
    rows = comparison.compare_again(scores, cells)
    assert len(rows) == 1
    assert (rows[0]["strategy"], rows[0]["against"], rows[0]["region"]) == (comparison.AGAIN, "scratch", "WT")
    assert rows[0]["verdict"] == "no evidence" and rows[0]["patients"] == 10
    assert abs(rows[0]["mean_difference"]) < 0.02
    # a second training that is better than the first for whatever reason would be seen
    better = [row | {"value": row["value"] + 0.1 * (row["seed"] > 0)} for row in scores]
    assert comparison.compare_again(better, cells)[0]["verdict"] == "helps"
    assert comparison.compare_again(scores, [cells[0] | {"converged": False}])[0]["verdict"] == "not converged"
    assert comparison.compare_again(study(0.08, seeds=1)) == [] and comparison.compare_again([]) == []


def test_nothing_to_compare():
    assert comparison.compare_strategies([]) == []
    assert comparison.compare_strategies(study(0.1, strategies=("lp-ft",))) == []
    pooled = [dict(row, subject="") for row in study(0.1)]
    assert comparison.compare_strategies(pooled) == []


def test_scores_of_equal_strategies_from_several_sources_give_few_verdicts():
    """A/A from rows of scores to verdicts: three sources by two strategies, a lucky run lifts all of its fold."""
    rng = np.random.default_rng(0)
    arms = [("a", "scratch"), *((source, strategy) for source in "abc" for strategy in ("fine-tune", "frozen"))]
    wrong = 0
    for _ in range(80):
        level = rng.normal(0.8, 0.1, 15)
        rows = []
        for (source, strategy), seed in itertools.product(arms, range(2)):
            values = level + rng.normal(0, 0.04, 5)[np.arange(15) % 5] + rng.normal(0, 0.05, 15)
            cell = CELL | {"source": source, "strategy": strategy, "n": "8", "seed": seed}
            measured = {"region": "WT", "metric": "dice"}
            rows += [cell | measured | {"fold": k % 5, "subject": f"p{k}", "value": v} for k, v in enumerate(values)]
        verdicts = [row["verdict"] for row in comparison.compare_strategies(rows) if row["verdict"]]
        assert len(verdicts) == 6
        wrong += any(verdict != "no evidence" for verdict in verdicts)
    assert wrong / 80 <= 0.08


def test_no_interval_of_a_difference_leaves_the_range_of_the_metric():
    rows = study(0, patients=4, folds=2, seeds=1)
    for row in rows:
        # one fold is all right with the one, the other fold with the other
        row["value"] = float((row["strategy"] == "lp-ft") == (row["fold"] == 0))
    row = pick(comparison.compare_strategies(rows), strategy="lp-ft", region="WT", against="scratch")
    assert (row["low"], row["mean_difference"], row["high"]) == (-1, 0, 1)


@pytest.mark.parametrize(("names", "judged"), [(("all", "anterior"), "all"), (("lesion", "lesion"), "lesion")])
def test_verdicts_are_about_all_of_a_user_s_own_labels_or_the_one(names, judged):
    renamed = dict(zip(("WT", "TC"), names, strict=True))
    rows = [
        row | {"region": renamed[row["region"]]} for row in study(0.08) if row["region"] == "WT" or len({*names}) > 1
    ]
    found = [row for row in comparison.compare_strategies(rows) if row["verdict"]]
    assert [(row["region"], row["strategy"], row["verdict"]) for row in found] == [(judged, "lp-ft", "helps")]
