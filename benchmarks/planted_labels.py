"""Plant errors in the labels of a finished run, one patient at a time, and see how far up the ranking he comes.

PYTHONPATH=scripts python benchmarks/planted_labels.py RUN [--strategy lp-ft] [--source efficientnet-lite0] [--first 5]

RUN is the folder with `results/`. The networks are those of the run: they were trained with the right labels, and in a
real cohort a wrong one is among the training labels of the other folds. Prints a table.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from neurograft.core import files, listings
from neurograft.core.labels import region_masks, tissues_of
from neurograft.delivery import label_doubt, mask_features
from neurograft.experiment import cell_folder
from neurograft.training import slices

SHIFT = 10.0  # mm along both axes of the plane


def lack_part(labels, _, random, __):
    """Remove what lies on one side of the label's centre, in a random direction."""
    places = np.argwhere(labels > 0)
    direction = random.normal(size=3)
    beyond = (places - places.mean(axis=0)) @ direction > 0
    found = labels.copy()
    found[tuple(places[beyond].T)] = 0
    return found


def shift_grid(labels, spacing, _, __):
    """Move the label by `SHIFT` along both axes of the plane."""
    steps = [round(SHIFT / size) for size in spacing[:2]] + [0]
    return ndimage.shift(labels, steps, order=0)


def take_other(labels, _, __, other):
    """Take another patient's label, stretched to the same box."""
    factors = np.array(labels.shape) / other.shape
    places = np.meshgrid(*[np.arange(size) for size in labels.shape], indexing="ij")
    return other[tuple((place / factor).astype(int) for place, factor in zip(places, factors, strict=True))]


def swap_tissues(labels, values):
    """Exchange the first and the last tissue of the scheme."""
    found = labels.copy()
    found[labels == values[0]], found[labels == values[-1]] = values[-1], values[0]
    return found


KINDS = {"missing part": lack_part, "shifted grid": shift_grid, "other patient's label": take_other}


def read_run(run, source, strategy):
    """Read what every labelled patient's own network predicted, its features, and his label."""
    results = Path(run) / "results"
    split = files.read_json(results / "splits.json")
    task = split["tasks"]["segmentation"]
    found = results.glob(f"predictions/segmentation/{source}/*/space-*_split-folds_n-all_fold-*_seed-0")
    cells = sorted(str(path) for path in found)
    space = sorted({Path(path).name.split("_")[0] for path in cells})[0]
    cells = [path for path in cells if Path(path).name.startswith(space)]
    own = [path for path in cells if f"/{strategy}/" in path]
    peers = [path for path in cells if any(f"/{name}/" in path for name in ("scratch", "frozen"))]
    listed = listings.read_subjects(results / f"work/{space}/subjects.tsv")
    places = {subject: str(Path(run) / row["slices"]) for subject, row in listed.items()}
    rows, _ = mask_features.measure_masks(own, [path for path in peers if path not in own], split, places)
    rows = [{name: str(value) for name, value in row.items()} for row in rows]
    rows = [row | {"labelled": row["labelled"].lower()} for row in rows if row["labelled"] == "True"]
    known = {}
    for folder in own:
        for subject in cell_folder.read_manifest(folder)["test"]:
            missing = task.get("incomplete", {}).get(subject, ())
            case = slices.segmentation_case(
                places[subject], task["sequences"], split["schemes"][subject], missing=missing
            )
            labels = case["labels"][:].transpose(1, 2, 0)
            known[subject] = (labels, case["index"]["spacing"], cell_folder.read_packed(folder, subject))
    return split, rows, known


def measure_again(rows, subject, labels, packed, scheme):
    """Return the rows of a run with another label of one subject."""
    masks = region_masks(labels, scheme)
    changed = []
    for row in rows:
        if row["subject"] == subject:
            found = mask_features.measure_label(packed[row["region"]], masks[row["region"]])
            row = row | {name: str(value) for name, value in found.items()}
        changed.append(row)
    return changed


def rank_by_dice(rows, subject):
    """Return the place of a subject by its lowest Dice alone, from 1."""
    worst = {}
    for row in rows:
        worst[row["subject"]] = max(worst.get(row["subject"], 0.0), float(row["overlap"]))
    return 1 + sum(value > worst[subject] for value in worst.values())


def main():
    """Plant every kind of error in every patient, and print how often he is among the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--strategy", default="lp-ft")
    parser.add_argument("--source", default="efficientnet-lite0")
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument("--most", type=int, default=60, help="patients, the first by name")
    options = parser.parse_args()
    split, rows, known = read_run(options.run, options.source, options.strategy)
    names = sorted(known)[: options.most]
    rows = [row for row in rows if row["subject"] in names]
    values = sorted(tissues_of(split["scheme"]).values())
    kinds = list(KINDS) + (["swapped labels"] if len(values) > 1 else [])
    print(f"| planted | patients | first {options.first} | median place | by Dice alone: first {options.first} |")
    print("|---|---|---|---|---|")
    for kind in kinds:
        places, plain, random = [], [], np.random.default_rng(0)
        for at, subject in enumerate(names):
            labels, spacing, packed = known[subject]
            if not (labels > 0).any():
                continue
            other = known[names[(at + 1) % len(names)]][0]
            wrong = KINDS[kind](labels, spacing, random, other) if kind in KINDS else swap_tissues(labels, values)
            changed = measure_again(rows, subject, wrong, packed, split["schemes"][subject])
            ranked = label_doubt.rank_labels(changed, split)
            places.append(next(row["rank"] for row in ranked if row["subject"] == subject))
            plain.append(rank_by_dice(changed, subject))
        within, alone = (np.mean(np.array(found) <= options.first) for found in (places, plain))
        print(f"| {kind} | {len(places)} | {within:.0%} | {np.median(places):.0f} | {alone:.0%} |")


if __name__ == "__main__":
    main()
