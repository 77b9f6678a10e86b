"""Find the subjects of a BIDS dataset: their visit, scans and labels, from names alone.

Used when the Snakefile is parsed: standard library only.
"""

import json
import os
import re
from functools import partial

from neurograft.cohort import choices
from neurograft.cohort.file_names import list_folder
from neurograft.cohort.label_tables import read_bids_scheme
from neurograft.cohort.people import read_people
from neurograft.cohort.subject_entry import make_entry

SUFFIXES = {"T1w": "t1", "T2w": "t2", "inplaneT2": "t2", "FLAIR": "flair", "UNIT1": "t1"}
ENDINGS = (".nii", ".nii.gz")
# derivatives whose dseg files are anatomical, or predictions of this project
NOT_TUMOUR = "fmriprep|nipreps|freesurfer|fastsurfer|synthseg|cat12|qsiprep|neurograft"
# what a mask has to be called to be one of a tumour
LESION = r"lesion|tumou?r|glioma|meningioma|metasta|gtv|(?<![a-z])wt(?![a-z])|abnormal|stroke|infarct"
# entities that name a scan, and say nothing of what it shows
NAMING = ("sub", "ses", "run", "echo")
NATIVE = ("orig", "individual", "native", "scanner", "t1w", "t2w", "flair", "anat")


def find_bids(root, wanted):
    """List the subjects of a BIDS dataset, with labels from the dataset itself or its derivatives.

    Parameters
    ----------
    root : str
        The dataset; or the folder of one of its subjects, who is then the only one.
    wanted : object
        Has `wishes`, the user's `choices.Wishes`.

    Returns
    -------
    list of dict
        From `subject_entry.make_entry`.
    """
    names = [name for name in list_folder(root)[0] if name.startswith("sub-")]
    own = os.path.basename(os.path.abspath(root))
    if not names and own.startswith("sub-"):
        root, names = os.path.dirname(os.path.abspath(root)), [own]
    people = read_people(root, names)
    shelves = [os.path.join(root, "derivatives", name) for name in list_folder(os.path.join(root, "derivatives"))[0]]
    shelves = [shelf for shelf in shelves if may_hold_tumours(shelf)]
    return [_read_subject(root, name, people, shelves, wanted.wishes) for name in names]


def _read_subject(root, name, people, shelves, wishes):
    """Choose a subject's visit and files; notes record each choice."""
    folder, visits, strange = os.path.join(root, name), {}, {}
    for visit in ["", *(part for part in list_folder(folder)[0] if part.startswith("ses-"))]:
        scans, labels = list_images(os.path.join(folder, visit, "anat"))
        # scans may lie beside the folder anat
        more, others = list_images(os.path.join(folder, visit))
        scans |= {kind: scans.get(kind, []) + paths for kind, paths in more.items()}
        scans, foreign = _part_foreign(scans, name)
        labels, others = _part_foreign({"labels": labels + others}, name)
        strange |= foreign | others
        labels = labels["labels"] or _list_shelved(shelves, name, visit)
        if scans:
            visits[visit] = (scans, labels)
    visit, notes, problems = _choose_visit(root, folder, visits, wishes)
    scans, labels = visits.get(visit, ({}, []))
    spaces = {split_name(path)[0].get("space", "").lower() for paths in scans.values() for path in paths}
    labels = [path for path in labels if _lies_native(path, spaces)]
    rank = partial(rank_label, root)
    labels, more = choices.leave_machine_made(labels, rank, wishes)
    meaning = partial(_meaning, rank)
    choice = choices.choose_files(scans | ({"labels": labels} if labels else {}), meaning, _order, wishes)
    for file, owner in strange.items():
        kind = SUFFIXES.get(split_name(file)[1], "labels")
        line = f"{file} is named after sub-{owner} but lies in the folder of {name}; move or rename it"
        # another's scan, where his own is missing, means that files were mixed up
        (notes if kind in choice.files else problems).append(line)
    return make_entry(
        name,
        folder,
        choice,
        columns=people.of(name),
        scheme=read_bids_scheme(choice.files["labels"], root) if "labels" in choice.files else "",
        notes=[*more, *notes, *people.notes_of(name)],
        problems=problems,
    )


