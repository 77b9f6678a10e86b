"""Whose masks are compared with the delivered ones, and who therefore predicts the unlabelled patients."""

import pytest

from neurograft.core import design, peers

NAMED = ["scratch", "frozen", "dann"]


def make_design(delivered="lp-ft", strategies=("scratch", "frozen", "lp-ft", "dann")):
    """A design of two folds on two sources, sizes, seeds and splits."""
    span = {"sources": ["photos", "heads"], "strategies": list(strategies), "spaces": ["template", "native"]}
    span |= {"splits": ["folds", "sites"], "n": [2, "all"], "seeds": [7, 0], "also": []}
    tasks = {"segmentation": span, "classification": span | {"strategies": [], "target": "tumour-slice"}}
    return design.Design(tasks, {"template": "MNI152", "native": "reference"}, 2, delivered, repeats=2)


def make_rows(labels=4):
    return [
        {"participant_id": f"P{at}", "labels": "true" if at < labels else "false", "site": "AB"[at % 2]}
        for at in range(6)
    ]


def test_peers_are_the_named_arms_in_the_place_of_the_delivered_one():
    made = make_design()
    cells = peers.list_peer_cells(made, make_rows(), [*NAMED, "lp-ft", "lora"])
    assert {cell["strategy"] for cell in cells} == {"scratch", "frozen"}, "not itself, not one that sees test images"
    places = {tuple(cell[name] for name in ("source", "space", "split", "n", "seed")) for cell in cells}
    assert places == {("photos", "MNI152", "folds", "all", 7)}
    assert sorted(cell["fold"] for cell in cells) == [0, 0, 1, 1], "of repeated partitions the first"
    assert peers.list_peer_cells(made, make_rows(), []) == []
    assert peers.list_peer_cells(made, make_rows(labels=1), NAMED) == []


def test_peers_predict_the_unlabelled_and_nobody_else_does():
    made, rows = make_design(), make_rows()
    listed = [*made.list_delivered_cells(rows), *peers.list_peer_cells(made, rows, NAMED)]
    for cell in made.list_cells("segmentation", rows):
        as_text = {name: str(value) for name, value in cell.items()}
        assert peers.predicts_unlabelled(made, as_text, NAMED) == (cell in listed or made.is_delivered(cell))
    assert not peers.predicts_unlabelled(made, listed[-1], [])
    assert not peers.predicts_unlabelled(made, listed[-1] | {"task": "classification"}, NAMED)
    # supervoxels, which only segment, have no task in their paths
    untold = {name: value for name, value in listed[-1].items() if name != "task"}
    assert peers.predicts_unlabelled(made, untold, NAMED)


@pytest.mark.parametrize(
    ("strategy", "expected"), [("lp-ft", True), ("scratch", False), ("dann", False), ("ensemble", False)]
)
def test_of_an_ensemble_its_members_are_peers_too(strategy, expected):
    made = make_design("ensemble", ["scratch", "lp-ft", "dann", "ensemble"])
    assert peers.is_peer(made, strategy, []) is expected
    assert peers.is_peer(made, strategy, ["scratch", "dann", "ensemble"]) is (expected or strategy == "scratch")
