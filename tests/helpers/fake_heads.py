"""Heads that are cheap to make and differ from each other: texture in an ellipsoid, and what users do to copies."""

import io

import nibabel as nib
import numpy as np
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter


def make_head(seed, shape=(70, 84, 36), spacing=(2.0, 2.0, 4.0)):
    """Make an image with a texture of several millimetres, its own for each seed."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    inside = sum((grid / 0.85) ** 2 for grid in grids) < 1
    texture = sum(
        weight * gaussian_filter(rng.normal(size=shape), sigma) * sigma**1.5
        for weight, sigma in ((1, 1.2), (1, 2.2), (0.7, 4))
    )
    values = np.where(inside, 400 + 120 * texture / texture.std(), 0).clip(0)
    return nib.Nifti1Image(values.astype(np.float32), np.diag([*spacing, 1]))


def mirror(image):
    return nib.Nifti1Image(np.asarray(image.dataobj)[::-1].copy(), image.affine)


def move(image, degrees=6.0, shift=(3, -4, 4)):
    """Turn about two axes, and shift, in mm."""
    sizes, angle = np.diag(image.affine)[:3], np.radians(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    turn = turn @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    matrix = np.diag(1 / sizes) @ turn @ np.diag(sizes)
    middle = (np.array(image.shape) - 1) / 2
    moved = affine_transform(
        np.asarray(image.dataobj), matrix, middle - matrix @ middle + np.array(shift) / sizes, order=1
    )
    return nib.Nifti1Image(moved, image.affine)


def resample(image, factors=(1.25, 1.25, 1.5)):
    shape = tuple(int(n / factor) for n, factor in zip(image.shape, factors))
    values = affine_transform(np.asarray(image.dataobj), np.diag(factors), output_shape=shape, order=1)
    return nib.Nifti1Image(values, image.affine @ np.diag([*factors, 1]))


def crop(image):
    return nib.Nifti1Image(np.asarray(image.dataobj)[6:-8, 9:-4, 5:-3].copy(), image.affine)


def encode(image):
    """Save every slice as a JPEG of 8 bits."""
    values = np.asarray(image.dataobj)
    grey = np.uint8(255 * (values / values.max()) ** 0.8)
    out = np.empty(values.shape, np.float32)
    for number in range(values.shape[2]):
        stored = io.BytesIO()
        Image.fromarray(grey[:, :, number]).save(stored, "JPEG", quality=60)
        out[:, :, number] = np.asarray(Image.open(stored))
    return nib.Nifti1Image(out, image.affine)


def save_again(image):
    """The same values, under another name."""
    return nib.Nifti1Image(np.asarray(image.dataobj).copy(), image.affine)


COPIES = {
    "moved": move, "resampled": resample, "cropped": crop, "mirrored": mirror, "encoded": encode, "saved": save_again,
}  # fmt: skip
