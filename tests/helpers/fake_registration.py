"""A subject on its native grid and its registration record."""

import numpy as np

SHAPE = (24, 26, 22)
NATIVE = np.array([[-1.0, 0, 0, 20], [0, -1, 0, 22], [0, 0, 1.0, -9], [0, 0, 0, 1]])
TEMPLATE = np.array([[1.0, 0, 0, -6], [0, 1, 0, -6], [0, 0, 1, -12], [0, 0, 0, 1]])
GRID = {"shape": [32, 32, 32], "affine": TEMPLATE.tolist()}
# template world to reference world: the reference lies 2 mm to the right
RECORD = {
    "to_template": np.array([[1.0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    "to_reference": {},
    "grid": GRID,
}
