"""Which labels deserve a second look: those with which a network disagrees where it is usually right.

The network never saw the patient. A label is doubtful if the disagreement is larger than what such a mask leads to
expect: a mask that is unsure of itself may well be wrong, one that is sure of itself rarely is.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from neurograft.core.split_file import SplitFile
from neurograft.delivery.mask_features import FEATURES, LABEL_MEASURES
from neurograft.stats import conformal, ridge

FEWEST = 8  # patients
LIMIT = 0.02  # shares nearer to 0 or 1 count as this near
LEAST_SPREAD = 0.1  # of residuals, in logarithmic odds: below it differences mean nothing
TIED = 0.6745  # median absolute deviation of a normal distribution of spread 1


def rank_labels(measured: Sequence[Mapping[str, str]], split: SplitFile):
    """Rank labelled subjects by how much more their label is contradicted than expected.

    Parameters
    ----------
    measured : list of dict
        Rows of `mask_features.measure_masks`, as text.
    split : SplitFile

    Returns
    -------
    list of dict
        `COLUMNS`, the most doubtful first: of each subject the region and the measure that contradict most. None with
        fewer than `FEWEST` patients.
    """
    labelled = [row for row in measured if row["labelled"] == "true"]
    patients = split["tasks"]["segmentation"]["patients"]
    if len({patients[row["subject"]] for row in labelled}) < FEWEST:
        return []
    worst: dict[str, dict] = {}
    for region in dict.fromkeys(row["region"] for row in labelled):
        rows = [row for row in labelled if row["region"] == region]
        features = np.array([[_parse(row[name]) for name in FEATURES] for row in rows])
        features = features[:, np.isfinite(features).all(axis=0)]
        shares = np.array([[_parse(row[name]) for name in LABEL_MEASURES] for row in rows])
        doubts, expected = doubt_labels(features, shares, [patients[row["subject"]] for row in rows])
        for at, row in enumerate(rows):
            kind = int(doubts[at].argmax())
            found = {
                "subject": row["subject"], "region": region, "doubt": round(float(doubts[at, kind]), 3),
                "measure": LABEL_MEASURES[kind], "value": round(float(shares[at, kind]), 4),
                "expected": round(float(expected[at, kind]), 4),
            }  # fmt: skip
            if found["doubt"] > worst.get(row["subject"], {"doubt": -np.inf})["doubt"]:
                worst[row["subject"]] = found
    ordered = sorted(worst.values(), key=lambda row: -row["doubt"])
    return [{"rank": rank, **row} for rank, row in enumerate(ordered, start=1)]


def _parse(text):
    return float("nan") if text in ("", "n/a") else float(text)


def doubt_labels(features, shares, patients):
    """Compare how much each label is contradicted with what the others' masks lead to expect.

    Parameters
    ----------
    features : ndarray, shape (masks, features)
        What the masks show of themselves.
    shares : ndarray, shape (masks, measures)
        `LABEL_MEASURES`, shares from 0 to 1, higher where a label is contradicted more.
    patients : sequence of str

    Returns
    -------
    doubts : ndarray, shape (masks, measures)
        By how many robust standard deviations of all masks a share exceeds what is expected of its mask by a
        regression on the other patients, in logarithmic odds.
    expected : ndarray, shape (masks, measures)
        Shares.
    """
    clipped = np.clip(shares, LIMIT, 1 - LIMIT)
    odds = np.log(clipped / (1 - clipped))
    groups = conformal.group_patients(patients)
    expected = np.empty_like(odds)
    for group in range(int(groups.max()) + 1):
        mine = groups == group
        for measure in range(odds.shape[1]):
            fitted = ridge.fit_ridge(features[~mine], odds[~mine, measure])
            expected[mine, measure] = fitted.predict(features[mine])
    residuals = odds - expected
    middle = np.median(residuals, axis=0)
    spread = np.median(np.abs(residuals - middle), axis=0) / TIED
    return (residuals - middle) / np.maximum(spread, LEAST_SPREAD), 1 / (1 + np.exp(-expected))


COLUMNS = ("rank", "subject", "region", "doubt", "measure", "value", "expected")
