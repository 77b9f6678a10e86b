"""Prediction of a patient's slices by a trained network."""

import numpy as np
import torch

from .batches import MULTIPLE, fit
from .training import device, lower_precision, reproducible


def predict_volume(network, images, flip=True, batch=16, threads=1):
    """Predict the regions of one patient, slice by slice.

    Parameters
    ----------
    network : nn.Module
        Gives one logit for each region.
    images : array_like, shape (Z, C, X, Y)
        Channels in the order that the network was trained with.
    flip : bool
        Average with the prediction of the slices mirrored left-right (twice the time).
    batch, threads : int

    Returns
    -------
    ndarray of float32, shape (R, X, Y, Z)
        Probabilities on the grid of `images`.
    """
    slices = _predict(network, images, torch.sigmoid, flip, batch, threads)
    return np.ascontiguousarray(fit(slices, images.shape[2:]).transpose(1, 2, 3, 0))


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

    It lets a few certain slices decide where the others know nothing, as with a tumour that
    only some slices show.

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
    """Run the network in evaluation mode over all slices, padded to what its strides divide."""
    size = tuple(-(-n // MULTIPLE) * MULTIPLE for n in images.shape[2:])
    parts = []
    with reproducible(0, threads), torch.inference_mode(), lower_precision():
        network.to(device(), memory_format=torch.channels_last).eval()
        for start in range(0, len(images), batch):
            part = torch.from_numpy(fit(np.asarray(images[start : start + batch]), size)).float()
            part = part.to(device(), memory_format=torch.channels_last)
            chance = activation(network(part).float())
            if flip:
                mirrored = activation(network(part.flip(2)).float())
                chance = (chance + (mirrored.flip(2) if chance.ndim == 4 else mirrored)) / 2
            parts.append(chance.cpu().numpy())
    return np.concatenate(parts)
