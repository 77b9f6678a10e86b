"""Survey a dataset within seconds, from names and headers: what was found, what it is taken for, what is not used."""

import os
import re
from collections import Counter
from pathlib import Path

from neurograft.cohort.choices import KEY, Wishes
from neurograft.cohort.header_choice import read_header, settle_open
from neurograft.cohort.people import read_people
from neurograft.core.tables import TableError

# endings of files that look like images, and what to do with those that nothing reads
CONVERT = (".mgz", ".mgh", ".mha", ".mhd", ".nrrd", ".nhdr", ".mnc", ".par", ".rec")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
READ = (".nii", ".nii.gz", ".img")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
OTHER_SCANS = re.compile(r"(^|[/_.-])(bold|dwi|func|fmap|perf|asl|pet|eeg|meg|sbref|epi|adc|swi|dti|phasediff)", re.I)
# layouts whose subjects are folders or tables of anything
WHOLE_FOLDERS = ("dicom", "images", "phantom")
MOST_GROUPS = 12


def survey_dataset(subjects, layout, roots, choose=()):
    """Survey a dataset.

    Parameters
    ----------
    subjects : dict of str to dict
        From `layouts.find_subjects`.
    layout : str
    roots : sequence of str
        Folders or tables.
    choose : sequence of str
        The user's patterns (`choices.Wishes`).

    Returns
    -------
    dict
        `subjects` (rows with `subject`, `name`, `included`, `reason`, `notes`, and `files`, rows with `kind`, `file`,
        `shape`, `size_mm`), `counts`, `kinds` (sequence to number), `sites`, `releases` (label scheme by names, to a
        number), `columns` (a row for each table), `unused` (groups: `pattern`, `count`, `example`, `advice`), `idle`
        (patterns of `choose` that fit nothing).
    """
    settled = {
        label: settle_open(entry, voxels=False) if layout not in WHOLE_FOLDERS else entry
        for label, entry in subjects.items()
    }
    for entry in settled.values():
        if not entry["problems"] and not set(entry["files"]) - {"labels"}:
            entry["problems"] = ["no sequence found"]
    rows = [_describe_subject(label, entry, layout) for label, entry in settled.items()]
    taken = [entry for entry in settled.values() if not entry["problems"]]
    kinds = Counter(kind for entry in taken for kind in entry["files"])
    seen = [path for root in roots for path in list_images(root)]
    return {
        "layout": layout,
        "roots": list(roots),
        "subjects": rows,
        "counts": {"found": len(rows), "waiting": len(rows) - len(taken), "labelled": kinds.pop("labels", 0)},
        "kinds": dict(kinds),
        "sites": dict(Counter(entry["site"] or "not stated" for entry in taken).most_common()),
        "releases": dict(Counter(entry["scheme"] for entry in taken if entry["scheme"] and "labels" in entry["files"])),
        "columns": [found for root in roots if (found := _describe_people(root, settled))],
        "unused": group_unused(settled, roots, layout, seen),
        "idle": Wishes(tuple(choose)).idle(seen) if seen else [],
    }


def list_images(root):
    """List the files under a folder that look like images, without hidden ones."""
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(parent, name) for name in sorted(files) if _looks_like_image(name)]
    return found


def _looks_like_image(name):
    low = name.lower()
    return not name.startswith(".") and low.endswith((*READ, *CONVERT, *ARCHIVES, *PICTURES, ".dcm", ".ima"))


def _describe_subject(label, entry, layout):
    """Make the row of one subject; files that a job makes have no header yet, or, of another run, they have."""
    files = []
    for kind, path in entry["files"].items():
        lies_there = layout not in WHOLE_FOLDERS or (kind == "labels" and layout != "phantom")
        header = read_header(path) if lies_there else None
        facts = {"shape": "", "size_mm": ""}
        if header:
            facts["shape"] = " x ".join(str(count) for count in header.shape)
            facts["size_mm"] = " x ".join(f"{size:.3g}" for size in header.sizes)
        elif layout not in WHOLE_FOLDERS:
            facts["shape"] = "no NIfTI header; the import says what it is"
        files.append({"kind": kind, "file": path} | facts)
    return {
        "subject": label, "name": entry["name"], "included": not entry["problems"],
        "reason": "; ".join(entry["problems"]), "notes": entry["notes"], "files": files,
    }  # fmt: skip


def _describe_people(root, subjects):
    """Say how many subjects have a row in the root's table of participants, and who in it is nobody's; {} for none."""
    inside = [entry["name"] for entry in subjects.values() if _lies_in(entry["source"], root)]
    try:
        people = read_people(root, inside) if os.path.isdir(root) else None
    except TableError:
        return {}
    if not people or not people.path:
        return {}
    columns = list(next(iter(people.columns.values()), {}))
    return {
        "table": people.path, "matched": len(people.columns), "subjects": len(inside), "columns": columns,
        "strangers": people.strangers,
    }  # fmt: skip


def _lies_in(path, folder):
    return os.path.abspath(path).startswith(os.path.abspath(folder) + os.sep) or path == folder


