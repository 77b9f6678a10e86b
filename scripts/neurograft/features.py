"""What a frozen source makes of the patients' slices: features of pixels, as transferability scores take them.

Nothing is trained or augmented. Which slices and pixels are taken depends on the patient and the seed alone, so that
all sources are scored on the same ones. A source's folder holds

source.json   `reason`: why there are no features, or nothing
sub-X.npz     `labels` (pixels,), 0 background or 1 tumour; `map1` (the finest), `map2`, ... (pixels, channels) float32;
              `slice_labels` (slices,), 1 with tumour; where the source has a classification head `probabilities`
              (slices, source classes)
"""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from . import computing, images, networks, predictions, sources
from .batches import case_canvas, fit
from .cases import read_channels

SLICES = 12  # with tumour, and as many without
PIXELS = 300  # of tumour, and as many of brain without


def extract_features(out_folder, source, weights, split, slices, seed=0, threads=1):
    """Run a source's encoder over slices of every labelled patient, and write the features of some pixels.

    Parameters
    ----------
    out_folder : str or Path
        Written whole or not at all.
    source : dict
        Row of `sources.tsv`, of a 2-D source: `backbone` and `sha256`.
    weights : str or Path
    split : dict
        `splits.json`; its labelled segmentation subjects are taken.
    slices : dict of str to path
        Subject to its folder of slices (`cases`).
    seed, threads : int
    """
    task = predictions.open_task(split, {"task": "segmentation"}, slices, None)
    known = split["tasks"]["segmentation"]
    with images.whole(out_folder) as part, computing.reproducible(seed, threads):
        part.mkdir()
        encoder, state, reason = open_encoder(source, weights, len(known["sequences"]))
        for subject in known["subjects"] if state else ():
            generator = np.random.default_rng([seed, zlib.crc32(subject.encode())])
            usable = task.read_target(subject)["strata"]["any"]
            found = sample_features(encoder, task.read(subject), usable, generator, state)
            np.savez(part / f"sub-{subject}.npz", **found)
        images.write_json(part / "source.json", {"reason": reason})


def open_encoder(source, weights, channels, random=False):
    """Build a source's encoder for so many channels (one where there are none), and load its weights.

    Parameters
    ----------
    source, weights
        As in `extract_features`.
    channels : int
    random : bool
        Leave it with random weights, and do not read the source's.

    Returns
    -------
    encoder : nn.Module
        In evaluation mode; random where there is no checkpoint.
    state : dict
        The checkpoint, empty where there is none.
    reason : str
        Why there is none, if it was wanted.
    """
    network = networks.build_segmenter(source["backbone"], channels or 1, 1)
    state, reason = ({}, "") if random else load_or_say(weights, source["sha256"])
    if state:
        networks.load_source(network, state)
    return computing.place_network(network.encoder).eval(), state, reason


def sample_features(encoder, case, usable, generator, state=None):
    """Give one patient's features at drawn pixels.

    A pixel has, in each map of the encoder, the features of the cell that it lies in: what a decoder that
    enlarges the maps to the image gets there.

    Parameters
    ----------
    encoder : nn.Module
        In evaluation mode.
    case : dict
        As `cases.segmentation_case` reads it, with labels.
    usable : array_like of int
        The slices with enough brain.
    generator : numpy.random.Generator
    state : dict of str to Tensor, optional
        The source's checkpoint, whose classification head is used if it has one of `HEADS`.

    Returns
    -------
    dict of str to ndarray
        The arrays of `sub-X.npz`.
    """
    chosen, slice_labels = draw_slices(case, usable)
    size = case_canvas([case])
    opened = np.stack([fit(read_channels(case, z), size) for z in chosen])
    tumour = np.stack([fit(case["regions"][:, 0][case["labels"][z]], size) for z in chosen])
    (place, x, y), labels = draw_pixels(tumour, opened.any(1), generator)
    found = {"labels": labels, "slice_labels": slice_labels}
    with torch.inference_mode():
        given = computing.place_images(torch.from_numpy(opened).float())
        maps = encoder(given)
        for feature in maps:
            if feature.shape[1]:  # AlexNet has none at half the size
                rows, columns = x * feature.shape[2] // size[0], y * feature.shape[3] // size[1]
                number = 1 + sum(name.startswith("map") for name in found)
                found[f"map{number}"] = feature.float().cpu().numpy()[place, :, rows, columns]
        head = next((function for name, function in HEADS.items() if name in (state or {})), None)
        if head:
            device = maps[-1].device
            logits = head(maps[-1].float(), {name: value.to(device) for name, value in state.items()})
            found["probabilities"] = logits.softmax(1).cpu().numpy()
    return found


