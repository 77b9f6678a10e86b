"""How good a mask without a label is: a predicted Dice with an interval, or no statement, with the reason.

What labelled patients' masks show of themselves (`mask_features`) and the Dice that these really had, each from a
network that never saw the patient, teach a regression; conformal intervals say how far it may be off. Everything is
judged on the labelled patients as if each were one without a label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from neurograft.core.cells import CELL
from neurograft.core.split_file import SplitFile, TaskSplit
from neurograft.delivery.mask_features import FEATURES
from neurograft.stats import conformal, ridge

LIMIT = 0.02  # a Dice nearer to 0 or 1 counts as this near
STRANGER = 1.5  # times as far from the labelled patients as the farthest of them
USABLE, LOOK, NONE = "usable", "look at it", "no statement"


@dataclass(frozen=True)
class QualityOptions:
    """The config's block `judge_masks`.

    Attributes
    ----------
    level : float
        Of the intervals.
    accept : float
        A mask whose interval begins below this Dice is to be looked at.
    """

    level: float = 0.9
    accept: float = 0.7


@dataclass(frozen=True)
class Masks:
    """The masks of one region by one network each.

    Attributes
    ----------
    subjects, patients : list of str
        Of each row.
    folds : list of int
        The fold of the row's network.
    features : ndarray, shape (rows, features)
    dice : ndarray, shape (rows,)
        NaN for unlabelled subjects.
    """

    subjects: list[str]
    patients: list[str]
    folds: list[int]
    features: np.ndarray
    dice: np.ndarray

    def take(self, chosen) -> "Masks":
        """Return some of the rows, by a mask or by numbers."""
        numbers = np.arange(len(self.subjects))[chosen].tolist()
        subjects, patients, folds = (
            [values[k] for k in numbers] for values in (self.subjects, self.patients, self.folds)
        )
        return Masks(subjects, patients, folds, self.features[numbers], self.dice[numbers])


def judge_masks(measured, scores, split: SplitFile, options: QualityOptions):
    """Predict the Dice of every unlabelled subject's mask, and judge such predictions on the labelled subjects.

    Parameters
    ----------
    measured : list of dict
        Rows of `mask_features.measure_masks`, as text.
    scores : list of dict
        Rows of `scores.tsv`, as text.
    split : SplitFile
    options : QualityOptions

    Returns
    -------
    judged : list of dict
        `JUDGED`: a row for each labelled subject and region, predicted by what was learnt of other patients.
    unlabelled : list of dict
        `UNLABELLED`: a row for each subject without a label, and region.
    summary : list of dict
        `SUMMARY`: a row for each region; how far such predictions can be trusted.
    """
    known = _map_dice(scores)
    task = split["tasks"]["segmentation"]
    judged, unlabelled, summary = [], [], []
    for region in dict.fromkeys(row["region"] for row in measured):
        rows = [row for row in measured if row["region"] == region]
        masks = gather_masks(rows, known, task["patients"])
        labelled, others = masks.take(np.isfinite(masks.dice)), masks.take(~np.isfinite(masks.dice))
        reason = _refuse(labelled, options.level)
        mine = _judge_labelled(labelled, options, reason)
        judged += [{"region": region, **row} for row in mine]
        summary.append({"region": region, **summarise(mine, options, reason)})
        unlabelled += [{"region": region, **row} for row in _judge_unlabelled(labelled, others, task, options, reason)]
    for rows in (judged, unlabelled):
        rows.sort(key=lambda row: row["subject"])
    return judged, unlabelled, summary


def _map_dice(scores):
    """Map a cell, subject and region to the Dice that was scored."""
    dice = (row for row in scores if row["metric"] == "dice" and row["subject"] and row["region"])
    return {_key(row): float(row["value"]) for row in dice}


def _key(row):
    return tuple(str(row[name]) for name in (*CELL, "subject", "region"))


def gather_masks(rows: Sequence[Mapping[str, Any]], known: Mapping[tuple, float], patients: Mapping[str, str]) -> Masks:
    """Gather the measured masks of one region, with the Dice of those that were scored.

    A feature that not all masks have, such as the agreement with peers where there are none, is left out.

    Parameters
    ----------
    rows : list of dict
        Of `mask_features.measure_masks`, as text.
    known : dict of tuple to float
        Cell, subject and region to Dice.
    patients : dict of str to str
        Subject to patient.

    Returns
    -------
    Masks
        Without labelled subjects that have no score.
    """
    rows = [row for row in rows if row["labelled"] != "true" or _key(row) in known]
    values = np.array([[_parse(row[name]) for name in FEATURES] for row in rows]).reshape(len(rows), len(FEATURES))
    dice = np.array([known[_key(row)] if row["labelled"] == "true" else np.nan for row in rows])
    subjects = [row["subject"] for row in rows]
    owners = [patients[subject] for subject in subjects]
    return Masks(subjects, owners, [int(row["fold"]) for row in rows], values[:, np.isfinite(values).all(0)], dice)


def _parse(text):
    return float("nan") if text in ("", "n/a") else float(text)


def _refuse(labelled: Masks, level):
    """Say why nothing can be said with these labelled patients; "" if something can."""
    # judged are labelled patients by the others, so that there has to be one more
    patients, fewest = len(set(labelled.patients)), conformal.fewest_patients(level)
    if patients > fewest:
        return ""
    return f"{patients} labelled patients were scored; an interval at {level:.0%} takes {fewest + 1}"


def stretch(dice):
    """Turn Dice into its logarithmic odds, where an error of the same size means less near 0 and near 1."""
    clipped = np.clip(dice, LIMIT, 1 - LIMIT)
    return np.log(clipped / (1 - clipped))


def unstretch(odds):
    """Turn logarithmic odds into Dice: the inverse of `stretch`, 0 or 1 beyond its limits."""
    dice = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    return np.where(dice < LIMIT + 1e-9, 0.0, np.where(dice > 1 - LIMIT - 1e-9, 1.0, dice))


def fit_odds(features, values):
    """Fit a ridge regression of logarithmic odds, and return its prediction (`conformal.Fit`)."""
    return ridge.fit_ridge(features, values).predict


def _judge_labelled(labelled: Masks, options, reason):
    """Judge each labelled subject's mask as if it had no label."""
    count = len(labelled.subjects)
    if reason:
        predicted, low, high = (np.full(count, np.nan) for _ in range(3))
        reasons = [reason] * count
    else:
        ends = conformal.cross_intervals(
            labelled.features, stretch(labelled.dice), labelled.patients, fit_odds, options.level
        )
        predicted, low, high = (unstretch(end) for end in ends)
        names = np.asarray(labelled.patients)
        others = (labelled.take(names != patient).features for patient in labelled.patients)
        reasons = [tell_strange(own, known) for own, known in zip(labelled.features, others, strict=True)]
    return [
        {"subject": labelled.subjects[k], "patient": labelled.patients[k], "fold": labelled.folds[k]}
        | _tell(predicted[k], low[k], high[k], reasons[k], options)
        | {"dice": round(float(labelled.dice[k]), 4)}
        for k in range(count)
    ]


