"""Has a source seen these patients? A verdict for every source: clean, unknown or contaminated, with the reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from neurograft.core.tables import read_table
from neurograft.guard.registry import Release
from neurograft.sources.table import base_of, kind_of

# what a source can have learnt from that holds no head of a patient
WITHOUT_PATIENTS = {
    "ImageNet": "photographs (ImageNet)",
    "simulated": "simulated patients",
    "none": "nothing: its weights are random",
}
OWN = "own"  # unlabelled scans of this cohort
UNLISTED = "?"  # the sets are not all named
VERDICTS = ("clean", "unknown", "contaminated")


class SourceVerdict(TypedDict):
    """A row of `contamination.tsv`."""

    source: str
    seen: str
    verdict: str  # one of `VERDICTS`
    patients: int  # of the cohort, that the source has seen
    reason: str


@dataclass(frozen=True)
class CohortOrigin:
    """Where the patients of a cohort are from.

    Attributes
    ----------
    known : dict of str to collection of str
        Subject to the releases that he is known to be in, by name or by fingerprint.
    simulated : bool
    private : bool
        Whether the user states that no patient is in any public release; it counts if none is known to be.
    leaking : int
        Unlabelled subjects that are the same as labelled ones.
    """

    known: Mapping[str, Collection[str]]
    simulated: bool = False
    private: bool = False
    leaking: int = 0


def read_seen(row: Mapping[str, str]) -> list[str]:
    """Read the training sets of a source: the column `seen` of `config/sources.tsv`; unlisted if it is empty."""
    return [part.strip() for part in (row.get("seen") or UNLISTED).split(";") if part.strip()] or [UNLISTED]


def gather_seen(row: Mapping[str, str], sources: Mapping[str, Mapping[str, str]]) -> str:
    """Gather the training sets of a source, and of the one whose weights it was trained on from.

    Parameters
    ----------
    row : dict
        Of the table `sources`.
    sources : dict of str to dict

    Returns
    -------
    str
        As in the column `seen`.
    """
    # in random order, weights know nothing of what they learnt
    before = read_seen(sources[base_of(row)]) if kind_of(row) == "masked" else []
    return "; ".join(dict.fromkeys([*before, *read_seen(row)]))


def judge_source(row: Mapping[str, str], origin: CohortOrigin, releases: Sequence[Release]) -> SourceVerdict:
    """Judge whether a source has seen patients of a cohort.

    Parameters
    ----------
    row : dict
        Of `config/sources.tsv`.
    origin : CohortOrigin
    releases : sequence of Release

    Returns
    -------
    dict
    """
    seen = read_seen(row)
    sets = [name for name in seen if name not in (*WITHOUT_PATIENTS, OWN, UNLISTED)]
    verdict, patients, reason = _judge(seen, sets, origin, {release.name: release for release in releases})
    return {
        "source": row["name"], "seen": "; ".join(seen), "verdict": verdict, "patients": patients, "reason": reason,
    }  # fmt: skip


def _judge(seen, sets, origin, releases):
    """Return verdict, number of patients seen, and reason."""
    if OWN in seen and origin.leaking:
        words = f"labelled patients are in {origin.leaking} of the scans that it learns from"
        return "contaminated", origin.leaking, words
    if origin.simulated:
        return "clean", 0, "the patients are simulated"
    if not sets and UNLISTED not in seen:
        words = [WITHOUT_PATIENTS[name] for name in seen if name in WITHOUT_PATIENTS]
        words += ["unlabelled scans of this cohort, none of a labelled patient"] if OWN in seen else []
        return "clean", 0, f"it learnt from {' and '.join(words)}"
    held = set(sets) | {name for one in sets if one in releases for name in releases[one].holds}
    total, learnt = len(origin.known), ", ".join(sets)
    inside, names = _count(origin, held)
    if inside:
        # what it holds is named only where nobody is of the sets themselves
        names = _count(origin, sets)[1] or names
        return "contaminated", inside, f"{inside} of {total} patients are of {names}, and it was trained on {learnt}"
    near, names = _count(origin, {name for name in releases if _touch(name, held, releases)})
    if near:
        return "unknown", 0, f"{near} of {total} patients are of {names}, which shares patients with {learnt}"
    named, names = _count(origin, releases)
    if origin.private and not named:
        return "clean", 0, "you state that no patient is in a public release (guard_leaks.private)"
    if UNLISTED in seen:
        return "unknown", 0, "its training sets are not all named"
    strange = [name for name in sets if name not in releases]
    if strange:
        return "unknown", 0, f"nothing is known of {', '.join(strange)}; give it a row in config/releases.tsv"
    if total and named == total:
        return "clean", 0, f"all patients are of {names}, which shares none with {learnt} by config/releases.tsv"
    words = f"no patient is known to be of {learnt}, but names can be changed"
    return "unknown", 0, words + ("" if named else "; if they are your own, guard_leaks.private: true says so")


def _count(origin, names):
    """Count the patients that are known to be in some releases, and name these."""
    own = {name for known in origin.known.values() for name in known} & set(names)
    return sum(any(name in own for name in known) for known in origin.known.values()), ", ".join(sorted(own))


def _touch(name, held, releases):
    """Check whether a release shares patients with some others."""
    others = {*releases[name].shares, *releases[name].holds}
    return bool(others & held) or any(name in releases[one].shares for one in held if one in releases)


def read_barred(path, allowed: bool = False) -> dict[str, str]:
    """Read which sources are barred from `contamination.tsv`, as `list_barred`."""
    return list_barred(read_table(path), allowed)


def list_barred(verdicts: Sequence[Mapping], allowed: bool = False) -> dict[str, str]:
    """List the sources that get no verdict and no recommendation.

    Parameters
    ----------
    verdicts : sequence of dict
        Rows of `contamination.tsv`.
    allowed : bool
        The config's `allow_contaminated`.

    Returns
    -------
    dict of str to str
        Source to reason.
    """
    if allowed:
        return {}
    return {
        row["source"]: f"the source has seen these patients: {row['reason']}; allow_contaminated judges it nevertheless"
        for row in verdicts
        if row["verdict"] == "contaminated"
    }
