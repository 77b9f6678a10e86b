"""Simulated patients whose tumour reaches the brain's edge, and brain masks with the mistakes of real ones."""

import numpy as np
from scipy import ndimage

from neurograft.core import sequences
from neurograft.imaging import nifti
from neurograft.imaging.masks import combine_masks
from neurograft.preprocessing import brain_extraction, mask_edge_alarm
from neurograft.simulation import anatomy, subjects

LEAST_CONTACT = 300.0  # mm2 of the brain's edge that the tumour reaches
WORST_LOSS = 0.01  # share of the tumour that a mask may lose without an alarm
NO_LOSS = 0.001  # of a mask that loses none to speak of: an alarm is false beyond dispute


def simulate_at_edge(count, seed, spacing):
    """Give simulated patients whose tumour reaches the brain's edge, in the order of their numbers.

    Returns
    -------
    iterator of (dict, dict)
        As `subjects.simulate_subject` gives them.
    """
    template, found, index = anatomy.load_template(), 0, 0
    while found < count:
        if subjects.describe_subject(index, seed)["diagnosis"] != "none":
            scans, truth = subjects.simulate_subject(index, seed, spacing, template)
            brain, tumour = (np.asanyarray(scan.dataobj) > 0 for scan in (truth["brain"], scans["labels"]))
            area = np.prod(np.linalg.norm(scans["labels"].affine[:3, :3], axis=0)) ** (2 / 3)
            if np.count_nonzero(tumour & ~ndimage.binary_erosion(brain)) * area >= LEAST_CONTACT:
                found += 1
                yield scans, truth
        index += 1


def make_mistakes(brain, tumour, spacing, rng):
    """Give brain masks with mistakes, by name; which of them lose tumour is to be counted, not assumed.

    Parameters
    ----------
    brain, tumour : ndarray of bool, shape (X, Y, Z)
    spacing : sequence of 3 float
        mm.
    rng : numpy.random.Generator
    """
    depth = ndimage.distance_transform_edt(brain, sampling=spacing)
    height = ndimage.distance_transform_edt(~brain, sampling=spacing)
    places = np.stack(np.indices(brain.shape), axis=-1) * np.asarray(spacing)
    middle = places[brain].mean(axis=0)
    edge = places[tumour & (depth <= max(spacing))]
    spot = edge[rng.integers(len(edge))]
    rim = places[brain & (depth <= max(spacing))]
    mirrored = rim[np.argmin(((rim - [2 * middle[0] - spot[0], *spot[1:]]) ** 2).sum(axis=1))]

    def bite(centre, radius):
        return brain & (((places - centre) ** 2).sum(axis=-1) > radius**2)

    outwards = (spot - middle) / np.linalg.norm(spot - middle)
    axes = [(np.arange(n) - n / 2) * step for n, step in zip(brain.shape, spacing, strict=True)]
    return {
        "right": brain,
        "too wide": height <= rng.uniform(2, 5),
        "too narrow": depth > rng.uniform(2, 6),
        "wavering": depth - height > 2.0 * anatomy.smooth_field(rng, axes, 25.0),
        "bite at the tumour": bite(spot, rng.uniform(5, 20)),
        "slice off the tumour": brain & ((places - spot) @ outwards < -rng.uniform(2, 15)),
        "bite at the other side": bite(mirrored, rng.uniform(5, 20)),
    }


def measure(scans, truth, rng, engine=None):
    """Give one row for each mask of a subject: its name, the share of the tumour that it loses, what was found.

    Parameters
    ----------
    engine : str, optional
        Also the masks of this engine: each sequence's own, and their combination.
    """
    brain, tumour = (np.asanyarray(scan.dataobj) > 0 for scan in (truth["brain"], scans["labels"]))
    affine = truth["brain"].affine
    masks = make_mistakes(brain, tumour, np.linalg.norm(affine[:3, :3], axis=0), rng)
    masks = {name: nifti.image(mask.astype(np.uint8), affine) for name, mask in masks.items()}
    to_reference = {name: truth["motion"][name] for name in sequences.SEQUENCES}
    if engine:
        own, *_ = brain_extraction.strip_skull(scans, {}, "t1c", engine)
        masks[f"{engine}, t1c"] = own["t1c"]
        masks[f"{engine}, combined"] = combine_masks(own, to_reference, "t1c")
    rows = []
    for name, mask in masks.items():
        lost = 1 - np.count_nonzero(tumour & (np.asanyarray(mask.dataobj) > 0)) / np.count_nonzero(tumour)
        found, look = mask_edge_alarm.find_cut_tissue(scans, mask, to_reference)
        rows.append({"subject": truth["index"], "mask": name, "lost": lost, "alarm": bool(look), "found": found})
    return rows
