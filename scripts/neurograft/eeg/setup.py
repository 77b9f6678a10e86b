"""Set up a run of EEG: resolve the config, and find every person's files, before any job starts.

The Snakefile imports this module only for layout `eeg`: nothing heavy.
"""

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from neurograft.cohort.file_names import list_folder, subject_label
from neurograft.cohort.layouts import CohortError, read_exclusions
from neurograft.core.config import SettingsError, resolve_config
from neurograft.core.tables import TableError, read_table

ENDINGS = (".edf", ".bdf", ".vhdr", ".set")
MISSING = "layout eeg needs mne, which is an optional part: pip install 'mne==1.13.*' (or neurograft[eeg])"
ANATOMY = ("cortex", "cortex-wrong-head")
# blocks that say nothing of EEG
OTHERS = ("experiment", "register_scans", "strip_skull", "split_cohort", "deliver", "train_network", "variants")
SIMULATED = "results/simulated"
TITLE = "Do other people's trials help to decode a person's EEG?"


class EegSetupError(ValueError):
    """A user's mistake that stops a run before any job; the message is one line that says what to do."""


@dataclass(frozen=True)
class EegRun:
    """What the rules go by.

    Attributes
    ----------
    config : dict
        Complete.
    people : dict of str to dict
        Label to `runs` (list of the files of each), `t1` (path or ""), `columns` (of participants.tsv).
    simulated : bool
    left_out : dict of str to str
        Those excluded by hand, with the reason.
    """

    config: dict[str, Any]
    people: dict[str, dict[str, Any]]
    simulated: bool
    left_out: dict[str, str]

    def list_files(self, person: str) -> list[str]:
        """List a person's recordings and what lies beside them, of which a change reads the person again."""
        if self.simulated:
            return [f"{SIMULATED}/sub-{person}/eeg"]
        return [path for run in self.people[person]["runs"] for path in run.values()]

    def list_anatomy(self, person: str) -> list[str]:
        """List a person's T1, if the run asks for it."""
        asked = set(ANATOMY) & set(self.config["decode"]["spaces"])
        return [self.people[person]["t1"]] if asked and self.people[person]["t1"] else []


def prepare_eeg(config: dict[str, Any], root: str | Path) -> EegRun:
    """Resolve a config of layout eeg, and find the people.

    Parameters
    ----------
    config : dict
        As given by the user.
    root : str or Path
        The folder of the Snakefile.

    Returns
    -------
    EegRun

    Raises
    ------
    EegSetupError
        One line for the first mistake found.
    """
    if find_spec("mne") is None:
        raise EegSetupError(MISSING)
    schema = yaml.safe_load((Path(root) / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    wrong = next((name for name in OTHERS if name in config), "")
    if wrong:
        raise EegSetupError(
            f"config: {wrong} says nothing of EEG; leave it out (layout eeg has import_eeg, model_head, decode)"
        )
    try:
        complete = resolve_config(config, schema)
        dataset, decode = complete["dataset"], complete["decode"]
        people = (
            _simulate(dataset["subjects"])
            if not dataset["root"]
            else find_people(dataset["root"], complete["import_eeg"]["task"])
        )
        left_out = (
            read_exclusions(dataset["exclude"], {name: {"name": name} for name in people}) if dataset["exclude"] else {}
        )
    except (SettingsError, CohortError, TableError) as mistake:
        raise EegSetupError(str(mistake)) from None
    simulated, kept = not dataset["root"], {name: about for name, about in people.items() if name not in left_out}
    if "scratch" not in decode["strategies"]:
        raise EegSetupError("config: decode.strategies needs scratch, with which every other is compared")
    without = [name for name, about in kept.items() if not about["t1"]]
    asked = [space for space in decode["spaces"] if space in ANATOMY]
    if asked and without and not simulated:
        shown = ", ".join(without[:3]) + (", ..." if len(without) > 3 else "")
        raise EegSetupError(
            f"config: decode.spaces has {asked[0]}, and {len(without)} of {len(kept)} people have no T1w ({shown}): "
            "leave it out, or exclude them (dataset.exclude)"
        )
    if len(kept) < 3:
        raise EegSetupError(f"{len(kept)} people; to leave one out it takes 3")
    complete["report"]["title"] = config.get("report", {}).get("title", TITLE)
    return EegRun(complete, kept, simulated, left_out)


def _simulate(count):
    """Name simulated people."""
    return {f"{number:02d}": {"runs": [], "t1": "", "columns": {}} for number in range(1, count + 1)}


def find_people(root: str, task: str = "") -> dict[str, dict[str, Any]]:
    """Find the people of a BIDS folder by the names of files alone.

    Parameters
    ----------
    root : str
    task : str
        Entity `task-` that a recording must have; empty for any.

    Returns
    -------
    dict of str to dict
        As in `EegRun`; those without a recording are left out of it.

    Raises
    ------
    EegSetupError
        If there is nobody.
    """
    place = os.path.expanduser(root if isinstance(root, str) else root[0])
    columns = {}
    if os.path.exists(f"{place}/participants.tsv"):
        columns = {subject_label(row["participant_id"]): row for row in read_table(f"{place}/participants.tsv")}
    people = {}
    for folder in list_folder(place)[0]:
        label = subject_label(folder)
        if not folder.startswith("sub-") or not label:
            continue
        sessions = [name for name in list_folder(f"{place}/{folder}")[0] if name.startswith("ses-")] or [""]
        runs = [run for ses in sessions for run in _find_runs(os.path.join(place, folder, ses, "eeg"), task)]
        t1 = [path for ses in sessions for path in _find_t1(os.path.join(place, folder, ses, "anat"))]
        if runs:
            people[label] = {"runs": runs, "t1": t1[0] if t1 else "", "columns": columns.get(label, {})}
    if not people:
        fault = "holds no *_eeg.edf, .bdf, .vhdr or .set in sub-*/eeg" if os.path.exists(place) else "does not exist"
        raise EegSetupError(
            f"dataset.root '{root}' {fault}" + (f" with task-{task}" if task and os.path.exists(place) else "")
        )
    return people


def find_simulated(folder: str | Path) -> list[dict[str, str]]:
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
        run = {"eeg": name} | {kind: other for kind, other in beside.items() if other in names}
        for kind in ("electrodes.tsv", "coordsystem.json"):
            found = [other for other in names if person and other.startswith(person[0]) and other.endswith(f"_{kind}")]
            run |= {kind.split(".")[0]: found[0]} if found else {}
        runs.append({kind: os.path.join(folder, other) for kind, other in run.items()})
    return runs


def _find_t1(folder):
    """Find the T1w scans of a folder."""
    return [os.path.join(folder, name) for name in list_folder(folder)[1] if re.search(r"_T1w\.nii(\.gz)?$", name)]
