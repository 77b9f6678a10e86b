"""Fingerprints of subjects: taken from their scans, stored, and compared."""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from neurograft.core.files import whole
from neurograft.core.sequences import SEQUENCES
from neurograft.guard.keypoints import LENGTH, TURNS, Keypoints, find_keypoints
from neurograft.guard.matching import Match, match_keypoints

# what two fingerprints must have in common before the scans themselves are compared
LEAST_STRONG, LEAST_SHARE = 8, 0.18
# With more pairs of subjects than this only their first common sequence is compared, and more must be in common.
MANY = 20_000
# how the scans of one head may differ; pictures may also be upside down
SCAN_TURNS = ("as it is", "mirrored")
# More single pictures than this are compared by their values only (their thumbnails are, when they are read).
MOST_PICTURES = 3000


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a subject to recognise him.

    Attributes
    ----------
    name : str
    hashes : dict of str to str
        Sequence to the SHA-256 of its values.
    keypoints : dict of str to Keypoints
    """

    name: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    keypoints: Mapping[str, Keypoints] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two subjects whose scans may be the same.

    Attributes
    ----------
    first, second : str
    sequences : tuple of str
        Of the first and of the second.
    match : Match
        Of the keypoints; empty where the values are equal.
    equal : bool
        Whether the values are equal, number by number.
    """

    first: str
    second: str
    sequences: tuple[str, str]
    match: Match
    equal: bool = False


def hash_values(values):
    """Hash the values of an image, whatever the file that they came from.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    str
        SHA-256.
    """
    values = np.ascontiguousarray(values, np.float32)
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()


def take_fingerprint(name, values, stacks):
    """Take the fingerprint of a subject.

    Parameters
    ----------
    name : str
    values : dict of str to ndarray
        Sequence to its values.
    stacks : dict of str to Stack
        The same as slices.

    Returns
    -------
    Fingerprint
    """
    hashes = {sequence: hash_values(one) for sequence, one in values.items()}
    return Fingerprint(name, hashes, {sequence: find_keypoints(stack) for sequence, stack in stacks.items()})


def find_pairs(prints, others=None, pictures=False):
    """List the pairs of subjects that may be the same, the most alike sequence of each.

    Parameters
    ----------
    prints : sequence of Fingerprint
    others : sequence of Fingerprint, optional
        Without, the first ones are compared with each other.
    pictures : bool
        Pictures may also be upside down.

    Returns
    -------
    list of Pair
        Those with `LEAST_STRONG` keypoints in common; the scans decide (`leaks.confirm`).
    """
    if pictures and len(prints) > MOST_PICTURES:
        prints = [Fingerprint(one.name, one.hashes) for one in prints]
    both = list(itertools.combinations(prints, 2) if others is None else itertools.product(prints, others))
    turns = tuple(TURNS) if pictures else SCAN_TURNS
    found = []
    for one, two in both:
        pair = compare(one, two, turns, len(both) > MANY)
        if pair is not None:
            found.append(pair)
    return found


def compare(one, two, turns, quick=False, least=LEAST_STRONG):
    """Compare two fingerprints; None if they have too little in common.

    Parameters
    ----------
    one, two : Fingerprint
    turns : sequence of str
        Keys of `keypoints.TURNS`.
    quick : bool
        Whether only the first common sequence is compared, and more must be in common.
    least : int
        Keypoints in common, at least.

    Returns
    -------
    Pair or None
        Of the most alike sequence.
    """
    owners = {value: sequence for sequence, value in one.hashes.items()}
    for sequence, value in two.hashes.items():
        if value in owners:
            return Pair(one.name, two.name, (owners[value], sequence), Match(), True)
    best = None
    for first, second in _list_sequences(one.keypoints, two.keypoints)[: 1 if quick else None]:
        match = match_keypoints(one.keypoints[first], two.keypoints[second], turns, least)
        needed = 3 * least if quick else least
        if match.motion is None or match.strong < max(needed, LEAST_SHARE * match.paired):
            continue
        if best is None or match.strong > best.match.strong:
            best = Pair(one.name, two.name, (first, second), match)
    return best


def _list_sequences(first, second):
    """List which sequences of two subjects can show the same: of one name, and any where a name says nothing."""
    same = [(name, name) for name in first if name in second]
    return same or [(a, b) for a in first for b in second if a not in SEQUENCES or b not in SEQUENCES]


def write_fingerprints(path, prints):
    """Write fingerprints into one file, atomically.

    Parameters
    ----------
    path : str or Path
        Ends in `.npz`.
    prints : sequence of Fingerprint
    """
    hashes = [(number, *pair) for number, one in enumerate(prints) for pair in one.hashes.items()]
    found = [(number, *pair) for number, one in enumerate(prints) for pair in one.keypoints.items()]
    parts = [points for _, _, points in found]
    # few arrays for all subjects: each costs 250 bytes of its own
    arrays = {
        "names": np.array([one.name for one in prints], str),
        "hash_owners": np.array([number for number, _, _ in hashes], np.int32),
        "hash_sequences": np.array([sequence for _, sequence, _ in hashes], str),
        "hashes": np.array([value for _, _, value in hashes], str),
        "owners": np.array([number for number, _, _ in found], np.int32),
        "sequences": np.array([sequence for _, sequence, _ in found], str),
        "counts": np.array([len(points.sizes) for points in parts], np.int32),
        "places": np.concatenate([np.zeros((0, 3)), *(points.places for points in parts)]).astype(np.float16),
        "sizes": np.concatenate([np.zeros(0), *(points.sizes for points in parts)]).astype(np.float16),
        "values": np.concatenate([np.zeros((0, LENGTH), np.int8), *(points.values for points in parts)]),
    }
    with whole(path) as part:
        np.savez_compressed(part, allow_pickle=False, **arrays)


def read_fingerprints(path):
    """Read what `write_fingerprints` wrote.

    Returns
    -------
    list of Fingerprint

    Raises
    ------
    ValueError
        If it is no file of fingerprints; one line that says what to do.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        names = [str(name) for name in arrays["names"]]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} holds no fingerprints ({error}); give a results/fingerprints.npz") from None
    hashes, keypoints = [{} for _ in names], [{} for _ in names]
    listed = zip(arrays["hash_owners"], arrays["hash_sequences"], arrays["hashes"], strict=True)
    for owner, sequence, value in listed:
        hashes[owner][str(sequence)] = str(value)
    ends = np.cumsum(arrays["counts"])
    for owner, sequence, end, count in zip(arrays["owners"], arrays["sequences"], ends, arrays["counts"], strict=True):
        own = slice(end - count, end)
        keypoints[owner][str(sequence)] = Keypoints(
            arrays["places"][own].astype(np.float32), arrays["sizes"][own].astype(np.float32), arrays["values"][own]
        )
    return [Fingerprint(*parts) for parts in zip(names, hashes, keypoints, strict=True)]
