"""Make brain masks: one for each sequence on its own grid, because patients move between sequences."""

import numpy as np

from neurograft.imaging.headers import same_grid
from neurograft.imaging.masks import mask_volume, overlap, tidy_mask
from neurograft.imaging.measures import measure_scans
from neurograft.imaging.nifti import image
from neurograft.preprocessing.extraction_engines import BRAIN_EXTRACTION_ENGINES, NONE

# Volume of an adult brain with its fluid spaces, including extremes of disease and of the field of view.
SMALLEST_ML, LARGEST_ML = 600, 2200
LARGEST_DISAGREEMENT = 0.15
LEAST_INSIDE = 0.5  # share of a label that lies in the brain
# Two good engines agree to about 0.95 or more (HD-BET and BrainLesion on a real T1c with a tumour: 0.975).
LEAST_AGREEMENT = 0.90
FIRST_ONLY, SECOND_ONLY = 1, 2  # values of the disagreement map


def strip_skull(scans, stripped, reference, engine="deepbet", second="none", threads=1):
    """Find the brain in each sequence.

    Strange data raise no error: an empty mask is a valid result, and is flagged.

    Parameters
    ----------
    scans : dict of str to nibabel.Nifti1Image
        Canonical sequences, each on its own grid; of `labels` only the share outside of the brain is looked at.
    stripped : dict of str to bool
        Whether a sequence was already skull-stripped; if so, its brain is its non-zero voxels.
    reference : str
        The sequence to which the others are later aligned; the volumes of their masks are compared with its own.
    engine : str
        A key of `BRAIN_EXTRACTION_ENGINES`; "none" takes every scan as it is, stripped or not, and does not check its
        size.
    second : str
        Another key, for a second mask of the reference; "none" for no second mask. It does not change any mask.
    threads : int
        Threads of the network. The number is fixed, because it may change the last bits of the probabilities.

    Returns
    -------
    masks : dict of str to nibabel.Nifti1Image
        uint8, on the grid of each sequence.
    record : dict
        `engine`, `stripped_already` (whether all sequences were), `stripped` (for each sequence), `volume_ml` (of each
        brain), `flags` in plain words, and the entries of `measures.measure_scans`. If a second engine was applied to
        a reference with skull, also `second` (`engine`; `agreement`, the Dice coefficient of the two masks, by the name
        of the reference; `volume_ml`) and `look`, remarks that are no reason to exclude the subject.
    disagreement : nibabel.Nifti1Image or None
        uint8, on the grid of the reference: `FIRST_ONLY` and `SECOND_ONLY` where only one of the two engines finds
        brain.
    """
    names, whole = [name for name in scans if name != "labels"], engine == NONE
    if whole:
        # there is no air for measuring noise, and no brain whose size could be checked
        stripped = dict.fromkeys(names, True)
    finite = {name: _finite(scans[name]) for name in names}
    find = None
    masks = {}
    for name in names:
        if stripped.get(name, False) and not whole:
            found = np.asanyarray(finite[name].dataobj) != 0
        else:
            # the network is loaded once, and only if there is a skull to strip
            find = find or BRAIN_EXTRACTION_ENGINES[engine](threads)
            found = _find(find, finite[name])
        masks[name] = image((found if whole else tidy_mask(found)).astype(np.uint8), scans[name].affine)
    volumes = {name: round(mask_volume(mask), 1) for name, mask in masks.items()}
    record = {
        "engine": engine,
        "stripped_already": all(stripped.get(name, False) for name in names),
        "stripped": {name: bool(stripped.get(name, False)) for name in names},
        "volume_ml": {} if whole else volumes,
        "flags": [] if whole else volume_flags(volumes, reference) + label_flags(scans.get("labels"), masks),
    } | measure_scans(scans, masks, stripped)
    if second == "none" or stripped.get(reference, False):
        return masks, record, None
    found = tidy_mask(_find(BRAIN_EXTRACTION_ENGINES[second](threads), finite[reference]))
    record["second"], record["look"], disagreement = compare_opinions(masks[reference], found, second, reference)
    return masks, record, disagreement


def label_flags(labels, masks):
    """Flag a label that lies mostly outside of the brain.

    Parameters
    ----------
    labels : nibabel.Nifti1Image or None
    masks : dict of str to nibabel.Nifti1Image
        Brain masks; those on the grid of the label count, if they are not empty.

    Returns
    -------
    list of str
    """
    marked = None if labels is None else np.asanyarray(labels.dataobj) != 0
    if labels is None or marked is None or not marked.any():
        return []
    brains = [np.asanyarray(mask.dataobj) > 0 for mask in masks.values() if same_grid(mask, labels)]
    inside = max((float(brain[marked].mean()) for brain in brains if brain.any()), default=1.0)
    if inside >= LEAST_INSIDE:
        return []
    return [f"labels: {1 - inside:.0%} lie outside of the brain; is it another patient's, or mirrored?"]


def compare_opinions(mask, found, second, reference):
    """Compare a second engine's mask with the first one's.

    Parameters
    ----------
    mask : nibabel.Nifti1Image
        Mask of the first engine.
    found : ndarray of bool, shape (X, Y, Z)
        Mask of the second engine, on the same grid.
    second, reference : str
        Names of the second engine and of the sequence.

    Returns
    -------
    record : dict
    look : list of str
    disagreement : nibabel.Nifti1Image
        All three as described in `strip_skull`: `record` is its entry `second`.
    """
    first = np.asanyarray(mask.dataobj) > 0
    other = image(found.astype(np.uint8), mask.affine)
    agreement = round(overlap(first, found), 4)
    record = {
        "engine": second,
        "agreement": {reference: agreement},
        "volume_ml": {reference: round(mask_volume(other), 1)},
    }
    look = []
    if agreement < LEAST_AGREEMENT:
        look.append(
            f"{reference}: {second}, asked for a second opinion, sees another brain (Dice {agreement:.2f}, "
            f"{mask_volume(other):.0f} ml instead of {mask_volume(mask):.0f} ml)"
        )
    differ = FIRST_ONLY * (first & ~found) + SECOND_ONLY * (found & ~first)
    return record, look, image(differ.astype(np.uint8), mask.affine)


def _finite(scan):
    """Return an image with its data as float32, and NaN and infinity set to zero."""
    data = np.nan_to_num(np.asanyarray(scan.dataobj).astype(np.float32), posinf=0.0, neginf=0.0)
    return image(data, scan.affine)


def _find(find, scan):
    """Return the engine's mask, or an empty one if the image is constant."""
    data = np.asanyarray(scan.dataobj)
    return find(scan) if data.min() < data.max() else np.zeros(data.shape, bool)


def volume_flags(volumes, reference):
    """Describe implausible volumes of a subject's brain masks.

    Parameters
    ----------
    volumes : dict of str to float
        Volume of each sequence's mask in millilitres.
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
