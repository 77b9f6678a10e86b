"""Files of a subject's slices, opened as a case for training and inference."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from neurograft.core import listings
from neurograft.core.files import read_json, whole, write_json
from neurograft.core.labels import region_values
from neurograft.imaging.packing import PackedArray, write_packed

AXIAL = "axial"
# plane to the order of the axes X, Y, Z: the two of a slice, then the one along which slices follow each other
PLANES = {AXIAL: (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
LEAST_TUMOUR = 20.0  # mm2 of tumour above which a slice counts as tumour
LEAST_BRAIN = 0.25  # smallest brain area, as a share of the largest one in the patient's slices


def gather_subjects(**records):
    """List the files that later steps read of each subject, so that each job has one input instead of thousands.

    Parameters
    ----------
    **records : sequence of str
        The subjects' JSON records by name, in the same order. They include `status` (of the import) and `normalized`,
        which is in the same folder as `slices` (`write_slices`).

    Returns
    -------
    list of dict
        `subject`, `slices`, a path for each record, and `sha256`, which changes with the content of any of them.
    """
    rows = []
    for files in zip(*records.values(), strict=True):
        row = dict(zip(records, files, strict=True))
        row = {"slices": str(Path(row["normalized"]).parent / "slices")} | row
        contents = [Path(file).read_bytes() for file in (Path(row["slices"], "index.json"), *files)]
        rows.append(listings.add_hash({"subject": read_json(row["status"])["subject"]} | row, contents))
    return rows


def find_slices(path) -> dict[str, Any]:
    """Find each subject's slices.

    Parameters
    ----------
    path : str or Path
        The table of `gather_subjects`, or the shared folder of pictures (`reading.import_images`).

    Returns
    -------
    dict of str to path or dict
        Subject to its folder, or to its `images` in the shared array (not read yet) and `index`.
    """
    if not Path(path).is_dir():
        return {subject: row["slices"] for subject, row in listings.read_subjects(path).items()}
    # opened once, because every memory map uses a file descriptor
    index, shared = read_json(Path(path) / "index.json"), np.load(Path(path) / "images.npy", mmap_mode="r")
    return {name: {"index": index, "images": shared[k : k + 1]} for k, name in enumerate(index["subjects"])}


def find_records(path):
    """Return the paths of each subject's records by name; pictures have none. `path` as in `find_slices`."""
    return {} if Path(path).is_dir() else listings.read_subjects(path)


def read_landmarks(folder):
    """Read a subject's intensity landmarks by sequence, empty if there are none; `folder` as in `find_slices`."""
    index = folder["index"] if isinstance(folder, dict) else read_json(Path(folder) / "index.json")
    return index.get("landmarks", {})


def segmentation_case(folder, sequences, scheme, labelled=True, missing=(), plane=AXIAL):
    """Read one subject as a case for segmentation; slices with and without tumour are the strata.

    Parameters
    ----------
    folder : str or Path
        Or the dict from `find_slices` for a picture.
    sequences : list of str
        The network's channels, in order.
    scheme : str
        Key of `label_schemes.LABEL_SCHEMES`.
    labelled : bool
        Whether to read labels and strata.
    missing : collection of str
        Sequences known to be missing; their channel is None (`take_channels`).
    plane : str
        A key of `PLANES`; others than axial have to have been written (`write_slices`).

    Raises
    ------
    ValueError
        If a sequence is absent but not in `missing`, or no sequence is left.
    """
    case = _read_slices(folder, sequences, missing, plane)
    if labelled:
        case["labels"] = PackedArray(Path(folder) / name_array("labels", plane))
        regions = region_values(scheme)
        case["regions"], case["lesions"] = region_table(regions), "WT" in regions
        tumour = case["regions"][:, 0][case["labels"][:]].any((1, 2))
        case["strata"] = {"tumour": np.flatnonzero(tumour), "rest": np.flatnonzero(~tumour)}
    return case


