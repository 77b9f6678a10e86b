"""Estimate the benefits of one strategy besides accuracy: labels, time, less overfitting, less loss at another site."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypeAlias, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurograft.core.cells import Arm, Cell, take_cell
from neurograft.evaluation.records import FitRow, HistoryRow, TrainedCell
from neurograft.evaluation.scores import reach_times
from neurograft.stats import clustered_error, paired_verdict
from neurograft.stats.paired_verdict import Scale

Floats: TypeAlias = NDArray[np.float64]
# (task, space, split, n) to the numbers of training patients of its cells
Sizes: TypeAlias = Mapping[tuple[str, str, str, str], Sequence[int]]
# cell, history and seconds of one training
Run: TypeAlias = tuple[Mapping[str, Any], Sequence[HistoryRow], Sequence[float]]

FEWEST_PATIENTS = 6
FEWEST_SITES = 3
RESAMPLES = 1000
WINDOW = 5
WIDE_GAP = 0.1


class LabelsNeeded(TypedDict):
    """How many labelled patients scratch needs to reach the score of a transferred network."""

    patients: int
    needed: float
    low: float
    high: float
    saved: float
    answer: str
    interval: str
    reason: str


class LabelsSaved(LabelsNeeded):
    """`LabelsNeeded` with the number of labelled patients of the transferred network."""

    n: float


class LabelsRow(Arm, LabelsNeeded):
    """A row of `labels_saved.tsv`: what an arm's transferred networks save."""


class TimeSavedRow(Cell):
    """A row of `time_saved.tsv`: when a training and scratch reached the same Dice; NaN if one did not."""

    dice: float
    steps_scratch: float
    steps: float
    steps_saved: float
    seconds_scratch: float
    seconds: float
    seconds_saved: float


class GapRow(Cell):
    """A row of `overfitting.tsv`: how much better a network is on its training patients than on its test patients."""

    train: float
    test: float
    patients: int
    gap: float
    warning: bool
    reason: str


class Drop(TypedDict):
    """The loss in score at an unseen site."""

    mean: float
    low: float
    high: float
    patients: int
    sites: int
    reason: str


class DropRow(Drop):
    """A row of `generalisation.tsv`: the drop of an arm, and how much smaller it is than that of scratch."""

    task: str
    source: str
    strategy: str
    space: str
    n: str
    in_site: float
    cross_site: float
    less: NotRequired[float]
    less_low: NotRequired[float]
    less_high: NotRequired[float]


class PatientScore(Arm):
    """A score of a patient; the fields of the cell are text."""

    fold: str
    seed: str
    patient: str
    value: float


def labels_saved(
    transferred: ArrayLike,
    scratch: ArrayLike,
    sizes: ArrayLike,
    n: float,
    folds: ArrayLike | None = None,
    better: str = "higher",
    seed: int = 0,
) -> LabelsSaved:
    """Estimate how many labelled patients scratch needs to reach the score of the transferred network with n.

    Both mean curves are fitted by isotonic regression (more labels are never worse on average); the curve of scratch
    is interpolated linearly in log n. The interval is a percentile bootstrap over patients, with deviations widened by
    `t sqrt(n/(n-1)) / 1.96`; without this its coverage is 86 to 94 % with 10 patients. Patients of one fold share
    trained networks, so folds are resampled as well, and the wider limit is used (80 to 85 % without).

    Parameters
    ----------
    transferred, scratch : array_like, shape (patients, sizes)
        Score of each patient at each size; a patient with a NaN is left out.
    sizes : sequence of float
        Numbers of labelled training patients, in ascending order.
    n : float
        One of `sizes`.
    folds : array_like, shape (patients,), optional
        The fold in which each patient was tested.
    better : {"higher", "lower"}
        The better direction of the score.
    seed : int

    Returns
    -------
    dict
        `n`, `patients`, `needed` with `low` and `high` (95 %), and `saved`, which is needed - n. Infinity means that
        scratch does not reach the score even with the largest size, minus infinity that the smallest size is enough.
        `answer` and `interval` are the same as text; `reason` says why there is no interval (NaN), or is empty.

    Raises
    ------
    ValueError
        If the shapes do not match, the sizes do not ascend, or n is not one of them.
    """
    numbers = np.asarray(sizes, float)
    curves = _paired_curves(transferred, scratch, numbers, n) * (1 if better == "higher" else -1)
    kept = np.isfinite(curves).all(axis=(1, 2))
    curves, at = curves[kept], int(np.flatnonzero(numbers == n)[0])
    groups = None if folds is None else clustered_error.number_groups(np.asarray(folds)[kept])
    place = float(_needed(curves.mean(axis=0)[None], np.log(numbers), at)[0]) if len(curves) else np.nan
    ends, reason = _bootstrap(curves, groups, np.log(numbers), at, seed)
    # minus infinity has a meaning of its own; it is not the log of 0 patients
    needed, low, high = (float(np.exp(end)) if end != -np.inf else -np.inf for end in (place, *ends))
    interval = "" if reason else f"{describe_number(low)} to {describe_number(high)}"
    return {
        "n": n, "patients": len(curves), "needed": needed, "low": low, "high": high,
        "saved": needed - n, "answer": describe_number(needed), "interval": interval, "reason": reason,
    }  # fmt: skip


