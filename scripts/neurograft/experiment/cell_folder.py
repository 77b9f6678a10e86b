"""What lies in a cell's folder, read back."""

from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft.core import files, listings, tables


def unpack_prediction(packed, affine):
    """Turn a cell's stored prediction into probability images, on the brain's box of the template grid.

    Parameters
    ----------
    packed : dict of str to ndarray
        Content of `sub-X.npz`: a region each, uint8 (0 to 255 for 0 to 1), and `box`, first and end voxel
        along each axis.
    affine : array_like, shape (4, 4)
        Of the whole template grid.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        float32, a rim of one voxel of zeros around, so that interpolation ends as on the whole grid.
    """
    corner = np.array(affine, float)
    corner[:3, 3] += corner[:3, :3] @ (np.asarray(packed["box"])[:, 0] - 1)
    return {
        region: nib.Nifti1Image(np.pad(values.astype(np.float32) / 255, 1), corner)
        for region, values in packed.items()
        if region != "box"
    }


def read_cell(folder):
    """Read a cell's manifest, with its training history as `history` and, of a method of supervoxels, `judged`.

    Returns
    -------
    dict
    """
    manifest = files.read_json(Path(folder) / "manifest.json")
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
        contents = [Path(folder, "manifest.json").read_bytes()]
        contents += [path.name.encode() + path.read_bytes() for path in sorted(Path(folder).glob("sub-*.npz"))]
        rows.append(listings.add_hash({"cell": folder}, contents))
    return rows


def find_cells(path):
    """Give the folders of the cells that `gather_cells` listed in a table."""
    return [row["cell"] for row in listings.read_listing(path)]


def read_prediction(folder, subject, record):
    """Read what a cell predicted for a subject.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        Region to probability, on the brain's box of the template grid.
    """
    with np.load(Path(folder) / f"sub-{subject}.npz") as packed:
        return unpack_prediction(dict(packed), record["grid"]["affine"])
