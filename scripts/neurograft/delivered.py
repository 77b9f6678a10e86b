"""From cells' files to a subject's delivered segmentation; a job a subject, so nothing that scores is imported."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft import delivery, derivatives, images, regions, tables


def read_cell(folder):
    """Read a cell's manifest, with its training history as `history` and, of a method of supervoxels, `judged`.

    Returns
    -------
    dict
    """
    manifest = images.read_json(Path(folder) / "manifest.json")
    history = tables.read_table(Path(folder) / "history.tsv") if manifest["trained"] else []
    judged = Path(folder) / "candidates.tsv"
    return manifest | {"history": history} | ({"judged": tables.read_table(judged)} if judged.exists() else {})


def gather_cells(folders):
    """List cells with their content, so that each subject's job has one input instead of one a cell.

    Returns
    -------
    list of dict
        `cell`, its folder, and `sha256`, which changes with its manifest and with any of its predictions.
    """
    rows = []
    for folder in folders:
        said = [Path(folder, "manifest.json").read_bytes()]
        said += [path.name.encode() + path.read_bytes() for path in sorted(Path(folder).glob("sub-*.npz"))]
        rows.append({"cell": folder, "sha256": hashlib.sha256(b"\n".join(said)).hexdigest()})
    return rows


def find_cells(path):
    """Give the folders of the cells that `gather_cells` listed in a table."""
    return [row["cell"] for row in tables.read_table(path)]


def read_prediction(folder, subject, record):
    """Read what a cell predicted for a subject.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        Region to probability, on the brain's box of the template grid.
    """
    with np.load(Path(folder) / f"sub-{subject}.npz") as packed:
        return delivery.unpack_prediction(dict(packed), record["grid"]["affine"])


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
    record = images.read_json(path)
    if record.get("deformable"):
        record["unwarp"] = nib.load(Path(path).parent / "registered/unwarp.nii.gz")
    return record


def deliver_subject(stem, subject, folders, split, status, record):
    """Write one subject's delivered segmentation, or say why there is none.

    Parameters
    ----------
    stem : str
        Native stem of the subject (`derivatives`).
    subject : str
    folders : list of str or Path
        The cells of the delivered strategy, one a fold.
    split, status, record : dict
        `splits.json`, the import status and the registration record.

    Returns
    -------
    dict
        `delivered`, `reason`, `networks` (how many predicted it), `volume_ml` of each region,
        `seen_in_pretraining`: whether the source was trained on this subject's scans, without labels; and
        `missing`, the sequences that the networks take and the subject lacks, where it does.
    """
    task = split["tasks"]["segmentation"]
    having = [folder for folder in folders if (Path(folder) / f"sub-{subject}.npz").exists()]
    if not having:
        derivatives.write_delivered(stem, None, {}, [])
        why = {read_cell(folder).get("reason") for folder in folders} - {"", None}
        reason = task["left_out"].get(subject) or task["reason"] or "; ".join(sorted(why)) or "no network was trained"
        return {"delivered": False, "reason": reason, "networks": 0, "volume_ml": {}, "seen_in_pretraining": False}
    scheme = split["schemes"][subject]
    grid = status["sequences"][status["reference"]]
    predictions = [read_prediction(folder, subject, record) for folder in having]
    labels, chances = delivery.deliver_segmentation(predictions, record, grid["shape"], grid["affine"], scheme)
    missing = task.get("incomplete", {}).get(subject, [])
    derivatives.write_delivered(stem, labels, chances, delivery.dseg_table(scheme), missing)
    voxel = abs(np.linalg.det(np.asarray(grid["affine"])[:3, :3])) / 1000
    masks = regions.region_masks(np.asanyarray(labels.dataobj), scheme)
    volumes = {region: round(float(mask.sum() * voxel), 3) for region, mask in masks.items()}
    seen = any(subject in read_cell(folder).get("pretrained_on", ()) for folder in having)
    record = {"delivered": True, "reason": "", "networks": len(having), "volume_ml": volumes}
    return record | {"seen_in_pretraining": seen} | ({"missing": missing} if missing else {})
