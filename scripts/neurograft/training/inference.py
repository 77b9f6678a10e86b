"""Predict a patient with a trained network, slice by slice or in 3-D patches."""

import math

import numpy as np
import torch

from neurograft.networks.compute import (
    device,
    load_ahead,
    lower_precision,
    place_images,
    place_network,
    reproducible,
)
from neurograft.networks.monai_parts import sliding_window_inference
from neurograft.networks.stages import spatial_axes
from neurograft.training import patch_batches
from neurograft.training.slice_batches import MULTIPLE, fit

OVERLAP = 0.5


def predict_volume(network, images, flip=True, batch=16, threads=1):
    """Predict the regions of one patient, slice by slice or, with a 3-D network, in overlapping windows.

    Parameters
    ----------
    network : nn.Module
        Returns one logit for each region.
    images : array_like, shape (Z, C, X, Y)
        Channels in the order of training.
    flip : bool
        Average with the prediction of the left-right mirrored patient (takes twice the time).
    batch, threads : int
        Slices per forward pass; threads.

    Returns
    -------
    ndarray of float32, shape (R, X, Y, Z)
        Probabilities on the grid of `images`.
    """
    if spatial_axes(network) == 3:
        return _predict_windows(network, images, flip, threads)
    slices = _predict(network, images, torch.sigmoid, flip, batch, threads)
    return np.ascontiguousarray(fit(slices, images.shape[2:]).transpose(1, 2, 3, 0))


def count_windows(shape):
    """Count the windows in which a 3-D network predicts a volume of this shape (X, Y, Z)."""
    sizes = patch_batches.patch_size(shape)
    return math.prod(
        max(1, math.ceil((n - size) / (size * (1 - OVERLAP))) + 1) for n, size in zip(shape, sizes, strict=True)
    )


def predict_slices(network, images, flip=True, batch=16, threads=1):
    """Predict the class of each slice; parameters as in `predict_volume`.

    Returns
    -------
    ndarray of float32, shape (Z, classes)
        Probabilities, each row sums to 1.
    """
    return _predict(network, images, lambda logits: logits.softmax(1), flip, batch, threads)


def pool_slices(chances):
    """Pool a patient's slices into one probability for each class: the normalised geometric mean.

    A few certain slices can thus decide if the others are uncertain, as with a tumour visible in only some slices.

    Parameters
    ----------
    chances : array_like, shape (Z, classes)

    Returns
    -------
    ndarray, shape (classes,)
    """
    logs = np.log(np.maximum(np.asarray(chances, float), 1e-6)).mean(0)
    pooled = np.exp(logs - logs.max())
    return pooled / pooled.sum()


def _predict(network, images, activation, flip, batch, threads):
    """Run the network in evaluation mode over all slices, padded to a multiple of its strides."""
    size = tuple(-(-n // MULTIPLE) * MULTIPLE for n in images.shape[2:])
    starts = range(0, len(images), batch)
    batches = ((torch.from_numpy(fit(np.asarray(images[at : at + batch]), size)).float(),) for at in starts)
    parts = []
    with reproducible(0, threads), torch.inference_mode(), lower_precision(), load_ahead(batches) as opened:
        place_network(network).eval()
        for (part,) in opened:
            part = place_images(part)
            chance = activation(network(part).float())
            if flip:
                mirrored = activation(network(part.flip(2)).float())
                chance = (chance + (mirrored.flip(2) if chance.ndim == 4 else mirrored)) / 2
            parts.append(chance.cpu().numpy())
    return np.concatenate(parts)


def _predict_windows(network, images, flip, threads):
    """Average the probabilities of overlapping windows, weighted towards the centre of each window.

    Windows have the size of the training patches, because the statistics of InstanceNorm depend on it.
    """

    def chances(windows):
        return network(place_images(windows)).float().sigmoid()

    with reproducible(0, threads), torch.inference_mode(), lower_precision():
        place_network(network).eval()
        volume = torch.from_numpy(np.ascontiguousarray(np.asarray(images).transpose(1, 2, 3, 0)))[None].float()
        slide = {
            "roi_size": patch_batches.patch_size(volume.shape[2:]),
            "sw_batch_size": 1,
            "overlap": OVERLAP,
            "mode": "gaussian",
        }
        slide |= {"sw_device": device(), "device": "cpu"}
        chance = torch.as_tensor(sliding_window_inference(volume, predictor=chances, **slide))
        if flip:
            mirrored = torch.as_tensor(sliding_window_inference(volume.flip(2), predictor=chances, **slide))
            chance = (chance + mirrored.flip(2)) / 2
    return chance[0].numpy()
