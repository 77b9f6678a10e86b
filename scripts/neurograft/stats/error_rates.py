"""How often would the verdict be wrong? Simulated studies whose truth is known, judged by what judges real ones."""

from typing import NotRequired, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from neurograft.stats import paired_model, paired_verdict
from neurograft.stats.paired_model import Pairs
from neurograft.stats.paired_verdict import Scale

Floats: TypeAlias = NDArray[np.float64]

STUDIES = 1000
# shape of the patients' differences, and a training's luck in units of their spread
SCENARIOS = (("normal", 0.0), ("normal", 0.25), ("normal", 0.5), ("skewed", 0.25), ("heavy tails", 0.25))
SHAPES = ("normal", "skewed", "very skewed", "heavy tails", "near the bound")
SEED_NOISE = paired_verdict.ASSUMED_NOISE
SEED_SHARE = 0.5  # of the luck's variance that another seed draws anew
TRUE_MARGINS = 1.5  # where "no practical difference" is false


class Study(TypedDict):
    """The size of a study: what decides how much it can show."""

    patients: int
    folds: int
    seeds: int
    family: int
    repeats: NotRequired[int]  # partitions of the patients into folds; 1 where it is left out


class ErrorRates(Study):
    """How often simulated studies of one scenario are judged wrongly, and how often rightly; shares from 0 to 1."""

    shape: str
    luck: float
    studies: int
    false_verdicts: float
    false_equal: float
    coverage: float
    power: float


def tabulate_error_rates(study: Study, margin: float, studies: int = STUDIES, seed: int = 0) -> list[ErrorRates]:
    """Simulate studies, judge them with the functions that judge real ones, and count the mistakes.

    Parameters
    ----------
    study : dict
        Patients are dealt to the folds in turn, in further partitions at random.
    margin : float
        In units of the spread of the differences over patients.
    studies, seed : int

    Returns
    -------
    list of dict
        A row for each of `SCENARIOS`, as from `rate_errors`. Empty where every verdict would be refused.
    """
    if study["patients"] < paired_verdict.FEWEST_PATIENTS:
        return []
    return [
        rate_errors(study, shape, luck, margin, np.random.default_rng([seed, number]), studies)
        for number, (shape, luck) in enumerate(SCENARIOS)
    ]


def rate_errors(
    study: Study, shape: str, luck: float, margin: float, generator: np.random.Generator, studies: int = STUDIES
) -> ErrorRates:
    """Count the mistakes in simulated studies of one size and kind.

    Parameters
    ----------
    study : dict
    shape : str
        Of `SHAPES`.
    luck, margin : float
        In units of the spread over patients.
    generator : numpy.random.Generator
    studies : int

    Returns
    -------
    dict
        `study`, `shape`, `luck`, `studies`; `false_verdicts`: share of studies without any true difference in which one
        comparison or more is said to help or hurt; `false_equal`: share in which one or more is called no
        practical difference where all differ by 1.5 margins; `coverage`: share of 95 % intervals that hold the
        truth; `power`: share that say "helps" of the first comparison, which differs by what `plan_comparison`
        calls detectable.
    """
    posterior = paired_model.fit(simulate_studies(generator, study, shape, luck, studies))
    # a study with a difference is the same study, shifted
    chances = {shift: _chances(posterior, shift, margin) for shift in (0.0, TRUE_MARGINS * margin)}
    below = posterior.below(0.0)
    _, different, _ = paired_verdict.decide(chances[0.0]["p"], np.ones_like(below))
    equal, _, _ = paired_verdict.decide(*(chances[TRUE_MARGINS * margin][name] for name in ("p", "p_beyond")))
    repeats = study.get("repeats", 1)
    effect = paired_verdict.plan_comparison(study["patients"], study["folds"], study["family"], 1.0, luck, repeats)
    shifted = chances[0.0]["p"].copy()
    shifted[:, 0] = _chances(posterior, effect, margin)["p"][:, 0]
    return {
        **study, "shape": shape, "luck": luck, "studies": studies,
        "false_verdicts": float(different.any(axis=-1).mean()),
        "false_equal": float(equal.any(axis=-1).mean()),
        "coverage": float(np.mean((below >= 0.025) & (below <= 0.975))),
        "power": float(paired_verdict.decide(shifted, np.ones_like(below))[1][:, 0].mean()),
    }  # fmt: skip


def _chances(posterior: paired_model.Posterior, shift: float, margin: float) -> dict[str, Floats]:
    """Compute the probabilities of studies whose differences are all larger by a shift."""
    moved = paired_model.shift(posterior, shift)
    return paired_verdict.list_chances(moved, Scale(margin))


def simulate_studies(generator: np.random.Generator, study: Study, shape: str, luck: float, studies: int) -> Pairs:
    """Draw paired differences of studies in which no strategy differs from scratch.

    Every comparison of a family shares its control, so half of a patient's difference and half of a training's luck are
    common to the family.

    Parameters
    ----------
    generator : numpy.random.Generator
    study : dict
    shape : str
        Of `SHAPES`: skewness 1 and 2, Student's t with 3 degrees of freedom, or two scores around 0.95 that cannot
        be above 1.
    luck : float
        Standard deviation of what a training gives all patients of its fold; the spread over patients is 1.
    studies : int

    Returns
    -------
    Pairs
        `values` has shape (studies, family, patients, seeds).
    """
    patients, seeds = study["patients"], study["seeds"]
    sets = paired_verdict.deal_sets(patients, study["folds"], study.get("repeats", 1))

    def draw(count: int) -> Floats:
        size = (studies, count, int(sets.max()) + 1)
        stays = luck * np.sqrt(1 - SEED_SHARE) * generator.standard_normal(size)
        changes = luck * np.sqrt(SEED_SHARE) * generator.standard_normal((*size, seeds))
        noise = SEED_NOISE * generator.standard_normal((studies, count, *sets.shape, seeds))
        own = _draw_patients(generator, (studies, count, patients), shape)
        return own[..., None, None] + stays[:, :, sets, None] + changes[:, :, sets] + noise

    # two scores near the same bound differ; else the control's half is turned round, so that it keeps the skewness
    control = -draw(1) if shape == "near the bound" else draw(1)
    parts = (draw(study["family"]) + control) / np.sqrt(2)
    return Pairs(parts.mean(axis=-2), sets, parts if sets.shape[1] > 1 else None)


def _draw_patients(generator: np.random.Generator, size: tuple[int, ...], shape: str) -> Floats:
    """Draw numbers of mean 0 and standard deviation 1 of a shape, near the bound about so."""
    if shape in ("skewed", "very skewed"):
        # half of a difference, which is less skewed than its halves
        order = 4 / (np.sqrt(2) * {"skewed": 1.0, "very skewed": 2.0}[shape]) ** 2
        return (order - generator.gamma(order, size=size)) / np.sqrt(order)
    if shape == "heavy tails":
        return generator.standard_t(3, size=size) / np.sqrt(3)
    if shape == "near the bound":
        score = 1 / (1 + np.exp(-3 - 1.2 * generator.standard_normal(size)))
        # mean and standard deviation of such a score
        return (score - 0.9208) / 0.0910
    return generator.standard_normal(size)
