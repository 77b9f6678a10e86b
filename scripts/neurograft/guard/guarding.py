"""The guard's whole round: fingerprints, leaks within the cohort, and which sources have seen it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from neurograft.core.tables import parse_boolean
from neurograft.execution import logs
from neurograft.guard.cohort_prints import remember_stacks, take_fingerprints
from neurograft.guard.contamination import CohortOrigin, judge_source
from neurograft.guard.fingerprints import find_pairs, read_fingerprints
from neurograft.guard.leaks import Cohort, confirm_pairs, list_leaks
from neurograft.guard.registry import Identity, Release, identify, read_releases


@dataclass(frozen=True)
class GuardOptions:
    """What the guard goes by.

    Attributes
    ----------
    registry : str
        Folder with `releases.tsv`, `persons.tsv` and `releases/`, fingerprints named after their release.
    sources : sequence of dict
        Rows of `config/sources.tsv`, of the run.
    releases : sequence of str
        Further fingerprints.
    private, simulated, single : bool
        Whether the user states that nobody is in a public release; whether the patients are simulated; whether each
        subject is one picture.
    everyone : bool
        Whether subjects without tumour labels are trained on, too: for a class of each patient.
    pretrained : bool
        Whether a source learns from unlabelled subjects.
    """

    registry: str
    sources: Sequence[Mapping[str, str]]
    releases: Sequence[str] = ()
    private: bool = False
    simulated: bool = False
    single: bool = False
    everyone: bool = False
    pretrained: bool = False


def guard_cohort(rows, files, reader, options: GuardOptions, store, code="", threads=1):
    """Look for the same head in two roles, and for patients that a source has seen.

    Parameters
    ----------
    rows : list of dict
        Of `cohort.tsv`.
    files : dict of str to dict
        Subject to its own files by sequence.
    reader : ScanReader or PictureReader
    options : GuardOptions
    store : str
        Folder in which fingerprints are kept for the next run.
    code : str
    threads : int

    Returns
    -------
    record : dict
        `leaks` (`leaks.Leak`), `sources` (`contamination.SourceVerdict`), `known` (subject to `release`, `person`, and
        `by`, name or fingerprint), `subjects`, and `candidates` (pairs whose slices were compared).
    prints : list of Fingerprint
        Under the subjects' own names.
    """
    start = time.perf_counter()
    kept = {row["participant_id"]: row for row in rows if parse_boolean(row["included"])}
    cohort = Cohort(kept, files, options.pretrained, options.everyone or options.single)
    releases = read_releases(Path(options.registry) / "releases.tsv", Path(options.registry) / "persons.tsv")
    prints = take_fingerprints(reader, list(kept), store, code, threads)
    logs.log_line(f"{len(prints)} fingerprints in {time.perf_counter() - start:.1f} s")
    candidates = find_pairs(prints, pictures=options.single)
    leaks = list_leaks(confirm_pairs(candidates, remember_stacks(reader)), cohort, releases)
    known = recognise(prints, cohort, releases, _list_prints(options))
    origin = CohortOrigin(
        {subject: Identity(one["release"], one["person"]) for subject, one in known.items()},
        simulated=options.simulated,
        private=options.private,
        leaking=sum(leak["leak"] and "pretraining" in (leak["first_role"], leak["second_role"]) for leak in leaks),
    )
    record = {
        "leaks": leaks,
        "sources": [judge_source(row, origin, releases) for row in options.sources],
        "known": {subject: one for subject, one in known.items() if one["release"]},
        "subjects": len(prints),
        "candidates": len(candidates),
    }
    logs.log_line(f"{len(candidates)} pairs looked at, {len(leaks)} kept, after {time.perf_counter() - start:.1f} s")
    return record, [replace(one, name=kept[one.name].get("name") or one.name) for one in prints]


def name_files(subjects, layout):
    """Name the files of every subject as its user knows them.

    Parameters
    ----------
    subjects : dict of str to dict
        From `layouts.find_subjects`.
    layout : str

    Returns
    -------
    dict of str to dict of str to str
        Subject to path by sequence; of stacked pictures the folder or table; of DICOM nothing, for a path may say who
        it is.
    """
    if layout == "dicom":
        return {}
    return {
        subject: {"": about["source"]}
        if "slices" in about
        else {k: v for k, v in about["files"].items() if k != "labels"}
        for subject, about in subjects.items()
    }


def _list_prints(options):
    """Map each release to the path of its fingerprints."""
    paths = [*sorted(Path(options.registry).glob("releases/*.npz")), *map(Path, options.releases)]
    return {path.stem: path for path in paths} if not options.simulated else {}


def recognise(prints, cohort: Cohort, releases: Sequence[Release], files: Mapping[str, Path]):
    """Tell of every subject which public release it is from, by its name, else by its fingerprint.

    Parameters
    ----------
    prints : sequence of Fingerprint
    cohort : Cohort
    releases : sequence of Release
    files : dict of str to Path
        Release to its fingerprints.

    Returns
    -------
    dict of str to dict
        Subject to `release`, `person` and `by` ("name", "fingerprint", or "").
    """
    known = {}
    for one in prints:
        names = [str(cohort.rows[one.name].get("name") or one.name), *cohort.files.get(one.name, {}).values()]
        identity = next(
            filter(lambda found: found.release, (identify(Path(n).name, releases) for n in names)), Identity()
        )
        known[one.name] = {
            "release": identity.release,
            "person": identity.person,
            "by": "name" * bool(identity.release),
        }
    for release, path in files.items():
        for pair in find_pairs([one for one in prints if not known[one.name]["release"]], read_fingerprints(path)):
            if pair.sure:
                person = identify(pair.second, releases).person or pair.second
                known[pair.first] = {"release": release, "person": person, "by": "fingerprint"}
    return known
