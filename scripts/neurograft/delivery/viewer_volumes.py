"""What the report's 3-D viewer shows of one subject: small volumes on one grid, in a file that a page can load.

A page that was opened from a folder may not read other files, except scripts. The volumes are therefore gzipped NIfTI
images, written as text (base64) into a script that only assigns one object.
"""

import base64
import gzip
import itertools
import json
from pathlib import Path

import numpy as np
from scipy import ndimage

from neurograft.cohort.subject_status import SubjectStatus, reference_of
from neurograft.core import files
from neurograft.core.labels import tissues_of
from neurograft.delivery.subject_figures import NAMES, ORANGE, YELLOW, colour_tissues, read_finite
from neurograft.imaging import derivatives, nifti, resampling
from neurograft.imaging.typed import affine_of, load_nifti

FINEST = 1.0  # mm; finer scans are made coarser
RIM = 5.0  # mm around the brain that are shown: enough to judge its mask, too little for a face
GREYS = 64  # as many as the figures show; a quarter smaller than with 256
WHITE = "#FFFFFF"


def write_volumes(path, status: SubjectStatus, scans, stem, record, splits, wanted=True):
    """Write the script of one subject's volumes, or an empty file where there is nothing to show.

    Nothing is shown of stacked pictures, whose distance from slice to slice is not known.

    Parameters
    ----------
    path : str or Path
        Written atomically.
    status : SubjectStatus
    scans : dict of str to nibabel.Nifti1Image
        As imported, with `labels` if there are any.
    stem : str
        The subject's native stem (`derivatives`).
    record : dict
        From `register_scans`; its `to_reference` aligns the sequences.
    splits : dict
        With `schemes`, the label scheme of each subject.
    wanted : bool
        Whether the report has a viewer (`report.viewer`).
    """
    text = ""
    if wanted and status["layout"] != "images":
        shown = gather_volumes(status, scans, stem, record, splits.get("schemes", {}).get(status["subject"], ""))
        # what is not ASCII is escaped, so that no character ends the script or a line
        text = f"window.subject = {json.dumps(shown)};\n"
    with files.whole(path) as part:
        part.write_text(text, encoding="ascii")


def gather_volumes(status: SubjectStatus, scans, stem, record, scheme=""):
    """Gather the sequences, the delivered segmentation, the labels and the brain mask on one grid.

    The grid is that of the reference as scanned, cropped to the brain and `RIM` around it, and coarser than that where
    its voxels are finer than `FINEST`. The other sequences are resampled onto it as they were aligned; outside of the
    rim all of them are zero.

    Parameters
    ----------
    status, scans, stem, record
        As in `write_volumes`.
    scheme : str
        Scheme of the labels; "" if it is not known.

    Returns
    -------
    dict
        `title`, `simulated`, `start` (where the cross stands first, in world mm), `first` (the number of the image
        that is shown first: the reference), `images` (`name`, `file`) and
        `overlays` (`name`, `file`, `look` "area" or "edge", `shown`: whether from the start, `parts`: `name` and
        `colour` of the values from 1). A `file` is a gzipped NIfTI in base64.
    """
    reference = reference_of(status)
    masks = {} if status.get("prepared") else derivatives.read_masks(stem, [reference])
    mask = masks.get(reference, nifti.image(np.ones(scans[reference].shape, np.uint8), scans[reference].affine))
    grid, brain, near = _choose_grid(mask)
    there = record.get("to_reference", {})
    images = []
    for name in status["sequences"]:
        scan = nifti.image(read_finite(scans[name]), scans[name].affine)
        grey = _scale_grey(_put_onto(grid, scan, there.get(name), resampling.resample), brain, near)
        images.append({"name": NAMES.get(name, name), "file": _encode(grey, grid.affine)})
    labelled, delivered = _read_labels(status, scans, stem, there, grid)
    tissues = tissues_of(scheme) if scheme else {}
    layers = []
    for data, words, colour in ((delivered, "delivered", ORANGE), (labelled, "as labelled", WHITE)):
        if data is not None:
            layers += _describe_labels(data, words, colour, tissues)
    # a fresh page shows the delivered areas and the edge of the labels, as the figures do
    first = {("delivered", "area")} | {("as labelled", "edge" if delivered is not None else "area")}
    if masks:
        layers.append(("brain mask", "edge", _find_edge(brain), [{"name": "brain mask", "colour": YELLOW}]))
        first |= set() if len(layers) > 1 else {("brain mask", "edge")}
    overlays = [
        {"name": name, "look": look, "shown": (name, look) in first, "parts": parts, "file": _encode(data, grid.affine)}
        for name, look, data, parts in layers
    ]
    marked = next((data for data in (delivered, labelled) if data is not None and data.any()), brain)
    return {
        "title": f"sub-{status['subject']}", "simulated": status["layout"] == "phantom",
        "start": _find_centre(marked, grid.affine), "first": list(status["sequences"]).index(reference),
        "images": images, "overlays": overlays,
    }  # fmt: skip


