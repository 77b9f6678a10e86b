"""Scores of a segmentation and of a classification: small functions and their register.

One rule for a region that is absent, the same for every subject:

================  =======  =================================  =====================
region            Dice     HD95 (mm)                          volume error (ml)
================  =======  =================================  =====================
absent in both    1        0                                  0
absent in one     0        diagonal of the image (a BraTS     volume of the other
                           volume of 240 x 240 x 155 at
                           1 mm: 373 mm, as the BraTS
                           challenge punishes it with 374)
================  =======  =================================  =====================

A classification score that needs both classes (balanced accuracy, AUC, sensitivity, specificity)
is undefined, NaN, where one of them is absent; means leave such values out, which is not the same
as scoring them 0 or 1. The Brier score is always defined.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree


def dice(truth, predicted, spacing=None):
    """Overlap 2|A and B| / (|A| + |B|) of two masks (Dice 1945).

    Parameters
    ----------
    truth, predicted : ndarray of bool, same shape
    spacing : ignored
        So that every segmentation metric is called alike.

    Returns
    -------
    float
        0 to 1; 1 where both are empty.
    """
    truth, predicted = _masks(truth, predicted)
    size = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2.0 * np.count_nonzero(truth & predicted) / size if size else 1.0


def hd95(truth, predicted, spacing):
    """95th percentile of the Hausdorff distance between two surfaces, in millimetres.

    The distances from each surface voxel of one mask to the nearest surface voxel of the other are
    taken in both directions; the result is the larger of the two 95th percentiles (linear between
    ranks), as MONAI and the BraTS challenge do, not the percentile of the pooled distances. A surface
    voxel has a face neighbour outside of the mask. Nearest neighbours come from a k-d tree: exact, and
    0.05 s where a distance transform of the tumour's box takes 0.1 to 0.6 s.

    Parameters
    ----------
    truth, predicted : ndarray of bool, same shape
    spacing : sequence of float
        Voxel size along each axis, mm.

    Returns
    -------
    float
        0 where both are empty, the diagonal of the image where one is.
    """
    truth, predicted = _masks(truth, predicted)
    there = truth.any(), predicted.any()
    if not all(there):
        return float(np.linalg.norm(np.multiply(truth.shape, spacing))) if any(there) else 0.0
    box = ndimage.find_objects((truth | predicted).view(np.uint8))[0]
    first, second = (_surface(mask[box]) * np.asarray(spacing, float) for mask in (truth, predicted))
    there_way, back_way = cKDTree(second).query(first)[0], cKDTree(first).query(second)[0]
    return float(max(np.percentile(there_way, 95), np.percentile(back_way, 95)))


def volume_error(truth, predicted, spacing):
    """Absolute difference of the two masks' volumes, in millilitres."""
    truth, predicted = _masks(truth, predicted)
    voxels = abs(np.count_nonzero(truth) - np.count_nonzero(predicted))
    return float(voxels * np.prod(spacing) / 1000)


def _masks(truth, predicted):
    """Two boolean masks, refused where their shapes differ."""
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    if truth.shape != predicted.shape:
        raise ValueError(f"masks of different shapes: {truth.shape} and {predicted.shape}")
    return truth, predicted


