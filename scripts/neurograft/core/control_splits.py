"""The names of splits that are controls, apart from their checks, since trainings go by them.

They let pictures of one patient into training and test, or permute the labels.

What they score beside the split by patient shows what a published split was worth. No verdict, recommendation or
verdict card is about them. The Snakefile imports this module when it is parsed: standard library only.
"""

# by slice, as published; and the dataset's own train and test
SLICES, OWN = "slices", "own"
RANDOM = "-random-labels"
# splits with folds of their own in the split file; the others are these, or "folds", with random labels
DEALT = (SLICES, OWN)
CONTROL_SPLITS = (SLICES, OWN, f"{SLICES}{RANDOM}", f"folds{RANDOM}")
PART = ":"


def is_control(split: str) -> bool:
    """Check whether a split is a control, about which there is no verdict."""
    return split in CONTROL_SPLITS


def has_random_labels(split: str) -> bool:
    """Check whether the labels of a split are permuted among the patients."""
    return split.endswith(RANDOM)


def folds_of(split: str) -> str:
    """Return the split whose folds a split uses: itself, or that without random labels."""
    return split.removesuffix(RANDOM)


def shares_patients(split: str) -> bool:
    """Check whether a split may have pictures of one patient in both training and test."""
    return folds_of(split) in DEALT


def name_part(subject: str, part: int) -> str:
    """Name a part of a subject's slices, which stands in the folds by slice instead of the subject."""
    return f"{subject}{PART}{part}"


def subject_of(name: str) -> str:
    """Return the subject of a part of its slices; a subject is returned as it is."""
    return name.partition(PART)[0]


def part_of(name: str) -> int | None:
    """Return the number of a part; None for a whole subject."""
    part = name.partition(PART)[2]
    return int(part) if part else None