def _choose_visit(root, folder, visits, wishes):
    """Choose the visit: the user's, one with labels, the one with most sequences, before treatment, the first."""
    if len(visits) < 2:
        return next(iter(visits), ""), [], []

    def rank(visit):
        scans, labels = visits[visit]
        wished = any(wishes.prefers(path) for paths in scans.values() for path in paths)
        made_by_hand = any(rank_label(root, path) < choices.MACHINE for path in labels)
        return not wished, not made_by_hand, -len(scans), *choices.rank_visit(visit)

    listed = sorted(visits, key=rank)
    taken, other = listed[:2]
    first = ("the one with labels", "the one with most sequences", "the first by its name", "the first by its number")
    named = [os.path.join(folder, visit) for visit in listed]
    if rank(taken) == rank(other) and not _is_letter(taken, other):
        line = f"waits for you: the visits {' and '.join(named)} fit equally; name one in {choices.KEY}"
        return taken, [], [f"{line}, such as {os.path.basename(folder)}/{taken}/*"]
    pairs = zip((f"{choices.KEY} says so", *first), rank(taken), rank(other), strict=True)
    why = next((words for words, one, two in pairs if one != two), "the first by its letter")
    return taken, [f"visit: took {named[0]}, left {', '.join(named[1:])} ({why})"], []


def _is_letter(*visits):
    """Check whether visits are named by letters, which have an order: `ses-A`, `ses-b`."""
    return all(re.fullmatch(r"ses-[a-zA-Z]", visit) for visit in visits)


def _list_shelved(shelves, name, visit):
    """List a subject's labels of one visit in the derivatives."""
    below = dict.fromkeys([os.path.join(visit, "anat"), visit, "anat", ""])
    places = [os.path.join(shelf, name, part) for shelf in shelves for part in below]
    found = _part_foreign({"labels": [file for place in places for file in list_images(place)[1]]}, name)[0]["labels"]
    # a label may lie above the visits, and say whose it is
    return [path for path in found if split_name(path)[0].get("ses", visit[4:] or None) == (visit[4:] or None)]


def _part_foreign(found, name):
    """Part the files that are named after another subject: what is left, and each such file with the other's name."""
    foreign = {}
    for paths in found.values():
        for path in paths:
            owner = split_name(path)[0].get("sub", name[4:])
            if owner.lower() != name[4:].lower():
                foreign[path] = owner
    left = {kind: [path for path in paths if path not in foreign] for kind, paths in found.items()}
    return {kind: paths for kind, paths in left.items() if paths or kind == "labels"}, foreign


def _lies_native(path, spaces):
    """Check whether a label is on the grid of the scans, as far as its name says."""
    space = split_name(path)[0].get("space", "orig").lower()
    return space in NATIVE or space in spaces


def _meaning(maker, kind, path):
    """Rank a file of a subject by what its name means; `maker` ranks labels by who made them."""
    entities, suffix, _ = split_name(path)
    if kind == "labels":
        return {
            "its name says by whom it was made": maker(path),
            "a segmentation rather than a mask": suffix != "dseg",
        }
    described = " ".join(value for key, value in entities.items() if key not in NAMING)
    return {
        "without contrast agent": kind != "t1c" and agent_of(path) == "with",
        "not in-plane": suffix.startswith("inplane"),
        "no UNIT1": suffix == "UNIT1",
        "not defaced": "deface" in os.path.basename(path).lower(),
        # of two echoes of a T2w the first is of proton density
        "not one echo": (int(entities["echo"]) if kind != "t2" else 100 - int(entities["echo"]))
        if entities.get("echo", "").isdecimal()
        else 0,
        "it says that it is without contrast agent": kind == "t1" and choices.agent_of(described) != "without",
    }


