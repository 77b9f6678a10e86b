"""The real head with a tumour, and how it is read."""

from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft.imaging import nifti

HEAD = Path(__file__).parents[3] / "shared/data/raw_tumour_head"


def read(folder, name):
    """Read an image, canonical, as float32."""
    loaded = nib.as_closest_canonical(nib.load(folder / f"{name}.nii.gz"))
    return nifti.image(loaded.get_fdata(dtype=np.float32), loaded.affine)
