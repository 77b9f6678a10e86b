"""Augment batches of slices: geometry, intensities, image quality, and lesions of other patients.

The same for every strategy, so that a comparison of strategies is none of augmentations. What each part gains is in
docs/results.md, "What does each part of the recipe gain?".
"""

import math

import torch
from torch.nn import functional

MIXED = 0.3  # share of the slices that get another one's lesion
BENT = 0.5  # share of the slices that are deformed
BENDING = 0.04  # spread of the deformation's nodes, in halves of the field of view
NODES = 32  # pixels between these nodes
RIM = 3  # pixels by which a lesion is cut out larger, and over which it is blended


def augment(images, masks, generator, lesions=False):
    """Augment slices; without masks only their geometry and the scale of their intensities.

    Geometry: flips of the first axis (left-right, but in sagittal slices front to back), rotations up to 15 degrees,
    sizes within 15 %, shifts up to 5 % of the field of view.
    Intensities of each channel: times 0.7 to 1.3 plus -0.3 to 0.3 (in units of the brain's spread), because scanners
    differ by as much after a robust z-score. With masks also: half of the slices are deformed, and of the channels some
    are blurred, made coarser, noisy, or get another contrast (gamma).

    Parameters
    ----------
    images : Tensor, shape (batch, C, X, Y)
    masks : Tensor, shape (batch, R, X, Y), or None
    generator : torch.Generator
    lesions : bool
        Whether the masks are lesions, which may be blended into other slices of the batch (`mix_lesions`).

    Returns
    -------
    images, masks : Tensor
    """
    if masks is not None and lesions:
        images, masks = mix_lesions(images, masks, generator)
    grid = _draw_grid(images, generator, bent=masks is not None)
    moved = functional.grid_sample(images, grid, align_corners=False)
    count, channels = images.shape[:2]
    factor, offset = (_uniform(generator, *ends, count, channels, 1, 1) for ends in ((0.7, 1.3), (-0.3, 0.3)))
    brain = moved != 0
    changed = moved * factor + offset
    if masks is not None:
        masks = functional.grid_sample(masks, grid, mode="nearest", align_corners=False)
        changed = _degrade(changed, brain, generator)
    return torch.where(brain, changed, moved), masks


def mix_lesions(images, masks, generator):
    """Blend the lesions of some slices of a batch into others, where both have brain.

    A lesion is pasted in its own place or mirrored, so that it stays within a head of about the same size. It is cut
    out with a rim over which the two images are blended; the label changes where more than half is of the other slice.
    After CarveMix (Zhang et al. 2021) and the blended lesions of Huo et al. (2022).

    Parameters
    ----------
    images : Tensor, shape (batch, C, X, Y)
    masks : Tensor, shape (batch, R, X, Y)
        The first region holds all others.
    generator : torch.Generator

    Returns
    -------
    images, masks : Tensor
        Copies.
    """
    count, side = len(images), 2 * RIM + 1
    wanted = _uniform(generator, 0, 1, count) < MIXED
    givers, mirrored = torch.randint(count, (count,), generator=generator), _uniform(generator, 0, 1, count) < 0.5
    mixed, labels = images.clone(), masks.clone()
    for slot in torch.nonzero(wanted).flatten().tolist():
        giver = int(givers[slot])
        if giver == slot or not masks[giver, 0].any():
            continue
        other, label = images[giver], masks[giver]
        if mirrored[slot]:
            other, label = other.flip(1), label.flip(1)
        wide = functional.max_pool2d(label[None, :1], side, 1, RIM)
        weight = functional.avg_pool2d(wide, side, 1, RIM)[0]
        weight = weight * (images[slot] != 0).any(0) * (other != 0).any(0)
        mixed[slot] = weight * other + (1 - weight) * images[slot]
        # a channel that either patient lacks stays as it was
        lacking = ~(images[slot] != 0).flatten(1).any(1) | ~(other != 0).flatten(1).any(1)
        mixed[slot, lacking] = images[slot, lacking]
        labels[slot] = torch.where(weight > 0.5, label, masks[slot])
    return mixed, labels


