"""BIDS derivatives: the names, sidecars and encodings of what users take away.

A *stem* is a path without entities that vary: `results/derivatives/sub-X/anat/sub-X` on native
grids, the same with `_space-MNI152` in the template's space. Files that only some subjects have
(the mask of one sequence, say) are written beside a step's declared outputs by the same job, which
first removes those of an earlier run.
"""

from pathlib import Path

import numpy as np

from neurograft import __version__
from neurograft.core import files, tables
from neurograft.core.sequences import SEQUENCES, SUFFIXES
from neurograft.imaging import nifti, packing


def describe_dataset(path):
    """Write `dataset_description.json` of the derivatives dataset.

    Parameters
    ----------
    path : str or Path
        Where to write it.
    """
    description = {
        "Name": "neurograft derivatives",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "neurograft", "Version": __version__}],
    }
    files.write_json(path, description)


def write_masks(stem, masks, status):
    """Write each sequence's brain mask on the grid of its own file, and the reference's.

    Parameters
    ----------
    stem : str
        Native stem of the subject.
    masks : dict of str to nibabel.Nifti1Image
        Canonical masks, one a sequence.
    status : dict
        The subject's import status; it holds the files' own grids.
    """
    _remove(f"{stem}_acq-*_desc-brain_mask.*")
    for name, mask in masks.items():
        file = status["sequences"][name]
        native = nifti.to_native(mask, file["shape"], file["affine"])
        sidecar = {"Type": "Brain", "Sources": [file["file"]]}
        nifti.write_image(f"{stem}_acq-{name}_desc-brain_mask.nii.gz", native, sidecar)
        if name == status["reference"]:
            nifti.write_image(f"{stem}_desc-brain_mask.nii.gz", native, sidecar)


def write_disagreement(stem, disagreement, status, record):
    """Write where two opinions of the reference's brain differ; without a second one only remove an earlier run's.

    Parameters
    ----------
    stem : str
        Native stem of the subject.
    disagreement : nibabel.Nifti1Image or None
        Canonical, from `brain_extraction.strip_skull`.
    status, record : dict
        Import status, and the record of `strip_skull`.
    """
    _remove(f"{stem}_desc-disagreement_dseg.*")
    if disagreement is None:
        return
    file = status["sequences"][status["reference"]]
    native = nifti.to_native(disagreement, file["shape"], file["affine"])
    sidecar = {"Sources": [file["file"]], "1": f"{record['engine']} only", "2": f"{record['second']['engine']} only"}
    nifti.write_image(f"{stem}_desc-disagreement_dseg.nii.gz", native, sidecar)


def read_disagreement(stem):
    """Read what `write_disagreement` wrote, canonical; None where there was no second opinion."""
    path = Path(f"{stem}_desc-disagreement_dseg.nii.gz")
    return nifti.read_image(path) if path.exists() else None


def read_masks(stem, sequences):
    """Read the brain masks that `write_masks` wrote, canonical.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
    """
    return {name: nifti.read_image(f"{stem}_acq-{name}_desc-brain_mask.nii.gz") for name in sequences}


def write_normalized(stem, normalized):
    """Write the normalised images of a space, packed as int16, and the brain mask.

    Parameters
    ----------
    stem : str
        Stem with `space-`.
    normalized : dict of str to nibabel.Nifti1Image
        float32 sequences, zero outside of the brain, and `brain`, the mask on the same grid.
    """
    for suffix in set(SUFFIXES.values()):
        _remove(f"{stem}_desc-*_{suffix}.*")
    for name in (name for name in SEQUENCES if name in normalized):
        sidecar = {"SkullStripped": True, "Units": "arbitrary", "Sequence": name}
        path = f"{stem}_desc-{name}_{SUFFIXES[name]}.nii.gz"
        nifti.write_image(path, packing.as_int16(normalized[name]), sidecar)
    nifti.write_image(f"{stem}_desc-brain_mask.nii.gz", normalized["brain"], {"Type": "Brain"})


def read_normalized(stem):
    """Read the normalised images of a space.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        In the order of `sequences.SEQUENCES`, whichever are there.
    """
    paths = {name: f"{stem}_desc-{name}_{suffix}.nii.gz" for name, suffix in SUFFIXES.items()}
    return {name: nifti.read_image(path) for name, path in paths.items() if Path(path).exists()}


def write_delivered(stem, labels, probabilities, table, missing=()):
    """Write the delivered segmentation, its probabilities and the meaning of its values.

    Parameters
    ----------
    stem : str
        Native stem of the subject.
    labels : nibabel.Nifti1Image or None
        uint8 on the reference file's own grid; None where nothing was predicted, and then no
        file of an earlier run stays behind either.
    probabilities : dict of str to nibabel.Nifti1Image
        float32 in [0, 1], by region, same grid.
    table : list of dict
        Rows of `dseg.tsv`.
    missing : list of str
        Sequences that the networks take and this subject lacks; named in the sidecar.
    """
    _remove(f"{stem}_dseg.*")
    _remove(f"{stem}_desc-*_probseg.*")
    if labels is None:
        return
    for region, probability in probabilities.items():
        # a byte is finer than any probability of a network deserves
        scaled = np.round(np.asanyarray(probability.dataobj) * 255).astype(np.uint8)
        written = nifti.image(scaled, probability.affine)
        written.header.set_slope_inter(1 / 255, 0)
        nifti.write_image(f"{stem}_desc-{region}_probseg.nii.gz", written, {"Region": region})
    tables.write_table(f"{stem}_dseg.tsv", table)
    sidecar = {"Manual": False, "Description": "see dseg.tsv"} | ({"MissingSequences": missing} if missing else {})
    nifti.write_image(f"{stem}_dseg.nii.gz", labels, sidecar)


def _remove(pattern):
    """Remove an earlier run's files by pattern."""
    pattern = Path(pattern)
    for path in pattern.parent.glob(pattern.name):
        path.unlink()
