"""Two made-up patients to train on, as `cells` would read them, and the address of a cell."""

import numpy as np

CELL = {
    "task": "segmentation",
    "source": "efficientnet-lite0",
    "strategy": "lp-ft",
    "space": "MNI152",
    "split": "folds",
    "n": "all",
    "fold": 1,
    "seed": 0,
}
# stratum of slices to its share of a batch
SHARES = {"tumour": 0.67, "rest": 0.33}


def make_case(seed, shape=(8, 32, 32)):
    """A patient with a bright disc as tumour in half of the slices; the first sequence is not for the network."""
    random = np.random.default_rng(seed)
    grid = np.mgrid[: shape[1], : shape[2]]
    centre = random.uniform(10, 22, 2)[:, None, None]
    labels = np.zeros(shape, np.uint8)
    labels[: shape[0] // 2] = ((grid - centre) ** 2).sum(0) < 49
    images = random.normal(0, 1, (shape[0], 3, *shape[1:])) + 3 * labels[:, None]
    images[:, 0] = 100
    half = np.arange(shape[0]) < shape[0] // 2
    case = {"images": images.astype(np.float16), "channels": [1, 2], "labels": labels}
    case["regions"] = np.arange(256)[:, None] == 1
    return case | {"strata": {"tumour": np.flatnonzero(half), "rest": np.flatnonzero(~half)}}


CASES = [make_case(0), make_case(1)]
