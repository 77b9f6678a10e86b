"""Register each sequence to the reference and the reference to the template; each image is interpolated once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import nibabel as nib
import numpy as np
from joblib import Parallel, delayed

from neurograft.cohort.subject_status import SubjectStatus, reference_of
from neurograft.core.sequences import list_sequences
from neurograft.imaging.masks import combine_masks, overlap
from neurograft.imaging.measures import mutual_information
from neurograft.imaging.nifti import image, read_image
from neurograft.imaging.resampling import (
    grid_box,
    grid_of,
    regridded,
    resample,
    resample_labels,
    smoothed,
    working_copy,
)
from neurograft.imaging.templates import template_path
from neurograft.imaging.transforms import chain
from neurograft.imaging.typed import affine_of
from neurograft.preprocessing import deformation
from neurograft.preprocessing.mask_edge_alarm import find_cut_tissue
from neurograft.preprocessing.registration_engines import (
    align_ants,
    align_greedy,
    align_simpleitk,
    deform_ants,
    deform_greedy,
    deform_simpleitk,
)

LEAST_OVERLAP = {"rigid": 0.80, "affine": 0.85}
# Normalised mutual information at 4 mm. 14 real heads aligned to the template: 1.13 to 1.17 if correct; 1.04 to 1.07 if
# rotated by 90 or 180 degrees (up to 1.11 if mirrored), although the outlines overlap by 0.86 to 0.93.
# Sequences of one head: 1.10 to 1.32 if correct, 1.03 to 1.065 if wrong; simulated noisy ones at 3 mm, 1.076 to 1.25 if
# correct.
LEAST_SIMILARITY = {"rigid": 1.07, "affine": 1.08}
LARGEST_SCALE = 1.6
# In degrees. Heads are rotated by up to 40 degrees against the template. A larger rotation may be a wrong header
# or a local optimum with the brain upside down that is almost as similar (1.10 against 1.14), so it is tried again from
# another start.
USUAL_TURN = 60.0


@dataclass(frozen=True)
class RegistrationOptions:
    """The block `register_scans` of the configuration.

    Parameters
    ----------
    engine : str
        A key of `REGISTRATION_ENGINES`.
    template : str or None
        As in `load_template`: a key of `templates.TEMPLATES`, the path of a skull-stripped image, or "none".
    spacing : float or None
        Voxel size in mm after registration; None keeps the grid of the template, or of the reference.
    deformable : bool
        After the affine alignment, also deform the brain onto the template (`deformation`), if there is one.
    """

    engine: str = "greedy"
    template: str | None = None
    spacing: float | None = None
    deformable: bool = False


@dataclass(frozen=True)
class PriorAlignment:
    """What is known about the alignment of a subject's images before registration.

    Parameters
    ----------
    reference : str
        The sequence to which the others are aligned.
    coregistered : bool
        The sequences are already aligned, so only the alignment to the template is computed.
    in_template : bool
        The scans are reported to be in the template's space; this is accepted unless the brains do not match.
    labels_on : str or None
        The sequence on whose grid the labels were drawn; None for the reference.
    prepared : bool
        The scans were prepared elsewhere: they are on one grid and taken as they are.
    """

    reference: str
    coregistered: bool = False
    in_template: bool = False
    labels_on: str | None = None
    prepared: bool = False

    @classmethod
    def from_status(cls, status: SubjectStatus):
        """Read it from a subject's import status."""
        labels_on = status["labels"]["grid_of"] if status["labels"] else None
        known = status["coregistered"], status["in_template"], labels_on, status.get("prepared", False)
        return cls(reference_of(status), *known)


def centre_start(fixed_mask, moving_mask):
    """Compute the translation that aligns the centres of two brain masks."""
    start = np.eye(4)
    start[:3, 3] = _moments(moving_mask)[0] - _moments(fixed_mask)[0]
    return start


def moments_start(fixed, moving, fixed_mask, moving_mask):
    """Compute the rigid motion that aligns the centres and principal axes of two brains.

    The sign of an axis is arbitrary, so all four rotations without reflection are tried, and the one with the highest
    similarity is returned.
    """
    (here, axes_here), (there, axes_there) = _moments(fixed_mask), _moments(moving_mask)
    inside = np.asanyarray(fixed_mask.dataobj) > 0
    best, most = np.eye(4), -np.inf
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        turn = axes_there @ np.diag([*signs, 1.0]) @ axes_here.T
        turn = turn if np.linalg.det(turn) > 0 else axes_there @ np.diag([*signs, -1.0]) @ axes_here.T
        start = np.eye(4)
        start[:3, :3], start[:3, 3] = turn, there - turn @ here
        moved = resample(moving, fixed.shape, fixed.affine, start)
        likeness = mutual_information(np.asanyarray(fixed.dataobj), np.asanyarray(moved.dataobj), inside)
        if likeness > most:
            best, most = start, likeness
    return best


