"""BIDS derivatives: names, sidecars and encodings of the files for users.

A *stem* is the part of a path without variable entities: `results/derivatives/sub-X/anat/sub-X` on native grids, or
with `_space-MNI152` in the template's space. Only this module makes file names from stems, and `stem_of` returns the
stem of a file. Files that only some subjects have (such as the mask of one sequence) are written beside the declared
outputs of a step by the same job, which first removes those of an earlier run.
"""

import glob
import re
import shutil
from pathlib import Path

import numpy as np

from neurograft import __version__
from neurograft.core import files, tables
from neurograft.core.sequences import OWN_SUFFIX, SEQUENCES, SUFFIXES, list_sequences, suffix_of
from neurograft.imaging import nifti, packing


def brain_mask_file(stem, sequence=None):
    """Name the brain mask of one sequence on its native grid; without a sequence, that of the reference or space."""
    return f"{stem}{f'_acq-{sequence}' if sequence else ''}_desc-brain_mask.nii.gz"


def disagreement_file(stem):
    """Name the image of the voxels where two brain masks of the reference differ."""
    return f"{stem}_desc-disagreement_dseg.nii.gz"


def normalized_file(stem, sequence):
    """Name a sequence's normalised image."""
    return f"{stem}_desc-{sequence}_{suffix_of(sequence)}.nii.gz"


def candidates_file(stem):
    """Name the image of the candidates' ranks."""
    return f"{stem}_desc-candidates_dseg.nii.gz"


def segmentation_file(stem):
    """Name the delivered segmentation."""
    return f"{stem}_dseg.nii.gz"


def segmentation_table_file(stem):
    """Name the table with the meaning of the delivered segmentation's values."""
    return f"{stem}_dseg.tsv"


def probability_file(stem, region):
    """Name the delivered probabilities of a region."""
    return f"{stem}_desc-{region}_probseg.nii.gz"


# acq- and desc- are the only entities after a stem
ENDING = re.compile(
    rf"(_acq-[A-Za-z0-9]+)?(_desc-[A-Za-z0-9]+)?_(mask|dseg|probseg|{'|'.join(SUFFIXES)})"
    r"\.(nii\.gz|json|tsv)"
)


