"""The negative control of a source: its own weights in another order.

Every tensor keeps its values, so their scale and distribution are those of the source, but nothing that was learnt is
left. What such a source gains over training from scratch is due to the initial values, not to what they know.
"""

import hashlib
from pathlib import Path

import torch

from neurograft.core import files, tables
from neurograft.sources import table
from neurograft.sources.weights import load_weights


def shuffle_source(folder, source, base, seed):
    """Write the weights of another source with the values of each tensor in random order.

    Parameters
    ----------
    folder : str or Path
        Where `weights`, `manifest.json` and an empty `history.tsv` are written.
    source : dict
        Row of `sources.tsv`.
    base : weights.SourceFiles
        The source whose weights are shuffled.
    seed : int

    Returns
    -------
    dict
        The manifest.
    """
    state = shuffle_weights(load_weights(base.weights, base.row["sha256"]), seed)
    folder = Path(folder)
    with files.whole(folder / "weights") as part:
        torch.save(state, part)
    tables.write_table(folder / "history.tsv", [], ["step", "loss"])
    manifest = {"source": source["name"], "kind": table.kind_of(source), "backbone": source["backbone"]}
    manifest |= {"made": True, "reason": "", "base": base.row["name"], "base_sha256": base.row["sha256"]}
    manifest |= {"subjects": [], "seed": seed}
    manifest["sha256"] = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()
    files.write_json(folder / table.MANIFEST, manifest)
    return manifest


def shuffle_weights(state, seed):
    """Permute the values within each tensor.

    Parameters
    ----------
    state : dict of str to Tensor
    seed : int

    Returns
    -------
    dict of str to Tensor
        The same names, shapes and values.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value.flatten()[torch.randperm(value.numel(), generator=generator)].reshape(value.shape)
        for name, value in sorted(state.items())
    }
