"""The robust spread against SciPy's, and its blindness to outliers."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from neurograft.imaging.robust import robust_spread


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_scipys_to_four_digits_and_of_the_values_type(kind):
    values = np.random.default_rng(0).normal(3, 2, 1001).astype(kind)
    spread = robust_spread(values - np.median(values))
    assert spread == pytest.approx(median_abs_deviation(values, scale="normal"), rel=1e-5)
    assert spread.dtype == kind and spread == pytest.approx(2, abs=0.2)


def test_a_few_outliers_hardly_move_it():
    deviations = np.random.default_rng(0).normal(0, 1, 1000)
    before = robust_spread(deviations)
    deviations[:20] = 1e6
    assert robust_spread(deviations) == pytest.approx(before, rel=0.05)