def _paired_curves(transferred: ArrayLike, scratch: ArrayLike, sizes: Floats, n: float) -> Floats:
    """Check both strategies' scores and stack them, shape (patients, 2, sizes)."""
    curves = np.stack([np.asarray(transferred, float), np.asarray(scratch, float)], axis=1)
    if curves.ndim != 3 or curves.shape[2] != len(sizes) or sizes[0] <= 0 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"scores {curves.shape} need one column for each of the rising sizes {sizes.tolist()}")
    if n not in sizes:
        raise ValueError(f"nothing was measured with {n} patients; sizes are {sizes.tolist()}")
    return curves


def describe_number(needed: float) -> str:
    """Format a number of patients: "not reached" above, "beyond the range" below the measured sizes."""
    if np.isnan(needed):
        return ""
    if np.isinf(needed):
        return "not reached" if needed > 0 else "beyond the range"
    return f"{needed:.3g}"


def isotonic(curves: Floats) -> Floats:
    """Fit many isotonic curves at once by least squares, with the max-min formula (Robertson et al. 1988).

    Parameters
    ----------
    curves : ndarray, shape (curves, sizes)

    Returns
    -------
    ndarray, shape (curves, sizes)
    """
    sums = np.pad(np.cumsum(curves, axis=1), ((0, 0), (1, 0)))
    count = curves.shape[1]
    fitted = np.full(curves.shape, -np.inf)
    for here in range(count):
        for start in range(here + 1):
            means = [(sums[:, end] - sums[:, start]) / (end - start) for end in range(here + 1, count + 1)]
            fitted[:, here] = np.maximum(fitted[:, here], np.min(means, axis=0))
    return fitted


def _needed(curves: Floats, places: Floats, at: int) -> Floats:
    """Find the place (log of the size) where scratch reaches the transferred curve's value at one size.

    `curves` has shape (draws, 2, sizes), transferred first. Infinite as in `labels_saved`.
    """
    target, scratch = isotonic(curves[:, 0])[:, at], isotonic(curves[:, 1])
    reached = scratch >= target[:, None]
    first = reached.argmax(axis=1)
    crossings: Floats = np.where(reached.any(axis=1), -np.inf, np.inf)
    between = np.flatnonzero(reached.any(axis=1) & (first > 0))
    after, before = scratch[between, first[between]], scratch[between, first[between] - 1]
    share = (target[between] - before) / (after - before)
    left, right = places[first[between] - 1], places[first[between]]
    crossings[between] = left + share * (right - left)
    return crossings


def _bootstrap(
    curves: Floats, groups: NDArray[np.intp] | None, places: Floats, at: int, seed: int
) -> tuple[tuple[float, float], str]:
    """Compute the limits of the interval on the log scale, or explain why there are none."""
    if len(curves) < FEWEST_PATIENTS:
        return (np.nan, np.nan), f"{len(curves)} patients; an interval takes at least {FEWEST_PATIENTS}"
    kinds: list[NDArray[np.intp]] = [np.arange(len(curves))]
    if groups is not None:
        folds = int(groups.max()) + 1
        if folds < clustered_error.FEWEST_FOLDS:
            return (np.nan, np.nan), f"{folds} folds; an interval takes at least {clustered_error.FEWEST_FOLDS}"
        kinds.append(groups)
    generator = np.random.default_rng(seed)
    means = curves.mean(axis=0)
    ends: list[tuple[float, float]] = []
    for clusters in kinds:
        count = int(clusters.max()) + 1
        weights = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES)[:, clusters].astype(float)
        weights /= weights.sum(axis=1, keepdims=True)
        tail = (1 + clustered_error.LEVEL) / 2
        quantiles = clustered_error.t_quantile(count - 1, tail), clustered_error.t_quantile(np.inf, tail)
        wider = np.sqrt(count / (count - 1)) * quantiles[0] / quantiles[1]
        resampled = cast("Floats", cast(Any, np).tensordot(weights, curves, 1))
        drawn = means + wider * (resampled - means)
        values = np.sort(_needed(drawn, places, at))
        rank = int(np.floor((1 - tail) * RESAMPLES))
        ends.append((float(values[rank]), float(values[-1 - rank])))
    return (min(low for low, _ in ends), max(high for _, high in ends)), ""


