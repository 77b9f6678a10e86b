"""Membership inference: test whether a network's confidence reveals its training patients."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed in `_quantiles`

from neurograft.stats import clustered_error

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]
# network, fold, patient, whether the patient was used for training, and the network's confidence
Confidence: TypeAlias = tuple[object, int, str, bool, float]

CONTROLS = 1000
LOWEST = 1e-9
FEWEST_PATIENTS = 6
# the fields that are NaN if the study is refused
NUMBERS = ("auc", "low", "high", "tpr", "fpr", "chance", "control", "control_low", "control_high")


class Membership(TypedDict):
    """Result of membership inference for the networks of one arm; numbers are NaN if the study is refused."""

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
    """Distinguish members from outsiders over all networks of one arm, with each patient as its own control.

    One network with 8 members and 2 outsiders shows almost nothing. But each patient is an outsider for the networks
    that tested it and a member for the others, so the patient's own effect on confidence (such as an easy tumour)
    cancels in the difference. The network's effect is removed by a least-squares fit of patients, networks and
    membership. This attack assumes that the difficulty of each patient is known (difficulty calibration, Watson et al.
    2022, arXiv 2111.08440), and is stronger than one threshold for all.

    The AUC is the mean over patients of the probability that their confidence is higher as a member. Its interval is
    the wider of Wilson's and a t interval over patients and folds (`clustered_error.standard_error`), of repeated
    partitions the folds of the first. Without a leak, the interval is above 0.5 in at most 5 % of simulated studies
    (`tests/evaluation/test_privacy.py`).

    Parameters
    ----------
    scores : list of tuple
        (network, fold, patient, member, confidence) of each training and test patient of a network. Confidence is
        higher the surer the network is; for example the negative loss. Patients that were only members or only
        outsiders are left out.
    seed : int

    Returns
    -------
    dict
        `networks`: their number; `members` and `outsiders`: numbers of confidences, one per patient and network; `auc`
        with `low` and `high` (95 %); `tpr` at `fpr`, the lowest rate above 0 that is possible with these outsiders
        (one of them; recognising a few patients with certainty is a leak too, Carlini et al. 2022, arXiv 2112.03570),
        and `chance`, the `tpr` expected without a leak, all from confidences without network and patient effects;
        `control`, `control_low`, `control_high`: mean and 95 % range of the AUC if, for each patient, one network that
        trained on it is treated as one that did not; `verdict` ("members can be told", "no evidence", "refused") and
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
    """Subtract each network's effect and then each patient's mean; the membership effect remains."""
    rows, networks = np.arange(len(values)), int(network.max()) + 1
    design = np.zeros((len(values), networks + int(patient.max()) + 2))
    design[rows, network], design[rows, networks + patient], design[:, -1] = 1, 1, member
    # the minimum-norm solution, so that effects that cannot be separated are not invented
    level = np.linalg.lstsq(design, values, rcond=None)[0][:networks]
    values = values - level[network]
    return values - (np.bincount(patient, values) / np.bincount(patient))[patient]


def _share_above(above: ArrayLike, below: ArrayLike) -> float:
    """Compute the share of pairs whose first value is larger; ties, also those up to rounding, count half."""
    difference = np.asarray(above)[:, None] - np.asarray(below)
    return float(np.mean((difference > LOWEST) + 0.5 * (np.abs(difference) <= LOWEST)))


def _shares_interval(shares: Floats, folds: Integers) -> tuple[float, float]:
    """Compute the 95 % interval of the mean of patients' shares: the wider of Wilson's and t over patients and folds.

    Wilson's does not collapse if all patients agree; for shares other than 0 or 1 it is conservative.
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
    return float(distributions.norm.ppf(share)), clustered_error.t_quantile(freedom, share)


def _control_within(inside: Sequence[Floats], seed: int) -> tuple[float, float, float]:
    """Compute the AUC if, for each patient, one network that trained on it is treated as one that did not.

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
    """Compute the true-positive rate at the threshold with one false positive, and the rate expected by chance.

    Returns
    -------
    tpr, fpr, chance : float
    """
    threshold = float(np.sort(outsiders)[-2]) if len(outsiders) > 1 else -np.inf
    tpr = float(np.mean(members > threshold, dtype=float))
    return tpr, 1 / len(outsiders), min(1.0, 2 / (len(outsiders) + 1))


def _judge(low: float) -> tuple[str, str]:
    """Turn the lower limit of an AUC's interval into a verdict and its reason."""
    if low > 0.5:
        return "members can be told", "the interval lies above 0.5"
    return "no evidence", f"the interval reaches down to {low:.2f}; a stronger attack may still tell them"