def _surface(mask):
    """Indices of the voxels of a mask with a face neighbour outside; beyond the array is outside."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def balanced_accuracy(truth, probability):
    """Mean over the classes of the share of their units that get the most probable class right.

    Parameters
    ----------
    truth : ndarray of int, shape (units,)
        Index of the true class.
    probability : ndarray, shape (units, classes)
        Rows sum to 1. With two classes the second is the positive one.

    Returns
    -------
    float
        NaN where a class has no unit.
    """
    if not _all_classes(truth, probability):
        return np.nan
    # where it is used: its import takes as long as scoring a patient, and segmentations need none of it
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(truth, np.argmax(probability, axis=1)))


def accuracy(truth, probability):
    """Share of the units whose most probable class is the true one."""
    return float(np.mean(np.argmax(probability, axis=1) == np.asarray(truth)))


def auc(truth, probability):
    """Area under the ROC curve; over several classes the mean of each against the rest.

    NaN where a class has no unit. Parameters are those of `balanced_accuracy`.
    """
    if not _all_classes(truth, probability):
        return np.nan
    from sklearn.metrics import roc_auc_score

    truth, probability = np.asarray(truth), np.asarray(probability, float)
    classes = range(1, 2) if probability.shape[1] == 2 else range(probability.shape[1])
    return float(np.mean([roc_auc_score(truth == k, probability[:, k]) for k in classes]))


def brier(truth, probability):
    """Mean squared error of the probability (Brier 1950).

    Of the positive class with two classes, summed over the classes with more. Always defined.
    """
    probability = np.asarray(probability, float)
    wanted = np.eye(probability.shape[1])[np.asarray(truth, int)]
    total = ((probability - wanted) ** 2).sum(axis=1).mean()
    return float(total / 2 if probability.shape[1] == 2 else total)


def sensitivity(truth, probability):
    """Share of the positive units found (two classes); NaN without any, or with more classes."""
    return _share_right(truth, probability, 1)


def specificity(truth, probability):
    """Share of the negative units left alone (two classes); NaN without any, or with more classes."""
    return _share_right(truth, probability, 0)


def prevalence(truth, probability):
    """Share of the positive units (two classes), without which no other number can be read."""
    return float(np.mean(np.asarray(truth) == 1)) if np.shape(probability)[1] == 2 else np.nan


def _all_classes(truth, probability):
    """Whether each class has a unit."""
    return len(np.unique(truth)) == np.shape(probability)[1]


def _share_right(truth, probability, which):
    """Share of one class's units that are called by its name."""
    units = np.asarray(truth) == which
    if np.shape(probability)[1] != 2 or not units.any():
        return np.nan
    return float(np.mean(np.argmax(probability, axis=1)[units] == which))


def keep_in_range(row, metric, difference=False):
    """Cut the ends of an interval off where no value of a metric can lie.

    An interval of t knows nothing of bounds: of few patients or folds it may reach from -1.8 to 1.6 for a difference
    of two Dice. What is cut off holds no possible value, so it covers as often as before.

    Parameters
    ----------
    row : dict
        `low` and `high`; None or NaN where there is no interval.
    metric : str
    difference : bool
        Whether the interval is one of a difference of two values.

    Returns
    -------
    dict
        The row with both ends inside.
    """
    least, most = next(rows[metric]["range"] for rows in METRICS.values() if metric in rows)
    if difference:
        least, most = least - most, most - least
    ends = {name: row[name] for name in ("low", "high")}
    return row | {name: end if end is None else float(np.clip(end, least, most)) for name, end in ends.items()}


# A metric is a row: its function, which direction is better ("" where neither is), its unit, and the range that its
# values cannot leave.
METRICS = {
    "segmentation": {
        "dice": {"function": dice, "better": "higher", "unit": "", "range": (0, 1)},
        "hd95": {"function": hd95, "better": "lower", "unit": "mm", "range": (0, np.inf)},
        "volume-error": {"function": volume_error, "better": "lower", "unit": "ml", "range": (0, np.inf)},
    },
    "classification": {
        "balanced-accuracy": {"function": balanced_accuracy, "better": "higher", "unit": "", "range": (0, 1)},
        "accuracy": {"function": accuracy, "better": "higher", "unit": "", "range": (0, 1)},
        "auc": {"function": auc, "better": "higher", "unit": "", "range": (0, 1)},
        "brier": {"function": brier, "better": "lower", "unit": "", "range": (0, 1)},
        "sensitivity": {"function": sensitivity, "better": "higher", "unit": "", "range": (0, 1)},
        "specificity": {"function": specificity, "better": "higher", "unit": "", "range": (0, 1)},
        "prevalence": {"function": prevalence, "better": "", "unit": "", "range": (0, 1)},
    },
}
