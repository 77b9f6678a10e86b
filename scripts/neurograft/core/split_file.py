"""What the split file `results/splits.json` holds: apart from `cohort.splits`, which makes it, for whoever reads it."""

from typing import NotRequired, TypedDict, cast


class Fold(TypedDict):
    """One fold of a split.

    Attributes
    ----------
    test : list of str
        Subjects, sorted.
    train : list of str
        Subjects in the order whose prefixes are the nested training sets.
    name : str, not required
        The site that is left out, or the sites of both sides; folds by patient have none.
    """

    test: list[str]
    train: list[str]
    name: NotRequired[str]


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
        Included subjects without an answer, sorted.
    left_out : dict of str to str
        Subject to the reason.
    patients : dict of str to str
        Subject to patient, of the labelled and the unlabelled.
    incomplete : dict of str to list of str, not required
        Subject to those of `sequences` that it lacks; only where a subject lacks one.
    folds, sites, between : list of Fold
        One list for each of `splits.SPLITS`, empty where the split is not possible.
    regions : list of str, of segmentation only
        The regions that the cohort's label scheme tells apart.
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
    regions: NotRequired[list[str]]


class ClassificationSplit(TaskSplit):
    """The split of the classification: `target` is "tumour-slice" or a column of the cohort.

    Of two `classes` the second is the positive one.
    """

    target: str
    classes: list[str]


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
        Of all the rest (`splits.digest`).
    """

    seed: int
    scheme: str
    schemes: dict[str, str]
    tasks: TaskSplits
    hash: str


def map_tasks(split: SplitFile) -> dict[str, TaskSplit]:
    """Return the split of each task by its name, for what is the same for all tasks."""
    return cast(dict[str, TaskSplit], split["tasks"])
