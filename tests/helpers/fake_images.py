"""Made-up pictures of heads: an ellipse with a random inside, written as a camera or a thoughtless export would."""

import numpy as np
from PIL import Image


def make_head(seed, shape=(96, 96), tone=1.0):
    """A smooth random head on black, 8 bits; `tone` bends its grey values, so that classes differ in contrast."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    tall, wide = random.uniform(0.6, 0.9, 2)
    inside = (rows / tall) ** 2 + (columns / wide) ** 2 < 1
    coarse = Image.fromarray(random.uniform(60, 250, (9, 9)).astype(np.float32))
    texture = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC)) + random.normal(0, 4, shape)
    return np.where(inside, 255 * (np.clip(texture, 20, 250) / 255) ** tone, 0).astype(np.uint8)


def save(path, picture, **options):
    """Write a picture; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)
