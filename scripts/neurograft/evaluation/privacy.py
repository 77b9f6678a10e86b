"""Can one tell who was in the training set? Membership inference from a network's confidence, over patients."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed in `_quantiles`

from neurograft.stats import clustered_error

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]
# network, fold, patient, whether the patient trained it, and the network's confidence
Confidence: TypeAlias = tuple[object, int, str, bool, float]

CONTROLS = 1000
LOWEST = 1e-9
FEWEST_PATIENTS = 6
# what is not a number where the study is refused
NUMBERS = ("auc", "low", "high", "tpr", "fpr", "chance", "control", "control_low", "control_high")


class Membership(TypedDict):
    """Whether the networks of one arm tell who trained them; numbers are NaN where the study is refused."""

    networks: int
    members: int
    outsiders: int
    auc: float
    low: float
    high: float
    control: float
    control_low: float
    control_high: float
    tpr: float
    fpr: float
    chance: float
    verdict: str
    reason: str


def compare_memberships(scores: Iterable[Confidence], seed: int = 0) -> Membership:
    """Tell members from outsiders over all networks of one arm of the experiment, each patient its own control.

    One network of 8 members and 2 outsiders shows next to nothing. But a patient is an outsider of its own fold's
    networks and a member of others', so what its confidence owes to the patient (an easy tumour) drops out of
    the difference; what it owes to the network is taken off by a least-squares fit of patients, networks and
    membership. This is the attack of someone who knows how hard each patient is (difficulty calibration, Watson
    et al. 2022, arXiv 2111.08440), a stronger one than a threshold for all.

    The AUC is the mean over patients of the chance that their confidence is higher as a member; its interval is the
    wider of Wilson's and a t interval over patients and folds (`clustered_error.standard_error`). Without a leak at
    most 5 % of simulated studies have it above 0.5 (`tests/evaluation/test_privacy.py`).

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
    rows = [row for row in scores if np.isfinite(row[4])]
    network, patient = (clustered_error.number_groups(np.array([str(row[k]) for row in rows])) for k in (0, 2))
    member, values = np.array([row[3] for row in rows], bool), np.array([row[4] for row in rows], float)
    both: list[int] = np.intersect1d(patient[member], patient[~member]).tolist()
    kept = np.isin(patient, both)
    networks = len(set(network.tolist()))
    members, outsiders = int((member & kept).sum()), int((~member & kept).sum())
    folds = [next(row[1] for row, p in zip(rows, patient) if p == number and not row[3]) for number in both]
    if len(both) < FEWEST_PATIENTS or len(set(folds)) < clustered_error.FEWEST_FOLDS:
        reason = f"{len(both)} patients of {len(set(folds))} folds were members and outsiders; at least "
        reason += f"{FEWEST_PATIENTS} of {clustered_error.FEWEST_FOLDS}"
        return {
            "networks": networks, "members": members, "outsiders": outsiders,
            "auc": np.nan, "low": np.nan, "high": np.nan, "tpr": np.nan, "fpr": np.nan, "chance": np.nan,
            "control": np.nan, "control_low": np.nan, "control_high": np.nan,
            "verdict": "refused", "reason": reason,
        }  # fmt: skip
    values = _take_off_levels(values, network, patient, member)
    inside, outside = ([values[(patient == number) & side] for number in both] for side in (member, ~member))
    shares = np.array([_share_above(*pair) for pair in zip(inside, outside)])
    low, high = _shares_interval(shares, clustered_error.number_groups(np.array(folds)))
    tpr, fpr, chance = _rates(np.concatenate(inside), np.concatenate(outside))
    control, control_low, control_high = _control_within(inside, seed)
    verdict, reason = _judge(low)
    return {
        "networks": networks, "members": members, "outsiders": outsiders,
        "auc": float(shares.mean()), "low": low, "high": high, "tpr": tpr, "fpr": fpr, "chance": chance,
        "control": control, "control_low": control_low, "control_high": control_high,
        "verdict": verdict, "reason": reason,
    }  # fmt: skip


def _take_off_levels(values: Floats, network: Integers, patient: Integers, member: NDArray[np.bool_]) -> Floats:
    """Take off each network's level and then each patient's mean; membership stays."""
    rows, networks = np.arange(len(values)), int(network.max()) + 1
    design = np.zeros((len(values), networks + int(patient.max()) + 2))
    design[rows, network], design[rows, networks + patient], design[:, -1] = 1, 1, member
    # the shortest solution: where levels cannot be told apart, none is made up
    level = np.linalg.lstsq(design, values, rcond=None)[0][:networks]
    values = values - level[network]
    return values - (np.bincount(patient, values) / np.bincount(patient))[patient]


def _share_above(above: ArrayLike, below: ArrayLike) -> float:
    """Compute the share of pairs of which the first is larger, ties by half; equal but for rounding is a tie."""
    difference = np.asarray(above)[:, None] - np.asarray(below)
    return float(np.mean((difference > LOWEST) + 0.5 * (np.abs(difference) <= LOWEST)))


def _shares_interval(shares: Floats, folds: Integers) -> tuple[float, float]:
    """Compute the 95 % interval of the mean of patients' shares: of t over patients and folds, or Wilson's, the wider.

    Wilson's does not collapse where all patients agree; for shares that are not 0 or 1 it is wider than need be.
    """
    tail, count, mean = (1 + clustered_error.LEVEL) / 2, len(shares), float(shares.mean())
    error, freedom = clustered_error.standard_error(shares, folds)
    reach, quantile = _quantiles(tail, freedom)
    spread = quantile * error
    middle = (mean + reach**2 / 2 / count) / (1 + reach**2 / count)
    half = reach * np.sqrt(mean * (1 - mean) / count + (reach / 2 / count) ** 2) / (1 + reach**2 / count)
    return float(max(0, min(middle - half, mean - spread))), float(min(1, max(middle + half, mean + spread)))


def _quantiles(share: float, freedom: int) -> tuple[float, float]:
    """Compute a quantile of the normal and of Student's t distribution."""
    distributions: Any = cast(Any, stats)
    return float(distributions.norm.ppf(share)), float(distributions.t.ppf(share, freedom))


def _control_within(inside: Sequence[Floats], seed: int) -> tuple[float, float, float]:
    """Compute the AUC where, of each patient, one network that trained on it is taken for one that did not.

    Returns
    -------
    mean, low, high : float
    """
    shares = [
        [_share_above(np.delete(values, k), values[k : k + 1]) for k in range(len(values))]
        for values in inside
        if len(values) > 1
    ]
    if not shares:
        return np.nan, np.nan, np.nan
    generator = np.random.default_rng(seed)
    areas: Floats = np.mean([generator.choice(values, CONTROLS) for values in shares], axis=0)
    low, high = (float(np.percentile(areas, share)) for share in (2.5, 97.5))
    return float(np.mean(areas)), low, high


def _rates(members: Floats, outsiders: Floats) -> tuple[float, float, float]:
    """Compute the true-positive rate at the threshold that takes one outsider for a member, and what chance gives.

    Returns
    -------
    tpr, fpr, chance : float
    """
    threshold = float(np.sort(outsiders)[-2]) if len(outsiders) > 1 else -np.inf
    tpr = float(np.mean(members > threshold, dtype=float))
    return tpr, 1 / len(outsiders), min(1.0, 2 / (len(outsiders) + 1))


def _judge(low: float) -> tuple[str, str]:
    """Turn the lower end of an AUC's interval into a verdict and its reason."""
    if low > 0.5:
        return "members can be told", "the interval lies above 0.5"
    return "no evidence", f"the interval reaches down to {low:.2f}; a stronger attack may still tell them"
