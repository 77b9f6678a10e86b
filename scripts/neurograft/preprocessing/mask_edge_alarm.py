"""Raise an alarm where the edge of a brain mask is drawn through tissue that looks like tumour.

Around a brain that is masked rightly lies fluid, then dura and bone, dark on FLAIR and without enhancement. Where
tumour was cut off, bright or enhancing tissue goes on from within the mask to without, with no dark layer between. A
necrotic core at the edge is not bright; beside a lesion all sequences together tell it from what surrounds a brain.
Fat lies there too, bright on FLAIR and T2 as a lesion is, but on T1 brighter than any.
"""

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from scipy import ndimage

from neurograft.imaging.nifti import image
from neurograft.imaging.resampling import grid_box, regridded, resample, smoothed
from neurograft.imaging.robust import robust_spread
from neurograft.imaging.typed import distance_to_outside, fill_holes, label_pieces

SHELL_MM = 10.0  # how far outside of the mask is looked
FINEST_MM, COARSEST_MM = 2.0, 3.0  # what is looked for is larger, and finer grids take longer
# Robust standard deviations of the brain above its median. In simulated healthy brain 98 % is below 1.6 on FLAIR and
# below 2.3 in T1c minus T1.
BRIGHT = {"flair": 1.75, "t1c": 3.0, "t2": 1.75}
# Of T1, in the same measure, above which what is outside is scalp or marrow. In a real brain 98 % is below 1.4, in its
# tumour 95 % below 0.6; fat is at 3 to 11.
FAT = 2.0
EVEN_MM, ROUNDS = 20.0, 6  # smoothness of the coil's sensitivity that is evened out first, and rounds of it
THICK_MM = 4.0  # half the thickness of what counts as a lesion: cortex, vessels and meninges are thinner
REACH_MM = 6.0  # of a lesion's border beyond its thick part
NEAR_MM = 12.0  # of the thick part an enhancing ring counts as its own
HALF_WAY = 0.6  # from what is dark around the brain to the lesion: a voxel above it holds more lesion than surroundings
LEAST_MM2 = 30.0  # of the mask's border that runs through tissue that is bright on both sides
# On the way from what is dark around the brain to the brain's median: what is above on all of these is tissue, necrotic
# or not, and neither fluid, dura nor bone. A necrotic core is dark on T1, wetter than brain is on T2.
TISSUE = {"t1": 0.3, "t2": 0.8, "flair": 0.6}
# Where what is outside need not be as bright: of the border, in mm2, and of what is outside as a share of the lesion,
# for of a large one's long edge some always looks cut.
LEAST_RIM = 30.0, 0.0025
# Of such tissue, beside one lesion, by the voxel's edge in mm: in voxels come the specks that noise and blur make of
# fluid, and of very large ones more are blurred.
LEAST_VOXELS = {2.5: 12, COARSEST_MM: 20}
TOGETHER = "t1, t2 and flair together"
ENHANCING, NO_FLUID = 2.0, 0.5  # of a ring around such a core, as in `BRIGHT` and in `TISSUE`, where a lesion is near


def find_cut_tissue(scans, brain, to_sequence):
    """Look for bright or enhancing tissue that a brain mask cuts.

    Looked at are FLAIR, enhancement (T1c minus T1; T1c alone where there is no T1), T2 where FLAIR tells what is
    fluid, or where it is all there is, and T1, T2 and FLAIR together.

    Parameters
    ----------
    scans : dict of str to nibabel.Nifti1Image
        Sequences with skull, canonical, each on its own grid. Where they are stripped already nothing is found.
    brain : nibabel.Nifti1Image
        The mask, on the grid of the reference.
    to_sequence : dict of str to ndarray, shape (4, 4)
        World of the reference to the world of each sequence to look at.

    Returns
    -------
    found : dict of str to dict
        For each look: `area_mm2` of the mask's border between bright tissue and what goes on like it, `bright_mm2` of
        it where that is as bright, `volume_ml` of its first layer, `lesion_ml` of the bright tissue inside, and `x_mm`,
        `y_mm`, `z_mm`, a place in the middle of that border, in the world of the reference (None without). The look at
        the sequences together is `tissue`: between a lesion and tissue however bright, so without `bright_mm2`.
    look : list of str
        What to look at, in words: the alarm. It asks for a reader's eye, and is no reason to leave a subject out.
    """
    mask = np.asanyarray(brain.dataobj) > 0
    if not mask.any():
        return {}, []
    shape, affine = _working_grid(brain, mask)
    spacing = voxel_sizes(affine)
    # smoothed as the scans are, so that no furrow stays in the mask that is blurred away in them
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
    """Lay an isotropic grid over the mask's box and the shell around it; return shape and affine."""
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

    One that was stripped is left out: where the shell is empty nothing tells whether tissue was cut.
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
    """Make of the sequences what is looked at: where it is bright, there may be tumour."""
    looks = {}
    if "flair" in seen:
        looks["flair"] = seen["flair"]
    if "t1c" in seen and "t1" in seen:
        # fat is bright without contrast agent too
        enhancing = _standardise(seen["t1c"] - seen["t1"], inside)
        looks["t1c"] = np.where(seen["t1"] < BRIGHT["t1c"], enhancing, 0)
    elif "t1c" in seen:
        looks["t1c"] = seen["t1c"]
    if "t2" in seen and ("flair" in seen or not looks):
        # a tumour that is hardly bright on FLAIR may be so on T2
        looks["t2"] = seen["t2"]
    for name, other in (("t1c", "flair"), ("t1c", "t2"), ("t2", "flair")):
        if name in looks and other in seen:
            # veins and dura enhance too, but are darker than brain on FLAIR and on T2; fluid is, on FLAIR
            looks[name] = np.where(seen[other] > 0, looks[name], 0)
    return looks


