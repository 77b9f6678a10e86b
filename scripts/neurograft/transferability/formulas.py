"""Formulas of the transferability scores: how well features separate the labels, before any training.

Each function takes the features and labels of one set of samples (voxels, slices or patients) and returns a finite
number, or NaN if there is nothing to score: constant features, or a single class. Balancing, averaging over patients
and the register of scores are in `scores`.
"""

import numpy as np
from scipy import linalg
from sklearn.covariance import ledoit_wolf

ITERATIONS = 500
CODING_PRECISION = 1e-4
COMPONENTS = 64
MOST_SAMPLES = 500
MOST_PAIRS = 500


def logme(features, labels):
    """Compute the log maximum evidence, per sample, of a Bayesian linear regression of each class on the features.

    The precisions of weights (alpha) and noise (beta) are found by fixed-point iteration; the result is the mean over
    the one-hot columns of the classes (You et al. 2021, arXiv 2102.11005; without intercept, as in the paper).

    Parameters
    ----------
    features : array_like, shape (N, D)
    labels : array_like of int, shape (N,)

    Returns
    -------
    float
        Higher is better.
    """
    features, labels = _checked(features, labels)
    if _nothing_to_score(features, labels):
        return np.nan
    left, singular, _ = linalg.svd(features, full_matrices=False)
    kept = singular > singular[0] * max(features.shape) * np.finfo(float).eps
    left, spectrum = left[:, kept], singular[kept] ** 2
    targets = (labels[:, None] == np.unique(labels)).astype(float)
    return float(np.mean([_evidence(left.T @ y, y @ y, spectrum, *features.shape) for y in targets.T]) / len(labels))


def _evidence(projected, power, spectrum, count, width):
    """Compute the maximum log evidence of one target, from its projections on the left singular vectors."""
    outside = max(power - projected @ projected, 0.0)  # the part that no weights can explain
    floor = 1e-10 * power
    alpha = beta = 1.0

    def fit(alpha, beta):
        shrunk = alpha + beta * spectrum
        weights = beta**2 * (spectrum * projected**2 / shrunk**2).sum()
        return weights, outside + (alpha**2 * projected**2 / shrunk**2).sum()

    for _ in range(ITERATIONS):
        effective = (beta * spectrum / (alpha + beta * spectrum)).sum()
        weights, residual = fit(alpha, beta)
        # without floors, beta is infinite if the features explain everything, and alpha if they explain nothing
        new = effective / max(weights, floor / spectrum.sum()), (count - effective) / max(residual, floor)
        done = np.allclose(new, (alpha, beta), rtol=1e-12, atol=0)
        alpha, beta = new
        if done:
            break
    determinant = np.log(alpha + beta * spectrum).sum() + (width - len(spectrum)) * np.log(alpha)
    weights, residual = fit(alpha, beta)
    prior = width * np.log(alpha) + count * np.log(beta / (2 * np.pi))
    return 0.5 * (prior - determinant - beta * residual - alpha * weights)


def h_score(features, labels):
    """Compute the variance between classes as a share of the total variance, summed over directions.

    `(1 - a) tr(cov_a(f)^-1 cov(E[f|y]))`, with the Ledoit-Wolf covariance and its shrinkage `a` (Bao et al. 2019;
    Ibrahim et al. 2021, arXiv 2110.06893). It ranges from 0 to the number of classes minus one; higher is better.
    Parameters are those of `logme`.
    """
    features, labels = _checked(features, labels)
    if _nothing_to_score(features, labels):
        return np.nan
    features = features - features.mean(axis=0)
    covariance, shrinkage = ledoit_wolf(features, assume_centered=True)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.stack([features[codes == k].mean(axis=0) for k in range(len(counts))])
    solved = linalg.solve(covariance, means.T, assume_a="pos").T
    return float((1 - shrinkage) * (counts / len(labels) * (means * solved).sum(axis=1)).sum())


