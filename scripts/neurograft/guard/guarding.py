"""The guard's whole round: fingerprints, leaks within the cohort, and which sources have seen it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from neurograft.core.tables import parse_boolean
from neurograft.execution import logs
from neurograft.guard.cohort_prints import remember_stacks, take_fingerprints
from neurograft.guard.contamination import CohortOrigin, judge_source
from neurograft.guard.fingerprints import find_pairs
from neurograft.guard.leaks import Cohort, confirm_pairs, list_leaks
from neurograft.guard.recognition import recognise
from neurograft.guard.registry import find_stored, read_releases


@dataclass(frozen=True)
class GuardOptions:
    """What the guard goes by.

    Attributes
    ----------
    registry : str or Path
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
    compared : sequence of dict
        As in `contamination.CohortOrigin`.
    """

    registry: str | Path
    sources: Sequence[Mapping[str, str]]
    releases: Sequence[str] = ()
    private: bool = False
    simulated: bool = False
    single: bool = False
    everyone: bool = False
    pretrained: bool = False
    compared: Sequence[Mapping] = ()


def guard_cohort(rows, files, reader, options: GuardOptions, store):
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

    Returns
    -------
    record : dict
        `leaks` (`leaks.Leak`), `sources` (`contamination.SourceVerdict`), `known` (as `recognise`, without those of
        whom nothing is known), `subjects`, `compared` (as in the options, if any), and `candidates` (number of pairs
        whose slices were compared).
    prints : list of Fingerprint
        Under the subjects' own names.
    """
    start = time.perf_counter()
    kept = {row["participant_id"]: row for row in rows if parse_boolean(row["included"])}
    cohort = Cohort(kept, files, options.pretrained, options.everyone or options.single)
    releases = read_releases(options.registry)
    prints = take_fingerprints(reader, list(kept), store)
    logs.log_line(f"{len(prints)} fingerprints in {time.perf_counter() - start:.1f} s")
    candidates = find_pairs(prints, pictures=options.single)
    stored = [] if options.simulated else find_stored(options.registry, options.releases, releases)
    known = recognise(prints, cohort, releases, stored)
    persons = {subject: [one["person"] for one in found] for subject, found in known.items()}
    leaks = list_leaks(confirm_pairs(candidates, remember_stacks(reader)), cohort, persons)
    origin = CohortOrigin(
        {subject: [one["release"] for one in found] for subject, found in known.items()},
        simulated=options.simulated,
        private=options.private,
        leaking=len(_list_learnt(leaks)),
        compared=options.compared,
    )
    record = {
        "leaks": leaks,
        "sources": [judge_source(row, origin, releases) for row in options.sources],
        "known": {subject: found for subject, found in known.items() if found},
        "subjects": len(prints),
        "candidates": len(candidates),
        **({"compared": list(options.compared)} if options.compared else {}),
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


def _list_learnt(leaks):
    """List the unlabelled subjects that a source learns from, and that are the same as labelled ones."""
    roles = [(leak[f"{one}_role"], leak[one]) for leak in leaks if leak["leak"] for one in ("first", "second")]
    return {subject for role, subject in roles if role == "pretraining"}
