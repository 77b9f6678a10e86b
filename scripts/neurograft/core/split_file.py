"""What the split file `results/splits.json` holds: apart from `cohort.splits`, which makes it, for whoever reads it."""

from typing import NotRequired, TypedDict


class Fold(TypedDict):
    """Who is tested and who trains in one fold; folds of sites also have a name."""

    test: list[str]
    train: list[str]  # the first n of them train where n patients are asked for
    name: NotRequired[str]


class TaskSplit(TypedDict):
    """The split of one task."""

    trainable: bool
    reason: str  # why the task cannot be trained, or nothing
    sequences: list[str]  # the input channels
    subjects: list[str]  # who has an answer and takes part
    unlabelled: list[str]
    left_out: dict[str, str]  # subject to reason
    patients: dict[str, str]  # subject to patient
    incomplete: NotRequired[dict[str, list[str]]]  # subject to the sequences that it lacks
    folds: list[Fold]
    sites: list[Fold]
    between: list[Fold]
    regions: NotRequired[list[str]]  # of segmentation


class ClassificationSplit(TaskSplit):
    """The split of the classification."""

    target: str
    classes: list[str]  # of two the second is the positive one


class TaskSplits(TypedDict):
    """The split of each task."""

    segmentation: TaskSplit
    classification: ClassificationSplit


class SplitFile(TypedDict):
    """The whole file."""

    seed: int
    scheme: str  # the cohort's label scheme
    schemes: dict[str, str]  # subject to its own
    tasks: TaskSplits
    hash: str
