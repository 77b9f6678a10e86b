"""Ensembles: the mean of what several arms of the experiment predict for the same patients, from files to files."""

from pathlib import Path

import numpy as np

from neurograft.core import files, tables


def average_predictions(out_folder, cell, folders):
    """Average the probabilities of some cells and write a folder that is read as any other cell's.

    Every member counts the same, and nothing is fitted. Members share task, space, split, n, fold and seed, so that
    none of them saw a patient whom the others test.

    Parameters
    ----------
    out_folder : str or Path
        Written whole or not at all.
    cell : dict
        As in `network_cells.train_cell`.
    folders : list of str or Path
        The members' cells.

    Returns
    -------
    dict
        The manifest, as written: `members` (source and strategy of each), and `trained` false, with the `reason`,
        where one of them was not trained.

    Raises
    ------
    ValueError
        If the members were not trained and tested on the same patients, or differ in their regions or grid.
    """
    manifests = [files.read_json(Path(folder) / "manifest.json") for folder in folders]
    members = [{name: one[name] for name in ("source", "strategy")} for one in manifests]
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    manifest = {**cell, "trained": False, "splits": manifests[0]["splits"], "members": members}
    reasons = [f"{one['strategy']}: {one['reason']}" for one in manifests if not one["trained"]]
    with files.whole(out_folder) as part:
        part.mkdir()
        if reasons:
            manifest["reason"] = "; ".join(reasons)
        else:
            manifest |= _join(manifests)
            for subject in [*manifest["test"], *manifest["unlabelled"]]:
                np.savez_compressed(part / f"sub-{subject}.npz", **_average(folders, subject))
            tables.write_table(part / "history.tsv", [], ("step", "phase", "loss", "rate"))
            times = [tables.read_table(Path(folder) / "seconds.tsv")[-1]["seconds"] for folder in folders]
            tables.write_table(part / "seconds.tsv", [{"step": 1, "seconds": round(sum(map(float, times)), 3)}])
        files.write_json(part / "manifest.json", manifest)
    return manifest


def _join(manifests):
    """What a manifest says of members that were all trained; who is unlabelled is who all of them predict."""
    first = manifests[0]
    for name in ("splits", "train", "test", "outputs"):
        if any(one[name] != first[name] for one in manifests):
            raise ValueError(f"the members of an ensemble differ in {name}")
    unlabelled = [subject for subject in first["unlabelled"] if all(subject in one["unlabelled"] for one in manifests)]
    seen = sorted({subject for one in manifests for subject in one["pretrained_on"]})
    shared = {name: first[name] for name in ("subjects", "train", "test", "outputs")}
    # what has no training has nothing left to converge
    converged = all(one["converged"] for one in manifests)
    joined = {"trained": True, "reason": "", "converged": converged, "unlabelled": unlabelled, "pretrained_on": seen}
    return shared | joined


def _average(folders, subject):
    """Mean of a subject's probabilities by region, uint8 again, and their `box`."""
    packed = []
    for folder in folders:
        with np.load(Path(folder) / f"sub-{subject}.npz") as one:
            packed.append(dict(one))
    first = packed[0]
    for one in packed:
        if set(one) != set(first) or any(one[name].shape != first[name].shape for name in one):
            raise ValueError(f"the members of an ensemble differ in the regions or the grid of sub-{subject}")
        if not np.array_equal(one["box"], first["box"]):
            raise ValueError(f"the members of an ensemble differ in the box of sub-{subject}")
    mean = {name: np.mean([one[name] for one in packed], axis=0, dtype=np.float32) for name in first if name != "box"}
    return {name: np.rint(value).astype(np.uint8) for name, value in mean.items()} | {"box": first["box"]}
