"""Score how well sources will transfer, before training, and audit these scores against measured gains."""

import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from neurograft.core.cells import PRIMARY
from neurograft.core.files import read_json
from neurograft.core.labels import judged_region
from neurograft.transferability.formulas import cc_fv, gbc, h_score, leep, logme, transrate

FEWEST_SAMPLES = 5
MOST_SAMPLES = 500
FEWEST_SOURCES = 5
DRAWS = 4000
TAIL = 0.025
TAUS = np.linspace(-1, 1, 81)


def score_patients(features, labels, patients, seed=0, probabilities=None, names=None):
    """Score one source's features on the target's labelled training patients.

    In each patient, the same number of samples is drawn from every class: that of its rarest class, at most 500. A
    class with fewer than `FEWEST_SAMPLES` counts as absent. The draw depends on seed, patient and labels, but not on
    the features, so that all sources are scored on the same samples.

    Parameters
    ----------
    features : array_like, shape (N, D)
        Features of voxels, pixels or slices, with several samples for each patient.
    labels : array_like of int, shape (N,)
        0 is background.
    patients : array_like of str, shape (N,)
        The patient of each sample.
    seed : int
    probabilities : array_like, shape (N, source classes), optional
        Output of the source's classification head, if it has one.
    names : collection of str, optional
        The scores to compute; by default all.

    Returns
    -------
    list of dict
        A row for each score of `SCORES`: `score`, `value` (mean over patients; NaN if undefined), `better`, `patients`
        (number in the mean), `left_out` (number of patients with only one class), `reason` (why there is no value, or
        "").
    """
    features, labels, patients = np.asarray(features), np.asarray(labels), np.asarray(patients).astype(str)
    if not len(features) == len(labels) == len(patients):
        raise ValueError(f"{len(features)} samples, {len(labels)} labels, {len(patients)} patients: lengths differ")
    drawn = {name: _balance(labels, patients == name, seed, name) for name in np.unique(patients)}
    kept = [index for index in drawn.values() if len(index)]
    rows = []
    for name in names or SCORES:
        row = SCORES[name]
        values = _values(row, kept, features, labels, patients, probabilities, seed)
        reason = "" if values else _no_value(row, probabilities, kept)
        counted = len(kept) if values and row["needs"] == "patients" else len(values)
        value = float(np.mean(values)) if values else np.nan
        rows.append({"score": name, "value": value, "better": row["better"], "patients": counted})
        rows[-1] |= {"left_out": len(drawn) - len(kept), "reason": reason}
    return rows


def score_source(maps, labels, patients, seed=0, head=None):
    """Score one source's feature maps: the mean of each score over the maps, as in the paper of CC-FV.

    Parameters
    ----------
    maps : iterable of array_like, shape (N, D of the map)
        Features of the same pixels in each feature map of the encoder.
    labels, patients : array_like, shape (N,)
        As in `score_patients`.
    seed : int
    head : tuple, optional
        Probabilities of the source's own classes, labels and patients of slices, if the source has a head.

    Returns
    -------
    list of dict
        Rows as in `score_patients`; the mean is over the maps that have a value.
    """
    of_features = [name for name, row in SCORES.items() if row["needs"] != "probabilities"]
    scored = [score_patients(features, labels, patients, seed, names=of_features) for features in maps]
    rows = {}
    for same in zip(*scored):
        values = [row["value"] for row in same if np.isfinite(row["value"])]
        reason = "" if values else same[0]["reason"]
        rows[same[0]["score"]] = same[0] | {"value": float(np.mean(values)) if values else np.nan, "reason": reason}
    of_heads = [name for name in SCORES if name not in of_features]
    probabilities, labels, patients = head or (None, labels, patients)
    given = np.zeros((len(labels), 1)) if probabilities is None else probabilities
    rows |= {row["score"]: row for row in score_patients(given, labels, patients, seed, probabilities, of_heads)}
    return [rows[name] for name in SCORES if name in rows]


def _values(row, kept, features, labels, patients, probabilities, seed):
    """Compute a score for each patient, or for all patients together; undefined values are left out."""
    if not kept or (row["needs"] == "probabilities" and probabilities is None):
        return []
    if row["needs"] == "patients":
        every = np.concatenate(kept)
        scores = [row["function"](features[every], labels[every], patients[every], seed)]
    else:
        given = features if row["needs"] == "features" else np.asarray(probabilities)
        scores = [row["function"](given[index], labels[index]) for index in kept]
    return [value for value in scores if np.isfinite(value)]


def _balance(labels, mine, seed, patient):
    """Draw the same number of samples from every class of one patient; none if it has fewer than two classes."""
    generator = np.random.default_rng([seed, zlib.crc32(patient.encode())])
    classes = [np.flatnonzero(mine & (labels == label)) for label in np.unique(labels[mine])]
    classes = [samples for samples in classes if len(samples) >= FEWEST_SAMPLES]
    if len(classes) < 2:
        return np.zeros(0, int)
    count = min(MOST_SAMPLES, *(len(samples) for samples in classes))
    return np.sort(np.concatenate([generator.permutation(samples)[:count] for samples in classes]))


