"""Masked reconstruction: squares of a slice are hidden, and a network is scored on what it puts in their place.

It learns from images alone (Pathak et al. 2016). A square is hidden in all sequences at once, since one sequence
tells much of another at the same place.
"""

import torch

from neurograft.training.slice_batches import draw_batches

PATCH = 16  # voxels along each side of a square
SHARE = 0.5  # of the squares that are hidden


def mask_batches(cases, batch, seed):
    """Draw batches without end: augmented slices with hidden squares, and what was there.

    Parameters
    ----------
    cases : list of dict
        With the stratum "any" (`slices.target_case`); nothing but images is read.
    batch, seed : int

    Yields
    ------
    images : Tensor, shape (batch, C, X, Y)
        Zero, the value outside of the brain, where a square is hidden.
    truth : Tensor, shape (batch, C + 1, X, Y)
        The slices as they were and, last, 1 where the answer is scored: within the brain, in a hidden square.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    for images, _ in draw_batches(cases, {"any": 1.0}, batch, seed):
        hidden = hide_squares(images.shape, generator)
        scored = hidden & (images != 0).any(1, keepdim=True)
        yield images * ~hidden, torch.cat([images, scored.float()], 1)


def hide_squares(shape, generator, patch=PATCH, share=SHARE):
    """Choose at random which squares of each slice are hidden.

    Parameters
    ----------
    shape : tuple of int
        (batch, C, X, Y) of the slices.
    generator : torch.Generator
    patch : int
        Voxels along each side.
    share : float
        Chance of each square to be hidden.

    Returns
    -------
    Tensor of bool, shape (batch, 1, X, Y)
    """
    count, _, x, y = shape
    squares = torch.rand(count, 1, -(-x // patch), -(-y // patch), generator=generator) < share
    return squares.repeat_interleave(patch, 2).repeat_interleave(patch, 3)[..., :x, :y]


def masked_error(answer, truth):
    """Compute the mean absolute error over the voxels that are scored, all sequences alike.

    Parameters
    ----------
    answer : Tensor, shape (batch, C, X, Y)
    truth : Tensor, shape (batch, C + 1, X, Y)
        As in `mask_batches`.
    """
    target, scored = truth[:, :-1], truth[:, -1:]
    return ((answer - target).abs() * scored).sum() / (scored.sum() * target.shape[1]).clamp(min=1)


def share_explained(answer, truth):
    """Compute how much smaller the error is than that of zeros: 1 is perfect, 0 as good as empty squares."""
    return 1 - masked_error(answer, truth) / masked_error(torch.zeros_like(answer), truth).clamp(min=1e-6)
