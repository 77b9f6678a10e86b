"""What a file is that is no NIfTI image, and pairs of files."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurograft.cohort.file_opening import open_nifti
from neurograft.imaging.nifti import ScanError

AFFINE = np.diag([-2.0, 3.0, 4.0, 1.0])
DATA = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(gzip.compress(b"x" * 400)), "is compressed twice; unpack it once"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4\n", "fetch it with git lfs pull"),
        (b"/annex/objects/MD5E-s4--1.nii.gz\n", "fetch it with datalad get"),
        (b"../../.git/annex/objects/aa/bb/MD5E-s4--1.nii.gz", "pointer of git-annex"),
        (b"<!DOCTYPE html><html>sign in</html>", "is a saved web page"),
        (b"\n<HTML><body>403</body></HTML>", "is a saved web page"),
        (b'{"message": "not found"}', "was it an answer of a server?"),
        (b"PK\x03\x04" + b"0" * 40, "is a zip archive"),
        (b"\0" * 128 + b"DICM" + b"\0" * 400, "is a DICOM file"),
        (b"hello", "is not a NIfTI image"),
    ],
    ids=["twice", "lfs", "annex", "annex link", "page", "short page", "answer", "zip", "dicom", "text"],
)
def test_what_a_file_is_instead(tmp_path, content, says):
    path = tmp_path / "t1.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ScanError, match=says) as caught:
        open_nifti(path)
    told = str(caught.value)
    assert str(path) in told and ("convert it to NIfTI" in told) == (content == b"hello" or b"DICM" in content)


@pytest.mark.parametrize("end", [".hdr", ".img"])
def test_a_pair_of_files(tmp_path, end):
    nib.Nifti1Pair(DATA, AFFINE).to_filename(tmp_path / "x.img")
    loaded, _ = open_nifti(tmp_path / f"x{end}")
    assert np.array_equal(loaded.get_fdata(), DATA) and np.allclose(loaded.affine, AFFINE)


def test_half_of_a_pair_and_an_analyze_image(tmp_path):
    nib.Nifti1Pair(DATA, AFFINE).to_filename(tmp_path / "x.img")
    (tmp_path / "x.hdr").unlink()
    with pytest.raises(ScanError, match="does not exist"):
        open_nifti(tmp_path / "x.img")
    nib.AnalyzeImage(DATA, AFFINE).to_filename(tmp_path / "y.img")
    with pytest.raises(ScanError, match="Analyze image, whose left and right"):
        open_nifti(Path(tmp_path / "y.img"))
