"""Simulated studies of a run's size: their truth, and the mistakes of the verdict on them."""

import itertools

import numpy as np
import pytest
from scipy import stats

from neurograft.stats import error_rates, paired_model, paired_verdict

STUDY = {"patients": 10, "folds": 5, "seeds": 1, "family": 2}
MARGIN = 0.13


@pytest.fixture(scope="module")
def table():
    """Ten patients in five folds, two comparisons."""
    return error_rates.tabulate_error_rates(STUDY, MARGIN, studies=400)


def test_the_rates_keep_what_is_promised(table):
    assert [(row["shape"], row["luck"]) for row in table] == list(error_rates.SCENARIOS)
    for row in table:
        assert row["false_verdicts"] <= 0.08 and row["false_equal"] <= 0.05
        assert 0.9 <= row["coverage"] <= 1
        assert row["power"] >= 0.6
        assert {name: row[name] for name in STUDY} == STUDY and row["studies"] == 400


def test_same_seed_same_table(table):
    assert error_rates.tabulate_error_rates(STUDY, MARGIN, studies=400) == table


def test_a_study_that_can_have_no_verdict_has_no_rates():
    assert error_rates.tabulate_error_rates(STUDY | {"patients": 3}, MARGIN, studies=5) == []


def test_a_verdict_without_its_guards_would_be_found_out(monkeypatch):
    # a rule that calls every mean above 0 a help: the table must show it
    monkeypatch.setattr(
        paired_verdict, "decide", lambda p, beyond: (np.zeros(p.shape, bool), np.ones(p.shape, bool), p)
    )
    rows = error_rates.tabulate_error_rates(STUDY, MARGIN, studies=100)
    assert all(row["false_verdicts"] > 0.5 for row in rows)


SIZES = [(6, 3, 1, 1), (10, 5, 1, 6), (20, 3, 3, 1)]


@pytest.mark.parametrize(("patients", "folds", "seeds", "family"), SIZES)
@pytest.mark.parametrize("shape", error_rates.SHAPES)
def test_mistakes_are_rare_in_every_kind_of_study(patients, folds, seeds, family, shape):
    """The long form, 2,000 studies in each of 1,350 settings, is `benchmarks/verdict_error_rates.py`."""
    study = {"patients": patients, "folds": folds, "seeds": seeds, "family": family}
    for luck in (0.0, 0.5):
        row = error_rates.rate_errors(study, shape, luck, 3 / np.sqrt(patients), np.random.default_rng(9), 250)
        # 250 studies: standard errors of 0.014 to 0.018
        assert row["false_verdicts"] <= 0.12 and row["false_equal"] <= 0.05 and row["coverage"] >= 0.87


@pytest.mark.parametrize(("patients", "folds"), [(10, 2), (10, 3), (40, 5)])
def test_coverage_holds_over_the_prior_of_the_luck(patients, folds):
    covered = []
    for number, size in enumerate((np.arange(12) + 0.5) / 12):
        luck = paired_model.LUCK * stats.norm.ppf((1 + size) / 2) ** paired_model.SHAPE
        study = {"patients": patients, "folds": folds, "seeds": 1, "family": 1}
        row = error_rates.rate_errors(study, "normal", luck, 0.1, np.random.default_rng(number), 200)
        covered.append(row["coverage"])
    assert 0.93 <= np.mean(covered) <= 0.975


@pytest.mark.parametrize(("shape", "luck"), list(itertools.product(error_rates.SHAPES, (0.0, 0.5))))
def test_the_studies_are_what_they_say(shape, luck):
    study = STUDY | {"family": 3}
    pairs = error_rates.simulate_studies(np.random.default_rng(0), study, shape, luck, 4000)
    made = pairs.values
    assert made.shape == (4000, 3, 10, 1) and pairs.sets[:, 0].tolist() == [0, 1, 2, 3, 4] * 2 and pairs.parts is None
    one = made[:, 0, 0, 0]
    noise = error_rates.SEED_NOISE**2
    assert one.mean() == pytest.approx(0, abs=0.06)
    assert one.var() == pytest.approx(1 + luck**2 + noise, rel=0.35 if shape == "heavy tails" else 0.12)
    own = made[:, 0, 0, 0] - made[:, 0, 5, 0]  # the same fold: what it shares drops out
    assert own.var() == pytest.approx(2 + 2 * noise, rel=0.35 if shape == "heavy tails" else 0.12)
    if shape in ("skewed", "very skewed"):
        assert stats.skew(one) < -0.4
    # half of everything is the shared control
    assert np.corrcoef(one, made[:, 1, 0, 0])[0, 1] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("patients", "folds", "repeats", "seeds"), [(10, 2, 3, 1), (20, 3, 2, 2)])
@pytest.mark.parametrize("shape", ["normal", "very skewed"])
def test_repeats_of_the_same_patients_make_no_patients(patients, folds, repeats, seeds, shape):
    study = {"patients": patients, "folds": folds, "seeds": seeds, "family": 2, "repeats": repeats}
    for luck in (0.0, 0.5):
        row = error_rates.rate_errors(study, shape, luck, 3 / np.sqrt(patients), np.random.default_rng(9), 250)
        assert row["false_verdicts"] <= 0.12 and row["false_equal"] <= 0.05 and row["coverage"] >= 0.87
        assert row["repeats"] == repeats


def test_repeats_find_more_of_the_same_difference():
    power = []
    for repeats in (1, 3):
        study = STUDY | {"patients": 20, "folds": 3, "repeats": repeats}
        pairs = error_rates.simulate_studies(np.random.default_rng(1), study, "normal", 0.25, 300)
        assert pairs.values.shape == (300, 2, 20, 1) and pairs.folds == 3 * repeats
        moved = paired_model.shift(paired_model.fit(pairs), 0.8)
        power.append(float(np.mean(moved.below(0.0) <= 0.025)))
    assert power[1] > power[0] + 0.1
