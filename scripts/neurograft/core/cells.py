"""Cells and arms: the keys that identify them, and the controls for an arm.

A cell is one training of the experiment; an arm is the set of cells that differ only in fold and seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from neurograft.core.strategies import EXTERNAL


class Arm(TypedDict):
    """The keys of an arm.

    Numbers are integers in the design, but text in tables and in a job's wildcards.
    """

    task: str
    source: str
    strategy: str
    space: str
    split: str
    n: int | str  # number of training patients, or "all"


class Cell(Arm):
    """The keys of a cell. In rows over all folds `fold` is empty."""

    fold: int | str
    seed: int | str


class CellManifest(Cell):
    """The part of a cell's `manifest.json` that evaluation reads."""

    trained: bool
    reason: str  # why it was not trained; empty if it was
    converged: bool  # whether the loss had stopped falling; this and all below: trained cells only
    subjects: int  # number of training subjects
    train: list[str]
    test: list[str]


# source to the key of its network: dimensions and backbone
Kin: TypeAlias = Mapping[str, Sequence[str]]

CELL = ("task", "source", "strategy", "space", "split", "n", "fold", "seed")
# an arm of the experiment: the cells that differ only in fold and seed
ARM = tuple(name for name in CELL if name not in ("fold", "seed"))
# metrics of the primary family, in order of preference: the first that was scored for patients is used
PRIMARY = (
    {"task": "segmentation", "metric": "dice"},  # of the region that `labels.judged_region` names
    {"task": "classification", "metric": "balanced-accuracy"},
    {"task": "classification", "metric": "accuracy"},
)


def take_cell(row: Mapping[str, Any]) -> Cell:
    """Extract the keys of a cell from a row, a manifest or a job's wildcards, in the order of `CELL`."""
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
    """Return the network of each source, so that sources with the same network can be found.

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

    A control uses the source's network, but not its weights. The control of the same source is used if there is one;
    otherwise that of a source with the same network, which is the same training; otherwise the mean of the controls of
    all sources with the same dimensions. Masks of other programs have no network here: they are compared with the
    control of the first source, for a mean over unlike networks is nobody's score.

    Parameters
    ----------
    source : str
    having : list of str
        Sources with the control, in the order of the experiment.
    kin : dict of str to tuple, optional
        From `find_kin`; without it, all networks count as the same.

    Returns
    -------
    list of str
        Empty if there is no control with the same dimensions.
    """
    if source in having:
        return [source]
    if source == EXTERNAL:
        return list(having[:1])
    networks = {name: tuple(network) for name, network in (kin or {}).items()}
    if source not in networks:
        return list(having)
    same = [name for name in having if networks.get(name) == networks[source]]
    return same[:1] or [name for name in having if name not in networks or networks[name][0] == networks[source][0]]
