"""Features of a frozen source: sampled at pixels for the transferability scores, or pooled over supervoxels."""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional

from neurograft.candidates.supervoxel_files import read_supervoxels
from neurograft.core import files
from neurograft.networks import builders, compute
from neurograft.sources import table
from neurograft.sources.weights import load_weights
from neurograft.training import batch_norm, loop, tasks
from neurograft.training.slice_batches import MULTIPLE, case_canvas, fit
from neurograft.training.slices import read_channels, take_channels, target_case

SLICES = 12  # largest number of slices with tumour, and of slices without
PIXELS = 300  # largest number of pixels of tumour, and of brain without tumour


def extract_features(out_folder, source, weights, split, slices, seed=0, threads=1):
    """Run a source's encoder on slices of every labelled patient, and write the features of sampled pixels.

    Parameters
    ----------
    out_folder : str or Path
        Written atomically.
    source : dict
        Row of `sources.tsv` of a 2-D source: `backbone` and `sha256`.
    weights : str or Path
    split : dict
        `splits.json`; its labelled segmentation subjects are used.
    slices : dict of str to path
        Subject to its folder of slices (`training.slices`).
    seed, threads : int
    """
    task = tasks.open_task(split, {"task": "segmentation"}, tasks.SubjectFiles(slices))
    task_split = split["tasks"]["segmentation"]
    with files.whole(out_folder) as part, compute.reproducible(seed, threads):
        part.mkdir()
        encoder, state, reason = open_encoder(source, weights, len(task_split["sequences"]))
        for subject in task_split["subjects"] if state else ():
            generator = np.random.default_rng([seed, zlib.crc32(subject.encode())])
            usable = task.read_target(subject)["strata"]["any"]
            sampled = sample_features(encoder, task.read(subject), usable, generator, state)
            np.savez(part / f"sub-{subject}.npz", **sampled)
        files.write_json(part / "source.json", {"reason": reason})


def open_encoder(source, weights, channels, random=False):
    """Build a source's encoder for a number of channels, and load its weights, if there is a checkpoint.

    Parameters
    ----------
    source, weights
        As in `extract_features`.
    channels : int
    random : bool
        Keep random weights, and do not read the source's weights.

    Returns
    -------
    encoder : nn.Module
        In evaluation mode; with random weights if there is no checkpoint.
    state : dict
        The checkpoint; empty if there is none.
    reason : str
        Why there is no checkpoint, if `random` is false.
    """
    network = builders.build_segmenter(source["backbone"], channels or 1, 1)
    state, reason = ({}, "") if random else load_or_say(weights, source["sha256"])
    if state:
        builders.load_source(network, state)
    return compute.place_network(network.encoder).eval(), state, reason


def sample_features(encoder, case, usable, generator, state=None):
    """Sample one patient's features at random pixels.

    In each feature map, a pixel has the features of the cell that contains it, like in a decoder that enlarges the maps
    to the size of the image.

    Parameters
    ----------
    encoder : nn.Module
        In evaluation mode.
    case : dict
        From `slices.segmentation_case`, with labels.
    usable : array_like of int
        The slices with enough brain.
    generator : numpy.random.Generator
    state : dict of str to Tensor, optional
        The source's checkpoint; its classification head is used if it is one of `HEADS`.

    Returns
    -------
    dict of str to ndarray
        The arrays of `sub-X.npz`.
    """
    chosen, slice_labels = draw_slices(case, usable)
    state = state or {}
    size = case_canvas([case])
    opened = np.stack([fit(read_channels(case, z), size) for z in chosen])
    tumour = np.stack([fit(case["regions"][:, 0][case["labels"][z]], size) for z in chosen])
    (place, x, y), labels = draw_pixels(tumour, opened.any(1), generator)
    sampled = {"labels": labels, "slice_labels": slice_labels}
    with torch.inference_mode():
        given = compute.place_images(torch.from_numpy(opened).float())
        maps = encoder(given)
        for feature in maps:
            if feature.shape[1]:  # AlexNet has no features at half the size
                rows, columns = x * feature.shape[2] // size[0], y * feature.shape[3] // size[1]
                number = 1 + sum(name.startswith("map") for name in sampled)
                sampled[f"map{number}"] = feature.float().cpu().numpy()[place, :, rows, columns]
        head = next((function for name, function in HEADS.items() if name in state), None)
        if head:
            device = maps[-1].device
            logits = head(maps[-1].float(), {name: value.to(device) for name, value in state.items()})
            sampled["probabilities"] = logits.softmax(1).cpu().numpy()
    return sampled


