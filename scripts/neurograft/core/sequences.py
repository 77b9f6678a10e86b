"""The names of sequences: the MR sequences that the workflow knows, and those that a user gives his own."""

from collections.abc import Iterable

SEQUENCES = ("t1", "t1c", "t2", "flair")
# images that lie beside a subject's sequences and are none
OTHERS = ("labels", "brain", "warp", "unwarp")
OWN_SUFFIX = "MRI"
_SUFFIXES = {"t1": "T1w", "t1c": "T1w", "t2": "T2w", "flair": "FLAIR"}
SUFFIXES = tuple(sorted({*_SUFFIXES.values(), OWN_SUFFIX}))


def list_sequences(names: Iterable[str]) -> list[str]:
    """List those of some names that are sequences: the known ones in the order of `SEQUENCES`, then the user's own.

    Parameters
    ----------
    names : iterable of str
        Such as the names of a subject's images; `OTHERS` are left out.

    Returns
    -------
    list of str
        Own names keep their order.
    """
    given = list(names)
    known = [name for name in SEQUENCES if name in given]
    return known + [name for name in dict.fromkeys(given) if name not in (*SEQUENCES, *OTHERS)]


def suffix_of(sequence: str) -> str:
    """Return the suffix of a sequence's file: that of BIDS, or `OWN_SUFFIX`, as BIDS has none for just any image."""
    return _SUFFIXES.get(sequence, OWN_SUFFIX)
