"""Masked reconstruction: squares of a slice are hidden, and a network learns to reconstruct them.

It learns from images alone (Pathak et al. 2016). A square is hidden in all sequences at once, because one sequence
reveals much about another at the same place.
"""

import torch

from neurograft.training.slice_batches import draw_batches

PATCH = 16  # voxels along each side of a square
SHARE = 0.5  # of the squares that are hidden


def mask_batches(cases, batch, seed):
    """Yield endless batches of augmented slices with hidden squares, and the original slices.

    Parameters
    ----------
    cases : list of dict
        With the stratum "any" (`slices.target_case`); nothing but images is read.
    batch, seed : int

    Yields
    ------
    images : Tensor, shape (batch, C, X, Y)
        Zero, the value outside the brain, in hidden squares.
    truth : Tensor, shape (batch, C + 1, X, Y)
        The original slices and, as the last channel, 1 where the output is scored: brain in a hidden square.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    for images, _ in draw_batches(cases, {"any": 1.0}, batch, seed):
        hidden = hide_squares(images.shape, generator)
        scored = hidden & (images != 0).any(1, keepdim=True)
        yield images * ~hidden, torch.cat([images, scored.float()], 1)


def hide_squares(shape, generator, patch=PATCH, share=SHARE):
    """Choose at random the squares to hide in each slice.

    Parameters
    ----------
    shape : tuple of int
        (batch, C, X, Y) of the slices.
    generator : torch.Generator
    patch : int
        Voxels along each side.
    share : float
        Probability of each square to be hidden.

    Returns
    -------
    Tensor of bool, shape (batch, 1, X, Y)
    """
    count, _, x, y = shape
    squares = torch.rand(count, 1, -(-x // patch), -(-y // patch), generator=generator) < share
    return squares.repeat_interleave(patch, 2).repeat_interleave(patch, 3)[..., :x, :y]


def masked_error(answer, truth):
    """Compute the mean absolute error over the scored voxels, with equal weight for all sequences.

    Parameters
    ----------
    answer : Tensor, shape (batch, C, X, Y)
    truth : Tensor, shape (batch, C + 1, X, Y)
        As in `mask_batches`.
    """
    target, scored = truth[:, :-1], truth[:, -1:]
    return ((answer - target).abs() * scored).sum() / (scored.sum() * target.shape[1]).clamp(min=1)


def share_explained(answer, truth):
    """Compute the reduction of the error relative to predicting zeros: 1 is perfect, 0 is no better than zeros."""
    return 1 - masked_error(answer, truth) / masked_error(torch.zeros_like(answer), truth).clamp(min=1e-6)
