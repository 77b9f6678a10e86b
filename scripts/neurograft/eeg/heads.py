"""Head models: scalp, skull and cortex of a person, and what electrodes see of its cortex.

Surfaces are star-shaped: one radius for each of 642 directions from the middle of the brain, so that they nest by
construction. The template is FreeSurfer's average head (its surfaces come with mne, its cortex with nilearn); a person
has it carried over by a transform. A scalp is never taken from a T1, which may be defaced.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import ConvexHull, cKDTree  # pyright: ignore[reportAttributeAccessIssue] # SciPy has no types

from neurograft.core.files import whole
from neurograft.eeg.carrying import average_reference

COARSE = 642  # vertices of an icosphere: of every surface, and of the cortex of each side
CONDUCTIVITY = (0.3, 0.006, 0.3)  # S/m of brain, skull and scalp
LEAST_SKULL, LEAST_SCALP = 0.004, 0.003  # m
DEEPEST = 0.002  # m between the cortex and the skull
# MNI305, the space of FreeSurfer's average, to MNI152; mm
MNI305_TO_MNI152 = np.array([
    [0.9975, -0.0073, 0.0176, -0.0429], [0.0146, 1.0009, -0.0024, 1.5496], [-0.0130, -0.0093, 0.9971, 1.1840],
    [0, 0, 0, 1],
])  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The geometry of a head; metres, in one frame (x to the right, y to the front, z up).

    Attributes
    ----------
    centre : ndarray, shape (3,)
        The middle of the brain.
    radii : ndarray, shape (3, 642)
        Of the inner skull, the outer skull and the scalp, in `list_directions`.
    cortex, normals : ndarray, shape (vertices, 3)
        The same vertices in every head; normals point outwards and have length 1.
    from_head : ndarray, shape (4, 4)
        From the frame of the electrodes (nasion and ears) to this one.
    """

    centre: np.ndarray
    radii: np.ndarray
    cortex: np.ndarray
    normals: np.ndarray
    from_head: np.ndarray

    def surface(self, number: int) -> np.ndarray:
        """Give the vertices of one surface, shape (642, 3)."""
        return self.centre + self.radii[number][:, None] * list_directions()[0]


def list_directions() -> tuple[np.ndarray, np.ndarray]:
    """Give 642 evenly spread directions, shape (642, 3), and the triangles between them, facing outwards."""
    if not _DIRECTIONS:
        sphere = _read_mesh("sphere_left")[0][:COARSE]
        points = sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
        triangles = ConvexHull(points).simplices
        a, b, c = (points[triangles[:, corner]] for corner in range(3))
        inwards = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
        triangles[inwards] = triangles[inwards][:, ::-1]
        _DIRECTIONS.append((points, triangles))
    return _DIRECTIONS[0]


_DIRECTIONS: list[tuple[np.ndarray, np.ndarray]] = []