def _judge_unlabelled(labelled: Masks, others: Masks, task: TaskSplit, options, reason):
    """Predict the Dice of each unlabelled subject's mask, from what each fold's network shows of it."""
    missing = task.get("incomplete", {})
    usual = {tuple(missing.get(subject, ())) for subject in labelled.subjects}
    calibrated = None
    if not reason:
        groups = conformal.group_patients(labelled.patients)
        calibrated = conformal.calibrate(labelled.features, stretch(labelled.dice), labelled.patients, groups, fit_odds)
    rows = []
    for subject in dict.fromkeys(others.subjects):
        own = others.take([name == subject for name in others.subjects])
        why, lacks = reason, tuple(missing.get(subject, ()))
        if own.patients[0] in labelled.patients:
            why = why or "the networks were trained on another visit of this patient"
        if lacks not in usual:
            why = why or f"lacks {', '.join(lacks)}, which every labelled patient has"
        if own.features.shape[1] and not why:
            why = tell_strange(own.features.mean(axis=0), labelled.features)
        predicted = low = high = np.nan
        if calibrated is not None:
            by_fold = dict(zip(own.folds, own.features, strict=True))
            # a labelled patient is compared with what his own network makes of the unlabelled one
            beside = np.array([by_fold.get(fold, own.features.mean(axis=0)) for fold in labelled.folds])
            low, high = unstretch(np.array(conformal.conformal_interval(calibrated, beside, options.level)))
            whole = fit_odds(labelled.features, stretch(labelled.dice))
            predicted = float(unstretch(whole(own.features).mean()))
        row = {"subject": subject, "patient": own.patients[0], "networks": len(own.folds)}
        rows.append(row | _tell(predicted, low, high, why, options))
    return rows


