"""The spread of values from their median absolute deviation; a separate module for steps that share nothing else."""

import numpy as np

# standard deviation of the normal distribution, in median absolute deviations. To four digits: SciPy's
# `median_abs_deviation` has more, which would change the last bits of every normalised image.
NORMAL = 1.4826


def robust_spread(deviations):
    """Estimate a standard deviation from deviations, robust to outliers.

    Parameters
    ----------
    deviations : array_like
        Differences from a centre chosen by the caller, such as the median or zero.

    Returns
    -------
    numpy floating
        Of the type of the deviations; NaN if there are none.
    """
    return NORMAL * np.median(np.abs(deviations))
