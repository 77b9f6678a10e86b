"""Simulated people of known truth: warped heads, own folding, caps that sit askew, and trials of two classes.

Both classes excite the same places of every cortex, a little apart from person to person. Where a place faces depends
on the person's folding, and with it what electrodes see. So sensors carry over badly, and a cortex does as far as its
folding is known. The generator was changed until the true head gained (docs/results.md): it shows that carrying trials
works, and not how much anatomy is worth.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] # SciPy has no types

from neurograft.core.files import whole
from neurograft.eeg.heads import Head, carry_head, compute_free_gain, list_directions, orient, read_template
from neurograft.eeg.recordings import name_cap
from neurograft.eeg.simulated_files import write_person

CLASSES = ("left", "right")
CHANNELS = (
    *("FP1", "FP2", "F7", "F3", "FZ", "F4", "F8", "FC5", "FC1", "FCZ", "FC2", "FC6", "T7", "C3", "CZ", "C4", "T8"),
    *("CP5", "CP1", "CP2", "CP6", "P7", "P3", "PZ", "P4", "P8", "PO3", "POZ", "PO4", "O1", "OZ", "O2"),
)
RATE = 100.0
LENGTH = 0.8  # s
MEDIAN_OF_RAYLEIGH = 1.1774
ALIKE = 0.012  # m over which folding turns normals alike
DIGITISED = 0.002  # m, error of a measured electrode along each axis


@dataclass(frozen=True)
class Population:
    """How simulated people are, and how they differ.

    Attributes
    ----------
    trials : int
        Of each class.
    folding : float
        Median angle between a person's normals and the template's, degrees.
    askew : float
        Standard deviation of how a cap is turned, degrees, about each axis.
    signal : float
        Amplitude of what tells the classes apart, nAm; the background has 10 at each of its sources.
    noise : float
        Of a channel, microvolt.
    sources : int
        Places that tell the classes apart.
    jitter : float
        How far a person's places are from the common ones, m.
    """

    trials: int = 30
    folding: float = 38.0
    askew: float = 4.0
    signal: float = 60.0
    noise: float = 2.0
    sources: int = 4
    jitter: float = 0.004


def simulate_head(template: Head, population: Population, generator: np.random.Generator) -> Head:
    """Warp the template into a person's head, with a folding of its own."""
    stretch = np.diag(generator.normal(1.0, 0.05, 3)) + generator.normal(0, 0.01, (3, 3))
    head = carry_head(template, lambda points: points @ stretch.T)
    bumps = generator.normal(0, 1, (6, 3))
    waves = np.tanh(list_directions()[0] @ bumps.T) @ generator.normal(0, 0.008, 6)
    thick = 1 + generator.normal(0, 0.1)
    inner = head.radii[0] * (1 + np.clip(waves, -0.05, 0.05))
    radii = np.stack(
        [inner, inner + thick * (head.radii[1] - head.radii[0]), inner + thick * (head.radii[2] - head.radii[0])]
    )
    normals = turn_normals(head.cortex, head.normals, population.folding, generator)
    return replace(head, radii=radii, normals=normals)


def turn_normals(cortex: np.ndarray, normals: np.ndarray, degrees: float, generator: np.random.Generator) -> np.ndarray:
    """Turn every normal by an angle with a given median (Rayleigh), neighbours alike, as folds do that lie elsewhere.

    Parameters
    ----------
    cortex, normals : ndarray, shape (vertices, 3)
    degrees : float
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (vertices, 3)
    """
    apart = ((cortex[:, None] - cortex[None]) ** 2).sum(axis=2)
    kernel = np.exp(-apart / (2 * ALIKE**2))
    field = kernel @ generator.normal(0, 1, normals.shape) / np.sqrt((kernel**2).sum(axis=1))[:, None]
    across = field - np.einsum("ij,ij->i", field, normals)[:, None] * normals
    length = np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.minimum(np.radians(degrees) * length / MEDIAN_OF_RAYLEIGH, np.pi)
    return np.cos(angle) * normals + np.sin(angle) * across / length


def turn_cap(positions: np.ndarray, population: Population, generator: np.random.Generator) -> np.ndarray:
    """Turn a cap, shape (channels, 3), a little about each axis."""
    x, y, z = np.radians(generator.normal(0, population.askew, 3))
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return positions @ (about_x @ about_y @ about_z).T


