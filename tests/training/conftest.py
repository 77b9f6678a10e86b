"""Fixtures of this room."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def square_cases():
    """Two patients of 32x32 slices with a bright square as tumour."""
    random, made = np.random.default_rng(0), []
    for _ in range(2):
        labels = np.zeros((6, 32, 32), np.uint8)
        labels[:3, 8:20, 8:20] = 1
        images = random.normal(0, 1, (6, 3, 32, 32)) + 3 * labels[:, None]
        table = np.arange(256)[:, None] == 1
        strata = {"tumour": np.arange(3), "rest": np.arange(3, 6)}
        made.append({"images": images.astype(np.float16), "channels": [0, 1, 2], "labels": labels, "regions": table})
        made[-1]["strata"] = strata
    return made
