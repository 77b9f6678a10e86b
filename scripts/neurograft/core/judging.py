"""The target of classification and the family of verdicts, as far as they are known before training."""

from collections.abc import Mapping
from typing import Any, TypedDict

from neurograft.core.cells import PRIMARY
from neurograft.core.config import SettingsError
from neurograft.core.design import Design


class Judged(TypedDict):
    """The family of comparisons that get a verdict."""

    task: str
    compared: list[tuple[str, str]]  # source and strategy of each arm
    seeds: int
    margin: float


def plan_family(design: Design, margins: Mapping[str, float]) -> Judged:
    """Describe the comparisons that will get a verdict.

    Parameters
    ----------
    design : Design
    margins : dict of str to float
        The config's `margin`.

    Returns
    -------
    dict
    """
    task = design.judged_task
    arms = design.list_arms(task, **design.primary, strategy="scratch")
    metric = next(measure["metric"] for measure in PRIMARY if measure["task"] == task)
    return {
        "task": task,
        "compared": design.compared_arms,
        "seeds": max(1, len({arm["seed"] for arm in arms})),
        "margin": margins.get(metric, 0.0),
    }


def refuse_pictures(subjects: Mapping[str, Mapping[str, Any]]) -> str:
    """Return why a set of pictures cannot be judged; "" if the patient of every picture is stated."""
    unknown = sum(not about["columns"].get("stated_patient") for about in subjects.values())
    if not unknown:
        return ""
    return (
        f"nothing says which patient {unknown} of {len(subjects)} pictures are of, so slices of one patient may be in "
        "both training and test; a table participants.tsv with the columns filename and patient would solve this"
    )


def check_target(target: str, subjects: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the column to classify exists, as far as the dataset's own files show.

    Parameters
    ----------
    target : str
        `experiment.classification.target`.
    subjects : dict of str to dict
        From `layouts.find_subjects`; simulated subjects have no columns yet.

    Raises
    ------
    SettingsError
        One line with the columns to choose from.
    """
    columns: dict[str, None] = dict.fromkeys(
        ["site", *(name for subject in subjects.values() for name in subject["columns"])]
    )
    if target not in ("tumour-slice", *columns) and len(columns) > 1:
        raise SettingsError(
            f"config: experiment.classification.target is '{target}', but the dataset has no such column; "
            f"choose tumour-slice or one of {', '.join(columns)}"
        )
