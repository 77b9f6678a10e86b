"""Can one tell who was in the training set? Membership inference from a network's confidence, over patients."""

import numpy as np
from scipy import stats

from neurograft.stats import comparisons

CONTROLS = 1000
LOWEST = 1e-9
FEWEST_PATIENTS = 6
# what is not a number where the study is refused
NUMBERS = ("auc", "low", "high", "tpr", "fpr", "chance", "control", "control_low", "control_high")


def compare_memberships(scores, seed=0):
    """Tell members from outsiders over all networks of one arm of the experiment, each patient its own control.

    One network of 8 members and 2 outsiders shows next to nothing. But a patient is an outsider of its own fold's
    networks and a member of others', so what its confidence owes to the patient (an easy tumour) drops out of
    the difference; what it owes to the network is taken off by a least-squares fit of patients, networks and
    membership. This is the attack of someone who knows how hard each patient is (difficulty calibration, Watson
    et al. 2022, arXiv 2111.08440), a stronger one than a threshold for all.

    The AUC is the mean over patients of the chance that their confidence is higher as a member; its interval is the
    wider of Wilson's and a t interval over patients and folds (`comparisons.standard_error`). Without a leak at most
    5 % of simulated studies have it above 0.5 (`tests/evaluation/test_privacy.py`).

    Parameters
    ----------
    scores : list of tuple
        (network, fold, patient, member, confidence) of each patient that a network trained on or is tested on; the
        confidence is higher where the network is surer, such as the negative loss. Patients that were only ever
        one of the two are left out.
    seed : int

    Returns
    -------
    dict
        `networks` (how many); `members` and `outsiders`: confidences, one of a patient and a network each; `auc` with
        `low` and `high` (95 %); `tpr` at `fpr`, the lowest rate above 0 that so many outsiders can show (one of them;
        naming a few patients with certainty is a leak too, Carlini et al. 2022, arXiv 2112.03570), and `chance`,
        the `tpr` expected without any leak, of confidences less their network's and patient's level; `control`,
        `control_low`, `control_high`: mean and 95 % range of the AUC where, of each patient, one network that did
        train on it is taken for one that did not; `verdict` ("members can be told", "no evidence", "refused") and
        `reason`.
    """
    scores = [row for row in scores if np.isfinite(row[4])]
    network, patient = (np.unique([str(row[k]) for row in scores], return_inverse=True)[1] for k in (0, 2))
    member, values = np.array([row[3] for row in scores], bool), np.array([row[4] for row in scores], float)
    both = np.intersect1d(patient[member], patient[~member]).tolist()
    kept = np.isin(patient, both)
    row = {"networks": len(set(network.tolist()))}
    row |= {"members": int((member & kept).sum()), "outsiders": int((~member & kept).sum())}
    own = [next(s[1] for s, p in zip(scores, patient) if p == one and not s[3]) for one in both]
    if len(both) < FEWEST_PATIENTS or len(set(own)) < comparisons.FEWEST_FOLDS:
        reason = f"{len(both)} patients of {len(set(own))} folds were members and outsiders; at least "
        reason += f"{FEWEST_PATIENTS} of {comparisons.FEWEST_FOLDS}"
        return row | dict.fromkeys(NUMBERS, np.nan) | {"verdict": "refused", "reason": reason}
    values = _take_off_levels(values, network, patient, member)
    inside, outside = ([values[(patient == one) & side] for one in both] for side in (member, ~member))
    shares = np.array([_share_above(*pair) for pair in zip(inside, outside)])
    area, (low, high) = float(shares.mean()), _shares_interval(shares, np.unique(own, return_inverse=True)[1])
    row |= {"auc": area, "low": low, "high": high}
    row |= _rates(np.concatenate(inside), np.concatenate(outside))
    return row | _control_within(inside, seed) | _judge(low)


def _take_off_levels(values, network, patient, member):
    """Take off each network's level and then each patient's mean; membership stays."""
    rows, networks = np.arange(len(values)), int(network.max()) + 1
    design = np.zeros((len(values), networks + int(patient.max()) + 2))
    design[rows, network], design[rows, networks + patient], design[:, -1] = 1, 1, member
    # the shortest solution: where levels cannot be told apart, none is made up
    level = np.linalg.lstsq(design, values, rcond=None)[0][:networks]
    values = values - level[network]
    return values - (np.bincount(patient, values) / np.bincount(patient))[patient]


def _share_above(above, below):
    """Share of pairs of which the first is larger, ties by half; equal but for rounding is a tie."""
    difference = np.asarray(above)[:, None] - np.asarray(below)
    return float(np.mean((difference > LOWEST) + 0.5 * (np.abs(difference) <= LOWEST)))


def _shares_interval(shares, folds):
    """Give the 95 % interval of the mean of patients' shares: of t over patients and folds, and Wilson's, the wider.

    Wilson's does not collapse where all patients agree; for shares that are not 0 or 1 it is wider than need be.
    """
    tail, count, mean = (1 + comparisons.LEVEL) / 2, len(shares), shares.mean()
    error, freedom = comparisons.standard_error(shares, folds)
    reach, spread = stats.norm.ppf(tail), stats.t.ppf(tail, freedom) * error
    middle = (mean + reach**2 / 2 / count) / (1 + reach**2 / count)
    half = reach * np.sqrt(mean * (1 - mean) / count + (reach / 2 / count) ** 2) / (1 + reach**2 / count)
    return float(max(0, min(middle - half, mean - spread))), float(min(1, max(middle + half, mean + spread)))


def _control_within(inside, seed):
    """AUC where, of each patient, one network that trained on it is taken for one that did not."""
    shares = [
        [_share_above(np.delete(own, k), own[k : k + 1]) for k in range(len(own))] for own in inside if len(own) > 1
    ]
    if not shares:
        return {"control": np.nan, "control_low": np.nan, "control_high": np.nan}
    generator = np.random.default_rng(seed)
    areas = np.mean([generator.choice(own, CONTROLS) for own in shares], axis=0)
    low, high = np.percentile(areas, [2.5, 97.5])
    return {"control": float(np.mean(areas)), "control_low": float(low), "control_high": float(high)}


def _rates(members, outsiders):
    """True-positive rate at the threshold that takes one outsider for a member, and what it would be by chance."""
    threshold = np.sort(outsiders)[-2] if len(outsiders) > 1 else -np.inf
    return {
        "tpr": float(np.mean(members > threshold)),
        "fpr": 1 / len(outsiders),
        "chance": min(1.0, 2 / (len(outsiders) + 1)),
    }


def _judge(low):
    """Turn the lower end of an AUC's interval into a verdict and its reason."""
    if low > 0.5:
        return {"verdict": "members can be told", "reason": "the interval lies above 0.5"}
    reason = f"the interval reaches down to {low:.2f}; a stronger attack may still tell them"
    return {"verdict": "no evidence", "reason": reason}
