"""Simulate a cohort with known truth (heads, tumours and scanners), for the demo and the tests.

A subject depends only on (seed, index), and has the same bytes in every run. Tissue intensities were chosen by eye from
real scans at 1.5 and 3 T, and do not represent a particular scanner.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from neurograft.core import files, sequences
from neurograft.imaging import nifti, resampling
from neurograft.simulation.anatomy import OUTSIDE, build_head, load_template, place_head, rigid, smooth_field
from neurograft.simulation.tumours import ENHANCING, NECROSIS, add_tumour

FIELD = (184.0, 218.0, 184.0)  # mm; field of view, from the vertex to below the skull base


def describe_subject(index, seed=0):
    """Return the columns of a simulated subject; diagnoses and sites are balanced for every seed.

    The first six subjects, from index 0 or 1, include each diagnosis at both sites, and any eight in a row include six
    tumours.

    Returns
    -------
    dict
        `site` ("A", "B"), `sex` ("F", "M"), `age` (years), `diagnosis` ("high-grade", "low-grade", "none").

    Raises
    ------
    ValueError
        If `index` or `seed` is negative.
    """
    if index < 0 or seed < 0:
        raise ValueError(f"index and seed must not be negative: {index}, {seed}")
    diagnosis = DIAGNOSES[index // 2 % len(DIAGNOSES)]
    youngest, oldest = AGES[diagnosis]
    return {
        "site": "AB"[index % 2],
        "sex": "FM"[(index + index // 2) % 2],
        "age": int(np.random.default_rng([seed, index, 0]).integers(youngest, oldest + 1)),
        "diagnosis": diagnosis,
    }


@dataclass(frozen=True)
class _Patient:
    """A simulated head and its tumour, on one grid with the 4x4 `affine`."""

    head: dict[str, np.ndarray]
    tumour: dict[str, np.ndarray]
    affine: np.ndarray


def simulate_subject(index, seed=0, spacing=2.0, template=None):
    """Simulate one subject's four sequences, with labels on the grid of `t1c`.

    Parameters
    ----------
    index : int
        Number of the subject in the cohort, from 0.
    seed : int
        Seed of the cohort.
    spacing : float
        Smallest voxel size in mm. Depending on site and sequence, slices may be thicker (`SITES`).
    template : dict, optional
        From `anatomy.load_template`, to load it once for many subjects.

    Returns
    -------
    scans : dict of str to nibabel.Nifti1Image
        `t1`, `t1c`, `t2`, `flair` (int16) and `labels` (uint8; 1, 2, 4 as in BraTS 2018).
    truth : dict
        The columns of `describe_subject`; `grade`: "high", "low" or "none"; `brain`: mask (uint8) on the grid of `t1c`;
        `motion`: for each sequence, the 4x4 transform from the world of `t1c` to that of the sequence; `to_template`:
        4x4 affine part of the map from template world to the world of `t1c`; `index`, `seed`, `spacing`.

    Raises
    ------
    ValueError
        If `index` or `seed` is negative, or `spacing` is not between 0.5 and 6 mm.
    """
    columns = describe_subject(index, seed)
    if not 0.5 <= spacing <= 6:
        raise ValueError(f"a spacing of {spacing} mm is not in 0.5 to 6")
    body, growth, scanner = (np.random.default_rng([seed, index, stream]) for stream in (1, 2, 3))
    axes = _head_axes(0.8 * spacing)
    to_template = place_head(body)
    head = build_head(template or load_template(), body, axes, to_template, columns["age"])
    tumour = add_tumour(head, growth, axes, columns["diagnosis"].removesuffix("-grade"))
    head_affine = np.diag([0.8 * spacing] * 3 + [1.0])
    head_affine[:3, 3] = [axis[0] for axis in axes]
    patient = _Patient(head, tumour, head_affine)
    motion = {name: _draw_motion(scanner, name) for name in sequences.SEQUENCES}
    grids = _sequence_grids(scanner, columns["site"], spacing)
    scans = {
        name: _scan(patient, motion[name], grids[name], name, columns["site"], scanner) for name in sequences.SEQUENCES
    }
    scans["labels"], brain = _truth_on(grids["t1c"], patient)
    truth = {**columns, "grade": columns["diagnosis"].removesuffix("-grade"), "brain": brain, "motion": motion}
    truth |= {"to_template": to_template, "index": index, "seed": seed, "spacing": spacing}
    for scan in [*scans.values(), brain]:
        scan.header["descrip"] = b"simulated"
    return scans, truth


def write_subject(folder, scans, truth):
    """Write a simulated subject to a folder, atomically.

    Parameters
    ----------
    folder : str or Path
        Contains `{t1,t1c,t2,flair,labels}.nii.gz`, `truth.nii.gz` (the brain mask), `participant.json` (the columns,
        and `origin`: simulated) and `truth.json` (the other entries of `truth`).
    scans, truth : dict
        From `simulate_subject`.
    """
    columns = {name: truth[name] for name in ("site", "sex", "age", "diagnosis")}
    facts = {name: value for name, value in truth.items() if name not in {"brain", *columns}}
    with files.whole(folder) as part:
        nifti.write_scans(part, {**scans, "truth": truth["brain"]})
        files.write_json(part / "participant.json", {**columns, "origin": "simulated"})
        files.write_json(part / "truth.json", {"origin": "simulated", **facts})


def _head_axes(step):
    """Make the grid on which the head is built: the field of view with a margin for motion and tilt."""
    half = [int((extent / 2 + 8) / step) for extent in FIELD]
    return [np.arange(-n, n + 1) * step for n in half]


def _draw_motion(rng, name):
    """Draw the head's rigid motion, about its centre: world of the reference to world of the sequence."""
    angles, shift = rng.normal(0, 1.2, 3), rng.normal(0, 1.2, 3)
    return np.eye(4) if name == "t1c" else rigid(np.clip(angles, -3, 3), np.clip(shift, -3, 3))


