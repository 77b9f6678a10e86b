"""A subject's supervoxels as files: the cut, what was measured in each, and, where it is known, what each is made of.

segments.npz    `segments`, the supervoxels 1 to n (0 outside of the brain) on the brain's box
features.npy    float32, shape (n, F)
shares.npy      float32, shape (n, V): the share of each supervoxel that has each label value; labelled subjects only
index.json      `features` (names of the F columns), `values` (the V label values), `box` and `shape` of the grid,
                `mirror_x_mm`
"""

from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.core import files, listings
from neurograft.imaging import resampling


def write_supervoxels(folder, segments, features, mirror, labels=None):
    """Write a subject's supervoxels, whole or not at all.

    Parameters
    ----------
    folder : str or Path
    segments : ndarray of int, shape (X, Y, Z)
        1 to n without gaps, 0 outside.
    features : pandas.DataFrame, n rows
        From `supervoxels.measure_supervoxels`, priors beside it where there are some.
    mirror : float
        The mirror plane's x in mm.
    labels : nibabel.Nifti1Image of int, optional
        On the same grid.
    """
    count = int(segments.max())
    box = resampling.grid_box(segments > 0) if count else tuple(slice(0, n) for n in segments.shape)
    index = {"features": list(features), "values": [], "box": [[s.start, s.stop] for s in box]}
    index |= {"shape": list(segments.shape), "mirror_x_mm": float(mirror)}
    with files.whole(folder) as part:
        part.mkdir()
        smallest = np.uint16 if count < 2**16 else np.int32
        np.savez_compressed(part / "segments.npz", segments=segments[box].astype(smallest))
        np.save(part / "features.npy", features.to_numpy(np.float32))
        if labels is not None:
            drawn = np.asanyarray(labels.dataobj)
            index["values"] = [int(value) for value in np.unique(drawn) if value]
            np.save(part / "shares.npy", label_shares(segments, drawn, index["values"]))
        files.write_json(part / "index.json", index)


def read_supervoxels(folder, labelled=True):
    """Read what `write_supervoxels` wrote.

    Returns
    -------
    dict
        `segments` (on the box), `features` (a pandas.DataFrame), `shares` (where asked for and there), and the index's
        entries `values`, `box`, `shape`, `mirror_x_mm`.
    """
    folder = Path(folder)
    index = files.read_json(folder / "index.json")
    with np.load(folder / "segments.npz") as packed:
        segments = packed["segments"].astype(np.int32)
    table = pd.DataFrame(np.load(folder / "features.npy"), columns=index["features"])
    found = {"segments": segments, "features": table}
    if labelled and (folder / "shares.npy").exists():
        found["shares"] = np.load(folder / "shares.npy")
    return found | {name: index[name] for name in ("values", "box", "shape", "mirror_x_mm")}


def gather_candidates(records):
    """List each subject's candidates and supervoxels, so that each of many jobs has one input instead of thousands.

    Parameters
    ----------
    records : iterable of str
        `.../sub-X/space-S/propose_candidates.json`, the folder `supervoxels` beside it.

    Returns
    -------
    list of dict
        `subject`, `record`, `supervoxels`, and `sha256`, which changes with the content of any of their files.
    """
    rows = []
    for record in records:
        folder = Path(record).parent / "supervoxels"
        contents = [path.read_bytes() for path in (Path(record), *sorted(folder.glob("*.np*")), folder / "index.json")]
        subject = folder.parents[1].name.removeprefix("sub-")
        row = {"subject": subject, "record": record, "supervoxels": str(folder)}
        rows.append(listings.add_hash(row, contents))
    return rows


def find_supervoxels(path):
    """Map each subject to its folder of supervoxels, from the table of `gather_candidates`."""
    return {subject: row["supervoxels"] for subject, row in listings.read_subjects(path).items()}


def label_shares(segments, labels, values):
    """Compute the share of each supervoxel that has each label value.

    Parameters
    ----------
    segments, labels : ndarray of int, shape (X, Y, Z)
    values : list of int

    Returns
    -------
    ndarray of float32, shape (n, V)
    """
    sizes = np.bincount(segments.ravel())
    hits = [np.bincount(segments[labels == value].ravel(), minlength=sizes.size) for value in values]
    shares = np.stack(hits, axis=1) if hits else np.zeros((sizes.size, 0))
    return (shares / np.maximum(sizes, 1)[:, None])[1:].astype(np.float32)
