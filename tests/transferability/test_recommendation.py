"""The ranking of sources, and what it says of itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_scores import write_source
from neurograft.core import tables
from neurograft.transferability import recommendation, scores

BETTER = {"logme": "higher", "gbc": "higher", "distance": "lower"}


def rows(**sources):
    """Scores of sources, in the order of `BETTER`; None is no value."""
    return [
        {"space": "MNI152", "source": name, "score": score, "value": "n/a" if value is None else value}
        | {"better": BETTER[score], "patients": "4", "left_out": "0", "reason": "" if value is not None else "none"}
        for name, values in sources.items()
        for score, value in zip(BETTER, values)
    ]


def ranked(**sources):
    return {row["source"]: row for row in recommendation.rank_sources(rows(**sources))}


def test_ranks_are_averaged_over_scores_whatever_their_direction():
    found = ranked(poor=(0, 1, 9), good=(2, 2, 1), middle=(1, 3, 5))
    assert list(found) == ["good", "middle", "poor"]
    assert [row["mean_rank"] for row in found.values()] == pytest.approx([4 / 3, 5 / 3, 3])
    assert [row["rank"] for row in found.values()] == [1, 2, 3]
    assert found["good"]["logme"] == 2 and found["good"]["scores"] == 3 and found["good"]["patients"] == 4


def test_a_missing_score_drops_the_source_there_and_favours_nobody():
    """Two of four have a gbc: ranks 1 and 2 of 2 count as 1.5 and 3.5 of 4, as if they were any two of them."""
    found = ranked(a=(4, 4, 1), b=(3, 3, 2), c=(2, None, 3), d=(1, None, 4))
    assert found["a"]["mean_rank"] == pytest.approx((1 + 1.5 + 1) / 3)
    assert found["b"]["mean_rank"] == pytest.approx((2 + 3.5 + 2) / 3)
    assert (found["c"]["mean_rank"], found["c"]["scores"]) == (3, 2)
    alone = ranked(a=(1, 5, 1), b=(1, None, 1))
    assert alone["a"]["mean_rank"] == alone["b"]["mean_rank"] == 1.5


def test_ties_are_shown():
    found = ranked(a=(1, 2, 1), b=(2, 1, 1), c=(0, 0, 0.5))
    assert found["a"]["rank"] == found["b"]["rank"]
    words = recommendation.describe_recommendation(recommendation.rank_sources(rows(a=(1, 1, 1), b=(1, 1, 1))))
    assert [line[:7] for line in words[3:5]] == ["  1=  a", "  1=  b"]


def test_a_source_without_any_score_is_named_with_its_reason():
    words = recommendation.describe_recommendation(recommendation.rank_sources(rows(a=(1, 1, 1), b=(None, None, None))))
    assert "b: not ranked (none)" in words and "One source alone has nothing to be ranked against." in words
    nothing = recommendation.describe_recommendation(recommendation.rank_sources(rows(b=(None, None, None))))
    assert nothing[0] == "No source could be scored." and "b: not ranked (none)" in nothing


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcdefg"), st.tuples(*[st.none() | st.integers(-5, 5).map(float)] * 3), min_size=1, max_size=7
    )
)
def test_mean_ranks_are_ranks(sources):
    found = recommendation.rank_sources(rows(**sources))
    assert sorted(row["source"] for row in found) == sorted(sources)
    placed = [row for row in found if row["rank"] is not None]
    assert all(row["rank"] is None for row in found[len(placed) :])
    assert [row["mean_rank"] for row in placed] == sorted(row["mean_rank"] for row in placed)
    assert all(0.5 < row["mean_rank"] < len(found) + 0.5 for row in placed)
    if all(None not in values for values in sources.values()):
        assert np.mean([row["mean_rank"] for row in placed]) == pytest.approx((len(found) + 1) / 2)


def test_a_planted_source_is_ranked_first_and_random_features_last(tmp_path):
    apart = {"some": 0.5, "planted": 2.0, "nothing": 0.0}
    scored = []
    for number, (name, distance) in enumerate(apart.items()):
        folder = write_source(tmp_path / name, distance, seed=number)
        scored += scores.score_features(folder, "MNI152", name)
    tables.write_table(tmp_path / "scores.tsv", scored, scores.SCORED)
    found, words = recommendation.recommend_sources(tables.read_table(tmp_path / "scores.tsv"), tmp_path / "audit.tsv")
    assert [row["source"] for row in found] == ["planted", "some", "nothing"]
    assert found[0]["patients"] == 3 and set(found[0]) == set(recommendation.RANKED)
    assert words[0].endswith("of 3 labelled patients:")


def test_the_warning_is_always_there_and_the_audit_where_it_was_made(tmp_path):
    scored = rows(a=(1, 1, 1), b=(2, 2, 2))
    _, words = recommendation.recommend_sources(scored, tmp_path / "audit.tsv")
    assert recommendation.WARNING in words and "have not been held against measured gains" in words[-1]
    audit = [{"score": "logme", "verdict": "do not use", "reason": "the interval contains 0"}]
    tables.write_table(tmp_path / "audit.tsv", audit)
    _, words = recommendation.recommend_sources(scored, tmp_path / "audit.tsv")
    assert recommendation.WARNING in words and "  logme: do not use (the interval contains 0)" in words


def test_a_source_that_has_seen_the_patients_has_no_rank(tmp_path):
    rows = [
        {
            "space": "MNI152",
            "source": source,
            "score": "logme",
            "better": "higher",
            "value": value,
            "patients": 5,
            "reason": "",
        }
        for source, value in (("a", 1.0), ("b", 2.0))
    ]
    ranked, words = recommendation.recommend_sources(rows, tmp_path / "none", {"b": "it has seen these patients"})
    assert [(row["source"], row["rank"]) for row in ranked] == [("a", 1), ("b", None)]
    assert "b: not ranked (it has seen these patients)" in words
