"""Split the cohort into folds by patient, frozen to a file with a hash: no patient is in both training and test."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack, cast

import numpy as np

from neurograft.cohort.folds import deal_between, deal_folds, deal_own, deal_sites, deal_slices
from neurograft.core.control_splits import DEALT, folds_of
from neurograft.core.labels import cohort_scheme, is_own, regions_of
from neurograft.core.sequences import SEQUENCES, list_sequences
from neurograft.core.split_file import (
    ClassificationSplit,
    Fold,
    SplitFile,
    TaskSplit,
    count_repeats,
    map_tasks,
    repeat_of,
)

# the three input channels of every pretrained stem; T1 is used if one of them is rare
PREFERRED = ("t1c", "t2", "flair")
STRATA = ("diagnosis", "grade")
UNUSABLE = "the brain mask is empty"  # the flag of a subject of whom there is nothing to predict
SLICE_TARGET = "tumour-slice"
FEWEST_PATIENTS = 4
# BraTS 2021 and later: five digits for the patient, then three for the time point
TIME_POINT = re.compile(r"(BraTS[A-Za-z]*\d{5})\d{3}")


@dataclass(frozen=True)
class QualityFindings:
    """Findings of the quality table that the split needs.

    Parameters
    ----------
    flags : dict of str to list of str
        Subject to its quality problems; such a subject is kept out of training and scores, and still predicted.
    tumour_free : collection of str
        Labelled subjects without a tumour, to be balanced over the folds.
    """

    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tumour_free: Collection[str] = ()

    @classmethod
    def from_table(cls, rows):
        """Read the rows of `results/quality.tsv`."""
        flags = {row["subject"]: [row["flags"]] for row in rows if row["flags"]}
        return cls(flags, [row["subject"] for row in rows if row["tumour_free"] == "true"])


@dataclass(frozen=True)
class _Cohort:
    """Rows, sequences and quality findings of the included subjects."""

    rows: Mapping[str, Mapping[str, str]]
    sequences: Mapping[str, Sequence[str]]
    flags: Mapping[str, Sequence[str]]
    tumour_free: Collection[str]


class SplitOptions(TypedDict, total=False):
    """The config's block `split_cohort`.

    Attributes
    ----------
    folds : int
        At least 2.
    repeats : int
        How often the same patients are divided into folds, each time anew.
    sequences : "auto" or list of str
        Input channels. "auto": those of T1c, T2 and FLAIR that at least half of the labelled subjects have; T1 by the
        same rule if one of the three is missing; then the user's own sequences by that rule. Pictures (layout images)
        have one channel.
    between : dict
        `train` and `test`: names of the sites of the split `between`.
    by_slice : {"", "parts", "subjects"}
        Also make the folds of the control splits of classification (`control_splits`), of subjects with several slices,
        which are divided into parts, or of subjects that are one picture each.
    unit : {"patient", "slice"}
        What is classified, if the target is a column.
    """

    folds: int
    repeats: int
    sequences: str | Sequence[str]
    between: Mapping[str, Sequence[str]] | None
    by_slice: str
    unit: str


@dataclass(frozen=True)
class _Request:
    """The parameters of `split_cohort` for a split."""

    seed: int = 0
    folds: int = 5
    repeats: int = 1
    sequences: str | Sequence[str] = "auto"
    between: Mapping[str, Sequence[str]] | None = None
    by_slice: str = ""
    unit: str = "patient"


def split_cohort(cohort_rows, quality=None, seed=0, target=SLICE_TARGET, **options: Unpack[SplitOptions]):
    """Split the cohort into folds, for segmentation and for classification.

    Parameters
    ----------
    cohort_rows : list of dict
        Rows of `results/cohort.tsv`; those not included are ignored.
    quality : QualityFindings, optional
    seed : int
        For the folds and for the order of the training patients.
    target : str
        Target of classification: "tumour-slice" (from the labels) or a column of the cohort.
    **options
        Any of `SplitOptions`; by default 5 folds, once, of the sequences "auto".

    Returns
    -------
    SplitFile

    Raises
    ------
    ValueError
        If the request could not be met by any cohort.
    """
    request = _Request(seed, **options)
    if request.folds < 2:
        raise ValueError(f"folds: {request.folds} makes no test patients; set at least 2")
    if request.repeats < 1:
        raise ValueError(f"repeats: {request.repeats} makes no folds; set 1, or more to divide the patients again")
    rows = {row["participant_id"]: row for row in cohort_rows if _true(row["included"])}
    quality = quality or QualityFindings()
    tumour_free = set(quality.tumour_free)
    present = {subject: row["sequences"].split(",") for subject, row in rows.items()}
    cohort = _Cohort(rows, present, quality.flags, tumour_free)
    scheme = cohort_scheme(list(rows.values()))
    segmentation = {subject: "" for subject, row in rows.items() if _true(row["labels"])}
    sliced = target == SLICE_TARGET
    classified = segmentation if sliced else _answers(rows, target)
    segment: TaskSplit = {
        "regions": list(regions_of(scheme)) if scheme else [],
        **_split_task(segmentation, cohort, request),
    }
    dealt = _split_task(classified, cohort, request)
    classes = ["tumour-free", "tumour"] if sliced else sorted({classified[s] for s in dealt["subjects"]})
    classify: ClassificationSplit = {"target": target, "classes": classes, **dealt}
    if request.unit == "slice" and not sliced:
        classify["unit"] = "slice"
    _deal_controls(classify, classified, cohort, request)
    for task in (segment, classify) if sliced else (segment,):
        if task["trainable"] and (not scheme or set(task["subjects"]) <= tumour_free):
            _bar(task, f"no labelled subject has {'any of the labels' if is_own(scheme) else 'a tumour'}")
    if sliced and is_own(scheme):
        _bar(classify, "the labels are not of tumours; for a class of each patient, name a column as target")
    splits: SplitFile = {
        "seed": seed,
        "scheme": scheme,
        "schemes": {subject: _own_scheme(row, scheme) for subject, row in rows.items()},
        "tasks": {"segmentation": segment, "classification": classify},
        "hash": "",
    }
    splits["hash"] = digest(splits)
    assert_disjoint(splits)
    return splits


def _deal_controls(task: ClassificationSplit, answers, cohort, request):
    """Add the folds of the control splits, if they were asked for."""
    if not request.by_slice:
        return
    task["slices"], task["own"] = [], []
    if task["trainable"]:
        subjects, rows = task["subjects"], cohort.rows
        strata = {s: _stratum(s, rows[s], answers[s], cohort.tumour_free) for s in subjects}
        task["slices"] = deal_slices(subjects, strata, request.folds, request.seed, request.by_slice == "parts")
        task["own"] = deal_own(subjects, {s: str(rows[s].get("part", "")) for s in subjects})


def _bar(task: TaskSplit, reason):
    """Mark a task as not trainable, with the reason, and remove its folds."""
    task["trainable"], task["reason"] = False, reason
    task["folds"], task["sites"], task["between"] = [], [], []
    for split in DEALT:
        if split in task:
            task[split] = []


def _own_scheme(row, common):
    """Choose a subject's label scheme: its own if it has the same regions as the cohort's, else the cohort's."""
    scheme = row["scheme"]
    return scheme if scheme and common and regions_of(scheme) == regions_of(common) else common


