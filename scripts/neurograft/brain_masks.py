"""One brain mask of a subject from those of its sequences."""

import numpy as np

from neurograft.brain_extraction import tidy_mask
from neurograft.images import image, resample


def combine_masks(masks, to_sequence, reference):
    """Let the sequences' brain masks vote, voxel by voxel, on the grid of the reference.

    A voxel is brain where at least half of the sequences that show it say so. Each has one vote, for no weights
    could be chosen without patients to choose them on; a tie is brain, since a lost piece of tumour is worse than
    a kept piece of dura.

    Parameters
    ----------
    masks : dict of str to nibabel.Nifti1Image
        Each sequence's own mask on its own grid.
    to_sequence : dict of str to ndarray, shape (4, 4)
        World of the reference to the world of each sequence that may vote; one that could not be aligned is
        left out by the caller.
    reference : str

    Returns
    -------
    nibabel.Nifti1Image
        uint8, on the reference's grid, one piece without holes.
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
