"""One intensity scale for all patients, learnt from a cell's training patients alone (Nyul and Udupa 1999)."""

import numpy as np

PERCENTILES = (1, *range(10, 100, 10), 99)  # Nyul et al. 2000: the ends, and the deciles between them


def find_landmarks(values):
    """Compute the landmarks of one sequence of one brain: its percentiles `PERCENTILES`.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Normalised intensities inside the brain.

    Returns
    -------
    list of float
        Ascending.
    """
    return [round(float(value), 5) for value in np.percentile(values, PERCENTILES)]


def learn_scale(landmarks):
    """Learn the standard scale: the mean of the training patients' landmarks, each patient with the same weight.

    Nyul, L. G., Udupa, J. K., Zhang, X. (2000). New variants of a method of MRI scale standardization. IEEE Trans.
    Med. Imaging 19(2), 143-150.

    Parameters
    ----------
    landmarks : list of dict of str to list of float
        Of each training patient: sequence to `find_landmarks`; a patient may lack sequences.

    Returns
    -------
    dict of str to list of float
        Sequence to its standard landmarks; empty if nobody has any.
    """
    names = dict.fromkeys(name for own in landmarks for name in own)
    return {name: np.mean([own[name] for own in landmarks if name in own], axis=0).round(5).tolist() for name in names}


def tabulate_scale(own, standard):
    """Tabulate the piecewise linear map of a patient's landmarks to the standard ones, over all float16 numbers.

    Slices are float16, of which there are 65,536: looking each up costs a hundredth of interpolating it. Beyond the
    outer landmarks the outer pieces go on. Zero, which is what is outside of the brain, stays zero; it is also the
    median of a brain after the robust z-score, which every patient's map therefore leaves where it is.

    Parameters
    ----------
    own, standard : sequence of float
        Landmarks, ascending.

    Returns
    -------
    ndarray of float16, shape (65536,)
        By the number that the bits of a float16 are as a uint16.
    """
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
    # landmarks that coincide, as in an image of few levels, are one
    places, which = np.unique(own, return_inverse=True)
    values = np.bincount(which, standard) / np.bincount(which)
    if len(places) == 1:
        places, values = np.array([places[0] - 1, places[0]]), np.array([values[0] - 1, values[0]])
    with np.errstate(invalid="ignore", over="ignore"):
        mapped = np.interp(every, places, values)
        for beyond, (a, b) in ((every < places[0], (0, 1)), (every > places[-1], (-1, -2))):
            slope = (values[b] - values[a]) / (places[b] - places[a])
            mapped[beyond] = values[a] + slope * (every[beyond] - places[a])
        table = np.clip(mapped, -6e4, 6e4).astype(np.float16)
    table[every == 0] = 0  # of either sign
    return table


def bring_to_scale(case, sequences, standard):
    """Let a case's slices be read on the standard scale (`slices.take_channels`).

    Parameters
    ----------
    case : dict
        Of `cases`; its `index` has the patient's `landmarks`.
    sequences : list of str
        The network's channels.
    standard : dict of str to list of float
        From `learn_scale`; a case stays as it is without one.

    Returns
    -------
    dict
        The case with `scale`, a table for each channel, None where the patient or the scale lacks it.
    """
    if not standard:
        return case
    own = case["index"].get("landmarks", {})
    shared = {name for name in sequences if name in own and name in standard}
    scale = [tabulate_scale(own[name], standard[name]) if name in shared else None for name in sequences]
    return case | {"scale": scale}