def leep(probabilities, labels):
    """Compute the log expected empirical prediction: how well the source's own classes predict the target's.

    It is the mean log of `sum_z P(y|z) theta(x)_z`, where P(y|z) is computed from the empirical joint distribution of
    labels and source classes (Nguyen et al. 2020, arXiv 2002.12462). It needs the source's classification head, which
    an encoder alone does not have.

    Parameters
    ----------
    probabilities : array_like, shape (N, source classes)
        Output of the source's head for each sample; rows sum to 1.
    labels : array_like of int, shape (N,)

    Returns
    -------
    float
        At most 0; higher is better.

    Raises
    ------
    ValueError
        If the rows are not probabilities.
    """
    probabilities, labels = _checked(probabilities, labels)
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError("LEEP takes the probabilities of the source's classes: rows not below 0 that sum to 1")
    targets = (labels[:, None] == np.unique(labels)).astype(float)
    if targets.shape[1] < 2:
        return np.nan
    joint = targets.T @ probabilities
    seen = joint.sum(axis=0) > 0
    given = joint[:, seen] / joint[:, seen].sum(axis=0)
    expected = ((probabilities[:, seen] @ given.T) * targets).sum(axis=1)
    return float(np.log(expected).mean())


def transrate(features, labels):
    """Compute the coding rate of all features minus that of each class: mutual information of features and labels.

    `R(Z) - sum_c n_c/n R(Z_c)`, `R(Z) = 1/2 log det(I + Z'Z / (n e))`, e = 1e-4 (Huang et al. 2022, arXiv 2106.09362).
    All features are centred and divided by their root mean squared norm, because the scale of a source is arbitrary.
    Each class is centred too. In the authors' code it is not, so their score ignores the distance between two balanced
    classes: the squared mean is in every term and cancels. Higher is better. Parameters are those of `logme`.
    """
    features, labels = _checked(features, labels)
    if _nothing_to_score(features, labels):
        return np.nan
    features = features - features.mean(axis=0)
    features /= np.sqrt((features**2).sum(axis=1).mean())
    classes = [features[labels == label] for label in np.unique(labels)]
    within = sum(len(members) / len(labels) * _coding_rate(members - members.mean(axis=0)) for members in classes)
    return float(_coding_rate(features) - within)


def _coding_rate(features):
    """Compute the coding rate of features, in nats, at `CODING_PRECISION`, from the smaller Gram matrix."""
    gram = features.T @ features if len(features) > features.shape[1] else features @ features.T
    return 0.5 * np.linalg.slogdet(np.eye(len(gram)) + gram / (len(features) * CODING_PRECISION))[1]


def gbc(features, labels):
    """Compute the overlap of the classes as Gaussians: minus the sum of Bhattacharyya coefficients over class pairs.

    As in Pandy et al. 2022 (arXiv 2111.12780), with at most 64 principal components. Each ordered pair counts, so two
    classes give -2 to 0. Covariances are Ledoit-Wolf estimates plus a millionth of the features' variance. Higher is
    better. Parameters are those of `logme`.
    """
    features, labels = _checked(features, labels)
    if _nothing_to_score(features, labels):
        return np.nan
    features = features - features.mean(axis=0)
    _, axes = np.linalg.eigh(features.T @ features)
    features = features @ axes[:, ::-1][:, :COMPONENTS]
    ridge = 1e-6 * features.var(axis=0).mean() * np.eye(features.shape[1])
    own = [features[labels == label] for label in np.unique(labels)]
    shapes = [(part.mean(axis=0), ledoit_wolf(part)[0] + ridge) for part in own]
    pairs = [(a, b) for index, a in enumerate(shapes) for b in shapes[:index]]
    return float(-2 * sum(np.exp(-_bhattacharyya(*a, *b)) for a, b in pairs))


def _bhattacharyya(mean, covariance, other_mean, other):
    """Compute the Bhattacharyya distance of two Gaussians."""
    shared = (covariance + other) / 2
    apart = mean - other_mean
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (shared, covariance, other)]
    return apart @ linalg.solve(shared, apart, assume_a="pos") / 8 + (logs[0] - (logs[1] + logs[2]) / 2) / 2


