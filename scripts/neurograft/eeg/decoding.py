"""Decode one person's trials after learning from own trials, from other people's, or from both.

The strategies have the names that the laboratory uses for networks. `scratch` learns from own trials alone, `frozen`
from donors alone, `fine-tune` from both. `adabn` learns from donors after each person was standardised without labels,
the target by all its trials, tested ones included (transductive). `frozen-random` learns from donors whose labels were
shuffled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata
from sklearn.covariance import ledoit_wolf_shrinkage

from neurograft.core.strategies import ORDER

STRATEGIES = ("scratch", "frozen-random", "frozen", "fine-tune", "adabn")
# what one own trial counts, in units of a donor's trial; infinity is own trials alone
WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, np.inf)
SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
COMPONENTS = 100  # of donors, in which they are learnt from
STAND_INS = 5  # donors that stand in for the target when weight and shrinkage are chosen
SHUFFLES = 5  # of the donors' labels
assert set(STRATEGIES) <= set(ORDER)


@dataclass(frozen=True)
class Samples:
    """Trials as a table.

    Attributes
    ----------
    features : ndarray, shape (trials, features)
    classes : ndarray of int, shape (trials,)
    """

    features: np.ndarray
    classes: np.ndarray

    def take(self, chosen) -> "Samples":
        """Keep some trials, by number."""
        chosen = np.asarray(chosen, int)
        return Samples(self.features[chosen], self.classes[chosen])


@dataclass(frozen=True)
class Target:
    """What may be known of the target when it is decoded.

    Attributes
    ----------
    own : Samples
        Its labelled trials, in the order of time.
    unlabelled : ndarray, shape (trials, features)
        All its trials without labels; only `adabn` looks at them.
    """

    own: Samples
    unlabelled: np.ndarray

    def first(self, count: int) -> Samples:
        """Take the first own trials of every class."""
        return self.own.take(take_first(self.own.classes, count))


@dataclass(frozen=True)
class Classifier:
    """A linear classifier of two or more classes, after a shift and scaling of the features.

    Attributes
    ----------
    weights : ndarray, shape (features, classes)
    bias : ndarray, shape (classes,)
    own_weight : float
        What an own trial counted (`WEIGHTS`); NaN where there was nothing to choose.
    shrinkage : float
        Of the covariance.
    shift, scale : ndarray, shape (features,), or float
    """

    weights: np.ndarray
    bias: np.ndarray
    own_weight: float = np.nan
    shrinkage: float = np.nan
    shift: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Compute the logit of every class, shape (trials, classes)."""
        return (features - self.shift) / self.scale @ self.weights + self.bias


def take_first(classes: np.ndarray, count: int) -> np.ndarray:
    """Give the numbers of the first trials of every class, rising."""
    return np.sort(np.concatenate([np.flatnonzero(classes == value)[:count] for value in np.unique(classes)]))


def bin_trials(data: np.ndarray, rate: float, width: float) -> np.ndarray:
    """Average trials within bins of time, in microvolt.

    Parameters
    ----------
    data : ndarray, shape (trials, channels, samples)
        Volt.
    rate : float
        Samples a second.
    width : float
        Of a bin, seconds; samples that fill no whole bin are left out.

    Returns
    -------
    ndarray, shape (trials, channels, bins)
    """
    samples = max(1, round(width * rate))
    bins = data.shape[-1] // samples
    return 1e6 * data[..., : bins * samples].reshape(*data.shape[:-1], bins, samples).mean(axis=-1)


def fit_lda(samples: Samples, trial_weights: np.ndarray | None = None, shrinkage: float | None = None) -> Classifier:
    """Fit a linear discriminant with one covariance, shrunk towards a multiple of the identity.

    Classes count alike, however many trials they have.

    Parameters
    ----------
    samples : Samples
        Classes 0, 1, ...
    trial_weights : ndarray, shape (trials,), optional
    shrinkage : float, optional
        0 to 1; by default that of Ledoit and Wolf (2004), which is right for trials of one person.

    Returns
    -------
    Classifier
    """
    return fit_shrunk(samples, trial_weights, [shrinkage])[0]


