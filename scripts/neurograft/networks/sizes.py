"""The memory that trainings take, apart because the Snakefile asks too, which imports no torch."""

ORDINARY = 3500  # MB, for networks on slices and small ones on volumes
PROGRAM = 1000  # MB, of the program and the patients' volumes
# networks meant for a GPU: MB of weights, gradients and the optimiser's two means, and MB for each patch of 96 voxels
# along an axis, in float32; measured on a processor, but for Brain-ID, where it is the sum of what a step keeps
LARGE = {
    "hd-bet": (180, 4600),  # of four sequences
    "resenc-l": (1470, 2300),
    "amaes-unet-b": (250, 1600),
    "swin-brainsegfounder": (160, 3500),
    "brain-id": (1100, 5200),
}


def training_memory(backbone, batch=1):
    """Estimate the memory of a training.

    Parameters
    ----------
    backbone : str
    batch : int
        Patches in a step.

    Returns
    -------
    int
        MB.
    """
    held, patch = LARGE.get(backbone, (0, 0))
    return max(ORDINARY, PROGRAM + held + batch * patch)
