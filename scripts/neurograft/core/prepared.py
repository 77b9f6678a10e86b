"""Scans prepared elsewhere, and the user's own labels and sequences: consequences for the rest of a config.

A config may have three settings, together or alone: `strip_skull.engine: none` (scans are used as they are),
`dataset.labels` (labels of any kind) and `dataset.sequences` (images of any kind). Steps made for tumours in the known
sequences of whole heads then do not apply. They are left out, or refused if they were requested.

The Snakefile imports this module when it is parsed: standard library only.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any

from neurograft.core.config import SettingsError
from neurograft.core.design import list_configured_arms
from neurograft.core.labels import ALL, REGIONS, is_own, write_scheme
from neurograft.core.sequences import OTHERS, SEQUENCES
from neurograft.core.strategies import METHODS

# layouts whose file names do not identify the sequence, so that the config may do so
NAMED_BY_CONFIG = ("table", "decathlon", "images")
SIDED = re.compile(r"^(left|right)(?![a-z])|(Left|Right)(?![a-z])")
RESERVED = (*OTHERS, "template", "deformed", "image", "site", "patient")
SLICE_TARGET = "tumour-slice"


def is_prepared(config: Mapping[str, Any]) -> bool:
    """Check whether scans are used as they are, without skull-stripping and registration."""
    return config.get("strip_skull", {}).get("engine") == "none"


def proposes_candidates(config: Mapping[str, Any]) -> bool:
    """Check whether tumour candidates are proposed: in brains, with known sequences, if the labels are of tumours.

    Parameters
    ----------
    config : dict
        From `fit_prepared`; missing keys have their defaults.

    Returns
    -------
    bool
    """
    unknown = set(config.get("dataset", {}).get("sequences", ())) - set(SEQUENCES)
    return not (is_prepared(config) or unknown or is_own(config.get("import_scans", {}).get("labels", "")))


def fit_prepared(config: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Adapt a config to prepared scans and to the user's own labels and sequences, if it has any of these.

    Parameters
    ----------
    config : dict
        From `config.resolve_config`; it is not changed.
    given : dict
        The config as the user wrote it; only explicit settings are refused.

    Returns
    -------
    dict
        `dataset.labels` is moved to `import_scans.labels` as a scheme (`labels.write_scheme`), and prepared scans keep
        their own grid (None) if no spacing was requested.

    Raises
    ------
    SettingsError
        One line for the first setting that does not fit.
    """
    config = copy.deepcopy(config)
    own = config["dataset"].pop("labels")
    if config["dataset"]["sequences"]:
        _check_sequences(config)
    elif config["dataset"]["layout"] == "decathlon":
        raise SettingsError(
            "config: dataset.sequences is not set, and layout decathlon numbers its images: name them in that order, "
            "such as [mri]"
        )
    if own:
        _fit_labels(config, given, own)
    if is_prepared(config):
        _fit_grid(config, given)
    elif config["register_scans"]["spacing"] == "own":
        raise SettingsError(
            "config: register_scans.spacing: own is the grid of scans that were prepared elsewhere (strip_skull.engine "
            "none); give millimetres"
        )
    if not proposes_candidates(config):
        _refuse_candidates(config)
    return config


def _check_sequences(config: Mapping[str, Any]) -> None:
    """Check the names of a dataset's own sequences, which replace the known ones."""
    layout, place = config["dataset"]["layout"], "config: dataset.sequences"
    if layout not in NAMED_BY_CONFIG:
        raise SettingsError(
            f"{place}: layout {layout} knows its sequences by the names of its files; leave it out, or name them in a "
            "table (layout table)"
        )
    for name in config["dataset"]["sequences"]:
        if name.lower() in RESERVED:
            raise SettingsError(f"{place}: '{name}' cannot be a sequence, nor any of {', '.join(RESERVED)}; rename it")
    names = [name.lower() for name in config["dataset"]["sequences"]]
    if len(set(names)) < len(names):
        raise SettingsError(f"{place}: {', '.join(config['dataset']['sequences'])}: two differ in capitals alone")
    foreign = set(_asked_sequences(config)) - set(config["dataset"]["sequences"])
    if foreign:
        known = ", ".join(config["dataset"]["sequences"])
        raise SettingsError(f"config: split_cohort.sequences names '{min(foreign)}'; dataset.sequences has {known}")


def _asked_sequences(config: Mapping[str, Any]) -> list[str]:
    """List the input channels that were requested by name."""
    asked = config["split_cohort"]["sequences"]
    return [] if asked == "auto" else asked


def _fit_labels(config: dict[str, Any], given: Mapping[str, Any], own: Mapping[str, int]) -> None:
    """Move the user's own labels to the key that is read, and leave out classification of tumour slices."""
    place = "config: dataset.labels"
    if config["import_scans"]["labels"] != "auto":
        raise SettingsError(f"{place} and import_scans.labels both say what the label values are; keep one")
    # the last two have a meaning in the files of predictions
    reserved = (ALL, "background", *REGIONS, "box", "file")
    for name in own:
        if SIDED.search(name):
            raise SettingsError(
                f"{place}: '{name}' tells left from right, and networks are trained on mirrored images too; give both "
                "sides one value"
            )
        if name.lower() in map(str.lower, reserved):
            raise SettingsError(f"{place}: '{name}' cannot be a label, nor any of {', '.join(reserved)}; rename it")
    for kind, listed in (("value", [str(value) for value in own.values()]), ("name", [name.lower() for name in own])):
        twice = next((each for each in listed if listed.count(each) > 1), None)
        if twice is not None:
            raise SettingsError(f"{place}: the {kind} {twice} is there twice; each label needs its own")
    config["import_scans"]["labels"] = write_scheme(own)
    wanted = config["experiment"]["classification"]
    if wanted["target"] == SLICE_TARGET:
        if given.get("experiment", {}).get("classification", {}).get("strategies"):
            raise SettingsError(
                "config: experiment.classification.target is 'tumour-slice', and dataset.labels are no tumours; name a "
                "column of the dataset, or leave the classification out"
            )
        wanted["strategies"], wanted["also"] = [], []


def _fit_grid(config: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse settings that need a brain mask, and let prepared scans keep their grid."""
    if config["register_scans"]["template"] != "none":
        raise SettingsError(
            "config: strip_skull.engine is none, so no brain is known that could be aligned to a template: set "
            "register_scans.template to none, or name an engine (scans without skull are recognised)"
        )
    if config["strip_skull"]["second"] != "none":
        raise SettingsError(
            "config: strip_skull.second asks for a second opinion of the brain, and engine none has no first; leave it "
            "out"
        )
    if given.get("register_scans", {}).get("spacing", "own") == "own":
        config["register_scans"]["spacing"] = None


def _refuse_candidates(config: Mapping[str, Any]) -> None:
    """Refuse settings that need tumour candidates."""
    why = "tumour candidates, which are proposed neither of prepared scans nor beside own labels or sequences"
    asked = {arm["strategy"] for arm in list_configured_arms(config["experiment"]["segmentation"])} & set(METHODS)
    if asked:
        raise SettingsError(f"config: experiment.segmentation.strategies: {min(asked)} is made of {why}; leave it out")
    if config["train_network"]["sampling"] == "candidates":
        raise SettingsError(f"config: train_network.sampling draws slices by {why}; set it to labels")
    if config["register_scans"]["deformable"]:
        raise SettingsError(f"config: register_scans.deformable leaves out of its comparison {why}; set it to false")
