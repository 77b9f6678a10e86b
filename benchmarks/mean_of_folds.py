"""Check whether intervals learnt from single networks hold the Dice of the delivered mean of all folds.

PYTHONPATH=scripts python benchmarks/mean_of_folds.py RUN [--n 8] [--strategy lp-ft] [--hidden 15] [--draws 50]

RUN is a finished run with `results/`, of a strategy whose weights were kept. At small n many patients were in nobody's
training: some of them are hidden in turn, predicted by the networks of all folds, and judged as if they had no label.
Dice is that on the network's own grid.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from neurograft.core import files, listings
from neurograft.core.labels import region_masks
from neurograft.delivery import mask_features
from neurograft.delivery.mask_quality import fit_odds, stretch, unstretch
from neurograft.experiment import cell_folder
from neurograft.networks import builders
from neurograft.stats import conformal
from neurograft.training import inference, slices


def read_networks(folders, channels):
    """Read the trained network of each fold."""
    networks = []
    for folder in folders:
        cell = cell_folder.read_manifest(folder)
        network = builders.build_segmenter(cell["backbone"], channels, len(cell["outputs"]))
        network.load_state_dict(torch.load(folder / cell_folder.WEIGHTS, weights_only=True))
        networks.append(network.eval())
    return networks


def measure(chances, spacing, images, label):
    """Measure one prediction: its features, and its Dice."""
    found = mask_features.measure_mask(chances, spacing, images)
    features = [found[name] for name in mask_features.FEATURES if name != "agreement"]
    return features, 1 - mask_features.measure_label(chances, label)["overlap"]


def predict_patients(run, folders, split):
    """Predict every patient with every fold's network, and with their mean, in the outermost region."""
    results, task = Path(run) / "results", split["tasks"]["segmentation"]
    region, space = task["regions"][0], folders[0].name.split("_")[0]
    listed = listings.read_subjects(results / f"work/{space}/subjects.tsv")
    networks = read_networks(folders, len(task["sequences"]))
    features, dice = {}, {}
    for subject in task["subjects"]:
        case = slices.segmentation_case(
            Path(run) / listed[subject]["slices"], task["sequences"], split["schemes"][subject],
            missing=task.get("incomplete", {}).get(subject, ()),
        )  # fmt: skip
        channels = slices.read_channels(case)
        label = region_masks(case["labels"][:].transpose(1, 2, 0), split["schemes"][subject])[region]
        each = [np.rint(255 * inference.predict_volume(net, channels)[0]).astype(np.uint8) for net in networks]
        each.append(np.rint(np.mean(each, axis=0)).astype(np.uint8))
        images, spacing = channels.transpose(1, 2, 3, 0), case["index"]["spacing"]
        found = [measure(chances, spacing, images, label) for chances in each]
        features[subject], dice[subject] = (np.array(part) for part in zip(*found, strict=True))
    return features, dice


def main():
    """Hide some patients in turn, and print how often their interval holds, and by how much the mean is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--n", default="8")
    parser.add_argument("--strategy", default="lp-ft")
    parser.add_argument("--source", default="efficientnet-lite0")
    parser.add_argument("--hidden", type=int, default=15)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--level", type=float, default=0.9)
    options = parser.parse_args()
    split = files.read_json(Path(options.run) / "results/splits.json")
    place = Path(options.run) / f"results/predictions/segmentation/{options.source}/{options.strategy}"
    folders = sorted(place.glob(f"space-*_split-folds_n-{options.n}_fold-*_seed-0"))
    cells = [cell_folder.read_manifest(folder) for folder in folders]
    features, dice = predict_patients(options.run, folders, split)
    fold_of = {subject: at for at, cell in enumerate(cells) for subject in cell["test"]}
    unseen = sorted(set(fold_of) - {subject for cell in cells for subject in cell["train"]})
    random, held, single, gains, widths = np.random.default_rng(0), [], [], [], []
    for _ in range(options.draws):
        hidden = random.choice(unseen, options.hidden, replace=False).tolist()
        rest = [subject for subject in fold_of if subject not in hidden]
        known = np.array([features[subject][fold_of[subject]] for subject in rest])
        values = stretch(np.array([dice[subject][fold_of[subject]] for subject in rest]))
        calibrated = conformal.calibrate(known, values, rest, conformal.group_patients(rest), fit_odds)
        for subject in hidden:
            beside = np.array([features[subject][fold_of[other]] for other in rest])
            low, high = unstretch(np.array(conformal.conformal_interval(calibrated, beside, options.level)))
            *each, mean = dice[subject]
            held.append(low <= mean <= high)
            single += [low <= value <= high for value in each]
            gains.append(mean - np.mean(each))
            widths.append(high - low)
    print(f"{len(unseen)} patients unseen by all, {options.hidden} of them hidden, {options.draws} draws")
    print(f"interval holds the mean's Dice: {np.mean(held):.3f}; that of a single network: {np.mean(single):.3f}")
    print(f"the mean is better than a single network by {np.mean(gains):.3f}; interval {np.mean(widths):.3f} wide")


if __name__ == "__main__":
    main()
