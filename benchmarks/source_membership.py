"""Measure how often the membership test of a source is wrong, and how often it finds members.

    PYTHONPATH=scripts python benchmarks/source_membership.py ../shared/data/lgg CACHE [--halvings 1]

Patients of `lgg` are divided into two halves. A source learns from one of them, as `cohort:NAME` does. Each half is a
cohort with networks of its own, in three folds, as controls. The source is tested on patients whom it knows, on those
of the other half, and on cohorts of both. A source that trained longer is the hard case: it is better than the controls
also where it has seen nobody. What was trained is kept in CACHE.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from neurograft.evaluation.source_membership import SUSPECTED, judge_membership
from neurograft.experiment.training_records import measure_fit
from neurograft.networks import builders, compute, encoders_3d
from neurograft.sources import table
from neurograft.sources.weights import load_weights, locate
from neurograft.training import loop, slice_batches, strategy_plans

SIZE, FOLDS, DRAWS = 64, 3, 200
SHARES = {"tumour": 0.67, "rest": 0.33}
START = table.read_sources(Path(__file__).parents[1] / "config/sources.tsv")["efficientnet-lite0"]


def read_patient(folder):
    """Read a patient's pictures as a case."""
    paths = [path for path in sorted(folder.glob("*.png")) if "mask" not in path.name]
    pictures = [np.asarray(Image.open(path).resize((SIZE, SIZE), Image.Resampling.BOX), np.float32) for path in paths]
    masks = [
        np.asarray(Image.open(path.with_name(f"{path.stem}_mask.png")).resize((SIZE, SIZE), Image.Resampling.BOX))
        for path in paths
    ]
    images = np.stack(pictures).transpose(0, 3, 1, 2)
    for channel in range(images.shape[1]):
        head = images[:, channel] > 0.06 * max(images[:, channel].max(), 1)
        low, middle, high = np.percentile(images[:, channel][head], (25, 50, 75))
        images[:, channel] = np.where(head, (images[:, channel] - middle) / max(0.74 * (high - low), 1e-3), 0)
    labels = (np.stack(masks).reshape(len(masks), SIZE, SIZE, -1)[..., 0] > 127).astype(np.uint8)
    tumour = labels.any((1, 2))
    return {
        "images": images, "channels": [0, 1, 2], "labels": labels, "regions": np.array([[False], [True]]),
        "lesions": True, "strata": {"tumour": np.flatnonzero(tumour), "rest": np.flatnonzero(~tumour)},
    }  # fmt: skip


def learn(cases, names, steps, seed):
    """Train a segmenter on some patients and return its loss on everybody."""
    with compute.reproducible(seed, 1):
        network = builders.build_segmenter(START["backbone"], 3, 1)
        state = load_weights(locate(START), START["sha256"])
        builders.load_source(network, encoders_3d.rename_weights(START["backbone"], state))
        plan = strategy_plans.plan("fine-tune", network)
    options = loop.TrainingOptions(steps, 8, seed, weight_decay=plan.weight_decay)
    loop.train(network, [cases[name] for name in names], plan.phases, "segmentation", SHARES, options)
    with compute.reproducible(0, 1), torch.no_grad():
        return {
            name: measure_fit(network, "segmentation", *slice_batches.draw_fixed(case, 8))["loss"]
            for name, case in cases.items()
        }


def remember(cache, cases, key, names, steps, seed):
    """Train once; the losses are kept."""
    path = Path(cache) / f"{key}_steps-{steps}.json"
    if not path.exists():
        path.write_text(json.dumps(learn(cases, names, steps, seed)))
    return json.loads(path.read_text())


def list_controls(cache, cases, half, key, steps, seed):
    """Train the networks of a cohort, in folds, and return them as cells."""
    cells = []
    for fold in range(FOLDS):
        test = half[fold::FOLDS]
        train = [name for name in half if name not in test]
        losses = remember(cache, cases, f"{key}_fold-{fold}", train, steps, 100 * seed + fold)
        fit = [{"subject": name, "role": "test" if name in test else "train", "loss": losses[name]} for name in half]
        cells.append({"strategy": "fine-tune", "source": START["name"], "fit": fit})
    return cells


def count(random, source, sides, cells, size):
    """Draw cohorts of patients by side and count the outcomes; `sides` are lists of names that are drawn alike."""
    outcomes = []
    for _ in range(DRAWS):
        drawn = [name for side in sides for name in random.choice(side, size // len(sides), replace=False)]
        losses = {name: source[name] for name in drawn}
        outcomes.append(judge_membership("source", losses, cells, {})["outcome"])
    return outcomes


def main():
    """Train, test and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--halvings", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--longer", type=int, nargs="+", default=[3], help="how many times as long sources train")
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    cases = {folder.name: read_patient(folder) for folder in sorted(asked.data.iterdir()) if folder.is_dir()}
    found, sources = {}, []
    for halving in range(asked.halvings):
        random = np.random.default_rng(halving)
        order = random.permutation(sorted(cases)).tolist()
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        keys = [f"halving-{halving}_half-{number}" for number in range(2)]
        controls = [
            list_controls(asked.cache, cases, half, key, asked.steps, 10 * halving + number)
            for number, (half, key) in enumerate(zip(halves, keys, strict=True))
        ]
        for number in range(2):
            own, other, mixed = halves[number], halves[1 - number], [*controls[0], *controls[1]]
            for times in (1, *asked.longer):
                key, seed = f"{keys[number]}_source", 1000 + 10 * halving + number
                source = remember(asked.cache, cases, key, own, times * asked.steps, seed)
                sources.append((times, *(np.mean([source[name] for name in half]) for half in (own, other))))
                for size in (10, 20, 30):
                    for who, sides in (
                        ("members", [own]),
                        ("of which half are members", [own, other]),
                        ("strangers", [other]),
                    ):
                        outcomes = count(random, source, sides, mixed, size)
                        found.setdefault((times, size, who), []).append(outcomes)
    for times, inside, outside in sources:
        print(f"source of {times * asked.steps} steps: loss {inside:.3f} on its own patients, {outside:.3f} on others")
    for (times, size, who), runs in found.items():
        rates = ", ".join(f"{np.mean([one == SUSPECTED for one in outcomes]):.3f}" for outcomes in runs)
        print(f"source of {times * asked.steps} steps, cohorts of {size} {who}: suspected {rates} (by source)")


if __name__ == "__main__":
    main()
