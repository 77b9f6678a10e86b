"""Numbers for quality control: volume, overlap, similarity, contrast to noise, and which subjects stand out.

Every number is about one image or one pair; `mark_outliers` compares subjects with each other.
"""

import numpy as np
from scipy import ndimage

FEWEST_FOR_OUTLIERS = 5


def mask_volume(mask):
    """Volume of a mask in millilitres.

    Parameters
    ----------
    mask : nibabel.Nifti1Image, shape (X, Y, Z)
    """
    voxel = abs(np.linalg.det(mask.affine[:3, :3]))
    return float(np.count_nonzero(np.asanyarray(mask.dataobj)) * voxel / 1000)


def overlap(first, second):
    """Dice coefficient of two boolean arrays of one shape; 0 when both are empty, since nothing overlaps."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(np.logical_and(first, second)) / total) if total else 0.0


def mutual_information(first, second, inside, bins=32, normalized=True):
    """Mutual information of two images from their joint histogram.

    Parameters
    ----------
    first, second : ndarray of one shape
    inside : ndarray of bool, the same shape
        Only these voxels count. Intensities are clipped to their 0.5 and 99.5 percentiles there.
    bins : int
        Bins of each axis of the histogram.
    normalized : bool
        (H(a) + H(b)) / H(a, b), 1 for independent and 2 for identical images (Studholme et al. 1999);
        otherwise H(a) + H(b) - H(a, b) in nats.

    Returns
    -------
    float
        The value of independent images (1 or 0) where either image is constant or `inside` is empty.
    """
    pair = [_binned(np.asarray(image)[inside], bins) for image in (first, second)]
    if any(values.size == 0 or values.min() == values.max() for values in pair):
        return 1.0 if normalized else 0.0
    joint = np.bincount(pair[0] * bins + pair[1], minlength=bins * bins).reshape(bins, bins) / pair[0].size
    alone = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))
    together = _entropy(joint)
    return float(alone / together if normalized else alone - together)


def _binned(values, bins):
    if values.size == 0:
        return values.astype(int)
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (values - low) / max(high - low, np.finfo(np.float32).tiny)
    return np.clip(scaled * bins, 0, bins - 1).astype(int)


def _entropy(shares):
    shares = shares[shares > 0]
    return -np.sum(shares * np.log(shares))


def noise_level(data, inside):
    """Standard deviation of the noise, from differences between neighbours in the plane.

    The residual of the 3x3 Laplacian-difference kernel of Immerkaer (1996, Comput. Vis. Image Underst. 64:300),
    which is blind to slopes; its spread is taken by the median absolute value, so that edges do not count.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    inside : ndarray of bool, the same shape
    """
    kernel = np.array([1.0, -2.0, 1.0], np.float32)
    residual = ndimage.convolve1d(ndimage.convolve1d(np.asarray(data, np.float32), kernel, 0), kernel, 1)
    core = ndimage.binary_erosion(inside, np.ones((3, 3, 1)))
    chosen = core if core.any() else inside
    # 6 is the root of the sum of the squared weights of the 3x3 kernel
    return float(1.4826 * np.median(np.abs(residual[chosen])) / 6) if chosen.any() else 0.0


def contrast_to_noise(data, inside):
    """Contrast between the two main intensity classes of a brain, in units of the noise.

    The brain is split in three by one-dimensional k-means (fluid, grey, white in whatever order the
    sequence shows them); the contrast is that of the two largest classes. It compares scans of one
    sequence in one cohort; it is no absolute measure.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    inside : ndarray of bool, the same shape

    Returns
    -------
    float
        0 where there is no brain, no contrast or no noise to compare with.
    """
    values = np.asarray(data, np.float32)[inside]
    if values.size < 10 or values.min() == values.max():
        return 0.0
    low, high = np.percentile(values, (0.5, 99.5))
    values = np.clip(values, low, high)
    centres = np.percentile(values, (10, 50, 90)).astype(float)
    for _ in range(50):
        which = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        moved = np.array([values[which == k].mean() if (which == k).any() else centres[k] for k in range(3)])
        if np.allclose(moved, centres, rtol=1e-4):
            break
        centres = np.sort(moved)
    first, second = np.argsort(np.bincount(which, minlength=3))[-2:]
    noise = noise_level(data, inside)
    return float(abs(centres[first] - centres[second]) / noise) if noise > 0 else 0.0


def mark_outliers(rows, columns, limit=3.5):
    """Say in which columns each subject stands out from the others.

    Parameters
    ----------
    rows : list of dict
        One subject each; a missing, None or NaN value is skipped.
    columns : sequence of str
        Columns of numbers.
    limit : float
        Median absolute deviations, scaled to a standard deviation, that a value may lie from the median.

    Returns
    -------
    list of list of str
        For each row, the columns in which it is an outlier. A column with fewer than five values, or
        whose typical deviation is zero, marks nobody.
    """
    marked = [[] for _ in rows]
    for column in columns:
        values = np.array([_number(row.get(column)) for row in rows], float)
        ends = robust_limits(values, limit)
        if ends is None:
            continue
        for k in np.flatnonzero(np.isfinite(values) & ((values < ends[0]) | (values > ends[1]))):
            marked[k].append(column)
    return marked


def robust_limits(values, limit=3.5):
    """Give the two values beyond which one is an outlier, as `mark_outliers` sees it, or None."""
    values = np.asarray(values, float)
    known = values[np.isfinite(values)]
    if known.size < FEWEST_FOR_OUTLIERS:
        return None
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    if spread <= 1e-9 * max(1.0, abs(middle)):
        return None
    return float(middle - limit * spread), float(middle + limit * spread)


def _number(value):
    return np.nan if value is None or value == "" else float(value)


def quality_row(strip, register, normalize):
    """Flatten one subject's three quality records to a row of `quality.tsv`.

    Parameters
    ----------
    strip, register, normalize : dict
        Records of `strip_skull`, `register_scans` and `normalize_intensity`.

    Returns
    -------
    dict
        Columns such as `volume_ml_t1c`, `similarity_flair`, `contrast_to_noise_t2`, and `flags`.
    """
    row = {}
    for record, names in (
        (strip, ("volume_ml", "signal_to_noise")),
        (normalize, ("contrast_to_noise",)),
        (strip, ("sharpness",)),
        (register, ("similarity", "overlap")),
    ):
        for name in names:
            row.update({f"{name}_{key}": value for key, value in record.get(name, {}).items()})
    row["flags"] = "; ".join(flag for record in (strip, register, normalize) for flag in record.get("flags", []))
    return row


def gather_quality(statuses, strips, registers, normalizes):
    """Put every subject's quality records into one table, outliers marked.

    Parameters
    ----------
    statuses, strips, registers, normalizes : list of dict
        Import status and records of `strip_skull`, `register_scans` and `normalize_intensity`, one a
        subject, in one order.

    Returns
    -------
    list of dict
        Rows of `quality.tsv`: `subject`, `site`, numbers, `tumour_free` (labelled, and without a
        tumour), `flags` and `outlier` (the columns in which the subject stands out).
    """
    rows = []
    for status, *records in zip(statuses, strips, registers, normalizes, strict=True):
        labels = status["labels"]
        known = {"subject": status["subject"], "site": status["site"]}
        rows.append(known | quality_row(*records) | {"tumour_free": labels is not None and not labels["values"]})
    numbers = [name for name in dict.fromkeys(key for row in rows for key in row) if name.startswith(MEASURES)]
    marked = mark_outliers(rows, numbers)
    texts = ("tumour_free", "flags")
    return [
        {name: row.get(name) for name in ("subject", "site", *numbers, *texts)} | {"outlier": ", ".join(outlier)}
        for row, outlier in zip(rows, marked, strict=True)
    ]


MEASURES = ("volume_ml", "signal_to_noise", "contrast_to_noise", "sharpness", "similarity", "overlap")