def _no_value(row, probabilities, kept):
    """Explain why a score has no value."""
    if row["needs"] == "probabilities" and probabilities is None:
        return "the source has no classification head"
    return "no score on these features" if kept else "no patient has two classes"


def audit(scores, gains):
    """Correlate every score with the measured gain, over sources.

    Kendall's tau-b is used instead of Spearman's rho, because with 5 to 15 sources its null distribution is exact, and
    it is simply the share of pairs of sources in the right order minus the share in the wrong order. The 95 % interval
    inverts the two-sided test of every tau from -1 to 1 under a Gaussian copula (simulated with a fixed seed; at 0, the
    exact permutation distribution). Unlike a bootstrap interval, it does not have zero width for five sources in
    perfect order.

    Parameters
    ----------
    scores : dict of str to dict of str to float
        Score to source to value; higher is better (see `SCORES`).
    gains : dict of str to float
        Source to the gain of the frozen strategy over scratch, mean over patients.

    Returns
    -------
    list of dict
        `score`, `sources` (number with both score and gain), `tau`, `low`, `high`, `verdict` ("too few sources", "do
        not use", "follows the gain") and `reason`.
    """
    rows = []
    for name, values in scores.items():
        common = [source for source in gains if np.isfinite([values.get(source, np.nan), gains[source]]).all()]
        row = {"score": name, "sources": len(common), "tau": np.nan, "low": np.nan, "high": np.nan}
        if len(common) < FEWEST_SOURCES:
            count = f"{len(common)} source" + "s" * (len(common) != 1)
            reason = f"{count}; a rank correlation needs at least {FEWEST_SOURCES}"
            rows.append(row | {"verdict": "too few sources", "reason": reason})
            continue
        correlation: Any = stats.kendalltau([values[s] for s in common], [gains[s] for s in common])
        tau = correlation.statistic
        if not np.isfinite(tau):
            rows.append(row | {"verdict": "do not use", "reason": "all sources have the same score or the same gain"})
            continue
        low, high = tau_interval(float(tau), len(common))
        row |= {"tau": float(tau), "low": low, "high": high}
        if low > 0:
            rows.append(row | {"verdict": "follows the gain", "reason": "the interval lies above 0"})
        else:
            reason = "it ranks the sources the wrong way round" if high < 0 else "the interval contains 0"
            rows.append(row | {"verdict": "do not use", "reason": reason})
    return rows


def tau_interval(tau, count):
    """Compute the 95 % interval of Kendall's tau by inverting the test (see `audit`).

    Parameters
    ----------
    tau : float
    count : int
        Number of pairs of values, at least 3.

    Returns
    -------
    low, high : float
    """
    above, below = _tails(tau, count)
    # both tails are monotonic in the true tau; running extremes remove the simulation noise
    above, below = np.maximum.accumulate(above), np.minimum.accumulate(below)
    low = -1.0 if above[0] > TAIL else float(np.interp(TAIL, above, TAUS))
    high = 1.0 if below[-1] > TAIL else float(np.interp(-TAIL, -below, TAUS))
    return min(low, tau), max(high, tau)


def _tails(tau, count):
    """Compute the probability of a tau at least, and at most, as large as the observed one under each of `TAUS`."""
    hair = 1e-6  # tolerance, because the simulated taus are float32
    simulated = _simulated_taus(count)
    above, below = np.mean(simulated >= tau - hair, axis=1), np.mean(simulated <= tau + hair, axis=1)
    ways = np.ones(1)  # number of permutations of `count` items by their number of inversions
    for size in range(2, count + 1):
        ways = np.convolve(ways, np.full(size, 1 / size))
    exact = 1 - 2 * np.arange(len(ways)) / (len(ways) - 1)
    middle = len(TAUS) // 2
    above[middle], below[middle] = ways[exact >= tau - hair].sum(), ways[exact <= tau + hair].sum()
    return above, below


@lru_cache(maxsize=4)
def _simulated_taus(count):
    """Simulate taus of `count` Gaussian pairs under each of `TAUS`, shape (taus, draws), with tau = 2/pi asin(rho)."""
    generator = np.random.default_rng(0)
    first, noise = generator.standard_normal((2, DRAWS, count))
    left, right = np.triu_indices(count, 1)
    order = np.sign(first[:, left] - first[:, right])
    middle = len(TAUS) // 2
    taus = np.empty((len(TAUS), DRAWS), np.float32)
    for index, rho in enumerate(np.sin(np.pi / 2 * TAUS[middle:])):
        second = rho * first + np.sqrt(1 - rho**2) * noise
        taus[middle + index] = (order * np.sign(second[:, left] - second[:, right])).mean(axis=1)
        taus[middle - index] = -taus[middle + index]  # by symmetry
    return taus


