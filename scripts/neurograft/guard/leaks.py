"""The leak guard: is the same head in two roles? It looks before anything trains."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from neurograft.cohort.splits import patient_of
from neurograft.core.tables import parse_boolean
from neurograft.guard.fingerprints import Pair
from neurograft.guard.matching import Match, compare_slices

# The lowest correlation, place by place, of two scans that are called the same. Different simulated patients, who share
# the folds of one template brain, come to .74, different real ones to .69, planted copies to .89 at least.
SAME = 0.82


class LeakError(ValueError):
    """The same head stands under two names; the message is one line a pair, and what to do."""


class Leak(TypedDict):
    """A row of `leaks.tsv`: two subjects who are the same, by what, and whether that spoils a score."""

    kind: str  # a key of `KINDS`
    first: str
    second: str
    first_file: str
    second_file: str
    first_role: str
    second_role: str
    first_patient: str
    second_patient: str
    likeness: float | None  # of the slices, place by place; None if only names were compared
    agreeing: int  # keypoints in the same arrangement
    turn: str
    leak: bool
    words: str


@dataclass(frozen=True)
class Cohort:
    """What the guard knows of a cohort.

    Attributes
    ----------
    rows : dict of str to dict
        Subject to row of `cohort.tsv`, included ones only.
    files : dict of str to dict
        Subject to its own files by sequence, as the user named them.
    pretrained : bool
        Whether a source learns from the cohort's unlabelled scans.
    everyone : bool
        Whether subjects without tumour labels are trained on and tested, too.
    """

    rows: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Mapping[str, str]]
    pretrained: bool = False
    everyone: bool = False

    def name_file(self, subject, sequence):
        """Name the file of a subject that a sequence is in, or another one of his, or himself."""
        own = self.files.get(subject, {})
        return own.get(sequence) or next(iter(own.values()), "") or f"sub-{subject}"

    def role(self, subject):
        """Say what a subject is used for."""
        if self.everyone or parse_boolean(self.rows[subject].get("labels", "")):
            return "training and test"
        return "pretraining" if self.pretrained else "delivery"


def confirm_pairs(pairs: Sequence[Pair], stacks: Callable) -> list[tuple[Pair, float]]:
    """Keep the pairs whose slices are the same, place by place.

    Parameters
    ----------
    pairs : sequence of Pair
    stacks : callable
        Subject to its slices by sequence.

    Returns
    -------
    list of (Pair, float)
        With the correlation; 1 where the values are equal.
    """
    kept = []
    # in an order in which few subjects have to be remembered
    for pair in sorted(pairs, key=lambda pair: (pair.first, pair.second)):
        if pair.equal:
            kept.append((pair, 1.0))
            continue
        first, second = stacks(pair.first)[pair.sequences[0]], stacks(pair.second)[pair.sequences[1]]
        likeness = compare_slices(first, second, pair.match)
        if likeness >= SAME:
            kept.append((pair, likeness))
    return kept


def list_leaks(
    confirmed: Sequence[tuple[Pair, float]], cohort: Cohort, persons: Mapping[str, Sequence[str]] | None = None
) -> list[Leak]:
    """List who is the same as whom: by name, by content, and by likeness.

    Parameters
    ----------
    confirmed : sequence of (Pair, float)
        From `confirm_pairs`.
    cohort : Cohort
    persons : dict of str to sequence of str, optional
        Subject to the persons of public releases that he is known to be.

    Returns
    -------
    list of Leak
        Those that spoil a score first.
    """
    leaks = [
        _describe("same content" if pair.equal else "near-duplicate", pair, round(likeness, 4), cohort)
        for pair, likeness in confirmed
    ]
    listed = {frozenset((leak["first"], leak["second"])) for leak in leaks}
    owners: dict[str, str] = {}
    for subject, names in (persons or {}).items():
        for other in {owners.setdefault(person, subject) for person in names if person}:
            # several visits of one stated patient are no news
            news = other != subject and _patient(cohort, other) != _patient(cohort, subject)
            if news and frozenset((other, subject)) not in listed:
                leaks.append(_describe("same person", Pair(other, subject, ("", ""), Match()), None, cohort))
    return sorted(leaks, key=lambda leak: (not leak["leak"], leak["first"], leak["second"]))


def _patient(cohort, subject):
    return patient_of({"participant_id": subject} | dict(cohort.rows[subject]))


def _describe(kind, pair, likeness, cohort) -> Leak:
    """Describe one pair, and whether it is a leak."""
    first, second = pair.first, pair.second
    roles, owners = [cohort.role(one) for one in (first, second)], [_patient(cohort, one) for one in (first, second)]
    # of a picture set without patients no verdict is given anyway
    stated = all(cohort.rows[one].get("stated_patient", "?") for one in (first, second))
    leak = owners[0] != owners[1] and "delivery" not in roles and stated
    one, two = (cohort.name_file(*named) for named in zip((first, second), pair.sequences, strict=True))
    words = f"{one} and {two} are {KINDS[kind]}"
    if pair.match.turn != "as it is":
        words += f" ({pair.match.turn})"
    if not leak:
        together = owners[0] == owners[1]
        apart = "one of them is not learnt from" if stated else "nobody states whose they are, so nothing is judged"
        words += "; " + ("they stay on one side of every fold" if together else apart)
    return {
        "kind": kind, "first": first, "second": second, "first_file": one, "second_file": two,
        "first_role": roles[0], "second_role": roles[1], "first_patient": owners[0], "second_patient": owners[1],
        "likeness": likeness, "agreeing": pair.match.agreeing, "turn": pair.match.turn, "leak": leak,
        "words": words,
    }  # fmt: skip


def stop_at_leaks(leaks: Sequence[Leak], allowed: bool = False):
    """Stop a run whose scores would be worth nothing.

    Parameters
    ----------
    leaks : sequence of Leak
    allowed : bool
        The config's `allow_leak`.

    Raises
    ------
    LeakError
        If there is a leak that is not allowed.
    """
    found = [leak for leak in leaks if leak["leak"]]
    if not found or allowed:
        return
    lines = [leak["words"] for leak in found[:MOST_NAMED]]
    lines += [f"and {len(found) - MOST_NAMED} more, in results/leaks.tsv"] if len(found) > MOST_NAMED else []
    raise LeakError(
        "the same head under two names would be in training and test: "
        + "; ".join(lines)
        + ". Leave one of each out (dataset.exclude), or give both the same `patient` in the table of subjects; "
        "--config allow_leak=true goes on, with scores that are too good"
    )


KINDS = {
    "same content": "the same scan, value by value",
    "near-duplicate": "the same head, moved, resampled, cut, mirrored or saved anew",
    "same person": "the same person of public releases",
}
MOST_NAMED = 10
