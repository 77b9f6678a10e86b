"""Who of a cohort is a patient of a public release: by name, by fingerprint, or as a person of many names."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurograft.core.sequences import SEQUENCES
from neurograft.guard.fingerprints import SCAN_TURNS, Fingerprint, Pair, compare, read_fingerprints
from neurograft.guard.keypoints import Keypoints, turn_values
from neurograft.guard.leaks import Cohort
from neurograft.guard.registry import Release, identify, list_releases

# What is kept of a patient of a release: his strongest keypoints of each sequence, their values in steps, 3.3 kB.
KEPT, STEP = 128, 12
# What he and a patient of the cohort must have in common, since there are no scans any more that could be compared: of
# 3,540 pairs of different patients of `lgg` the most alike share 25 keypoints, and .45 of those that look alike; the
# same patients of other sets 39 to 55, and .54 to .72 (docs/results.md).
SURE_STRONG, SURE_SHARE = 32, 0.5
# Before whole fingerprints are compared, so many of a patient's strongest keypoints must have one so much alike: of the
# first 64, 22 and more in the same patients, 17 and fewer in nine of ten others.
FIRST, LEAST_FIRST, ALIKE_FIRST = 64, 16, 0.93


def shorten(one: Fingerprint) -> Fingerprint:
    """Shorten a fingerprint to what is kept of a release."""
    kept = {
        sequence: Keypoints(points.places[:KEPT], points.sizes[:KEPT], _round(points.values[:KEPT]))
        for sequence, points in one.keypoints.items()
    }
    return replace(one, keypoints=kept)


def _round(values):
    return np.clip(STEP * np.rint(values / STEP), -128, 127).astype(np.int8)


def is_sure(pair: Pair) -> bool:
    """Check whether what two fingerprints have in common proves that they are of one head."""
    share = pair.match.strong / max(pair.match.paired, 1)
    return pair.equal or (pair.match.strong >= SURE_STRONG and share >= SURE_SHARE)


def find_sure(prints: Sequence[Fingerprint], stored: Sequence[Fingerprint]) -> list[Pair]:
    """Find who of a cohort is a patient of a release, by fingerprints alone.

    Parameters
    ----------
    prints : sequence of Fingerprint
        Of the cohort.
    stored : sequence of Fingerprint
        Of the release; as `shorten` leaves them.

    Returns
    -------
    list of Pair
        Cohort first.
    """
    stacks, pairs = _stack(stored), []
    for one in prints:
        values = set(one.hashes.values())
        likely = {number for number, other in enumerate(stored) if values & set(other.hashes.values())}
        for sequence, points in one.keypoints.items():
            likely |= _find_likely(sequence, points, stacks, len(stored))
        found = [compare(one, stored[number], SCAN_TURNS, least=SURE_STRONG) for number in sorted(likely)]
        pairs += [pair for pair in found if pair is not None and is_sure(pair)]
    return pairs


def _stack(stored):
    """Stack the first descriptors of all patients of a release: sequence to values, and the patient of each."""
    parts = {}
    for number, one in enumerate(stored):
        for sequence, points in one.keypoints.items():
            parts.setdefault(sequence, []).append((number, points.values[:FIRST]))
    return {
        sequence: (
            np.concatenate([values for _, values in listed]).astype(np.float32).T / 127,
            np.concatenate([np.full(len(values), number) for number, values in listed]),
        )
        for sequence, listed in parts.items()
    }


def _find_likely(sequence, points, stacks, count):
    """Find the patients enough of whose first keypoints have one alike: one product for all of them."""
    likely = set()
    for other, (values, owners) in stacks.items():
        if sequence != other and sequence in SEQUENCES and other in SEQUENCES:
            continue
        for turn in SCAN_TURNS:
            own = turn_values(points.values, turn).astype(np.float32) / 127
            if len(own) and len(owners):
                alike = np.bincount(owners[(own @ values).max(0) >= ALIKE_FIRST], minlength=count)
                likely |= set(np.flatnonzero(alike >= LEAST_FIRST).tolist())
    return likely


def recognise(prints, cohort: Cohort, releases: Sequence[Release], files: Sequence[tuple[str, Path]]):
    """Tell of every subject which public releases he is in: by his name, by fingerprint, or as a person of many names.

    Parameters
    ----------
    prints : sequence of Fingerprint
    cohort : Cohort
    releases : sequence of Release
    files : sequence of (str, Path)
        Name of a release, and the file of its fingerprints.

    Returns
    -------
    dict of str to list of dict
        Subject to `release`, `person` and `by` ("name", "fingerprint" or "another name").
    """
    known = {one.name: _find_by_name(one.name, cohort, releases) for one in prints}
    for release, path in files:
        others = [one for one in prints if release not in _names(known[one.name])]
        # one that was given whole is shortened, too, since the limits are for short ones
        for pair in find_sure(others, [shorten(one) for one in read_fingerprints(path)]):
            if release not in _names(known[pair.first]):
                person = identify(pair.second, releases).person or f"{pair.second} of {release}"
                known[pair.first].append({"release": release, "person": person, "by": "fingerprint"})
    for found in known.values():
        for person in [one["person"] for one in found]:
            others = [name for name in list_releases(person, releases) if name not in _names(found)]
            found += [{"release": name, "person": person, "by": "another name"} for name in others]
    return known


def _names(found):
    return [one["release"] for one in found]


def _find_by_name(subject, cohort, releases):
    """Look for a release by the names of a subject and of its files."""
    names = [str(cohort.rows[subject].get("name") or subject), *cohort.files.get(subject, {}).values()]
    for name in names:
        identity = identify(Path(name).name, releases)
        if identity.release:
            return [{"release": identity.release, "person": identity.person, "by": "name"}]
    return []
