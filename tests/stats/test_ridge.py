"""The regression finds a known line, leaves constant features alone, and shrinks to the mean where there is nothing."""

import numpy as np
import pytest

from neurograft.stats import ridge


def test_a_known_line_is_found():
    random = np.random.default_rng(0)
    features = random.normal(5, [1, 100], (200, 2))
    values = 3 + 2 * features[:, 0] - 0.01 * features[:, 1]
    fitted = ridge.fit_ridge(features, values)
    assert fitted.penalty == min(ridge.PENALTIES)
    fresh = random.normal(5, [1, 100], (50, 2))
    assert np.abs(fitted.predict(fresh) - (3 + 2 * fresh[:, 0] - 0.01 * fresh[:, 1])).max() < 0.2


def test_of_noise_little_more_than_the_mean_is_left():
    random = np.random.default_rng(1)
    features, values = random.normal(0, 1, (15, 7)), random.normal(2, 1, 15)
    fitted = ridge.fit_ridge(features, values)
    assert fitted.penalty > 1 and np.ptp(fitted.predict(features)) < 0.5 * np.ptp(values)


def test_the_penalty_is_that_of_the_smallest_error_on_rows_left_out():
    """The closed form against fits that leave each row out; the scale of the features is that of all rows."""
    random = np.random.default_rng(2)
    features = random.normal(0, 1, (12, 3))
    values = features @ [1, 0.5, 0] + random.normal(0, 1, 12)
    centre, scale = ridge.standardise(features)
    scaled = (features - centre) / scale
    errors = []
    for penalty in ridge.PENALTIES:
        left_out = []
        for row in range(12):
            kept = np.arange(12) != row
            # the same intercept and penalty as in the closed form
            design = np.column_stack([np.ones(12), scaled])[kept]
            weights = np.linalg.solve(design.T @ design + 12 * penalty * np.diag([0, 1, 1, 1]), design.T @ values[kept])
            left_out.append(values[row] - np.r_[1, scaled[row]] @ weights)
        errors.append(np.mean(np.square(left_out)))
    assert ridge.fit_ridge(features, values).penalty == ridge.PENALTIES[int(np.argmin(errors))]


def test_a_constant_feature_counts_for_nothing_and_no_feature_gives_the_mean():
    values = np.array([1.0, 2, 3, 6])
    fitted = ridge.fit_ridge(np.full((4, 1), 7.0), values)
    assert fitted.predict(np.array([[7.0], [1e6]])).tolist() == [3, 3]
    assert ridge.fit_ridge(np.empty((4, 0)), values).predict(np.empty((2, 0))).tolist() == [3, 3]
    assert ridge.fit_ridge(np.array([[1.0], [2]]), np.array([0.0, 1])).predict(np.array([[9.0]])).tolist() == [0.5]


@pytest.mark.parametrize(("features", "values"), [(np.empty((0, 2)), []), ([[np.nan]], [1.0]), ([[1.0]], [np.inf])])
def test_what_is_no_number_is_refused(features, values):
    with pytest.raises(ValueError, match="finite numbers only"):
        ridge.fit_ridge(np.asarray(features, float), np.asarray(values, float))
