"""A subject's slices, as files, opened as a case that `training` draws from and `inference` predicts."""

import hashlib
from pathlib import Path

import numpy as np

from neurograft.core import listings
from neurograft.core.files import read_json, whole, write_json
from neurograft.core.labels import region_values
from neurograft.imaging.packing import PackedArray, write_packed

LEAST_TUMOUR = 20.0  # mm2 of tumour that make a slice one with tumour
LEAST_BRAIN = 0.25  # of the largest brain area of the patient's slices


def gather_subjects(**records):
    """List what later steps read of each subject, so that each of many jobs has one input instead of thousands.

    Parameters
    ----------
    **records : sequence of str
        The subjects' JSON records by name, in the same order; among them `status` (of the import) and `normalized`,
        beside which their folder `slices` is (`write_slices`).

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


def find_slices(path):
    """Find each subject's slices.

    Parameters
    ----------
    path : str or Path
        The table of `gather_subjects`, or the folder that pictures share (`reading.import_images`).

    Returns
    -------
    dict of str to path or dict
        Subject to its folder, or to its `images` in the shared array, not read yet, and `index`.
    """
    if not Path(path).is_dir():
        return {subject: row["slices"] for subject, row in listings.read_subjects(path).items()}
    # opened once, for every opened map holds a file descriptor
    index, shared = read_json(Path(path) / "index.json"), np.load(Path(path) / "images.npy", mmap_mode="r")
    return {name: {"index": index, "images": shared[k : k + 1]} for k, name in enumerate(index["subjects"])}


def find_records(path):
    """Say where each subject's records are, by name; pictures have none. `path` as in `find_slices`."""
    return {} if Path(path).is_dir() else listings.read_subjects(path)


def read_landmarks(folder):
    """Read a subject's landmarks of intensity by sequence, empty if it has none; `folder` as in `find_slices`."""
    index = folder["index"] if isinstance(folder, dict) else read_json(Path(folder) / "index.json")
    return index.get("landmarks", {})


def segmentation_case(folder, sequences, scheme, labelled=True, missing=()):
    """Read one subject as a case of `training`: its slices with and without tumour are the strata.

    Parameters
    ----------
    folder : str or Path
        Or what `find_slices` returns for a picture.
    sequences : list of str
        The network's channels, in its order.
    scheme : str
        Row of `labels.LABEL_SCHEMES`.
    labelled : bool
        Whether to read labels and strata.
    missing : collection of str
        Sequences that the subject is known to lack: their channel is None (`take_channels`).

    Raises
    ------
    ValueError
        If a sequence is absent that is not said to be missing, or nothing is left.
    """
    case = _read_slices(folder, sequences, missing)
    if labelled:
        case["labels"] = PackedArray(Path(folder) / "labels.zlib")
        case["regions"] = region_table(region_values(scheme))
        tumour = case["regions"][:, 0][case["labels"][:]].any((1, 2))
        case["strata"] = {"tumour": np.flatnonzero(tumour), "rest": np.flatnonzero(~tumour)}
    return case


def find_candidates(path):
    """Find the slices of each subject where its first candidates are, on the grid.

    Parameters
    ----------
    path : str or Path
        The table of `supervoxel_files.gather_candidates`; without one nobody has any.
    """
    subjects = listings.read_subjects(path) if path else {}
    return {subject: read_json(row["record"])["slices"] for subject, row in subjects.items()}


def add_candidates(case, slices):
    """Add a stratum of those slices without tumour that look as if they had one.

    Parameters
    ----------
    case : dict
        From `segmentation_case`, with labels.
    slices : list of int
        Where the candidates are, on the grid.
    """
    own = np.asarray(slices, int) - case["index"]["box"][2][0]
    return case | {"strata": case["strata"] | {"candidates": np.intersect1d(case["strata"]["rest"], own)}}


def classification_case(folder, sequences, classes, truth=None, labelled=True, missing=()):
    """Read one subject for classification: the slices with enough brain, one stratum a class.

    Slices with less than a quarter of the patient's largest brain area are left out of training and
    prediction: they are free of tumour trivially and would flatter every score.

    Parameters
    ----------
    folder, sequences, labelled, missing
        As in `segmentation_case`.
    classes : list of str
    truth : str, optional
        The patient's class. Without it each slice has its own, from the labels: the second class
        if it holds more than `LEAST_TUMOUR` mm2 of tumour.
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


def target_case(folder, sequences, missing=()):
    """Read one subject for adaptation: images alone, of the slices with enough brain, in one stratum.

    Nothing of its labels is opened, here or later. Slices at the rim of the brain are left out, since
    training draws mostly slices with tumour and the two should differ by the patient, not the place.
    """
    case = _read_slices(folder, sequences, missing)
    return case | {"strata": {"any": _with_brain(case)}}


def read_channels(case, chosen: int | slice | np.ndarray = slice(None)):
    """Read a slice of a case, or several, with the network's channels and on the case's scale, if it has one.

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
    """Take the network's channels from an array of all sequences; one that the subject lacks is zero throughout.

    Zero is the value outside of the brain, and of the brain's median after the robust z-score. No scan is zero
    everywhere, so a network that was trained with whole channels dropped knows an absent one.

    Parameters
    ----------
    array : ndarray
    channels : list of int or None
        Numbers along `axis`; None for a sequence that is not there.
    axis : int
    scale : list of ndarray or None, optional
        For each channel a table that every float16 is looked up in (`intensity_scale.bring_to_scale`).

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


def write_slices(folder, opened, labels, index):
    """Write what `intensity.cut_slices` cut, whole or not at all, packed slice by slice: training reads at random.

    Parameters
    ----------
    folder : str or Path
    opened : ndarray of float16, shape (Z, C, X, Y)
    labels : ndarray of uint8, shape (Z, X, Y), or None
    index : dict
        Written with `sha256`, which changes with any voxel.
    """
    arrays = {"images": opened} | ({} if labels is None else {"labels": labels})
    digest = hashlib.sha256()
    with whole(folder) as part:
        part.mkdir()
        for name, array in arrays.items():
            write_packed(part / f"{name}.zlib", array)
            digest.update(np.ascontiguousarray(array).data)
        write_json(part / "index.json", index | {"sha256": digest.hexdigest()})


def region_table(values):
    """Make a boolean table, label value x region, that turns labels into region masks by indexing."""
    table = np.zeros((256, len(values)), bool)
    for column, members in enumerate(values.values()):
        table[list(members), column] = True
    return table


def _read_slices(folder, sequences, missing=()):
    """Open a subject's slices without reading them."""
    shared = isinstance(folder, dict)
    index = folder["index"] if shared else read_json(Path(folder) / "index.json")
    opened = folder["images"] if shared else PackedArray(Path(folder) / "images.zlib")
    if set(sequences) <= set(missing):
        raise ValueError(f"{folder} has none of {', '.join(sequences)}")
    # an absent sequence that nobody spoke of is an error
    channels = [None if name in missing else index["sequences"].index(name) for name in sequences]
    return {"images": opened, "channels": channels, "index": index}


def _with_brain(case):
    """List the numbers of the slices whose brain is not much smaller than the largest."""
    brain = np.array([np.count_nonzero(read_channels(case, z).any(0)) for z in range(len(case["images"]))])
    return np.flatnonzero(brain >= LEAST_BRAIN * brain.max())
