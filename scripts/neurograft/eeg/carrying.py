"""Carry trials from one head to another through the cortex: forward(target) . morph . inverse(donor).

Minimum norm (Hamalainen and Ilmoniemi 1994) as in Wronkiewicz et al. 2015. The cortex of every head is the template's,
vertex by vertex, so that the morph is the identity.
"""

import numpy as np

LAMBDA2 = 1 / 9  # an amplitude signal-to-noise ratio of 3


def average_reference(gain: np.ndarray) -> np.ndarray:
    """Take the mean over channels out of a gain matrix, shape (channels, vertices)."""
    return gain - gain.mean(axis=0, keepdims=True)


def invert(gain: np.ndarray, lambda2: float = LAMBDA2) -> np.ndarray:
    """Compute the minimum-norm inverse for equal noise in all channels.

    Parameters
    ----------
    gain : ndarray, shape (channels, vertices)
        With average reference.
    lambda2 : float
        Regularisation, in units of the mean power of the channels.

    Returns
    -------
    ndarray, shape (vertices, channels)
    """
    power = gain @ gain.T
    # the average reference leaves one direction without power
    scale = np.trace(power) / (len(power) - 1)
    return gain.T @ np.linalg.pinv(power + lambda2 * scale * np.eye(len(power)), hermitian=True, rcond=1e-12)


def make_operator(donor: np.ndarray, target: np.ndarray, lambda2: float = LAMBDA2) -> np.ndarray:
    """Compute the matrix that carries a donor's channels into a target's.

    Parameters
    ----------
    donor, target : ndarray, shape (channels, vertices)
        Gains of the two heads over the same vertices.
    lambda2 : float

    Returns
    -------
    ndarray, shape (channels of the target, channels of the donor)
        With average reference on both sides. What the regularisation takes from the amplitude is given back: a person
        carried to himself keeps the mean power of his channels.
    """
    donor, target = average_reference(donor), average_reference(target)
    inverse = invert(donor, lambda2)
    itself = donor @ inverse
    kept = np.sqrt(np.trace(itself @ itself.T) / (len(itself) - 1))
    return target @ inverse / kept


def carry(trials: np.ndarray, operator: np.ndarray) -> np.ndarray:
    """Carry trials, shape (trials, channels, samples), into the channels of another head."""
    return np.einsum("tc,ncs->nts", operator, trials, optimize=True)