def choose_sources(cortex: np.ndarray, population: Population, generator: np.random.Generator) -> np.ndarray:
    """Choose the places, vertex numbers, that tell the classes apart in everyone: in the upper half of the cortex."""
    high = np.flatnonzero(cortex[:, 2] > np.median(cortex[:, 2]))
    return generator.choice(high, population.sources, replace=False)


def simulate_trials(
    gain: np.ndarray, cortex: np.ndarray, sources: np.ndarray, population: Population, generator: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Simulate the trials of one person, classes mixed in time.

    Parameters
    ----------
    gain : ndarray, shape (channels, vertices)
        Of the true head and the true cap.
    cortex : ndarray, shape (vertices, 3)
        Of the template, metres.
    sources : ndarray of int
        From `choose_sources`.
    population : Population
    generator : numpy.random.Generator

    Returns
    -------
    data : ndarray, shape (trials, channels, samples)
        Volt.
    labels : list of str
    """
    samples, tree = round(LENGTH * RATE), cKDTree(cortex)
    time = np.arange(samples) / RATE
    # a person's places, each with its two neighbours, are near the common ones
    moved = cortex[sources] + generator.normal(0, population.jitter, (len(sources), 3))
    patches = tree.query(moved, k=3)[1]
    peaks = np.linspace(0.15, 0.45, len(sources)) + generator.normal(0, 0.02, len(sources))
    courses = np.exp(-0.5 * ((time - peaks[:, None]) / 0.06) ** 2)
    signs = np.where(np.arange(len(sources)) % 2, 1.0, -1.0)
    shape = population.signal * 1e-9 * np.einsum("s,cs,st->ct", signs, gain[:, patches].mean(axis=2), courses)
    numbers = generator.permutation(np.repeat([0, 1], population.trials))
    background = gain[:, generator.choice(len(cortex), 150, replace=False)]
    activity = gaussian_filter1d(generator.normal(0, 1, (len(numbers), background.shape[1], samples)), 2.0, axis=-1)
    activity *= 10e-9 / activity.std()
    data = np.einsum("cv,nvt->nct", background, activity, optimize=True)
    data += 1e-6 * population.noise * generator.normal(0, 1, data.shape)
    strength = generator.normal(1, 0.2, len(numbers)) * np.where(numbers, 0.5, -0.5)
    return data + strength[:, None, None] * shape, [CLASSES[number] for number in numbers]


def simulate_person(
    folder: str | Path, truth: str | Path, number: int, seed: int, population: Population | None = None
) -> None:
    """Simulate a person, and write the recording as BIDS and the true head beside it.

    Parameters
    ----------
    folder : str or Path
        `.../sub-<label>/eeg`.
    truth : str or Path
        An .npz: `free`, what the electrodes see of the true cortex in every direction, its `cortex` and `normals`.
    number : int
        Of the person.
    seed : int
    population : Population, optional
    """
    population = population or Population()
    generator = np.random.default_rng([seed, number])
    template, cap = read_template(), name_cap()
    head = simulate_head(template, population, generator)
    positions = turn_cap(np.array([cap[name] for name in CHANNELS]), population, generator)
    free = compute_free_gain(head, positions)
    # common to all people
    sources = choose_sources(template.cortex, population, np.random.default_rng(seed))
    data, labels = simulate_trials(orient(free, head.normals), template.cortex, sources, population, generator)
    label = Path(folder).parent.name
    measured = positions + generator.normal(0, DIGITISED, positions.shape)
    about = {"channels": CHANNELS, "rate": RATE, "positions": measured}
    write_person(folder, f"{label}_task-simulated", data, labels, about)
    with whole(truth) as part, part.open("wb") as file:
        np.savez(file, free=free.astype(np.float32), cortex=head.cortex, normals=head.normals)


def read_known(truth: str | Path, degrees: float, seed: int) -> np.ndarray:
    """Read what a head model says that knows head and cap exactly, and the folding to some degrees.

    Returns
    -------
    ndarray, shape (channels, vertices)
    """
    generator = np.random.default_rng([seed, crc32(Path(truth).parent.name.encode())])
    with np.load(truth) as stored:
        normals = turn_normals(stored["cortex"], stored["normals"], degrees, generator)
        return orient(stored["free"].astype(float), normals)
