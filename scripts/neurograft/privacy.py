"""Can one tell who was in the training set? Membership inference from a network's confidence, over patients."""

from math import comb

import numpy as np
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

from . import statistics

CONTROLS = 1000
LOWEST = 1e-9


def membership_inference(members, outsiders, seed=0):
    """Tell the patients that one network was trained on from those that it never saw, by its confidence.

    The attack is the simplest one, a threshold on the patient's mean confidence (or negative loss; Yeom et al. 2018,
    arXiv 1709.01604): a network that passes may still fail against a stronger one. The true-positive rate at a
    low false-positive rate (Carlini et al. 2022, arXiv 2112.03570) stands beside the AUC, since naming a few
    patients with certainty is a leak too.

    Parameters
    ----------
    members, outsiders : array_like, shape (patients,)
        One number a patient, higher where the network is surer: the mean confidence, or the negative loss. NaN is
        left out. Of one network, no patient on both sides.
    seed : int

    Returns
    -------
    dict
        `members`, `outsiders` (how many), `auc` with `low` and `high` (95 %); `tpr` at `fpr`, the lowest rate above
        0 that so many outsiders can show (one of them), and `chance`, the `tpr` expected without any leak;
        `control`, `control_low`, `control_high`: mean and 95 % range of the AUC of members against other
        members; `verdict` ("members can be told", "no evidence", "refused") and `reason`.
    """
    members, outsiders = (np.asarray(side, float) for side in (members, outsiders))
    members, outsiders = members[np.isfinite(members)], outsiders[np.isfinite(outsiders)]
    row = {"members": len(members), "outsiders": len(outsiders)}
    smallest = 2 / comb(len(members) + len(outsiders), len(members))
    if smallest > statistics.ALPHA:
        names = ("auc", "low", "high", "tpr", "fpr", "chance", "control", "control_low", "control_high")
        reason = f"{len(members)} members and {len(outsiders)} outsiders cannot show any leak"
        return row | dict.fromkeys(names, np.nan) | {"verdict": "refused", "reason": reason}
    area = area_under_curve(members, outsiders)
    low, high = auc_interval(area, len(members), len(outsiders))
    row |= {"auc": area, "low": low, "high": high}
    # at this threshold one outsider is taken for a member
    threshold = np.sort(outsiders)[-2] if len(outsiders) > 1 else -np.inf
    row |= {"tpr": float(np.mean(members > threshold)), "fpr": 1 / len(outsiders)}
    row |= {"chance": min(1.0, 2 / (len(outsiders) + 1))} | _control(members, len(outsiders), seed)
    if low > 0.5:
        return row | {"verdict": "members can be told", "reason": "the interval lies above 0.5"}
    reason = f"the interval reaches down to {low:.2f}; a threshold on confidence is the weakest attack"
    return row | {"verdict": "no evidence", "reason": reason}


def area_under_curve(members, outsiders):
    """Chance that a member has more confidence than an outsider, ties by half (Mann-Whitney)."""
    inside = np.arange(len(members) + len(outsiders)) < len(members)
    return float(roc_auc_score(inside, np.concatenate([members, outsiders])))


def auc_interval(area, positives, negatives):
    """Give the 95 % score interval of an AUC (Newcombe 2006, Stat Med 25:559, method 5).

    It solves for the areas whose Hanley-McNeil standard error just reaches the one seen, so it does not collapse at
    an AUC of 1 as a bootstrap or Wald interval does, and holds from 4 patients a side
    (`tests/test_privacy.py`).

    Parameters
    ----------
    area : float
    positives, negatives : int

    Returns
    -------
    low, high : float
    """
    reach = stats.norm.ppf((1 + statistics.LEVEL) / 2)
    pairs = (positives + negatives) / 2 - 1

    def excess(truth):
        spread = (1 - truth) / (2 - truth) + truth / (1 + truth)
        variance = truth * (1 - truth) * (1 + pairs * spread) / (positives * negatives)
        return abs(area - truth) - reach * np.sqrt(variance)

    # 0 and 1 have no variance: an area there is its own trivial solution, which is not meant
    low = optimize.brentq(excess, 0, min(area, 1 - LOWEST)) if area > LOWEST else 0.0
    high = optimize.brentq(excess, max(area, LOWEST), 1) if area < 1 - LOWEST else 1.0
    return float(low), float(high)


def _control(members, outsiders, seed):
    """AUC of members against other members, as many of these as there are outsiders or half."""
    pretended = min(outsiders, len(members) // 2)
    if pretended < 1:
        return {"control": np.nan, "control_low": np.nan, "control_high": np.nan}
    count = len(members)
    ranks = np.broadcast_to(stats.rankdata(members), (CONTROLS, count))
    sums = np.random.default_rng(seed).permuted(ranks, axis=1)[:, pretended:].sum(axis=1)
    others = count - pretended
    areas = (sums - others * (others + 1) / 2) / (others * pretended)
    low, high = np.percentile(areas, [2.5, 97.5])
    return {"control": float(np.mean(areas)), "control_low": float(low), "control_high": float(high)}
