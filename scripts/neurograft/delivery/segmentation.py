"""Deliver one subject's segmentation from the predictions of all folds.

There is one job for each subject, so no scoring code is imported.
"""

import numpy as np

from neurograft.cohort.subject_status import SubjectStatus, reference_of
from neurograft.core.labels import region_masks
from neurograft.core.split_file import SplitFile
from neurograft.delivery import native_grid
from neurograft.experiment.cell_folder import has_prediction, read_cell, read_prediction
from neurograft.imaging import derivatives


def deliver_subject(stem, subject, folders, split: SplitFile, status: SubjectStatus, record):
    """Write one subject's segmentation, or record why there is none.

    Parameters
    ----------
    stem : str
        Native stem of the subject (`derivatives`).
    subject : str
    folders : list of str or Path
        The cells of the delivered strategy, one for each fold.
    split : SplitFile
    status : SubjectStatus
    record : dict
        From `register_scans`.

    Returns
    -------
    dict
        `delivered`, `reason`, `networks` (the number of networks that predicted it), `volume_ml` of each region,
        `seen_in_pretraining` (whether the source was pretrained on this subject's scans, without labels) and, if there
        are any, `missing` (input sequences of the networks that the subject lacks).
    """
    task = split["tasks"]["segmentation"]
    having = [folder for folder in folders if has_prediction(folder, subject)]
    if not having:
        derivatives.write_delivered(stem, None, {}, [])
        why = {read_cell(folder).get("reason") or "" for folder in folders} - {""}
        reason = task["left_out"].get(subject) or task["reason"] or "; ".join(sorted(why)) or "no network was trained"
        return {"delivered": False, "reason": reason, "networks": 0, "volume_ml": {}, "seen_in_pretraining": False}
    scheme = split["schemes"][subject]
    grid = status["sequences"][reference_of(status)]
    predictions = [read_prediction(folder, subject, record) for folder in having]
    labels, chances = native_grid.deliver_segmentation(predictions, record, grid["shape"], grid["affine"], scheme)
    missing = task.get("incomplete", {}).get(subject, [])
    derivatives.write_delivered(stem, labels, chances, native_grid.dseg_table(scheme), missing)
    voxel = abs(np.linalg.det(np.asarray(grid["affine"])[:3, :3])) / 1000
    masks = region_masks(np.asanyarray(labels.dataobj), scheme)
    volumes = {region: round(float(mask.sum() * voxel), 3) for region, mask in masks.items()}
    seen = any(subject in read_cell(folder).get("pretrained_on", ()) for folder in having)
    record = {"delivered": True, "reason": "", "networks": len(having), "volume_ml": volumes}
    return record | {"seen_in_pretraining": seen} | ({"missing": missing} if missing else {})
