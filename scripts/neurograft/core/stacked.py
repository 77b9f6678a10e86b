"""Pictures of patients (layout images with `dataset.sequences`): consequences for the rest of a config.

The pictures of a patient are stacked and then processed like scans that were prepared elsewhere. Pictures without known
patients are handled in `config`. The Snakefile imports this module when it is parsed: standard library only.
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
    """Check whether a subject is one picture of an unknown patient, without segmentation, registration and delivery."""
    return config.get("dataset", {}).get("layout") == "images" and not is_stacked(config)


def fit_stacked(config: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Adapt a config to pictures of patients; any other is returned unchanged.

    Parameters
    ----------
    config : dict
        From `config.resolve_config`; it is not changed.
    given : dict
        The config as the user wrote it; only explicit settings are refused.

    Returns
    -------
    dict
        Without skull-stripping and registration; a voxel size given as one number applies only in the picture plane.

    Raises
    ------
    SettingsError
        One line for the first setting that does not fit.
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
        # not between slices: their thickness differs from the pixel size, and slices may be missing
        config["register_scans"]["spacing"] = [asked, asked, (pictures["spacing"] or [1.0, 1.0, 1.0])[2]]
    return config
