"""The decoder and head of a source: apart from its weights, because only segmenters read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurograft.networks import flair_unet
from neurograft.sources import table
from neurograft.sources.weights import SourceFiles, load_weights


def read_top(source: SourceFiles, manifest: Mapping[str, Any], state: Mapping[str, Any]):
    """Read a source's decoder and head, and the names of its outputs; nothing if it has only an encoder.

    Parameters
    ----------
    source : weights.SourceFiles
    manifest : dict
        Beside the weights of a source that is made here; empty for others.
    state : dict of str to Tensor
        Its weights.

    Returns
    -------
    top : dict of str to Tensor
        As `builders.load_top` takes it.
    outputs : sequence of str
    """
    if outputs := manifest.get("outputs"):
        return load_weights(Path(source.weights).with_name(table.TOP), manifest["top_sha256"]), outputs
    if source.row["backbone"] == flair_unet.NAME:
        return flair_unet.take_top(state), flair_unet.OUTPUTS
    return {}, ()