def tell_strange(features, known) -> str:
    """Say whether a mask is unlike those of the labelled patients, so that what was learnt of them may not hold.

    All masks are compared alike, so one that is exchangeable with the others is the farthest of n + 1 with a
    probability of 1 / (n + 1), and far beyond the farthest more rarely.

    Parameters
    ----------
    features : ndarray, shape (features,)
    known : ndarray, shape (masks, features)

    Returns
    -------
    str
        A reason, or "".
    """
    together = np.vstack([known, features])
    centre, scale = ridge.standardise(together)
    scaled = (together - centre) / scale
    spread = scaled.T @ scaled / len(scaled)
    # shrunk, since few patients do not show how features go together
    spread = spread + 0.1 * np.eye(len(spread))
    own = np.einsum("ij,jk,ik->i", scaled, np.linalg.inv(spread), scaled) / len(scaled)
    far = np.sqrt(own / np.maximum(1 - own, 1e-9))  # as seen from the others alone
    if far[-1] <= STRANGER * far[:-1].max(initial=0):
        return ""
    return "unlike the masks of all labelled patients"


def _tell(predicted, low, high, reason, options: QualityOptions):
    """Make the fields of a statement: the predicted Dice with its interval and advice, or why there is none."""
    if reason:
        return {"predicted": None, "low": None, "high": None, "advice": NONE, "reason": reason}
    numbers = {"predicted": predicted, "low": low, "high": high}
    return {name: round(float(value), 4) for name, value in numbers.items()} | {
        "advice": USABLE if low >= options.accept else LOOK,
        "reason": "",
    }


def risk_coverage(predicted, dice):
    """Compute the mean Dice of the most trusted masks, for each number of them.

    Parameters
    ----------
    predicted, dice : array_like, shape (masks,)

    Returns
    -------
    ndarray, shape (masks,)
        Of the most trusted one, of the two most trusted ones, and so on.
    """
    dice = np.asarray(dice, float)[np.argsort(-np.asarray(predicted, float), kind="stable")]
    return np.cumsum(dice) / np.arange(1, len(dice) + 1)


def summarise(rows, options: QualityOptions, reason=""):
    """Judge the statements about labelled subjects' masks by their true Dice.

    Parameters
    ----------
    rows : list of dict
        `JUDGED` of one region.
    options : QualityOptions
    reason : str
        Why there are no statements.

    Returns
    -------
    dict
        `SUMMARY` without the region; None where it cannot be computed.
    """
    told = [row for row in rows if row["predicted"] is not None]
    empty = dict.fromkeys(name for name in SUMMARY if name != "region")
    counts = {"patients": len({row["patient"] for row in rows}), "masks": len(rows), "told": len(told)}
    summary = empty | counts | {"level": options.level, "accept": options.accept, "reason": reason}
    if len(told) < 4:
        return summary
    columns = (np.array([row[name] for row in told], float) for name in ("predicted", "low", "high", "dice"))
    predicted, low, high, dice = columns
    within = (dice >= low - 1e-4) & (dice <= high + 1e-4)
    covered = stats.binomtest(int(within.sum()), len(told)).proportion_ci(0.95)
    patients = np.array([row["patient"] for row in told])
    constant = np.array([dice[patients != patient].mean() for patient in patients])
    usable = low >= options.accept
    found = {
        "coverage": within.mean(), "coverage_low": covered.low, "coverage_high": covered.high,
        "width": (high - low).mean(), "error": np.abs(predicted - dice).mean(),
        "error_of_mean": np.abs(constant - dice).mean(), **_correlate(predicted, dice),
        "risk": 1 - risk_coverage(predicted, dice).mean(), "risk_random": 1 - dice.mean(),
        "risk_best": 1 - risk_coverage(dice, dice).mean(),
    }  # fmt: skip
    counts = {"usable": int(usable.sum()), "usable_below": int((dice[usable] < options.accept).sum())}
    return summary | {name: round(float(value), 4) for name, value in found.items()} | counts


def _correlate(predicted, dice):
    """Compute the rank correlation of predicted and true Dice, with an interval at 95 %; nothing if one is constant."""
    if np.ptp(predicted) == 0 or np.ptp(dice) == 0:
        return {}
    rank = float(np.asarray(stats.spearmanr(predicted, dice))[0])
    # Bonett and Wright 2000, Psychometrika 65:23
    error = 1.96 * np.sqrt((1 + rank**2 / 2) / (len(dice) - 3))
    middle = np.arctanh(np.clip(rank, -0.9999, 0.9999))
    return {"rank": rank, "rank_low": np.tanh(middle - error), "rank_high": np.tanh(middle + error)}


# the columns of the tables
STATEMENT = ("predicted", "low", "high", "advice", "reason")
JUDGED = ("subject", "patient", "fold", "region", *STATEMENT, "dice")
UNLABELLED = ("subject", "patient", "region", "networks", *STATEMENT)
SUMMARY = (
    *("region", "patients", "masks", "told", "level", "accept", "coverage", "coverage_low", "coverage_high", "width"),
    *("error", "error_of_mean", "rank", "rank_low", "rank_high", "risk", "risk_random", "risk_best"),
    *("usable", "usable_below", "reason"),
)