def _answers(rows, column):
    """Map each subject to its value of a column, if it is known."""
    columns = sorted(set().union(*rows.values())) if rows else []
    if rows and column not in columns:
        raise ValueError(f"target: the cohort has no column {column!r}; it has {', '.join(columns)}")
    return {subject: str(row[column]) for subject, row in rows.items() if _known(row.get(column))}


def _split_task(answers, cohort, request) -> TaskSplit:
    """Split the subjects of one task; `answers` maps each labelled subject to its class, or to ''."""
    rows, count = cohort.rows, request.folds
    channels = _choose_channels(request.sequences, cohort.sequences, answers or rows)
    left_out, incomplete, flagged = {}, {}, []
    for subject in rows:
        missing = [name for name in channels if name not in cohort.sequences[subject]]
        flags = "; ".join(cohort.flags.get(subject, ()))
        if flags:
            left_out[subject] = f"quality: {flags}"
        if len(missing) == len(channels):
            left_out[subject] = f"lacks {', '.join(missing) or 'every usable sequence'}"
        elif missing:
            incomplete[subject] = missing
        if flags and len(missing) < len(channels) and UNUSABLE not in flags:
            flagged.append(subject)
    patients = {subject: patient_of(rows[subject]) for subject in rows}
    usable = [subject for subject in sorted(answers) if subject not in left_out]
    patients_of = Counter(answers[subject] for subject in {patients[s]: s for s in usable}.values())
    rare = sorted(name for name in patients_of if name and patients_of[name] < count)
    left_out |= {s: f"only {patients_of[answers[s]]} with {answers[s]}" for s in usable if answers[s] in rare}
    usable = [subject for subject in usable if subject not in left_out]
    reason = _why_not(patients_of, rare, {patients[s] for s in usable}, count)
    strata = {s: _stratum(s, rows[s], answers[s], cohort.tumour_free) for s in usable}
    sites = {s: str(rows[s]["site"] or "") for s in usable}
    dealt: dict[str, list[Fold]] = {name: [] for name in SPLITS}
    if not reason:
        dealt["folds"] = deal_folds(usable, patients, strata, count, request.seed, request.repeats)
        dealt["sites"] = deal_sites(usable, patients, strata, sites, request.seed)
        if request.between:
            dealt["between"] = deal_between(usable, patients, strata, sites, **request.between, seed=request.seed)
    # a flag keeps a subject out of training and scores; there is still a prediction of what there is
    unlabelled = sorted({*(set(rows) - set(answers) - set(left_out)), *flagged})
    # without incomplete subjects the key is absent, so that file and hash are as for a cohort that can have none
    lacking = {subject: incomplete[subject] for subject in sorted(incomplete) if subject in {*usable, *unlabelled}}
    task = {
        "trainable": not reason,
        "reason": reason,
        "sequences": channels,
        "subjects": usable,
        "unlabelled": unlabelled,
        "left_out": dict(sorted(left_out.items())),
        "patients": {subject: patients[subject] for subject in usable + unlabelled},
    }
    task |= {"incomplete": lacking} if lacking else {}
    return cast(TaskSplit, task | dealt)


