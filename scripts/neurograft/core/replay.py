"""Which control splits an experiment may have, and which cells are shown beside each other.

Apart from `control_splits`, so that another sentence trains nothing again. Standard library only.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from neurograft.core.config import SettingsError
from neurograft.core.control_splits import CONTROL_SPLITS, is_control

CellT = TypeVar("CellT", bound=Mapping[str, Any])


def check_controls(task: Mapping[str, Any], arms: Iterable[Mapping[str, Any]]) -> None:
    """Check that the control splits stand beside the split by patient, and classify what it classifies.

    Parameters
    ----------
    task : dict
        The config's block `experiment.classification`.
    arms : iterable of dict
        Its arms, from `design.list_configured_arms`.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    arms, place = list(arms), "config: experiment.classification"
    controls = [arm for arm in arms if is_control(arm["split"])]
    if not controls:
        return
    split = controls[0]["split"]
    if is_control(task["splits"][0]) or not any(arm["split"] == "folds" for arm in arms):
        raise SettingsError(
            f"{place}.splits: '{split}' is a control, about which there is no verdict: put 'folds', the split by "
            "patient, before it"
        )
    if any(arm["n"] != "all" for arm in controls):
        raise SettingsError(
            f"{place}: '{split}' takes n: [all], for it has no numbers of patients; ask for others in `also`"
        )
    if task["target"] != "tumour-slice" and task.get("unit") != "slice":
        raise SettingsError(
            f"{place}.splits: '{split}' scores slices: set unit to slice, so that the split by patient does too"
        )


def check_own(task: Mapping[str, Any], subjects: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that a dataset is divided into training and test, if its own division is asked for.

    Parameters
    ----------
    task : dict
        The config's block `experiment.classification`.
    subjects : dict of str to dict
        From `layouts.find_subjects`.

    Raises
    ------
    SettingsError
    """
    asked = {split for span in (task, *task.get("also", ())) for split in span["splits"]}
    if "own" in asked and not {"train", "test"} <= {about["columns"].get("part") for about in subjects.values()}:
        raise SettingsError(
            "config: experiment.classification.splits: 'own' takes a dataset that is divided, such as layout images "
            "with the folders train and test; leave it out"
        )


def choose_replayed(cells: Iterable[CellT]) -> list[CellT]:
    """Choose the cells that show what a split is worth: those of control splits, and the same arms by patient.

    Parameters
    ----------
    cells : iterable of dict
        Of one task and training size.

    Returns
    -------
    list of dict
    """
    cells, names = list(cells), ("source", "strategy", "space")
    arms = {tuple(cell[name] for name in names) for cell in cells if is_control(cell["split"])}
    wanted = ("folds", *CONTROL_SPLITS)
    return [cell for cell in cells if cell["split"] in wanted and tuple(cell[name] for name in names) in arms]
