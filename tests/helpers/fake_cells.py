"""Cells of the experiment on a small cohort of made slices."""

import csv
import json
from dataclasses import fields
from pathlib import Path

import numpy as np

from helpers.fake_cases import CELL
from neurograft.cohort import splits
from neurograft.experiment import network_cells
from neurograft.imaging import packing
from neurograft.sources import table, weights
from neurograft.training import tasks

TABLE = Path(__file__).parents[2] / "config/sources.tsv"

SOURCE = table.read_sources(TABLE)["efficientnet-lite0"]

QUICK = {"steps": 3, "batch": 4}


def write_slices(folder, seed, labelled=True):
    """Eight slices of 40 x 33 voxels, in a box of a larger grid."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    labels = np.zeros((8, 40, 33), np.uint8)
    labels[2:5, 10:20, 8:18], labels[3, 12:16, 10:14] = 2, 4
    images = random.normal(0, 1, (8, 4, 40, 33)) + 3 * (labels[:, None] > 0)
    packing.write_packed(folder / "images.zlib", images.astype(np.float16))
    if labelled:
        packing.write_packed(folder / "labels.zlib", labels)
    index = {"sequences": ["t1", "t1c", "t2", "flair"], "box": [[3, 43], [4, 37], [5, 13]], "spacing": [2.0, 2.0, 2.0]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def freeze(split):
    """Give a split its hash."""
    return split | {"hash": splits.digest(split)}


def cell(**changes):
    """The address of a cell."""
    return CELL | changes


def train(folder, cohort, address, source=SOURCE, located=None, **options):
    """Train a cell quickly; the options are those of `CellOutput`, `SubjectFiles` and `CellOptions`."""
    slices, split = cohort
    parts = {
        kind: {field.name: options.pop(field.name) for field in fields(kind) if field.name in options}
        for kind in (network_cells.CellOutput, tasks.SubjectFiles)
    }
    return network_cells.train_cell(
        network_cells.CellOutput(folder, **parts[network_cells.CellOutput]),
        split,
        address,
        weights.SourceFiles(source, located or weights.locate(source)),
        tasks.SubjectFiles(slices, **parts[tasks.SubjectFiles]),
        network_cells.CellOptions(**(QUICK | options)),
    )


def read_tsv(path):
    """Rows of a TSV."""
    return list(csv.DictReader(path.open(encoding="utf-8"), delimiter="\t"))
