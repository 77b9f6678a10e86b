"""Find people and their recordings in a BIDS folder, by the names of files alone."""

import os
import re
from typing import Any

from neurograft.cohort.file_names import list_folder, subject_label

ENDINGS = (".edf", ".bdf", ".vhdr", ".set")
PARTS = {".vhdr": {"signal": ".eeg", "marks": ".vmrk"}, ".set": {"signal": ".fdt"}}


class RecordingFilesError(ValueError):
    """The folder cannot be used as it is; the message is one line that says what to do."""


def find_people(root: str | list[str], task: str = "") -> dict[str, dict[str, Any]]:
    """Find the people of a BIDS folder by the names of files alone.

    Parameters
    ----------
    root : str or list of str
        One folder.
    task : str
        Entity `task-` that a recording must have; empty for any.

    Returns
    -------
    dict of str to dict
        Label to `runs` (list of the files of each) and `t1` (path or ""); those without a recording are left out of it.

    Raises
    ------
    RecordingFilesError
        If there is nobody, or more than one root.
    """
    if not isinstance(root, str):
        raise RecordingFilesError(
            f"config: dataset.root has {len(root)} folders; layout eeg takes one: join them in one BIDS folder"
        )
    place = os.path.expanduser(root)
    people = {}
    for folder in list_folder(place)[0]:
        label = subject_label(folder)
        if not folder.startswith("sub-") or not label:
            continue
        sessions = [name for name in list_folder(f"{place}/{folder}")[0] if name.startswith("ses-")] or [""]
        runs = [run for ses in sessions for run in _find_runs(os.path.join(place, folder, ses, "eeg"), task)]
        t1 = [path for ses in sessions for path in _find_t1(os.path.join(place, folder, ses, "anat"))]
        if runs and label in people:
            raise RecordingFilesError(
                f"dataset.root '{root}': two folders are sub-{label}, after other characters are left out"
            )
        if runs:
            people[label] = {"runs": runs, "t1": t1[0] if t1 else ""}
    if not people:
        fault = "holds no *_eeg.edf, .bdf, .vhdr or .set in sub-*/eeg" if os.path.exists(place) else "does not exist"
        raise RecordingFilesError(
            f"dataset.root '{root}' {fault}" + (f" with task-{task}" if task and os.path.exists(place) else "")
        )
    return people


def find_simulated(folder: str) -> list[dict[str, str]]:
    """Find the recording of a simulated person, which did not exist when the run was planned."""
    return _find_runs(str(folder), "")


def _find_runs(folder, task):
    """Find the recordings of a folder with what lies beside each."""
    names = list_folder(folder)[1]
    runs = []
    for name in names:
        stem, ending = os.path.splitext(name)
        if ending.lower() not in ENDINGS or not stem.endswith("_eeg") or (task and f"_task-{task}_" not in name):
            continue
        base = stem.removesuffix("_eeg")
        # electrodes go by subject and session, whatever the task and run
        person = re.match(r"sub-[^_]+(_ses-[^_]+)?", base)
        beside = {"events": f"{base}_events.tsv", "channels": f"{base}_channels.tsv", "sidecar": f"{stem}.json"}
        # a header's signal and marks lie in files of their own
        beside |= {kind: stem + other for kind, other in PARTS.get(ending.lower(), {}).items()}
        run = {"eeg": name} | {kind: other for kind, other in beside.items() if other in names}
        for kind in ("electrodes.tsv", "coordsystem.json"):
            found = [other for other in names if person and other.startswith(person[0]) and other.endswith(f"_{kind}")]
            run |= {kind.split(".")[0]: found[0]} if found else {}
        runs.append({kind: os.path.join(folder, other) for kind, other in run.items()})
    return runs


def _find_t1(folder):
    """Find the T1w scans of a folder."""
    return [os.path.join(folder, name) for name in list_folder(folder)[1] if re.search(r"_T1w\.nii(\.gz)?$", name)]
