"""A common intensity scale for all patients, learnt only from a cell's training patients (Nyul and Udupa 1999)."""

import numpy as np

PERCENTILES = (1, *range(10, 100, 10), 99)  # Nyul et al. 2000: both ends, and the deciles between them


def find_landmarks(values):
    """Compute the landmarks of one sequence of one brain: the percentiles listed in `PERCENTILES`.

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
    """Learn the standard scale: the mean of the training patients' landmarks, with equal weights.

    Nyul, L. G., Udupa, J. K., Zhang, X. (2000). New variants of a method of MRI scale standardization. IEEE Trans.
    Med. Imaging 19(2), 143-150.

    Parameters
    ----------
    landmarks : list of dict of str to list of float
        For each training patient, sequence to landmarks (`find_landmarks`); a patient may lack sequences.

    Returns
    -------
    dict of str to list of float
        Sequence to its standard landmarks; empty if no patient has any.
    """
    names = dict.fromkeys(name for of_subject in landmarks for name in of_subject)
    return {
        name: np.mean([of_subject[name] for of_subject in landmarks if name in of_subject], axis=0).round(5).tolist()
        for name in names
    }


def tabulate_scale(own, standard):
    """Tabulate the piecewise linear map from a patient's landmarks to the standard ones, for all float16 numbers.

    Slices are float16, which has 65,536 values, and a look-up costs a hundredth of an interpolation. Beyond the outer
    landmarks, the outer segments are extrapolated. Zero, the value outside the brain, stays zero. It is also the median
    of a brain after the robust z-score, so the map keeps the median of every patient.

    Parameters
    ----------
    own, standard : sequence of float
        Landmarks, ascending.

    Returns
    -------
    ndarray of float16, shape (65536,)
        Indexed by the bits of a float16 read as a uint16.
    """
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
    # merge landmarks that coincide, as in an image with few grey levels
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
    table[every == 0] = 0  # positive and negative zero
    return table


def bring_to_scale(case, sequences, standard):
    """Add the tables with which a case's slices are read on the standard scale (`slices.take_channels`).

    Parameters
    ----------
    case : dict
        From `training.slices`; its `index` has the patient's `landmarks`.
    sequences : list of str
        The network's channels.
    standard : dict of str to list of float
        From `learn_scale`; if it is empty, the case is returned unchanged.

    Returns
    -------
    dict
        The case with `scale`: a table for each channel, or None if the patient or the scale lacks the sequence.
    """
    if not standard:
        return case
    own = case["index"].get("landmarks", {})
    shared = {name for name in sequences if name in own and name in standard}
    scale = [tabulate_scale(own[name], standard[name]) if name in shared else None for name in sequences]
    return case | {"scale": scale}
