"""Compact storage of images and slices.

The slices of a packed array are accessed randomly, so each is compressed separately, without loss. The file is a line
of JSON (`shape`, `dtype`, and `ends`: the end of each slice in bytes after that line), followed by the slices, each a
zlib stream with a checksum.
"""

import gzip
import json
import os
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

IMAGE_LEVEL = 4  # of gzip: 1 takes 4 % more space; 6 takes 1 % less space but 50 % more time
SLICE_LEVEL = 1  # the highest takes three times as long and saves 1 %, because the last bits of intensities are noise


def save_image(path, written):
    """Write an image as `.nii.gz`; the same image gives the same bytes.

    Parameters
    ----------
    path : Path
    written : nibabel.Nifti1Image
    """
    path.write_bytes(gzip.compress(written.to_bytes(), IMAGE_LEVEL, mtime=0))


def whole_as_int16(scan):
    """Convert an image of whole numbers, as most scanners write, to int16 for writing, to save a quarter of the space.

    Parameters
    ----------
    scan : nibabel.Nifti1Image, float

    Returns
    -------
    nibabel.Nifti1Image
        `scan` itself if int16 cannot represent all of its values.
    """
    data = np.asanyarray(scan.dataobj)
    with np.errstate(invalid="ignore"):  # values that int16 cannot represent are found by the comparison
        whole = data.astype(np.int16)
    return _stored(whole, scan) if np.array_equal(whole, data) else scan


def as_int16(scan):
    """Pack an image for writing in half the space: int16 with a slope and no offset, so that 0 stays 0.

    Parameters
    ----------
    scan : nibabel.Nifti1Image, float

    Returns
    -------
    nibabel.Nifti1Image
        For writing only: its data in memory are the stored integers. The error is at most the largest
        absolute value / 65534.
    """
    data = np.asanyarray(scan.dataobj)
    # whatever the scale: a floor would take the grey levels of a scan of tiny numbers away
    slope = (float(np.abs(data).max(initial=0)) or 1.0) / 32767
    packed = _stored(np.round(data / slope).astype(np.int16), scan)
    packed.header.set_slope_inter(slope, 0)
    return packed


def _stored(integers, scan):
    """Make an image with other data, stored with the type of these data."""
    packed = nib.Nifti1Image(integers, scan.affine, scan.header)
    packed.set_data_dtype(integers.dtype)
    return packed


def write_packed(path, array):
    """Write an array for `PackedArray`; the same array gives the same bytes.

    Parameters
    ----------
    path : str or Path
    array : ndarray, shape (Z, ...)
    """
    packed = [zlib.compress(np.ascontiguousarray(plane).data, SLICE_LEVEL) for plane in array]
    ends = np.cumsum([len(plane) for plane in packed]).tolist()
    header = {"shape": array.shape, "dtype": array.dtype.str, "ends": ends}
    Path(path).write_bytes(b"".join([json.dumps(header).encode(), b"\n", *packed]))


class PackedArray:
    """A file of `write_packed`, indexed along its first axis like a memory map.

    Only the requested slices are read, and the file is then closed, so that any number of arrays can be in use.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ValueError
        If the file is damaged; also raised when a slice is read.
    """

    def __init__(self, path):
        self.filename = str(path)
        with open(path, "rb") as file:
            try:
                about = json.loads(file.readline())
                self.shape, self.dtype = tuple(about["shape"]), np.dtype(about["dtype"])
                self.bounds = file.tell() + np.array([0, *about["ends"]])
            except (KeyError, TypeError, ValueError) as error:
                raise self._damaged() from error
        if self.bounds[-1] != os.path.getsize(path):
            raise self._damaged()

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, chosen):
        """Read one or several slices, by an int, a slice, or an array of ints or booleans."""
        numbers = np.arange(len(self))[chosen]
        slices = np.empty((numbers.size, *self.shape[1:]), self.dtype)
        with open(self.filename, "rb") as file:
            for out, number in zip(slices, numbers.flat, strict=True):
                start, stop = self.bounds[number : number + 2]
                file.seek(start)
                try:
                    # a known size saves a quarter of the time
                    content = zlib.decompress(file.read(stop - start), bufsize=out.nbytes)
                    out[...] = np.frombuffer(content, self.dtype).reshape(out.shape)
                except (ValueError, zlib.error) as error:
                    raise self._damaged() from error
        return slices.reshape(*numbers.shape, *self.shape[1:])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def _damaged(self):
        return ValueError(f"{self.filename} is damaged; remove the folder that it is in, which is then made again")
