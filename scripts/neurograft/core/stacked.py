"""Pictures of patients (layout images with `dataset.sequences`): what follows for the rest of a config.

The pictures of a patient are stacked, and from there everything is as for scans that were prepared elsewhere. Not in
`config`, whose pictures belong to nobody. The Snakefile imports this module while it is parsed: standard library only.
"""

import copy
from collections.abc import Mapping
from typing import Any

from neurograft.core.config import SettingsError


def is_stacked(config: Mapping[str, Any]) -> bool:
    """Check whether a subject is a patient with pictures of several slices."""
    dataset = config.get("dataset", {})
    return dataset.get("layout") == "images" and bool(dataset.get("sequences"))


def is_single(config: Mapping[str, Any]) -> bool:
    """Check whether a subject is one picture, of nobody known: nothing to segment, to register or to deliver."""
    return config.get("dataset", {}).get("layout") == "images" and not is_stacked(config)


def fit_stacked(config: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Fit a config to pictures of patients; any other is returned as it is.

    Parameters
    ----------
    config : dict
        From `config.resolve_config`; it is not changed.
    given : dict
        The config as the user wrote it: only what was asked for on purpose is refused.

    Returns
    -------
    dict
        Nothing is stripped or registered; a voxel size that is one number goes for the plane of the pictures alone.

    Raises
    ------
    SettingsError
        One line for the first thing that does not fit.
    """
    pictures, place = config["dataset"]["pictures"], "config: dataset.pictures"
    if not is_stacked(config):
        said = [name for name, value in pictures.items() if value]
        if said and config["dataset"]["layout"] != "images":
            raise SettingsError(f"{place}.{said[0]}: only layout images has pictures; leave it out")
        if said:
            raise SettingsError(
                f"{place}.{said[0]} is for pictures of patients: say what they show in dataset.sequences, such as [t1c]"
            )
        return config
    if len(pictures["spacing"]) not in (0, 3):
        raise SettingsError(f"{place}.spacing: give three sizes in mm: across, from front to back, and between slices")
    for block, key in (("strip_skull", "engine"), ("register_scans", "template")):
        if given.get(block, {}).get(key, "none") != "none":
            raise SettingsError(
                f"config: {block}.{key}: pictures of patients are taken as they are, for a stack of slices is no whole "
                "head; leave it out"
            )
    config = copy.deepcopy(config)
    config["strip_skull"]["engine"] = config["register_scans"]["template"] = "none"
    asked = given.get("register_scans", {}).get("spacing")
    if isinstance(asked, int | float):
        # never between slices: their thickness is not that of a pixel, and some may be missing
        config["register_scans"]["spacing"] = [asked, asked, (pictures["spacing"] or [1.0, 1.0, 1.0])[2]]
    return config
