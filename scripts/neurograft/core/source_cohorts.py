"""Other labelled cohorts as sources: what a config says of them, checked and completed.

The block `cohorts` names them, and `cohort:NAME` in a list of sources is what a network learnt from one. In tables and
in the names of files it is `cohort-NAME`, because not every file system allows a colon. The Snakefile imports this
module when it is parsed: standard library only.
"""

import copy
import os
from collections.abc import Mapping
from typing import Any, cast

from neurograft.core.config import SettingsError
from neurograft.core.stacked import is_single, is_stacked

PREFIX = "cohort:"
# blocks that a source's cohort takes over from the config, if its own block does not say otherwise
SHARED = ("convert_dicom", "import_scans", "strip_skull", "register_scans", "normalize_intensity")
FOLDER = "results/cohorts"

Subjects = Mapping[str, Mapping[str, Any]]


def name_source(cohort: str) -> str:
    """Return the name of a cohort's source in tables and in the names of files."""
    return f"cohort-{cohort}"


def name_sources(config: dict[str, Any]) -> dict[str, Any]:
    """Write the sources `cohort:NAME` of a config as they are called in files.

    Parameters
    ----------
    config : dict
        From `config.resolve_config`; it is not changed.

    Returns
    -------
    dict

    Raises
    ------
    SettingsError
        If there is no such cohort, or the dataset is of single pictures, which have no masks.
    """
    config = copy.deepcopy(config)
    spans = {f"experiment.{task}": [wanted, *wanted.get("also", [])] for task, wanted in config["experiment"].items()}
    for place, listed in (spans | {"recommend": [config["recommend"]]}).items():
        for span in listed:
            span["sources"] = [_find_source(name, f"{place}.sources", config) for name in span["sources"]]
    return config


def _find_source(name: str, place: str, config: Mapping[str, Any]) -> str:
    """Return the name of a source in files; only that of a cohort differs."""
    if not name.startswith(PREFIX):
        return name
    cohort = name.removeprefix(PREFIX)
    if cohort not in config["cohorts"]:
        there = ", ".join(config["cohorts"]) or "none"
        raise SettingsError(
            f"config: {place} names '{name}', and the block cohorts has {there}: say there where its scans are "
            f"(cohorts: {{{cohort or 'NAME'}: {{dataset: ...}}}})"
        )
    if is_single(config):
        raise SettingsError(
            f"config: {place} names '{name}', which learns to segment, and a dataset of single pictures has no masks: "
            "take another source, or say in dataset.sequences what the pictures of a patient show"
        )
    return name_source(cohort)


def write_config(cohort: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Write the config that prepares a source's cohort, as if it were the dataset of a run of its own.

    Parameters
    ----------
    cohort : str
    given : dict
        The config as the user wrote it, with the block `cohorts`.

    Returns
    -------
    dict
        To be resolved like any config: the cohort's `dataset`, and the blocks `SHARED` of the target, so that both are
        on one scale and grid, with what the cohort's block changes. What label values mean is each cohort's own matter.
        Pictures and scans that are taken as they are have no template.

    Raises
    ------
    SettingsError
        If the cohort's layout cannot have labels.
    """
    block = given["cohorts"][cohort]
    own: dict[str, dict[str, Any]] = {name: dict(given[name]) for name in SHARED if name in given}
    own.get("import_scans", {}).pop("labels", None)
    config: dict[str, Any] = {"dataset": copy.deepcopy(block["dataset"])}
    _check_layout(cohort, config)
    if is_stacked(config):
        own.pop("strip_skull", None)
    config |= {name: own.get(name, {}) | copy.deepcopy(block.get(name, {})) for name in SHARED}
    as_they_are = is_stacked(config) or config["strip_skull"].get("engine") == "none"
    if as_they_are and "template" not in block.get("register_scans", {}):
        config["register_scans"]["template"] = "none"
    # nothing is trained on it by itself
    config["experiment"] = {"segmentation": {"strategies": []}, "classification": {"strategies": []}}
    return config


def _check_layout(cohort: str, config: Mapping[str, Any]) -> None:
    """Refuse layouts that have no labelled scans."""
    layout, place = config["dataset"].get("layout"), f"config: cohorts.{cohort}.dataset"
    if layout == "phantom":
        raise SettingsError(f"{place}.layout is phantom: the source of simulated patients is self-simulated")
    if layout == "eeg":
        raise SettingsError(f"{place}.layout is eeg, which has no scans to segment; name a cohort of scans")
    if is_single(config):
        raise SettingsError(
            f"{place}: single pictures have no masks to learn from: say in dataset.sequences what the pictures of a "
            "patient show, such as [t1c]"
        )


def check_apart(cohort: str, dataset: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Check that a source's cohort does not lie where the dataset does.

    Parameters
    ----------
    cohort : str
    dataset, own : dict
        The blocks `dataset` of both.

    Raises
    ------
    SettingsError
    """
    both = sorted(_list_places(dataset) & _list_places(own))
    if both:
        raise SettingsError(
            f"config: cohorts.{cohort}.dataset is the dataset itself ({both[0]}): a source learns from other patients; "
            "name another cohort"
        )


def _list_places(dataset: Mapping[str, Any]) -> set[str]:
    """List the real paths of a dataset's roots, or of its table of pictures."""
    root: Any = dataset.get("root")
    pictures: Mapping[str, Any] = dataset.get("pictures") or {}
    places = [*(cast("list[str]", root) if isinstance(root, list) else [root]), pictures.get("table")]
    return {os.path.realpath(os.path.expanduser(str(path))) for path in places if path}


def check_patients(cohort: str, subjects: Subjects, own: Subjects, asked: str | list[str]) -> None:
    """Check, from names alone, that a cohort has labels, and a sequence that the target's networks take.

    Parameters
    ----------
    cohort : str
    subjects, own : dict of str to dict
        From `layouts.find_subjects`, of the source's cohort and of the target.
    asked : "auto" or list of str
        The target's `split_cohort.sequences`.

    Raises
    ------
    SettingsError
        One line for the first that is missing.
    """
    place = f"config: cohorts.{cohort}"
    if not any("labels" in about["files"] for about in subjects.values()):
        raise SettingsError(
            f"{place}: none of its {len(subjects)} subjects has labels, and a source learns from labelled patients; "
            "give their files (docs/how-to/near-cohorts.md)"
        )
    having, taken = _list_kinds(subjects), _list_kinds(own) if asked == "auto" else list(asked)
    if not set(having) & set(taken):
        raise SettingsError(
            f"{place} has {', '.join(having)}, and the networks of this dataset take {', '.join(taken)}: no sequence "
            "in common; name those alike that show the same (dataset.sequences)"
        )


def _list_kinds(subjects: Subjects) -> list[str]:
    """List the sequences that any subject has."""
    return sorted({kind for about in subjects.values() for kind in about["files"]} - {"labels"})


def move_outputs(cohort: str, subjects: Subjects) -> dict[str, dict[str, Any]]:
    """Let the files that jobs make of a cohort's subjects lie in a folder of its own, apart from the target's.

    Parameters
    ----------
    cohort : str
    subjects : dict of str to dict
        From `layouts.find_subjects`.

    Returns
    -------
    dict of str to dict
    """
    made, own = "results/work/", f"{FOLDER}/{cohort}/"
    return {
        name: {
            **about,
            "files": {
                kind: own + path.removeprefix(made) if path.startswith(made) else path
                for kind, path in about["files"].items()
            },
        }
        for name, about in subjects.items()
    }
