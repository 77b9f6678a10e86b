"""The spread of values by their median absolute deviation; apart, since steps that share nothing else use it."""

import numpy as np

# of the normal distribution, whose standard deviation is this many median absolute deviations. To four digits: SciPy's
# `median_abs_deviation` has more, which would change every normalised image in its last bits.
NORMAL = 1.4826


def robust_spread(deviations):
    """Estimate a standard deviation from deviations, in a way that a few outliers do not move.

    Parameters
    ----------
    deviations : array_like
        Differences from the middle, which the caller chooses: the median, or zero where that is meant.

    Returns
    -------
    numpy floating
        Of the type of the deviations; NaN if there are none.
    """
    return NORMAL * np.median(np.abs(deviations))
