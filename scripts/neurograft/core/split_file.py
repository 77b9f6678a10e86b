"""The types of the split file `results/splits.json`, for all modules that read it; `cohort.splits` makes it."""

from collections.abc import Iterable
from typing import NotRequired, TypedDict, cast

from neurograft.core.control_splits import subject_of


class Fold(TypedDict):
    """One fold of a split.

    Attributes
    ----------
    test : list of str
        Subjects, sorted.
    train : list of str
        Subjects in order; the prefixes are the nested training sets.
    name : str, not required
        The site that is left out, or the sites of both sides; stratified folds have none.
    repeat : int, not required
        Which partition of the same patients the fold belongs to, from 0; only where there are several.
    """

    test: list[str]
    train: list[str]
    name: NotRequired[str]
    repeat: NotRequired[int]


class TaskSplit(TypedDict):
    """The split of one task.

    Attributes
    ----------
    trainable : bool
    reason : str
        Why it cannot be trained; "" if it can.
    sequences : list of str
        Input channels.
    subjects : list of str
        Labelled subjects that are used, sorted.
    unlabelled : list of str
        Included subjects without a label, and those whom their quality keeps out of training: predicted, not scored;
        sorted.
    left_out : dict of str to str
        Subject to the reason.
    patients : dict of str to str
        Subject to patient, for labelled and unlabelled subjects.
    incomplete : dict of str to list of str, not required
        Subject to the missing ones of `sequences`; absent if no subject lacks any.
    folds, sites, between : list of Fold
        One list for each of `splits.SPLITS`, empty if the split is not possible. `folds` holds the repeated partitions
        one after another.
    slices, own : list of Fold, not required
        Folds of the control splits (`control_splits`), if they were asked for: pictures, or parts of a subject's slices
        (`control_splits.name_part`), of one patient may be in both training and test.
    regions : list of str, segmentation only
        The regions of the cohort's label scheme.
    """

    trainable: bool
    reason: str
    sequences: list[str]
    subjects: list[str]
    unlabelled: list[str]
    left_out: dict[str, str]
    patients: dict[str, str]
    incomplete: NotRequired[dict[str, list[str]]]
    folds: list[Fold]
    sites: list[Fold]
    between: list[Fold]
    slices: NotRequired[list[Fold]]
    own: NotRequired[list[Fold]]
    regions: NotRequired[list[str]]


class ClassificationSplit(TaskSplit):
    """The split of the classification: `target` is "tumour-slice" or a column of the cohort.

    With two `classes`, the second is the positive one. `unit` is there if slices are classified although the target is
    a column: each slice has its patient's class.
    """

    target: str
    classes: list[str]
    unit: NotRequired[str]


class TaskSplits(TypedDict):
    """The split of each task."""

    segmentation: TaskSplit
    classification: ClassificationSplit


class SplitFile(TypedDict):
    """The whole file.

    Attributes
    ----------
    seed : int
    scheme : str
        The cohort's label scheme.
    schemes : dict of str to str
        Subject to its own label scheme.
    tasks : TaskSplits
    hash : str
        Of everything else (`splits.digest`).
    """

    seed: int
    scheme: str
    schemes: dict[str, str]
    tasks: TaskSplits
    hash: str


def map_tasks(split: SplitFile) -> dict[str, TaskSplit]:
    """Return the split of each task by name, for code that treats all tasks alike."""
    return cast(dict[str, TaskSplit], split["tasks"])


def owner_of(task: TaskSplit, name: str) -> str:
    """Return the patient of a subject, or of a part of a subject's slices."""
    return task["patients"][subject_of(name)]


def repeat_of(fold: Fold) -> int:
    """Return which partition a fold belongs to: 0 where there is one."""
    return fold.get("repeat", 0)


def count_repeats(folds: Iterable[Fold]) -> int:
    """Count the partitions that some folds belong to; 1 where there are no folds."""
    return 1 + max(map(repeat_of, folds), default=0)


def map_repeats(task: TaskSplit) -> dict[tuple[str, int], int]:
    """Map the folds that belong to a further partition, as (split, number), to which one it is.

    Parameters
    ----------
    task : TaskSplit

    Returns
    -------
    dict of tuple to int
        Empty where there is one partition.
    """
    return {("folds", number): repeat_of(fold) for number, fold in enumerate(task.get("folds", ())) if repeat_of(fold)}