# Score to its function, its input (features of a patient; probabilities of the source's own head; features of several
# patients at once), and the better direction.
SCORES = {
    "logme": {"function": logme, "needs": "features", "better": "higher"},
    "h-score": {"function": h_score, "needs": "features", "better": "higher"},
    "leep": {"function": leep, "needs": "probabilities", "better": "higher"},
    "transrate": {"function": transrate, "needs": "features", "better": "higher"},
    "gbc": {"function": gbc, "needs": "features", "better": "higher"},
    "cc-fv": {"function": cc_fv, "needs": "patients", "better": "higher"},
}
NOT_SLICES = "a 3-D source: only features of slices are scored"


def score_features(folder, space, source, seed=0):
    """Score one source's features of every labelled patient.

    Parameters
    ----------
    folder : str or Path
        From `features.extract_features`.
    space, source : str
    seed : int

    Returns
    -------
    list of dict
        Rows with the columns `SCORED`, one for each score.
    """
    features = read_features(folder)
    if features["reason"] or not len(features["labels"]):
        return _unscored(space, source, features["reason"] or "no labelled patient to score it on")
    rows = score_source(features["maps"], features["labels"], features["patients"], seed=seed, head=features["head"])
    return [{"space": space, "source": source} | row for row in rows]


def gather_scores(rows, volumes=(), spaces=()):
    """Join the scores of all sources in one table; 3-D sources are listed with the reason why they have none.

    Parameters
    ----------
    rows : list of dict
        Rows from `score_features` for every source; values are numbers or text.
    volumes, spaces : iterable of str
        Names of the 3-D sources, and the spaces in which they would be scored.

    Returns
    -------
    list of dict
    """
    return [*rows, *(row for space in spaces for name in volumes for row in _unscored(space, name, NOT_SLICES))]


def read_features(folder):
    """Read the features of a source from its folder.

    Returns
    -------
    dict
        `reason`, `labels` and `patients` of all pixels, `maps` (a generator of feature maps, which may be large),
        `head` (probabilities, labels and patients of slices, or None).
    """
    files = {path.stem.removeprefix("sub-"): path for path in sorted(Path(folder).glob("sub-*.npz"))}

    def read(name):
        """Read one array of every patient."""
        arrays = []
        for path in files.values():
            with np.load(path) as packed:
                arrays.append(packed[name])
        return arrays

    def join(name):
        return np.concatenate(read(name))

    def owners(name):
        return np.repeat(list(files), [len(part) for part in read(name)]).astype(str)

    found = {"reason": read_json(Path(folder) / "source.json")["reason"], "maps": (), "head": None}
    if not files:
        return found | {"labels": np.zeros(0, int), "patients": np.zeros(0, str)}
    with np.load(next(iter(files.values()))) as packed:
        names = list(packed)
    if "probabilities" in names:
        found["head"] = join("probabilities"), join("slice_labels"), owners("slice_labels")
    maps = (join(name) for name in names if name.startswith("map"))
    return found | {"labels": join("labels"), "patients": owners("labels"), "maps": maps}


def audit_scores(scored, compared, primary):
    """Correlate each score with the measured gain of the frozen strategy over scratch, over sources.

    The gain is the mean over patients of the paired difference in Dice, for the primary region, with all training
    patients (n = all), in the primary space and split.

    Parameters
    ----------
    scored : list of dict
        Rows of `transfer_scores.tsv`.
    compared : list of dict
        Rows of `comparison.tsv`.
    primary : dict of str to str
        `space` and `split`.

    Returns
    -------
    list of dict
        As in `scores.audit`.
    """
    region = judged_region(row["region"] for row in compared)
    wanted = PRIMARY[0] | {"region": region} | primary | {"strategy": "frozen", "against": "scratch", "n": "all"}
    matching = [row for row in compared if all(str(row[key]) == value for key, value in wanted.items())]
    gains = {row["source"]: number(row["mean_difference"]) for row in matching}
    scores = {name: {} for name in SCORES}
    for row in scored:
        if row["space"] == primary["space"]:
            scores[row["score"]][row["source"]] = number(row["value"]) * (-1 if row["better"] == "lower" else 1)
    return audit(scores, gains)


def number(value):
    """Convert a field of a table to a number; an empty field is NaN."""
    return np.nan if value in ("", "n/a", None) else float(value)


def _unscored(space, source, reason):
    """Return the rows of a source without any score, with the reason."""
    empty = {"value": np.nan, "patients": 0, "left_out": 0, "reason": reason}
    common = {"space": space, "source": source}
    return [common | {"score": name, "better": row["better"]} | empty for name, row in SCORES.items()]


# columns of `transfer_scores.tsv` and `audit.tsv`
SCORED = ("space", "source", "score", "value", "better", "patients", "left_out", "reason")
AUDIT = ("score", "sources", "tau", "low", "high", "verdict", "reason")
