"""Test whether the network is worse for some subgroups of patients by more than chance."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from neurograft.stats.multiplicity import holm

FEWEST_IN_GROUP = 8
DRAWS = 10_000
AGE_LIMITS = (40, 60)
UNKNOWN = ("", "n/a", "nan", "none", "unknown")
# how tables of patients name what people are compared by
COLUMNS = {"sex": "sex|gender", "age": r"age([_ ].*)?", "site": "site", "grade": "(.*[_ ])?grade"}
SMALLER, LARGER = "smaller half", "larger half"


class GroupGap(TypedDict):
    """The gap between the groups of one attribute, and its test against chance."""

    attribute: str
    groups: str  # each with its number of patients and its mean
    patients: int
    gap: float  # this and all below: NaN or empty if there is a reason
    expected: float
    p: float
    p_adjusted: float
    worst: str
    reason: str


def subgroup_gaps(
    scores: Mapping[str, float], attributes: Mapping[str, Mapping[str, str]], seed: int = 0
) -> list[GroupGap]:
    """Test whether groups of patients differ by more than random groups.

    The gap is the largest minus the smallest group mean. It is above 0 even without a true difference (0.05 for three
    groups of 10 patients with a standard deviation of 0.1), so its null distribution is found by permuting the group
    labels over the patients. P values are adjusted over the attributes (Holm). A gap is no proof of a cause: sex, age
    and site are confounded with tumour size, grade and scanner.

    Parameters
    ----------
    scores : dict of str to float
        Patient to score, averaged over seeds.
    attributes : dict of str to dict of str to str
        Attribute (sex, age group, site, grade, tumour size) to patient to group. A patient without a group is left out.
    seed : int

    Returns
    -------
    list of dict
        A row per attribute: `attribute`, `groups` (name with number and mean, as text), `patients` (tested), `gap`
        (between groups of at least 8 patients), `expected` (mean gap under the null), `p`, `p_adjusted`, `worst` (the
        group with the smallest mean), `reason` (why there is no p value, or "").
    """
    rows = [_gap(name, scores, owner, seed) for name, owner in attributes.items()]
    tested = [row for row in rows if not row["reason"]]
    for row, adjusted in zip(tested, holm([row["p"] for row in tested])):
        row["p_adjusted"] = float(adjusted)
    return rows


def _gap(name: str, scores: Mapping[str, float], owner: Mapping[str, str], seed: int) -> GroupGap:
    """Make one row, with an unadjusted p value."""
    names = {patient: str(group).strip() for patient, group in owner.items()}
    patients = [p for p in sorted(scores) if names.get(p, "").lower() not in UNKNOWN and np.isfinite(scores[p])]
    values = np.array([scores[p] for p in patients])
    groups = np.array([names[p] for p in patients], dtype=str)
    sizes = {group: int((groups == group).sum()) for group in sorted({names[p] for p in patients})}
    means = {group: float(values[groups == group].mean()) for group in sizes}
    large = [group for group, size in sizes.items() if size >= FEWEST_IN_GROUP]
    row: GroupGap = {
        "attribute": name,
        "groups": "; ".join(f"{group}: {sizes[group]}, {means[group]:.3f}" for group in sizes),
        "patients": sum(sizes[group] for group in large),
        "gap": np.nan, "expected": np.nan, "p": np.nan, "p_adjusted": np.nan, "worst": "", "reason": "",
    }  # fmt: skip
    if len(large) < 2:
        return {**row, "reason": f"fewer than two groups have {FEWEST_IN_GROUP} patients"}
    kept = np.isin(groups, large)
    codes = np.unique(groups[kept], return_inverse=True)[1]
    gap, expected, p = permutation_gap(values[kept], codes, seed)
    return {**row, "gap": gap, "expected": expected, "p": p, "worst": min(large, key=lambda group: means[group])}


def permutation_gap(
    values: NDArray[np.float64], groups: NDArray[np.integer[Any]], seed: int = 0
) -> tuple[float, float, float]:
    """Compute the gap (maximum minus minimum group mean), its mean under permuted labels, and its p value.

    Parameters
    ----------
    values : ndarray, shape (patients,)
    groups : ndarray of int, shape (patients,)
        0 to the number of groups minus one.
    seed : int

    Returns
    -------
    gap, expected, p : float
        p counts the observed labels as one of the draws, so it is at least 1 / (1 + DRAWS).
    """
    sizes = np.bincount(groups)
    generator = np.random.default_rng(seed)
    # permuting the values is the same as permuting the labels
    drawn = generator.permuted(np.broadcast_to(values, (DRAWS, len(values))), axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    gaps = np.ptp(np.add.reduceat(drawn, starts, axis=1) / sizes, axis=1)
    gap = float(np.ptp(np.bincount(groups, weights=values) / sizes))
    # slightly below, so that rounding does not make equal gaps differ
    reached = np.count_nonzero(gaps >= gap - 1e-9 * max(gap, 1e-300))
    return gap, float(gaps.mean()), float((1 + reached) / (1 + DRAWS))


def name_column(columns: Iterable[str], attribute: str) -> str:
    """Return the first column that holds an attribute of `COLUMNS` ("gender" is a sex), or nothing."""
    pattern = re.compile(COLUMNS[attribute], re.IGNORECASE)
    return next((column for column in columns if pattern.fullmatch(column.strip())), "")


def size_groups(volumes: Mapping[str, float]) -> dict[str, str]:
    """Halve the patients at the median volume of their tumour; those without a tumour are in neither half.

    Parameters
    ----------
    volumes : dict of str to float
        Patient to ml.

    Returns
    -------
    dict of str to str
        Patient to `SMALLER` or `LARGER`.
    """
    present = {patient: volume for patient, volume in volumes.items() if volume > 0}
    if not present:
        return {}
    middle = float(np.median(list(present.values())))
    return {patient: LARGER if volume > middle else SMALLER for patient, volume in present.items()}


def age_group(age: float | str, limits: Sequence[int] = AGE_LIMITS) -> str:
    """Name the age group of a patient, such as "under 40", "40 to 59" or "60 and over".

    Parameters
    ----------
    age : float or str
        Years; may be text such as "63Y" or "n/a".
    limits : sequence of int

    Returns
    -------
    str
        Empty if the age cannot be read.
    """
    try:
        years = float(str(age).strip().rstrip("Yy"))
    except ValueError:
        return ""
    if not 0 <= years < 130:
        return ""
    if years < limits[0]:
        return f"under {limits[0]}"
    if years >= limits[-1]:
        return f"{limits[-1]} and over"
    at = int(np.searchsorted(limits, years, side="right"))
    return f"{limits[at - 1]} to {limits[at] - 1}"
