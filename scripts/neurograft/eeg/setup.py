"""Set up a run of EEG: resolve the config, and find every person's files, before any job starts.

The Snakefile imports this module only for layout `eeg`: nothing heavy.
"""

import os
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from neurograft.cohort.exclusions import BY_HAND, read_exclusions
from neurograft.core.config import SettingsError, resolve_config
from neurograft.core.strategies import CONTROLS
from neurograft.core.tables import TableError
from neurograft.eeg.recording_files import RecordingFilesError, find_people

BESIDE = ("events", "channels", "sidecar", "electrodes")
MISSING = "layout eeg needs mne, which is an optional part: pip install 'mne==1.13.*' (or neurograft[eeg])"
ANATOMY = ("cortex", "cortex-wrong-head")
# what of the configuration this layout reads; all else says nothing of EEG
BLOCKS = ("seed", "dataset", "import_eeg", "model_head", "decode", "margin", "report")
DATASET = ("layout", "root", "subjects", "exclude")
# targets of layouts with scans
SCANS_ONLY = (
    *("fetch_sources", "preprocess", "candidates", "train", "recommend", "replay", "share", "export_folds"),
    *("add_release", "verify_checklist"),
)
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
        Label to `runs` (list of the files of each) and `t1` (path or "").
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

    def describe(self) -> str:
        """Say who was found, by names alone, and what a run would do: the words of target `check`."""
        decode, root = self.config["decode"], self.config["dataset"]["root"]
        runs = [run for about in self.people.values() for run in about["runs"]]
        lines = [
            f"{len(self.people)} people in {root} (layout eeg)" if root else f"{len(self.people)} SIMULATED people"
        ]
        if runs:
            endings = Counter(os.path.splitext(run["eeg"])[1] for run in runs)
            kinds = [f"{kind} {sum(kind in run for run in runs)}" for kind in BESIDE]
            lines.append(f"  recordings: {', '.join(f'{ending} {count}' for ending, count in endings.items())}")
            lines.append(
                f"  beside them: {', '.join(kinds)}; T1w of {sum(bool(a['t1']) for a in self.people.values())}"
            )
        bare = [name for name, about in self.people.items() if any("events" not in run for run in about["runs"])]
        lines += [f"  {name}: no events.tsv beside a recording; a run leaves this person out" for name in bare]
        lines += [f"  {name}: {why}" for name, why in self.left_out.items()]
        lines.append(
            f"A run decodes each of them in {len(decode['spaces'])} spaces with {len(decode['strategies'])} strategies "
            f"at {len(decode['own'])} numbers of own labels. No recording was opened: faults inside are found by a run "
            "(results/cohort.tsv). The leak guard looks at scans alone; a run stops where two people share a trial."
        )
        return "\n".join(lines)

    def list_judged(self) -> list[str]:
        """List the strategies that get a verdict."""
        return [name for name in self.config["decode"]["strategies"] if name not in ("scratch", *CONTROLS)]

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
    _refuse_others(config, schema["properties"])
    try:
        complete = resolve_config(config, schema)
        dataset, decode = complete["dataset"], complete["decode"]
        people = (
            _simulate(dataset["subjects"])
            if not dataset["root"]
            else find_people(dataset["root"], complete["import_eeg"]["task"])
        )
        excluded = read_exclusions(dataset["exclude"], people) if dataset["exclude"] else {}
    except (SettingsError, TableError, RecordingFilesError) as mistake:
        raise EegSetupError(str(mistake)) from None
    left_out = {name: f"{BY_HAND}: {reason}" for name, reason in excluded.items()}
    simulated, kept = not dataset["root"], {name: about for name, about in people.items() if name not in left_out}
    if "scratch" not in decode["strategies"]:
        raise EegSetupError("config: decode.strategies needs scratch, with which every other is compared")
    _check_times(complete)
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


def _check_times(config):
    """Refuse limits that leave nothing."""
    (start, end), (low, high) = config["import_eeg"]["window"], config["import_eeg"]["band"]
    width = config["decode"]["bin"]
    if end - start < width:
        raise EegSetupError(
            f"config: import_eeg.window from {start:g} to {end:g} s holds no bin of {width:g} s (decode.bin)"
        )
    if high and low >= high:
        raise EegSetupError(
            f"config: import_eeg.band from {low:g} to {high:g} Hz keeps nothing; give the lower limit first"
        )


def _simulate(count):
    """Name simulated people."""
    return {f"{number:02d}": {"runs": [], "t1": ""} for number in range(1, count + 1)}


def _refuse_others(config, known):
    """Refuse keys that other layouts have, which would be read by nobody; unknown ones are left to the schema."""
    wrong = [name for name in config if name in known and name not in BLOCKS]
    inner = known["dataset"]["properties"]
    wrong += [f"dataset.{name}" for name in config["dataset"] if name in inner and name not in DATASET]
    if wrong:
        raise EegSetupError(
            f"config: {wrong[0]} says nothing of EEG; leave it out (layout eeg has {', '.join(BLOCKS)}, and of dataset "
            f"{', '.join(DATASET)})"
        )
