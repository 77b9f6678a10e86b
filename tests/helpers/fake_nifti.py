"""NIfTI-1 files written byte by byte after the standard, not by the library that reads them; and what to put in."""

import itertools
import struct

import numpy as np
from scipy.spatial.transform import Rotation

# unequal in place, size and intensity, and on no line with the middle: no flip or turn maps them onto themselves
MARKERS = (((30.0, 12.0, -8.0), 12.0, 300.0), ((-22.0, 26.0, 14.0), 9.0, 200.0), ((-8.0, -30.0, 22.0), 7.0, 100.0))
SHAPE, SIZES = (26, 30, 22), (5.0, 4.0, 6.0)  # voxels, mm
# permutation of the axes, and their signs: all 48 ways in which axes can lie
ORIENTATIONS = tuple(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


def make_affine(order=(0, 1, 2), signs=(1, 1, 1), turn=None, shape=SHAPE, sizes=SIZES):
    """Give the affine of a grid centred at the world's origin: turned in space, then its axes permuted and flipped.

    Returns affine and shape of the file.
    """
    columns = (np.eye(3) if turn is None else turn) * sizes
    matrix = columns[:, list(order)] * signs
    shape = tuple(shape[axis] for axis in order)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, -matrix @ ((np.array(shape) - 1) / 2)
    return affine, shape


def draw_markers(affine, shape, markers=MARKERS):
    """Draw soft balls at their places in the world, on air of 4 and 5 in turn: float32."""
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    data = 4.0 + np.indices(shape).sum(0) % 2
    for place, radius, height in markers:
        far = np.linalg.norm(points - place, axis=-1)
        data += height * np.exp(-((far / radius) ** 2))
    return data.astype(np.float32)


def find_markers(scan, markers=MARKERS):
    """Give the worst distance in mm between a marker and where an image shows its weighted middle, and of its height.

    Each middle is sought where the marker should be: in another place there is only air.
    """
    data, affine = np.asanyarray(scan.dataobj) - 4.5, scan.affine
    points = np.moveaxis(np.indices(scan.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    worst = 0.0
    for place, radius, height in markers:
        near = np.where(np.linalg.norm(points - place, axis=-1) < 1.8 * radius, data, 0)
        if near.sum() <= 0 or not 0.6 * height < near.max() < 1.2 * height:
            return np.inf
        worst = max(worst, float(np.linalg.norm((points * near[..., None]).sum((0, 1, 2)) / near.sum() - place)))
    return worst


def quaternion(affine):
    """Give (b, c, d), qfac of an affine without shear, by the standard's rule for its third axis."""
    matrix = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    qfac = 1.0 if np.linalg.det(matrix) > 0 else -1.0
    x, y, z, w = Rotation.from_matrix(matrix * [1, 1, qfac]).as_quat()
    return np.array([x, y, z]) * (1 if w >= 0 else -1), qfac


def write_nifti(path, data, sform=None, qform=None, codes=None, end="<", unit=(2, 1.0), **changes):
    """Write a .nii with exactly this header.

    sform, qform: affines in mm, or None for a code of 0 and an affine of zeros. codes: other codes of sform and qform.
    unit: the code of xyzt_units, and how many of the unit in which lengths are written make a millimetre. changes:
    `pixdim` (four numbers), `slope`, `inter`, `dim` (eight numbers).
    """
    code, scale = unit
    codes = codes or (int(sform is not None), int(qform is not None))
    rows = np.zeros((3, 4)) if sform is None else sform[:3] * scale
    turn, qfac, offset, sizes = np.zeros(3), 1.0, np.zeros(3), np.ones(3)
    if sform is not None:
        sizes = np.linalg.norm(sform[:3, :3], axis=0) * scale
    if qform is not None:
        (turn, qfac), offset = quaternion(qform), qform[:3, 3] * scale
        sizes = np.linalg.norm(qform[:3, :3], axis=0) * scale
    kinds = {"f4": (16, 32), "i2": (4, 16), "u1": (2, 8)}
    datatype, bits = kinds[data.dtype.str[1:]]
    pixdim = changes.get("pixdim", (qfac, *sizes))
    raw = bytearray(352)
    dim = changes.get("dim", (data.ndim, *data.shape, *[1] * (7 - data.ndim)))
    struct.pack_into(f"{end}i", raw, 0, 348)
    struct.pack_into(f"{end}8h", raw, 40, *dim)
    struct.pack_into(f"{end}2h", raw, 70, datatype, bits)
    struct.pack_into(f"{end}8f", raw, 76, *pixdim, 1, 1, 1, 1)
    struct.pack_into(f"{end}3f", raw, 108, 352, changes.get("slope", 0), changes.get("inter", 0))
    raw[123] = code
    struct.pack_into(f"{end}2h", raw, 252, codes[1], codes[0])
    struct.pack_into(f"{end}6f", raw, 256, *turn, *offset)
    struct.pack_into(f"{end}12f", raw, 280, *rows.ravel())
    raw[344:348] = b"n+1\0"
    body = data.astype(data.dtype.newbyteorder(end)).tobytes(order="F")
    path.write_bytes(bytes(raw) + body)
    return str(path)
