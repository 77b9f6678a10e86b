"""Find the subjects of a BraTS release, and of other glioma sets with files named by subject and sequence.

Used when the Snakefile is parsed: standard library only.
"""

import os
import re
from dataclasses import dataclass

from neurograft.cohort import choices
from neurograft.cohort.file_names import list_folder
from neurograft.cohort.subject_entry import make_entry

# what the end of a file's name stands for, after `_` or `-`, in lower case
KINDS = {
    "t1": ("t1", "t1n", "t1w", "t1pre", "t1_pre", "t1-pre", "t1native"),
    "t1c": (
        "t1ce",
        "t1c",
        "t1gd",
        "t1km",
        "t1post",
        "t1_post",
        "t1-post",
        "t1contrast",
        "t1_gd",
        "t1-gd",
        "ct1",
        "t1cw",
    ),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f", "t2flair", "t2_flair", "t2-flair", "fla"),
    "labels": (
        *("seg", "segm", "segmentation", "tumor_segmentation", "tumour_segmentation", "tumorseg", "tumor_seg"),
        *("tumormask", "tumor_mask", "tumourmask", "lesion_mask", "mask", "label", "labels", "gt", "truth", "roi"),
        *("glistrboost", "glistrboost_manuallycorrected"),
    ),
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
NAMED = re.compile(
    rf"(?:(.+?)[_-])?({'|'.join(sorted(map(re.escape, KIND_OF), key=len, reverse=True))})\.(?:nii(?:\.gz)?|img)$",
    re.I | re.S,
)
# words of the releases since 2023, whose labels count enhancing tumour as 3
SINCE_2023 = ("t1n", "t2f")
# masks that are not of a tumour
NO_TUMOUR = ("brain", "skull", "tissue", "tissues", "parenchyma", "face", "air")
DEPTH = 4  # folders below the root
# names that are patient, then number of the examination: Brats18_CBICA_ABM_1, BraTS-GLI-00001-000, UPENN-GBM-00001_11
PATIENTS = (
    r"(brats1[789]_([a-z0-9]+)_.+)_\d+$",
    r"(brats-[a-z]+-\d+)()-\d+$",
    r"(upenn-gbm-\d+)()_\d+$",
    r"(ucsf-pdgm-\d+)()_fu\d+d?$",
    r"(patientid_\d+)()_timepoint_\d+.*$",
)


@dataclass(frozen=True)
class _File:
    """One file: its folder, the name before its kind, the kind and its word in lower case, and its path."""

    folder: str
    stem: str
    kind: str
    word: str
    path: str


def find_brats(root, wanted):
    """List the subjects of a release, nested or not: `[HGG|LGG/]<subject>/<subject>_t1.nii.gz`.

    Parameters
    ----------
    root : str
    wanted : object
        Has `wishes`, the user's `choices.Wishes`.

    Returns
    -------
    list of dict
        From `subject_entry.make_entry`.
    """
    root = os.path.normpath(root) if root else root
    groups = _group(root, _list_files(root))
    names = {name for name, _ in groups}
    made = [_read_subject(root, name, files, names, wanted.wishes) for (name, _), files in groups.items()]
    return sorted(made, key=lambda entry: (os.path.dirname(entry["source"]), choices.natural(entry["name"])))


def _list_files(folder, depth=DEPTH):
    """List the files whose names end in a kind, in and below a folder."""
    folders, files = list_folder(folder)
    found = []
    for file in files:
        match = NAMED.match(file)
        if match:
            word = match[2].lower()
            found.append(_File(folder, match[1] or "", KIND_OF[word], word, os.path.join(folder, file)))
    found = [file for file in found if not _is_other(file)]
    for name in folders if depth else ():
        found += _list_files(os.path.join(folder, name), depth - 1)
    return found


def _is_other(file):
    """Check whether a file is a mask of the brain, or a mask named after a scan: `X_brainmask_t1`."""
    words = re.split("[_-]", file.stem.lower())
    return words[-1] in NO_TUMOUR if file.kind == "labels" else bool({"mask", "brainmask", "prob"} & set(words))


def _group(root, files):
    """Group files by subject: name and folder to files.

    A folder named after a sequence (`P1/T1/...`) belongs to the one above it. A folder is one subject, even if one of
    its files is misnamed, if it is named after the subject or holds one; else it holds the files of several subjects.
    """
    folders = {}
    for file in files:
        place = file.folder
        while place != root and os.path.basename(place).lower() in KIND_OF:
            place = os.path.dirname(place)
        folders.setdefault(place, []).append(file)
    groups = {}
    for place, inside in folders.items():
        own = os.path.basename(os.path.abspath(place))
        stems = {file.stem for file in inside} - {""}
        bare = {stem for stem in stems if not any(_extends(stem, other) for other in stems)}
        several = (len(bare) > 1 or all(file.kind == "labels" for file in inside)) and own not in stems
        for file in inside:
            name = own
            if several and file.stem:
                name = next((stem for stem in bare if _extends(file.stem, stem)), file.stem)
            elif len(bare) == 1 and place != root and _says_more(root, place, min(bare)):
                name = min(bare)
            groups.setdefault((name, place), []).append(file)
    return _join_labels(groups)


def _says_more(root, place, stem):
    """Check whether files are named after a folder above theirs: `P1/Timepoint_2/P1_Timepoint_2_t1.nii.gz`."""
    above = os.path.relpath(os.path.dirname(place), root).split(os.sep)
    return any(name != "." and _extends(stem, name) for name in above)


def _extends(stem, name):
    """Check whether a name goes on where another ends: `X_pred` after `X`."""
    return len(stem) > len(name) > 0 and stem.startswith(name) and not stem[len(name)].isalnum()


def _join_labels(groups):
    """Add labels that lie in a folder of their own to the subject whose name they have, or go on from."""
    alone = [key for key, files in groups.items() if all(file.kind == "labels" for file in files)]
    scanned = [key for key in groups if key not in alone]
    for key in alone:
        fitting = [other for other in scanned if other[0] == key[0]]
        fitting = fitting or sorted(
            (other for other in scanned if _extends(key[0], other[0])), key=lambda other: len(other[0]), reverse=True
        )
        if fitting:
            groups[fitting[0]] = groups[fitting[0]] + groups.pop(key)
    return groups


def _read_subject(root, name, files, names, wishes):
    """Choose a subject's files; read site, patient and grade from its name and folders, if they are given."""
    candidates, foreign = {}, []
    for file in files:
        if file.stem != name and file.stem in names:
            foreign.append(file)
        else:
            candidates.setdefault(file.kind, []).append(file.path)
    source = files[0].folder if os.path.basename(files[0].folder) == name else os.path.join(files[0].folder, name)

    word_of = {file.path: file.word for file in files}

    def maker(path):
        return choices.rank_maker(os.path.relpath(path, root).replace(name, ""))

    def meaning(kind, path):
        plain = os.path.basename(path).startswith(name)
        return {
            "its name says by whom it was made": maker(path) if kind == "labels" else 0,
            "named after the subject": not plain,
            "a segmentation rather than a mask": word_of[path] in ("mask", "roi", "label", "labels"),
        }

    labels, notes = choices.leave_machine_made(candidates.pop("labels", []), maker, wishes)
    choice = choices.choose_files(
        candidates | ({"labels": labels} if labels else {}), meaning, lambda path: {"its name": ()}, wishes
    )
    problems = []
    for file in foreign:
        line = f"{file.path} is named after {file.stem} but lies in the folder of {name}; move or rename it"
        (notes if file.kind in choice.files else problems).append(line)
    columns = {}
    for pattern in PATIENTS:
        match = re.match(pattern, name, re.I)
        if match:
            columns = {"patient": match[1], "site": match[2]}
    path = os.path.relpath(files[0].path, os.path.dirname(os.path.abspath(root))).split(os.sep)[:-1]
    grades = [part.upper() for part in path if part.upper() in ("HGG", "LGG")]
    if grades:
        columns["grade"] = grades[-1]
    scheme = read_release(name, os.path.abspath(files[0].path), {file.word for file in files})
    return make_entry(name, source, choice, columns, scheme=scheme, notes=notes, problems=problems)


def read_release(name, path, words):
    """Read from names which release a subject is from, and so what his labels mean.

    Parameters
    ----------
    name : str
        Of the subject.
    path : str
        Of one of his files; the folders' names may say a year.
    words : collection of str
        The words for sequences, in lower case.

    Returns
    -------
    str
        A key of `label_schemes.LABEL_SCHEMES`, or "bratsped" if the year of a release of children's tumours is not
        known.
    """
    if not set(words) & set(SINCE_2023) and not re.match("brats-", name, re.I):
        return "brats2024" if "tumormask" in words else "brats2018"
    years = re.findall(r"(?<!\d)20(2[3-9])(?!\d)", path)
    year = int(years[-1]) if years else 0
    if re.search(r"brats-ped", name, re.I):
        return "bratsped" if not year else "brats2023" if year == 23 else "bratsped2024"
    # after treatment, examinations are counted from 100
    treated = re.search(r"brats-gli-\d+-1\d\d$", name, re.I)
    if treated or "tumormask" in words or (year > 23 and re.search(r"brats-(gli|met)", name, re.I)):
        return "brats2024"
    return "brats2023"