def _sequence_grids(rng, site, spacing):
    """Make the grid of each sequence; the site determines the thick axis and the tilt."""
    grids = {}
    tilt = rng.normal(SITES[site]["tilt"], 2.0) if SITES[site]["tilt"] else 0.0
    for name in sequences.SEQUENCES:
        axis, thickness = SITES[site]["thick"][name]
        size = np.full(3, spacing * SITES[site]["in_plane"])
        size[axis] = spacing * thickness
        shape = np.ceil(np.array(FIELD) / size).astype(int)
        affine = rigid((tilt if axis == 2 else 0.0, 0, 0), (0, 0, 0)) @ np.diag([*size, 1.0])
        affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
        grids[name] = resampling.Grid(tuple(int(n) for n in shape), affine)
    return grids


def _truth_on(grid, patient):
    """Sample labels and brain mask on a sequence's grid; there are no labels outside the mask."""
    brain = resampling.resample(nifti.image(patient.head["truth"].astype(np.float32), patient.affine), *grid)
    brain = (np.asarray(brain.dataobj) >= 0.5).astype(np.uint8)
    labels = resampling.resample_labels(nifti.image(patient.tumour["labels"], patient.affine), *grid)
    return nifti.image(np.asarray(labels.dataobj) * brain, grid.affine), nifti.image(brain, grid.affine)


def _scan(patient, motion, grid: resampling.Grid, name, site, rng):
    """Simulate the scan of a head: contrast, slice thickness, motion, bias field, Rician noise, and integer values."""
    look = SITES[site]
    ideal = _contrast(patient.head, patient.tumour, _draw_values(rng, site, name))
    size = np.linalg.norm(grid.affine[:3, :3], axis=0)
    fine = patient.affine[0, 0]
    # blur of a voxel, beyond that of the grid on which the head is built
    blur = np.sqrt(np.maximum((0.35 * size) ** 2 - (0.3 * fine) ** 2, 0)) / fine
    ideal = ndimage.gaussian_filter(ideal, blur, truncate=2.5)
    # the grid is only slightly tilted against the head, so blurring along the axes of the head is accurate enough
    moved = resampling.resample(nifti.image(ideal, patient.affine), *grid, np.linalg.inv(motion))
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(grid.shape, size, strict=True)]
    signal = np.asarray(moved.dataobj) * np.exp(look["bias"] * smooth_field(rng, axes, 75.0))
    noise = look["noise"] * rng.standard_normal((2, *grid.shape), np.float32)
    magnitude = np.hypot(signal + noise[0], noise[1])
    gain = look["gain"] * np.exp(rng.normal(0, 0.15))
    return nifti.image(np.round(gain * magnitude).clip(0, 32767).astype(np.int16), grid.affine)


