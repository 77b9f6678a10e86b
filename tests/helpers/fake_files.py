"""Datasets of empty files: what names alone say."""

from pathlib import Path


def touch(root, *paths):
    """Make empty files, and their folders."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def brats_case(root, folder, kinds=("_t1", "_t1ce", "_t2", "_flair", "_seg"), suffix=".nii.gz"):
    """Make the empty files of a BraTS case, named after its folder."""
    name = Path(folder).name
    touch(root, *(f"{folder}/{name}{kind}{suffix}" for kind in kinds))


def names_of(found):
    """Give the base names of a subject's files."""
    return {kind: Path(path).name for kind, path in found["files"].items()}
