"""What tissue the template has at each supervoxel's place."""

from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from scipy.ndimage import map_coordinates

from .images import read_image
from .templates import template_path

# the tissue maps of the ICBM 2009a template (Fonov et al. 2011), 1 mm, that nilearn carries beside its T1
TISSUES = {
    "grey": "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz",
    "white": "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz",
}


def tissue_priors(centres):
    """Give the template's share of grey matter, white matter and the rest (fluid) at points in MNI152 space.

    Parameters
    ----------
    centres : ndarray, shape (n, 3)
        World coordinates (RAS, millimetres); a point outside of the maps has none of the tissues.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        `prior_grey`, `prior_white`, `prior_fluid`, each from 0 to 1.
    """
    folder, found = Path(template_path("MNI152")).parent, {}
    for tissue, file in TISSUES.items():
        tissue_map = read_image(folder / file)
        data = np.asanyarray(tissue_map.dataobj).astype(np.float32)
        places = apply_affine(np.linalg.inv(tissue_map.affine), np.asarray(centres, float))
        share = map_coordinates(data / max(float(data.max()), 1e-6), places.T, order=1, mode="constant")
        found[f"prior_{tissue}"] = np.clip(share, 0, 1)
    return found | {"prior_fluid": np.clip(1 - sum(found.values()), 0, 1)}
