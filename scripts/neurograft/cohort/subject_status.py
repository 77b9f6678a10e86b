"""The import status of a subject; a separate module, since later steps read it without the checks that make it."""

from typing import Any, NotRequired, TypedDict, cast


class SequenceFile(TypedDict):
    """The file of one imported sequence.

    Attributes
    ----------
    file : str
        Absolute path.
    shape : list of int
        Of the file's own grid, three axes.
    affine : list of list of float, shape (4, 4)
        Of the file's own grid: voxel indices to RAS millimetres.
    stripped : bool
        Whether it was already skull-stripped.
    other_affine : list of list of float, shape (4, 4), not required
        The affine of the header that was not chosen, if it has two (`imaging.headers.read_geometry`).
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
        Of the file's own grid, or the scan's affine if the label has the one that was not chosen for the scan.
    values : list of int
        The values that occur, without 0; empty for a label without tumour.
    scheme : str
        A key of `label_schemes.LABEL_SCHEMES`, the user's own labels, or "" if neither values nor names identify one.
    certain : bool
        Whether the values fit one scheme only.
    grid_of : str
        The first sequence with the grid of the labels.
    brightness : dict of str to float, not required
        From `label_checks.measure_brightness`, if there is a T1c on the grid.
    stated : bool, not required
        Whether the user said which scheme it is.
    """

    file: str
    affine: list[list[float]]
    values: list[int]
    scheme: str
    certain: bool
    grid_of: str
    brightness: NotRequired[dict[str, float]]
    stated: NotRequired[bool]


class SubjectStatus(TypedDict):
    """The status of a subject from `validation.import_scans`, stored as JSON.

    Attributes
    ----------
    subject : str
        Label X of `sub-X`.
    name : str
        Name of the subject in the dataset.
    included : bool
    reason : str
        Why the subject is excluded; "" if included.
    notes : list of str
        Corrections, and what was ignored.
    layout : str
        A key of `layouts.DATASETS`.
    sequences : dict of str to SequenceFile
        The sequences that could be read, in the order of `core.sequences.list_sequences`.
    reference : str or None
        The sequence to which the others are aligned; None if there is none.
    coregistered : bool
        Whether the sequences are already aligned to each other.
    in_template : bool
        Whether they are on a grid of the template, and so count as being in its space.
    prepared : bool, not required
        Whether they were prepared elsewhere and are used as they are, all on one grid.
    labels : LabelFile or None
        None without labels, and for an excluded subject.
    scheme : str
        The label scheme according to file names, values or the user; "" if unknown.
    site : str
        "" if not known.
    columns : dict of str to any
        Further columns of the dataset.
    recognised, will_do : str
        As text: what was recognised about the scans, and what preprocessing will do.
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
