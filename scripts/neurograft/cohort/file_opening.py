"""Open an image file of any content, and say what it is if it is no NIfTI image."""

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from neurograft.imaging.nifti import ScanError

GZIP = b"\x1f\x8b"
PAIR = (".hdr", ".img")
# how other files begin
CONTENTS = (
    (GZIP, "is compressed twice; unpack it once (gunzip), and name the result .nii.gz"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the image; fetch it with git lfs pull"),
    (b"<!doctype html", "is a saved web page, not the image; download it again, signed in if it asks for it"),
    (b"<?xml", "is an answer of a server, not the image; download it again, signed in if it asks for it"),
    (b"{", "is text (JSON), not the image; was it an answer of a server? download it again"),
    (b"PK\x03\x04", "is a zip archive; unpack it"),
    (b"NRRD", "is an NRRD image; convert it to NIfTI"),
    (b"ObjectType", "is a MetaImage (.mha); convert it to NIfTI"),
)


def open_nifti(path):
    """Parse a whole file in memory, so that the gzip checksum is verified; also return pixdim as written.

    Parameters
    ----------
    path : str or Path
        NIfTI-1 or -2, gzipped or not, or either file of a pair of `.hdr` and `.img`.

    Raises
    ------
    ScanError
        If it cannot be opened or is no NIfTI image; the message says what it is instead.
    """
    try:
        raw = _read_pair(path) if str(path).lower().endswith(PAIR) else _unpack(Path(path).read_bytes())
    except FileNotFoundError:
        advice = "fetch the file that the link points to" if os.path.islink(path) else "correct the path"
        raise ScanError(f"{path} does not exist; {advice}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ScanError(f"{path} is a damaged gzip file; copy or download it again") from None
    except OSError as error:
        raise ScanError(f"{path} cannot be opened ({error.strerror}); check the file and its permissions") from None
    try:
        form = nib.Nifti2Image if 540 in (_size(raw, "little"), _size(raw, "big")) else nib.Nifti1Image
        loaded = form.from_bytes(raw)
        pixdim = form.header_class(raw[: form.header_class.sizeof_hdr], check=False)["pixdim"][:4]
        kind = np.dtype(loaded.get_data_dtype())
        offset = int(cast(ArrayProxy, loaded.dataobj).offset)
        need = offset + int(np.prod(loaded.shape, dtype=object)) * kind.itemsize
    except Exception:  # the bytes can be anything, and nibabel has no common exception class
        raise ScanError(f"{path} {_name_content(raw)}") from None
    if need > len(raw):
        raise ScanError(f"{path} is cut off ({len(raw)} of {need} bytes); copy or download it again")
    if kind.kind not in "iuf":
        raise ScanError(f"{path} holds colours or complex numbers; export it as a plain grey-value image")
    return loaded, pixdim


def _unpack(raw):
    return gzip.decompress(raw) if raw[:2] == GZIP else raw


def _read_pair(path):
    """Read a pair of `.hdr` and `.img` as the bytes of one `.nii`; an Analyze header has no orientation."""
    stem = str(path)[: -len(PAIR[0])]
    upper = str(path).endswith((".HDR", ".IMG"))
    header, voxels = (_unpack(Path(stem + (end.upper() if upper else end)).read_bytes()) for end in PAIR)
    if header[344:347] != b"ni1" and len(header) >= 348:
        raise ScanError(f"{path} is an Analyze image, whose left and right are not told; convert its source to NIfTI")
    start = int(struct.unpack(("<" if _size(header, "little") == 348 else ">") + "f", header[108:112])[0])
    whole = bytearray(header[:348])
    whole[108:112] = struct.pack(("<" if _size(header, "little") == 348 else ">") + "f", 352)
    whole[344:348] = b"n+1\0"
    return bytes(whole) + bytes(4) + voxels[start:]


def _name_content(raw):
    """Say what the bytes of a file are that is no NIfTI image, and what to do."""
    for start, words in CONTENTS:
        if raw[: len(start)].lower() == start.lower():
            return words
    if b"/annex/objects/" in raw[:1000]:
        return "is a pointer of git-annex, not the image; fetch it with datalad get, or git annex get"
    if b"<html" in raw[:1000].lower():
        return "is a saved web page, not the image; download it again, signed in if it asks for it"
    if raw[128:132] == b"DICM":
        return "is a DICOM file; use dataset.layout dicom, or convert it to NIfTI"
    return "is not a NIfTI image (.nii or .nii.gz); convert it to NIfTI"


def _size(raw, order):
    """Read the first header field, the header size, which is 348 for NIfTI-1 and 540 for NIfTI-2."""
    return int.from_bytes(raw[:4], order)