def _moments(mask):
    """Compute the centre of a mask in mm, and its principal axes as columns, longest last."""
    points = np.argwhere(np.asanyarray(mask.dataobj) > 0) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    return points.mean(axis=0), np.linalg.eigh(np.cov(points.T))[1]


def align_pair(align, pair, kind, threads, skip=False):
    """Align and check a pair; if it fails, try again from the principal axes, and at last align only the centres."""
    fixed, moving, fixed_mask, moving_mask = pair
    small = working_copy(fixed, fixed_mask, 4.0), working_copy(moving, moving_mask, 4.0)
    small_masks = [image((np.asanyarray(each.dataobj) > 0).astype(np.uint8), each.affine) for each in small]
    if skip:
        return np.eye(4), _judge(small, moving, np.eye(4), kind)
    centre = centre_start(fixed_mask, moving_mask)
    # scanner coordinates are a better start if the patient stayed on the table
    starts = [np.eye(4), centre] if kind == "rigid" else [centre]
    start = max(starts, key=lambda start: _judge(small, moving, start, kind)["overlap"])
    attempts = []
    for again in (False, True):
        start = moments_start(*small, *small_masks) if again else start
        placed = nib.Nifti1Image(moving.dataobj, np.linalg.inv(start) @ moving.affine)
        placed_mask = nib.Nifti1Image(moving_mask.dataobj, placed.affine)
        transform = start @ align(fixed, placed, kind, fixed_mask, placed_mask, threads=threads)
        attempts.append((transform, _judge(small, moving, transform, kind)))
        if not attempts[-1][1]["fault"] and _turn(transform) < USUAL_TURN:
            return attempts[-1]
    # keep a doubtful alignment, which is flagged, unless the brains hardly overlap
    transform, quality = max(attempts, key=lambda each: (not each[1]["fault"], each[1]["similarity"]))
    return (transform if quality["overlap"] >= LEAST_OVERLAP[kind] else centre), quality


def _turn(transform):
    """Compute the angle, in degrees, of the rotation in a transform."""
    left, _, right = np.linalg.svd(np.asarray(transform)[:3, :3])
    return float(np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1))))


def _judge(small, moving, transform, kind):
    """Measure similarity and overlap after an alignment, in the moving field of view, and describe any fault."""
    fixed, stripped = small
    seen = resample(image(np.ones(moving.shape, np.float32), moving.affine), fixed.shape, fixed.affine, transform)
    seen = np.asanyarray(seen.dataobj) > 0.5
    moved = np.asanyarray(resample(stripped, fixed.shape, fixed.affine, transform).dataobj)
    still = np.asanyarray(fixed.dataobj)
    quality = {
        "similarity": round(mutual_information(still, moved, (still > 0) & seen), 4),
        "overlap": round(overlap((still > 0) & seen, moved > 0), 4),
        "turn": round(_turn(transform), 1),
        "fault": "",
    }
    mirrored = np.linalg.det(np.asarray(transform)[:3, :3]) <= 0
    scales = np.linalg.svd(np.asarray(transform)[:3, :3], compute_uv=False)
    if quality["overlap"] < LEAST_OVERLAP[kind]:
        quality["fault"] = f"the brains overlap only by {quality['overlap']:.2f} (Dice)"
    elif quality["similarity"] < LEAST_SIMILARITY[kind]:
        quality["fault"] = f"the images are not alike (normalised mutual information {quality['similarity']:.3f})"
    elif mirrored:
        quality["fault"] = "the brain would be mirrored"
    elif scales.max() > LARGEST_SCALE or scales.min() < 1 / LARGEST_SCALE:
        quality["fault"] = f"the brain would be scaled by {scales.min():.2f} to {scales.max():.2f}"
    return quality


