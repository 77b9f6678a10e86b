"""Cells and arms: the keys that name them, and which controls an arm is compared with.

A cell is one training of the experiment; an arm is the cells that differ by fold and seed alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict


class Arm(TypedDict):
    """The keys of an arm.

    In the design the numbers are integers; in a table, and where a job's wildcards name them, they are text.
    """

    task: str
    source: str
    strategy: str
    space: str
    split: str
    n: int | str  # how many patients train, or "all"


class Cell(Arm):
    """The keys of a cell. In rows over all folds `fold` is empty."""

    fold: int | str
    seed: int | str


class CellManifest(Cell):
    """What evaluation reads of a cell's `manifest.json`."""

    trained: bool
    converged: bool  # whether the loss no longer fell; only a cell that was trained has it, and what follows
    subjects: int  # how many subjects trained
    test: list[str]


# source to what makes its network like another's: dimensions and backbone
Kin: TypeAlias = Mapping[str, Sequence[str]]

CELL = ("task", "source", "strategy", "space", "split", "n", "fold", "seed")
# an arm of the experiment: the cells that differ by fold and seed alone
ARM = tuple(name for name in CELL if name not in ("fold", "seed"))
# what the primary family is judged by: the first that was scored for patients
PRIMARY = (
    {"task": "segmentation", "metric": "dice"},  # of the region that `labels.judged_region` names
    {"task": "classification", "metric": "balanced-accuracy"},
    {"task": "classification", "metric": "accuracy"},
)


def take_cell(row: Mapping[str, Any]) -> Cell:
    """Take the keys of a cell out of a row, a manifest or a job's wildcards, in the order of `CELL`."""
    return {
        "task": row["task"],
        "source": row["source"],
        "strategy": row["strategy"],
        "space": row["space"],
        "split": row["split"],
        "n": row["n"],
        "fold": row["fold"],
        "seed": row["seed"],
    }


def find_kin(sources: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, str]]:
    """Find what makes the networks of sources alike.

    Parameters
    ----------
    sources : iterable of dict
        Rows of `config/sources.tsv`.

    Returns
    -------
    dict of str to tuple
        Source to its dimensions and backbone.
    """
    return {row["name"]: (str(row["dimensions"]), row["backbone"]) for row in sources if "backbone" in row}


def control_sources(source: str, having: Sequence[str], kin: Kin | None = None) -> list[str]:
    """Choose the sources whose control an arm is compared with.

    A control does not see the source's weights, only its network. The control of the same source is taken; without
    it, that of a source with the same network, which is the same training; without that, the mean of the controls of
    all sources with the same dimensions.

    Parameters
    ----------
    source : str
    having : list of str
        Sources with the control.
    kin : dict of str to tuple, optional
        From `find_kin`; without it all networks count as alike.

    Returns
    -------
    list of str
        Empty where there is no control of the same dimensions.
    """
    if source in having:
        return [source]
    networks = {name: tuple(network) for name, network in (kin or {}).items()}
    if source not in networks:
        return list(having)
    same = [name for name in having if networks.get(name) == networks[source]]
    return same[:1] or [name for name in having if name not in networks or networks[name][0] == networks[source][0]]
