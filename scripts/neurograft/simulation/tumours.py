"""Grow a glioma in a simulated brain by reaction and diffusion.

The model is the Fisher-KPP equation du/dt = div(D grad u) + rho u (1 - u) of Swanson et al. 2000 (Cell Prolif. 33:317),
where u is the density of tumour cells as a share of the tissue's capacity. D is several times larger in white than in
grey matter, and 0 in fluid and outside the brain.
"""

import numpy as np
from scipy import ndimage

from neurograft.imaging.typed import distance_to_outside, fill_holes, label_pieces
from neurograft.simulation.anatomy import smooth_field

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4  # the label values of BraTS 2018
VISIBLE = 0.25  # density above which an infiltrated voxel counts as tumour
GREY_RATIO = 10.0  # diffusion in white matter over that in grey
LEAST_RIM = 2.5  # mm; least thickness of the enhancing rim


def grow_tumour(white, grey, seed, spacing, volume, width=2.5, tracts=1.0):
    """Grow a tumour from one voxel until it has a given visible volume.

    The equation is solved by explicit finite differences. There is no flux into or out of voxels without diffusion.

    Parameters
    ----------
    white, grey : ndarray, shape (X, Y, Z)
        Fraction of white and grey matter, 0 to 1.
    seed : sequence of 3 int
        Voxel in which the tumour starts.
    spacing : float
        mm, the same along every axis.
    volume : float
        Volume in ml with a density above `VISIBLE`; it may be smaller if the tissue within reach is used up.
    width : float
        sqrt(D / rho) in white matter, in mm; the larger, the more diffuse is the front.
    tracts : float or ndarray, shape (X, Y, Z)
        Additional factor of the diffusion, above 0 and at most 1, for tracts with faster diffusion.

    Returns
    -------
    density, load : ndarray, float32, shape (X, Y, Z)
        The final u, and u summed over time (arbitrary unit), which is larger where tumour has been for longer.

    Raises
    ------
    ValueError
        If the seed is not in white or grey matter.
    """
    tissue = (white + grey).astype(np.float32)
    diffusion = np.where(tissue >= 0.5, tracts * (white + grey / GREY_RATIO), 0).astype(np.float32)
    seed = tuple(int(i) for i in seed)
    if diffusion[seed] <= 0:
        raise ValueError(f"the tumour's seed {seed} is not in white or grey matter")
    step = spacing**2 / 6.5  # less than spacing^2 / (6 max D), so that the explicit scheme is stable
    rate = step / width**2
    faces = [_face_diffusion(diffusion, axis) * (step / spacing**2) for axis in range(3)]
    density, load = np.zeros_like(diffusion), np.zeros_like(diffusion)
    density[seed] = 1
    wanted = volume * 1000 / spacing**3
    for _ in range(10000):
        change = _change(density, faces, rate)
        density += change
        load += density
        if np.count_nonzero(density > VISIBLE) >= wanted or change.max() < 1e-5:
            break
    return density, load


def _change(density, faces, rate):
    """Compute the change in one time step: growth, and the flux through each voxel's faces."""
    change = rate * density * (1 - density)
    for axis, face in enumerate(faces):
        flux = face * np.diff(density, axis=axis)
        change[_part(axis, slice(None, -1))] += flux
        change[_part(axis, slice(1, None))] -= flux
    return change


def _part(axis, part):
    return tuple(part if i == axis else slice(None) for i in range(3))


def _face_diffusion(diffusion, axis):
    """Compute the harmonic mean of the diffusion of neighbouring voxels (0 if either of them is 0)."""
    before, after = diffusion[_part(axis, slice(None, -1))], diffusion[_part(axis, slice(1, None))]
    return 2 * before * after / np.maximum(before + after, 1e-6)


def label_tumour(density, load, grade, brain, spacing, core=0.45, necrosis=0.4):
    """Turn a grown tumour into labels.

    Visible infiltration is oedema. In high-grade tumours, the oldest part, without holes, is the core. The oldest part
    of the core is necrotic, which leaves a closed enhancing rim.

    Parameters
    ----------
    density, load : ndarray, shape (X, Y, Z)
        From `grow_tumour`.
    grade : {"high", "low"}
    brain : ndarray of bool, shape (X, Y, Z)
        Where tumour may be.
    spacing : float
        mm, the same along every axis.
    core : float
        Share of the tumour that is core (high grade).
    necrosis : float
        Largest share of the core that is necrotic.

    Returns
    -------
    ndarray, uint8, shape (X, Y, Z)
        1 necrosis, 2 oedema, 4 enhancing tumour, as in BraTS 2018; low-grade tumours have only 2.

    Raises
    ------
    ValueError
        If the grade is not known.
    """
    if grade not in ("high", "low"):
        raise ValueError(f"grade {grade!r} is not one of 'high', 'low'")
    whole = (density > VISIBLE) & brain
    # keep one component: cells beyond a sulcus that is too thin to see would be a separate speck
    parts, count = label_pieces(whole)
    if count > 1:
        whole = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    labels = np.where(whole, OEDEMA, 0).astype(np.uint8)
    if grade == "high" and whole.any():
        ages = load[whole]
        # close the sulci within the core
        solid = ndimage.binary_closing(whole & (load >= np.quantile(ages, 1 - core)), iterations=2)
        solid = fill_holes(solid) & brain
        deep = distance_to_outside(solid, sampling=spacing) > LEAST_RIM
        labels[solid] = ENHANCING
        oldest = fill_holes(deep & (load >= np.quantile(ages, 1 - core * necrosis)))
        labels[oldest & deep] = NECROSIS
    return labels


