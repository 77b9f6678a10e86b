"""Linear alignment of one pair of stripped brains, whatever the engine: starts, and a judgement of what came out.

A transform is a 4x4 matrix from the fixed image's world to the moving image's world (`transforms`).
"""

import nibabel as nib
import numpy as np

from neurograft.images import image, resample
from neurograft.quality import mutual_information, overlap
from neurograft.regridding import working_copy

LEAST_OVERLAP = {"rigid": 0.80, "affine": 0.85}
# At 4 mm, 14 real heads to the template: 1.13 to 1.17; the same turned by 90 or 180 degrees and wrongly aligned:
# 1.04 to 1.07 (up to 1.11 mirrored), though the outlines overlap by 0.86 to 0.93.
# Sequences of one head: 1.10 to 1.32 right, 1.03 to 1.065 wrong; simulated noisy ones at 3 mm 1.076 to 1.25 right.
LEAST_SIMILARITY = {"rigid": 1.07, "affine": 1.08}
LARGEST_SCALE = 1.6
# Heads lie up to 40 degrees off the template; a larger turn (in degrees) may be a wrong header, or a false optimum
# with the brain upside down that is almost as similar (1.10 against 1.14), so both starts are compared.
USUAL_TURN = 60.0


def centre_start(fixed_mask, moving_mask):
    """Give the translation that puts the centres of two brain masks onto each other."""
    start = np.eye(4)
    start[:3, 3] = _moments(moving_mask)[0] - _moments(fixed_mask)[0]
    return start


def moments_start(fixed, moving, fixed_mask, moving_mask):
    """Give the rigid motion that puts centres and principal axes of two brains onto each other.

    Axes have no sign, so all four turns that do not mirror are tried and the most similar one is taken.
    """
    (here, axes_here), (there, axes_there) = _moments(fixed_mask), _moments(moving_mask)
    inside = np.asanyarray(fixed_mask.dataobj) > 0
    best, most = None, -np.inf
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
    """Centre of a mask in mm, and its principal axes as columns, longest last."""
    points = np.argwhere(np.asanyarray(mask.dataobj) > 0) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    return points.mean(axis=0), np.linalg.eigh(np.cov(points.T))[1]


def align_pair(align, pair, kind, threads, skip=False):
    """Align a pair, judge it, try once more from the brains' principal axes, fall back on their centres."""
    fixed, moving, fixed_mask, moving_mask = pair
    small = working_copy(fixed, fixed_mask, 4.0), working_copy(moving, moving_mask, 4.0)
    small_masks = [image((np.asanyarray(each.dataobj) > 0).astype(np.uint8), each.affine) for each in small]
    if skip:
        return np.eye(4), _judge(small, moving, np.eye(4), kind)
    centre = centre_start(fixed_mask, moving_mask)
    # scanner coordinates are the better start where the patient stayed on the table
    starts = [np.eye(4), centre] if kind == "rigid" else [centre]
    start = max(starts, key=lambda start: _judge(small, moving, start, kind)["overlap"])
    found = []
    for again in (False, True):
        start = moments_start(*small, *small_masks) if again else start
        placed = nib.Nifti1Image(moving.dataobj, np.linalg.inv(start) @ moving.affine)
        placed_mask = nib.Nifti1Image(moving_mask.dataobj, placed.affine)
        transform = start @ align(fixed, placed, kind, fixed_mask, placed_mask, threads=threads)
        found.append((transform, _judge(small, moving, transform, kind)))
        if not found[-1][1]["fault"] and _turn(transform) < USUAL_TURN:
            return found[-1]
    # rather a doubtful alignment, which is flagged, than none; but brains that miss each other are put together
    transform, quality = max(found, key=lambda each: (not each[1]["fault"], each[1]["similarity"]))
    return (transform if quality["overlap"] >= LEAST_OVERLAP[kind] else centre), quality


def _turn(transform):
    """Angle in degrees of the rotation in a transform."""
    left, _, right = np.linalg.svd(np.asarray(transform)[:3, :3])
    return float(np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1))))


def _judge(small, moving, transform, kind):
    """Similarity and overlap after an alignment, within what the moving image shows, and what is wrong."""
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
