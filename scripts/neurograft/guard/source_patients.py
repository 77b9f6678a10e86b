"""Who of a source's cohort may be learnt from: labelled patients, none of whom is a patient of the own cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from neurograft.cohort.layouts import find_subjects
from neurograft.cohort.splits import patient_of
from neurograft.core.sequences import SEQUENCES
from neurograft.core.tables import parse_boolean
from neurograft.execution import logs
from neurograft.guard.cohort_prints import PictureReader, ScanReader, make_reader, remember_stacks, take_fingerprints
from neurograft.guard.fingerprints import find_pairs
from neurograft.guard.guarding import name_files
from neurograft.guard.leaks import Cohort, confirm_pairs
from neurograft.guard.recognition import recognise
from neurograft.guard.registry import find_stored, read_releases

UNLABELLED = "has no labels, and a source learns from labelled patients"
# what stands before the names of a source's subjects, since both cohorts may have a subject 01
MARK = "source/"


class SharedPatient(TypedDict):
    """A subject of the source's cohort who is also one of the own cohort."""

    subject: str  # of the source's cohort
    name: str  # the same, as the dataset calls it
    own: str  # the subject of the own cohort; "" if another scan of this patient is the shared one
    own_name: str
    by: str  # "image", "name", or "another scan of this patient"
    likeness: float  # of the slices, place by place; 0 if not by image


class Compared(TypedDict):
    """What the comparison of two cohorts found, as in `compared.json`."""

    cohort: str
    subjects: int  # labelled subjects of the source's cohort that were compared
    own: int  # subjects of the own cohort
    learnt_from: int  # of the source's, those that are left
    not_compared: int  # of the source's, those with no sequence in common with somebody of the own cohort
    shared: list[SharedPatient]
    releases: list[str]  # public releases that the patients learnt from are known to be of


@dataclass(frozen=True)
class Side:
    """One of the two cohorts.

    Attributes
    ----------
    rows : list of dict
        Of its `cohort.tsv`.
    files : dict of str to dict
        From `guarding.name_files`.
    reader : ScanReader or PictureReader
    store : str or Path
        Folder in which its fingerprints are kept.
    """

    rows: Sequence[Mapping]
    files: Mapping[str, Mapping[str, str]]
    reader: ScanReader | PictureReader
    store: str | Path


def open_side(rows, dataset, folder, store) -> Side:
    """Open one of the two cohorts.

    Parameters
    ----------
    rows : list of dict
        Of its `cohort.tsv`.
    dataset : dict
        Its block of the config.
    folder : str
        With the folders of its subjects.
    store : str
        As in `Side`.
    """
    subjects = find_subjects(**dataset)
    reader = make_reader(rows, [], subjects, dataset, folder)
    return Side(rows, name_files(subjects, dataset["layout"]), reader, store)


def compare_cohorts(cohort: str, source: Side, own: Side, registry, releases=()):
    """Compare a source's cohort with the own one, subject by subject, and leave out whom both have.

    They are the same by image (`leaks.confirm_pairs`), or by what the names of public releases say. The same name alone
    is none: many datasets have a subject 01.

    Parameters
    ----------
    cohort : str
        Name of the source's cohort.
    source, own : Side
    registry : str or Path
        As in `guarding.GuardOptions`.
    releases : sequence of str
        Further fingerprints of releases.

    Returns
    -------
    rows : list of dict
        The source's, in which those who are not learnt from are not included, with the reason.
    record : Compared
    """
    usable = [row for row in source.rows if parse_boolean(row["included"])]
    labelled = {row["participant_id"]: row for row in usable if parse_boolean(row["labels"])}
    others = {row["participant_id"]: row for row in own.rows if parse_boolean(row["included"])}
    prints = take_fingerprints(source.reader, list(labelled), source.store)
    own_prints = take_fingerprints(own.reader, list(others), own.store)
    logs.log_line(f"{len(prints)} subjects of {cohort}, {len(own_prints)} of this cohort")
    known = read_releases(registry)
    stored = find_stored(registry, releases, known)
    found = _pair_by_image(prints, own_prints, source.reader, own.reader)
    people = recognise(prints, Cohort(labelled, source.files), known, stored)
    found = _pair_by_name(people, recognise(own_prints, Cohort(others, own.files), known, stored)) | found
    shared = _list_shared(found, labelled, others)
    reasons = {row["subject"]: _describe(row) for row in shared}
    rows = [_leave_out(row, labelled, reasons) for row in source.rows]
    left = [subject for subject in labelled if subject not in reasons]
    record: Compared = {
        "cohort": cohort,
        "subjects": len(labelled),
        "own": len(others),
        "learnt_from": len(left),
        "not_compared": sum(any(not _have_common(one, two) for two in own_prints) for one in prints),
        "shared": shared,
        "releases": sorted({one["release"] for subject in left for one in people[subject]}),
    }
    logs.log_line(f"{len(shared)} of them are patients of this cohort too, and left out")
    return rows, record


def _pair_by_image(prints, own_prints, reader, own_reader):
    """Map subjects of the source's cohort to who shows the same head, with the likeness; the most alike of several."""
    marked = [replace(one, name=MARK + one.name) for one in prints]
    stacks, own_stacks = remember_stacks(reader), remember_stacks(own_reader)

    def read(name):
        return stacks(name.removeprefix(MARK)) if name.startswith(MARK) else own_stacks(name)

    found = {}
    for pair, likeness in confirm_pairs(find_pairs(marked, own_prints), read):
        subject = pair.first.removeprefix(MARK)
        if likeness > found.get(subject, ("", "", 0.0))[2]:
            found[subject] = (pair.second, "image", round(likeness, 4))
    return found


def _pair_by_name(people, own_people):
    """Map subjects of the source's cohort to who is the same person by the names of public releases."""
    owners = {one["person"]: subject for subject, known in own_people.items() for one in known if one["person"]}
    return {
        subject: (owners[one["person"]], "name", 0.0)
        for subject, known in people.items()
        for one in known
        if one["person"] in owners
    }


def _list_shared(found, labelled, others) -> list[SharedPatient]:
    """List the shared subjects, and all other scans of their patients."""
    patients = {patient_of(labelled[subject]) for subject in found}
    shared: list[SharedPatient] = []
    for subject, row in labelled.items():
        if patient_of(row) not in patients:
            continue
        own, by, likeness = found.get(subject, ("", "another scan of this patient", 0.0))
        own_name = str(others[own].get("name") or own) if own else ""
        name = str(row.get("name") or subject)
        shared.append(
            {"subject": subject, "name": name, "own": own, "own_name": own_name, "by": by, "likeness": likeness}
        )
    return shared


def _describe(row: SharedPatient) -> str:
    """Say why a subject is not learnt from."""
    if not row["own"]:
        return "another scan of this patient shows a patient of this cohort"
    how = (
        f"by image, likeness {row['likeness']:.2f}"
        if row["by"] == "image"
        else "as the same patient of public releases"
    )
    return f"the same person as {row['own_name']} of this cohort ({how})"


def _leave_out(row, labelled, reasons):
    """Return a row in which a subject that is not learnt from is not included."""
    subject = row["participant_id"]
    if not parse_boolean(row["included"]) or (subject in labelled and subject not in reasons):
        return row
    return {**row, "included": False, "reason": reasons.get(subject, UNLABELLED)}


def _have_common(one, two):
    """Check whether two fingerprints have a sequence to compare: of one name, or of a name that says nothing."""
    first, second = set(one.keypoints), set(two.keypoints)
    return bool(first & second or (first and second and (first | second) - set(SEQUENCES)))