def _draw_values(rng, site, name):
    """Draw a sequence's intensity of each tissue, which varies slightly between subjects."""
    values = INTENSITIES["t1" if name == "t1c" else name].copy()
    if name == "t1c":
        values |= INTENSITIES["t1c"]
    middle = 0.5 * (values["white"] + values["grey"])
    values["grey"] += SITES[site]["flatness"] * (middle - values["grey"])
    values["white"] += SITES[site]["flatness"] * (middle - values["white"])
    values["fat"] *= SITES[site]["fat"]
    spread = {"oedema": 0.08, "enhancing": 0.08, "necrosis": 0.08}
    return {tissue: value * np.exp(rng.normal(0, spread.get(tissue, 0.03))) for tissue, value in values.items()}


def _contrast(head, tumour, values):
    """Compute the noise-free image of one sequence on the grid of the head; white matter on T1 is 1."""
    ideal = np.array([values[tissue] for tissue in OUTSIDE], np.float32)[head["outside"]]
    tissue = head["white"] * values["white"] + head["grey"] * values["grey"]
    tissue += head["spots"] * 0.6 * (values["oedema"] - values["white"])
    share = head["white"] + head["grey"]
    tissue += tumour["infiltration"] * (share * values["oedema"] - tissue)
    tissue *= 1 + 0.03 * head["texture"]
    ideal = tissue + head["fluid"] * values["fluid"] + (1 - head["brain"]) * ideal
    for label, name in ((ENHANCING, "enhancing"), (NECROSIS, "necrosis")):
        part = tumour["labels"] == label
        ideal[part] = values[name] * (1 + 0.08 * head["texture"][part])
    return ideal


DIAGNOSES = ("high-grade", "low-grade", "none", "high-grade")
AGES = {"high-grade": (45, 78), "low-grade": (26, 58), "none": (24, 76)}
# intensities relative to white matter on T1; oedema, enhancing and necrosis are parts of the tumour
INTENSITIES = {
    "t1": {
        "white": 1.0, "grey": 0.72, "fluid": 0.26, "oedema": 0.66, "enhancing": 0.68, "necrosis": 0.38,
        "air": 0.0, "dura": 0.4, "vessel": 0.35, "bone": 0.1, "marrow": 0.55, "fat": 1.35, "muscle": 0.6, "eye": 0.3,
    },
    "t1c": {"enhancing": 1.55, "dura": 0.75, "vessel": 1.6, "muscle": 0.75, "marrow": 0.6},
    "t2": {
        "white": 0.5, "grey": 0.68, "fluid": 1.3, "oedema": 0.95, "enhancing": 0.88, "necrosis": 1.15,
        "air": 0.0, "dura": 0.3, "vessel": 0.1, "bone": 0.08, "marrow": 0.4, "fat": 0.95, "muscle": 0.3, "eye": 1.5,
    },
    "flair": {
        "white": 0.66, "grey": 0.8, "fluid": 0.16, "oedema": 1.15, "enhancing": 1.05, "necrosis": 0.55,
        "air": 0.0, "dura": 0.45, "vessel": 0.2, "bone": 0.08, "marrow": 0.35, "fat": 0.8, "muscle": 0.4, "eye": 0.2,
    },
}  # fmt: skip
# thick: sequence to (axis of the thick slices, their thickness in units of the spacing)
SITES = {
    "A": {
        "gain": 420.0, "noise": 0.025, "bias": 0.12, "flatness": 0.0, "fat": 1.0, "tilt": 0.0, "in_plane": 1.0,
        "thick": {"t1": (2, 1.0), "t1c": (2, 1.0), "t2": (2, 1.5), "flair": (2, 1.5)},
    },
    "B": {
        "gain": 1100.0, "noise": 0.05, "bias": 0.22, "flatness": 0.3, "fat": 1.3, "tilt": 9.0, "in_plane": 1.1,
        "thick": {"t1": (0, 1.6), "t1c": (2, 1.5), "t2": (2, 2.0), "flair": (2, 2.0)},
    },
}  # fmt: skip
