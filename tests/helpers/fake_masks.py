"""A labelled cohort on native grids, and masks of another program for it."""

from pathlib import Path

import nibabel as nib
import numpy as np

from helpers.fake_registration import NATIVE, SHAPE
from neurograft.cohort import splits
from neurograft.core import files

NAMES = {f"p{number}": f"Case_{number}_1" for number in range(4)}
CELL = {"task": "segmentation", "source": "external", "strategy": "nnunet", "space": "MNI152", "split": "folds"}
CELL |= {"n": "all", "fold": "0", "seed": "0"}


def make_split(folds=2, scheme="brats2018", repeats=1):
    """The split of the four subjects, and one without labels."""
    rows = [
        {"participant_id": name, "included": "true", "labels": "false" if name == "u" else "true", "scheme": scheme,
         "sequences": "t1c,t2,flair", "site": ""}
        for name in [*NAMES, "u"]
    ]  # fmt: skip
    return splits.split_cohort(rows, folds=folds, repeats=repeats)


def write_statuses(folder, **differs):
    """Write each subject's import status; return where they are."""
    places = {}
    for subject, name in NAMES.items():
        file = {
            "file": f"{subject}.nii.gz",
            "shape": list(SHAPE),
            "affine": NATIVE.tolist(),
            "stripped": True,
        } | differs
        labels = {"file": str(folder / f"{subject}_truth.nii.gz"), "affine": NATIVE.tolist(), "values": [1, 2, 4]}
        labels |= {"scheme": "brats2018", "certain": True, "grid_of": "t1c"}
        status = {"subject": subject, "name": name, "reference": "t1c", "sequences": {"t1c": file}, "labels": labels}
        places[subject] = str(folder / subject / "status.json")
        files.write_json(places[subject], status)
    return places


def make_truth(number=0, values=(1, 2, 4)):
    """Label values of a small tumour, another for each number."""
    data = np.zeros(SHAPE, np.uint8)
    data[5 + number : 14 + number, 8:17, 6:15] = values[1]
    data[7 + number : 12 + number, 10:15, 8:13] = values[2]
    data[8 + number : 10 + number, 11:13, 9:11] = values[0]
    return data


def write_mask(path, data, affine=NATIVE):
    """Write a mask as another program does."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def write_masks(folder, values=(1, 2, 4)):
    """Write a perfect mask of everybody."""
    for number, subject in enumerate(NAMES):
        write_mask(folder / f"{subject}.nii.gz", make_truth(number, values))
    return folder
