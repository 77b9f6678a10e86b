"""Binary masks: volume, overlap, clean-up, and combination over a subject's sequences."""

import numpy as np

from neurograft.imaging.nifti import image
from neurograft.imaging.resampling import grid_box, resample
from neurograft.imaging.typed import label_pieces


def mask_volume(mask):
    """Compute the volume of a mask in millilitres.

    Parameters
    ----------
    mask : nibabel.Nifti1Image, shape (X, Y, Z)
    """
    voxel = abs(np.linalg.det(mask.affine[:3, :3]))
    return float(np.count_nonzero(np.asanyarray(mask.dataobj)) * voxel / 1000)


def overlap(first, second):
    """Compute the Dice coefficient of two boolean arrays of one shape; 0 if both are empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(np.logical_and(first, second)) / total) if total else 0.0


def tidy_mask(mask):
    """Keep the largest connected component of a mask and fill its holes.

    Parameters
    ----------
    mask : ndarray of bool, shape (X, Y, Z)

    Returns
    -------
    ndarray of bool
    """
    pieces, count = label_pieces(mask)
    if not count:
        return np.zeros(np.shape(mask), bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = pieces == sizes.argmax()
    box = grid_box(largest)
    # holes are background components not connected to the outside (ten times faster than growing from there)
    background, _ = label_pieces(np.pad(~largest[box], 1, constant_values=True))
    largest[box] = (background != background[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return largest


def combine_masks(masks, to_sequence, reference):
    """Combine the sequences' brain masks by a vote in each voxel, on the grid of the reference.

    A voxel is brain if it is in the masks of at least half of the sequences that cover it. All sequences have the same
    weight, because there are no patients for choosing weights. A tie is brain, because losing tumour is worse than
    keeping dura.

    Parameters
    ----------
    masks : dict of str to nibabel.Nifti1Image
        Each sequence's own mask on its own grid.
    to_sequence : dict of str to ndarray, shape (4, 4)
        World of the reference to the world of each sequence that may vote; the caller leaves out sequences that could
        not be aligned.
    reference : str

    Returns
    -------
    nibabel.Nifti1Image
        uint8, on the reference's grid, one component without holes.
    """
    shape, affine = masks[reference].shape, masks[reference].affine
    votes, voters = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for name, there in to_sequence.items():
        shown = np.ones(masks[name].shape, np.float32)
        shown = np.asanyarray(resample(image(shown, masks[name].affine), shape, affine, there).dataobj) > 0.5
        brain = (np.asanyarray(masks[name].dataobj) > 0).astype(np.float32)
        votes += np.asanyarray(resample(image(brain, masks[name].affine), shape, affine, there).dataobj) * shown
        voters += shown
    return image(tidy_mask((votes >= voters / 2) & (votes > 0)).astype(np.uint8), affine)