def register_scans(scans, masks, prior, template=None, options=None, threads=1):
    """Register all images of a subject to one grid.

    Each skull-stripped sequence is rigidly aligned to the skull-stripped reference, which is affinely aligned to the
    template. Both transforms are composed, so that each image is interpolated once (cubic). Strange data raise no
    error: if an alignment fails twice, the centres of the brains are aligned, and the record is flagged.

    Parameters
    ----------
    scans : dict of str to nibabel.Nifti1Image
        Sequences, canonical, each on its own grid, and possibly `labels`.
    masks : dict of str to nibabel.Nifti1Image
        Brain mask of each sequence on its grid.
    prior : PriorAlignment
    template : nibabel.Nifti1Image, optional
        Skull-stripped, on the output grid (`load_template`); None keeps the reference's own space.
    options : RegistrationOptions, optional
        Its spacing is used only without a template, because the grid of a template already has this spacing.
    threads : int
        How many alignments run at a time. Each uses one thread, so that this number does not change the result.

    Returns
    -------
    registered : dict of str to nibabel.Nifti1Image
        Sequences, float32 in their original intensities, zero outside the brain; `labels`, if given; `brain`, uint8,
        the combined masks of the sequences (`masks.combine_masks`). If the brain was deformed, also the fields `warp`
        (template world to affinely aligned world) and `unwarp` (back), on a coarse grid.
    record : dict
        `to_template`: template world to reference world; `to_reference`: reference world to the world of each other
        sequence; `similarity` (normalised mutual information; 1 is none) and `overlap` (Dice of the brain masks) of
        each alignment, with the key `template` for that of the reference; `cut` and `look`: tissue that looks cut off
        by the mask, as numbers and in words (`mask_edge_alarm.find_cut_tissue`); `engine`, `aligned_already`, `flags`,
        `grid`. If a deformation was requested, also `deformable` (whether it succeeded), `volume_change` (relative, of
        the lesion) and `lesion_ml`.
    """
    options, reference = options or RegistrationOptions(), prior.reference
    if prior.prepared:
        return take_prepared(scans, masks, prior, options.spacing)
    flags, given_masks = [], masks
    masks = _usable_masks(scans, given_masks, flags)
    record = {"engine": options.engine, "aligned_already": bool(prior.coregistered), "similarity": {}, "overlap": {}}
    pairs = _list_alignments(scans, masks, prior, template)
    to_reference, qualities = _align(REGISTRATION_ENGINES[options.engine]["linear"], pairs, threads)
    to_template = to_reference.pop("template", np.eye(4))
    for name in to_reference:
        _note(record, flags, name, qualities[name])
    aligned = {name: there for name, there in to_reference.items() if not qualities[name]["fault"]}
    trusted = {reference: np.eye(4)} | aligned
    # the substitute of an empty mask has no vote, unless there is no other mask
    voters = {name: there for name, there in trusted.items() if masks[name] is given_masks[name]}
    brain = combine_masks(masks, voters or {reference: np.eye(4)}, reference)
    record["cut"], record["look"] = find_cut_tissue(scans, brain, trusted)
    grid = regridded(scans[reference], options.spacing) if template is None else grid_of(template)
    if template is not None:
        _note(record, flags, "template", qualities["template"])
    transforms = {reference: to_template} | {name: there @ to_template for name, there in to_reference.items()}
    fields = {}
    if options.deformable and template is not None:
        fields, quality = _deform(options.engine, scans, brain, transforms, template, reference)
        _note(record, flags, "deformed", quality)
        record |= {name: quality[name] for name in ("volume_change", "lesion_ml") if name in quality}
        record["deformable"] = bool(fields)
    if fields:
        transforms = {name: chain(fields["warp"], there) for name, there in transforms.items()}
    registered = resample_all(scans, brain, transforms, reference, prior.labels_on or reference, grid, threads)
    record |= {
        "to_template": to_template.tolist(),
        "to_reference": {name: there.tolist() for name, there in to_reference.items()},
        "grid": {"shape": list(grid.shape), "affine": np.asarray(grid.affine).tolist()},
        "flags": flags,
    }
    return registered | fields, record