def _uniform(generator, low, high, *shape):
    return low + (high - low) * torch.rand(shape, generator=generator)


def _draw_grid(images, generator, bent):
    """Draw where each pixel of the augmented slices comes from, shape (batch, X, Y, 2)."""
    count, _, x, y = images.shape
    angle, zoom = _uniform(generator, -0.26, 0.26, count), _uniform(generator, 0.85, 1.15, count)
    flip = torch.where(_uniform(generator, 0, 1, count) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    # grid_sample's first coordinate runs along the last axis, Y; the ratio keeps pixels square
    theta[:, 0, 0], theta[:, 0, 1] = zoom * angle.cos(), -zoom * angle.sin() * (x / y) * flip
    theta[:, 1, 0], theta[:, 1, 1] = zoom * angle.sin() * (y / x), zoom * angle.cos() * flip
    theta[:, :, 2] = _uniform(generator, -0.1, 0.1, count, 2)
    grid = functional.affine_grid(theta, [count, 1, x, y], align_corners=False)
    if not bent:
        return grid
    nodes = torch.randn(count, 2, max(2, x // NODES), max(2, y // NODES), generator=generator) * BENDING
    nodes = nodes * (_uniform(generator, 0, 1, count, 1, 1, 1) < BENT)
    away = functional.interpolate(nodes, size=(x, y), mode="bicubic", align_corners=False)
    return grid + away.permute(0, 2, 3, 1)


def _degrade(images, brain, generator):
    """Blur, coarsen, change the contrast of, or add noise to some channels of some slices."""
    shape = images.shape[:2]
    for share, ends, change in DEGRADATIONS:
        wanted, amount = _uniform(generator, 0, 1, *shape) < share, _uniform(generator, *ends, *shape)
        for slot, channel in torch.nonzero(wanted & brain.flatten(2).any(2)).tolist():
            about = float(amount[slot, channel]), brain[slot, channel], generator
            images[slot, channel] = change(images[slot, channel], *about)
    return images


def _blur(image, sigma, brain, generator):
    """Smooth a channel with a Gaussian, sigma in pixels."""
    kernel = torch.exp(-(torch.arange(-RIM, RIM + 1.0) ** 2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum())[None, None]
    across = functional.conv2d(image[None, None], kernel[..., None], padding=(RIM, 0))
    return functional.conv2d(across, kernel[:, :, None], padding=(0, RIM))[0, 0]


def _coarsen(image, share, brain, generator):
    """Sample a channel at fewer pixels, a share of them along each axis, and back."""
    smaller = [max(1, round(share * n)) for n in image.shape]
    few = functional.interpolate(image[None, None], size=smaller, mode="bilinear", align_corners=False)
    return functional.interpolate(few, size=image.shape, mode="bilinear", align_corners=False)[0, 0]


def _curve(image, exponent, brain, generator):
    """Raise a channel to a power between its least and largest value in the brain, e to `exponent`."""
    low, high = (torch.where(brain, image, end) for end in (torch.inf, -torch.inf))
    low, high = low.min(), high.max()
    span = (high - low).clamp(min=1e-6)
    return ((image - low) / span).clamp(0, 1) ** math.exp(exponent) * span + low


def _add_noise(image, spread, brain, generator):
    """Add normal noise to a channel."""
    return image + spread * torch.randn(image.shape, generator=generator)


# share of the channels of a slice, the ends of the strength that is drawn, and what is done with it
DEGRADATIONS = (
    (0.2, (0.5, 1.5), _blur),
    (0.2, (0.4, 1.0), _coarsen),
    (0.3, (-0.4, 0.4), _curve),
    (0.2, (0.0, 0.25), _add_noise),
)
