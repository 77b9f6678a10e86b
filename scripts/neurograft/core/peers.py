"""Peers of the delivered arm: other arms that were trained on the same patients, with whose masks its own are compared.

They also predict the patients without a label, so that agreement means the same for these as for the labelled ones.
The Snakefile imports this module when it is parsed: standard library only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from neurograft.core.design import Design, DesignCell, Row, is_member
from neurograft.core.strategies import ENSEMBLE, TRANSDUCTIVE, base_strategy


def is_peer(design: Design, strategy: str, named: Sequence[str]) -> bool:
    """Check whether a strategy's masks are compared with the delivered ones.

    Parameters
    ----------
    design : Design
    strategy : str
    named : sequence of str
        The config's `judge_masks.peers`. The members of a delivered ensemble are peers too.

    Returns
    -------
    bool
    """
    if design.delivered == ENSEMBLE and is_member(strategy):
        return True
    # networks that adapt to test patients predict nobody else
    return strategy in named and strategy != design.delivered and base_strategy(strategy) not in TRANSDUCTIVE


def list_peer_cells(design: Design, rows: list[Row], named: Sequence[str]) -> list[DesignCell]:
    """List the cells whose masks are compared with the delivered ones: the delivered cells' folds of each peer.

    Parameters
    ----------
    design : Design
    rows : list of dict
        Of the included subjects.
    named : sequence of str
        The config's `judge_masks.peers`; those that the experiment does not train are passed over.

    Returns
    -------
    list of dict
        None if nothing is delivered.
    """
    task = design.tasks["segmentation"]
    if not design.list_delivered_cells(rows):
        return []
    arm = {"source": task["sources"][0], "space": design.space, "split": "folds", "n": "all", "seed": task["seeds"][0]}
    cells = design.list_cells("segmentation", rows, **arm)
    return [cell for cell in cells if cell["fold"] < design.folds and is_peer(design, cell["strategy"], named)]


def predicts_unlabelled(design: Design, cell: Mapping[str, Any], named: Sequence[str]) -> bool:
    """Check whether a cell predicts the patients without a label: if it is delivered, or a peer of what is.

    Parameters
    ----------
    design : Design
    cell : mapping
        Such as a job's wildcards, whose numbers are text; without a `task` it is one of segmentation.
    named : sequence of str
        The config's `judge_masks.peers`.

    Returns
    -------
    bool
    """
    task = design.tasks["segmentation"]
    if design.is_delivered(cell):
        return True
    # jobs of methods that only segment have no task among their wildcards
    places = [cell.get("task", "segmentation"), *(cell[name] for name in ("source", "space", "split", "n", "seed"))]
    placed = tuple(map(str, places))
    wanted = ("segmentation", task["sources"][0], design.space, "folds", "all", str(task["seeds"][0]))
    return placed == wanted and int(cell["fold"]) < design.folds and is_peer(design, cell["strategy"], named)