def _choose_grid(mask):
    """Choose the viewer's grid around a mask; return it, and on it the mask and what is shown, as booleans."""
    inside = np.asanyarray(mask.dataobj) > 0
    if not inside.any():
        inside = np.ones(mask.shape, bool)
    sizes = np.linalg.norm(affine_of(mask)[:3, :3], axis=0)
    box = resampling.grid_box(inside, margin=int(np.ceil(RIM / sizes.min())))
    cut = nifti.image(inside, mask.affine).slicer[box]
    grid = resampling.regridded(cut, np.maximum(FINEST, sizes))
    brain = _put_onto(grid, cut, None, resampling.resample_labels) > 0
    if brain.all():
        return grid, brain, brain
    away = ndimage.distance_transform_edt(~brain, sampling=np.linalg.norm(grid.affine[:3, :3], axis=0))
    return grid, brain, np.asarray(away) <= RIM


def _put_onto(grid, scan, transform, resample):
    """Return an image's data on the grid: cut out where the voxels are the same, which is most often so, or resampled.

    Parameters
    ----------
    grid : resampling.Grid
    scan : nibabel.Nifti1Image
    transform : array_like, shape (4, 4), or None
        World of the grid to the world of the image.
    resample : function
        `resampling.resample` or `resampling.resample_labels`.
    """
    matrix = np.linalg.inv(affine_of(scan)) @ (np.eye(4) if transform is None else np.asarray(transform)) @ grid.affine
    first = np.round(matrix[:3, 3]).astype(int)
    same = np.allclose(matrix[:3, :3], np.eye(3), atol=1e-5) and np.allclose(matrix[:3, 3], first, atol=1e-3)
    if same and (first >= 0).all() and (first + grid.shape <= scan.shape).all():
        return np.asanyarray(scan.dataobj)[tuple(slice(at, at + size) for at, size in zip(first, grid.shape))]
    return np.asanyarray(resample(scan, *grid, transform).dataobj)


def _scale_grey(data, brain, near):
    """Scale intensities to `GREYS` steps of a byte by those of the brain; 0 is outside of what is shown."""
    inside = data[brain & (data != 0)]
    low, high = np.percentile(inside, (0.5, 99.7)) if inside.size else (0, 1)
    low = min(low, 0)
    grey = np.clip((data - low) / max(high - low, 1e-6), 0, 1)
    # the largest is 255, and none that is shown is 0
    steps = 1 + np.round(grey * (GREYS - 1))
    return np.where(near & (data != 0), np.round(steps * (255 / GREYS)), 0).astype(np.uint8)


def _read_labels(status, scans, stem, there, grid):
    """Read the dataset's labels and the delivered segmentation onto the grid; None for what there is not."""
    labelled, delivered = scans.get("labels"), None
    if labelled is not None:
        drawn_on = (status["labels"] or {}).get("grid_of")
        labelled = _put_onto(grid, labelled, there.get(drawn_on), resampling.resample_labels)
    if Path(derivatives.segmentation_file(stem)).exists():
        native = nifti.onto_axes(load_nifti(derivatives.segmentation_file(stem)), scans[reference_of(status)].affine)
        delivered = _put_onto(grid, native, None, resampling.resample_labels)
    return labelled, delivered


def _describe_labels(data, words, colour, tissues):
    """Describe labels twice: as areas in the colours of the figures, and as the edge of all of them together.

    Returns
    -------
    list of (str, str, ndarray of uint8, list of dict)
        Name, look, data and parts of each overlay; values are counted from 1, since those of a dataset may be large.
    """
    listed = tissues or {f"label {value}": value for value in np.unique(data[data > 0]).tolist()}
    if not listed:
        return []
    # a byte counts no further
    listed = dict(itertools.islice(sorted(listed.items(), key=lambda item: item[1]), 255))
    colours, counted = colour_tissues(listed), np.zeros(data.shape, np.uint8)
    for number, value in enumerate(listed.values(), start=1):
        counted[data == value] = number
    parts = [{"name": name, "colour": colours[value]} for name, value in listed.items()]
    return [
        (words, "area", counted, parts),
        (words, "edge", _find_edge(data > 0), [{"name": words, "colour": colour}]),
    ]


def _find_edge(inside):
    """Find the voxels of a mask that have a neighbour outside of it; the rim of the grid counts as inside."""
    return (inside & np.logical_not(ndimage.binary_erosion(inside, border_value=1))).astype(np.uint8)


def _find_centre(marked, affine):
    """Find the voxel of a mask that is nearest to its centre, in world millimetres; the grid's centre without any."""
    spots = np.argwhere(marked > 0)
    if not len(spots):
        spots = np.array(marked.shape)[None] // 2
    spot = spots[np.abs(spots - spots.mean(axis=0)).sum(axis=1).argmin()]
    return np.round(affine[:3, :3] @ spot + affine[:3, 3], 1).tolist()


def _encode(data, affine):
    """Encode a volume of bytes as a gzipped NIfTI in base64; the same volume gives the same text."""
    scan = nifti.image(data, affine)
    # the range of greys, so that the viewer does not choose one
    scan.header["cal_min"], scan.header["cal_max"] = 0, 255
    return base64.b64encode(gzip.compress(scan.to_bytes(), 6, mtime=0)).decode("ascii")
