"""Resample probabilities to a subject's native grid, as the dataset's own labels."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft.core import files
from neurograft.core.labels import is_own, labels_from_regions, tissues_of
from neurograft.imaging import nifti, resampling
from neurograft.imaging.transforms import chain, invert_transform, is_linear, map_points
from neurograft.imaging.typed import load_nifti

THRESHOLD = 0.5
# abbreviation and colour of every tissue in a label scheme
TISSUES = {
    "necrosis": ("NCR", "#d55e00"),
    "oedema": ("ED", "#009e73"),
    "enhancing": ("ET", "#f0e442"),
    "tumour": ("WT", "#009e73"),
}
# of the user's own labels, one after the other: Okabe and Ito's colours, told apart also by colour-blind readers
OWN_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


def native_transform(record, sequence=None):
    """Compute the transform that pulls the template onto a native grid: native world to template world.

    Parameters
    ----------
    record : dict
        Of `register_scans`: `to_template` (template world to reference world) and `to_reference`
        (reference world to each sequence's world); `unwarp` where the brain was deformed
        (`native_grid.read_registration`).
    sequence : str, optional
        Whose native grid; the reference's where absent or where it has no transform of its own.

    Returns
    -------
    ndarray of shape (4, 4), or a tuple (`transforms`)
    """
    forward = np.asarray(record["to_template"], float)
    if sequence in record.get("to_reference", {}):
        forward = np.asarray(record["to_reference"][sequence], float) @ forward
    back = np.linalg.inv(forward)
    return chain(back, record["unwarp"]) if "unwarp" in record else back


def to_native_grid(probabilities, transform, shape, affine, floor=0.0):
    """Interpolate the probabilities of all regions linearly onto a native grid, once.

    Only the native box around what can exceed `floor` is computed: on a 240x240x155 grid that is a
    tenth of the time, with the same values, since linear interpolation never exceeds its neighbours.

    Parameters
    ----------
    probabilities : dict of str to nibabel.Nifti1Image
        Region to probability, all on one template grid.
    transform : ndarray, shape (4, 4), or tuple
        Native world to template world: `native_transform`.
    shape, affine
        The native grid, in whatever orientation its file has; a fourth axis of one volume is dropped.
    floor : float
        Values up to it may come back as 0.

    Returns
    -------
    dict of str to ndarray
        float32, shape `shape`.
    """
    shape, affine = tuple(shape)[:3], np.asarray(affine, float)
    data = {region: np.asanyarray(value.dataobj).astype(np.float32) for region, value in probabilities.items()}
    source = next(iter(probabilities.values())).affine
    out = {region: np.zeros(shape, np.float32) for region in data}
    inside = np.maximum.reduce(list(data.values())) > floor
    if not inside.any():
        return out
    box = _native_box(inside, source, invert_transform(transform), affine, shape)
    size = tuple(part.stop - part.start for part in box)
    if 0 in size:
        return out
    corner = affine @ np.block([[np.eye(3), np.array([[part.start] for part in box])], [np.zeros((1, 3)), 1]])
    for region, values in data.items():
        moved = resampling.resample(nib.Nifti1Image(values, source), size, corner, transform, order=1)
        out[region][box] = np.asanyarray(moved.dataobj)
    return out


def _native_box(inside, source, forward, affine, shape):
    """Find the box of native voxels that any neighbour of a template voxel within `inside` can reach."""
    spans = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    # of a box that is not bent the corners reach farthest, of a bent one any voxel of its six faces may
    bent = not is_linear(forward)
    steps = [np.arange(span[0] - 1, span[-1] + 2) if bent else (span[0] - 1, span[-1] + 1) for span in spans]
    voxels = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    edge = np.zeros(voxels.shape[:3], bool)
    for axis in range(3):
        edge |= np.isin(np.arange(voxels.shape[axis]), (0, voxels.shape[axis] - 1)).reshape(
            [-1 if i == axis else 1 for i in range(3)]
        )
    reached = map_points(chain(source, forward, np.linalg.inv(affine)), voxels[edge])
    low = np.clip(np.floor(reached.min(axis=0)).astype(int) - bent, 0, shape)
    high = np.clip(np.ceil(reached.max(axis=0)).astype(int) + 1 + bent, low, shape)
    return tuple(slice(start, stop) for start, stop in zip(low.tolist(), high.tolist()))


def deliver_segmentation(predictions, record, shape, affine, scheme, sequence=None):
    """Make the delivered segmentation of one subject.

    Parameters
    ----------
    predictions : list of dict of str to nibabel.Nifti1Image
        Region to probability on the template grid. One for a labelled subject (out of its fold), one a
        fold, or more, for an unlabelled one; their mean is delivered.
    record : dict
        Of `register_scans`.
    shape, affine
        Native grid of the reference's file.
    scheme : str
        Row of `LABEL_SCHEMES`, or own labels: whose values the segmentation has.
    sequence : str, optional
        Deliver on the grid of this sequence instead of the reference's.

    Returns
    -------
    segmentation : nibabel.Nifti1Image
        uint8, the dataset's own values, regions nested.
    probabilities : dict of str to nibabel.Nifti1Image
        float32, before thresholding.

    Raises
    ------
    ValueError
        Without a prediction, or if they differ in regions or grid.
    """
    if not predictions:
        raise ValueError("no prediction to deliver")
    regions = list(predictions[0])
    grids = {
        (value.shape, value.affine.round(4).tobytes()) for prediction in predictions for value in prediction.values()
    }
    if len(grids) > 1 or any(set(prediction) != set(regions) for prediction in predictions):
        raise ValueError("the predictions differ in their regions or their grid")
    source = predictions[0][regions[0]].affine
    mean = {
        region: nib.Nifti1Image(
            np.mean(
                [np.asanyarray(prediction[region].dataobj) for prediction in predictions], axis=0, dtype=np.float32
            ),
            source,
        )
        for region in regions
    }
    native = to_native_grid(mean, native_transform(record, sequence), shape, affine)
    labels = labels_from_regions(native, scheme, THRESHOLD).astype(np.uint8)
    return nifti.image(labels, affine), {name: nifti.image(values, affine) for name, values in native.items()}


def dseg_table(scheme):
    """List the rows of the BIDS look-up table `dseg.tsv`: what each value of the segmentation is.

    Returns
    -------
    list of dict
        `index`, `name`, `abbreviation`, `color`.
    """
    rows = [{"index": 0, "name": "background", "abbreviation": "BG", "color": "#000000"}]
    own = itertools.cycle(OWN_COLOURS)
    for name, value in sorted(tissues_of(scheme).items(), key=lambda item: item[1]):
        abbreviation, colour = (name, next(own)) if is_own(scheme) else TISSUES[name]
        rows.append({"index": value, "name": name, "abbreviation": abbreviation, "color": colour})
    return rows


def read_registration(path):
    """Read a record of `register_scans`, with the field `unwarp` where the brain was deformed.

    Parameters
    ----------
    path : str or Path
        The record; the fields are among the registered scans beside it. A field is read when it is needed.

    Returns
    -------
    dict
    """
    record = files.read_json(path)
    if record.get("deformable"):
        record["unwarp"] = load_nifti(Path(path).parent / "registered/unwarp.nii.gz")
    return record
