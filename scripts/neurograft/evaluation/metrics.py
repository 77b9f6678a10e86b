"""Metrics of segmentation and classification, with their registry and ranges.

An absent region is scored by one rule for every subject:

================  =======  =================================  =====================
region            Dice     HD95 (mm)                          volume error (ml)
================  =======  =================================  =====================
absent in both    1        0                                  0
absent in one     0        diagonal of the image (a BraTS     volume of the other
                           volume of 240 x 240 x 155 at
                           1 mm: 373 mm; the BraTS
                           challenge penalises with 374)
================  =======  =================================  =====================

A classification metric is undefined (NaN) if a class that it needs is absent: any class for balanced accuracy and AUC,
the positive one for sensitivity, the negative one for specificity. Sensitivity, specificity and prevalence are also
undefined with more than two classes. Means exclude undefined values instead of counting them as 0 or 1. Accuracy and
the Brier score are always defined.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, spatial  # pyright: ignore[reportMissingTypeStubs] # SciPy has none; typed in `_surface` etc.

Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Spacing: TypeAlias = Sequence[float] | Floats


def dice(truth: ArrayLike, predicted: ArrayLike, spacing: Spacing | None = None) -> float:
    """Compute the overlap 2|A and B| / (|A| + |B|) of two masks (Dice 1945).

    Parameters
    ----------
    truth, predicted : ndarray of bool, same shape
    spacing : ignored
        So that all segmentation metrics have the same signature.

    Returns
    -------
    float
        0 to 1; 1 if both are empty.
    """
    first, second = _masks(truth, predicted)
    size = np.count_nonzero(first) + np.count_nonzero(second)
    return 2.0 * np.count_nonzero(first & second) / size if size else 1.0


def hd95(truth: ArrayLike, predicted: ArrayLike, spacing: Spacing) -> float:
    """Compute the 95th percentile of the Hausdorff distance between two surfaces, in millimetres.

    The distances from each surface voxel of one mask to the nearest surface voxel of the other are computed in both
    directions. The result is the larger of the two 95th percentiles (linear between ranks), as in MONAI and the BraTS
    challenge, not the percentile of the pooled distances. A surface voxel has a face neighbour outside the mask.
    Nearest neighbours come from a k-d tree, which is exact and takes 0.05 s; a distance transform of the tumour's box
    takes 0.1 to 0.6 s.

    Parameters
    ----------
    truth, predicted : ndarray of bool, same shape
    spacing : sequence of float
        Voxel size along each axis, mm.

    Returns
    -------
    float
        0 if both are empty, the diagonal of the image if one is.
    """
    masks = _masks(truth, predicted)
    present = [bool(mask.any()) for mask in masks]
    if not all(present):
        return float(np.linalg.norm(np.multiply(masks[0].shape, spacing))) if any(present) else 0.0
    box = bounding_box(masks[0] | masks[1])
    first, second = (_surface(mask[box]).astype(np.float64) * spacing for mask in masks)
    forth, back = _nearest_distances(first, second), _nearest_distances(second, first)
    return float(max(np.percentile(forth, 95), np.percentile(back, 95)))


def volume_error(truth: ArrayLike, predicted: ArrayLike, spacing: Spacing) -> float:
    """Compute the absolute difference of the two masks' volumes, in millilitres."""
    first, second = _masks(truth, predicted)
    voxels = abs(np.count_nonzero(first) - np.count_nonzero(second))
    return float(voxels * np.prod(spacing) / 1000)


def _masks(truth: ArrayLike, predicted: ArrayLike) -> tuple[Mask, Mask]:
    """Turn two arrays into boolean masks; refuse different shapes."""
    first, second = np.asarray(truth, bool), np.asarray(predicted, bool)
    if first.shape != second.shape:
        raise ValueError(f"masks of different shapes: {first.shape} and {second.shape}")
    return first, second


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Find the bounding box of a mask."""
    return cast(Any, ndimage).find_objects(mask.view(np.uint8))[0]


def _surface(mask: Mask) -> NDArray[np.intp]:
    """List a mask's voxels with a face neighbour outside it, shape (voxels, axes); beyond the array is outside."""
    inside: Mask = cast(Any, ndimage).binary_erosion(mask)
    return np.argwhere(mask & ~inside)


def _nearest_distances(places: Floats, others: Floats) -> Floats:
    """Compute the distance from each place to the nearest of the others."""
    return cast(Any, spatial).cKDTree(others).query(places)[0]