def draw_slices(case, usable):
    """Choose up to `SLICES` slices with tumour and up to as many without, evenly spaced among the usable ones.

    Returns
    -------
    numbers : ndarray of int
    labels : ndarray of uint8
        1 for a slice with tumour.
    """
    chosen, labels = [], []
    for label, name in ((1, "tumour"), (0, "rest")):
        slices = np.intersect1d(case["strata"][name], usable)
        count = min(SLICES, len(slices))
        chosen += slices[((np.arange(count) + 0.5) * len(slices) / max(count, 1)).astype(int)].tolist()
        labels += [label] * count
    return np.array(chosen, int), np.array(labels, np.uint8)


def draw_pixels(tumour, brain, generator):
    """Draw equal numbers of tumour pixels and brain pixels without tumour, at most `PIXELS` of each.

    Background outside the brain is excluded, because every source distinguishes air from tissue. If one class is
    missing, the other is drawn nevertheless, so that the patient is counted among those that cannot be scored.

    Parameters
    ----------
    tumour, brain : ndarray of bool, shape (slices, X, Y)
    generator : numpy.random.Generator

    Returns
    -------
    pixels : tuple of ndarray
        Slice, row and column of each pixel.
    labels : ndarray of uint8
        1 for tumour.
    """
    classes = [np.flatnonzero(brain & ~tumour), np.flatnonzero(tumour)]
    count = min([PIXELS, *(len(pixels) for pixels in classes if len(pixels))])
    drawn = [np.sort(generator.choice(pixels, min(count, len(pixels)), replace=False)) for pixels in classes]
    labels = np.repeat(np.array([0, 1], np.uint8), [len(pixels) for pixels in drawn])
    return np.unravel_index(np.concatenate(drawn), tumour.shape), labels


