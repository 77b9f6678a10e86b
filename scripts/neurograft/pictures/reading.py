"""A set of 2-D pictures (layout images): read, check, resize, normalise, and find the copies in it.

One job handles the whole set, since a picture takes milliseconds. A faulty file is excluded, with a reason.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from neurograft.cohort import cohort_table
from neurograft.core import files
from neurograft.imaging.nifti import ScanError
from neurograft.pictures import duplicates
from neurograft.preprocessing import intensity

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP")
GREY = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B")
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
LEAST_SIDE = 32  # pixels
LEAST_LEVELS = 8
LEAST_SHOWN = 0.02  # least foreground, as a share of the picture
LEVELS = np.linspace(2, 98, 16)  # percentiles of a histogram
DARK = 0.05  # this share of the range of grey values still counts as background


def import_images(folder, subjects, size=224, method="robust-zscore"):
    """Read a set of pictures and write them as slices that training can map into memory.

    Parameters
    ----------
    folder : str or Path
        Written as a whole: `images.npy`, float16 (N, 1, size, size); `histograms.npy`, float32 (N, 16), quantiles of
        the original pictures; `index.json`, with `subjects`, the N names. An excluded file has zeros.
    subjects : dict of str to dict
        From `layouts.find_subjects`.
    size : int
        Side of the canvas in pixels: the longer side of a picture is scaled to it, and the rest is zero.
    method : str
        A row of `intensity.INTENSITY_METHODS`, applied to the foreground of each picture.

    Returns
    -------
    rows : list of dict
        Rows of `cohort.tsv`; `patient` is the first picture of a group of copies (or of one stated patient).
    measured : list of dict
        Rows of `quality.tsv`.
    record : dict
        A summary of the whole set (`duplicates.describe_copies`), and `size`.
    """
    statuses, thumbnails, measured = [], [], []
    with files.whole(folder) as part:
        part.mkdir()
        # float16 on disk, one picture at a time, so that a set of 20,000 need not fit into memory
        slices = np.lib.format.open_memmap(part / "images.npy", "w+", np.float16, (len(subjects), 1, size, size))
        histograms = np.zeros((len(subjects), len(LEVELS)), np.float32)
        for number, (subject, about) in enumerate(subjects.items()):
            picture, status = _try_reading(subject, about)
            statuses.append(status)
            if picture is not None:
                slices[number, 0], facts = prepare(picture, size, method)
                histograms[number] = describe_histogram(picture)
                thumbnails.append(duplicates.make_thumbnail(picture))
                measured.append({"subject": subject, "site": status["site"], "side": max(picture.shape)} | facts)
        slices.flush()
        np.save(part / "histograms.npy", histograms)
        index = {
            "subjects": list(subjects),
            "sequences": ["image"],
            "spacing": [1.0, 1.0, 1.0],
            "shape": [size, size, 1],
        }
        index |= {"box": [[0, size], [0, size], [0, 1]], "affine": np.eye(4).tolist()}
        files.write_json(part / "index.json", index)
    kept = [status for status in statuses if status["included"]]
    pairs = duplicates.find_copies(thumbnails)
    duplicates.name_groups(kept, pairs)
    return cohort_table.gather_cohort(statuses), measured, duplicates.describe_copies(statuses, pairs) | {"size": size}


def read_picture(path):
    """Read one picture as grey values.

    Parameters
    ----------
    path : str or Path
        JPEG, PNG (8 or 16 bits), BMP, TIFF, GIF or WebP, in grey or colour.

    Returns
    -------
    picture : ndarray of float32, shape (rows, columns)
    notes : list of str

    Raises
    ------
    ScanError
        With the file, the fault and what to do.
    """
    count, (picture, coloured) = open_whole(path, lambda opened: (getattr(opened, "n_frames", 1), _grey(opened)))
    _check_picture(path, picture)
    notes = [f"the first of {count} pictures in the file"] if count > 1 else []
    return picture, notes + (["in colour, read as grey"] if coloured else [])


def open_whole(path, take):
    """Open a picture and take something of it, or say what is wrong with the file.

    Parameters
    ----------
    path : str or Path
    take : callable
        From the open picture to what is returned. It reads the pixels, so that a damaged one is noticed.

    Raises
    ------
    ScanError
        With the file, the fault and what to do.
    """
    try:
        if not os.path.getsize(path):
            raise ScanError(f"{path} is empty; copy it again")
        with Image.open(path, formats=FORMATS) as opened:
            return take(opened)
    except ScanError:
        raise
    except Image.UnidentifiedImageError:
        raise ScanError(f"{path} is not a picture (JPEG, PNG, BMP, TIFF); remove it or convert it") from None
    except Exception as error:  # Pillow has no common class for the errors of a broken file
        raise ScanError(f"{path} cannot be read ({error}); copy or export it again") from None


def _grey(opened):
    """Return the grey values of an open picture, and whether it was in colour."""
    if opened.mode in GREY:
        return np.array(opened, np.float32), False
    if opened.mode in ("LA", "La"):
        return np.array(opened.convert("LA"), np.float32)[..., 0], False
    colours = np.array(opened.convert("RGB"), np.float32)
    # the channels of a grey picture saved in colour differ only by compression
    return colours @ LUMA, bool(np.ptp(colours, axis=2).mean() > 4)


def _check_picture(path, picture):
    """Reject what cannot be a picture of a head."""
    rows, columns = picture.shape
    if min(rows, columns) < LEAST_SIDE:
        raise ScanError(f"{path} has only {columns} x {rows} pixels; provide the picture in full size")
    if not np.isfinite(picture).all():
        raise ScanError(f"{path} has values that are not numbers; export it again")
    if picture.min() == picture.max():
        raise ScanError(f"{path} is constant; export it again")
    if len(np.unique(picture)) < LEAST_LEVELS:
        raise ScanError(
            f"{path} holds fewer than {LEAST_LEVELS} grey values, so it is a mask; provide the picture itself"
        )
    shown = _foreground(picture).mean()
    if shown < LEAST_SHOWN:
        raise ScanError(f"{path} shows almost nothing ({shown:.1%} of it is not background); export it again")


def _foreground(picture):
    """Return a mask of what is brighter than the background."""
    low, high = picture.min(), np.percentile(picture, 99.5)
    return picture > low + DARK * (high - low)


def _try_reading(subject, about):
    """Read one file, and return its picture (or None) and its status, as `cohort_table.gather_cohort` takes it."""
    picture, notes, reason = None, list(about["notes"]), "; ".join(about["problems"])
    try:
        # a picture that was excluded by hand has no file
        picture, remarks = (None, []) if reason else read_picture(about["files"]["image"])
        notes += remarks
    except ScanError as error:
        reason = str(error)
    return picture, {
        "subject": subject, "name": about["name"], "included": not reason, "reason": reason, "notes": notes,
        "sequences": [] if reason else ["image"], "labels": None, "scheme": "", "site": about["site"],
        "columns": about["columns"] | {"patient": ""},
    }  # fmt: skip


def prepare(picture, size, method):
    """Scale a picture to the canvas, and normalise the intensities of its foreground.

    Parameters
    ----------
    picture : ndarray of float32, shape (rows, columns)
    size, method
        As in `import_images`.

    Returns
    -------
    slice : ndarray of float16, shape (size, size)
        Axes as in an axial slice: X runs to the right of the head, which is the left side of the picture, and Y runs
        upwards. Zero outside the foreground.
    facts : dict
        `foreground` (share of the picture) and `contrast` (interquartile range of the foreground, as a share of its
        range).
    """
    rows, columns = (max(1, round(side * size / max(picture.shape))) for side in picture.shape)
    scaled = picture
    if scaled.shape != (rows, columns):
        # Pillow averages over all pixels when it shrinks a picture, and does not overshoot
        scaled = np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))
    inside = _foreground(scaled)
    low, quarter, three, high = np.percentile(scaled[inside], (0.5, 25, 75, 99.5))
    values = np.clip(scaled[inside], low, high)
    middle, spread = intensity.INTENSITY_METHODS[method](values)
    flat = np.zeros(scaled.shape, np.float32)
    flat[inside] = (values - middle) / (spread if spread > 0 else 1)
    out = np.zeros((size, size), np.float16)
    top, left = (size - rows) // 2, (size - columns) // 2
    out[top : top + rows, left : left + columns] = flat
    facts = {
        "foreground": round(float(inside.mean()), 4),
        "contrast": round(float((three - quarter) / max(high - low, 1e-6)), 4),
    }
    return out[::-1, ::-1].T, facts


def describe_histogram(values):
    """Compute quantiles of grey values, at `LEVELS`."""
    return np.percentile(np.asarray(values, np.float32), LEVELS).astype(np.float32)


def read_histograms(folder):
    """Read the histograms of all pictures, for a classifier that must not see any anatomy.

    Parameters
    ----------
    folder : str or Path
        As `import_images` wrote it.

    Returns
    -------
    dict of str to dict of str to ndarray, shape (16,)
        "histogram of the picture" (the original) and "histogram of the input" (of the foreground, as the networks see
        it) to subject to quantiles.
    """
    subjects = files.read_json(Path(folder) / "index.json")["subjects"]
    slices = np.load(Path(folder) / "images.npy", mmap_mode="r")
    original = dict(zip(subjects, np.load(Path(folder) / "histograms.npy"), strict=True))
    network_input = {
        name: describe_histogram(picture[picture != 0])
        for name, picture in zip(subjects, slices, strict=True)
        if picture.any()
    }
    return {"histogram of the picture": original, "histogram of the input": network_input}


# no picture is marked as an outlier, since pictures of several sequences are not one population
QUALITY = ("subject", "site", "side", "foreground", "contrast", "tumour_free", "flags", "outlier")
