"""Arrays packed slice by slice: what was written is read, whatever is asked for, and a damaged file says so."""

import nibabel as nib
import numpy as np
import pytest

from neurograft.imaging import packing
from neurograft.imaging.packing import PackedArray, write_packed


@pytest.fixture
def packed(tmp_path):
    """Noise that is hard to pack and zeros that are not, with what only a float has."""
    array = np.random.default_rng(0).normal(0, 1, (7, 2, 5, 6)).astype(np.float16)
    array[:, :, :2], array[3, 0, 4] = 0, [-0.0, np.inf, -np.inf, np.nan, 6e-8, 65504]
    write_packed(tmp_path / "images.zlib", array)
    return array, tmp_path / "images.zlib"


def test_whatever_is_asked_for_is_what_was_written_to_the_bit(packed):
    array, path = packed
    opened = PackedArray(path)
    assert len(opened) == 7 and opened.shape == array.shape and opened.dtype == array.dtype
    for chosen in (
        3,
        -1,
        np.int64(2),
        slice(None),
        slice(2, 5),
        slice(6, 20),
        slice(3, 3),
        [4, 0, 4],
        array[:, 0, 3, 0] > 0,
    ):
        assert opened[chosen].shape == array[chosen].shape
        assert np.array_equal(opened[chosen].view(np.uint16), array[chosen].view(np.uint16))
    assert np.array_equal(np.asarray(opened).view(np.uint16), array.view(np.uint16))
    assert len(list(opened)) == 7
    with pytest.raises(IndexError):
        opened[7]


def test_what_is_read_can_be_written_to_and_leaves_the_file_as_it_is(packed):
    array, path = packed
    opened = PackedArray(path)
    opened[2][:] = 9
    assert np.array_equal(opened[2], array[2])


def test_same_array_same_bytes_however_it_lies_in_memory(packed, tmp_path):
    array, path = packed
    write_packed(tmp_path / "again.zlib", np.asfortranarray(array))
    assert (tmp_path / "again.zlib").read_bytes() == path.read_bytes()


def test_only_the_slices_that_are_asked_for_are_read(packed):
    array, path = packed
    said = bytearray(path.read_bytes())
    said[-1] ^= 1  # of the last slice's checksum
    path.write_bytes(said)
    opened = PackedArray(path)
    assert np.array_equal(opened[:6].view(np.uint16), array[:6].view(np.uint16))
    with pytest.raises(ValueError, match=r"images.zlib is damaged; remove"):
        opened[6]


@pytest.mark.parametrize("left", [0, 10, 300, -1])
def test_a_file_that_was_cut_off_is_named_when_it_is_opened(packed, left):
    path = packed[1]
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"images.zlib is damaged; remove"):
        PackedArray(path)


def test_any_number_can_be_open(packed):
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limit[1]))
    try:
        assert all(one[0].any() for one in [PackedArray(packed[1]) for _ in range(400)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_tiny_numbers_keep_their_levels():
    data = np.linspace(0, 1e-9, 1000, dtype=np.float32).reshape(10, 10, 10)
    packed = packing.as_int16(nib.Nifti1Image(data, np.eye(4)))
    assert len(np.unique(np.asanyarray(packed.dataobj))) == 1000
    empty = packing.as_int16(nib.Nifti1Image(data * 0, np.eye(4)))
    assert not np.asanyarray(empty.dataobj).any()
