"""The files of a source that is made during the run: its weights, its history and a manifest beside them."""

import hashlib
from pathlib import Path

import torch

from neurograft.core import files, tables
from neurograft.sources import table


def write_made_source(folder, source, state, history, facts, training=None):
    """Write the weights, the history, and last the manifest, each whole.

    Parameters
    ----------
    folder : str or Path
        Where `weights`, `manifest.json` and `history.tsv` are written.
    source : dict
        Row of `sources.tsv`.
    state : dict of str to Tensor, or None
        None, if the source could not be made, leaves the weights empty.
    history : list of dict
        The steps of its training; none if nothing was trained.
    facts, training : dict
        What the manifest says of how it was made, before and after the hash of the weights.

    Returns
    -------
    dict
        The manifest.
    """
    folder = Path(folder)
    with files.whole(folder / "weights") as part:
        if state is None:
            part.touch()
        else:
            torch.save(state, part)
    tables.write_table(folder / "history.tsv", history, None if history else ["step", "loss"])
    manifest = {"source": source["name"], "kind": table.kind_of(source), "backbone": source["backbone"]}
    manifest |= {"made": state is not None, "reason": "", **facts}
    manifest["sha256"] = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()
    manifest |= training or {}
    files.write_json(folder / table.MANIFEST, manifest)
    return manifest
