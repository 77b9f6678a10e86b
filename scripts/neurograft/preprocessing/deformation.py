"""Deformable registration of a brain that may have a tumour, which keeps the volume of the lesion.

The template has no tumour, so a lesion that were compared with it would shrink. The lesion is therefore masked out of
the similarity measure, and then moved by its own rigid motion, which fades out around it.
"""

import numpy as np
from scipy import ndimage

from neurograft.imaging.masks import mask_volume, overlap
from neurograft.imaging.measures import mutual_information
from neurograft.imaging.nifti import image
from neurograft.imaging.resampling import level, resample
from neurograft.imaging.transforms import grid_points, invert_transform, make_field, stretch, volume_change
from neurograft.imaging.typed import distance_to_outside, label_pieces
from neurograft.preprocessing.intensity import normalize_intensity

WORKING_SPACING = 3.0  # mm; voxel size of the field, and of the grid on which the engines work
MARGIN = 2  # voxels around a lesion that are masked out too, because a candidate's edge is not exactly the tumour's
FADE = 20.0  # mm over which the rigid motion of a lesion blends into the deformation of the brain
LARGEST_VOLUME_CHANGE = 0.05
# least Jacobian determinant: below it, the brain is compressed to less than a twentieth, or folded
LEAST_STRETCH = 0.05


def deform_brain(deform, template, moved, reference, threads=1):
    """Deform a brain onto a template, judge the result, and keep the lesion's volume.

    Parameters
    ----------
    deform : callable
        The function "deformable" of a row of `registration.REGISTRATION_ENGINES`.
    template : nibabel.Nifti1Image
        Skull-stripped, scaled by `resampling.level`, on the working grid.
    moved : dict of str to nibabel.Nifti1Image
        Sequences and `brain` on the same grid, after affine alignment.
    reference : str
        The sequence that is compared with the template.
    threads : int

    Returns
    -------
    warp, unwarp : nibabel.Nifti1Image, shape (X, Y, Z, 3)
        Displacement fields from template world to affinely aligned world, and back.
    quality : dict
        `similarity` outside the lesion, `overlap` of the brains, `lesion_ml`; `volume_change`: the relative change of
        the `lesion`, and what it would be without its rigid motion (`unheld`); `fault` in plain words, or "".
    """
    brain, still = np.asanyarray(moved["brain"].dataobj) > 0, np.asanyarray(template.dataobj)
    data = level(np.asanyarray(moved[reference].dataobj), brain)
    lesion = find_lesion(moved)
    compared = ndimage.binary_dilation(brain | (still > 0), iterations=2) & ~_grown(lesion, MARGIN)
    grid = template.affine
    warp = deform(template, image(data, grid), image(compared.astype(np.float32), grid), threads=threads)
    unheld = invert_transform(warp)
    unwarp = hold_lesion(unheld, _grown(lesion, 1))
    warp = invert_transform(unwarp)
    quality = {
        "lesion_ml": round(mask_volume(image(lesion, grid)), 2),
        "volume_change": {
            "lesion": round(volume_change(unwarp, lesion), 4),
            "unheld": round(volume_change(unheld, lesion), 4),
        },
    }
    change = quality["volume_change"]["lesion"]
    return warp, unwarp, quality | _judge(still, data, brain, compared, warp, change)


def find_lesion(moved):
    """Estimate where the tumour is: the candidates of the two highest levels (`proposal.LEVELS`).

    Levels are in units of the intensity spread. A large tumour increases this spread, so much of it reaches only the
    second level. To mask out healthy tissue costs little, but a tumour that is not masked out shrinks. Drawn labels are
    not used, because patients with labels would then be registered differently from patients without.

    Parameters
    ----------
    moved : dict of str to nibabel.Nifti1Image
        Sequences and `brain` on one coarse grid.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    from neurograft.candidates.proposal import LEVELS, propose_candidates  # takes a second to import

    normalised, _ = normalize_intensity(moved)
    ranked, table, *_ = propose_candidates(normalised, moved["brain"])
    chosen = table.loc[table["level"] >= LEVELS[1], "rank"]
    return np.isin(np.asanyarray(ranked.dataobj), chosen)


def hold_lesion(back, lesion):
    """Replace a field by a rigid motion within each lesion, and fade the motion out around it.

    Parameters
    ----------
    back : nibabel.Nifti1Image, shape (X, Y, Z, 3)
        Field that maps points of the brain with the lesion to the template.
    lesion : ndarray of bool, shape (X, Y, Z)

    Returns
    -------
    nibabel.Nifti1Image
        Its Jacobian determinant is 1 within a lesion. Between lesions, their motions are weighted by inverse squared
        distance.
    """
    parts, count = label_pieces(lesion, np.ones((3, 3, 3)))
    if not count:
        return back
    size, moves = np.linalg.norm(back.affine[:3, :3], axis=0), np.asarray(back.dataobj, float)
    here = grid_points(lesion.shape, back.affine)
    mixed, weights, nearest = np.zeros_like(moves), np.zeros(lesion.shape), np.full(lesion.shape, np.inf)
    for part in range(1, count + 1):
        inside = parts == part
        turn, shift = _fit_rigid(here[inside], here[inside] + moves[inside])
        distance = distance_to_outside(~inside, size)
        weight = 1 / (distance + 0.01) ** 2
        mixed += weight[..., None] * (here @ turn.T + shift - here)
        weights += weight
        nearest = np.minimum(nearest, distance)
    share = np.clip(1 - nearest / FADE, 0, 1)
    share = (share**2 * (3 - 2 * share))[..., None]  # smoothstep: no kink at either end
    return make_field((1 - share) * moves + share * mixed / weights[..., None], back.affine)


def _fit_rigid(points, wanted):
    """Return the rotation and translation that best map points to their targets (least squares; Kabsch 1976)."""
    middle, target = points.mean(axis=0), wanted.mean(axis=0)
    left, _, right = np.linalg.svd((wanted - target).T @ (points - middle))
    turn = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
    return turn, target - turn @ middle


def _grown(mask, voxels) -> np.ndarray:
    return np.asarray(ndimage.binary_dilation(mask, iterations=voxels))


def _judge(still, data, brain, compared, warp, change):
    """Measure similarity and overlap after a deformation, and describe its fault, if any."""
    carried = [
        np.asanyarray(resample(image(each, warp.affine), still.shape, warp.affine, warp).dataobj)
        for each in (data, brain.astype(np.float32))
    ]
    inside = (still > 0) & compared
    before, after = (mutual_information(still, each, inside) for each in (data, carried[0]))
    squeezed = float(stretch(warp)[still > 0].min())
    quality = {
        "similarity": round(after, 4),
        "overlap": round(overlap(still > 0, carried[1] > 0.5), 4),
        "fault": "",
    }
    if squeezed < LEAST_STRETCH:
        quality["fault"] = f"the brain would fold (least Jacobian determinant {squeezed:.2f})"
    elif after < before:
        quality["fault"] = f"the images are less alike than before ({before:.3f} to {after:.3f})"
    elif abs(change) > LARGEST_VOLUME_CHANGE:
        quality["fault"] = f"the lesion's volume would change by {100 * change:+.0f} %"
    return quality
