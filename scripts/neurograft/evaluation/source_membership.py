"""Membership of a source: whether it segments these patients as if it had been trained on them.

The question of `privacy`, asked of a network that was trained elsewhere. The controls are this run's own networks: for
each patient those that trained on him, and those that did not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from neurograft.core.cells import ARM, Arm
from neurograft.evaluation.frames import average_patients
from neurograft.evaluation.records import TrainedCell
from neurograft.stats import clustered_error

LEVEL = 0.05  # of the one-sided test
FEWEST_PATIENTS = 10
SUSPECTED, NOTHING, UNTESTED = "suspected", "no evidence", "not tested"


class SourceMembership(TypedDict):
    """A row of `membership.tsv`: mean losses over patients, NaN where nothing was tested."""

    source: str
    outcome: str  # `SUSPECTED`, `NOTHING` or `UNTESTED`
    patients: int
    loss: float  # of the source, untrained
    unseen: float  # of the networks of this run that did not train on the patient
    seen: float  # of those that did
    below: float  # by how much the source's loss is below that of those that did
    low: float  # its lower limit
    reference: str  # strategy and source of these networks
    reason: str


def probe_sources(
    losses: Mapping[str, Mapping[str, float] | str],
    cells: Iterable[TrainedCell],
    patients: Mapping[str, str],
    barred: Iterable[str],
) -> list[SourceMembership]:
    """Test of every source whether it behaves as if it had been trained on these patients.

    Parameters
    ----------
    losses : dict of str to dict of str to float, or str
        Source to its loss on each subject; or to the reason why it could not be measured.
    cells : list of dict
        From `assessment.read_networks`.
    patients : dict of str to str
        Subject to patient.
    barred : collection of str
        Sources that have seen patients, whose networks are no controls.

    Returns
    -------
    list of SourceMembership
    """
    arms: dict[tuple[str, ...], list[TrainedCell]] = {}
    for cell in cells:
        if (cell["task"], cell["split"], str(cell["n"])) == ("segmentation", "folds", "all"):
            arms.setdefault(tuple(str(dict(cell)[key]) for key in ARM), []).append(cell)
    excluded = set(barred)
    rows: list[SourceMembership] = []
    for source, own in losses.items():
        if isinstance(own, str):
            rows.append(_refuse(source, own))
            continue
        # networks that began as the source know what it knows
        usable = [members for members in arms.values() if _is_control(members[0], source, excluded)]
        if not usable:
            words = "no networks of this run that started elsewhere were trained on all patients but a fold's"
            rows.append(_refuse(source, words))
            continue
        best = min(usable, key=_mean_loss)
        rows.append(judge_membership(source, own, best, patients))
    return rows


def judge_membership(
    source: str, losses: Mapping[str, float], controls: Sequence[TrainedCell], patients: Mapping[str, str]
) -> SourceMembership:
    """Judge whether a source's losses are those of a network that was trained on these patients.

    Each patient is his own control, so that it does not count how hard he is. The source is suspected if its loss is
    lower, on average over patients, than that of networks that trained on them (one-sided t test, `LEVEL`). A source
    that is merely better than networks that had not seen them can be a good one; why the limit is there, and how often
    the test errs, is in docs/results.md.

    Parameters
    ----------
    source : str
    losses : dict of str to float
        Subject to the loss of the source as it is.
    controls : list of dict
        Cells of one arm, with every patient in a test and in a training part.
    patients : dict of str to str

    Returns
    -------
    SourceMembership
    """
    own = average_patients({"patient": patients.get(name, name), "value": loss} for name, loss in losses.items())
    unseen, seen = (average_patients(_list_losses(controls, patients, role)) for role in ("test", "train"))
    both = sorted(own.keys() & unseen.keys() & seen.keys())
    if len(both) < FEWEST_PATIENTS:
        return _refuse(source, f"{len(both)} patients were in training and test; it takes {FEWEST_PATIENTS}")
    by_source, outside, inside = (np.array([losses[p] for p in both]) for losses in (own, unseen, seen))
    below = inside - by_source
    facts: SourceMembership = {
        "source": source, "outcome": NOTHING, "patients": len(both), "loss": float(by_source.mean()),
        "unseen": float(outside.mean()), "seen": float(inside.mean()), "below": float(below.mean()),
        "low": _lower_limit(below), "reference": f"{controls[0]['strategy']} {controls[0]['source']}", "reason": "",
    }  # fmt: skip
    if _lower_limit(outside - inside) <= 0:
        words = "the networks of this run do not know their own training patients from others"
        return {**facts, "outcome": UNTESTED, "reason": words}
    if facts["low"] > 0:
        words = "untrained, it segments these patients better than networks of this run that trained on them"
        return {**facts, "outcome": SUSPECTED, "reason": words}
    words = "untrained, it segments these patients no better than networks of this run that trained on them"
    return {**facts, "reason": words}


def _is_control(cell: Arm, source: str, barred: set[str]) -> bool:
    """Check whether an arm's networks can be controls of a source: they know nothing of it, nor of the patients."""
    return cell["strategy"] == "scratch" or (cell["source"] != source and cell["source"] not in barred)


def _list_losses(cells: Iterable[TrainedCell], patients: Mapping[str, str], role: str) -> list[dict[str, Any]]:
    """List patients with their loss, in one role."""
    rows = [row for cell in cells for row in cell["fit"] if row["role"] == role]
    return [
        {"patient": patients.get(row["subject"], row["subject"]), "value": row["loss"]}
        for row in rows
        if np.isfinite(row["loss"])
    ]


def _mean_loss(cells: Iterable[TrainedCell]) -> float:
    """Return the mean loss of networks on those whom they test; infinite without any."""
    return float(np.mean([row["value"] for row in _list_losses(cells, {}, "test")] or [np.inf]))


def _lower_limit(values: np.ndarray) -> float:
    """Compute the lower limit of a mean over patients, one-sided."""
    return float(values.mean()) - clustered_error.t_half_width(values, 1 - LEVEL)


def _refuse(source: str, reason: str) -> SourceMembership:
    nothing = float("nan")
    return {
        "source": source, "outcome": UNTESTED, "patients": 0, "loss": nothing, "unseen": nothing, "seen": nothing,
        "below": nothing, "low": nothing, "reference": "", "reason": reason,
    }  # fmt: skip
