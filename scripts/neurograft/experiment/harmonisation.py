"""Harmonise features of supervoxels between sites: location and scale of each feature, as in ComBat, by patient."""

import numpy as np

FEWEST_PATIENTS = 3  # of a site; with fewer, site effects cannot be told from patient effects
LEAST_SPREAD = 1e-6
PLACES = ("_mm", "prior_")  # parts of the names of features that do not depend on the scanner


def fit_sites(tables, sites):
    """Estimate the shift and scale effect of each site on each feature.

    Johnson, W. E., Li, C., Rabinovic, A. (2007). Adjusting batch effects in microarray expression data using empirical
    Bayes methods. Biostatistics 8(1), 118-127. The samples are here the patients, because supervoxels of three patients
    would count as thousands of samples: a site's effects are those on its patients' means and standard deviations.
    Both are shrunk towards the site's mean over all features, the more the less its patients agree. Tumours are not
    adjusted for, because labels are unknown at prediction, so a site with larger tumours loses part of that
    difference.

    Parameters
    ----------
    tables : list of ndarray, shape (n, F)
        Features of each training patient; a missing feature is a column of NaN.
    sites : list of str
        Site of each patient; '' is unknown.

    Returns
    -------
    dict
        For `harmonise`: `middle` and `spread` (F,), and `sites`: the `shift` and `stretch` (F,) of each site with at
        least `FEWEST_PATIENTS`; empty if fewer than two sites have as many.
    """
    means = np.stack([table.mean(0, dtype=float) for table in tables])
    spreads = np.stack([np.maximum(table.std(0, dtype=float), LEAST_SPREAD) for table in tables])
    middle, spread = _mean(means), np.sqrt(np.maximum(_mean(spreads**2), LEAST_SPREAD**2))
    values = {"shift": (means - middle) / spread, "stretch": np.log(spreads / spread)}
    members = {site: [k for k, other in enumerate(sites) if other == site] for site in sorted({*sites} - {""})}
    members = {site: patients for site, patients in members.items() if len(patients) >= FEWEST_PATIENTS}
    if len(members) < 2:
        members = {}
    effects = {
        site: {name: _shrink(value, patients, members.values()) for name, value in values.items()}
        for site, patients in members.items()
    }
    return {"middle": middle, "spread": spread, "sites": effects}


def harmonise(model, table, site):
    """Remove a site's shift and scale effects from a patient's features.

    Parameters
    ----------
    model : dict
        From `fit_sites`.
    table : ndarray, shape (n, F)
    site : str
        The features are unchanged if no effect of this site was estimated.

    Returns
    -------
    ndarray of float32, shape (n, F)
    """
    effect = model["sites"].get(site)
    if effect is None:
        return np.asarray(table, np.float32)
    standard = (table - model["middle"]) / model["spread"]
    standard = (standard - effect["shift"]) / np.exp(effect["stretch"])
    return (standard * model["spread"] + model["middle"]).astype(np.float32)


def fit_patients(patients, sites):
    """Estimate site effects on the supervoxels' own features and on the encoder's features, if there are any.

    Parameters
    ----------
    patients : list of dict
        `names`, `described` and `pooled`, as for `supervoxel_classifier.fit_classifiers`.
    sites : list of str

    Returns
    -------
    dict
        For `harmonise_patient`.
    """
    every = dict.fromkeys(name for patient in patients for name in patient["names"])
    names = [name for name in every if not any(part in name for part in PLACES)]
    effects = {"names": names, "described": fit_sites([_take(patient, names) for patient in patients], sites)}
    if patients[0]["pooled"] is not None:
        effects["pooled"] = fit_sites([patient["pooled"].astype(np.float32) for patient in patients], sites)
    return effects


def harmonise_patient(effects, patient, site):
    """Remove a site's effects from a patient's features; `effects` from `fit_patients`, the rest as in `harmonise`."""
    names = effects["names"]
    evened, described = harmonise(effects["described"], _take(patient, names), site), patient["described"].copy()
    for k, name in enumerate(patient["names"]):
        if name in names:
            described[:, k] = evened[:, names.index(name)]
    pooled = harmonise(effects["pooled"], patient["pooled"], site) if "pooled" in effects else None
    return patient | {"described": described, "pooled": pooled}


def _take(patient, names):
    """Return a patient's features in the order of `names`; NaN for missing features."""
    missing = np.full(len(patient["described"]), np.nan, np.float32)
    column = dict(zip(patient["names"], patient["described"].T, strict=True))
    return np.stack([column.get(name, missing) for name in names], axis=1)


def _shrink(values, patients, groups):
    """Shrink a site's mean effect on each feature towards its mean over features (empirical Bayes).

    `values` has shape (patients, F); `patients` are those of the site, `groups` those of all sites.
    """
    count = np.isfinite(values[patients]).sum(0)
    effect = _mean(values[patients])
    within = [values[group] - _mean(values[group]) for group in groups]
    freedom = sum(np.maximum(np.isfinite(group).sum(0) - 1, 0) for group in within)
    noise = sum(np.nansum(group**2, axis=0) for group in within) / np.maximum(freedom, 1)
    seen = count > 0
    prior, between = effect[seen].mean(), effect[seen].var()
    weight = count * between
    shrunk = (weight * effect + noise * prior) / np.maximum(weight + noise, LEAST_SPREAD**2)
    return np.where(seen, shrunk, 0.0)


def _mean(values):
    """Average over patients ignoring NaN; 0 if no patient has a value."""
    return np.nansum(values, axis=0) / np.maximum(np.isfinite(values).sum(0), 1)
