"""Simulated studies of a run's size: their truth, and the mistakes of the verdict on them."""

import numpy as np
import pytest
from scipy import stats

from neurograft.stats import error_rates, paired_verdict


@pytest.fixture(scope="module")
def table():
    """Ten patients in five folds, two comparisons."""
    return error_rates.tabulate_error_rates(10, 5, 2, studies=300)


def test_the_rates_keep_what_is_promised(table):
    assert [(row["skew"], row["fold_effect"]) for row in table] == list(error_rates.SCENARIOS)
    for row in table:
        assert row["false_verdicts"] <= 0.08
        assert 0.9 <= row["coverage"] <= 0.99  # 300 studies: a standard error of 0.01
        assert row["power"] >= 0.75
        assert (row["patients"], row["folds"], row["family"], row["studies"]) == (10, 5, 2, 300)


def test_same_seed_same_table(table):
    assert error_rates.tabulate_error_rates(10, 5, 2, studies=300) == table


def test_a_study_that_can_have_no_verdict_has_no_rates():
    for refused in ((6, 3, 2), (20, 2, 1), (1, 1, 1)):
        assert error_rates.tabulate_error_rates(*refused, studies=5) == []


def test_a_verdict_without_its_guards_would_be_found_out(monkeypatch):
    # a rule that calls every mean above 0 a help: the table must show it
    monkeypatch.setattr(
        paired_verdict, "judge", lambda one, p, family: ("helps" if one["mean"] > 0 else "no evidence", "")
    )
    rows = error_rates.tabulate_error_rates(10, 5, 2, studies=100)
    assert all(row["false_verdicts"] > 0.5 for row in rows)


@pytest.mark.parametrize(("skew", "fold_effect"), error_rates.SCENARIOS)
def test_the_studies_are_what_they_say(skew, fold_effect):
    made = error_rates.simulate_studies(np.random.default_rng(0), 4000, 10, 5, 3, skew, fold_effect)
    assert made.shape == (4000, 3, 10)
    one = made[:, 0, 0]
    assert one.mean() == pytest.approx(0, abs=0.06)
    assert one.var() == pytest.approx(1 + fold_effect**2, rel=0.12)
    own = made[:, 0, 0] - made[:, 0, 5]  # the same fold: what it shares drops out
    assert own.var() == pytest.approx(2, rel=0.12)
    if not fold_effect:
        assert stats.skew(one) == pytest.approx(-skew, abs=0.15)
    # half of everything is the shared control
    assert np.corrcoef(one, made[:, 1, 0])[0, 1] == pytest.approx(0.5, abs=0.06)
    assert np.corrcoef(one, made[:, 0, 5])[0, 1] == pytest.approx(fold_effect**2 / (1 + fold_effect**2), abs=0.06)