def balanced_accuracy(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the mean over classes of the share of their units whose most probable class is the true one.

    Parameters
    ----------
    truth : array_like of int, shape (units,)
        Index of the true class.
    probability : array_like, shape (units, classes)
        Rows sum to 1. With two classes the second is the positive one.

    Returns
    -------
    float
        NaN if a class has no unit.
    """
    if not _all_classes(truth, probability):
        return np.nan
    return float(_sklearn_metrics().balanced_accuracy_score(truth, np.argmax(probability, axis=1)))


def accuracy(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the share of the units whose most probable class is the true one."""
    return float(np.mean(np.argmax(probability, axis=1) == np.asarray(truth), dtype=float))


def auc(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the area under the ROC curve; with more than two classes, the mean of each class against the rest.

    NaN if a class has no unit. Parameters are those of `balanced_accuracy`.
    """
    if not _all_classes(truth, probability):
        return np.nan
    answers, chances = np.asarray(truth), np.asarray(probability, float)
    classes = range(1, 2) if chances.shape[1] == 2 else range(chances.shape[1])
    areas = [float(_sklearn_metrics().roc_auc_score(answers == k, chances[:, k])) for k in classes]
    return float(np.mean(areas))


def brier(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the mean squared error of the probability (Brier 1950).

    With two classes for the positive class, with more summed over the classes. Always defined.
    """
    chances = np.asarray(probability, float)
    answers = np.eye(chances.shape[1])[np.asarray(truth, int)]
    total = ((chances - answers) ** 2).sum(axis=1).mean()
    return float(total / 2 if chances.shape[1] == 2 else total)


def sensitivity(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the share of positive units classified as positive; NaN without any, or with more than two classes."""
    return _share_right(truth, probability, 1)


def specificity(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the share of negative units classified as negative; NaN without any, or with more than two classes."""
    return _share_right(truth, probability, 0)


def prevalence(truth: ArrayLike, probability: ArrayLike) -> float:
    """Compute the share of positive units (two classes), which is needed to interpret the other metrics."""
    return float(np.mean(np.asarray(truth) == 1, dtype=float)) if np.shape(probability)[1] == 2 else np.nan


def _sklearn_metrics() -> Any:
    """Import scikit-learn's metrics, which have no types.

    Not at the top, because the import takes as long as scoring a patient, and segmentation does not need it.
    """
    from sklearn import metrics  # pyright: ignore[reportMissingTypeStubs]

    return metrics


def _all_classes(truth: ArrayLike, probability: ArrayLike) -> bool:
    """Check whether each class has a unit."""
    return len(np.unique(truth)) == np.shape(probability)[1]


def _share_right(truth: ArrayLike, probability: ArrayLike, which: int) -> float:
    """Compute the share of one class's units for which it is the most probable class."""
    units = np.asarray(truth) == which
    if np.shape(probability)[1] != 2 or not units.any():
        return np.nan
    return float(np.mean(np.argmax(probability, axis=1)[units] == which, dtype=float))


class Metric(TypedDict):
    """A metric: its better direction ("" if there is none), its unit, and the range of its values.

    `least_spread` is the prior spread over patients, with the weight of one squared deviation
    (`stats.paired_model.fit`): equal scores of a few patients do not show that all patients have equal scores.
    """

    better: str
    unit: str
    range: tuple[float, float]
    least_spread: float


class SegmentationMetric(Metric):
    """A metric of two masks and their voxel size."""

    function: Callable[[ArrayLike, ArrayLike, Spacing], float]


class ClassificationMetric(Metric):
    """A metric of true classes and probabilities."""

    function: Callable[[ArrayLike, ArrayLike], float]


SEGMENTATION: dict[str, SegmentationMetric] = {
    "dice": {"function": dice, "better": "higher", "unit": "", "range": (0, 1), "least_spread": 0.05},
    "hd95": {"function": hd95, "better": "lower", "unit": "mm", "range": (0, np.inf), "least_spread": 2.0},
    "volume-error": {
        "function": volume_error,
        "better": "lower",
        "unit": "ml",
        "range": (0, np.inf),
        "least_spread": 1.0,
    },
}
CLASSIFICATION: dict[str, ClassificationMetric] = {
    "balanced-accuracy": {
        "function": balanced_accuracy,
        "better": "higher",
        "unit": "",
        "range": (0, 1),
        "least_spread": 1.0,
    },
    "accuracy": {"function": accuracy, "better": "higher", "unit": "", "range": (0, 1), "least_spread": 1.0},
    "auc": {"function": auc, "better": "higher", "unit": "", "range": (0, 1), "least_spread": 1.0},
    # up to 1 with two classes, up to 2 with more
    "brier": {"function": brier, "better": "lower", "unit": "", "range": (0, 2), "least_spread": 1.0},
    "sensitivity": {"function": sensitivity, "better": "higher", "unit": "", "range": (0, 1), "least_spread": 1.0},
    "specificity": {"function": specificity, "better": "higher", "unit": "", "range": (0, 1), "least_spread": 1.0},
    "prevalence": {"function": prevalence, "better": "", "unit": "", "range": (0, 1), "least_spread": 1.0},
}
# task to its metrics
METRICS: dict[str, Mapping[str, SegmentationMetric | ClassificationMetric]] = {
    "segmentation": SEGMENTATION,
    "classification": CLASSIFICATION,
}


def find_metric(name: str) -> Metric:
    """Find a metric of either task by its name."""
    return next(metrics[name] for metrics in METRICS.values() if name in metrics)