def _order(path):
    """Order files that mean the same: the plainest name, then the first run."""
    entities = split_name(path)[0]
    runs = choices.counts(entities.pop("run", "0"))
    entities.pop("ses", None)
    return {"the plainest name": (len(entities),), "the first run": tuple(runs)}


def rank_label(root, path):
    """Rank a BIDS label by who made it (`choices.rank_maker`), without the words of the subject's name."""
    entities = split_name(path)[0]
    described = [value for key, value in entities.items() if key not in NAMING]
    parts = os.path.relpath(path, root).split(os.sep)
    return choices.rank_maker(" ".join([*parts[1 : 2 * (parts[0] == "derivatives")], *described]))


def agent_of(path):
    """Read from a BIDS name whether a scan is "with" or "without" contrast agent; "" if it does not say."""
    entities = split_name(path)[0]
    if "ce" in entities:
        return "without" if re.fullmatch("no(ne)?|pre|without|n|0", entities["ce"], re.I) else "with"
    return choices.agent_of(" ".join(value for key, value in entities.items() if key not in NAMING))


def split_name(path):
    """Split a BIDS file name into its parts.

    Returns
    -------
    entities : dict of str to str
    suffix, extension : str
        For example "T1w" and ".nii.gz"; the extension in lower case.
    """
    stem, _, extension = os.path.basename(path).partition(".")
    *pairs, suffix = stem.split("_")
    return dict(pair.split("-", 1) for pair in pairs if "-" in pair), suffix, f".{extension}".lower()


def list_images(folder):
    """Sort the images of one BIDS folder.

    T1w with the entity `ce`, or words of a contrast agent, is contrast-enhanced T1; inplaneT2 is T2 and UNIT1 is T1.
    Phase images and scans of other parts of the body are left out. A `dseg`, or a `mask` or `roi` of a lesion, counts
    as tumour label unless its name says otherwise: an `atlas`, or a `desc` of anatomy or candidates.

    Returns
    -------
    scans : dict of str to list of str
        Sequence to paths.
    labels : list of str
    """
    scans, labels = {}, []
    for file in list_folder(folder)[1]:
        entities, suffix, extension = split_name(file)
        path = os.path.join(folder, file)
        if extension not in ENDINGS or entities.get("part", "mag") != "mag":
            continue
        if suffix in SUFFIXES and not _shows_other_part(entities):
            agent = SUFFIXES[suffix] == "t1" and agent_of(path) == "with"
            scans.setdefault("t1c" if agent else SUFFIXES[suffix], []).append(path)
        elif _is_label(entities, suffix, file):
            labels.append(path)
    return scans, labels


def _shows_other_part(entities):
    """Check whether a scan's name is that of another part of the body, or of a part of the head."""
    described = " ".join(entities.get(key, "") for key in ("acq", "bp", "rec", "desc", "chunk", "task"))
    return choices.says(choices.OTHER_PART, described)


def _is_label(entities, suffix, file):
    """Check whether a file's name is that of a tumour label."""
    if "atlas" in entities or re.search(
        "aseg|aparc|tissue|candidates|brain(?!tumou?r)", entities.get("desc", ""), re.I
    ):
        return False
    if suffix == "dseg":
        return True
    told = " ".join([entities.get("label", ""), entities.get("desc", "")])
    # of ATLAS, `label-L` is the left side of the brain, and desc says lesion
    return (suffix in ("mask", "roi") and choices.says(LESION, told)) or suffix.lower() in ("lesion", "tumor", "tumour")


def may_hold_tumours(shelf):
    """Check from its name and its `GeneratedBy` whether a folder of derivatives may contain tumour labels."""
    try:
        with open(os.path.join(shelf, "dataset_description.json"), encoding="utf-8") as file:
            makers = json.dumps(json.load(file).get("GeneratedBy", ""))
    except (OSError, ValueError, AttributeError):
        makers = ""
    return not re.search(NOT_TUMOUR, os.path.basename(shelf) + makers, re.I)
