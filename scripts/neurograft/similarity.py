"""What did training change? Similarity of features before and after, and how far each layer's weights moved."""

import numpy as np

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def linear_cka(first, second):
    """Debiased linear centred kernel alignment of two sets of features of the same samples.

    With the unbiased HSIC estimator (Song et al. 2012; Nguyen et al. 2021, arXiv 2010.15327), since the plain
    form (Kornblith et al. 2019) finds similarity where there is none: 0.86 for two independent sets of 256
    features at 40 samples.

    Parameters
    ----------
    first, second : array_like, shape (samples, width)
        The widths may differ; at least 4 samples. The Gram matrices are samples x samples.

    Returns
    -------
    float
        1 for features equal up to rotation, scale and shift; about 0, also slightly below, for independent
        ones; NaN where one of them does not vary.

    Raises
    ------
    ValueError
        If the numbers of samples differ, or there are fewer than 4.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if len(first) != len(second) or len(first) < 4:
        raise ValueError(f"CKA takes at least 4 samples, the same of both: {len(first)} and {len(second)}")
    grams = [_gram(features) for features in (first, second)]
    own = [unbiased_hsic(gram, gram) for gram in grams]
    # what is left of a constant, or of 4 samples that happen to be alike, is rounding
    if any(value <= 1e-9 * np.mean(gram**2) for value, gram in zip(own, grams)):
        return np.nan
    return float(unbiased_hsic(*grams) / np.sqrt(own[0] * own[1]))


def _gram(features):
    """Linear kernel; centring and scale change nothing but the rounding."""
    features = features - features.mean(axis=0)
    largest = np.abs(features).max(initial=0)
    features = features / largest if largest > 0 else features
    return features @ features.T


def unbiased_hsic(first, second):
    """Unbiased estimator of the Hilbert-Schmidt independence criterion (HSIC_1 of Song et al. 2012, JMLR 13:1393).

    Parameters
    ----------
    first, second : ndarray, shape (samples, samples)
        Symmetric kernel matrices; their diagonals are not used.

    Returns
    -------
    float
    """
    count = len(first)
    first, second = (kernel - np.diag(np.diag(kernel)) for kernel in (first, second))
    sums = first.sum(axis=0), second.sum(axis=0)
    both = (first * second).sum()
    apart = sums[0].sum() * sums[1].sum() / ((count - 1) * (count - 2))
    return (both + apart - 2 * (sums[0] @ sums[1]) / (count - 2)) / (count * (count - 3))


def compare_weights(before, after):
    """Tabulate how far each layer moved: `||after - before|| / ||before||` over all its tensors.

    Parameters
    ----------
    before, after : dict of str to array_like
        State dicts, of tensors on the CPU or arrays. A layer is a name up to its last dot.

    Returns
    -------
    list of dict
        In the order of `before`: `layer`, `values` (how many weights), `change` (of weights and biases; infinite
        if they were all zero and are not), `statistics_change` (of BatchNorm's running mean and variance), NaN
        where a layer has none, `reason` (why there is no number, or nothing).
    """
    layers = {}
    for name in before:
        layer, _, tensor = name.rpartition(".")
        layers.setdefault(layer, []).append((name, tensor))
    rows = []
    for layer, names in layers.items():
        weights = [name for name, tensor in names if tensor not in STATISTICS]
        statistics = [name for name, tensor in names if tensor in STATISTICS[:2]]
        row = {"layer": layer, "values": len(_flat(before, weights))}
        missing = [name for name, _ in names if name not in after or np.shape(after[name]) != np.shape(before[name])]
        if missing:
            nothing = {"change": np.nan, "statistics_change": np.nan}
            rows.append(row | nothing | {"reason": f"{missing[0]} is missing or of another shape after training"})
            continue
        changes = [
            relative_change(*(_flat(state, part) for state in (before, after))) for part in (weights, statistics)
        ]
        rows.append(row | {"change": changes[0], "statistics_change": changes[1], "reason": ""})
    return rows


def relative_change(before, after):
    """Norm of the change of a vector over its norm before; NaN for an empty one, 0 where nothing changed."""
    if not len(before):
        return np.nan
    moved, norm = np.linalg.norm(after - before), np.linalg.norm(before)
    if norm == 0:
        return np.inf if moved else 0.0
    return float(moved / norm)


def _flat(state, names):
    """Several tensors of a state dict as one vector."""
    parts = [np.asarray(state[name], float).ravel() for name in names]
    return np.concatenate(parts) if parts else np.zeros(0)
