"""The negative control of a source: its own weights in another order.

Every tensor keeps its values, so their scale and distribution are those of the source, but nothing that was learnt is
left. What such a source gains over training from scratch is due to the initial values, not to what they know.
"""

import torch

from neurograft.sources.made_files import write_made_source
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
    facts = {"base": base.row["name"], "base_sha256": base.row["sha256"], "subjects": [], "seed": seed}
    return write_made_source(folder, source, state, [], facts)


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