def cc_fv(features, labels, patients, seed=0):
    """Compute class consistency and feature variety (CC-FV) of one layer (Yang et al. 2023, arXiv 2307.11958).

    The result is `log(variety / inconsistency)`. Inconsistency is the 2-Wasserstein distance between the Gaussians of
    one class in two patients, averaged over at most 500 random pairs of patients, and summed over the classes except 0
    (background). Variety is the inverse of the mean 1/distance between 500 random samples of any class on the unit
    sphere. Features are first divided by their root mean squared norm. The paper averages over layers.

    Parameters
    ----------
    features : array_like, shape (N, D)
    labels : array_like of int, shape (N,)
        0 is background.
    patients : array_like, shape (N,)
        The patient of each sample.
    seed : int

    Returns
    -------
    float
        Higher is better; NaN if no class has two patients with at least two samples.
    """
    features, labels = _checked(features, labels)
    patients = np.asarray(patients)
    scale = np.sqrt((features**2).sum(axis=1).mean())
    if _nothing_to_score(features, labels):
        return np.nan
    generator = np.random.default_rng(seed)
    classes = [label for label in np.unique(labels) if label != 0]
    distances = [_class_distance(features / scale, labels == k, patients, generator) for k in classes]
    distances = [value for value in distances if np.isfinite(value)]
    if not distances or sum(distances) == 0:
        return np.nan
    return float(np.log(_variety(features, generator) / sum(distances)))


def _class_distance(features, mine, patients, generator):
    """Compute the mean Wasserstein distance of one class between pairs of patients; NaN without a pair."""
    parts = [features[mine & (patients == patient)] for patient in np.unique(patients)]
    parts = [part[_draw(len(part), MOST_SAMPLES, generator)] for part in parts if len(part) > 1]
    if len(parts) < 2:
        return np.nan
    first, second = np.triu_indices(len(parts), 1)
    drawn = _draw(len(first), MOST_PAIRS, generator)
    return float(np.mean([wasserstein(parts[i], parts[j]) for i, j in zip(first[drawn], second[drawn])]))


def wasserstein(first, second):
    """Compute the 2-Wasserstein distance between the Gaussians of two sets of features.

    Parameters
    ----------
    first, second : ndarray, shape (samples, D)
        At least two samples each.

    Returns
    -------
    float
    """
    means = first.mean(axis=0) - second.mean(axis=0)
    roots: list[np.ndarray] = [(part - part.mean(axis=0)) / np.sqrt(len(part) - 1) for part in (first, second)]
    if min(len(root) for root in roots) > first.shape[1]:
        roots = [np.asarray(linalg.qr(root, mode="r")[0])[: first.shape[1]] for root in roots]
    # for covariances A'A and B'B, the trace of (A'A B'B)^(1/2) is the nuclear norm of A B'
    cross = np.asarray(linalg.svdvals(roots[0] @ roots[1].T)).sum()
    squared = means @ means + sum((root**2).sum() for root in roots) - 2 * cross
    return float(np.sqrt(max(squared, 0.0)))


def _variety(features, generator):
    """Compute the inverse hyperspherical energy (s = 1) of random samples."""
    features = features[_draw(len(features), MOST_SAMPLES, generator)]
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    units = features / np.where(norms > 0, norms, 1)
    upper = np.triu_indices(len(units), 1)
    # distances are at least a thousandth, because equal samples would have infinite energy
    distances = np.sqrt(np.maximum(2 - 2 * (units @ units.T)[upper], 1e-6))
    return 1 / (1 / distances).mean()


def _draw(count, most, generator):
    """Return the indices of all samples, or of at most `most` random ones, in ascending order."""
    return np.arange(count) if count <= most else np.sort(generator.permutation(count)[:most])


def _checked(features, labels):
    """Return both as arrays; raise an error for unsuitable shapes or values that are not finite."""
    features, labels = np.asarray(features, float), np.asarray(labels)
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features (samples, width) and a label a sample are needed: {features.shape}, {labels.shape}")
    if not np.isfinite(features).all():
        raise ValueError("features with values that are not finite numbers cannot be scored")
    return features, labels


def _nothing_to_score(features, labels):
    """Check whether the features are constant or there is only one class."""
    return len(labels) < 2 or (labels == labels[0]).all() or (np.ptp(features, axis=0) == 0).all()
