"""Recognise earlier preprocessing of scans, and thus the steps that are left to do.

Only certain findings count: an unnecessary step costs seconds, a missing one costs a subject.
"""

import nibabel as nib
import numpy as np

from neurograft.cohort.subject_status import SubjectStatus
from neurograft.imaging.headers import corner_distance, same_grid, voxel_sizes
from neurograft.imaging.templates import MNI152, space_label, template_path
from neurograft.imaging.typed import fill_holes, label_pieces, load_nifti

LARGEST_BRAIN = 2000.0  # ml, including the surrounding fluid; a head is larger
LEAST_BACKGROUND = 0.2  # share of the image; air around a head is noisy, unless it was cleared
# Grids (canonical) of MNI152 space in other software: shape, voxel size in mm, position of the first voxel.
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

    Around the brain, some tools leave -1024, the offset of the stored integers, or the darkest value of standardised
    intensities, but all later steps treat zero as outside.

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
    """Check whether a scan is already skull-stripped.

    Outside a stripped brain all voxels are exactly zero, including most of each face of the field of view. The rest is
    one connected component that, with holes filled, is no larger than a brain. A head whose air was set to zero is
    larger, because the scalp encloses the dark skull; so is a defaced head.

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


def find_head_coarse(data, sizes):
    """Return a mask of the head, made on a grid of about 2 mm: above a tenth of the 99th percentile, with holes filled.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    sizes : ndarray, shape (3,)
        Of a voxel, mm.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    steps = _steps(sizes)
    x, y, z = steps
    thin = data[::x, ::y, ::z]
    head = thin > 0.1 * np.percentile(thin[thin != 0], 99) if thin.any() else np.ones(thin.shape, bool)
    filled = np.stack([fill_holes(head[..., k]) for k in range(head.shape[-1])], axis=2)
    for axis, step in enumerate(steps):
        filled = np.repeat(filled, step, axis)
    return filled[tuple(slice(0, length) for length in data.shape)]


def share_one_space(scans, facts, overlap):
    """Check whether all sequences are stripped, on one grid and with nearly the same mask: already registered.

    The required Dice between masks is lower for a BraTS release, whose sequences are known to be registered but in 2023
    were stripped separately (0.96 in a metastasis case; two sequences that were never aligned reach 0.94).
    """
    names = list(facts)
    first = scans[names[0]]
    if not all(facts[name]["stripped"] and same_grid(scans[name], first) for name in names):
        return False
    masks = [_filled(scans[name]) for name in names]
    overlaps = [2 * (mask & masks[0]).sum() / (mask.sum() + masks[0].sum()) for mask in masks]
    return bool(min(overlaps) > overlap)


def template_grids(template):
    """List the grids on which an image counts as registered to a template: its own and, for MNI152, the usual ones.

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
    """Check whether every scan is on one of a template's grids, which scanners never produce.

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
    """Describe in one line what was recognised about a subject's scans; "" for an excluded subject."""
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