def time_saved(scratch: Run, transferred: Run, window: int = WINDOW) -> TimeSavedRow:
    """Compare when two trainings of one fold, size and seed reach the final training Dice of scratch.

    The final Dice is the mean of scratch's last `window` values. Both trainings reach it when such a rolling mean is
    first as high, so steps of scratch after that point do not count. It is the training Dice because there are no
    validation patients.

    Parameters
    ----------
    scratch, transferred : tuple
        `cell`, `history` and `seconds` of each, as in `scores.reach_times`.
    window : int

    Returns
    -------
    dict
        `CELL` of the transferred training, `dice`, `steps_scratch`, `steps`, `steps_saved`, and the same in seconds;
        NaN if the Dice was not reached. Negative if the transferred training was slower.
    """
    values = [row.get("train_dice", np.nan) for row in scratch[1]]
    final = float(np.mean(values[-window:])) if len(values) >= window else np.nan
    # slightly less, because two ways to compute a mean differ in rounding
    first, second = (reach_times(*run, dice=final - 1e-9, window=window) for run in (scratch, transferred))
    return {
        **take_cell(transferred[0]),
        "dice": final,
        "steps_scratch": first["steps_to_dice"],
        "steps": second["steps_to_dice"],
        "steps_saved": first["steps_to_dice"] - second["steps_to_dice"],
        "seconds_scratch": first["seconds_to_dice"],
        "seconds": second["seconds_to_dice"],
        "seconds_saved": first["seconds_to_dice"] - second["seconds_to_dice"],
    }


def train_test_gaps(cells: Iterable[TrainedCell]) -> list[GapRow]:
    """Tabulate each cell's gap between its training and its test patients, and warn if it is wide.

    Both are the same measure, of the finished network on the same kind of fixed inputs (`records`). The warning
    requires a gap above `WIDE_GAP` and above two standard errors of the difference of the two means.

    Parameters
    ----------
    cells : list of dict
        `CELL`, and `fit`: the rows of `fit.tsv`.

    Returns
    -------
    list of dict
        A row for each cell with both sides: `CELL`, `train` and `test` (means over patients, of Dice or accuracy),
        `patients` (tested), `gap`, `warning` (bool), `reason` (the warning as text, or "").
    """
    rows: list[GapRow] = []
    for cell in cells:
        measure = "dice" if cell["task"] == "segmentation" else "accuracy"
        train, test = (_list_fit(cell["fit"], role, measure) for role in ("train", "test"))
        if not len(train) or not len(test):
            continue
        gap = float(train.mean() - test.mean())
        # one patient shows no spread, so there is no warning
        fewest = min(len(train), len(test))
        error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in (train, test))) if fewest > 1 else np.inf
        warning = bool(gap > WIDE_GAP and gap > 2 * error)
        reason = (
            f"overfitted: {cell['strategy']} from {cell['source']}, n = {cell['n']}, {cell['task']} in "
            f"{cell['space']}, {cell['split']} {cell['fold']}, seed {cell['seed']}: {measure} {train.mean():.2f} on "
            f"its {len(train)} training patients, {test.mean():.2f} on {len(test)} test patients"
        )
        rows.append({
            **take_cell(cell),
            "train": float(train.mean()), "test": float(test.mean()), "patients": len(test), "gap": gap,
            "warning": warning, "reason": reason if warning else "",
        })  # fmt: skip
    return rows


def _list_fit(fit: Iterable[FitRow], role: str, measure: str) -> Floats:
    """List a measure for the subjects with one role."""
    rows = [row for row in fit if row["role"] == role]
    return np.array([row.get("dice" if measure == "dice" else "accuracy", np.nan) for row in rows])


def generalisation_drop(
    in_site: Mapping[str, float], cross_site: Mapping[str, float], sites: Mapping[str, str], scale: Scale | None = None
) -> Drop:
    """Compute the loss at an unseen site: in-site minus cross-site score, paired over patients.

    Parameters
    ----------
    in_site, cross_site : dict of str to float
        Patient to score (averaged over seeds), with stratified folds and leaving one site out, with the same n.
    sites : dict of str to str
        Patient to site.
    scale : Scale, optional
        Of the difference.

    Returns
    -------
    dict
        Mean and interval of `paired_verdict.paired_comparison` over the patients with both scores, with sites as
        clusters; `patients`, `sites`, and `reason`: why it is refused (then `low` and `high` are NaN), or "".
    """
    patients = [name for name in in_site if name in cross_site and sites.get(name)]
    difference = np.array([in_site[name] - cross_site[name] for name in patients])
    patients = [name for name, value in zip(patients, difference) if np.isfinite(value)]
    difference = difference[np.isfinite(difference)]
    owner = [str(sites[name]) for name in patients]
    result = paired_verdict.paired_comparison(difference, owner, scale)
    count, places = len(patients), result["folds"]
    if count < FEWEST_PATIENTS or places < FEWEST_SITES:
        reason = f"{count} patients of {places} sites; at least {FEWEST_PATIENTS} of {FEWEST_SITES}"
        return {
            "mean": np.nan, "low": np.nan, "high": np.nan, "patients": count, "sites": places, "reason": reason,
        }  # fmt: skip
    return {
        "mean": result["mean"], "low": result["low"], "high": result["high"], "patients": count, "sites": places,
        "reason": "",
    }  # fmt: skip
