"""A comparison of strategies that knows what it may say."""

import itertools

import numpy as np
import pytest

from helpers.fake_cases import CELL
from neurograft.evaluation import comparison

JUDGING = comparison.Judging({"dice": 0.02})


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


@pytest.mark.parametrize(("gain", "verdict"), [(0.08, "helps"), (-0.08, "hurts"), (0.0, "undecided")])
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


def test_scratch_against_scratch_neither_helps_nor_hurts():
    verdicts = []
    for repeat in range(20):
        rows = study(0.0, strategies=("scratch", "lp-ft"), seed=repeat)
        verdicts.append(comparison.compare_strategies(rows)[0]["verdict"])
    assert verdicts.count("undecided") + verdicts.count("no practical difference") >= 18


def test_seeds_stay_apart_where_both_sides_have_them_and_no_patient_counts_twice():
    rows = study(0.05, seeds=3)
    made = pick(comparison.compare_strategies(rows), strategy="lp-ft", region="WT", against="scratch")
    assert (made["patients"], made["folds"], made["seeds"]) == (10, 5, 3)
    # seeds that differ between the sides can only be averaged
    other = [row | {"seed": row["seed"] + 10 * (row["strategy"] == "lp-ft")} for row in rows]
    averaged = pick(comparison.compare_strategies(other), strategy="lp-ft", region="WT", against="scratch")
    assert averaged["seeds"] == 1 and averaged["mean_difference"] == pytest.approx(made["mean_difference"])
    # a patient whom one seed lacks is worth more than the seeds
    fewer = [row for row in rows if not (row["subject"] == "p3" and row["seed"] == 2 and row["strategy"] == "lp-ft")]
    kept = pick(comparison.compare_strategies(fewer), strategy="lp-ft", region="WT", against="scratch")
    assert (kept["patients"], kept["seeds"]) == (10, 1)
    text = [{key: str(value) for key, value in row.items()} for row in rows]
    assert comparison.compare_strategies(text)[0]["mean_difference"] == pytest.approx(
        comparison.compare_strategies(rows)[0]["mean_difference"]
    )


def test_a_difference_within_the_margin_is_no_practical_one():
    rows = study(0.001, patients=40, noise=0.005)
    wanted = {"strategy": "lp-ft", "region": "WT", "against": "scratch"}
    assert pick(comparison.compare_strategies(rows, judging=JUDGING), **wanted)["verdict"] == "no practical difference"
    without = pick(comparison.compare_strategies(rows), **wanted)
    assert without["margin"] == 0 and without["verdict"] != "no practical difference"


def test_what_cannot_be_judged_keeps_its_numbers():
    refusing = comparison.Judging({"dice": 0.02}, "patients are not known")
    row = pick(comparison.compare_strategies(study(0.08), judging=refusing), strategy="lp-ft", region="WT",
               against="scratch")  # fmt: skip
    assert (row["verdict"], row["reason"]) == ("refused", "patients are not known") and row["p_better"] > 0.9


def test_without_segmentation_the_verdict_is_about_classes():
    rows = [row | {"task": "classification", "region": "", "metric": "accuracy"} for row in study(0.08)
            if row["region"] == "WT"]  # fmt: skip
    verdicts = [row["verdict"] for row in comparison.compare_strategies(rows) if row["verdict"]]
    assert len(verdicts) == 1


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


def test_few_patients_have_a_verdict_and_three_are_refused():
    for patients, refused in ((5, False), (3, True)):
        made = comparison.compare_strategies(study(0.08, patients=patients))
        row = pick(made, strategy="lp-ft", region="WT", against="scratch")
        assert (row["verdict"] == "refused") == refused


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
    rows = comparison.compare_again(scores, judging=JUDGING)
    assert len(rows) == 1
    assert (rows[0]["strategy"], rows[0]["against"], rows[0]["region"]) == (comparison.AGAIN, "scratch", "WT")
    assert rows[0]["verdict"] not in ("helps", "hurts") and rows[0]["patients"] == 10
    assert abs(rows[0]["mean_difference"]) < 0.02
    # a second training that is better than the first for whatever reason would be seen
    better = [row | {"value": row["value"] + 0.1 * (row["seed"] > 0)} for row in scores]
    assert comparison.compare_again(better)[0]["verdict"] == "helps"
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
    for _ in range(40):
        level = rng.normal(0.8, 0.1, 15)
        rows = []
        for (source, strategy), seed in itertools.product(arms, range(2)):
            values = level + rng.normal(0, 0.04, 5)[np.arange(15) % 5] + rng.normal(0, 0.05, 15)
            cell = CELL | {"source": source, "strategy": strategy, "n": "8", "seed": seed}
            measured = {"region": "WT", "metric": "dice"}
            rows += [cell | measured | {"fold": k % 5, "subject": f"p{k}", "value": v} for k, v in enumerate(values)]
        verdicts = [row["verdict"] for row in comparison.compare_strategies(rows) if row["verdict"]]
        assert len(verdicts) == 6
        wrong += any(verdict in ("helps", "hurts") for verdict in verdicts)
    assert wrong / 40 <= 0.1


