"""Patients dealt into folds: nobody on both sides, everybody tested once, whatever the cohort."""

from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.cohort import folds

COHORTS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", "A", "B", "C"])), min_size=6, max_size=30
)


def describe(drawn):
    """Give subjects, their patients, strata and sites."""
    subjects = [f"s{number:02d}" for number in range(len(drawn))]
    patients = {subject: patient for subject, (patient, _) in zip(subjects, drawn, strict=True)}
    sites = {subject: site for subject, (_, site) in zip(subjects, drawn, strict=True)}
    return subjects, patients, {subject: (sites[subject],) for subject in subjects}, sites


def check(made, patients, everybody):
    """No patient on both sides; every fold holds everybody, each tested once over all folds."""
    for fold in made:
        assert not {patients[s] for s in fold["test"]} & {patients[s] for s in fold["train"]}
        assert sorted(fold["test"] + fold["train"]) == sorted(everybody)
    assert sorted(s for fold in made for s in fold["test"]) == sorted(everybody if made else [])


@settings(max_examples=60, deadline=None)
@given(COHORTS, st.integers(2, 5), st.integers(0, 3))
def test_stratified_folds(drawn, count, seed):
    subjects, patients, strata, _ = describe(drawn)
    made = folds.deal_folds(subjects, patients, strata, count, seed)
    assert len(made) == count and made == folds.deal_folds(subjects, patients, strata, count, seed)
    check(made, patients, subjects)


@settings(max_examples=60, deadline=None)
@given(COHORTS, st.integers(0, 3))
def test_sites_left_out(drawn, seed):
    subjects, patients, strata, sites = describe(drawn)
    made = folds.deal_sites(subjects, patients, strata, sites, seed)
    assert len(made) != 1 and len({fold["name"] for fold in made}) == len(made)
    check(made, patients, [subject for subject in subjects if sites[subject]])


@settings(max_examples=60, deadline=None)
@given(COHORTS, st.integers(0, 3))
def test_one_site_to_another(drawn, seed):
    subjects, patients, strata, sites = describe(drawn)
    made = folds.deal_between(subjects, patients, strata, sites, ["A"], ["B"], seed)
    assert len(made) <= 1
    for fold in made:
        assert fold["test"] and fold["train"]
        assert not {patients[s] for s in fold["test"]} & {patients[s] for s in fold["train"]}
        assert {sites[s] for s in fold["test"] + fold["train"]} <= {"A", "B"}


def test_folds_by_slice_share_every_patient_and_no_part():
    dealt = folds.deal_slices(["a", "b"], {"a": (), "b": ()}, 3, 5, parts=True)
    assert [fold["test"] for fold in dealt] == [["a:0", "b:0"], ["a:1", "b:1"], ["a:2", "b:2"]]
    for fold in dealt:
        assert sorted(fold["test"] + fold["train"]) == sorted(f"{name}:{part}" for name in "ab" for part in range(3))


def test_pictures_are_dealt_whoever_they_are_of():
    pictures = [f"p{number:02d}" for number in range(12)]
    strata = {name: ("glioma" if number < 6 else "pituitary",) for number, name in enumerate(pictures)}
    dealt = folds.deal_slices(pictures, strata, 3, 5, parts=False)
    assert sorted(name for fold in dealt for name in fold["test"]) == pictures
    assert all(sum(strata[name] == ("glioma",) for name in fold["test"]) == 2 for fold in dealt)


def test_a_datasets_own_division_is_one_fold_and_needs_both_sides():
    sides = {"a": "train", "b": "test", "c": "train", "d": ""}
    assert folds.deal_own(list(sides), sides) == [
        {"name": "as the dataset is divided", "test": ["b"], "train": ["a", "c"]}
    ]
    assert folds.deal_own(["a", "c"], sides) == []
