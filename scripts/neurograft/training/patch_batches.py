"""Patches for training: blocks drawn from patients' volumes and augmented; the same functions as in `slice_batches`.

A case is as in `slice_batches`, with slices as the first axis; patches are (batch, channel, X, Y, Z). Only the voxels
of a patch are read. A case that is smaller than a patch is padded with zeros, the value outside the brain.
"""

import numpy as np
import torch
from torch.nn import functional

from neurograft.training.slice_batches import DROPS, draw_slices, drop_channels
from neurograft.training.slices import read_channels, take_channels

SIZES = 64, 96  # voxels along an axis, for small and for all other cases; the deepest feature maps are at 1/32
REACH = 1.5  # block to read, in patch sizes; a rotated and enlarged patch needs 1.15 (cos 15 + sin 15 degrees) = 1.41
SHIFT = 0.25  # largest distance of the drawn voxel from the patch centre, in patch sizes
GOLDEN = 0.618034


def draw_batches(cases, shares, batch, seed, size=None, augmented=True, dropout=False):
    """Yield endless batches, augmented by default.

    A stratum, a patient and a slice are drawn as in `slice_batches.draw_batches`, then a voxel of the slice's tumour
    or, without tumour or labels, of its brain. The patch contains that voxel.

    Parameters
    ----------
    cases : list of dict
    shares : dict of str to float
        Share of each stratum; one that no case has is left out.
    batch, seed : int
    size : tuple of int, optional
        Of a patch; by default `case_canvas` of these cases.
    augmented : bool
        If false, the voxel is at the centre of the patch, unless the edge of the case prevents it.
    dropout : bool
        As in `slice_batches.draw_batches`.

    Yields
    ------
    images : Tensor, shape (batch, C, X, Y, Z)
    targets : Tensor, shape (batch, R, X, Y, Z) in 0 and 1, or None without labels
    """
    random, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    dropping = np.random.default_rng([seed, DROPS])
    size = np.array(size or case_canvas(cases))
    read = 2 * np.ceil(REACH * size / 2).astype(int) if augmented else size
    for chosen in draw_slices(cases, shares, batch, random):
        middles = []
        for case, z in chosen:
            voxels = _candidates(case, z)
            middle = voxels[random.integers(len(voxels))]
            if augmented:
                middle = middle + random.uniform(-SHIFT, SHIFT, 3) * size
            middles.append(_hold(middle, case, size))
        images, masks = _stack([case for case, _ in chosen], middles, read)
        if augmented:
            images, masks = augment(images, masks, tuple(size.tolist()), generator)
        if dropout:
            drop_channels(images, [case for case, _ in chosen], dropping)
        yield images, masks


def draw_fixed(case, count, size=None):
    """Return fixed patches of one case, evenly over its strata, the same in every call.

    Parameters
    ----------
    case : dict
    count : int
    size : tuple of int, optional
        Of a patch; by default `case_canvas` of this case.

    Returns
    -------
    images, targets
        As `draw_batches` yields them, not augmented.

    Raises
    ------
    ValueError
        If no stratum has a slice.
    """
    size = np.array(size or case_canvas([case]))
    strata = [np.asarray(slices) for slices in case["strata"].values() if len(slices)]
    if not strata:
        raise ValueError("this patient has no slice to draw")
    middles = []
    for number, slices in enumerate(strata):
        share = count // len(strata) + (number < count % len(strata))
        for place, z in enumerate(slices[((np.arange(share) + 0.5) / max(share, 1) * len(slices)).astype(int)]):
            voxels = _candidates(case, z)
            # steps of the golden ratio are spread evenly over the voxels for any number of patches
            middles.append(_hold(voxels[int((0.5 + GOLDEN * place) % 1 * len(voxels))], case, size))
    return _stack([case] * count, middles, size)