def stem_of(path):
    """Return the stem of a derivative: the inverse of the functions that name one.

    Parameters
    ----------
    path : str or Path
        May be empty, if a run does not have the file.

    Returns
    -------
    str or None
        None for an empty path.

    Raises
    ------
    ValueError
        If it is not the name of a derivative.
    """
    if not path:
        return None
    path = Path(path)
    ending = ENDING.search(path.name)
    if ending is None or ending.end() < len(path.name):
        raise ValueError(f"{path} is not the name of a derivative")
    return str(path.with_name(path.name[: ending.start()]))


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
        Canonical masks, one for each sequence.
    status : dict
        The subject's import status, with the files' own grids.
    """
    _remove(brain_mask_file(stem, "*"))
    for name, mask in masks.items():
        file = status["sequences"][name]
        native = nifti.to_native(mask, file["shape"], file["affine"])
        sidecar = {"Type": _type_of(status), "Sources": [file["file"]]}
        nifti.write_image(brain_mask_file(stem, name), native, sidecar)
        if name == status["reference"]:
            nifti.write_image(brain_mask_file(stem), native, sidecar)


def _type_of(record):
    """Return the BIDS type of a mask; that of a prepared scan covers everything that the scan shows."""
    return "ROI" if record.get("prepared") else "Brain"


def write_disagreement(stem, disagreement, status, record):
    """Write where two brain masks of the reference differ; without a second one, remove the file of an earlier run.

    Parameters
    ----------
    stem : str
        Native stem of the subject.
    disagreement : nibabel.Nifti1Image or None
        Canonical, from `brain_extraction.strip_skull`.
    status, record : dict
        Import status, and the record of `strip_skull`.
    """
    _remove(disagreement_file(stem))
    if disagreement is None:
        return
    file = status["sequences"][status["reference"]]
    native = nifti.to_native(disagreement, file["shape"], file["affine"])
    sidecar = {"Sources": [file["file"]], "1": f"{record['engine']} only", "2": f"{record['second']['engine']} only"}
    nifti.write_image(disagreement_file(stem), native, sidecar)


def read_disagreement(stem):
    """Read the image of `write_disagreement`, canonical; None if there was no second brain mask."""
    path = Path(disagreement_file(stem))
    return nifti.read_image(path) if path.exists() else None


def read_masks(stem, sequences):
    """Read the brain masks written by `write_masks`, canonical.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
    """
    return {name: nifti.read_image(brain_mask_file(stem, name)) for name in sequences}


def write_normalized(stem, normalized, record):
    """Write the normalised images of a space, packed as int16, and the brain mask.

    Parameters
    ----------
    stem : str
        Stem with `space-`.
    normalized : dict of str to nibabel.Nifti1Image
        float32 sequences, zero outside the brain, and `brain`, the mask on the same grid.
    record : dict
        From `normalize_intensity`.
    """
    for suffix in SUFFIXES:
        _remove(f"{stem}_desc-*_{suffix}.nii.gz")
    for name in list_sequences(normalized):
        # unknown for prepared scans
        sidecar = {"SkullStripped": not record.get("prepared", False), "Units": "arbitrary", "Sequence": name}
        nifti.write_image(normalized_file(stem, name), packing.as_int16(normalized[name]), sidecar)
    nifti.write_image(brain_mask_file(stem), normalized["brain"], {"Type": _type_of(record)})


def read_normalized(stem):
    """Read the normalised images of a space.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        Those that exist, in the order of `sequences.SEQUENCES`, then the user's own by name.
    """
    paths = {name: normalized_file(stem, name) for name in (*SEQUENCES, *_list_own(stem))}
    return {name: nifti.read_image(path) for name, path in paths.items() if Path(path).exists()}


def _list_own(stem):
    """List the user's own sequences that have a normalised image."""
    before, after = f"{Path(stem).name}_desc-", f"_{OWN_SUFFIX}.nii.gz"
    found = Path(stem).parent.glob(f"{glob.escape(before)}*{after}")
    return sorted(path.name.removeprefix(before).removesuffix(after) for path in found)


def write_delivered(stem, labels, probabilities, table, missing=()):
    """Write the delivered segmentation, its probabilities and the meaning of its values.

    Parameters
    ----------
    stem : str
        Native stem of the subject.
    labels : nibabel.Nifti1Image or None
        uint8 on the reference file's own grid. None if nothing was predicted; files of an earlier run are then removed.
    probabilities : dict of str to nibabel.Nifti1Image
        float32 in [0, 1], by region, same grid.
    table : list of dict
        Rows of `dseg.tsv`.
    missing : list of str
        Input sequences of the networks that this subject lacks; named in the sidecar.
    """
    _remove(segmentation_file(stem))
    _remove(probability_file(stem, "*"))
    if labels is None:
        return
    for region, probability in probabilities.items():
        # a byte is more precise than the probabilities of a network
        scaled = np.round(np.asanyarray(probability.dataobj) * 255).astype(np.uint8)
        written = nifti.image(scaled, probability.affine)
        written.header.set_slope_inter(1 / 255, 0)
        nifti.write_image(probability_file(stem, region), written, {"Region": region})
    tables.write_table(segmentation_table_file(stem), table)
    sidecar = {"Manual": False, "Description": "see dseg.tsv"} | ({"MissingSequences": missing} if missing else {})
    nifti.write_image(segmentation_file(stem), labels, sidecar)


def _remove(pattern):
    """Remove an earlier run's images by pattern, and files with the same names but other extensions."""
    image = Path(pattern)
    for path in image.parent.glob(image.name.removesuffix(".nii.gz") + ".*"):
        path.unlink()


def remove_others(folders, kept):
    """Remove the folders `sub-X` of all but some subjects: results of who is excluded now, or gone, mean nothing.

    Parameters
    ----------
    folders : sequence of str or Path
    kept : collection of str
        Labels X.
    """
    names = {f"sub-{subject}" for subject in kept}
    for folder in folders:
        for path in Path(folder).glob("sub-*"):
            if path.is_dir() and path.name not in names:
                shutil.rmtree(path)
