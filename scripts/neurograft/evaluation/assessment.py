"""Tables of the benefits and effects of transfer, over all cells of an experiment, in addition to the comparison.

An *arm* is a cell without its fold and seed. None of these tables has a verdict on a strategy (see `comparison`). If
an experiment lacks what a table needs, such as a second training size, sites, or a trained cell, it has no rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from neurograft.core.cells import ARM, CELL, Arm, Kin
from neurograft.core.split_file import SplitFile
from neurograft.core.strategies import trains_here
from neurograft.evaluation import benefit_estimates, benefits, fairness, privacy
from neurograft.evaluation.benefits import PatientScore
from neurograft.evaluation.comparison import list_patients
from neurograft.evaluation.frames import average_patients, group_rows
from neurograft.evaluation.records import FeatureRow, LayerRow, TrainedCell, read_trained_cell

Record = TypeVar("Record", LayerRow, FeatureRow)


class LayerChange(Arm):
    """A row of `layers.tsv` of the results: how far training moved one layer, averaged over an arm's cells."""

    layer: str
    stage: str
    part: str
    values: int
    trained: float  # share of cells in which it trained
    change: float
    statistics_change: float
    cells: int


class FeatureChange(Arm):
    """A row of `features.tsv` of the results: similarity of a stage's features before and after training, per arm."""

    stage: str
    samples: int
    cka: float
    low: float
    high: float
    cells: int


class MembershipRow(Arm, privacy.Membership):
    """A row of `privacy.tsv`: `privacy.Membership` of an arm."""


class GroupGapRow(Arm, fairness.GroupGap):
    """A row of `fairness.tsv`: `fairness.GroupGap` of an arm."""


def assess_transfer(
    cells: Sequence[TrainedCell],
    scores: Iterable[Mapping[str, Any]],
    split: SplitFile,
    cohort: Sequence[Mapping[str, str]],
    kin: Kin | None = None,
    volumes: Mapping[str, float] | None = None,
) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Make all tables of this module.

    Parameters
    ----------
    cells : list of dict
        From `read_networks`.
    scores : list of dict
        Rows of `scores.tsv`, values as numbers or text.
    split : dict
        `splits.json`.
    cohort : list of dict
        Rows of `cohort.tsv`.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.
    volumes : dict of str to float, optional
        Labelled subject to the volume of its tumour in ml.

    Returns
    -------
    dict of str to list of dict
        The rows of each table of `COLUMNS`.
    """
    patients = list_patients(split)
    rows = [row for row in scores if trains_here(row["source"], row["strategy"])]
    means = benefits.score_patients(rows, patients)
    sizes: dict[tuple[str, str, str, str], list[int]] = {}
    for cell in cells:
        key = (cell["task"], cell["space"], cell["split"], str(cell["n"]))
        sizes.setdefault(key, []).append(int(cell["subjects"]))
    columns = {name: _find_owners(cohort, patients, name) for name in fairness.COLUMNS}
    ages = {patient: fairness.age_group(age) for patient, age in columns["age"].items()}
    groups = {"sex": columns["sex"], "age group": ages, "site": columns["site"], "grade": columns["grade"]}
    # the largest of a patient's visits
    largest: dict[str, float] = {}
    for subject, volume in (volumes or {}).items():
        patient = patients.get(subject, subject)
        largest[patient] = max(volume, largest.get(patient, 0.0))
    groups["tumour size"] = fairness.size_groups(largest)
    return {
        "labels_saved": benefits.save_labels(means, sizes, kin),
        "time_saved": benefits.save_time(cells, kin),
        "overfitting": benefit_estimates.train_test_gaps(cells),
        "generalisation": benefits.lose_elsewhere(means, sizes, columns["site"], kin),
        "layers": average_layers(cells),
        "features": average_features(cells),
        "privacy": find_members(cells, patients),
        "fairness": find_gaps(means, groups),
    }


def read_networks(folders: Iterable[str | Path]) -> list[TrainedCell]:
    """Read the cells that trained a network here; a folder is `.../source/strategy/cell`."""
    networks = [folder for folder in folders if trains_here(*Path(folder).parts[-3:-1])]
    trained = [read_trained_cell(folder) for folder in networks]
    return [cell for cell in trained if cell is not None]


def average_layers(cells: Iterable[TrainedCell]) -> list[LayerChange]:
    """Average each layer's change over an arm's cells; `trained` is the share of cells in which it trained."""
    rows: list[LayerChange] = []
    for arm, members in _group_arms(cells):
        for layer, records in _group_records([row for cell in members for row in cell["layers"]], "layer"):
            rows.append({
                **arm,
                "layer": layer,
                "stage": records[0]["stage"],
                "part": records[0]["part"],
                "values": records[0]["values"],
                "trained": float(np.mean([record["trained"] for record in records])),
                "change": _mean(record["change"] for record in records),
                "statistics_change": _mean(record["statistics_change"] for record in records),
                "cells": len(records),
            })  # fmt: skip
    return rows


def average_features(cells: Iterable[TrainedCell]) -> list[FeatureChange]:
    """Average the CKA of each stage over an arm's cells; `low` and `high` are the minimum and maximum."""
    rows: list[FeatureChange] = []
    for arm, members in _group_arms(cells):
        for stage, records in _group_records([row for cell in members for row in cell["features"]], "stage"):
            values = [record["cka"] for record in records if record["cka"] == record["cka"]]
            rows.append({
                **arm,
                "stage": stage,
                "samples": records[0]["samples"],
                "cka": _mean(values),
                "low": min(values, default=np.nan),
                "high": max(values, default=np.nan),
                "cells": len(records),
            })  # fmt: skip
    return rows