def draw_slices(case, usable):
    """Give up to `SLICES` slices with tumour and as many without, evenly over the usable ones.

    Returns
    -------
    numbers : ndarray of int
    labels : ndarray of uint8
        1 of a slice with tumour.
    """
    chosen, labels = [], []
    for label, name in ((1, "tumour"), (0, "rest")):
        own = np.intersect1d(case["strata"][name], usable)
        count = min(SLICES, len(own))
        chosen += own[((np.arange(count) + 0.5) * len(own) / max(count, 1)).astype(int)].tolist()
        labels += [label] * count
    return np.array(chosen, int), np.array(labels, np.uint8)


def draw_pixels(tumour, brain, generator):
    """Draw as many pixels of tumour as of brain without tumour, `PIXELS` each at most.

    Background outside the brain is left out: every source tells air from tissue. Where one class is absent the
    other is drawn all the same, so that the patient is counted among those that cannot be scored.

    Parameters
    ----------
    tumour, brain : ndarray of bool, shape (slices, X, Y)
    generator : numpy.random.Generator

    Returns
    -------
    pixels : tuple of ndarray
        Slice, row and column of each.
    labels : ndarray of uint8
        1 of tumour.
    """
    classes = [np.flatnonzero(brain & ~tumour), np.flatnonzero(tumour)]
    count = min([PIXELS, *(len(own) for own in classes if len(own))])
    drawn = [np.sort(generator.choice(own, min(count, len(own)), replace=False)) for own in classes]
    labels = np.repeat(np.array([0, 1], np.uint8), [len(own) for own in drawn])
    return np.unravel_index(np.concatenate(drawn), tumour.shape), labels


def efficientnet_logits(last, state):
    """Give the ImageNet logits of an EfficientNet-Lite, shape (slices, classes), from its last features."""
    norm = [state[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    x = functional.conv2d(last, state["_conv_head.weight"])
    x = functional.relu6(functional.batch_norm(x, *norm, eps=1e-3))
    return functional.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


def torchvision_logits(last, state):
    """Give the ImageNet logits of AlexNet or VGG-19, shape (slices, classes), from its last features."""
    numbers = sorted(int(name.split(".")[1]) for name in state if name.startswith("classifier.") and "weight" in name)
    side = math.isqrt(state[f"classifier.{numbers[0]}.weight"].shape[1] // last.shape[1])
    x = functional.adaptive_avg_pool2d(last, side).flatten(1)
    for number in numbers:
        x = functional.linear(x, state[f"classifier.{number}.weight"], state[f"classifier.{number}.bias"])
        x = functional.relu(x) if number != numbers[-1] else x
    return x


def load_or_say(weights, sha256):
    """Load a checkpoint; an empty file is a source that could not be made, and says why."""
    try:
        return sources.load_weights(weights, sha256), ""
    except sources.SourceError as error:
        if Path(weights).stat().st_size:
            raise
        return {}, f"the source has no weights: {error}"


# the tensor that a checkpoint with a classification head has: what gives the head's logits
HEADS = {
    "_fc.weight": efficientnet_logits,
    "classifier.6.weight": torchvision_logits,
}