def _choose_channels(wanted, present, subjects):
    """Choose the input channels: those requested, or by the rule of `split_cohort`."""
    own = [name for name in list_sequences(name for who in sorted(present) for name in present[who]) if name]
    if wanted != "auto":
        known = list(dict.fromkeys((*SEQUENCES, *own)))
        unknown = set(wanted) - set(known)
        if unknown or not wanted:
            raise ValueError(f"sequences: {sorted(unknown) or 'none given'}; known are {', '.join(known)}")
        return list(wanted)
    having = Counter(name for subject in subjects for name in present[subject])
    order = dict.fromkeys((*PREFERRED, "t1", *own))
    common = [name for name in order if having[name] and 2 * having[name] >= len(subjects)]
    return [name for name in common if name != "t1"] if set(PREFERRED) <= set(common) else common


def _why_not(known, rare, usable, count):
    """Explain in one line why a task cannot be trained; "" if it can."""
    needed = max(count, FEWEST_PATIENTS)
    classes = [name for name in known if name and name not in rare]
    if any(known) and len(classes) < 2:
        return f"fewer than 2 classes have {count} patients each ({dict(sorted(known.items()))}): lower `folds`"
    if len(usable) < needed:
        return (
            f"{len(usable)} usable labelled patients, at least {needed} are needed for {count} folds: "
            "add labels, or lower `folds`"
        )
    return ""


def _stratum(subject, row, answer, tumour_free):
    """Return the values by which the folds are balanced, the most important first."""
    columns = tuple(str(row.get(name, "")) for name in STRATA)
    return (answer, subject in tumour_free, *columns, str(row.get("site", "")))


