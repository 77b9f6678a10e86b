"""Gaps between groups, against simulated cohorts whose gap is known."""

import itertools

import numpy as np
import pytest

from neurograft.evaluation import fairness


def cohort(rng, sizes, shifts):
    """Scores, and groups whose means differ by the shifts."""
    names = [f"p{k:03d}" for k in range(sum(sizes))]
    groups = np.repeat(list("abcdefgh")[: len(sizes)], sizes)
    values = rng.normal(0.8, 0.1, len(names)) + np.repeat(shifts, sizes)
    return dict(zip(names, values)), dict(zip(names, groups))


@pytest.mark.parametrize("sizes", [(8, 8), (10, 10, 10), (9, 12, 30)])
def test_a_gap_that_is_chance_is_rarely_called_one(sizes, monkeypatch):
    monkeypatch.setattr(fairness, "DRAWS", 400)
    rng = np.random.default_rng(0)
    rows = [fairness.subgroup_gaps(scores, {"site": owner})[0] for scores, owner in
            (cohort(rng, sizes, [0] * len(sizes)) for _ in range(400))]  # fmt: skip
    assert 0.02 <= np.mean([row["p"] <= 0.05 for row in rows]) <= 0.08
    # above 0 all the same, and the null knows by how much
    assert np.mean([row["gap"] for row in rows]) > 0.02
    assert np.mean([row["gap"] for row in rows]) == pytest.approx(np.mean([row["expected"] for row in rows]), rel=0.1)


def test_a_real_gap_is_found_and_named():
    scores, owner = cohort(np.random.default_rng(1), (12, 12, 12), [0, 0, -0.3])
    (row,) = fairness.subgroup_gaps(scores, {"site": owner})
    assert row["p"] < 0.001 and row["worst"] == "c" and row["gap"] == pytest.approx(0.3, abs=0.1)
    assert row["groups"].startswith("a: 12, 0.") and row["patients"] == 36


def test_p_equals_all_permutations():
    values, groups = np.array([0.1, 0.4, 0.3, 0.9, 0.7, 0.8]), np.array([0, 1, 0, 1, 0, 1])
    gaps = [
        abs(values[list(own)].mean() - np.delete(values, own).mean()) for own in itertools.combinations(range(6), 3)
    ]
    gap, expected, p = fairness.permutation_gap(values, groups)
    assert gap == pytest.approx(values[1::2].mean() - values[::2].mean())
    assert p == pytest.approx(np.mean(np.array(gaps) >= gap - 1e-9), abs=0.02)
    assert expected == pytest.approx(np.mean(gaps), abs=0.01)


def test_small_groups_get_no_p():
    scores, owner = cohort(np.random.default_rng(2), (12, 7), [0, -0.5])
    (row,) = fairness.subgroup_gaps(scores, {"sex": owner})
    assert np.isnan(row["p"]) and np.isnan(row["gap"]) and "fewer than two groups have 8" in row["reason"]
    assert "b: 7" in row["groups"]
    # a third group that is too small neither widens the gap nor is named the worst
    scores, owner = cohort(np.random.default_rng(2), (12, 12, 3), [0, 0, -0.5])
    (row,) = fairness.subgroup_gaps(scores, {"site": owner})
    assert row["patients"] == 24 and row["gap"] < 0.3 and row["worst"] in "ab" and "c: 3" in row["groups"]


def test_attributes_share_the_error_rate():
    scores, owner = cohort(np.random.default_rng(3), (20, 20), [0, -0.08])
    alone = fairness.subgroup_gaps(scores, {"sex": owner})[0]
    unknown = dict.fromkeys(scores, "n/a")
    mixed = {name: str(k % 2) for k, name in enumerate(scores)}
    first, none, second = fairness.subgroup_gaps(scores, {"sex": owner, "age": unknown, "site": mixed})
    assert first["p"] == alone["p"] == alone["p_adjusted"]
    assert first["p_adjusted"] == pytest.approx(2 * first["p"]) and np.isnan(none["p_adjusted"])
    assert none["groups"] == "" and none["patients"] == 0 and second["p_adjusted"] <= 1


def test_patients_without_group_or_score_are_left_out():
    scores, owner = cohort(np.random.default_rng(4), (10, 10), [0, 0])
    scores["p000"], owner["p001"] = np.nan, None
    del owner["p010"]
    (row,) = fairness.subgroup_gaps(scores, {"sex": owner})
    assert row["patients"] == 17 and row["reason"] == ""


def test_equal_scores_have_no_gap():
    scores, owner = cohort(np.random.default_rng(5), (8, 8), [0, 0])
    (row,) = fairness.subgroup_gaps(dict.fromkeys(scores, 1.0), {"sex": owner})
    assert (row["gap"], row["p"]) == (0, 1)


@pytest.mark.parametrize(
    ("age", "group"),
    [("39.9", "under 40"), (40, "40 to 59"), ("59Y", "40 to 59"), (60, "60 and over"), ("n/a", ""), ("", ""), (-1, ""),
     (float("nan"), "")],
)  # fmt: skip
def test_age_groups(age, group):
    assert fairness.age_group(age) == group


@pytest.mark.parametrize(
    ("attribute", "columns", "column"),
    [
        ("sex", ["race", "Gender"], "Gender"),
        ("age", ["stage", "age_at_initial_pathologic"], "age_at_initial_pathologic"),
        ("grade", ["neoplasm_histologic_grade"], "neoplasm_histologic_grade"),
        ("grade", ["degraded"], ""),
        ("age", ["image"], ""),
        ("site", ["tumor_tissue_site"], ""),
    ],
)
def test_columns_are_known_by_their_usual_names(attribute, columns, column):
    assert fairness.name_column(columns, attribute) == column


def test_tumours_are_halved_at_the_median_and_no_tumour_is_in_neither_half():
    groups = fairness.size_groups({"a": 1.0, "b": 2.0, "c": 40.0, "d": 50.0, "none": 0.0})
    assert groups == {"a": fairness.SMALLER, "b": fairness.SMALLER, "c": fairness.LARGER, "d": fairness.LARGER}
    assert fairness.size_groups({"none": 0.0}) == {}
