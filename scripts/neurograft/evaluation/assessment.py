"""What transfer bought and changed, over all cells of an experiment: the tables beside the comparison.

An *arm* is a cell without its fold and seed. None of these tables carries a verdict on a strategy (`comparison`
does). What an experiment lacks, such as a second number of patients, sites, or any trained cell, gives no row.
"""

from pathlib import Path

import numpy as np

from neurograft.core.cells import ARM, CELL
from neurograft.core.strategies import UNTRAINED
from neurograft.evaluation import benefits, fairness, privacy
from neurograft.experiment import cell_folder


def assess_transfer(folders, scores, split, cohort, kin=None):
    """Make every table of this module.

    Parameters
    ----------
    folders : list of str or Path
        The cells (`network_cells.train_cell`).
    scores : list of dict
        Rows of `scores.tsv`.
    split : dict
        `splits.json`.
    cohort : list of dict
        Rows of `cohort.tsv`.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    dict of str to list of dict
        The rows of each table of `COLUMNS`.
    """
    # what transfer does is asked of networks
    folders = [folder for folder in folders if Path(folder).parent.name not in UNTRAINED]
    scores = [row for row in scores if row["strategy"] not in UNTRAINED]
    cells = [cell for cell in map(_read, folders) if cell["trained"]]
    patients = {**split["tasks"]["classification"]["patients"], **split["tasks"]["segmentation"]["patients"]}
    means = benefits.score_patients(scores, patients)
    sizes = {}
    for cell in cells:
        sizes.setdefault(_key(cell, "task", "space", "split", "n"), []).append(int(cell["subjects"]))
    columns = {name: _owners(cohort, patients, name) for name in ("sex", "age", "site")}
    ages = {patient: fairness.age_group(age) for patient, age in columns["age"].items()}
    return {
        "labels_saved": benefits.save_labels(means, sizes, kin),
        "time_saved": benefits.save_time(cells, kin),
        "overfitting": benefits.train_test_gaps(cells),
        "generalisation": benefits.lose_elsewhere(means, sizes, columns["site"], kin),
        "layers": average_layers(cells),
        "features": average_features(cells),
        "privacy": find_members(cells, patients),
        "fairness": find_gaps(means, {"sex": columns["sex"], "age group": ages, "site": columns["site"]}),
    }


def average_layers(cells):
    """Average, over an arm's cells, how far each layer moved; `trained` is the share of cells in which it trained."""
    rows = []
    for arm, layer, found in _records(cells, "layers", "layer"):
        row = arm | found[0] | {"layer": layer, "cells": len(found)}
        row |= {name: _mean(_number(one[name]) for one in found) for name in ("change", "statistics_change")}
        rows.append(row | {"trained": float(np.mean([one["trained"] == "true" for one in found]))})
    return rows


def average_features(cells):
    """Average the CKA of each stage over an arm's cells; `low` and `high` are the extremes of the cells."""
    rows = []
    for arm, _, found in _records(cells, "features", "stage"):
        values = [value for value in (_number(one["cka"]) for one in found) if value == value]
        ends = {"low": min(values, default=np.nan), "high": max(values, default=np.nan)}
        rows.append(arm | found[0] | {"cka": _mean(values), "cells": len(found)} | ends)
    return rows


def _records(cells, table, name):
    """Give each arm and each row's name in a record, with that row of all of the arm's cells."""
    for arm, own in _arms(cells):
        found = {}
        for row in [row for cell in own for row in cell[table]]:
            found.setdefault(row[name], []).append(row)
        yield from ((arm, key, rows) for key, rows in found.items())


def find_members(cells, patients):
    """Ask of each arm whether its networks' losses tell who was in training (`privacy.compare_memberships`)."""
    rows = []
    for arm, own in _arms(cells):
        scores = [
            (
                _key(cell, "fold", "seed"),
                cell["fold"],
                patients.get(row["subject"], row["subject"]),
                row["role"] == "train",
                -_number(row["loss"]),
            )
            for cell in own
            for row in cell["fit"]
        ]
        rows.append(arm | privacy.compare_memberships(scores))
    return rows


def find_gaps(means, attributes):
    """Compare the patients' scores between groups, in each arm (`fairness.subgroup_gaps`).

    Parameters
    ----------
    means : pandas.DataFrame
        From `benefits.score_patients`.
    attributes : dict of str to dict of str to str
        Attribute to patient to group.

    Returns
    -------
    list of dict
    """
    rows = []
    for arm, group in means.groupby(list(ARM), sort=False):
        scores = group.groupby("patient")["value"].mean().to_dict()
        rows += [dict(zip(ARM, arm, strict=True)) | row for row in fairness.subgroup_gaps(scores, attributes)]
    return rows


def _read(folder):
    """Read a cell's manifest and, where it was trained, its history and records."""
    cell = cell_folder.read_cell(folder)
    return cell | (cell_folder.read_records(folder) if cell["trained"] else {})


def _owners(cohort, patients, column):
    """Give patient to what a column, whatever its case, says of the first of its subjects with an entry."""
    found = {}
    for row in cohort:
        value = next((str(row[name] or "") for name in row if name.lower() == column), "").strip()
        if value.lower() not in fairness.UNKNOWN:
            found.setdefault(patients.get(row["participant_id"], row["participant_id"]), value)
    return found


def _arms(cells):
    """Give each arm with its cells, in the order of the first."""
    arms = {}
    for cell in cells:
        arms.setdefault(_key(cell, *ARM), []).append(cell)
    return [(dict(zip(ARM, key, strict=True)), own) for key, own in arms.items()]


def _key(row, *names):
    """Several fields of a row as text."""
    return tuple(str(row[name]) for name in names)


def _number(text):
    """Read a number of a table."""
    return np.nan if text in ("", "n/a") else float(text)


def _mean(values):
    """Mean of those that are numbers; NaN of none."""
    values = [value for value in values if value == value]
    return float(np.mean(values)) if values else np.nan


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
