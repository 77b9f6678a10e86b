"""Benefits of transfer besides accuracy, for every arm: labels saved, time saved, less loss at another site."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from neurograft.core.cells import Cell, Kin, control_sources, take_cell
from neurograft.core.labels import judged_region
from neurograft.evaluation.benefit_estimates import (
    Drop,
    DropRow,
    Floats,
    LabelsRow,
    PatientScore,
    Run,
    Sizes,
    TimeSavedRow,
    generalisation_drop,
    labels_saved,
    time_saved,
)
from neurograft.evaluation.frames import Pivot, average_columns, group_rows, parse_values, pivot_values
from neurograft.evaluation.pairing import difference_scale
from neurograft.evaluation.records import TrainedCell
from neurograft.stats.paired_verdict import Scale

# for segmentation, in the region of the verdict (`labels.judged_region`)
MEASURES = {"segmentation": "dice", "classification": "accuracy"}


def score_patients(scores: Iterable[Mapping[str, Any]], patients: Mapping[str, str]) -> list[PatientScore]:
    """List the scores of `MEASURES` by patient; NaN is left out.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`, values as numbers or text; those without a subject are ignored.
    patients : dict of str to str
        Subject to patient.

    Returns
    -------
    list of dict
        `CELL` as text, `patient`, `value`.
    """
    tested = [row for row in scores if str(row["subject"])]
    judged = {"segmentation": judged_region(row["region"] or "" for row in tested), "classification": ""}
    chosen = [
        row
        for row in tested
        if (row["region"] or "", row["metric"]) == (judged.get(row["task"]), MEASURES.get(row["task"]))
    ]
    values = parse_values([row["value"] for row in chosen]).tolist()
    return [
        {
            "task": str(row["task"]),
            "source": str(row["source"]),
            "strategy": str(row["strategy"]),
            "space": str(row["space"]),
            "split": str(row["split"]),
            "n": str(row["n"]),
            "fold": str(row["fold"]),
            "seed": str(row["seed"]),
            "patient": patients.get(row["subject"], row["subject"]),
            "value": value,
        }
        for row, value in zip(chosen, values, strict=True)
        if not np.isnan(value)
    ]


def save_labels(means: Iterable[PatientScore], sizes: Sizes, kin: Kin | None = None) -> list[LabelsRow]:
    """Estimate how many labelled patients each arm saves compared with scratch (`benefit_estimates.labels_saved`).

    A patient's scores are averaged over repeated partitions; the interval resamples the folds of the first.
    Uses arms with at least two training sizes. `all` is the largest number of training patients over the folds;
    stratified folds differ by one.

    Parameters
    ----------
    means : list of dict
        From `score_patients`.
    sizes : dict of tuple to list of int
        (task, space, split, n) to the numbers of training patients of its cells.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    list of dict
    """
    rows: list[LabelsRow] = []
    for (task, space, split), group in group_rows(means, ("task", "space", "split")).items():
        numbers = {n: max(sizes[task, space, split, n]) for n in dict.fromkeys(str(row["n"]) for row in group)}
        sized = [{**row, "size": str(numbers[str(row["n"])])} for row in group]
        table = pivot_values(sized, ("strategy", "source", "size"))
        fold = {row["patient"]: row["fold"] for row in reversed(group)}
        folds = np.array([fold[patient] for patient in table.patients], dtype=str)
        for strategy, source in _list_arms(table):
            curve, control = _take_arm(table, strategy, source), _average_scratch(table, source, kin)
            shared = sorted(set(map(int, curve)) & set(map(int, control)))
            for n, number in numbers.items():
                if number not in shared or len(shared) < 2 or strategy == "scratch":
                    continue
                transferred, scratch = (
                    np.stack([side[str(size)] for size in shared], axis=1) for side in (curve, control)
                )
                saved = labels_saved(transferred, scratch, shared, number, folds)
                rows.append({
                    "task": task, "source": source, "strategy": strategy, "space": space, "split": split, "n": n,
                    "patients": saved["patients"], "needed": saved["needed"],
                    "low": saved["low"], "high": saved["high"], "saved": saved["saved"],
                    "answer": saved["answer"], "interval": saved["interval"], "reason": saved["reason"],
                })  # fmt: skip
    return rows


def save_time(cells: Iterable[TrainedCell], kin: Kin | None = None) -> list[TimeSavedRow]:
    """Compare each segmentation cell with scratch of the same fold, size and seed (`benefit_estimates.time_saved`).

    With scratch of several sources, the mean is used (NaN if one of them is NaN).

    Parameters
    ----------
    cells : list of dict
        Manifests with `history` and `seconds`.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    list of dict
    """
    segmenting = [cell for cell in cells if cell["task"] == "segmentation"]
    controls: dict[tuple[str, ...], dict[str, TrainedCell]] = {}
    for cell in segmenting:
        if cell["strategy"] == "scratch":
            controls.setdefault(_pairing_key(cell), {})[cell["source"]] = cell
    rows: list[TimeSavedRow] = []
    for cell in segmenting:
        scratch = controls.get(_pairing_key(cell), {})
        against = [scratch[name] for name in control_sources(cell["source"], list(scratch), kin)]
        if cell["strategy"] == "scratch" or not against:
            continue
        saved = [time_saved(_take_run(control), _take_run(cell)) for control in against]
        rows.append({
            **take_cell(saved[0]),
            "dice": float(np.mean([row["dice"] for row in saved])),
            "steps_scratch": float(np.mean([row["steps_scratch"] for row in saved])),
            "steps": float(np.mean([row["steps"] for row in saved])),
            "steps_saved": float(np.mean([row["steps_saved"] for row in saved])),
            "seconds_scratch": float(np.mean([row["seconds_scratch"] for row in saved])),
            "seconds": float(np.mean([row["seconds"] for row in saved])),
            "seconds_saved": float(np.mean([row["seconds_saved"] for row in saved])),
        })  # fmt: skip
    return rows


def _take_run(cell: TrainedCell) -> Run:
    """Return the training run of a cell."""
    return cell, cell["history"], cell["seconds"]


def _pairing_key(cell: Cell) -> tuple[str, ...]:
    """Return the key that a cell shares with the scratch cell that it is compared with."""
    return (
        str(cell["task"]), str(cell["space"]), str(cell["split"]), str(cell["n"]), str(cell["fold"]), str(cell["seed"]),
    )  # fmt: skip


def lose_elsewhere(
    means: Iterable[PatientScore], sizes: Sizes, sites: Mapping[str, str], kin: Kin | None = None
) -> list[DropRow]:
    """Tabulate each arm's loss at an unseen site, and how much smaller it is than the loss of scratch.

    Compares stratified folds with leaving sites out, for the same patients and the same number of training patients
    (`benefit_estimates.generalisation_drop`). Refused if `all` is a different number in the two splits.

    Parameters
    ----------
    means, sizes
        As in `save_labels`.
    sites : dict of str to str
        Patient to site.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    list of dict
    """
    rows: list[DropRow] = []
    means = [row for row in means if row["split"] in ("folds", "sites")]
    for (task, space, n), group in group_rows(means, ("task", "space", "n")).items():
        numbers = [number for split in ("folds", "sites") for number in sizes.get((task, space, split, n), ())]
        table = pivot_values(group, ("strategy", "source", "split"))
        for strategy, source in _list_arms(table):
            sides, control = _take_arm(table, strategy, source), _average_scratch(table, source, kin)
            if set(sides) != {"folds", "sites"}:
                continue
            placed = np.array([bool(sites.get(patient)) for patient in table.patients])
            placed &= ~np.isnan(sides["folds"]) & ~np.isnan(sides["sites"])
            scale = difference_scale(MEASURES[task])
            drop = _find_drop(table.patients, (sides["folds"], sides["sites"]), sites, numbers, scale)
            row: DropRow = {
                "task": task, "source": source, "strategy": strategy, "space": space, "n": n,
                "in_site": _mean(sides["folds"][placed]), "cross_site": _mean(sides["sites"][placed]),
                "mean": drop["mean"], "low": drop["low"], "high": drop["high"],
                "patients": drop["patients"], "sites": drop["sites"], "reason": drop["reason"],
            }  # fmt: skip
            if strategy != "scratch" and set(control) == set(sides):
                losses = control["folds"] - control["sites"], sides["folds"] - sides["sites"]
                less = _find_drop(table.patients, losses, sites, numbers, Scale(least_spread=scale.least_spread))
                row = {**row, "less": less["mean"], "less_low": less["low"], "less_high": less["high"]}
            rows.append(row)
    return rows


def _find_drop(
    patients: Sequence[str],
    sides: tuple[Floats, Floats],
    sites: Mapping[str, str],
    numbers: Sequence[int],
    scale: Scale,
) -> Drop:
    """Compare patients' scores in the two splits; refuse if the numbers of training patients differ."""
    inside, across = (dict(zip(patients, side.tolist(), strict=True)) for side in sides)
    drop = generalisation_drop(inside, across, sites, scale)
    if max(numbers) - min(numbers) > 1:
        reason = f"{min(numbers)} to {max(numbers)} training patients: name a number that folds and sites both have"
        return {**drop, "mean": np.nan, "low": np.nan, "high": np.nan, "reason": reason}
    return drop


def _mean(values: Floats) -> float:
    """Average values; NaN if there are none."""
    return float(values.mean()) if len(values) else np.nan


def _list_arms(table: Pivot) -> list[tuple[str, str]]:
    """List the (strategy, source) of a table's columns, in their order."""
    return list(dict.fromkeys((strategy, source) for strategy, source, _ in table.columns))


def _take_arm(table: Pivot, strategy: str, source: str) -> dict[str, Floats]:
    """Return the columns of one arm by the third part of their keys."""
    return {key[2]: values for key, values in table.columns.items() if key[:2] == (strategy, source)}


def _average_scratch(table: Pivot, source: str, kin: Kin | None) -> dict[str, Floats]:
    """Return the columns of the scratch for a source, averaged if there are several; empty if there is none."""
    having = [name for strategy, name in _list_arms(table) if strategy == "scratch"]
    arms = [_take_arm(table, "scratch", name) for name in control_sources(source, having, kin)]
    if len(arms) == 1:
        return arms[0]
    parts = sorted({part for arm in arms for part in arm})
    return {part: average_columns([arm[part] for arm in arms if part in arm]) for part in parts}
