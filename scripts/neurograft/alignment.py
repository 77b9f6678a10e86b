"""Alignment of one pair of stripped brains: engines, starts, and a judgement of what came out.

A transform is a 4x4 matrix from the fixed image's world to the moving image's world (RAS, millimetres),
the direction in which `images.resample` reads the moving image.
"""

import io
import os
import tempfile

import nibabel as nib
import numpy as np
from scipy import ndimage

from neurograft.images import grid_box, image, resample
from neurograft.quality import mutual_information, overlap

# Both engines see isotropic copies of the brain's box, so that neither slice thickness nor matrix size
# decides how coarse their pyramids get (at 5.5 mm slices a third level would be 22 mm). On ten real heads
# an affine at 3 mm was as good as one at 2 mm (NMI, overlap) in a third of the time.
WORKING_SPACING = {"rigid": 2.0, "affine": 3.0}
LEAST_OVERLAP = {"rigid": 0.80, "affine": 0.85}
# At 4 mm, 14 real heads to the template: 1.13 to 1.17; the same turned by 90 or 180 degrees and wrongly aligned:
# 1.04 to 1.07 (up to 1.11 mirrored), though the outlines overlap by 0.86 to 0.93.
# Sequences of one head: 1.10 to 1.32 right, 1.03 to 1.065 wrong; simulated noisy ones at 3 mm 1.076 to 1.25 right.
LEAST_SIMILARITY = {"rigid": 1.07, "affine": 1.08}
LARGEST_SCALE = 1.6
# Heads lie up to 40 degrees off the template; a larger turn (in degrees) may be a wrong header, or a false optimum
# with the brain upside down that is almost as similar (1.10 against 1.14), so both starts are compared.
USUAL_TURN = 60.0
SEED = 1


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


def regridded(like, spacing):
    """Shape and affine of an image's field of view at another voxel size, about the same centre."""
    if spacing is None:
        return like.shape, like.affine
    size = np.linalg.norm(like.affine[:3, :3], axis=0)
    shape = np.maximum(1, np.round(np.array(like.shape) * size / spacing)).astype(int)
    affine = like.affine.copy()
    affine[:3, :3] = like.affine[:3, :3] / size * spacing
    middle = like.affine[:3, :3] @ ((np.array(like.shape) - 1) / 2) + like.affine[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    return tuple(int(n) for n in shape), affine


def smoothed(scan, spacing):
    """Blur an image just enough that a grid of `spacing` mm does not alias it; sharper axes stay as they are."""
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    ratio = np.asarray(spacing) / size
    # full width at half maximum of the target's voxel, minus what the source's voxel has already
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0)) / 2.355
    data = np.asanyarray(scan.dataobj).astype(np.float32)
    return image(ndimage.gaussian_filter(data, np.where(sigma < 0.3, 0, sigma)), scan.affine)


def working_copy(scan, mask, spacing, margin=10.0):
    """Make what an engine works on: the stripped brain, isotropic, in its box, spikes cut off.

    Parameters
    ----------
    scan, mask : nibabel.Nifti1Image
        On one grid; `mask` may be None for all that is not zero.
    spacing, margin : float
        Voxel size and rim of zeros in mm.

    Returns
    -------
    nibabel.Nifti1Image
        float32, in the same world, 0 to about 1000 (greedy's histogram and step sizes like it so).
    """
    data = np.nan_to_num(np.asanyarray(scan.dataobj).astype(np.float32))
    inside = (data != 0) if mask is None else np.asanyarray(mask.dataobj) > 0
    low, high = np.percentile(data[inside], (0.5, 99.5))
    # 1 above the background, so that the darkest voxel of the brain is still told from what is outside
    data = np.where(inside, 1 + 999 * np.clip((data - low) / max(high - low, 1e-12), 0, 1), 0)
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    box = grid_box(inside)
    first = np.array([s.start for s in box]) - margin / size
    steps = np.ceil((np.array([s.stop - 1 for s in box]) + margin / size - first) * size / spacing).astype(int) + 1
    affine = scan.affine.copy()
    affine[:3, :3] = scan.affine[:3, :3] / size * spacing
    affine[:3, 3] = scan.affine[:3, :3] @ first + scan.affine[:3, 3]
    return resample(smoothed(image(data, scan.affine), spacing), tuple(int(n) for n in steps), affine)


def _lps(scan):
    """Data, origin, spacing and direction of an image as ITK counts them (left, posterior, superior)."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine
    size = np.linalg.norm(affine[:3, :3], axis=0)
    data = np.ascontiguousarray(np.asanyarray(scan.dataobj), dtype=np.float32)
    return data, affine[:3, 3].tolist(), size.tolist(), affine[:3, :3] / size


def align_greedy(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with greedy (Yushkevich et al., picsl-greedy), normalised mutual information, from where they lie.

    Parameters
    ----------
    fixed, moving : nibabel.Nifti1Image
    kind : str
        "rigid" or "affine".
    fixed_mask, moving_mask : nibabel.Nifti1Image, optional
        Brains; all that is not zero if absent. The rest is set to zero and takes part: the outline of the
        brain holds the alignment (within a mask alone greedy's line search failed on real T2 and FLAIR).
    threads : int
        More than 1 adds in varying order: the transform then differs in its fourth digit from run to run.

    Returns
    -------
    ndarray, shape (4, 4)
        Fixed world to moving world.
    """
    import SimpleITK as sitk
    from picsl_greedy import Greedy3D

    pair = []
    for scan, mask in ((fixed, fixed_mask), (moving, moving_mask)):
        data, origin, size, direction = _lps(working_copy(scan, mask, WORKING_SPACING[kind]))
        made = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
        made.SetOrigin(origin)
        made.SetSpacing(size)
        made.SetDirection(direction.ravel().tolist())
        pair.append(made)
    greedy = Greedy3D()
    # no level may have 0 iterations unless it is the last one: greedy 1.4.0 crashes on "0x50"
    common = f"-d 3 -threads {threads} -seed {SEED} -V 0 -a -m NMI -i fixed moving"
    said = io.StringIO()
    greedy.execute(
        f"{common} -dof 6 -n 60x20 -ia-identity -o rigid", out=said, fixed=pair[0], moving=pair[1], rigid=None
    )
    if kind == "affine":
        greedy.execute(f"{common} -dof 12 -n 50x30 -ia rigid -o affine", out=said, affine=None)
    return np.asarray(greedy[kind])


def align_ants(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with ANTs (Avants et al. 2011, antspyx), Mattes mutual information; parameters as `align_greedy`.

    The number of threads is ITK's, fixed by the first call of a process.
    """
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    import ants

    pair = []
    for scan, mask in ((fixed, fixed_mask), (moving, moving_mask)):
        data, origin, size, direction = _lps(working_copy(scan, mask, WORKING_SPACING[kind]))
        pair.append(ants.from_numpy(data, origin=origin, spacing=size, direction=direction))
    ants.config._random_seed = SEED
    transform = np.eye(4)
    with tempfile.TemporaryDirectory() as folder:
        start = None
        for step in ("Rigid", "Affine") if kind == "affine" else ("Rigid",):
            done = ants.registration(
                *pair,
                type_of_transform=step,
                initial_transform=start,
                outprefix=os.path.join(folder, step),
                aff_iterations=(100, 100, 30),
                aff_shrink_factors=(4, 2, 1),
                aff_smoothing_sigmas=(2, 1, 0),
                aff_random_sampling_rate=0.3,
            )
            start = done["fwdtransforms"]
        read = ants.read_transform(start[-1])
        matrix, shift = np.split(np.asarray(read.parameters), [9])
        centre = np.asarray(read.fixed_parameters)
    transform[:3, :3] = matrix.reshape(3, 3)
    transform[:3, 3] = shift + centre - transform[:3, :3] @ centre
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    return turn @ transform @ turn


REGISTRATION_ENGINES = {"greedy": align_greedy, "ants": align_ants}