def take_prepared(scans, masks, prior, spacing=None):
    """Take scans that were prepared elsewhere as they are, without alignment; resample them only to a given spacing.

    Parameters
    ----------
    scans, masks
        As in `register_scans`, all on one grid.
    prior : PriorAlignment
    spacing : float, optional
        Voxel size in mm; by default, the scans keep their grid.

    Returns
    -------
    registered, record
        As in `register_scans`; `brain` is the union of the masks.
    """
    names, like = list_sequences(scans), scans[prior.reference]
    shown = np.any([np.asanyarray(masks[name].dataobj) > 0 for name in names], axis=0)
    brain, grid, still = image(shown.astype(np.uint8), like.affine), regridded(like, spacing), np.eye(4)
    if spacing is None:
        registered = {
            name: image(np.where(shown, np.asanyarray(scans[name].dataobj), 0).astype(np.float32), like.affine)
            for name in names
        }
        registered |= {"labels": scans["labels"]} if "labels" in scans else {}
        registered |= {"brain": brain}
    else:
        registered = resample_all(scans, brain, dict.fromkeys(names, still), prior.reference, prior.reference, grid)
    record = {"engine": "none", "aligned_already": True, "similarity": {}, "overlap": {}, "cut": {}, "look": []}
    record |= {
        "to_template": still.tolist(),
        "to_reference": {name: still.tolist() for name in names if name != prior.reference},
        "grid": {"shape": list(grid.shape), "affine": np.asarray(grid.affine).tolist()},
        "flags": [],
    }
    return registered, record


def _list_alignments(scans, masks, prior, template):
    """List the alignments by name: the pair, the kind of alignment, and whether the header is trusted."""
    others = [name for name in list_sequences(scans) if name != prior.reference]
    fixed, fixed_mask = scans[prior.reference], masks[prior.reference]
    pairs = {name: ((fixed, scans[name], fixed_mask, masks[name]), "rigid", prior.coregistered) for name in others}
    if template is not None:
        inside = image((np.asanyarray(template.dataobj) > 0).astype(np.uint8), template.affine)
        pairs["template"] = (template, fixed, inside, fixed_mask), "affine", prior.in_template
    return pairs


def _align(align, pairs, threads):
    """Align each pair, `threads` of them at a time; return the matrices and the quality of each alignment."""
    # processes, because greedy blocks all other Python threads
    run = Parallel(threads, max_nbytes=None)
    aligned = run(delayed(align_pair)(align, pair, kind, 1, skip) for pair, kind, skip in pairs.values())
    alignments = dict(zip(pairs, cast(list[tuple[np.ndarray, dict]], aligned), strict=True))
    if "template" in alignments and pairs["template"][2] and alignments["template"][1]["fault"]:
        # reported to be in the template's space, but it is not
        pair, kind, _ = pairs["template"]
        alignments["template"] = align_pair(align, pair, kind, 1)
    return {name: matrix for name, (matrix, _) in alignments.items()}, {
        name: quality for name, (_, quality) in alignments.items()
    }


def _deform(engine, scans, brain, transforms, template, reference):
    """Deform the affinely aligned brain on a coarse grid; return no fields if this failed."""
    fixed = coarse_template(template)
    sequences = {name: scan for name, scan in scans.items() if name in transforms}
    moved = resample_all(sequences, brain, transforms, reference, reference, grid_of(fixed))
    if not np.any(moved["brain"].dataobj):
        return {}, {"similarity": 1.0, "overlap": 0.0, "fault": "the brains do not overlap"}
    deform = REGISTRATION_ENGINES[engine]["deformable"]
    warp, unwarp, quality = deformation.deform_brain(deform, fixed, moved, reference)
    return {} if quality["fault"] else {"warp": warp, "unwarp": unwarp}, quality


def coarse_template(template):
    """Resample and scale a template for the deformation, and remove the rim that blurring adds."""
    whole = image((np.asanyarray(template.dataobj) > 0).astype(np.uint8), template.affine)
    coarse = working_copy(template, whole, deformation.WORKING_SPACING)
    half = np.asanyarray(resample_labels(whole, coarse.shape, coarse.affine).dataobj) > 0
    return image(np.asanyarray(coarse.dataobj) * half, coarse.affine)


def load_template(name, spacing=None):
    """Read a skull-stripped template and resample it to a voxel size.

    Parameters
    ----------
    name : str or None
        A key of `templates.TEMPLATES`, a path, or "none".
    spacing : float, optional
        Voxel size in mm; by default that of the template.

    Returns
    -------
    nibabel.Nifti1Image or None

    Raises
    ------
    ValueError
        If the background is not zero, as in an image with skull.
    """
    path = template_path(name)
    if path is None:
        return None
    loaded = read_image(path)
    data = np.asanyarray(loaded.dataobj).astype(np.float32)
    if np.mean(data > 0) > 0.7:
        raise ValueError(f"template {path}: the background is not zero; give a skull-stripped image")
    loaded = image(data, loaded.affine)
    if spacing is None or np.allclose(np.linalg.norm(affine_of(loaded)[:3, :3], axis=0), spacing, atol=1e-3):
        return loaded
    finer = resample(smoothed(loaded, spacing), *regridded(loaded, spacing))
    # smoothing widened the brain, so keep only voxels of which more than half is brain
    brain = resample(image((data > 0).astype(np.float32), loaded.affine), finer.shape, finer.affine)
    return image(np.asanyarray(finer.dataobj) * (np.asanyarray(brain.dataobj) > 0.5), finer.affine)


