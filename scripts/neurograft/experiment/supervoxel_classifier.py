"""Classifiers of supervoxels, one for each region, fitted on training patients, and their predictions in voxels."""

import numpy as np
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from neurograft.experiment.feature_bins import find_bins, number_bins

COMPONENTS = 24  # principal components of the encoder's features, some hundreds that are highly correlated
REST = 2000  # supervoxels without tumour that are drawn from each patient
ROUNDS = 200
SURE = 0.8  # probability (or 1 minus it) from which the voxels of a supervoxel are used to learn the border
NEAR_MM = 10.0  # largest distance from the tumour of the surroundings to learn from
FEWEST = 50  # smallest number of voxels for a distribution
LARGEST_RATIO = 3.0  # limit of the contribution of a voxel's own intensities (natural logarithm of odds)


def fit_classifiers(patients, regions, seed=0, threads=1):
    """Fit one classifier for each region on training patients.

    Uses gradient-boosted trees, which handle missing sequences as missing values. The encoder's features are first
    standardised and reduced to their principal components, both fitted on these patients.

    Parameters
    ----------
    patients : list of dict
        `names` and `described` (n, F), `pooled` (n, D) or None, `truth` (n, R): the share of each supervoxel that is
        in each region, `volume` (n,): its number of voxels.
    regions : int
        R.
    seed, threads : int

    Returns
    -------
    dict
        For `predict_chances`.
    """
    names = list(dict.fromkeys(name for patient in patients for name in patient["names"]))
    generators = [np.random.default_rng([seed, k]) for k in range(len(patients))]
    drawn = [draw_supervoxels(one["truth"][:, 0], own) for one, own in zip(patients, generators, strict=True)]
    with threadpool_limits(threads):
        model = {"names": names, "reduce": None, "classifiers": []}
        if patients[0]["pooled"] is not None:
            pooled = np.concatenate([one["pooled"][own] for one, (own, _) in zip(patients, drawn, strict=True)])
            model["reduce"] = _fit_reduction(pooled.astype(np.float32), seed)
        table = np.concatenate([tabulate(model, one)[own] for one, (own, _) in zip(patients, drawn, strict=True)])
        truth = np.concatenate([one["truth"][own] for one, (own, _) in zip(patients, drawn, strict=True)])
        weight = np.concatenate([one["volume"][own] * w for one, (own, w) in zip(patients, drawn, strict=True)])
        weight = weight / weight.mean()
        model["bins"] = find_bins(table, weight)
        table = number_bins(model["bins"], table)
        for region in range(regions):
            model["classifiers"].append(_fit_one(table, truth[:, region] > 0.5, weight, seed))
    return model


def predict_chances(model, patient, threads=1):
    """Predict each supervoxel's probability of each region.

    Parameters
    ----------
    model : dict
        From `fit_classifiers`.
    patient : dict
        `names`, `described` and `pooled`.

    Returns
    -------
    ndarray of float, shape (n, R)
    """
    table = number_bins(model["bins"], tabulate(model, patient))
    with threadpool_limits(threads):
        found = [one if isinstance(one, float) else one.predict_proba(table)[:, 1] for one in model["classifiers"]]
    return np.stack([np.broadcast_to(one, len(table)) for one in found], axis=1)


def draw_supervoxels(tumour, generator):
    """Draw all supervoxels with any tumour and up to `REST` of the others, with weights that correct for sampling.

    Parameters
    ----------
    tumour : ndarray of float, shape (n,)
        Share of tumour.
    generator : numpy.random.Generator

    Returns
    -------
    numbers, weights : ndarray
    """
    having, rest = np.flatnonzero(tumour > 0), np.flatnonzero(tumour <= 0)
    chosen = np.sort(generator.choice(rest, min(REST, len(rest)), replace=False))
    weights = np.concatenate([np.ones(len(having)), np.full(len(chosen), len(rest) / max(len(chosen), 1))])
    return np.concatenate([having, chosen]), weights


