"""Which images are sequences, and in which order."""

from neurograft.core.sequences import SEQUENCES, SUFFIXES, list_sequences, suffix_of


def test_known_sequences_come_first_and_own_ones_keep_their_order():
    names = ["labels", "pd", "flair", "brain", "dwi", "t1", "warp", "unwarp", "pd"]
    assert list_sequences(names) == ["t1", "flair", "pd", "dwi"]
    assert list_sequences(reversed(SEQUENCES)) == list(SEQUENCES)
    assert list_sequences([]) == []


def test_every_sequence_has_a_suffix():
    assert [suffix_of(name) for name in ("t1", "t1c", "t2", "flair", "mine")] == ["T1w", "T1w", "T2w", "FLAIR", "MRI"]
    assert {suffix_of(name) for name in (*SEQUENCES, "mine")} == set(SUFFIXES)
