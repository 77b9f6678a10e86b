"""Has a source seen these patients? A verdict for every source: clean, unknown or contaminated, with the reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from neurograft.core.tables import read_table
from neurograft.guard.registry import Identity, Release

# what a source can have learnt from that holds no head of a patient
WITHOUT_PATIENTS = {
    "ImageNet": "photographs (ImageNet), no scan of a patient",
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
    identities : dict of str to Identity
        Subject to release and person, by name or by fingerprint.
    simulated : bool
    private : bool
        Whether the user states that no patient is in any public release.
    leaking : int
        Unlabelled subjects that are the same as labelled ones.
    """

    identities: Mapping[str, Identity]
    simulated: bool = False
    private: bool = False
    leaking: int = 0


def read_seen(row: Mapping[str, str]) -> list[str]:
    """Read the training sets of a source: the column `seen` of `config/sources.tsv`; unlisted if it is empty."""
    return [part.strip() for part in (row.get("seen") or UNLISTED).split(";") if part.strip()] or [UNLISTED]


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
        return (
            "contaminated",
            origin.leaking,
            f"{origin.leaking} of the scans that it learns from are of labelled patients",
        )
    if origin.simulated:
        return "clean", 0, "the patients are simulated"
    if not sets and UNLISTED not in seen:
        words = [WITHOUT_PATIENTS[name] for name in seen if name in WITHOUT_PATIENTS]
        words += ["unlabelled scans of this cohort, none of a labelled patient"] if OWN in seen else []
        return "clean", 0, f"it learnt from {' and '.join(words)}"
    held = set(sets) | {name for one in sets if one in releases for name in releases[one].holds}
    count, total = Counter(one.release for one in origin.identities.values()), len(origin.identities)
    inside = sum(count[name] for name in held)
    if inside:
        names = ", ".join(name for name in sorted(held) if count[name])
        return (
            "contaminated",
            inside,
            f"{inside} of {total} patients are of {names}, and it was trained on {', '.join(sets)}",
        )
    if origin.private:
        return "clean", 0, "you state that no patient is in a public release (guard_leaks.private)"
    near = sorted(name for name in count if name in releases and _touch(name, held, releases))
    if near:
        number = sum(count[name] for name in near)
        return (
            "unknown",
            0,
            f"{number} of {total} patients are of {', '.join(near)}, which shares patients with {', '.join(sets)}",
        )
    if UNLISTED in seen:
        return "unknown", 0, "its training sets are not all named"
    named = total - count[""]
    if named == total:
        return (
            "clean",
            0,
            f"all patients are of {', '.join(sorted(count))}, which shares no patient with {', '.join(sets)}",
        )
    return (
        "unknown",
        0,
        (
            f"no patient is known to be of {', '.join(sets)}, but names can be changed; if they are your own, "
            "guard_leaks.private: true says so"
        ),
    )


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