def find_candidates(path):
    """Find the slices of each subject's first candidates, on the grid.

    Parameters
    ----------
    path : str or Path
        The table of `supervoxel_files.gather_candidates`; if empty, the result is empty.
    """
    subjects = listings.read_subjects(path) if path else {}
    return {subject: read_json(row["record"])["slices"] for subject, row in subjects.items()}


def add_candidates(case, slices):
    """Add a stratum of slices without tumour that have tumour candidates.

    Parameters
    ----------
    case : dict
        From `segmentation_case`, with labels.
    slices : list of int
        Slices of the candidates, on the grid.
    """
    own = np.asarray(slices, int) - case["index"]["box"][2][0]
    return case | {"strata": case["strata"] | {"candidates": np.intersect1d(case["strata"]["rest"], own)}}


def classification_case(folder, sequences, classes, truth=None, labelled=True, missing=()):
    """Read one subject for classification: slices with enough brain, and one stratum for each class.

    Slices with less than a quarter of the patient's largest brain area are left out of training and prediction, because
    they are trivially tumour-free and would inflate every score.

    Parameters
    ----------
    folder, sequences, labelled, missing
        As in `segmentation_case`.
    classes : list of str
    truth : str, optional
        The patient's class. Without it, each slice has its own class from the labels: the second class if it has more
        than `LEAST_TUMOUR` mm2 of tumour.
    """
    case = _read_slices(folder, sequences, missing)
    case["usable"] = _with_brain(case)
    if labelled:
        if truth is None:
            labels = PackedArray(Path(folder) / "labels.zlib")
            area = np.array([np.count_nonzero(plane) for plane in labels]) * np.prod(case["index"]["spacing"][:2])
            case["classes"] = (area > LEAST_TUMOUR).astype(np.int64)
        else:
            case["classes"] = np.full(len(case["images"]), list(classes).index(truth))
        classes_of = case["classes"][case["usable"]]
        case["strata"] = {name: case["usable"][classes_of == number] for number, name in enumerate(classes)}
    return case


def keep_part(case, part, count, seed):
    """Keep one part of a case's usable slices, for folds by slice (`folds.deal_slices`).

    The slices are shuffled and dealt to the parts in turn, from a part that is drawn, so that the parts of many cases
    are equally large.

    Parameters
    ----------
    case : dict
        From `classification_case`.
    part, count : int
        Number of the part, from 0, and how many there are.
    seed : list of int
        The same for all parts of a subject, and different between subjects.

    Returns
    -------
    dict
        The case with `usable` and `strata` of the part, which may be empty.
    """
    random = np.random.default_rng(seed)
    dealt, first = random.permutation(case["usable"]), random.integers(count)
    kept = np.sort(dealt[(part - first) % count :: count])
    strata = {name: np.intersect1d(slices, kept) for name, slices in case["strata"].items()} if "strata" in case else {}
    return case | {"usable": kept} | ({"strata": strata} if strata else {})


def target_case(folder, sequences, missing=()):
    """Read one subject for adaptation: only images, of the slices with enough brain, in one stratum.

    Its labels are not opened, here or later. Slices at the edge of the brain are left out: training draws mostly slices
    with tumour, and the two should differ by patient, not by location.
    """
    case = _read_slices(folder, sequences, missing)
    return case | {"strata": {"any": _with_brain(case)}}


def read_channels(case, chosen: int | slice | np.ndarray = slice(None)):
    """Read one or several slices of a case, with the network's channels and the case's intensity scale, if any.

    Parameters
    ----------
    case : dict
    chosen : int, slice or ndarray of int
        Numbers of its slices.

    Returns
    -------
    ndarray, shape (C, X, Y) or (slices, C, X, Y)
    """
    images = case["images"][chosen]
    return take_channels(images, case["channels"], images.ndim - 3, case.get("scale"))


