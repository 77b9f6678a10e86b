"""What a network's probabilities are worth: whether 0.8 means 8 of 10 voxels, and how low to cut to miss little.

All of it needs only how many voxels have which probability, and how many of those are in the label: `count_chances`.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import ndimage, optimize

from neurograft.core.split_file import SplitFile
from neurograft.stats import conformal, risk_control

STEP = 5  # stored probabilities, 0 to 255, in a bin
BINS = 256 // STEP + 1
SHOWN = 15  # stored probability, about 0.06, from which a voxel counts as a place in question
RIM = 3  # voxels around such places and the label that are counted too
SHARES = (0.05, 0.1, 0.2)  # of the tumour that may be missed in the mean
HALF = int(np.ceil(127.5 / STEP))  # the bin of probability 0.5
FEWEST = 3  # patients for a temperature


def count_chances(chances, label):
    """Count the voxels of each probability in and around mask and label.

    Parameters
    ----------
    chances : ndarray of uint8, shape (X, Y, Z)
    label : ndarray of bool, the same shape

    Returns
    -------
    list of dict
        `bin`, `voxels` and `inside` (those of them in the label), for the bins that occur.
    """
    near = ndimage.binary_dilation(label | (chances >= SHOWN), iterations=RIM)
    bins = chances[near] // STEP
    voxels = np.bincount(bins, minlength=BINS)
    inside = np.bincount(bins, weights=label[near], minlength=BINS).astype(int)
    return [
        {"bin": number, "voxels": int(voxels[number]), "inside": int(inside[number])}
        for number in np.flatnonzero(voxels).tolist()
    ]


def centres():
    """Return the probability that stands for each bin, shape (BINS,)."""
    return np.minimum(STEP * np.arange(BINS) + (STEP - 1) / 2, 255) / 255


def temper(chances, temperature):
    """Divide the logarithmic odds of probabilities by a temperature."""
    clipped = np.clip(chances, 1e-4, 1 - 1e-4)
    return 1 / (1 + np.exp(-np.log(clipped / (1 - clipped)) / temperature))


def fit_temperature(voxels, inside):
    """Find the temperature at which probabilities predict the labels best; each patient counts alike.

    Parameters
    ----------
    voxels, inside : ndarray, shape (patients, BINS)

    Returns
    -------
    float
        Above 1 if the probabilities are too extreme.
    """
    totals = np.maximum(voxels.sum(axis=1, keepdims=True), 1)
    yes, no = (inside / totals).sum(axis=0), ((voxels - inside) / totals).sum(axis=0)

    def loss(logarithm):
        tempered = temper(centres(), np.exp(logarithm))
        return -float(yes @ np.log(tempered) + no @ np.log(1 - tempered))

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.2), np.log(10)), method="bounded")
    return float(np.exp(found.x))  # pyright: ignore[reportAttributeAccessIssue] of every result


def calibration_error(voxels, inside, temperatures: float | np.ndarray = 1.0):
    """Compute the expected calibration error: the mean distance of probability and truth in ten bins of equal width.

    Parameters
    ----------
    voxels, inside : ndarray, shape (patients, BINS)
        Each patient counts alike.
    temperatures : float or ndarray, shape (patients,)

    Returns
    -------
    pooled : float
        Of all patients together, as it is usually reported: what is too high in one and too low in another cancels.
    single : float
        The mean of each patient's own. Both are 0 without voxels.
    """
    rows = []
    for own, true, temperature in zip(voxels, inside, np.broadcast_to(temperatures, len(voxels)), strict=True):
        tempered, total = temper(centres(), temperature), max(own.sum(), 1)
        wide = np.minimum((10 * tempered).astype(int), 9)
        rows.append(np.bincount(wide, weights=(own * tempered - true) / total, minlength=10))
    off = np.array(rows).reshape(len(rows), 10)
    return float(np.abs(off.mean(axis=0)).sum()), float(np.abs(off).sum(axis=1).mean())


def judge_chances(counted: Sequence[Mapping[str, str]], split: SplitFile):
    """Judge the probabilities of labelled patients by region.

    Parameters
    ----------
    counted : list of dict
        `COUNTED`, as text.
    split : SplitFile

    Returns
    -------
    calibration : list of dict
        `CALIBRATION`: a row for each region.
    missed : list of dict
        `MISSED`: a row for each region and share of the tumour that may be missed.
    """
    patients = split["tasks"]["segmentation"]["patients"]
    calibration, missed = [], []
    for region in dict.fromkeys(row["region"] for row in counted):
        voxels, inside = _gather([row for row in counted if row["region"] == region], patients)
        calibration.append({"region": region, **_judge_calibration(voxels, inside)})
        missed += [{"region": region, **_bound_missed(voxels, inside, share)} for share in SHARES]
    return calibration, missed


def _gather(rows: Iterable[Mapping[str, str]], patients: Mapping[str, str]):
    """Gather counts as arrays, shape (patients, BINS); visits of a patient are added."""
    names: dict[str, int] = {}
    rows = list(rows)
    for row in rows:
        names.setdefault(patients[row["subject"]], len(names))
    voxels, inside = np.zeros((len(names), BINS)), np.zeros((len(names), BINS))
    for row in rows:
        place = names[patients[row["subject"]]], int(row["bin"])
        voxels[place] += int(row["voxels"])
        inside[place] += int(row["inside"])
    return voxels, inside


def _judge_calibration(voxels, inside):
    """Fit a temperature, and judge it on each patient by that of the others."""
    count = len(voxels)
    row = dict.fromkeys(CALIBRATION[1:]) | {"patients": count}
    if count < FEWEST:
        return row
    others = [np.delete(np.arange(count), patient) for patient in range(count)]
    temperatures = np.array([fit_temperature(voxels[kept], inside[kept]) for kept in others])
    errors = (*calibration_error(voxels, inside), *calibration_error(voxels, inside, temperatures))
    row["temperature"] = round(fit_temperature(voxels, inside), 3)
    names = ("error", "patient_error", "error_calibrated", "patient_error_calibrated")
    return row | {name: round(error, 4) for name, error in zip(names, errors, strict=True)}


def _bound_missed(voxels, inside, share):
    """Find the probability to cut at, so that at most a share of the label is missed in the mean."""
    labels = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    # cut below bin t, all bins below it are missed; a cut above a half is no use here
    losses = np.concatenate([np.zeros((len(inside), 1)), np.cumsum(inside, axis=1)[:, :HALF] / labels], axis=1)
    first = int(np.ceil(SHOWN / STEP))  # below, not all voxels were counted
    row = {"patients": len(inside), "share": share, "missed_at_half": round(float(losses[:, HALF].mean()), 4)}
    place = risk_control.control_risk(losses[:, first:], share)
    if place is None:
        # with fewer, one who loses everything exceeds the bound
        least = conformal.fewest_patients(1 - share)
        few = f"{len(inside)} patients; a bound of {share:.0%} takes {least}"
        lowest = f"at {first * STEP / 255:.2f} too much is missed already"
        return row | {"threshold": None, "missed": None, "size": None, "reason": few if len(inside) < least else lowest}
    sizes = voxels[:, first + place :].sum(axis=1) / np.maximum(voxels[:, HALF:].sum(axis=1), 1)
    judged = risk_control.judge_control(losses[:, first:], share)
    return row | {
        "threshold": round((first + place) * STEP / 255, 3),
        "missed": round(float(np.nanmean(judged)), 4) if np.isfinite(judged).any() else None,
        "size": round(float(np.median(sizes)), 3),
        "reason": "",
    }


# the columns of the tables
COUNTED = ("subject", "region", "bin", "voxels", "inside")
CALIBRATION = (
    *("region", "patients", "temperature", "error", "error_calibrated"),
    *("patient_error", "patient_error_calibrated"),
)
MISSED = ("region", "share", "patients", "threshold", "missed", "missed_at_half", "size", "reason")
