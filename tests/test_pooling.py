"""An encoder's maps averaged over supervoxels."""

import numpy as np
import pandas as pd
import torch
from test_cells import TABLE, cohort  # noqa: F401 (a fixture)
from torch import nn
from torch.nn import functional

from neurograft import images, packing, pooling, sources
from neurograft.batches import fit
from neurograft.supervoxel_files import write_supervoxels

ROWS = sources.read_sources(TABLE)
NAME = "efficientnet-lite0"


class Maps(nn.Module):
    """Two maps: the image itself at half its size, and at an eighth."""

    def forward(self, given):
        return [functional.avg_pool2d(given, 2), functional.avg_pool2d(given, 8)]


def blocks(shape, step=5):
    """Blocks of voxels as supervoxels, with a rim outside of the brain."""
    grid = np.indices(shape) // step
    segments = np.unique((grid * np.array([1000, 100, 1])[:, None, None, None]).sum(0), return_inverse=True)[1]
    segments = segments.reshape(shape) + 1
    segments[:2] = 0
    found, numbers = np.unique(segments, return_inverse=True)
    return numbers.reshape(shape) if found[0] == 0 else segments


def test_a_supervoxel_has_the_mean_of_its_voxels_cells():
    """Against loops over voxels."""
    generator = np.random.default_rng(0)
    segments = blocks((30, 26, 5))
    stack = generator.normal(size=(5, 2, 30, 26)).astype(np.float32)
    found = pooling.pool_maps(Maps(), stack, [1, 0], segments)
    canvas = torch.from_numpy(fit(stack[:, [1, 0]], (32, 32)))
    maps = [one.numpy() for one in Maps()(canvas)]
    owner = fit(segments.transpose(2, 0, 1), (32, 32))
    expected = np.zeros_like(found)
    for z, x, y in np.argwhere(owner):
        cells = [one[z, :, x * one.shape[2] // 32, y * one.shape[3] // 32] for one in maps]
        expected[owner[z, x, y] - 1] += np.concatenate(cells)
    expected /= np.bincount(segments.ravel())[1:, None]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_more_slices_than_a_batch_are_summed(monkeypatch):
    segments = blocks((32, 32, 7))
    stack = np.random.default_rng(1).normal(size=(7, 1, 32, 32)).astype(np.float32)
    whole = pooling.pool_maps(Maps(), stack, [0], segments)
    monkeypatch.setattr(pooling, "BATCH", 2)
    np.testing.assert_allclose(pooling.pool_maps(Maps(), stack, [0], segments), whole, atol=1e-5)


def pool(folder, cohort, **options):  # noqa: F811
    slices, split = cohort
    cut = {}
    for subject, own in slices.items():
        cut[subject] = folder / f"sub-{subject}/space-A/supervoxels"
        if not cut[subject].exists():
            cut[subject].parent.mkdir(parents=True)
            shape = packing.PackedArray(own / "images.zlib").shape
            segments = blocks((shape[2], shape[3], shape[0]))
            write_supervoxels(cut[subject], segments, _numbered(segments), 0)
            # the box of the slices is the brain's: here all of it
            index = images.read_json(cut[subject] / "index.json")
            np.savez_compressed(cut[subject] / "segments.npz", segments=segments)
            images.write_json(cut[subject] / "index.json", index)
    out = folder / "-".join(["pooled", *map(str, options.values())])
    pooling.pool_features(
        out, ROWS[NAME], options.pop("weights", sources.locate(ROWS[NAME])), split, slices, cut, **options
    )
    return out


def _numbered(segments):
    return pd.DataFrame({"z_flair": np.arange(segments.max(), dtype=np.float32)})


def test_every_subject_has_finite_features_and_random_ones_differ(cohort, tmp_path):  # noqa: F811
    own, random = pool(tmp_path, cohort), pool(tmp_path, cohort, random=True)
    for subject in cohort[0]:
        first, second = (np.load(folder / f"sub-{subject}.npy") for folder in (own, random))
        assert first.shape == second.shape and first.shape[1] > 100
        assert np.isfinite(first).all() and np.isfinite(second).all()
        assert first.std(0).mean() > 0.01 and second.std(0).mean() > 1e-4
        assert np.abs(first - second).max() > 0.1
    again = pool(tmp_path / "again", cohort, random=True)
    subject = next(iter(cohort[0]))
    assert (again / f"sub-{subject}.npy").read_bytes() == (random / f"sub-{subject}.npy").read_bytes()


def test_a_source_without_weights_says_so(cohort, tmp_path):  # noqa: F811
    empty = tmp_path / "weights"
    empty.touch()
    row = ROWS[NAME] | {"sha256": ""}
    slices, split = cohort
    pooling.pool_features(tmp_path / "out", row, empty, split, slices, {})
    assert "no weights" in images.read_json(tmp_path / "out/source.json")["reason"]
