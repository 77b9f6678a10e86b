"""Bins of features for gradient-boosted trees, which use only the bin of each value.

scikit-learn (1.9) computes the 254 weighted quantiles of a column one by one and sorts the column again for each. With
some thousand supervoxels, this took five sixths of the time of a fit. Here all quantiles are computed together, once
for all regions, and the trees get the bin numbers instead of the values. The resulting trees are the same.
"""

import numpy as np

BINS = 255  # scikit-learn's default for values that are not missing
MOST_ROWS = 200_000  # with more rows, scikit-learn uses a random sample


def find_bins(table, weights):
    """Find the bins of each column as `HistGradientBoostingClassifier` would.

    Parameters
    ----------
    table : ndarray of float32, shape (n, F)
    weights : ndarray of float64, shape (n,)

    Returns
    -------
    list of (ndarray, ndarray) or None
        For each column, the upper bounds of its bins, and which bins contain values. None for a column that is left to
        scikit-learn: with at most `BINS` distinct values it computes no quantiles, and with missing values a split may
        be on either side of a bin without values.
    """
    if len(table) > MOST_ROWS or not (weights > 0).all():
        return [None] * table.shape[1]
    return [_find_bins(column, weights) for column in table.T.astype(np.float64)]


def number_bins(bins, table):
    """Replace values by the numbers of their bins.

    Parameters
    ----------
    bins : list
        From `find_bins`, possibly for other rows.
    table : ndarray of float32, shape (n, F)

    Returns
    -------
    ndarray of float32, shape (n, F)
        Whole numbers in the order of the values; NaN and columns without bins are unchanged.
    """
    numbered = table.copy()
    for k, column in enumerate(bins):
        if column is None:
            continue
        bounds, occupied = column
        # a value between two bins with values belongs to the upper one: trees split at the lowest possible bound
        numbers = np.searchsorted(occupied, np.searchsorted(bounds, table[:, k].astype(np.float64)))
        numbered[:, k] = np.where(np.isnan(table[:, k]), np.nan, numbers)
    return numbered


def _find_bins(values, weights):
    """Find the bins of one column."""
    if np.isnan(values).any() or len(np.unique(values)) <= BINS:
        return None
    bounds = np.unique(_weighted_quantiles(values, weights, np.linspace(0, 100, BINS + 1)[1:-1]))
    return bounds, np.unique(np.searchsorted(bounds, values))


def _weighted_quantiles(values, weights, percentages):
    """Compute averaged inverted quantiles (Hyndman and Fan 1996), with the sums in scikit-learn's order."""
    # twice, because scikit-learn sorts sorted values again: equal values may swap, so sums of their weights differ
    for _ in range(2):
        order = np.argsort(values)
        values, weights = values[order], weights[order]
    reached = np.cumsum(weights)
    wanted = percentages / 100 * reached[-1]
    at = np.minimum(np.searchsorted(reached, wanted), len(values) - 1)
    after = np.minimum(at + 1, len(values) - 1)
    between = (values[at] + values[after]) / 2
    return np.where(reached[at] - wanted > np.finfo(np.float64).eps, values[at], between)
