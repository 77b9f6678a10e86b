"""Batches for training: slices are drawn from patients, placed on a common canvas, and augmented.

A *case* is one patient: a dict with `images` (Z, all sequences, X, Y), `channels` (numbers of the network's input
sequences, None for one that the patient lacks) and `strata` (lists of slice numbers to draw from); for segmentation
also `labels` (Z, X, Y), `regions` (boolean table, label value x region) and `lesions` (whether these are lesions), for
classification `classes` (Z,). Slices that are not axial have their `plane`, and other axes in the places of Z, X and Y.
Arrays may be memory maps or packed (`packing`): only the drawn slices are read.
"""

import numpy as np
import torch

from neurograft.training.augmentation import augment
from neurograft.training.slices import AXIAL, read_channels

MULTIPLE = 32
WHOLE_SHARE = 0.5  # share of slices that keep all channels if channels are dropped
DROPS = 3  # random stream of channel dropping, separate from those of drawing and augmentation


def draw_batches(cases, shares, batch, seed, size=None, augmented=True, dropout=False):
    """Yield endless batches, augmented by default.

    A stratum is drawn by its share, then a patient that has it, then one of the patient's slices. Every patient thus
    has the same weight, however many slices it has.

    Slices of several planes are in batches of one plane each, in turn, because their sizes differ.

    Parameters
    ----------
    cases : list of dict
        A patient is in it once for each plane.
    shares : dict of str to float
        Share of each stratum; one that no case has is left out.
    batch, seed : int
    size : tuple of int, optional
        Of the canvas; by default `canvas_size` of the cases of a plane.
    augmented : bool
    dropout : bool
        Whether whole channels are dropped (`drop_channels`). The choice depends only on the seed and does not change
        the other random draws.

    Yields
    ------
    images : Tensor, shape (batch, C, X, Y)
    targets : Tensor, shape (batch, R, X, Y) in 0 and 1, or (batch,) classes, or None without either
    """
    planes = list(dict.fromkeys(case.get("plane", AXIAL) for case in cases))
    if len(planes) > 1:
        groups = ([case for case in cases if case.get("plane", AXIAL) == plane] for plane in planes)
        seeds = [seed, *np.random.SeedSequence(seed).generate_state(len(planes) - 1).tolist()]
        streams = [
            draw_batches(group, shares, batch, own, size, augmented, dropout)
            for group, own in zip(groups, seeds, strict=True)
        ]
        while True:
            yield from map(next, streams)
    random, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    dropping = np.random.default_rng([seed, DROPS])
    size = size or case_canvas(cases)
    for chosen in draw_slices(cases, shares, batch, random):
        images, targets = _read(chosen, size)
        if augmented:
            masks = targets if targets is not None and targets.ndim == images.ndim else None
            images, masks = augment(images, masks, generator, chosen[0][0].get("lesions", False))
            targets = targets if masks is None else masks
        if dropout:
            drop_channels(images, [case for case, _ in chosen], dropping)
        yield images, targets


def draw_fixed(case, count, size=None):
    """Return fixed slices of one case without augmentation, the same in every call, for comparing networks.

    Each stratum gives the same number of slices, evenly spaced in order. If one has too few, the others give more.

    Parameters
    ----------
    case : dict
    count : int
        Number of slices; a case with fewer gives all of them.
    size : tuple of int, optional
        Of the canvas; by default `canvas_size` of this case.

    Returns
    -------
    images : Tensor, shape (slices, C, X, Y)
    targets : Tensor or None
        As in `draw_batches`.

    Raises
    ------
    ValueError
        If no stratum has a slice.
    """
    strata = sorted((np.sort(np.asarray(slices, int)) for slices in case["strata"].values()), key=len)
    chosen = []
    for left, slices in zip(range(len(strata), 0, -1), strata):
        # smaller strata come first, so that the others can make up for them
        take = min(len(slices), -(-(count - len(chosen)) // left))
        chosen += slices[((np.arange(take) + 0.5) * len(slices) / max(take, 1)).astype(int)].tolist()
    if not chosen:
        raise ValueError("this patient has no slice to draw")
    return _read([(case, z) for z in chosen], size or case_canvas([case]))


def _read(chosen, size):
    """Read (case, slice) pairs: images and, if the cases have them, region masks or classes."""
    images = np.stack([fit(read_channels(case, z), size) for case, z in chosen])
    targets = None
    if "classes" in chosen[0][0]:
        targets = torch.tensor([int(case["classes"][z]) for case, z in chosen])
    elif "labels" in chosen[0][0]:
        masks = np.stack([case["regions"][fit(case["labels"][z], size)] for case, z in chosen])
        targets = torch.from_numpy(masks).permute(0, 3, 1, 2).float()
    return torch.from_numpy(images).float(), targets


def draw_slices(cases, shares, batch, random):
    """Yield endless lists of `batch` pairs (case, slice number); parameters as in `draw_batches`."""
    holders = {name: [case for case in cases if len(case["strata"].get(name, ()))] for name in shares}
    names = [name for name in shares if holders[name]]
    if not names:
        raise ValueError("no training patient has a slice to draw")
    odds = np.array([shares[name] for name in names], float)
    while True:
        chosen = []
        for name in random.choice(names, size=batch, p=odds / odds.sum()):
            case = holders[name][random.integers(len(holders[name]))]
            chosen.append((case, random.choice(case["strata"][name])))
        yield chosen


def drop_channels(images, cases, random):
    """Set whole channels to zero in place: half of the samples are unchanged, the others keep at least 1 channel.

    The number of channels to keep is drawn first, then which ones, so that all numbers are equally frequent. A network
    for patients with missing sequences is thus trained on every subset of its channels.

    Parameters
    ----------
    images : Tensor, shape (batch, C, ...)
    cases : list of dict
        The patient of each sample.
    random : numpy.random.Generator
    """
    for image, case in zip(images, cases, strict=True):
        there = [number for number, channel in enumerate(case["channels"]) if channel is not None]
        if len(there) > 1 and random.random() >= WHOLE_SHARE:
            dropped = random.permutation(there)[random.integers(1, len(there)) :]
            image[dropped.tolist()] = 0


def case_canvas(cases):
    """Choose the canvas size for the slices of some cases."""
    return canvas_size([case["images"].shape[2:] for case in cases])


def canvas_size(sizes, spare=8):
    """Choose the slice size for training: multiples of 32 that contain the largest case.

    Up to `spare` excess voxels are cropped at the edges, where there is hardly any brain, instead of padding to the
    next multiple.
    """
    largest = np.max(sizes, axis=0)
    return tuple(int(max(MULTIPLE, np.ceil((n - spare) / MULTIPLE) * MULTIPLE)) for n in largest)


def fit(array, size):
    """Centre the last two axes on a canvas, with zero padding or cropping."""
    out = np.zeros((*array.shape[:-2], *size), array.dtype)
    to, of = [], []
    for have, want in zip(array.shape[-2:], size, strict=True):
        length = min(have, want)
        to.append(slice((want - length) // 2, (want - length) // 2 + length))
        of.append(slice((have - length) // 2, (have - length) // 2 + length))
    out[(..., *to)] = array[(..., *of)]
    return out
