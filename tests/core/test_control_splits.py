"""Control splits: what they are called, and what they share."""

from neurograft.core import control_splits


def test_only_a_split_by_slice_shares_patients_and_random_labels_keep_the_folds():
    for split in control_splits.CONTROL_SPLITS:
        assert control_splits.is_control(split)
    assert not any(control_splits.is_control(split) for split in ("folds", "sites", "between"))
    assert control_splits.shares_patients("slices-random-labels") and control_splits.shares_patients("own")
    assert not control_splits.shares_patients("folds-random-labels")
    assert control_splits.folds_of("folds-random-labels") == "folds"
    assert control_splits.has_random_labels("slices-random-labels") and not control_splits.has_random_labels("slices")


def test_a_part_knows_its_subject():
    name = control_splits.name_part("P1", 3)
    assert control_splits.subject_of(name) == "P1" and control_splits.part_of(name) == 3
    assert control_splits.subject_of("P1") == "P1" and control_splits.part_of("P1") is None