def add_tumour(head, rng, axes, grade, growth_spacing=2.5):
    """Grow a tumour that starts in the cerebral white matter of a head.

    Parameters
    ----------
    head : dict
        From `anatomy.build_head`.
    rng : numpy.random.Generator
    axes : sequence of three 1-D arrays
        Coordinates of the head's grid in mm.
    grade : {"high", "low", "none"}
    growth_spacing : float
        Smallest voxel size, in mm, at which the equation is solved; the result is interpolated.

    Returns
    -------
    dict of ndarray
        `labels`: uint8 (X, Y, Z); `infiltration`: float32 (X, Y, Z), how much the tissue looks like oedema, 0 to 1.
    """
    shape = head["white"].shape
    labels, infiltration = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    if grade == "none":
        return {"labels": labels, "infiltration": infiltration}
    step = float(axes[0][1] - axes[0][0])
    volume = np.exp(rng.uniform(*np.log(VOLUMES[grade])))
    seed = _choose_seed(head["cerebrum"], rng, axes)
    factor = max(1, round(growth_spacing / step))
    reach = int(np.ceil(60 / (step * factor))) * factor
    box = tuple(slice(max(0, s - reach), min(n, s + reach)) for s, n in zip(seed, shape, strict=True))
    # along some tracts, the tumour grows faster
    tracts = np.clip(np.exp(0.7 * smooth_field(rng, axes, 12.0)[box] - 0.7), 0, 1)
    white, grey, tracts = (_coarse(field, factor) for field in (head["white"][box], head["grey"][box], tracts))
    solid = np.argwhere(white + grey >= 0.5)
    start = solid[np.argmin(((solid - [(s - b.start) / factor for s, b in zip(seed, box, strict=True)]) ** 2).sum(1))]
    density, load = grow_tumour(white, grey, start, step * factor, volume, WIDTHS[grade], tracts=tracts)
    density, load = (_fine(field, head["white"][box].shape, factor) for field in (density, load))
    # linear interpolation would carry cells into the fluid beside the tissue
    density *= head["white"][box] + head["grey"][box] > 0.5
    load *= 1 + 0.1 * head["texture"][box]  # so that the rim does not have a uniform thickness
    core, necrosis = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.5)
    labels[box] = label_tumour(density, load, grade, head["truth"][box], step, core, necrosis)
    infiltration[box] = np.where(density > 0.02, np.clip((density - VISIBLE) / 0.3 + 0.5, 0, 1), 0)
    return {"labels": labels, "infiltration": infiltration}


def _choose_seed(allowed, rng, axes):
    """Draw points until one is allowed, so that the starting point is nearly always the same at any spacing."""
    for point in rng.uniform(-90, 90, (10000, 3)):
        voxel = tuple(int(np.argmin(abs(axis - c))) for axis, c in zip(axes, point, strict=True))
        if allowed[voxel]:
            return voxel
    raise ValueError("the head has no white matter in which a tumour could start")


def _coarse(field, factor):
    """Average blocks of voxels; incomplete blocks at the end are left out."""
    shape = [n // factor for n in field.shape]
    cut = field[tuple(slice(0, n * factor) for n in shape)]
    blocks = cut.reshape(shape[0], factor, shape[1], factor, shape[2], factor)
    return blocks.mean((1, 3, 5))


def _fine(field, shape, factor):
    """Interpolate block averages back to voxels; edge values are extended."""
    offset = (1 - factor) / (2 * factor)
    return ndimage.affine_transform(
        field,
        np.eye(3) / factor,
        [offset] * 3,  # pyright: ignore[reportArgumentType] scipy accepts one for each axis too
        shape,
        order=1,
        mode="nearest",
    )


# range of the visible volume in ml, from public glioma cohorts
VOLUMES = {"high": (25.0, 100.0), "low": (12.0, 70.0)}
WIDTHS = {"high": 2.2, "low": 3.0}
