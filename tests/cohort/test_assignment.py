"""Roles: no patient predicted by a network that saw it, whatever the scans and halves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.cohort import assignment

CELL = {"task": "segmentation", "strategy": "coral", "fold": 0}


def share(test, unlabelled, owner, left_out=()):
    """Share subjects out, given each one's patient."""
    split = {"tasks": {"segmentation": {"patients": owner, "left_out": dict.fromkeys(left_out, "quality: x")}}}
    return assignment.share_target(split, CELL, {"train": [], "test": test, "unlabelled": unlabelled})


scans = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 6), min_size=1, max_size=9)


@given(scans, st.sets(st.integers(0, 8)))
def test_nobody_is_predicted_by_a_network_adapted_to_their_patient(owner, places):
    names = sorted(owner)
    unlabelled = [name for place, name in enumerate(names) if place in places]
    test = [name for name in names if name not in unlabelled]
    patients = {name: str(owner[name]) for name in names}
    try:
        rounds = share(test, unlabelled, patients)
    except assignment.UntrainableError:
        # with one patient and no other's unlabelled scan there is nobody to adapt to; with two there always is
        halves = sorted({patients[name] for name in test})
        assert len(halves) == 1 and not {patients[name] for name in unlabelled} - set(halves)
        return
    assert sorted(name for each in rounds for name in each["predicts"]) == test
    for each in rounds:
        assert each["adapted_on"] and len(rounds) <= 2
        assert not {patients[s] for s in each["predicts"]} & {patients[s] for s in each["adapted_on"]}


def test_halves_see_each_other_and_the_unlabelled():
    rounds = share(["a", "b", "c"], ["u"], dict(zip("abcu", "abcu")))
    assert rounds == [
        {"predicts": ["a", "c"], "adapted_on": ["b", "u"]},
        {"predicts": ["b"], "adapted_on": ["a", "c", "u"]},
    ]


def test_who_is_flagged_is_predicted_and_not_adapted_to():
    rounds = share(["a", "b"], ["u", "f"], dict(zip("abuf", "abuf")), left_out=["f"])
    assert [each["adapted_on"] for each in rounds] == [["b", "u"], ["a", "u"]]
    task = {"patients": {}, "subjects": [], "unlabelled": ["f", "u"], "left_out": {"f": "quality: x"}}
    split = {"tasks": {"segmentation": task | {"patients": {"f": "f", "u": "u"}}}}
    assert assignment.choose_unlabelled(split) == ["u"]


def test_nobody_to_adapt_to_is_said():
    with pytest.raises(
        assignment.UntrainableError, match="coral adapts to images of other test patients .* fold 0 has neither"
    ):
        share(["a1", "a2"], ["a3"], {"a1": "a", "a2": "a", "a3": "a"})


def unlearnt(lacking, train=("a", "b"), test=("c",)):
    """What no training subject has, of three sequences."""
    task = {"sequences": ["t1c", "t2", "flair"], "incomplete": lacking}
    parts = {"train": list(train), "test": list(test), "unlabelled": ["u"]}
    return assignment.find_unlearnt({"tasks": {"segmentation": task}}, CELL, parts)


def test_a_sequence_of_no_training_subject_is_not_learnt():
    assert unlearnt({}) == unlearnt({"a": ["t2"], "c": ["t2", "flair"]}) == []
    assert unlearnt({"a": ["flair", "t2"], "b": ["t2"]}) == ["t2"]
    with pytest.raises(assignment.UntrainableError, match="c has no sequence that a training subject of fold 0 has"):
        unlearnt({"a": ["t2"], "b": ["t2"], "c": ["t1c", "flair"]})


def test_reconstruction_is_learnt_from_complete_scans_alone():
    task = {"patients": dict(zip("abuv", "abuv")), "subjects": ["a", "b"], "unlabelled": ["u", "v"], "left_out": {}}
    assert assignment.choose_unlabelled({"tasks": {"segmentation": task}}) == ["u", "v"]
    assert assignment.choose_unlabelled({"tasks": {"segmentation": task | {"incomplete": {"v": ["t2"]}}}}) == ["u"]
