"""Patients with a bright cube as tumour, for 3-D networks: as files, and as `cells` would read them."""

import json

import numpy as np

from neurograft.imaging import packing
from neurograft.training import slices

# X, Y, Z: larger than a patch along one axis, smaller along the others
SHAPE = (48, 70, 40)
CUBE = (slice(8, 28), slice(30, 50), slice(10, 28))


def make_volume(seed, shape=SHAPE, cube=CUBE):
    """A labelled patient in memory; the first sequence is not for the network."""
    images, labels = _draw(seed, shape, cube)
    images[:, 0] = 100
    held = labels.any((1, 2))
    case = {"images": images, "channels": [1, 2, 3], "labels": labels}
    case["regions"] = slices.region_table({"WT": (4,), "TC": (4,), "ET": (4,)})
    return case | {"strata": {"tumour": np.flatnonzero(held), "rest": np.flatnonzero(~held)}}


def write_volume(folder, seed, labelled=True):
    """Write a patient's folder as `slices.write_slices` does."""
    images, labels = _draw(seed, SHAPE, CUBE)
    folder.mkdir(parents=True)
    box = [[3 + at, 3 + at + length] for at, length in enumerate(SHAPE)]
    index = {"sequences": ["t1", "t1c", "t2", "flair"], "box": box, "spacing": [2.0, 2.0, 2.0]}
    packing.write_packed(folder / "images.zlib", images)
    if labelled:
        packing.write_packed(folder / "labels.zlib", labels)
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def _draw(seed, shape, cube):
    """Noise and the cube: images (Z, 4, X, Y) float16 and labels (Z, X, Y)."""
    labels = np.zeros(shape, np.uint8)
    labels[cube] = 4
    images = np.random.default_rng(seed).normal(0, 1, (4, *shape)) + 3 * (labels > 0)
    return images.transpose(3, 0, 1, 2).astype(np.float16), np.ascontiguousarray(labels.transpose(2, 0, 1))
