"""Export one subject's scans for other programs: skull-stripped, on the grid of the reference's own file."""

import numpy as np

from neurograft.cohort.subject_status import SubjectStatus, reference_of
from neurograft.core.sequences import SEQUENCES
from neurograft.imaging.headers import same_grid
from neurograft.imaging.masks import combine_masks
from neurograft.imaging.nifti import image, to_native, write_scans
from neurograft.imaging.resampling import resample, resample_labels


def export_scans(folder, status: SubjectStatus, scans, masks, record):
    """Write a subject's sequences and labels on the grid of the reference's own file.

    A sequence that is already on this grid keeps its voxels; any other is interpolated once, through the rigid
    alignment of `register_scans`. Scans that had a skull, or were interpolated, are set to zero outside the brain.

    Parameters
    ----------
    folder : str or Path
        Written atomically: `NAME.nii.gz` of each sequence, and `labels.nii.gz` with the dataset's values.
    status : SubjectStatus
    scans : dict of str to nibabel.Nifti1Image
        Canonical, with `labels` if there are any.
    masks : dict of str to nibabel.Nifti1Image
        Each sequence's brain mask on its own grid.
    record : dict
        From `register_scans`.
    """
    name = reference_of(status)
    reference, file = scans[name], status["sequences"][name]
    there = {name: np.eye(4)} | {other: np.asarray(matrix) for other, matrix in record["to_reference"].items()}
    stays = {each: _lies_on(scans[each], reference, there[each]) for each in there}
    kept = {each: stays[each] and status["sequences"][each]["stripped"] for each in there}
    brain = None if all(kept.values()) else np.asanyarray(combine_masks(masks, there, name).dataobj) > 0
    exported = {}
    for each in (sequence for sequence in SEQUENCES if sequence in there):
        scan = scans[each]
        moved = scan if stays[each] else resample(scan, reference.shape, reference.affine, there[each], order=3)
        data = np.asanyarray(moved.dataobj)
        exported[each] = data if kept[each] or brain is None else np.where(brain, data, 0)
    if status["labels"]:
        labels, on = scans["labels"], status["labels"]["grid_of"]
        if not _lies_on(labels, reference, there[on]):
            labels = resample_labels(labels, reference.shape, reference.affine, there[on])
        exported["labels"] = np.asanyarray(labels.dataobj)
    lying = {each: image(data, reference.affine) for each, data in exported.items()}
    write_scans(folder, {each: to_native(scan, file["shape"], file["affine"]) for each, scan in lying.items()})


def _lies_on(scan, reference, there):
    """Check whether an image is already on the reference's grid and aligned to it."""
    return bool(np.array_equal(there, np.eye(4))) and same_grid(scan, reference)
