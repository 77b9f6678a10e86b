"""Decide between files of a subject that their names leave open: by what their headers say they cover."""

import gzip
import os
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from neurograft.cohort.choices import tell_choice, tell_open

WHOLE_HEAD = 100.0  # mm along every axis; a slab of a part of the head is thinner
FINER = 1.5  # a voxel so many times smaller decides
FULL_HEADER = 540  # bytes of the larger of the two NIfTI headers


@dataclass(frozen=True)
class Header:
    """What the first bytes of a NIfTI file say.

    Attributes
    ----------
    shape : tuple of int
    sizes : tuple of float
        Of a voxel along the first three axes, mm.
    """

    shape: tuple[int, ...]
    sizes: tuple[float, ...]

    @property
    def field(self) -> float:
        """The smallest field of view of the three axes, mm."""
        return min(count * size for count, size in zip(self.shape[:3], self.sizes, strict=False))

    @property
    def single(self) -> bool:
        """Whether it is one volume."""
        return len(self.shape) >= 3 and all(count == 1 for count in self.shape[3:])


def read_header(path) -> Header | None:
    """Read shape and voxel sizes from a file's first bytes; None if it is no NIfTI file."""
    if str(path).lower().endswith(".img"):
        path = str(path)[:-4] + (".HDR" if str(path).endswith(".IMG") else ".hdr")
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw = gzip.GzipFile(fileobj=file).read(FULL_HEADER) if packed else file.read(FULL_HEADER)
        form = nib.Nifti2Header if 540 in {int.from_bytes(raw[:4], order) for order in ("little", "big")} else None
        header = (form or nib.Nifti1Header)(raw[: 540 if form else 348], check=False)
        shape = tuple(int(count) for count in header.get_data_shape())
        return Header(shape, tuple(float(size) for size in header["pixdim"][1:4])) if len(shape) > 2 else None
    except Exception:  # the bytes can be anything, and nibabel has no common exception class
        return None


def settle_open(found, voxels=True):
    """Choose among the files that a subject's names leave open.

    A scan that covers the whole head comes before a slab; then the order of the names counts, where they have one; then
    files of the same voxels are one; then clearly finer voxels decide. A label is on the grid of a scan.

    Parameters
    ----------
    found : dict
        The subject's entry from `layouts.find_subjects`.
    voxels : bool
        Whether to compare voxels of files with equal headers; without, they are taken as the same.

    Returns
    -------
    dict
        The entry without `open` and `ordered`, with the chosen `files` and more `notes` and `problems`.
    """
    entry = {key: value for key, value in found.items() if key not in ("open", "ordered")}
    entry |= {"files": dict(found["files"]), "notes": list(found["notes"]), "problems": list(found["problems"])}
    waiting = dict(found.get("open", {}))
    for kind in sorted(waiting, key=lambda kind: kind == "labels"):
        paths = waiting[kind]
        headers = {path: read_header(path) for path in paths}
        if kind == "labels":
            shapes = [read_header(path) for name, path in entry["files"].items() if name != "labels"]
            fits = {path: _lies_on(headers[path], shapes) for path in paths}
        else:
            fits = {path: _covers(headers[path]) for path in paths}
        best = [path for path in paths if fits[path] == min(fits.values())]
        fitting = "on the grid of a scan" if kind == "labels" else "the whole head"
        why_fits = fitting if min(fits.values()) == 0 else "the others cannot be read"
        taken, why = _settle(best, headers, why_fits, kind in found.get("ordered", ()), voxels)
        if not taken:
            entry["problems"].append(tell_open(kind, best))
            continue
        entry["files"][kind] = taken
        entry["notes"].append(tell_choice(kind, taken, paths, why))
    return entry


def _covers(header):
    """Rank a scan by what it covers: the whole head, a part, or nothing that can be read."""
    if header is None or not header.single:
        return 2
    return 0 if header.field >= WHOLE_HEAD else 1


def _lies_on(header, shapes):
    """Rank a label by whether a scan has its shape."""
    return 0 if header and any(shape and sorted(shape.shape) == sorted(header.shape) for shape in shapes) else 1


def _settle(equal, headers, why_fits, ordered, voxels):
    """Return which of the files that fit best is taken, and why; "" if nothing decides."""
    first = equal[0]
    if len(equal) == 1:
        return first, why_fits
    if ordered:
        return first, "the plainest name, then the first run"
    if all(headers[path] == headers[first] is not None for path in equal) and (
        not voxels or all(_same_voxels(first, path) for path in equal[1:])
    ):
        return first, "they hold the same"
    sizes = {path: float(np.prod(headers[path].sizes)) for path in equal if headers[path]}
    finest = sorted(sizes, key=lambda path: sizes[path])
    if len(finest) > 1 and sizes[finest[0]] * FINER <= sizes[finest[1]]:
        return finest[0], "the finest voxels"
    return "", ""


def _same_voxels(one, other):
    """Check whether two files hold the same voxels."""
    if os.path.samefile(one, other):
        return True
    try:
        arrays = [np.asanyarray(nib.Nifti1Image.from_bytes(_read(path)).dataobj) for path in (one, other)]
    except Exception:  # as in `read_header`
        return False
    return np.array_equal(arrays[0], arrays[1])


def _read(path):
    with open(path, "rb") as file:
        raw = file.read()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