def take_channels(array, channels, axis=0, scale=None):
    """Take the network's channels from an array of all sequences; a missing channel is zero everywhere.

    Zero is the value outside the brain, and the brain's median after the robust z-score. No scan is zero everywhere,
    so a network trained with channel dropping recognises a missing channel.

    Parameters
    ----------
    array : ndarray
    channels : list of int or None
        Numbers along `axis`; None for a missing sequence.
    axis : int
    scale : list of ndarray or None, optional
        For each channel, a look-up table for every float16 value (`intensity_scale.bring_to_scale`).

    Returns
    -------
    ndarray
        A copy.
    """
    before = (slice(None),) * axis
    taken = array[(*before, [channel or 0 for channel in channels])]
    for place, channel in enumerate(channels):
        if channel is None:
            taken[(*before, place)] = 0
        elif scale and scale[place] is not None:
            taken[(*before, place)] = scale[place][taken[(*before, place)].view(np.uint16)]
    return taken


def name_array(kind, plane=AXIAL):
    """Return the file name of a subject's `images` or `labels` in a plane."""
    return f"{kind}.zlib" if plane == AXIAL else f"{kind}-{plane}.zlib"


def turn_slices(stack, plane):
    """Cut a volume of axial slices in another plane.

    Parameters
    ----------
    stack : ndarray, shape (Z, ..., X, Y)
    plane : str
        A key of `PLANES`.

    Returns
    -------
    ndarray
        (Y, ..., X, Z) for coronal and (X, ..., Y, Z) for sagittal slices.
    """
    first, second, along = PLANES[plane]
    axes = (stack.ndim - 2, stack.ndim - 1, 0)  # of X, Y, Z
    return stack.transpose(axes[along], *range(1, stack.ndim - 2), axes[first], axes[second])


def turn_back(chances, plane):
    """Turn a prediction of slices in a plane back to X, Y, Z.

    Parameters
    ----------
    chances : ndarray, shape (R, A, B, N)
        N slices of A x B pixels (`inference.predict_volume`).
    plane : str

    Returns
    -------
    ndarray, shape (R, X, Y, Z)
    """
    return chances.transpose(0, *(1 + PLANES[plane].index(axis) for axis in range(3)))


def write_slices(folder, opened, labels, index, planes=()):
    """Write the slices from `intensity.cut_slices` atomically, packed slice by slice for random access in training.

    Parameters
    ----------
    folder : str or Path
    opened : ndarray of float16, shape (Z, C, X, Y)
    labels : ndarray of uint8, shape (Z, X, Y), or None
    index : dict
        Written with a `sha256` of all voxels.
    planes : collection of str
        Further planes in which they are written; each takes as much space again.
    """
    arrays = {"images": opened} | ({} if labels is None else {"labels": labels})
    digest = hashlib.sha256()
    with whole(folder) as part:
        part.mkdir()
        for name, array in arrays.items():
            for plane in dict.fromkeys((AXIAL, *planes)):
                write_packed(part / name_array(name, plane), turn_slices(array, plane))
            digest.update(np.ascontiguousarray(array).data)
        write_json(part / "index.json", index | {"sha256": digest.hexdigest()})


def region_table(values):
    """Make a boolean table, label value x region, that converts labels to region masks by indexing."""
    table = np.zeros((256, len(values)), bool)
    for column, members in enumerate(values.values()):
        table[list(members), column] = True
    return table


def _read_slices(folder, sequences, missing=(), plane=AXIAL):
    """Open a subject's slices without reading them."""
    shared = isinstance(folder, dict)
    index = folder["index"] if shared else read_json(Path(folder) / "index.json")
    opened = folder["images"] if shared else PackedArray(Path(folder) / name_array("images", plane))
    if set(sequences) <= set(missing):
        raise ValueError(f"{folder} has none of {', '.join(sequences)}")
    # an absent sequence that is not in `missing` is an error
    channels = [None if name in missing else index["sequences"].index(name) for name in sequences]
    about = {} if plane == AXIAL else {"plane": plane}
    return {"images": opened, "channels": channels, "index": index, **about}


def _with_brain(case):
    """List the numbers of the slices with at least `LEAST_BRAIN` of the largest brain area."""
    brain = np.array([np.count_nonzero(read_channels(case, z).any(0)) for z in range(len(case["images"]))])
    return np.flatnonzero(brain >= LEAST_BRAIN * brain.max())