def augment(images, masks, size, generator):
    """Crop patches from larger blocks, with left-right flips, small rotations and scalings, and other intensities.

    Kinds and ranges are those of `augmentation.augment` without masks: rotations up to 15 degrees about a random axis,
    sizes within 15 %, each channel's intensity times 0.7 to 1.3 plus -0.3 to 0.3. Shifts are part of the drawing.

    Parameters
    ----------
    images : Tensor, shape (batch, C, X, Y, Z)
    masks : Tensor, shape (batch, R, X, Y, Z), or None
    size : tuple of int
        Of the patches, centred in the blocks; voxels outside a block are zero.
    generator : torch.Generator
    """
    count, channels, *block = images.shape

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=generator)

    turn = _turns(uniform(-0.26, 0.26, count), torch.randint(3, (count,), generator=generator))
    turn = turn * uniform(0.85, 1.15, count, 1, 1)
    turn[:, :, 0] *= torch.where(uniform(0, 1, count) < 0.5, -1.0, 1.0)[:, None]
    # from patch units to voxels, rotated, to block units
    theta = turn * torch.tensor(size, dtype=torch.float32) / torch.tensor(block, dtype=torch.float32)[:, None]
    # grid_sample's first coordinate runs along the last axis, Z
    theta = torch.cat([theta.flip((1, 2)), torch.zeros(count, 3, 1)], 2)
    grid = functional.affine_grid(theta, [count, 1, *size], align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    scaled = moved * uniform(0.7, 1.3, count, channels, 1, 1, 1) + uniform(-0.3, 0.3, count, channels, 1, 1, 1)
    if masks is not None:
        masks = functional.grid_sample(masks, grid, mode="nearest", align_corners=False)
    return torch.where(moved != 0, scaled, moved), masks


def case_canvas(cases):
    """Choose the patch size for some cases."""
    return patch_size(np.max([_shape(case) for case in cases], axis=0))


def patch_size(shape, spare=8):
    """Choose the patch size for a volume: 96 along each axis, or 64 if the axis has at most 64 + `spare` voxels.

    InstanceNorm normalises intensities within a patch, so a patch should contain most of the brain.
    """
    return tuple(SIZES[0] if n <= SIZES[0] + spare else SIZES[1] for n in shape)


def _turns(angles, axes):
    """Make rotations (batch, 3, 3) by angles in radians about one axis each."""
    turns = torch.eye(3).repeat(len(angles), 1, 1)
    for turn, angle, axis in zip(turns, angles, axes.tolist(), strict=True):
        first, second = (other for other in range(3) if other != axis)
        turn[first, first] = turn[second, second] = angle.cos()
        turn[first, second], turn[second, first] = -angle.sin(), angle.sin()
    return turns


def _candidates(case, z):
    """List the voxels (N, 3) of a slice from which to draw: tumour, or else brain, or else all."""
    plane = np.zeros(case["images"].shape[2:], bool)
    if "labels" in case:
        plane = case["regions"][:, 0][case["labels"][z]]
    if not plane.any():
        plane = (read_channels(case, z) != 0).any(0)
    voxels = np.argwhere(plane if plane.any() else ~plane)
    return np.column_stack([voxels, np.full(len(voxels), z)])


def _shape(case):
    """Return a case's size along X, Y, Z."""
    depth, _, *plane = case["images"].shape
    return np.array([*plane, depth])


def _hold(middle, case, size):
    """Move the centre of a patch so that the patch is within the case, or centred on a smaller case."""
    shape = _shape(case)
    return np.where(shape > size, np.clip(middle, size / 2, np.maximum(shape - size / 2, size / 2)), shape / 2)


def _stack(cases, middles, size):
    """Read blocks around centres: images (batch, C, X, Y, Z), and masks (batch, R, X, Y, Z) if there are labels."""
    corners = [np.rint(middle - size / 2).astype(int) for middle in middles]
    images, masks = [], []
    for case, corner in zip(cases, corners, strict=True):
        block = _read(case["images"], corner, size)
        volume = take_channels(block, case["channels"], scale=case.get("scale"))
        images.append(torch.from_numpy(volume).float())
        if "labels" in case:
            labels = _read(case["labels"], corner, size)
            masks.append(torch.from_numpy(case["regions"][labels]).permute(3, 0, 1, 2).float())
    return torch.stack(images), torch.stack(masks) if masks else None


def _read(array, corner, size):
    """Read a block (..., X, Y, Z) of an array (Z, ..., X, Y), with zeros beyond the array."""
    depth, *others, width, height = array.shape
    out = np.zeros((*others, *size), array.dtype)
    start, stop = np.maximum(corner, 0), np.minimum(corner + size, (width, height, depth))
    inside = tuple(slice(a, max(a, b)) for a, b in zip(start - corner, stop - corner, strict=True))
    x, y, z = (slice(a, max(a, b)) for a, b in zip(start, stop, strict=True))
    out[(..., *inside)] = np.moveaxis(array[z][..., x, y], 0, -1)
    return out