def fit_shrunk(
    samples: Samples, trial_weights: np.ndarray | None, shrinkages: Sequence[float | None]
) -> list[Classifier]:
    """Fit `fit_lda` at several shrinkages; the covariance is computed once."""
    features, classes = samples.features, samples.classes
    counted = np.ones(len(classes)) if trial_weights is None else np.asarray(trial_weights, float)
    counted = counted / counted.mean()
    means = np.stack([
        np.average(features[classes == value], axis=0, weights=counted[classes == value])
        for value in range(int(classes.max()) + 1)
    ])  # fmt: skip
    residuals = (features - means[classes]) * np.sqrt(counted)[:, None]
    power = max(float((residuals**2).mean()), 1e-12)
    few = len(residuals) < residuals.shape[1]
    covariance = (residuals @ residuals.T if few else residuals.T @ residuals) / len(residuals)
    fitted = []
    for asked in shrinkages:
        share = max(ledoit_wolf_shrinkage(residuals, assume_centered=True) if asked is None else asked, 1e-6)
        inner = (1 - share) * covariance + share * power * np.eye(len(covariance))
        if few:
            # the same by the matrix inversion lemma, in the smaller space
            seen = residuals.T @ np.linalg.solve(inner, residuals @ means.T)
            directions = (means.T - (1 - share) / len(residuals) * seen) / (share * power)
        else:
            directions = np.linalg.solve(inner, means.T)
        fitted.append(Classifier(directions, -0.5 * np.einsum("cf,fc->c", means, directions), shrinkage=float(share)))
    return fitted


def train_arms(
    target: Target,
    donors: Sequence[Samples],
    sizes: Sequence[int],
    strategies: Sequence[str] = STRATEGIES,
    seed: int = 0,
) -> dict[tuple[str, int], list[Classifier]]:
    """Learn every strategy at every number of own labels. The labels of tested trials are not given, so none can leak.

    Parameters
    ----------
    target : Target
    donors : list of Samples
        In the channels of the target.
    sizes : sequence of int
        Numbers of own labels of each class.
    strategies : sequence of str
    seed : int
        Of the shuffled labels.

    Returns
    -------
    dict of (str, int) to list of Classifier
        Strategy and size to classifiers, several where the labels are shuffled. What uses no own labels is the same at
        every size.
    """
    fitted: dict[tuple[str, int], list[Classifier]] = {}
    without = {"frozen": _fit_donors, "frozen-random": _fit_shuffled, "adabn": _fit_standardised}
    for strategy in strategies:
        if strategy in without:
            several = without[strategy](donors, target, seed)
            fitted |= dict.fromkeys([(strategy, size) for size in sizes], several)
            continue
        for size in sizes:
            own = target.first(size)
            fitted[strategy, size] = [fit_lda(own) if strategy == "scratch" else fine_tune(own, donors, size)]
    return fitted


def fine_tune(own: Samples, donors: Sequence[Samples], size: int) -> Classifier:
    """Learn from own trials and donors' together, with the weight and shrinkage that `choose` finds among donors."""
    basis = find_basis(donors)
    donors = [_project(one, basis) for one in donors]
    return _expand(fit_both(_project(own, basis), donors, *choose(donors, size)), basis)


def find_basis(donors: Sequence[Samples]) -> np.ndarray:
    """Find the donors' first principal components, shape (features, components).

    What teaches between people is learnt within them: it is as good, and a hundred times faster.
    """
    features = join(donors).features
    centred = features - features.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return vectors[:, ::-1][:, :COMPONENTS]


def _project(samples, basis):
    """Express trials by some components."""
    return Samples(samples.features @ basis, samples.classes)


def _expand(classifier, basis):
    """Turn a classifier of components into one of features."""
    return replace(classifier, weights=basis @ classifier.weights)


def join(parts: Sequence[Samples]) -> Samples:
    """Put the trials of several people into one table."""
    return Samples(np.concatenate([part.features for part in parts]), np.concatenate([part.classes for part in parts]))


def fit_both(own: Samples, donors: Sequence[Samples], weight: float, shrinkage: float | None) -> Classifier:
    """Learn from own trials and donors' together, one own trial counting as `weight` of a donor's."""
    return _fit_weighted(own, donors, weight, [shrinkage])[0]


def _fit_weighted(own, donors, weight, shrinkages):
    """Do as `fit_both` at several shrinkages; own trials alone have their own."""
    if np.isinf(weight):
        return [replace(fit_lda(own), own_weight=weight)] * len(shrinkages)
    if not weight:
        return [replace(one, own_weight=weight) for one in fit_shrunk(join(donors), None, shrinkages)]
    together = join([own, *donors])
    counted = np.ones(len(together.classes))
    counted[: len(own.classes)] = weight
    return [replace(one, own_weight=weight) for one in fit_shrunk(together, counted, shrinkages)]


