"""Read and check a subject's files, and describe every problem in plain words."""

from pathlib import Path

import nibabel as nib

from neurograft.cohort.header_choice import settle_open
from neurograft.cohort.label_reading import read_labels
from neurograft.cohort.prior_processing import (
    lies_in_template,
    share_one_space,
    tell_plan,
    tell_recognised,
    template_grids,
)
from neurograft.cohort.scan_reading import read_scan
from neurograft.cohort.subject_status import SubjectStatus
from neurograft.core.files import read_json
from neurograft.core.sequences import list_sequences
from neurograft.imaging.headers import SMALLEST_FIELD, same_grid
from neurograft.imaging.nifti import ScanError


def join_job_outputs(found, layout):
    """Complete the entry of a subject, which comes from file names, with the output of jobs.

    Parameters
    ----------
    found : dict
        The subject's entry from `layouts.find_subjects`.
    layout : str
        A key of `layouts.DATASETS`; one that is not in `JOB_OUTPUTS` adds nothing.

    Returns
    -------
    dict
        As `found`, with only the `files` that were made, and with additions to `columns`, `problems` and `notes`.
    """
    # subjects excluded by hand have no files
    return JOB_OUTPUTS.get(layout, dict)(found) if found["files"] else found


def _join_participant(found):
    """Add the columns that are stored beside the images of a simulated subject."""
    file = Path(next(iter(found["files"].values()))).with_name("participant.json")
    return found | {"columns": found["columns"] | (read_json(file) if file.exists() else {})}


def _join_conversion(found):
    """Add the record of `dicom_conversion.convert_dicom`, and keep the files that it made."""
    return _join_record(found, "conversion.json")


def _join_stack(found):
    """Add the record of `stacking.stack_pictures`, and keep the volumes that it made."""
    return _join_record(found, "stack.json")


def _join_record(found, name):
    """Add the problems and notes of a record beside the images, and keep the files that exist."""
    record = read_json(Path(next(iter(found["files"].values()))).with_name(name))
    files = {kind: path for kind, path in found["files"].items() if Path(path).exists()}
    return found | {"files": files} | {key: found[key] + record[key] for key in ("problems", "notes")}


JOB_OUTPUTS = {"phantom": _join_participant, "dicom": _join_conversion, "images": _join_stack}


def import_scans(
    subject, found, layout, reference=("t1c", "t1", "flair", "t2"), labels="auto", template=None, prepared=False
) -> tuple[SubjectStatus, dict[str, nib.Nifti1Image]]:
    """Read and check all images of a subject.

    Parameters
    ----------
    subject : str
        Label X.
    found : dict
        The subject's entry from `layouts.find_subjects`.
    layout : str
        A key of `layouts.DATASETS`.
    reference : sequence of str
        The first of these that is present is the reference sequence.
    labels : str
        "auto", a key of `label_schemes.LABEL_SCHEMES`, or the user's own labels (`labels.write_scheme`).
    template : str, optional
        As in `templates.template_path`: the template to register the scans to, if they are not yet registered.
    prepared : bool
        Whether the scans were prepared elsewhere and are used as they are: all on one grid, of any size.

    Returns
    -------
    status : SubjectStatus
    scans : dict of str to nibabel.Nifti1Image
        Canonical float32 images, "labels" as uint8; empty if the subject is excluded.
    """
    found = settle_open(join_job_outputs(found, layout))
    problems, notes, scans, facts = list(found["problems"]), list(found["notes"]), {}, {}
    smallest = 0 if prepared else SMALLEST_FIELD
    for sequence in list_sequences(found["files"]):
        scan, sequence_facts = _try_reading(sequence, problems, notes, read_scan, found["files"][sequence], smallest)
        if sequence_facts:
            scans[sequence], facts[sequence] = scan, sequence_facts
    if not scans and not problems:
        problems.append("no sequence found; give at least one of t1, t1c, t2, flair, or those of dataset.sequences")
    order = [name for name in dict.fromkeys((*reference, *facts)) if name in scans]
    problems += _find_other_grids(scans, order) if prepared else []
    label, scheme = None, found["scheme"] if labels == "auto" else labels
    if "labels" in found["files"] and scans:
        wanted = ({name: scans[name] for name in order}, facts, found["scheme"], labels, smallest)
        scan, label = _try_reading("labels", problems, notes, read_labels, found["files"]["labels"], *wanted)
        if label:
            scans["labels"], scheme = scan, label["scheme"]
    columns = dict(found["columns"])
    status: SubjectStatus = {
        "subject": subject,
        "name": found["name"],
        "included": not problems,
        "reason": "; ".join(problems),
        "notes": notes,
        "layout": layout,
        "sequences": facts,
        "reference": order[0] if order else None,
        "coregistered": not problems
        and (prepared or share_one_space(scans, facts, 0.9 if layout == "brats" else 0.98)),
        "in_template": not problems and lies_in_template([scans[name] for name in facts], template_grids(template)),
        "prepared": prepared,
        "labels": None if problems else label,
        "scheme": scheme,
        "site": columns.pop("site", "") or found["site"],
        "columns": columns,
        "recognised": "",
        "will_do": "",
    }
    status["recognised"], status["will_do"] = tell_recognised(status), tell_plan(status, template)
    return status, {} if problems else scans


def _find_other_grids(scans, order):
    """Describe the first prepared scan that is not on the grid of the reference."""
    other = next((name for name in order[1:] if not same_grid(scans[name], scans[order[0]])), None)
    if other is None:
        return []
    shapes = f"{scans[other].shape} and {scans[order[0]].shape} voxels, or placed elsewhere"
    return [
        f"{other} and {order[0]} are on different grids ({shapes}), and prepared scans (strip_skull.engine none) are "
        "not aligned; resample them to one grid"
    ]


def _try_reading(name, problems, notes, read, *args):
    """Read one file; an error is added to the problems, corrections to the notes."""
    try:
        scan, facts, remarks = read(*args)
    except ScanError as error:
        problems.append(f"{name}: {error}")
        return None, None
    notes += [f"{name}: {note}" for note in remarks]
    return scan, facts
