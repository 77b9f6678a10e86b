"""Simulate heads: the MNI152 brain, warped for each subject, with skull, scalp, eyes and face.

Coordinates are in millimetres, RAS+. *Template* space is that of the MNI152 2009a maps in nilearn; *head* space is the
world of the subject's reference scan. All random fields are drawn from the generator that is passed in, on control
points at fixed positions in mm, so a subject has the same anatomy at every spacing. Sums use `numpy.einsum` instead of
BLAS, whose rounding may depend on the number of threads.
"""

import numpy as np
from scipy import ndimage

from neurograft.imaging.templates import MNI152, TEMPLATES, mni_tissue_maps
from neurograft.imaging.typed import affine_of, distance_to_outside, load_nifti

CENTRE = np.array([0.0, -18.0, 8.0])  # centre of the head and of the field of view, in template space
EXTENT = 150.0  # mm from the centre that are covered by random fields
BOTTOM = -72.0  # mm; the template's brain stem is cut here, and everything below is spinal cord
SURFACE_SPACING = 3.0  # mm; a distance map is smooth, and a distance transform at 1 mm would take seconds


def load_template():
    """Load the MNI152 2009a maps (`imaging.templates`), and compute the distance to the hull of the brain.

    Returns
    -------
    dict
        `grey`, `white`: uint8 probability maps (0 to 255); `brain`: uint8 mask; all (X, Y, Z) at 1 mm with
        `affine`. `surface`: float32 signed distance in mm to the closed hull of brain and spinal cord
        (negative inside), with `surface_affine`.

    Raises
    ------
    FileNotFoundError
        If nilearn, or a map in it, is missing.
    """
    template = {name: np.asarray(load_nifti(path).dataobj) for name, path in mni_tissue_maps().items()}
    t1 = load_nifti(TEMPLATES[MNI152]())
    template["brain"] = (np.asarray(t1.dataobj) > 0).astype(np.uint8)
    template["affine"] = affine_of(t1)
    template["surface"], template["surface_affine"] = _hull_distance(template["brain"], template["affine"])
    return template


def _hull_distance(brain, affine, closing=7.0):
    """Compute the signed distance, in mm, to the hull of the brain (closed over sulci), on a wide coarse grid."""
    half = np.array([111, 135, 117])  # mm from the centre to the edges of the grid
    low, high = CENTRE - half, CENTRE + half
    grid = np.diag([SURFACE_SPACING] * 3 + [1.0])
    grid[:3, 3] = low
    shape = tuple(np.ceil((high - low) / SURFACE_SPACING).astype(int))
    matrix = np.linalg.inv(affine) @ grid
    # "nearest" extends the cut brain stem downwards, as the spinal cord
    share = ndimage.affine_transform(
        brain, matrix[:3, :3], matrix[:3, 3], shape, order=1, mode="nearest", output=np.float32
    )
    dilated = distance_to_outside(share < 0.5, sampling=SURFACE_SPACING) < closing
    hull = distance_to_outside(dilated, sampling=SURFACE_SPACING) > closing
    hull |= share >= 0.5
    outside = distance_to_outside(~hull, sampling=SURFACE_SPACING)
    inside = distance_to_outside(hull, sampling=SURFACE_SPACING)
    return ndimage.gaussian_filter((outside - inside).astype(np.float32), 1.0), grid


def smooth_field(rng, axes, scale):
    """Draw a smooth random field with mean 0 and standard deviation 1 at every point.

    It is white noise on control points every `scale` mm, interpolated with separable Gaussian weights, whose squares
    sum to 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    axes : sequence of three 1-D arrays
        Coordinates of the grid along each axis, in mm from the centre of the field of view.
    scale : float
        Distance between control points in mm.

    Returns
    -------
    ndarray, float32, shape (X, Y, Z)
    """
    knots = np.arange(-EXTENT, EXTENT + scale, scale)
    field = rng.standard_normal((len(knots),) * 3).astype(np.float32)
    for axis in axes:
        weights = np.exp(-0.5 * ((np.asarray(axis)[:, None] - knots) / (0.7 * scale)) ** 2)
        weights /= np.sqrt((weights**2).sum(1, keepdims=True))
        # contract the first axis and append the result as the last; after three times, the axes are in order again
        field = np.einsum("ijk,ai->jka", field, weights.astype(np.float32))
    return np.ascontiguousarray(field)