def _even_out(data, inside, spacing):
    """Divide by the coil's sensitivity: what is smooth in the brain's middle intensities, carried on outwards.

    Dark and bright tissue count as the nearest middle intensity, so that a lesion is not evened out.
    """
    # something so smooth is measured on every second voxel, in a tenth of the time
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
    """Put the brain's median at 0 and its robust standard deviation at 1."""
    values = data[inside]
    middle = np.median(values)
    spread = robust_spread(values - middle)
    return (data - middle) / spread if spread > 0 else np.zeros_like(data)


def _measure_cut(values, name, lesion, around, spacing, affine):
    """Measure the border between a lesion of `_find_lesion` and tissue outside of the mask that goes on like it."""
    (lesion, brightness, _), (shell, beyond) = lesion, around
    # dura enhances too, but less than half as much as a tumour
    high = max(BRIGHT[name], brightness / 2)
    low = high
    if name == "flair" and lesion.any():
        # Fluid, dura and bone are all much darker than brain here, so a lesion ends half way down to them, well below
        # what is bright within the brain. This finds the thin rim that was cut, blurred with the fluid beside it.
        dark = _dark_around(values, shell)
        low = min(high, dark + HALF_WAY * (brightness - dark))
    beside = beyond & ndimage.binary_dilation(lesion)
    bright = _find_border(lesion, beside & (values > high), spacing)[1]
    return _describe_border(lesion, beside & (values > low), spacing, affine) | {"bright_mm2": round(bright, 1)}


def _measure_tissue(seen, lesion, inside, around, spacing, affine):
    """Measure the border between a lesion of FLAIR, its enhancing ring too, and what all sequences show as tissue."""
    (lesion, _, near), (shell, beyond) = lesion, around
    ways = {name: _way_to_brain(seen[name], shell) for name in TISSUE}
    if "t1c" in seen:
        enhancing = _standardise(seen["t1c"] - seen["t1"], inside) > ENHANCING
        lesion = lesion | (near & inside & enhancing & (ways["flair"] > NO_FLUID))
    tissue = np.logical_and.reduce([ways[name] > least for name, least in TISSUE.items()])
    grown = ndimage.binary_dilation(lesion)
    outside = beyond & grown & tissue
    # beside one lesion: what is bright elsewhere, as the hippocampus may be, adds its specks to no tumour's
    pieces, _ = label_pieces(grown, np.ones((3, 3, 3)))
    here = pieces == np.bincount(pieces[outside], minlength=2)[1:].argmax() + 1
    return _describe_border(lesion & here, outside & here, spacing, affine)


def _way_to_brain(values, shell):
    """Scale what is dark around the brain to 0 and the brain's median to 1; 0 everywhere if nothing there is darker."""
    dark = _dark_around(values, shell)
    return 1 - values / dark if dark < 0 else np.zeros_like(values)


def _dark_around(values, shell):
    return np.percentile(values[shell], 25)


def _describe_border(lesion, outside, spacing, affine):
    """Describe size and place of the border between a lesion and what continues it outside of the mask."""
    places, area = _find_border(lesion, outside, spacing)
    middle = [None] * 3
    if len(places):
        # the mean of a bent border, or of several, need not lie on it
        nearest = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
        middle = apply_affine(affine, nearest).round(1).tolist()
    border = {"area_mm2": round(area, 1)}
    for key, part in (("volume_ml", outside), ("lesion_ml", lesion)):
        border[key] = round(float(np.count_nonzero(part) * np.prod(spacing) / 1000), 3)
    return border | dict(zip(("x_mm", "y_mm", "z_mm"), middle, strict=True))


def _find_lesion(values, level, inside, spacing):
    """Find the thick bright parts of the brain with what surrounds them, how bright they are, and what is near them."""
    bright = (values > level) & inside
    # a dark, necrotic middle belongs to what encloses it; where the mask has a hole, it is outside
    filled = fill_holes(bright) & inside
    thick = filled & (distance_to_outside(np.pad(filled, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > THICK_MM)
    if not (thick & bright).any():
        return np.zeros_like(inside), level, np.zeros_like(inside)
    away = distance_to_outside(~thick, sampling=spacing)
    return filled & (away <= THICK_MM + REACH_MM), float(np.median(values[thick & bright])), away <= NEAR_MM


def _find_border(first, second, spacing):
    """Find the faces between two parts that do not overlap: their centres in voxels and their area in mm2."""
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
