"""What a subject's import status holds; apart, since later steps read it and need none of the checks that fill it."""

from typing import Any, NotRequired, TypedDict, cast


class SequenceFile(TypedDict):
    """The file of one sequence, as it was imported.

    Attributes
    ----------
    file : str
        Absolute path.
    shape : list of int
        Of the file's own grid, three axes.
    affine : list of list of float, shape (4, 4)
        Of the file's own grid: voxel indices to RAS millimetres.
    stripped : bool
        Whether it came without skull.
    other_affine : list of list of float, shape (4, 4), not required
        The orientation of the header that was not taken, where it has two (`imaging.headers.read_geometry`).
    """

    file: str
    shape: list[int]
    affine: list[list[float]]
    stripped: bool
    other_affine: NotRequired[list[list[float]]]


class LabelFile(TypedDict):
    """The file of a subject's labels.

    Attributes
    ----------
    file : str
        Absolute path.
    affine : list of list of float, shape (4, 4)
        Of the file's own grid, or of the scan's where its header repeats the one that was not taken of the scan.
    values : list of int
        The values that occur, without 0; empty for a label without tumour.
    scheme : str
        A row of `core.labels.LABEL_SCHEMES`, labels of the user's own, or "" where neither values nor names tell one.
    certain : bool
        Whether the values fit one scheme only.
    grid_of : str
        The first sequence on whose grid the labels are.
    """

    file: str
    affine: list[list[float]]
    values: list[int]
    scheme: str
    certain: bool
    grid_of: str


class SubjectStatus(TypedDict):
    """What `validation.import_scans` writes of a subject, as JSON.

    Attributes
    ----------
    subject : str
        Label X of `sub-X`.
    name : str
        What the dataset calls the subject.
    included : bool
    reason : str
        Why the subject is excluded; "" if included.
    notes : list of str
        What was corrected, or ignored.
    layout : str
        A row of `layouts.DATASETS`.
    sequences : dict of str to SequenceFile
        The sequences that could be read, in the order of `core.sequences.list_sequences`.
    reference : str or None
        The sequence that the others are aligned to; None without any.
    coregistered : bool
        Whether the sequences are aligned to each other already.
    in_template : bool
        Whether they lie on a grid of the template, and so are said to be in its space.
    prepared : bool, not required
        Whether they were prepared elsewhere: taken as they are, all on one grid.
    labels : LabelFile or None
        None without labels, and for an excluded subject.
    scheme : str
        The label scheme that file names, values or the user say; "" if none of them does.
    site : str
        "" if not known.
    columns : dict of str to any
        Further columns of the dataset.
    recognised, will_do : str
        In words: what was recognised of the scans, and what preprocessing will do.
    """

    subject: str
    name: str
    included: bool
    reason: str
    notes: list[str]
    layout: str
    sequences: dict[str, SequenceFile]
    reference: str | None
    coregistered: bool
    in_template: bool
    prepared: NotRequired[bool]
    labels: LabelFile | None
    scheme: str
    site: str
    columns: dict[str, Any]
    recognised: str
    will_do: str


def reference_of(status: SubjectStatus) -> str:
    """Return the reference sequence of an included subject, who always has one."""
    return cast(str, status["reference"])