def rigid(angles, shift, scale=(1.0, 1.0, 1.0), about=(0.0, 0.0, 0.0)):
    """Make a 4x4 transform that scales and rotates about a point, then translates.

    Parameters
    ----------
    angles : array_like, 3
        Degrees about x, y and z, applied in this order.
    shift : array_like, 3
        mm.
    """
    transform = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(angles)):
        turn = np.eye(4)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        transform = turn @ transform
    transform = transform @ np.diag([*scale, 1.0])
    transform[:3, 3] = np.asarray(about) + shift - transform[:3, :3] @ np.asarray(about)
    return transform


def place_head(rng):
    """Draw the affine part of a subject's anatomy.

    Returns
    -------
    ndarray, shape (4, 4)
        Template world to head world; the template's `CENTRE` is mapped near the origin.
    """
    # the MNI152 average, 1.89 litres, is larger than most brains; scaled by 0.92 along each axis, it is 1.47 litres
    scale = 0.92 * np.exp(rng.normal(0, 0.025)) * np.exp(rng.normal(0, 0.02, 3))
    return rigid(rng.normal(0, 3, 3), rng.normal(0, 2, 3) - CENTRE, scale, about=CENTRE)


def build_head(template, rng, axes, to_template, age=50.0):
    """Build one subject's anatomy on an axis-aligned grid of head space.

    Parameters
    ----------
    template : dict
        From `load_template`.
    rng : numpy.random.Generator
    axes : sequence of three 1-D arrays
        Coordinates of the grid in head space, in mm.
    to_template : ndarray, shape (4, 4)
        Template world to head world, from `place_head`; a smooth random warp is added.
    age : float
        Age in years; with age, sulci are wider, and white matter has more spots.

    Returns
    -------
    dict of ndarray, shape (X, Y, Z)
        `white`, `grey`, `fluid`, `brain`: float32 fractions (white + grey + fluid = brain); `outside`: uint8, index
        into `OUTSIDE`; `spots`: float32 fraction of age-related white-matter change; `cerebrum`: bool, where a glioma
        may start; `texture`: float32 field with mean 0 and standard deviation 1; `truth`: bool, the brain without the
        spinal cord.
    """
    place = template_places(rng, axes, to_template)
    steps = np.diag(template["surface_affine"])[:3, None, None, None]
    at = (place - template["surface_affine"][:3, 3, None, None, None]) / steps
    surface = ndimage.map_coordinates(template["surface"], at, order=1, mode="nearest", output=np.float32)
    texture = smooth_field(rng, axes, 6.0)
    head = _tissues(template, place, surface, texture, age)
    head["outside"] = _outside(place, surface, smooth_field(rng, axes, 40.0), texture)
    head["texture"] = texture
    # the template's brain ends where its brain stem is cut
    head["truth"] = (head["brain"] >= 0.5) & (place[2] > BOTTOM)
    step = axes[0][1] - axes[0][0]
    fluid_around = ndimage.gaussian_filter(np.where(surface < -15, head["fluid"], 0), 6.0 / step)
    load = fluid_around + 0.05 * smooth_field(rng, axes, 9.0) + 0.002 * (age - 60) - 0.2
    head["spots"] = head["white"] * np.clip(12 * load, 0, 1)
    head["spots"][place[2] < 0] = 0
    # smoothed over some mm, so that the result does not depend on the spacing
    deep = ndimage.gaussian_filter(head["white"], 3.0 / step)
    head["cerebrum"] = (deep > 0.6) & (place[2] > -12) & (abs(place[0]) > 14) & (surface < -6)
    return head


def template_places(rng, axes, to_template):
    """Compute the template coordinates of every voxel: inverse affine plus a smooth, invertible warp.

    Parameters are those of `build_head`.

    Returns
    -------
    ndarray, float32, shape (3, X, Y, Z)
    """
    inverse = np.linalg.inv(to_template)
    mesh = [axis.astype(np.float32).reshape([-1 if i == n else 1 for i in range(3)]) for n, axis in enumerate(axes)]
    places = []
    for row in inverse[:3]:
        affine = row[0] * mesh[0] + row[1] * mesh[1] + row[2] * mesh[2] + row[3]
        # gradients of about 3/42 and 1/14 are far below 1, so the warp does not fold
        places.append(affine + 3.0 * smooth_field(rng, axes, 60.0) + 1.0 * smooth_field(rng, axes, 20.0))
    return np.stack(places).astype(np.float32)