def group_unused(subjects, roots, layout, seen):
    """Group the images that nothing uses by their names without those of subjects, and say what to do.

    Parameters
    ----------
    subjects : dict of str to dict
    roots : sequence of str
    layout : str
    seen : sequence of str
        Paths from `list_images`.

    Returns
    -------
    list of dict
        `pattern`, `count`, `example`, `advice`; the largest group first.
    """
    used = {os.path.abspath(path) for entry in subjects.values() for path in entry["files"].values()}
    slices = [one for entry in subjects.values() for one in entry.get("slices", ())]
    used |= {os.path.abspath(path) for one in slices for path in (*one["files"], one["mask"]) if path}
    folders = [entry["source"] for entry in subjects.values()] if layout in ("dicom", "phantom") else []
    told = " ".join(note for entry in subjects.values() for note in (*entry["notes"], *entry["problems"]))
    names = sorted({entry["name"] for entry in subjects.values()}, key=len, reverse=True)
    groups = {}
    for path in seen:
        inside = any(_lies_in(path, folder) for folder in folders)
        if os.path.abspath(path) in used or (inside and not path.lower().endswith((*ARCHIVES, *CONVERT))):
            continue
        root = next(root for root in roots if _lies_in(path, root))
        choice = path in told
        pattern = _generalise(os.path.relpath(path, root), names)
        groups.setdefault((pattern, choice), []).append(path)
    rows = [
        {"pattern": pattern, "count": len(paths), "example": paths[0], "advice": _advise(paths[0], layout, choice)}
        for (pattern, choice), paths in groups.items()
    ]
    return sorted(rows, key=lambda row: -row["count"])


def _generalise(path, names):
    """Replace the subject's name in a path by `*`, and numbers by `#`."""
    parts = path.split(os.sep)
    own = next((name for name in names if any(part.startswith(name) for part in parts)), "")
    # the 1 of T1 is no number of a file
    return re.sub(r"(?<![a-zA-Z\d])\d+|\d{2,}", "#", path.replace(own, "*") if own else path)


def _advise(path, layout, choice):
    """Say what to do with a file that nothing uses."""
    low = path.lower()
    if choice:
        return f"left by a choice that the subject's notes explain; {KEY} overrules it"
    if low.endswith(ARCHIVES):
        return "unpack it"
    if low.endswith(CONVERT):
        return "convert it to NIfTI if it is to be used"
    if low.endswith((".dcm", ".ima")):
        return "DICOM: dataset.layout dicom reads it, a folder a patient"
    if low.endswith(PICTURES):
        return "a picture; nothing to do, or dataset.layout images"
    if OTHER_SCANS.search(low):
        return "no anatomical scan; nothing to do"
    if re.search("mask|seg|prob|atlas|parc", low):
        return f"no label of a tumour by its name; nothing to do, or name it in {KEY} or a table (layout table)"
    return f"not known to layout {layout}; nothing to do if it is no T1, T1c, T2, FLAIR or label, else see its how-to"


def write_lines(survey):
    """Put a survey on one screen.

    Parameters
    ----------
    survey : dict
        From `survey_dataset`.

    Returns
    -------
    str
    """
    counts, lines = survey["counts"], []
    kinds = ", ".join(f"{kind} {count}" for kind, count in survey["kinds"].items()) or "none"
    lines.append(
        f"{_count(counts['found'], 'subject')} in {', '.join(survey['roots']) or 'no folder'} "
        f"(layout {survey['layout']})"
    )
    lines.append(f"  can be used: {counts['found'] - counts['waiting']}; with a label: {counts['labelled']}; {kinds}")
    sites = [f"{site} {count}" for site, count in survey["sites"].items()]
    lines.append(f"  sites: {_shorten(sites, 8)}")
    schemes = [f"{scheme} {count}" for scheme, count in survey["releases"].items()]
    if counts["labelled"]:
        lines.append(
            f"  labels by name: {', '.join(schemes) or 'the import goes by their values'} (import_scans.labels)"
        )
    for found in survey["columns"]:
        lines.append(
            f"  {found['table']}: rows of {found['matched']} of {found['subjects']} subjects, columns "
            f"{_shorten(found['columns'], 8)}"
            + (f"; of nobody here: {_shorten(found['strangers'], 5)}" if found["strangers"] else "")
        )
    lines += _list_block("Excluded, or waiting for you", [
        f"{row['subject']}: {row['reason']}" for row in survey["subjects"] if not row["included"]
    ], 6)  # fmt: skip
    noted = [f"{row['subject']}: {note}" for row in survey["subjects"] if row["included"] for note in row["notes"]]
    lines += _list_block("Choices and oddities", noted, 6)
    unused = [f"{row['count']} x {row['pattern']}: {row['advice']}" for row in survey["unused"]]
    lines += _list_block(
        f"Seen and not used: {_count(sum(row['count'] for row in survey['unused']), 'file')}", unused, 6
    )
    lines += _list_block(f"{KEY} names what is not there", survey["idle"], 3)
    first = next((row for row in survey["subjects"] if row["included"]), None)
    if first:
        files = [f"{f['kind']}: {f['file']} ({f['shape']} voxels of {f['size_mm']} mm)" if f["size_mm"] else
                 f"{f['kind']}: {f['file']}" for f in first["files"]]  # fmt: skip
        lines += _list_block(f"As an example, what {first['subject']} has", files, 6)
    lines.append("All of it: results/check.json, and the page of the report.")
    return "\n".join(lines) + "\n"


def _list_block(title, lines, most):
    """Return a title with at most some lines below it; nothing without lines."""
    if not lines:
        return []
    more = [f"  ... and {len(lines) - most} more"] if len(lines) > most else []
    return [f"{title}:", *(f"  {line}" for line in lines[:most]), *more]


def _shorten(words, most):
    """Join words, the first of many."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "") or "none"


def _count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def resolve_roots(dataset):
    """List the roots of a dataset, as the config names them, with `~` expanded.

    Parameters
    ----------
    dataset : dict
        The config's block.
    """
    root = dataset["root"]
    table = dataset.get("pictures", {}).get("table", "")
    listed = list(root) if isinstance(root, list | tuple) else [root] if root else []
    return [os.path.expanduser(place) for place in listed] or ([str(Path(table).parent)] if table else [])
