"""Brain masks: each sequence's own, on its own grid, since patients move between sequences."""

import numpy as np
from scipy import ndimage

from neurograft.image_quality import measure_scans
from neurograft.images import grid_box, image
from neurograft.quality import mask_volume

# An adult brain with its fluid spaces, the extremes of disease and of the field of view included.
SMALLEST_ML, LARGEST_ML = 600, 2200
LARGEST_DISAGREEMENT = 0.15


def strip_skull(scans, stripped, reference, engine="deepbet", threads=2):
    """Find the brain in each sequence.

    Never raises for strange data: an empty mask is an answer, and is flagged.

    Parameters
    ----------
    scans : dict of str to nibabel.Nifti1Image
        Canonical sequences, each on its own grid; `labels` is passed over.
    stripped : dict of str to bool
        Whether a sequence was already skull-stripped: then its brain is what is not zero.
    reference : str
        The sequence that the others are later aligned to; the masks' volumes are compared with its.
    engine : str
        A key of `BRAIN_EXTRACTION_ENGINES`.
    threads : int
        Threads of the network, a fixed number, since it may change the last bits of the probabilities.

    Returns
    -------
    masks : dict of str to nibabel.Nifti1Image
        uint8, on the grid of each sequence.
    record : dict
        `engine`, `stripped_already` (all of them), `stripped` (each), `volume_ml`, `flags` in plain words, and
        `image_quality.measure_scans`.
    """
    names = [name for name in scans if name != "labels"]
    find = None
    masks = {}
    for name in names:
        data = np.nan_to_num(np.asanyarray(scans[name].dataobj).astype(np.float32), posinf=0.0, neginf=0.0)
        if stripped.get(name, False):
            found = data != 0
        else:
            # the network is loaded once, and only where there is a skull to strip
            find = find or BRAIN_EXTRACTION_ENGINES[engine](threads)
            found = find(data)
        masks[name] = image(tidy_mask(found).astype(np.uint8), scans[name].affine)
    volumes = {name: round(mask_volume(mask), 1) for name, mask in masks.items()}
    record = {
        "engine": engine,
        "stripped_already": all(stripped.get(name, False) for name in names),
        "stripped": {name: bool(stripped.get(name, False)) for name in names},
        "volume_ml": volumes,
        "flags": volume_flags(volumes, reference),
    }
    return masks, record | measure_scans(scans, masks, stripped)


def tidy_mask(found):
    """Keep the largest connected piece of a mask and fill its holes.

    Parameters
    ----------
    found : ndarray of bool, shape (X, Y, Z)

    Returns
    -------
    ndarray of bool
    """
    pieces, count = ndimage.label(found)
    if not count:
        return np.zeros(np.shape(found), bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    kept = pieces == sizes.argmax()
    box = grid_box(kept)
    # holes are the background that does not reach the outside (ten times faster than growing from there)
    background, _ = ndimage.label(np.pad(~kept[box], 1, constant_values=True))
    kept[box] = (background != background[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return kept


def volume_flags(volumes, reference):
    """Say in plain words what is odd about the volumes of a subject's brain masks.

    Parameters
    ----------
    volumes : dict of str to float
        Millilitres of each sequence's mask.
    reference : str

    Returns
    -------
    list of str
    """
    flags = []
    for name, volume in volumes.items():
        if volume == 0:
            flags.append(f"{name}: no brain found, the mask is empty")
        elif not SMALLEST_ML <= volume <= LARGEST_ML:
            flags.append(f"{name}: brain mask of {volume:.0f} ml, implausible for an adult")
    base = volumes.get(reference, 0)
    for name, volume in volumes.items():
        if base and volume and abs(volume - base) > LARGEST_DISAGREEMENT * base:
            flags.append(
                f"{name}: brain mask of {volume:.0f} ml, that of {reference} has {base:.0f} ml"
                " (one of them is wrong, or shows only part of the head)"
            )
    return flags


def _load_deepbet(threads):
    """Load deepbet (Fisch et al. 2024, Comput. Biol. Med. 179:108845), whose weights lie in its wheel.

    Returns a function from an array of shape (X, Y, Z), canonical axes, to a boolean array. It runs on the
    processor, so that masks do not depend on whether a machine has a graphics card.
    """
    import torch
    from deepbet import BrainExtraction

    network = BrainExtraction(no_gpu=True)

    def find(data):
        if data.min() == data.max():
            return np.zeros(data.shape, bool)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return network.run_model(data) > 0.5
        except (ValueError, AssertionError):
            # so it says that its first, coarse look saw nothing like a head
            return np.zeros(data.shape, bool)
        finally:
            torch.set_num_threads(before)

    return find


BRAIN_EXTRACTION_ENGINES = {"deepbet": _load_deepbet}