def tabulate(model, patient):
    """Arrange a patient's features in the columns of the model; missing features are NaN."""
    column = {name: k for k, name in enumerate(patient["names"])}
    table = np.full((len(patient["described"]), len(model["names"])), np.nan, np.float32)
    for k, name in enumerate(model["names"]):
        if name in column:
            table[:, k] = patient["described"][:, column[name]]
    if model["reduce"] is None:
        return table
    return np.hstack([table, model["reduce"](np.asarray(patient["pooled"], np.float32))])


def refine_border(chances, segments, stack, spacing):
    """Compute each voxel's probability of a region: that of its supervoxel, smoothed, and adjusted by its intensities.

    One normal distribution of intensities is fitted to supervoxels that are surely inside, and one to those that are
    surely outside, within 10 mm of the region. Their limited log-ratio is added to the log-odds of every voxel near the
    border. This is one round of GrabCut (Rother et al. 2004) without the cut.

    Parameters
    ----------
    chances : ndarray of float, shape (n,)
        Of each supervoxel.
    segments : ndarray of int, shape (X, Y, Z)
        1 to n, 0 outside the brain.
    stack : ndarray of float, shape (C, X, Y, Z)
        Normalised intensities.
    spacing : sequence of 3 float
        Voxel size in mm.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
        0 outside the brain.
    """
    brain = segments > 0
    coarse = np.concatenate([[0.0], chances]).astype(np.float32)[segments]
    if not (coarse > 0.5).any():
        return coarse
    sigma = 1.0 / np.asarray(spacing, float)  # 1 mm: keeps half of a supervoxel's edge
    weight = ndimage.gaussian_filter(brain.astype(np.float32), sigma)
    smooth = np.where(brain, ndimage.gaussian_filter(coarse, sigma) / np.maximum(weight, 1e-6), 0)
    near = np.asarray(ndimage.distance_transform_edt(coarse <= 0.5, sampling=spacing)) <= NEAR_MM
    inside, outside = coarse >= SURE, brain & near & (coarse <= 1 - SURE)
    border = brain & near & (smooth > 0.02) & (smooth < 0.98)
    if min(np.count_nonzero(inside), np.count_nonzero(outside)) < FEWEST or not border.any():
        return smooth.astype(np.float32)
    ratio = _log_density(stack, inside, border) - _log_density(stack, outside, border)
    odds = np.log(smooth[border] / (1 - smooth[border])) + np.clip(ratio, -LARGEST_RATIO, LARGEST_RATIO)
    smooth[border] = 1 / (1 + np.exp(-odds))
    return smooth.astype(np.float32)


def _log_density(stack, learnt, asked):
    """Compute the log-density of some voxels' intensities in a normal distribution fitted to other voxels."""
    values = stack[:, learnt].astype(float)
    mean, spread = values.mean(1), np.atleast_2d(np.cov(values)) + 1e-2 * np.eye(len(stack))
    away = stack[:, asked].astype(float) - mean[:, None]
    return -0.5 * ((away * np.linalg.solve(spread, away)).sum(0) + np.linalg.slogdet(spread)[1])


def _fit_reduction(pooled, seed):
    """Fit standardisation and principal components to the pooled features of training patients."""
    scaler = StandardScaler().fit(pooled)
    components = PCA(min(COMPONENTS, *pooled.shape), svd_solver="covariance_eigh", random_state=seed)
    components.fit(scaler.transform(pooled))
    return lambda features: components.transform(scaler.transform(features)).astype(np.float32)


def _fit_one(table, truth, weight, seed):
    """Fit one region's classifier; if all supervoxels have the same class, that class is the model."""
    if truth.all() or not truth.any():
        return float(truth.any())
    # no early stopping, because its validation set would be supervoxels of the same patients
    options = {"max_iter": ROUNDS, "learning_rate": 0.05, "max_leaf_nodes": 15, "early_stopping": False}
    classifier = HistGradientBoostingClassifier(**options, random_state=seed)
    return classifier.fit(table, truth, sample_weight=weight)
