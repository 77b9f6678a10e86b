"""Ensembles: the mean of the predictions of several arms for the same patients, from files to files."""

import numpy as np

from neurograft.core import files
from neurograft.experiment import cell_folder


def average_predictions(out_folder, cell, folders):
    """Average the probabilities of some cells and write a folder like that of any other cell.

    All members have the same weight, and nothing is fitted. Members share task, space, split, n, fold and seed, so no
    member was trained on another's test patients.

    Parameters
    ----------
    out_folder : str or Path
        Written atomically.
    cell : dict
        As in `network_cells.train_cell`.
    folders : list of str or Path
        The members' cells.

    Returns
    -------
    cell_folder.Manifest
        As written, with `members` (source and strategy of each); `trained` is false, with a `reason`, if one of them
        was not trained.

    Raises
    ------
    ValueError
        If the members were not trained and tested on the same patients, or differ in their regions or grid.
    """
    manifests = [cell_folder.read_manifest(folder) for folder in folders]
    members = [{"source": member["source"], "strategy": member["strategy"]} for member in manifests]
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    manifest = {**cell, "trained": False, "splits": manifests[0]["splits"], "members": members}
    reasons = [f"{member['strategy']}: {member.get('reason')}" for member in manifests if not member["trained"]]
    with files.whole(out_folder) as part:
        part.mkdir()
        if reasons:
            manifest["reason"] = "; ".join(reasons)
        else:
            manifest |= _join(manifests)
            for subject in [*manifest["test"], *manifest["unlabelled"]]:
                cell_folder.write_packed(part, subject, _average(folders, subject))
            times = [float(cell_folder.read_seconds(folder)[-1]["seconds"]) for folder in folders]
            cell_folder.write_course(part, [], [round(sum(times), 3)])
        cell_folder.write_manifest(part, manifest)
    return manifest


def _join(manifests):
    """Describe trained members for the manifest; unlabelled subjects are those predicted by all members."""
    first = manifests[0]
    for name in ("splits", "train", "test", "outputs"):
        if any(member[name] != first[name] for member in manifests):
            raise ValueError(f"the members of an ensemble differ in {name}")
    unlabelled = [
        subject for subject in first["unlabelled"] if all(subject in member["unlabelled"] for member in manifests)
    ]
    seen = sorted({subject for member in manifests for subject in member["pretrained_on"]})
    shared = {name: first[name] for name in ("subjects", "train", "test", "outputs")}
    # True if the trainings of all members converged
    converged = all(member["converged"] for member in manifests)
    joined = {"trained": True, "reason": "", "converged": converged, "unlabelled": unlabelled, "pretrained_on": seen}
    return shared | joined


def _average(folders, subject):
    """Average a subject's probabilities for each region, as uint8; return them with their `box`."""
    packed = [cell_folder.read_packed(folder, subject) for folder in folders]
    first = packed[0]
    for member in packed:
        if set(member) != set(first) or any(member[name].shape != first[name].shape for name in member):
            raise ValueError(f"the members of an ensemble differ in the regions or the grid of sub-{subject}")
        if not np.array_equal(member["box"], first["box"]):
            raise ValueError(f"the members of an ensemble differ in the box of sub-{subject}")
    mean = {
        name: np.mean([member[name] for member in packed], axis=0, dtype=np.float32) for name in first if name != "box"
    }
    return {name: np.rint(value).astype(np.uint8) for name, value in mean.items()} | {"box": first["box"]}
