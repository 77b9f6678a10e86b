"""Recognise what was done to scans before, and so what is left to do.

Only what is certain counts as recognised: a needless step costs seconds, a missing one a subject.
"""

import nibabel as nib
import numpy as np

from neurograft.cohort.subject_status import SubjectStatus
from neurograft.imaging.headers import corner_distance, same_grid, voxel_sizes
from neurograft.imaging.templates import MNI152, space_label, template_path
from neurograft.imaging.typed import fill_holes, label_pieces, load_nifti

LARGEST_BRAIN = 2000.0  # ml, with the fluid around it; a head has more
LEAST_BACKGROUND = 0.2  # of the image; a head's air is noisy, unless it was cleared
# Grids (canonical) on which others deliver images in MNI152 space: shape, voxel size in mm, first voxel's place.
# FSL at 1 and 2 mm, SPM12 at 1.5 mm, ICBM 2009c at 1 and 2 mm, 2009a (nilearn) at 1 and 2 mm.
MNI_GRIDS = (
    ((182, 218, 182), 1.0, (-91, -126, -72)),
    ((91, 109, 91), 2.0, (-90, -126, -72)),
    ((121, 145, 121), 1.5, (-90, -126, -72)),
    ((193, 229, 193), 1.0, (-96, -132, -78)),
    ((97, 115, 97), 2.0, (-96, -132, -78)),
    ((197, 233, 189), 1.0, (-98, -134, -72)),
    ((99, 117, 95), 2.0, (-98, -134, -72)),
)


def clear_background(data):
    """Shift a constant background to zero, in place, and note it.

    Some tools leave -1024, the offset of the stored integers, or the darkest value of standardised intensities
    around a brain, and all that follows takes zero for outside.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    """
    value = data[0, 0, 0]
    x, y, z = (max(1, length - 1) for length in data.shape)
    if value == 0 or not (data[::x, ::y, ::z] == value).all():
        return []
    if np.mean(data == value) < LEAST_BACKGROUND:
        return []
    data -= value
    return [f"the background was {value:g} everywhere, moved to 0 with all intensities"]


def looks_stripped(scan):
    """Check whether a scan is skull-stripped already.

    Outside of a stripped brain everything is exactly zero, on most of each face of the field of view
    too; what is left is one piece, and with its holes filled no larger than a brain. A head whose air was
    set to zero has the scalp, which closes around the dark skull, and is larger; a defaced head too.

    Parameters
    ----------
    scan : nibabel.Nifti1Image
        Canonical.

    Returns
    -------
    bool
    """
    mask = np.asanyarray(scan.dataobj) != 0
    faces = [mask.take(end, axis).mean() for axis in range(3) for end in (0, -1)]
    if mask.mean() > 0.7 or max(faces) > 0.5:
        return False
    filled = _filled(scan)
    pieces, _ = label_pieces(filled)
    largest = np.bincount(pieces.ravel())[1:].max(initial=0)
    sizes = voxel_sizes(scan.affine)
    volume = filled.sum() * np.prod(sizes * _steps(sizes)) / 1000
    return bool(300 < volume < LARGEST_BRAIN and largest > 0.9 * filled.sum())


def _steps(sizes):
    """Return the step along each axis that thins a grid to about 2 mm."""
    return np.maximum(1, np.round(2.0 / sizes)).astype(int)


def _filled(scan):
    """Return the non-zero voxels, thinned to about 2 mm, with the holes of each axial slice filled."""
    x, y, z = _steps(voxel_sizes(scan.affine))
    mask = np.asanyarray(scan.dataobj)[::x, ::y, ::z] != 0
    return np.stack([fill_holes(mask[..., k]) for k in range(mask.shape[2])], axis=2)


def share_one_space(scans, facts, overlap):
    """Check whether all sequences are stripped, on one grid and cut to nearly one mask: registered before.

    The least Dice between masks is lower for a BraTS release, whose sequences are known to be registered
    but in 2023 were cut out one by one (0.96 in a metastasis case; two that were never aligned reach 0.94).
    """
    names = list(facts)
    first = scans[names[0]]
    if not all(facts[name]["stripped"] and same_grid(scans[name], first) for name in names):
        return False
    masks = [_filled(scans[name]) for name in names]
    overlaps = [2 * (mask & masks[0]).sum() / (mask.sum() + masks[0].sum()) for mask in masks]
    return bool(min(overlaps) > overlap)


def template_grids(template):
    """List the grids on which an image counts as registered to the template: its own and, of MNI152, the usual ones.

    Parameters
    ----------
    template : str or None
        As in `templates.template_path`.

    Returns
    -------
    list of (tuple of int, ndarray)
        Shape and affine, canonical; empty without a template.
    """
    path = template_path(template)
    if path is None:
        return []
    template_image = nib.as_closest_canonical(load_nifti(path))
    grids = [(template_image.shape, template_image.affine)]
    if space_label(template) == MNI152:
        for shape, spacing, corner in MNI_GRIDS:
            affine = np.diag([spacing] * 3 + [1.0])
            affine[:3, 3] = corner
            grids.append((shape, affine))
    return grids


def lies_in_template(scans, grids):
    """Check whether every scan is on one of a template's grids, on which no scanner places a head.

    Parameters
    ----------
    scans : iterable of nibabel.Nifti1Image
        Canonical.
    grids : list
        From `template_grids`.
    """
    return all(
        any(
            scan.shape == shape and corner_distance(shape, scan.affine, affine) < 0.05 * voxel_sizes(scan.affine).min()
            for shape, affine in grids
        )
        for scan in scans
    )


def tell_recognised(status: SubjectStatus):
    """Describe in one line what was recognised of a subject's scans; "" for an excluded subject."""
    if not status["included"]:
        return ""
    if status.get("prepared"):
        return f"taken as prepared: {', '.join(status['sequences'])}"
    stripped = [name for name, facts in status["sequences"].items() if facts["stripped"]]
    heads = [name for name in status["sequences"] if name not in stripped]
    phrases = [
        f"{words}: {', '.join(names)}"
        for words, names in (("skull-stripped", stripped), ("with skull", heads))
        if names
    ]
    if len(status["sequences"]) > 1:
        phrases.append(f"registered to each other: {_yes(status['coregistered'])}")
    phrases.append(f"in template space: {_yes(status['in_template'])}")
    return "; ".join(phrases)


def tell_plan(status: SubjectStatus, template):
    """Describe in one line what preprocessing will do for a subject; parameters as in `validation.import_scans`."""
    if not status["included"]:
        return "nothing, it is excluded"
    if status.get("prepared"):
        return "nothing to strip or to align"
    reference, steps = status["reference"], []
    heads = [name for name, facts in status["sequences"].items() if not facts["stripped"]]
    others = [name for name in status["sequences"] if name != reference]
    if heads:
        steps.append(f"strip {', '.join(heads)}")
    if others and not status["coregistered"]:
        steps.append(f"align {', '.join(others)} to {reference}")
    space = space_label(template)
    if space != "reference" and not status["in_template"]:
        steps.append(f"align {reference} to the template{'' if space == 'custom' else f' {space}'}")
    return "; ".join(steps) or "nothing to strip or to align"


def _yes(value):
    return "yes" if value else "no"