def efficientnet_logits(last, state):
    """Compute the ImageNet logits of an EfficientNet-Lite, shape (slices, classes), from its last features."""
    norm = [state[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    x = functional.conv2d(last, state["_conv_head.weight"])
    x = functional.relu6(functional.batch_norm(x, *norm, eps=1e-3))
    return functional.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


def torchvision_logits(last, state):
    """Compute the ImageNet logits of AlexNet or VGG-19, shape (slices, classes), from its last features."""
    numbers = sorted(int(name.split(".")[1]) for name in state if name.startswith("classifier.") and "weight" in name)
    side = math.isqrt(state[f"classifier.{numbers[0]}.weight"].shape[1] // last.shape[1])
    x = functional.adaptive_avg_pool2d(last, side).flatten(1)
    for number in numbers:
        x = functional.linear(x, state[f"classifier.{number}.weight"], state[f"classifier.{number}.bias"])
        x = functional.relu(x) if number != numbers[-1] else x
    return x


def load_or_say(weights, sha256):
    """Load a checkpoint; for an empty file, a source that could not be made, return the reason instead."""
    try:
        return load_weights(weights, sha256), ""
    except table.SourceError as error:
        if Path(weights).stat().st_size:
            raise
        return {}, f"the source has no weights: {error}"


# name of the tensor that identifies a classification head, to the function that computes the head's logits
HEADS = {
    "_fc.weight": efficientnet_logits,
    "classifier.6.weight": torchvision_logits,
}
BATCH = 16


def pool_features(out_folder, source, split, slices, supervoxels, random=False, seed=0):
    """Run a source's encoder on every subject's slices, and average its feature maps over each supervoxel.

    Parameters
    ----------
    out_folder : str or Path
        Written atomically.
    source : weights.SourceFiles
        A 2-D source.
    split : dict
        `splits.json`; its segmentation subjects are used, including unlabelled ones. Labels are not read.
    slices, supervoxels : dict of str to path
        Subject to its folder of slices (`training.slices`) and of supervoxels (`supervoxel_files`).
    random : bool
        Use random weights instead of the source's, as a control. BatchNorm then uses the statistics of each subject's
        slices, because the initial statistics of a random encoder would not normalise anything.
    seed : int
    """
    task_split, options = split["tasks"]["segmentation"], loop.TrainingOptions(seed=seed)
    with files.whole(out_folder) as part, compute.reproducible(seed, options.threads):
        part.mkdir()
        encoder, state, reason = open_encoder(source.row, source.weights, len(task_split["sequences"]), random)
        for subject in [*task_split["subjects"], *task_split["unlabelled"]] if state or random else ():
            lacking = task_split.get("incomplete", {}).get(subject, ())
            case = target_case(slices[subject], task_split["sequences"], lacking)
            if random:
                batch_norm.average_statistics(encoder, [case], options, augmented=False)
                encoder.eval()
            cut = read_supervoxels(supervoxels[subject], labelled=False)["segments"]
            pooled = pool_maps(encoder, case["images"], case["channels"], cut)
            np.save(part / f"sub-{subject}.npy", pooled.astype(np.float16))
        files.write_json(part / "source.json", {"reason": reason})


def pool_maps(encoder, stack, channels, segments):
    """Average an encoder's feature maps over supervoxels; each voxel has the features of the cell that contains it.

    Parameters
    ----------
    encoder : nn.Module
        In evaluation mode; returns a list of maps, finest first.
    stack : array_like, shape (Z, C, X, Y)
    channels : list of int or None
        Channels of `stack`, in the encoder's order; None for a missing one.
    segments : ndarray of int, shape (X, Y, Z)
        Supervoxels, 1 to n, on the grid of `stack`.

    Returns
    -------
    ndarray of float32, shape (n, channels of all maps)
    """
    count = int(segments.max())
    size = tuple(-(-n // MULTIPLE) * MULTIPLE for n in segments.shape[:2])
    sums, voxels = None, np.bincount(segments.ravel(), minlength=count + 1)[1:]
    with torch.inference_mode(), compute.lower_precision():
        for start in range(0, segments.shape[2], BATCH):
            stop = min(start + BATCH, segments.shape[2])
            given = torch.from_numpy(fit(take_channels(np.asarray(stack[start:stop]), channels, axis=1), size)).float()
            maps = encoder(compute.place_images(given))
            maps = [features.float().cpu().numpy() for features in maps if features.shape[1]]
            owner = fit(segments[:, :, start:stop].transpose(2, 0, 1), size)
            added = np.concatenate([_sum_cells(owner, features, count) for features in maps], axis=1)
            sums = added if sums is None else sums + added
    return (sums / np.maximum(voxels, 1)[:, None]).astype(np.float32)


def _sum_cells(owner, features, count):
    """Sum a feature map over the pixels of each supervoxel, weighted by its number of pixels in each cell."""
    z, x, y = np.nonzero(owner)
    slices, _, rows, columns = features.shape
    cells = (z * rows + x * rows // owner.shape[1]) * columns + y * columns // owner.shape[2]
    pairs = (np.ones(len(z), np.float32), (owner[z, x, y] - 1, cells))
    counts = sparse.csr_array(pairs, shape=(count, slices * rows * columns))
    return counts @ np.ascontiguousarray(features.transpose(0, 2, 3, 1)).reshape(-1, features.shape[1])