def resample_all(scans, brain, transforms, reference, labels_on, grid, threads=1):
    """Interpolate all images once onto the target grid, within the bounding box of the brain.

    Parameters
    ----------
    scans : dict of str to nibabel.Nifti1Image
        Sequences and possibly `labels`, canonical.
    brain : nibabel.Nifti1Image
        Mask on the grid of the reference.
    transforms : dict of str to ndarray, shape (4, 4)
        Target world to the world of each sequence.
    reference, labels_on : str
        The sequences on whose grids the mask and the labels are, respectively.
    grid : resampling.Grid
        The target grid.
    threads : int
        How many images are interpolated at a time.

    Returns
    -------
    dict of str to nibabel.Nifti1Image
        As in `register_scans`.
    """
    shape, affine = grid
    whole = resample_labels(brain, shape, affine, transforms[reference])
    inside = np.asanyarray(whole.dataobj) > 0
    box = grid_box(inside, margin=5) if inside.any() else tuple(slice(0, n) for n in shape)
    corner = np.asarray(affine, float).copy()
    corner[:3, 3] = affine[:3, :3] @ [s.start for s in box] + affine[:3, 3]
    small = tuple(s.stop - s.start for s in box)
    spacing = np.linalg.norm(corner[:3, :3], axis=0)

    def paste(piece):
        full = np.zeros(tuple(shape), piece.get_data_dtype())
        full[box] = np.asanyarray(piece.dataobj)
        return image(full, affine)

    def bring(name):
        piece = resample(smoothed(scans[name], spacing), small, corner, transforms[name], order=3)
        return paste(image(np.where(inside[box], np.asanyarray(piece.dataobj), 0).astype(np.float32), corner))

    with ThreadPoolExecutor(threads) as pool:
        registered = dict(zip(transforms, pool.map(bring, transforms), strict=True))
    if "labels" in scans:
        # labels are not cropped to the brain mask, because they may extend beyond it
        registered["labels"] = resample_labels(scans["labels"], shape, affine, transforms[labels_on])
    registered = {name: registered[name] for name in (*list_sequences(registered), "labels") if name in registered}
    return registered | {"brain": image(inside.astype(np.uint8), affine)}


def _note(record, flags, name, quality):
    record["similarity"][name], record["overlap"][name] = quality["similarity"], quality["overlap"]
    pair = PAIRS.get(name, f"{name} to reference")
    if quality["fault"]:
        flags.append(f"registration failed: {pair}, {quality['fault']}")
    elif quality.get("turn", 0) >= USUAL_TURN:
        flags.append(
            f"registration: {pair}, the brain lay turned by {quality['turn']:.0f} degrees; its header may be wrong, "
            "and left and right swapped"
        )


def _usable_masks(scans, masks, flags):
    """Replace empty masks by all non-zero voxels, so that later steps have something to show."""
    usable = {}
    for name in list_sequences(scans):
        usable[name] = masks[name]
        if not np.any(np.asanyarray(masks[name].dataobj)):
            flags.append(f"registration failed: the brain mask of {name} is empty, so the whole image was used")
            data = np.asanyarray(scans[name].dataobj)
            whole = data != 0 if np.any(data) else np.ones(data.shape, bool)
            usable[name] = image(whole.astype(np.uint8), scans[name].affine)
    return usable


PAIRS = {"template": "reference to template", "deformed": "reference deformed to template, so only aligned affinely"}
# functions that estimate a transform; `resampling.resample` applies it, and `transforms.invert_transform` inverts it
REGISTRATION_ENGINES = {
    "greedy": {"linear": align_greedy, "deformable": deform_greedy},
    "ants": {"linear": align_ants, "deformable": deform_ants},
    "simpleitk": {"linear": align_simpleitk, "deformable": deform_simpleitk},
}
