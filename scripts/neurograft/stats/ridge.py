"""Ridge regression whose penalty is chosen by leaving one row out, in closed form: thousands of fits take a second."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

# penalties a row, on standardised features: from almost none to almost the mean alone
PENALTIES = tuple(float(value) for value in 10.0 ** np.arange(-2, 3.5, 0.5))


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes
    ----------
    centre, scale : ndarray, shape (features,)
        Of each feature; the scale of a constant one is infinite, so that it counts for nothing.
    weights : ndarray, shape (features,)
        Of the standardised features.
    mean : float
    penalty : float
        A row of `PENALTIES`.
    """

    centre: Floats
    scale: Floats
    weights: Floats
    mean: float
    penalty: float

    def predict(self, features: Floats) -> Floats:
        """Predict rows of features, shape (rows, features)."""
        return self.mean + ((features - self.centre) / self.scale) @ self.weights


def standardise(features: Floats) -> tuple[Floats, Floats]:
    """Compute the mean and the standard deviation of each feature; that of a constant one is infinite.

    Parameters
    ----------
    features : ndarray, shape (rows, features)

    Returns
    -------
    centre, scale : ndarray, shape (features,)
    """
    centre, scale = features.mean(axis=0), features.std(axis=0)
    return centre, np.where(scale > 1e-9 * (1 + np.abs(centre)), scale, np.inf)


def fit_ridge(features: Floats, values: Floats) -> Ridge:
    """Fit a ridge regression with the penalty of the smallest squared error on rows left out.

    Parameters
    ----------
    features : ndarray, shape (rows, features)
    values : ndarray, shape (rows,)

    Returns
    -------
    Ridge
        With fewer than 3 rows the mean alone.

    Raises
    ------
    ValueError
        Without a row, or with a number that is not finite.
    """
    if not len(values) or not (np.isfinite(features).all() and np.isfinite(values).all()):
        raise ValueError("a regression takes at least one row, and finite numbers only")
    count, mean = len(values), float(values.mean())
    centre, scale = standardise(features)
    if count < 3:
        return Ridge(centre, scale, np.zeros(len(centre)), mean, np.inf)
    left, sizes, right = np.linalg.svd((features - centre) / scale, full_matrices=False)
    squares = sizes[:, None] ** 2
    kept = squares / (squares + count * np.array(PENALTIES))  # a column for each penalty
    turned = left.T @ (values - mean)
    # a row's own weight in its prediction: what it adds through the mean and through the slopes
    own = 1 / count + left**2 @ kept
    residuals = (values - mean)[:, None] - left @ (kept * turned[:, None])
    errors = ((residuals / np.maximum(1 - own, 1e-9)) ** 2).mean(axis=0)
    penalty = PENALTIES[int(errors.argmin())]
    weights = right.T @ (sizes / (sizes**2 + penalty * count) * turned)
    return Ridge(centre, scale, weights, mean, penalty)
