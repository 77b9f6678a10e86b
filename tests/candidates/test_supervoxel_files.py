"""A subject's supervoxels, written and read again."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurograft.candidates import supervoxel_files
from neurograft.core import files, tables
from neurograft.imaging import nifti


def cut():
    """Six supervoxels, columns of the grid, in a corner; the first half of each second one is of value 4."""
    segments = np.zeros((12, 10, 8), np.int32)
    for number in range(6):
        segments[2 + number, 3:9, 1:7] = number + 1
    labels = np.zeros(segments.shape, np.uint8)
    labels[3:8:2, 3:6] = 4
    return segments, nifti.image(labels, np.eye(4))


def features(count=6):
    return pd.DataFrame({"z_flair": np.arange(count) / 3, "x_mm": np.arange(count, dtype=float)})


def test_what_was_written_is_read(tmp_path):
    segments, labels = cut()
    supervoxel_files.write_supervoxels(tmp_path / "out", segments, features(), -1.5, labels)
    found = supervoxel_files.read_supervoxels(tmp_path / "out")
    box = tuple(slice(*ends) for ends in found["box"])
    np.testing.assert_array_equal(found["segments"], segments[box])
    assert segments.sum() == found["segments"].sum()  # nothing lies outside of the box
    pd.testing.assert_frame_equal(found["features"], features().astype(np.float32))
    assert (found["mirror_x_mm"], found["values"], found["shape"]) == (-1.5, [4], [12, 10, 8])
    np.testing.assert_allclose(found["shares"][:, 0], [0, 0.5, 0, 0.5, 0, 0.5])


def test_labels_are_read_only_where_they_are_asked_for(tmp_path):
    segments, labels = cut()
    supervoxel_files.write_supervoxels(tmp_path / "with", segments, features(), 0, labels)
    supervoxel_files.write_supervoxels(tmp_path / "without", segments, features(), 0)
    assert "shares" not in supervoxel_files.read_supervoxels(tmp_path / "with", labelled=False)
    assert "shares" not in supervoxel_files.read_supervoxels(tmp_path / "without")


def test_shares_of_all_values_sum_to_one():
    generator = np.random.default_rng(0)
    segments = generator.integers(1, 20, (9, 9, 9))
    labels = generator.integers(0, 5, (9, 9, 9))
    shares = supervoxel_files.label_shares(segments, labels, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)


def test_an_empty_brain_is_written_too(tmp_path):
    empty = np.zeros((4, 4, 4), np.int32)
    supervoxel_files.write_supervoxels(tmp_path / "out", empty, pd.DataFrame(), 0, nifti.image(empty, np.eye(4)))
    found = supervoxel_files.read_supervoxels(tmp_path / "out")
    assert not len(found["features"]) and found["segments"].shape == (4, 4, 4)


def test_a_job_that_dies_leaves_no_folder(tmp_path):
    segments, _ = cut()
    other = nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4))  # labels of another grid
    with pytest.raises((ValueError, IndexError)):
        supervoxel_files.write_supervoxels(tmp_path / "out", segments, features(), 0, other)
    assert not (tmp_path / "out").exists()


def test_the_list_of_candidates_changes_with_whatever_a_later_step_reads(tmp_path):
    """A number of the record, a border, a feature or a label, and nothing else, tells two lists apart."""
    segments, labels = cut()
    folder = tmp_path / "sub-01/space-A/supervoxels"

    def gather(rank=1, segments=segments, measured=None, labels=labels):
        measured = features() if measured is None else measured
        supervoxel_files.write_supervoxels(folder, segments, measured, 0, labels)
        files.write_json(folder.parent / "propose_candidates.json", {"slices": [rank]})
        return supervoxel_files.gather_candidates([str(folder.parent / "propose_candidates.json")])

    first = gather()
    assert gather() == first
    relabelled = nifti.image((np.asanyarray(labels.dataobj) > 0).astype(np.uint8), labels.affine)
    changed = (
        gather(rank=2),
        gather(segments=segments[::-1]),
        gather(measured=features() + 1),
        gather(labels=relabelled),
    )
    assert len({row["sha256"] for (row,) in (first, *changed)}) == 5
    tables.write_table(tmp_path / "candidates.tsv", first)
    assert supervoxel_files.find_supervoxels(tmp_path / "candidates.tsv") == {"01": str(folder)}