def training_subjects(splits: SplitFile, task, fold, n="all", seed=0, split="folds"):
    """Return the training subjects of one cell: the first `n` of the fold's list, in an order set by the seed.

    Seed 0 uses the order in the file; every other seed shuffles the list, so that the comparison includes the noise
    from the choice of patients. For one seed, smaller training sets are subsets of larger ones.

    Parameters
    ----------
    splits : SplitFile
    task : str
    fold : int
    n : int or "all"
        Subjects.
    seed : int
    split : str
        One of `SPLITS`.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the fold has fewer than `n`.
    """
    order = list(list_folds(splits["tasks"][task], split)[int(fold)]["train"])
    if int(seed):
        order = np.random.default_rng([splits["seed"], 2, int(fold), int(seed)]).permutation(order).tolist()
    if n == "all":
        return order
    if not 0 < int(n) <= len(order):
        raise ValueError(f"fold {fold} of {task} has {len(order)} training subjects, not {n}")
    return order[: int(n)]


def list_folds(task: TaskSplit, split: str) -> list[Fold]:
    """Return a task's folds of one of `SPLITS`, or of a control split; none of a control split that was not made."""
    folds = cast(dict[str, list[Fold]], task)
    return folds.get(folds_of(split), [])


def patient_of(row):
    """Return the patient of a row: the column `patient` or `patient_id`, the BraTS number, or the subject."""
    for column in ("patient", "patient_id"):
        if _known(row.get(column)):
            return str(row[column])
    time_point = TIME_POINT.fullmatch(row["participant_id"])
    return time_point[1] if time_point else row["participant_id"]


def assert_disjoint(splits: SplitFile):
    """Check that no patient is in both training and test, and that every labelled subject is in one of them.

    In the control splits that are made by slice only the pictures are checked: no picture is in both.

    Raises
    ------
    ValueError
        Names the task, the fold and the patients.
    """
    for name, task in map_tasks(splits).items():
        owner = task["patients"]
        for split in SPLITS:
            for index, fold in enumerate(list_folds(task, split)):
                place = f"{name}, fold {index} of {split}"
                both = {owner[s] for s in fold["test"]} & {owner[s] for s in fold["train"]}
                if both:
                    raise ValueError(f"{place}: {sorted(both)} are in training and test")
                # a subject whose site is unknown is in no fold of the split `sites`
                if split == "folds" and sorted(fold["test"] + fold["train"]) != sorted(task["subjects"]):
                    raise ValueError(f"{place}: training and test together are not the labelled subjects")
            for repeat in range(count_repeats(list_folds(task, split))):
                dealt = [fold for fold in list_folds(task, split) if repeat_of(fold) == repeat]
                tested = [subject for fold in dealt for subject in fold["test"]]
                twice = len(set(tested)) < len(tested)
                if twice or (split == "folds" and tested and set(tested) != set(task["subjects"])):
                    raise ValueError(f"{name}, {split}: not every subject is tested exactly once")
        for split in DEALT:
            for index, fold in enumerate(list_folds(task, split)):
                both = set(fold["test"]) & set(fold["train"])
                if both:
                    raise ValueError(f"{name}, fold {index} of {split}: {sorted(both)} are in training and test")
        outside = set(task["unlabelled"]) | set(task["left_out"])
        if outside & set(task["subjects"]):
            raise ValueError(f"{name}: {sorted(outside & set(task['subjects']))} are in the folds and outside of them")


def digest(splits: SplitFile):
    """Compute the SHA-256 of a split as canonical JSON: sorted keys, no spaces, without the hash itself."""
    content = {key: value for key, value in splits.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def verify_hash(splits: SplitFile):
    """Check that a split was not edited after it was frozen.

    Raises
    ------
    ValueError
    """
    if splits.get("hash") != digest(splits):
        raise ValueError("splits.json was changed after it was written; delete it to draw new folds")


def _true(value):
    return str(value).lower() == "true"


def _known(value):
    return str(value if value is not None else "").strip().lower() not in ("", "n/a", "nan")


# kinds of split: stratified folds, leave one site out, train on some sites and test on others
SPLITS = ("folds", "sites", "between")