def choose(donors: Sequence[Samples], size: int, weights: Sequence[float] = WEIGHTS) -> tuple[float, float | None]:
    """Choose what an own trial counts and how far the covariance is shrunk: some donors stand in for the target.

    Each stand-in gives its first trials as own labels and its others to test; the other donors teach. The target itself
    has no part in it. People differ more than trials of one person do, so that the shrinkage that is right within a
    person is too little between people.

    Parameters
    ----------
    donors : list of Samples
        Trials in the order of time.
    size : int
        Own labels of each class; unimportant where the only weight is 0.
    weights : sequence of float

    Returns
    -------
    weight : float
        That with the best mean area under the ROC curve (balanced accuracy of more than two classes).
    shrinkage : float or None
    """
    scores = []
    for number in np.unique(np.linspace(0, len(donors) - 1, min(STAND_INS, len(donors))).round().astype(int)):
        one, others = donors[number], [donor for other, donor in enumerate(donors) if other != number]
        first = take_first(one.classes, size)
        own, later = one.take(first), one.take(np.flatnonzero(np.arange(len(one.classes)) > first[-1]))
        if others and len(np.unique(later.classes)) == len(np.unique(one.classes)):
            tried = [_fit_weighted(own, others, weight, SHRINKAGES) for weight in weights]
            scores.append([[_rank(score(fitted, later)) for fitted in several] for several in tried])
    if not scores:
        return weights[0], None
    row, column = np.unravel_index(np.argmax(np.mean(scores, axis=0)), (len(weights), len(SHRINKAGES)))
    return float(weights[int(row)]), SHRINKAGES[int(column)]


def _rank(result):
    """Give the score that choices go by; an area is finer than a share of few trials."""
    return result["balanced-accuracy"] if np.isnan(result["auc"]) else result["auc"]


def _fit_donors(donors, target, seed):
    """Learn from donors alone."""
    basis = find_basis(donors)
    donors = [_project(one, basis) for one in donors]
    return [_expand(fit_lda(join(donors), None, choose(donors, 1, (0.0,))[1]), basis)]


def _fit_shuffled(donors, target, seed):
    """Learn from donors whose labels were shuffled, each person's within itself, several times."""
    generator = np.random.default_rng(seed)
    return [
        _fit_donors([Samples(one.features, generator.permutation(one.classes)) for one in donors], target, seed)[0]
        for _ in range(SHUFFLES)
    ]


def _fit_standardised(donors, target, seed):
    """Learn from donors after each person was standardised; the classifier standardises the target."""
    even = [Samples((one.features - one.features.mean(0)) / _spread(one.features), one.classes) for one in donors]
    fitted = _fit_donors(even, target, seed)[0]
    return [replace(fitted, shift=target.unlabelled.mean(0), scale=_spread(target.unlabelled))]


def _spread(features):
    """Give the standard deviation of every feature; 1 where it is 0."""
    spread = features.std(0)
    return np.where(spread > 0, spread, 1.0)


def score(classifier: Classifier, tested: Samples) -> dict[str, float]:
    """Score a classifier on trials.

    Returns
    -------
    dict of str to float
        `balanced-accuracy`, `accuracy`, and `auc` of two classes (NaN of more).
    """
    logits = classifier.predict(tested.features)
    right = logits.argmax(axis=1) == tested.classes
    shares = [right[tested.classes == value].mean() for value in np.unique(tested.classes)]
    area = _measure_area(logits[:, 1] - logits[:, 0], tested.classes) if logits.shape[1] == 2 else np.nan
    return {"balanced-accuracy": float(np.mean(shares)), "accuracy": float(right.mean()), "auc": float(area)}


def _measure_area(values, classes):
    """Compute the area under the ROC curve by ranks; NaN where a class is absent."""
    counts = np.bincount(classes, minlength=2)
    if not counts.all():
        return np.nan
    return (rankdata(values)[classes == 1].sum() - counts[1] * (counts[1] + 1) / 2) / counts.prod()


def score_arms(
    fitted: Mapping[tuple[str, int], Sequence[Classifier]], tested: Samples
) -> dict[tuple[str, int], dict[str, float]]:
    """Score the classifiers of `train_arms`; several of one arm are averaged."""
    return {
        arm: {
            name: float(np.mean([result[name] for result in results]))
            for name in results[0]
        }
        for arm, results in ((arm, [score(one, tested) for one in several]) for arm, several in fitted.items())
    }  # fmt: skip
