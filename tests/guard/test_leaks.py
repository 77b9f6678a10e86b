"""Tests of the leak guard: what is a leak, and what it says."""

import numpy as np
import pytest

from neurograft.guard.fingerprints import Pair
from neurograft.guard.leaks import Cohort, LeakError, confirm_pairs, list_leaks, stop_at_leaks
from neurograft.guard.matching import Match

ROWS = {
    "a": {"labels": "true", "name": "A"}, "b": {"labels": "true", "name": "B", "patient": "p"},
    "c": {"labels": "false", "name": "C"}, "d": {"labels": "true", "name": "D", "patient": "p"},
}  # fmt: skip
FILES = {name: {"t1": f"{name}_t1.nii.gz", "flair": f"{name}_flair.nii.gz"} for name in ROWS}


def pair(first, second, **known):
    return Pair(first, second, ("t1", "flair"), Match(40, 50, 80, "mirrored", np.zeros((4, 3))), **known)


def leaks_of(*pairs, **known):
    return list_leaks([(one, 0.95) for one in pairs], Cohort(ROWS, FILES, **known))


def test_a_leak_names_both_files_and_how_one_is_turned():
    (leak,) = leaks_of(pair("a", "b"))
    assert leak["leak"] and leak["kind"] == "near-duplicate" and leak["likeness"] == 0.95
    assert leak["words"].startswith("a_t1.nii.gz and b_flair.nii.gz are") and leak["words"].endswith("(mirrored)")
    assert (leak["first_patient"], leak["second_patient"]) == ("a", "p")


def test_visits_of_one_patient_are_no_leak():
    (leak,) = leaks_of(pair("b", "d"))
    assert not leak["leak"] and "one side of every fold" in leak["words"]


def test_an_unlabelled_copy_leaks_only_if_it_is_learnt_from():
    assert not leaks_of(pair("a", "c"))[0]["leak"]
    assert leaks_of(pair("a", "c"), pretrained=True)[0]["second_role"] == "pretraining"
    assert leaks_of(pair("a", "c"), pretrained=True)[0]["leak"]
    assert leaks_of(pair("a", "c"), everyone=True)[0]["second_role"] == "training and test"


def test_equal_values_are_said():
    assert leaks_of(pair("a", "b", equal=True))[0]["kind"] == "same content"


def test_one_person_is_a_leak_once_unless_his_visits_are_stated():
    persons = {"a": ["p1", "p2"], "b": ["p3", "p2", "p1"], "c": [""], "d": ["p3", ""]}
    (leak,) = list_leaks([], Cohort(ROWS, FILES), persons)
    assert (leak["first"], leak["second"], leak["kind"], leak["leak"]) == ("a", "b", "same person", True)
    assert leak["words"] == "a_t1.nii.gz and b_t1.nii.gz are the same person of public releases"
    assert leak["likeness"] is None
    assert [one["kind"] for one in list_leaks([(pair("a", "b"), 0.9)], Cohort(ROWS, FILES), persons)] == [
        "near-duplicate"
    ]


def test_leaks_stand_before_what_is_harmless():
    assert [leak["leak"] for leak in leaks_of(pair("b", "d"), pair("a", "d"))] == [True, False]


def test_the_run_stops_with_both_files_and_what_to_do():
    leaks = leaks_of(pair("a", "b"), pair("b", "d"))
    with pytest.raises(LeakError, match=r"a_t1.nii.gz and b_flair.nii.gz .*dataset.exclude.*allow_leak=true") as caught:
        stop_at_leaks(leaks)
    assert "d_flair" not in str(caught.value) and "\n" not in str(caught.value)
    stop_at_leaks(leaks, allowed=True)
    stop_at_leaks(leaks[1:])


def test_many_leaks_are_counted():
    with pytest.raises(LeakError, match="and 5 more, in results/leaks.tsv"):
        stop_at_leaks(leaks_of(pair("a", "b")) * 15)


def test_pairs_without_the_same_slices_are_dropped():
    def stacks(subject):
        pytest.fail("equal values need no look")

    ((kept, likeness),) = confirm_pairs([pair("a", "b", equal=True)], stacks)
    assert kept.first == "a" and likeness == 1


def test_pictures_whose_patients_nobody_states_stop_nothing():
    rows = {name: {"stated_patient": "", "patient": name} for name in "ab"}
    (leak,) = list_leaks([(pair("a", "b"), 0.9)], Cohort(rows, FILES, everyone=True))
    assert not leak["leak"] and "nobody states whose they are" in leak["words"]
    rows = {name: {"stated_patient": name, "patient": name} for name in "ab"}
    assert list_leaks([(pair("a", "b"), 0.9)], Cohort(rows, FILES, everyone=True))[0]["leak"]