def _read_mesh(name):
    """Read a surface of FreeSurfer's average that nilearn carries: vertices (mm) and triangles."""
    import nibabel as nib

    package = find_spec("nilearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("the template's cortex comes with nilearn, which is not installed")
    loaded: Any = nib.load(Path(package.origin).parent / f"datasets/data/fsaverage5/{name}.gii.gz")
    return loaded.agg_data("pointset").astype(float), loaded.agg_data("triangle").astype(int)


def mesh_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Compute the normal of every vertex, weighted by the area of its triangles."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    area = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], area)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def read_cortex() -> tuple[np.ndarray, np.ndarray]:
    """Read the template's cortex: halfway between white matter and pia, 642 vertices a side.

    Returns
    -------
    points, normals : ndarray, shape (1284, 3)
        Metres. A normal is the mean over the patch of the finer surface that the vertex stands for.
    """
    points, normals = [], []
    for side in ("left", "right"):
        white, triangles = _read_mesh(f"white_{side}")
        middle = (white + _read_mesh(f"pial_{side}")[0]) / 2
        sphere = _read_mesh(f"sphere_{side}")[0]
        patch = cKDTree(sphere[:COARSE]).query(sphere)[1]
        summed = np.zeros((COARSE, 3))
        np.add.at(summed, patch, mesh_normals(middle, triangles))
        points.append(middle[:COARSE] / 1000)
        normals.append(summed / np.linalg.norm(summed, axis=1, keepdims=True))
    return np.concatenate(points), np.concatenate(normals)


def measure_radii(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Describe a surface by its radius in each of `list_directions`: the median of the nearest of its vertices."""
    away = points - centre
    length = np.linalg.norm(away, axis=1)
    near = cKDTree(away / length[:, None]).query(list_directions()[0], k=4)[1]
    return np.median(length[near], axis=1)


def nest(inner: np.ndarray, scalp: np.ndarray) -> np.ndarray:
    """Put an outer skull halfway between an inner skull and a scalp, and keep the least thicknesses, (3, 642)."""
    scalp = np.clip(scalp, inner + 2 * (LEAST_SKULL + LEAST_SCALP), inner + 0.025)
    outer = np.clip((inner + scalp) / 2, inner + LEAST_SKULL, scalp - LEAST_SCALP)
    return np.stack([inner, outer, scalp])


def sink(head: Head) -> tuple[Head, float]:
    """Draw vertices of the cortex that lie outside the inner skull into it.

    Returns
    -------
    head : Head
    inside : float
        Share of the vertices that lay inside from the start.
    """
    away = head.cortex - head.centre
    length = np.linalg.norm(away, axis=1)
    near = cKDTree(list_directions()[0]).query(away / length[:, None], k=3)[1]
    # the chord between three vertices of the surface lies inside their radii
    limit = 0.99 * head.radii[0][near].min(axis=1) - DEEPEST
    cortex = head.centre + away * np.minimum(1, limit / length)[:, None]
    return replace(head, cortex=cortex), float(np.mean(length < limit))


def read_template() -> Head:
    """Build the template head from what mne and nilearn carry."""
    import mne  # pyright: ignore[reportMissingImports] # optional

    folder = Path(str(mne.__file__)).parent / "data/fsaverage"
    inner = mne.read_bem_surfaces(folder / "fsaverage-inner_skull-bem.fif", verbose="error")[0]["rr"]
    scalp = mne.read_bem_surfaces(folder / "fsaverage-head.fif", verbose="error")[0]["rr"]
    centre = (inner.min(axis=0) + inner.max(axis=0)) / 2
    radii = nest(measure_radii(inner, centre), measure_radii(scalp, centre))
    trans = mne.read_trans(folder / "fsaverage-trans.fif", verbose="error")["trans"]
    return sink(Head(centre, radii, *read_cortex(), trans))[0]


def carry_head(template: Head, transform: Callable[[np.ndarray], np.ndarray], brain: np.ndarray | None = None) -> Head:
    """Carry the template head to a person.

    Parameters
    ----------
    template : Head
    transform : callable
        Maps points of the template, metres, shape (points, 3), to the person's.
    brain : ndarray, shape (points, 3), optional
        Points on the border of the person's brain; the skull is then 2 mm outside of it, with the template's thickness
        of skull and scalp.

    Returns
    -------
    Head
        `from_head` goes by the three landmarks that define the frame of the electrodes.
    """
    centre = transform(template.centre[None])[0]
    radii = np.stack([measure_radii(transform(template.surface(number)), centre) for number in range(3)])
    if brain is not None:
        thick = radii[2] - radii[0]
        radii[0] = _smooth(measure_radii(brain, centre) + 0.002)
        radii[2] = radii[0] + thick
    # a short way along a normal shows where it points to
    step = 0.0005
    ends = transform(np.concatenate([template.cortex, template.cortex + step * template.normals]))
    cortex, tips = np.split(ends, 2)
    turned = tips - cortex
    normals = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    marks = np.array([[0, 0.1, 0, 1], [-0.08, 0, 0, 1], [0.08, 0, 0, 1]]) @ template.from_head[:3].T
    return Head(centre, nest(radii[0], radii[2]), cortex, normals, _frame(transform(marks)))


def _frame(marks):
    """Give the transform from the frame of nasion, left ear and right ear to that in which these three are given."""
    nasion, left, right = marks
    x = (right - left) / np.linalg.norm(right - left)
    origin = left + x * ((nasion - left) @ x)
    y = (nasion - origin) / np.linalg.norm(nasion - origin)
    frame = np.eye(4)
    frame[:3] = np.stack([x, y, np.cross(x, y), origin], axis=1)
    return frame


def _smooth(radii):
    """Average radii over neighbouring directions, so that a furrow makes no dent in a skull."""
    near = cKDTree(list_directions()[0]).query(list_directions()[0], k=7)[1]
    return radii[near].mean(axis=1)


def measure_inside(head: Head) -> float:
    """Give the share of the cortex's vertices that lie inside the inner skull."""
    return sink(head)[1]


def compute_free_gain(head: Head, positions: np.ndarray) -> np.ndarray:
    """Compute what electrodes see of the cortex in every direction, with the boundary element method of mne.

    Parameters
    ----------
    head : Head
    positions : ndarray, shape (channels, 3)
        Metres, in the frame of the electrodes; they are put onto the scalp.

    Returns
    -------
    ndarray, shape (channels, vertices, 3)
        Volt per ampere metre.
    """
    import mne  # pyright: ignore[reportMissingImports] # optional

    head, _ = sink(head)
    places = positions @ head.from_head[:3, :3].T + head.from_head[:3, 3]
    bem = mne.make_bem_solution(_list_surfaces(head), verbose="error")
    info = mne.create_info([str(number) for number in range(len(places))], 100.0, "eeg")
    dots = dict(zip(info["ch_names"], places, strict=True))
    info.set_montage(mne.channels.make_dig_montage(dots, coord_frame="head"), verbose="error")
    sources = mne.setup_volume_source_space(pos={"rr": head.cortex, "nn": head.normals}, verbose="error")
    still = mne.Transform("head", "mri")
    forward = mne.make_forward_solution(info, still, sources, bem, meg=False, mindist=0.0, verbose="error")
    if forward["nsource"] != len(head.cortex):
        raise ValueError(f"{len(head.cortex) - forward['nsource']} vertices of the cortex lie outside the skull")
    return forward["sol"]["data"].reshape(len(places), -1, 3)


def orient(free: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Turn a gain of all directions into one along normals with average reference, shape (channels, vertices)."""
    return average_reference(np.einsum("cva,va->cv", free, normals))


def _list_surfaces(head):
    """Make the surfaces of a head as mne wants them, from the outermost."""
    from mne.surface import complete_surface_info  # pyright: ignore[reportMissingImports] # optional

    triangles = list_directions()[1]
    listed = []
    # FIFF's numbers: scalp 4, outer skull 3, inner skull 1; coordinates of the MRI 5
    for number, name in ((2, 4), (1, 3), (0, 1)):
        points = head.surface(number)
        made = {"rr": points, "tris": triangles, "np": len(points), "ntri": len(triangles), "coord_frame": 5}
        listed.append(complete_surface_info(made | {"id": name, "sigma": CONDUCTIVITY[number]}, verbose="error"))
    return listed


def write_gains(path: str | Path, gains: dict[str, np.ndarray]) -> None:
    """Write the gains of a person by the name of the head, whole, as .npz in single precision."""
    with whole(path) as part, part.open("wb") as file:
        np.savez(file, **{name: gain.astype(np.float32) for name, gain in gains.items()})  # pyright: ignore[reportArgumentType] # names of arrays


def read_gains(path: str | Path) -> dict[str, np.ndarray]:
    """Read gains as written by `write_gains`."""
    with np.load(path) as stored:
        return {name: stored[name].astype(float) for name in stored.files}
