"""Several comparisons that share one error rate."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]

ALPHA = 0.05


def holm(values: ArrayLike) -> Floats:
    """Adjust the p values of one family (Holm 1979): any false finding in at most 5 % of families.

    Parameters
    ----------
    values : array_like, shape (..., comparisons)

    Returns
    -------
    ndarray, shape (..., comparisons)
        In the order given, at most 1.
    """
    raw = np.asarray(values, float)
    order = np.argsort(raw, axis=-1, kind="stable")
    steps = np.arange(raw.shape[-1], 0, -1, dtype=float)
    stepped = np.maximum.accumulate(np.take_along_axis(raw, order, -1) * steps, axis=-1)
    adjusted = np.empty_like(raw)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), -1)
    return adjusted
