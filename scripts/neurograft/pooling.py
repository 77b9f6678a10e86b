"""Features of a pretrained encoder, pooled over supervoxels: what transfer gives to a method that trains no network.

A source's folder holds `source.json` (`reason`: why there are no features, or nothing) and sub-X.npy, float16,
shape (supervoxels, channels of all maps).
"""

import numpy as np
import torch
from scipy import sparse

from . import computing, features, images, norms
from .batches import MULTIPLE, fit
from .cases import take_channels, target_case
from .supervoxel_files import read_supervoxels

BATCH = 16


def pool_features(out_folder, source, weights, split, slices, supervoxels, random=False, seed=0, threads=1):
    """Run a source's encoder over every subject's slices, and average its maps over each supervoxel.

    Parameters
    ----------
    out_folder : str or Path
        Written whole or not at all.
    source : dict
        Row of `sources.tsv`, of a 2-D source: `backbone` and `sha256`.
    weights : str or Path
    split : dict
        `splits.json`; its subjects of segmentation are taken, unlabelled ones too. No label is read.
    slices, supervoxels : dict of str to path
        Subject to its folder of slices (`cases`) and of supervoxels (`supervoxel_files`).
    random : bool
        A random encoder instead of the source's weights (the control). Its BatchNorm statistics are taken from the
        slices of each subject: a random encoder with statistics of nothing normalises nothing.
    seed, threads : int
    """
    known = split["tasks"]["segmentation"]
    with images.whole(out_folder) as part, computing.reproducible(seed, threads):
        part.mkdir()
        encoder, state, reason = features.open_encoder(source, weights, len(known["sequences"]), random)
        for subject in [*known["subjects"], *known["unlabelled"]] if state or random else ():
            lacking = known.get("incomplete", {}).get(subject, ())
            case = target_case(slices[subject], known["sequences"], lacking)
            if random:
                norms.average_norms(encoder, [case], seed=seed, threads=threads, augmented=False)
                encoder.eval()
            cut = read_supervoxels(supervoxels[subject], labelled=False)["segments"]
            pooled = pool_maps(encoder, case["images"], case["channels"], cut)
            np.save(part / f"sub-{subject}.npy", pooled.astype(np.float16))
        images.write_json(part / "source.json", {"reason": reason})


def pool_maps(encoder, stack, channels, segments):
    """Average an encoder's maps over supervoxels: each voxel has the features of the cell that it lies in.

    Parameters
    ----------
    encoder : nn.Module
        In evaluation mode; gives a list of maps, finest first.
    stack : array_like, shape (Z, C, X, Y)
    channels : list of int or None
        Of `stack`, in the encoder's order; None for one that is not there.
    segments : ndarray of int, shape (X, Y, Z)
        1 to n; on the grid of `stack`.

    Returns
    -------
    ndarray of float32, shape (n, channels of all maps)
    """
    count = int(segments.max())
    size = tuple(-(-n // MULTIPLE) * MULTIPLE for n in segments.shape[:2])
    sums, voxels = None, np.bincount(segments.ravel(), minlength=count + 1)[1:]
    with torch.inference_mode(), computing.lower_precision():
        for start in range(0, segments.shape[2], BATCH):
            stop = min(start + BATCH, segments.shape[2])
            given = torch.from_numpy(fit(take_channels(np.asarray(stack[start:stop]), channels, axis=1), size)).float()
            maps = [one.float().cpu().numpy() for one in encoder(computing.place_images(given)) if one.shape[1]]
            owner = fit(segments[:, :, start:stop].transpose(2, 0, 1), size)
            made = np.concatenate([_sum_cells(owner, one, count) for one in maps], axis=1)
            sums = made if sums is None else sums + made
    return (sums / np.maximum(voxels, 1)[:, None]).astype(np.float32)


def _sum_cells(owner, found, count):
    """Sum a map over the pixels of each supervoxel, by how many of its pixels lie in each cell of the map."""
    z, x, y = np.nonzero(owner)
    slices, _, rows, columns = found.shape
    cells = (z * rows + x * rows // owner.shape[1]) * columns + y * columns // owner.shape[2]
    pairs = (np.ones(len(z), np.float32), (owner[z, x, y] - 1, cells))
    counts = sparse.csr_array(pairs, shape=(count, slices * rows * columns))
    return counts @ np.ascontiguousarray(found.transpose(0, 2, 3, 1)).reshape(-1, found.shape[1])