def _tissues(template, place, surface, texture, age):
    """Sample the template's maps, and sharpen them, because an average of many brains is blurred."""
    near = np.flatnonzero(surface.ravel() < 6)  # sampling takes most of the time, so sample only where the brain can be
    inverse = np.linalg.inv(template["affine"])
    at = np.einsum("ij,jn->in", inverse[:3, :3], place.reshape(3, -1)[:, near]) + inverse[:3, 3:]
    grey, white, brain = (
        ndimage.map_coordinates(template[name], at, order=1, mode="nearest", output=np.float32)
        for name in ("grey", "white", "brain")
    )
    grey, white = grey / 255, white / 255
    fluid = np.clip(brain - grey - white, 0, None) * (1.0 + 0.02 * np.clip(age - 30, 0, 50))
    white = white * np.exp(0.15 * texture.ravel()[near])  # vary the cortex between subjects
    shares = np.stack([white, grey, fluid]) ** 1.8
    shares *= brain / np.maximum(shares.sum(0), 1e-6)
    head = {}
    for name, share in zip(("white", "grey", "fluid", "brain"), [*shares, brain], strict=True):
        head[name] = np.zeros(surface.shape, np.float32)
        head[name].ravel()[near] = share
    return head


def _outside(place, surface, thickness, texture):
    """Return the tissue of each voxel outside the brain."""
    x, y, z = place
    gap = 1.6 + 0.4 * thickness
    # the skull base is much thicker than the vault, because of the petrous and sphenoid bones
    base = np.clip((-z - 15) / 25, 0, 1) * np.exp(-_solid(place, (0, -10, -60), (70, 80, 200)))
    skull = gap + 6.0 + 1.2 * thickness + 11.0 * base
    scalp = skull + 6.0 - 1.2 * thickness
    face, neck = _solid(place, (0, 42, -72), (60, 54, 62)), _solid(place, (0, -34, -110), (58, 64, 62))
    body = np.minimum(face, neck)
    out = np.full(surface.shape, OUTSIDE.index("air"), np.uint8)
    out[body < 1] = OUTSIDE.index("muscle")
    out[(body < 1) & ((body > 0.86) | (texture > 1.1))] = OUTSIDE.index("fat")
    out[surface < scalp] = OUTSIDE.index("fat")
    skin = (surface > scalp - 2) & (surface < scalp) & (body > 1)
    temporal = (abs(x) > 42) & (z < 12) & (y > -25) & (y < 50) & (surface < scalp - 3.5)
    out[skin | temporal] = OUTSIDE.index("muscle")
    for side in (-1, 1):
        out[_solid(place, (32 * side, 58, -38), (19, 22, 17)) < 1] = OUTSIDE.index("fat")
        out[_solid(place, (32 * side, 64, -38), (12, 12, 12)) < 1] = OUTSIDE.index("eye")
        out[(_solid(place, (50 * side, -32, -42), (12, 14, 14)) < 1) & (texture > -0.3)] = OUTSIDE.index("air")
    out[_solid(place, (0, 66, -62), (15, 30, 20)) < 1] = OUTSIDE.index("air")
    out[surface < skull] = OUTSIDE.index("bone")
    out[(surface > gap + 1.8) & (surface < skull - 1.8) & (base < 0.2)] = OUTSIDE.index("marrow")
    out[surface < gap] = OUTSIDE.index("dura")
    out[surface < gap - 1.0] = OUTSIDE.index("fluid")
    # the sagittal sinus runs under the vault from the forehead to the occiput, and the falx hangs below it
    midline = (z > -10) & (surface < gap)
    out[midline & (abs(x) < 4.5) & (surface > gap - 5) & ((y < 40) | (z > 30))] = OUTSIDE.index("vessel")
    out[midline & (abs(x) < 1.2) & (surface < gap - 5)] = OUTSIDE.index("dura")
    return out


def _solid(place, centre, radii):
    """Compute the squared distance from an ellipsoid's centre in units of its radii (below 1 inside)."""
    return sum(((p - c) / r) ** 2 for p, c, r in zip(place, centre, radii, strict=True))


OUTSIDE = ("air", "fluid", "dura", "vessel", "bone", "marrow", "fat", "muscle", "eye")
