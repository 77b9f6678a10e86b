"""What is known of a subject only when an earlier job has made its files: nothing while the Snakefile is parsed."""

from pathlib import Path

from neurograft.images import read_json


def join_late_facts(found, layout):
    """Complete what the names say of a subject.

    Parameters
    ----------
    found : dict
        What `cohort.find_subjects` says of the subject.
    layout : str
        A row of `cohort.DATASETS`; one that is no row of `LATE_FACTS` has nothing to add.

    Returns
    -------
    dict
        As `found`; `files` are those that came to be, `columns`, `problems` and `notes` may have grown.
    """
    # who is excluded by hand has no files to ask
    return LATE_FACTS.get(layout, dict)(found) if found["files"] else found


def _join_participant(found):
    """Add the columns that a simulated subject brings beside its images."""
    file = Path(next(iter(found["files"].values()))).with_name("participant.json")
    return found | {"columns": found["columns"] | (read_json(file) if file.exists() else {})}


def _join_conversion(found):
    """Add what `conversion.convert_dicom` says, and keep the files that it made."""
    known = read_json(Path(found["files"]["t1"]).with_name("conversion.json"))
    files = {kind: path for kind, path in found["files"].items() if Path(path).exists()}
    return found | {"files": files} | {key: found[key] + known[key] for key in ("problems", "notes")}


LATE_FACTS = {"phantom": _join_participant, "dicom": _join_conversion}
