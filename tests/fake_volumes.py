"""Patients with a bright cube, smaller than a patch in one axis and larger in another, as cells would read them."""

import json

import numpy as np

SHAPE = (48, 70, 40)  # X, Y, Z
CUBE = (slice(8, 28), slice(30, 50), slice(10, 28))


def write_volume(folder, seed, labelled=True):
    """Write one patient's slices; the cube is brighter in every sequence."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    labels = np.zeros(SHAPE, np.uint8)
    labels[CUBE] = 4
    images = random.normal(0, 1, (4, *SHAPE)) + 3 * (labels > 0)
    np.save(folder / "images.npy", images.transpose(3, 0, 1, 2).astype(np.float16))
    if labelled:
        np.save(folder / "labels.npy", np.ascontiguousarray(labels.transpose(2, 0, 1)))
    box = [[3 + at, 3 + at + length] for at, length in enumerate(SHAPE)]
    index = {"sequences": ["t1", "t1c", "t2", "flair"], "box": box, "spacing": [2.0, 2.0, 2.0]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder
