"""Raise an alarm if the edge of a brain mask cuts through tissue that looks like tumour.

Outside a correct brain mask is fluid, then dura and bone, which are dark on FLAIR and do not enhance. If tumour was cut
off, bright or enhancing tissue continues across the edge without a dark layer in between. A necrotic core is not
bright, but next to a lesion, all sequences together distinguish it from the surroundings of the brain. Fat is as bright
as a lesion on FLAIR and T2, but on T1 it is brighter than any lesion.
"""

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from scipy import ndimage

from neurograft.imaging.nifti import image
from neurograft.imaging.resampling import grid_box, regridded, resample, smoothed
from neurograft.imaging.robust import robust_spread
from neurograft.imaging.typed import distance_to_outside, fill_holes, label_pieces

SHELL_MM = 10.0  # thickness of the shell outside the mask that is searched
FINEST_MM, COARSEST_MM = 2.0, 3.0  # limits of the working voxel size; lesions are larger, and finer grids take longer
# Thresholds of bright tissue, in robust standard deviations above the brain's median. In simulated healthy brains, 98 %
# of voxels are below 1.6 on FLAIR and below 2.3 in T1c minus T1.
BRIGHT = {"flair": 1.75, "t1c": 3.0, "t2": 1.75}
# Threshold of fat (scalp and marrow) on T1, in the same unit. In a real brain, 98 % of voxels were below 1.4, and 95 %
# of its tumour below 0.6; fat was between 3 and 11.
FAT = 2.0
EVEN_MM, ROUNDS = 20.0, 6  # width of the smoothing, and iterations, of the bias correction
THICK_MM = 4.0  # half the least thickness of a lesion; cortex, vessels and meninges are thinner
REACH_MM = 6.0  # how far a lesion's border may be from its thick part
NEAR_MM = 12.0  # an enhancing ring so close to the thick part belongs to the lesion
# Position between the dark surroundings of the brain (0) and the lesion (1). A voxel above it contains more lesion than
# surroundings.
HALF_WAY = 0.6
LEAST_MM2 = 30.0  # least area of mask border with bright tissue on both sides
# Thresholds between the dark surroundings of the brain (0) and the brain's median (1). A voxel above all of them is
# tissue, necrotic or not, and neither fluid, dura nor bone. A necrotic core is dark on T1, but bright on T2.
TISSUE = {"t1": 0.3, "t2": 0.8, "flair": 0.6}
# If the tissue outside is less bright: the least area of the border in mm2, and the least volume of the tissue outside
# relative to the lesion, because a large lesion has a long edge, some of which always looks cut.
LEAST_RIM = 30.0, 0.0025
# Least number of voxels of such tissue next to one lesion, by voxel size in mm. The unit is voxels because noise and
# partial volume make single voxels of fluid look like tissue; with large voxels there are more of these.
LEAST_VOXELS = {2.5: 12, COARSEST_MM: 20}
TOGETHER = "t1, t2 and flair together"
ENHANCING, NO_FLUID = 2.0, 0.5  # thresholds of an enhancing ring near a lesion, in the units of `BRIGHT` and `TISSUE`


def find_cut_tissue(scans, brain, to_sequence):
    """Find bright or enhancing tissue that is cut by a brain mask.

    The images that are searched are FLAIR; enhancement (T1c minus T1, or T1c alone without T1); T2, if FLAIR can
    identify fluid or if there is no other image; and T1, T2 and FLAIR together.

    Parameters
    ----------
    scans : dict of str to nibabel.Nifti1Image
        Sequences with skull, canonical, each on its own grid. Nothing is found in skull-stripped ones.
    brain : nibabel.Nifti1Image
        The mask, on the grid of the reference.
    to_sequence : dict of str to ndarray, shape (4, 4)
        World of the reference to the world of each sequence that is searched.

    Returns
    -------
    found : dict of str to dict
        For each image that is searched: `area_mm2`, area of the mask border between a lesion and its continuation
        outside; `bright_mm2`, the part of this area where the continuation is above the threshold of bright tissue;
        `volume_ml` of the first layer of voxels outside; `lesion_ml` of the lesion inside; `x_mm`, `y_mm`, `z_mm`, a
        point in the middle of this border, in the world of the reference (None without a border). The sequences
        together have the key `tissue`: the tissue outside may have any brightness, so it has no `bright_mm2`.
    look : list of str
        The alarms, in words. They ask for visual inspection, and are no reason to exclude a subject.
    """
    mask = np.asanyarray(brain.dataobj) > 0
    if not mask.any():
        return {}, []
    shape, affine = _working_grid(brain, mask)
    spacing = voxel_sizes(affine)
    # smooth the mask like the scans; otherwise it would keep sulci that are blurred in the scans
    share = smoothed(image(mask.astype(np.float32), brain.affine), float(spacing[0]))
    inside = np.asanyarray(resample(share, shape, affine).dataobj) >= 0.5
    if not inside.any():
        return {}, []
    shell = ~inside & (distance_to_outside(~inside, sampling=spacing) <= SHELL_MM)
    borders, look = {}, []
    seen = _see(scans, to_sequence, inside, shell, affine)
    looks = _looks(seen, inside)
    lesions = {name: _find_lesion(values, BRIGHT[name], inside, spacing) for name, values in looks.items()}
    beyond = shell & ~(seen["t1"] > FAT) if "t1" in seen else shell
    for name, values in looks.items():
        borders[name] = _measure_cut(values, name, lesions[name], (shell, beyond), spacing, affine)
    if seen.keys() >= TISSUE.keys():
        borders["tissue"] = _measure_tissue(seen, lesions["flair"], inside, (shell, beyond), spacing, affine)
    for name, each in borders.items():
        if _is_cut(name, each, spacing):
            place = ", ".join(f"{each[axis]:.0f}" for axis in ("x_mm", "y_mm", "z_mm"))
            where = f"over {each['area_mm2']:.0f} mm2 at {place} mm: look whether tumour was cut"
            seen_by, what = (TOGETHER, "tissue beside a lesion") if name == "tissue" else (name, "bright tissue")
            look.append(f"{seen_by}: the brain mask's border runs through {what} {where}")
    return borders, look


def _working_grid(brain, mask):
    """Return shape and affine of an isotropic grid over the mask and the shell around it."""
    size = voxel_sizes(brain.affine)
    box = grid_box(mask)
    margin = (SHELL_MM + COARSEST_MM) / size
    low = np.array([part.start for part in box]) - margin
    high = np.array([part.stop for part in box]) + margin
    corner = brain.affine.copy()
    corner[:3, 3] = apply_affine(brain.affine, low)
    whole = image(np.zeros(np.ceil(high - low).astype(int), np.uint8), corner)
    return regridded(whole, float(np.clip(np.prod(size) ** (1 / 3), FINEST_MM, COARSEST_MM)))


def _see(scans, to_sequence, inside, shell, affine):
    """Resample each sequence to the working grid, in robust standard deviations above the brain's median.

    Skull-stripped sequences are left out, because nothing outside the mask can show whether tissue was cut.
    """
    size, shape = float(voxel_sizes(affine)[0]), inside.shape
    seen = {}
    for name in (name for name in ("t1", "t1c", "t2", "flair") if name in scans and name in to_sequence):
        scan = image(np.nan_to_num(np.asanyarray(scans[name].dataobj).astype(np.float32)), scans[name].affine)
        data = np.asanyarray(resample(smoothed(scan, size), shape, affine, to_sequence[name]).dataobj)
        shown = resample(image(np.ones(scan.shape), scan.affine), shape, affine, to_sequence[name])
        around = data[shell & (np.asanyarray(shown.dataobj) > 0.5)]
        if not around.size or np.median(around) == 0:
            continue
        seen[name] = _standardise(_even_out(data, inside, size), inside)
    return seen


def _looks(seen, inside):
    """Compute the images that are searched, in which tumour is bright."""
    looks = {}
    if "flair" in seen:
        looks["flair"] = seen["flair"]
    if "t1c" in seen and "t1" in seen:
        # exclude fat, which is bright without contrast agent too
        enhancing = _standardise(seen["t1c"] - seen["t1"], inside)
        looks["t1c"] = np.where(seen["t1"] < BRIGHT["t1c"], enhancing, 0)
    elif "t1c" in seen:
        looks["t1c"] = seen["t1c"]
    if "t2" in seen and ("flair" in seen or not looks):
        # a tumour that is hardly bright on FLAIR may be bright on T2
        looks["t2"] = seen["t2"]
    for name, other in (("t1c", "flair"), ("t1c", "t2"), ("t2", "flair")):
        if name in looks and other in seen:
            # veins and dura enhance too, but are darker than brain on FLAIR and T2; fluid is darker on FLAIR
            looks[name] = np.where(seen[other] > 0, looks[name], 0)
    return looks


def _even_out(data, inside, spacing):
    """Divide by a smooth bias field, estimated from the brain's middle intensities and extrapolated outwards.

    Darker and brighter tissue is clipped to the range of middle intensities, so that a lesion is not removed.
    """
    # a smooth field can be estimated on every second voxel, in a tenth of the time
    few, here = np.maximum(data[::2, ::2, ::2], 0), inside[::2, ::2, ::2]
    if not here.any():
        return data
    width = EVEN_MM / (2 * spacing)
    weight = np.maximum(ndimage.gaussian_filter(here.astype(np.float32), width), 1e-3)
    field = np.zeros_like(few)
    for _ in range(ROUNDS):
        even = few / np.exp(field)
        low, high = np.percentile(even[here], (30, 70))
        if low <= 0:
            return data
        bent = np.where(here, np.log(np.clip(even, low, high) / np.sqrt(low * high)), 0)
        field += ndimage.gaussian_filter(bent.astype(np.float32), width) / weight
    return data / np.exp(ndimage.affine_transform(field, np.eye(3) / 2, 0, data.shape, order=1, mode="nearest"))


def _standardise(data, inside):
    """Scale the brain's median to 0 and its robust standard deviation to 1."""
    values = data[inside]
    middle = np.median(values)
    spread = robust_spread(values - middle)
    return (data - middle) / spread if spread > 0 else np.zeros_like(data)


def _measure_cut(values, name, lesion, around, spacing, affine):
    """Measure the border between a lesion (from `_find_lesion`) and its continuation outside the mask."""
    (lesion, brightness, _), (shell, beyond) = lesion, around
    # dura enhances too, but less than half as much as a tumour
    high = max(BRIGHT[name], brightness / 2)
    low = high
    if name == "flair" and lesion.any():
        # On FLAIR, fluid, dura and bone are much darker than brain, so the edge of a lesion is about half way between
        # lesion and surroundings, well below the threshold within the brain. This also finds a thin rim that was cut
        # off and is blurred with the fluid next to it.
        dark = _dark_around(values, shell)
        low = min(high, dark + HALF_WAY * (brightness - dark))
    beside = beyond & ndimage.binary_dilation(lesion)
    bright = _find_border(lesion, beside & (values > high), spacing)[1]
    return _describe_border(lesion, beside & (values > low), spacing, affine) | {"bright_mm2": round(bright, 1)}


def _measure_tissue(seen, lesion, inside, around, spacing, affine):
    """Measure the border between a FLAIR lesion with its enhancing ring, and tissue outside seen in all sequences."""
    (lesion, _, near), (shell, beyond) = lesion, around
    ways = {name: _way_to_brain(seen[name], shell) for name in TISSUE}
    if "t1c" in seen:
        enhancing = _standardise(seen["t1c"] - seen["t1"], inside) > ENHANCING
        lesion = lesion | (near & inside & enhancing & (ways["flair"] > NO_FLUID))
    tissue = np.logical_and.reduce([ways[name] > least for name, least in TISSUE.items()])
    grown = ndimage.binary_dilation(lesion)
    outside = beyond & grown & tissue
    # keep only one lesion, so that voxels next to other bright parts, such as the hippocampus, are not added to it
    pieces, _ = label_pieces(grown, np.ones((3, 3, 3)))
    here = pieces == np.bincount(pieces[outside], minlength=2)[1:].argmax() + 1
    return _describe_border(lesion & here, outside & here, spacing, affine)


def _way_to_brain(values, shell):
    """Scale the dark surroundings of the brain to 0 and its median to 1; return 0 if they are not darker."""
    dark = _dark_around(values, shell)
    return 1 - values / dark if dark < 0 else np.zeros_like(values)


def _dark_around(values, shell):
    return np.percentile(values[shell], 25)


def _describe_border(lesion, outside, spacing, affine):
    """Describe size and place of the border between a lesion and its continuation outside the mask."""
    places, area = _find_border(lesion, outside, spacing)
    middle = [None] * 3
    if len(places):
        # take the nearest point, because the mean of a curved border need not be on it
        nearest = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
        middle = apply_affine(affine, nearest).round(1).tolist()
    border = {"area_mm2": round(area, 1)}
    for key, part in (("volume_ml", outside), ("lesion_ml", lesion)):
        border[key] = round(float(np.count_nonzero(part) * np.prod(spacing) / 1000), 3)
    return border | dict(zip(("x_mm", "y_mm", "z_mm"), middle, strict=True))


def _find_lesion(values, level, inside, spacing):
    """Return the thick bright parts of the brain with their borders, their median brightness, and what is near."""
    bright = (values > level) & inside
    # a dark, necrotic core belongs to the tissue around it, but a hole of the mask is outside
    filled = fill_holes(bright) & inside
    thick = filled & (distance_to_outside(np.pad(filled, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > THICK_MM)
    if not (thick & bright).any():
        return np.zeros_like(inside), level, np.zeros_like(inside)
    away = distance_to_outside(~thick, sampling=spacing)
    return filled & (away <= THICK_MM + REACH_MM), float(np.median(values[thick & bright])), away <= NEAR_MM


def _find_border(first, second, spacing):
    """Find the voxel faces between two disjoint parts; return their centres in voxels and their area in mm2."""
    area, places = 0.0, []
    for axis in range(3):
        for one, two in ((first, second), (second, first)):
            faces = np.argwhere(_part(one, axis, slice(None, -1)) & _part(two, axis, slice(1, None)))
            area += len(faces) * float(np.prod(spacing) / spacing[axis])
            places.append(faces + 0.5 * (np.arange(3) == axis))
    return np.concatenate(places), area


def _is_cut(name, found, spacing):
    if name == "tissue":
        least = np.interp(spacing[0], list(LEAST_VOXELS), list(LEAST_VOXELS.values()))
        return round(1000 * found["volume_ml"] / np.prod(spacing)) >= least
    area, share = LEAST_RIM
    long = found["area_mm2"] >= area and found["volume_ml"] >= share * found["lesion_ml"]
    return long or found["bright_mm2"] >= LEAST_MM2


def _part(volume, axis, part):
    return volume[tuple(part if i == axis else slice(None) for i in range(3))]