def find_members(cells: Iterable[TrainedCell], patients: Mapping[str, str]) -> list[MembershipRow]:
    """Test for each arm whether its networks' losses reveal their training patients (`privacy.compare_memberships`)."""
    rows: list[MembershipRow] = []
    for arm, members in _group_arms(cells):
        scores: list[privacy.Confidence] = [
            (
                (str(cell["fold"]), str(cell["seed"])),
                int(cell["fold"]),
                patients.get(row["subject"], row["subject"]),
                row["role"] == "train",
                -row["loss"],
            )
            for cell in members
            for row in cell["fit"]
        ]
        rows.append({**arm, **privacy.compare_memberships(scores)})
    return rows


def find_gaps(means: Iterable[PatientScore], attributes: Mapping[str, Mapping[str, str]]) -> list[GroupGapRow]:
    """Compare scores between groups of patients for each arm (`fairness.subgroup_gaps`).

    Parameters
    ----------
    means : list of dict
        From `benefits.score_patients`.
    attributes : dict of str to dict of str to str
        Attribute to patient to group.

    Returns
    -------
    list of dict
    """
    rows: list[GroupGapRow] = []
    for key, group in group_rows(means, ARM).items():
        arm = _name_arm(key)
        for gap in fairness.subgroup_gaps(average_patients(group), attributes):
            rows.append({**arm, **gap})
    return rows


def _find_owners(cohort: Iterable[Mapping[str, str]], patients: Mapping[str, str], attribute: str) -> dict[str, str]:
    """Map each patient to its subjects' first known value in the column of an attribute."""
    owners: dict[str, str] = {}
    for row in cohort:
        value = str(row.get(fairness.name_column(row, attribute)) or "").strip()
        if value.lower() not in fairness.UNKNOWN:
            owners.setdefault(patients.get(row["participant_id"], row["participant_id"]), value)
    return owners


def _group_arms(cells: Iterable[TrainedCell]) -> list[tuple[Arm, list[TrainedCell]]]:
    """Group cells by arm, in the order of each arm's first cell."""
    return [(_name_arm(key), members) for key, members in group_rows(cells, ARM).items()]


def _name_arm(key: Sequence[str]) -> Arm:
    """Turn the values of `ARM` into an arm."""
    task, source, strategy, space, split, n = key
    return {"task": task, "source": source, "strategy": strategy, "space": space, "split": split, "n": n}


def _group_records(rows: Iterable[Record], name: str) -> list[tuple[str, list[Record]]]:
    """Group rows by one of their fields, in the order of each group's first row."""
    return [(key, records) for (key,), records in group_rows(rows, (name,)).items()]


def _mean(values: Iterable[float]) -> float:
    """Average values ignoring NaN; NaN if there are none."""
    numbers = [value for value in values if value == value]
    return float(np.mean(numbers)) if numbers else np.nan


# the columns of each table
COLUMNS = {
    "labels_saved": (*ARM, "patients", "needed", "low", "high", "saved", "answer", "interval", "reason"),
    "time_saved": (
        *(*CELL, "dice", "steps_scratch", "steps", "steps_saved"),
        *("seconds_scratch", "seconds", "seconds_saved"),
    ),
    "overfitting": (*CELL, "train", "test", "patients", "gap", "warning", "reason"),
    "generalisation": (
        *("task", "source", "strategy", "space", "n", "patients", "sites", "in_site", "cross_site"),
        *("mean", "low", "high", "less", "less_low", "less_high", "reason"),
    ),
    "layers": (*ARM, "layer", "stage", "part", "values", "trained", "change", "statistics_change", "cells"),
    "features": (*ARM, "stage", "samples", "cka", "low", "high", "cells"),
    "privacy": (
        *(*ARM, "networks", "members", "outsiders", "auc", "low", "high", "control", "control_low", "control_high"),
        *("tpr", "fpr", "chance", "verdict", "reason"),
    ),
    "fairness": (*ARM, "attribute", "groups", "patients", "gap", "expected", "p", "p_adjusted", "worst", "reason"),
}