def test_no_interval_of_a_difference_leaves_the_range_of_the_metric():
    rows = study(0, patients=4, folds=2, seeds=1)
    for row in rows:
        # one fold is all right with the one, the other fold with the other
        row["value"] = float((row["strategy"] == "lp-ft") == (row["fold"] == 0))
    row = pick(comparison.compare_strategies(rows), strategy="lp-ft", region="WT", against="scratch")
    assert -1 <= row["low"] < row["mean_difference"] == 0 < row["high"] <= 1


@pytest.mark.parametrize(("names", "judged"), [(("all", "anterior"), "all"), (("lesion", "lesion"), "lesion")])
def test_verdicts_are_about_all_of_a_user_s_own_labels_or_the_one(names, judged):
    renamed = dict(zip(("WT", "TC"), names, strict=True))
    rows = [
        row | {"region": renamed[row["region"]]} for row in study(0.08) if row["region"] == "WT" or len({*names}) > 1
    ]
    found = [row for row in comparison.compare_strategies(rows) if row["verdict"]]
    assert [(row["region"], row["strategy"], row["verdict"]) for row in found] == [(judged, "lp-ft", "helps")]


def beside(rows, names=("nnunet",), gain=0.1, noise=0.02):
    """Scores of other programs' masks of the same patients: one row of each patient and region, whatever the seeds."""
    rng = np.random.default_rng(9)
    single = [row for row in rows if row["strategy"] == "scratch" and row["seed"] == 0]
    change = {"source": "external"}
    return [
        row | change | {"strategy": name, "value": row["value"] + gain + rng.normal(0, noise)}
        for name in names
        for row in single
    ]


def test_other_programs_are_judged_beside_the_primary_family():
    """Their number makes no verdict on transfer harder, nor the other way round."""
    ours = study(0.03, patients=12, noise=0.05)
    alone = pick(comparison.compare_strategies(ours), strategy="lp-ft", region="WT", against="scratch")
    both = comparison.compare_strategies(ours + beside(ours, ("nnunet", "other", "third")))
    for name in ("p", "p_adjusted", "verdict", "low", "high"):
        assert pick(both, strategy="lp-ft", region="WT", against="scratch")[name] == alone[name]
    judged = [row for row in both if row["source"] == "external" and row["verdict"]]
    assert [(row["strategy"], row["region"], row["against"]) for row in judged] == [
        (name, "WT", "scratch") for name in ("nnunet", "other", "third")
    ]
    single = comparison.compare_strategies(ours + beside(ours))
    (row,) = [row for row in single if row["source"] == "external" and row["verdict"]]
    assert row["verdict"] == "helps" and row["mean_difference"] == pytest.approx(0.1, abs=0.05)
    assert row["p_adjusted"] == row["p"] == judged[0]["p"], "alone in its family"
    assert sum(row["p_adjusted"] for row in judged) > sum(row["p"] for row in judged)


def test_other_programs_are_held_against_scratch_alone_of_the_first_source():
    ours = study(0.0, seeds=1, noise=0.0)
    more = [row | {"source": "heads", "value": row["value"] - 0.1} for row in ours if row["strategy"] == "scratch"]
    rows = comparison.compare_strategies(ours + more + beside(ours, gain=0.1, noise=0.0))
    compared = [row for row in rows if row["source"] == "external"]
    assert {row["against"] for row in compared} == {"scratch"} and {row["region"] for row in compared} == {"WT", "TC"}
    assert all(row["mean_difference"] == pytest.approx(0.1) for row in compared), "no mean of unlike networks"
