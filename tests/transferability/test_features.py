"""Frozen features: those that the encoder gives, at the same pixels for every source."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional

from helpers.fake_cells import TABLE, freeze, write_slices
from neurograft.candidates.supervoxel_files import write_supervoxels
from neurograft.core import files
from neurograft.imaging import packing
from neurograft.networks import encoders_2d
from neurograft.sources import table, weights
from neurograft.sources.weights import load_weights, locate
from neurograft.training import slice_batches
from neurograft.training.slice_batches import fit
from neurograft.training.slices import segmentation_case
from neurograft.transferability import features

NAME = "efficientnet-lite0"
CHANNELS = ["t1c", "t2", "flair"]
ROWS = table.read_sources(TABLE)


def extract(folder, made, name=NAME, weights=None, **options):
    """Extract one source's features of the cohort."""
    slices, split = made
    features.extract_features(folder, ROWS[name], weights or locate(ROWS[name]), split, slices, **options)
    return folder


def arrays(folder, subject="p0"):
    with np.load(folder / f"sub-{subject}.npz") as packed:
        return dict(packed)


@pytest.fixture(scope="module")
def extracted(cell_cohort, tmp_path_factory):
    return extract(tmp_path_factory.mktemp("features") / NAME, cell_cohort)


def loaded():
    """The encoder and its checkpoint, loaded without `networks`."""
    state = load_weights(locate(ROWS[NAME]))
    encoder = encoders_2d.BACKBONES[NAME]["encoder"](NAME).eval()
    encoder.load_state_dict(state, strict=False)
    return encoder, state


def test_features_are_the_encoders_own(cell_cohort, extracted):
    slices, _ = cell_cohort
    case = segmentation_case(slices["p0"], CHANNELS, "brats2018")
    encoder, _ = loaded()
    size = slice_batches.case_canvas([case])
    opened = np.stack([slice_batches.fit(image[1:], size) for image in case["images"]]).astype(np.float32)
    with torch.no_grad():
        maps = encoder(torch.from_numpy(opened))
    found = arrays(extracted)
    tumour = slice_batches.fit(np.asarray(case["labels"]), size) > 0
    for number, feature in enumerate(maps, start=1):
        whole = functional.interpolate(feature, size, mode="nearest").permute(0, 2, 3, 1)
        for label in (0, 1):
            # every drawn pixel has the features of one of its class
            own = whole[torch.from_numpy(tumour == label)]
            mine = torch.from_numpy(found[f"map{number}"][found["labels"] == label])
            apart = torch.cdist(mine, own, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
            assert len(mine) and apart.max() < 1e-4 * feature.norm(dim=1).mean()
    assert [found[f"map{number}"].shape[1] for number in range(1, 6)] == [16, 24, 40, 112, 320]


def test_a_pixel_gets_the_cell_that_it_lies_in():
    """An encoder that gives the image, and its 2 x 2 means, makes known features."""

    def encoder(images):
        return [images, functional.avg_pool2d(images, 2)]

    image = np.arange(32 * 32, dtype=np.float32).reshape(1, 1, 32, 32) + 1
    labels = np.zeros((1, 32, 32), np.uint8)
    labels[0, 4:6, 4:6] = 1
    case = {"images": image, "channels": [0], "labels": labels, "regions": np.arange(256)[:, None] == 1}
    case |= {"strata": {"tumour": np.array([0]), "rest": np.array([], int)}}
    found = features.sample_features(encoder, case, [0], np.random.default_rng(0))
    assert found["labels"].tolist() == [0] * 4 + [1] * 4 and found["slice_labels"].tolist() == [1]
    values = found["map1"][:, 0].astype(int)
    assert sorted(values[4:]) == [133, 134, 165, 166] and not set(values[:4]) & {133, 134, 165, 166}
    x, y = np.divmod(values - 1, 32)
    assert np.allclose(found["map2"][:, 0], (x // 2 * 2 * 32 + y // 2 * 2 + 1) + 16.5)


def test_same_seed_same_bytes_and_other_pixels_with_another(cell_cohort, extracted, tmp_path):
    again = extract(tmp_path / "again", cell_cohort)
    for path in sorted(extracted.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    other = extract(tmp_path / "other", cell_cohort, seed=1)
    assert not np.array_equal(arrays(other)["map1"], arrays(extracted)["map1"])


def test_all_sources_are_asked_about_the_same_pixels(cell_cohort, extracted, tmp_path):
    """Sources with equal weights under two names: all features agree, so all pixels do."""
    weights = tmp_path / "weights.pth"
    state = torch.load(locate(ROWS[NAME]), weights_only=True)
    torch.save({key: value for key, value in state.items() if not key.startswith("_fc")}, weights)
    slices, split = cell_cohort
    row = {"backbone": NAME, "sha256": None}
    features.extract_features(tmp_path / "headless", row, weights, split, slices)
    one, other = arrays(extracted), arrays(tmp_path / "headless")
    assert set(one) - set(other) == {"probabilities"}
    for name in other:
        assert np.array_equal(one[name], other[name]), name


def test_classes_are_balanced_inside_the_brain():
    tumour, brain = np.zeros((2, 3, 40, 40), bool)
    brain[:, 5:], tumour[1, 5:9, 5:9] = True, True
    (place, x, y), labels = features.draw_pixels(tumour, brain, np.random.default_rng(0))
    assert np.bincount(labels).tolist() == [16, 16]
    assert np.array_equal(tumour[place, x, y], labels == 1) and brain[place, x, y].all()
    many = features.draw_pixels(brain & ~tumour, brain, np.random.default_rng(0))[1]
    assert np.bincount(many).tolist() == [16, 16]
    # without tumour there is background alone, and no more of it than of two classes
    assert features.draw_pixels(np.zeros_like(brain), brain, np.random.default_rng(0))[1].tolist() == [0] * 300


@pytest.mark.parametrize(("tumour", "rest", "counts"), [(40, 40, (12, 12)), (3, 40, (12, 3)), (40, 0, (0, 12))])
def test_slices_are_spread_over_both_kinds(tumour, rest, counts):
    case = {"strata": {"tumour": np.arange(tumour), "rest": np.arange(tumour, tumour + rest)}}
    numbers, labels = features.draw_slices(case, np.arange(tumour + rest))
    assert np.bincount(labels, minlength=2).tolist() == list(counts) and len(set(numbers.tolist())) == len(numbers)
    assert np.array_equal(numbers < tumour, labels == 1)
    assert set(features.draw_slices(case, [0, 2])[0].tolist()) == {0, 2}


def test_an_efficientnets_head_gives_the_originals_classes():
    encoder, state = loaded()
    original = EfficientNet.from_name(NAME, image_size=(64, 96))
    original.load_state_dict(state)
    image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = original.eval()(image)
        torch.testing.assert_close(
            features.efficientnet_logits(encoder(image)[-1], state), wanted, rtol=1e-4, atol=1e-4
        )


def test_torchvisions_heads_are_pooled_and_fully_connected():
    torch.manual_seed(0)
    layers = [nn.Dropout(), nn.Linear(4 * 9, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5)]
    whole = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), *copy.deepcopy(layers)).eval()
    state = {f"classifier.{name}": value for name, value in nn.Sequential(*layers).state_dict().items()}
    assert next(name for name in features.HEADS if name in state) == "classifier.6.weight"
    last = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(features.torchvision_logits(last, state), whole(last))


def test_a_source_that_could_not_be_made_says_why(cell_cohort, tmp_path):
    (tmp_path / "weights").write_bytes(b"")
    extract(tmp_path / "none", cell_cohort, weights=tmp_path / "weights")
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["source.json"]
    assert "the source has no weights" in (tmp_path / "none/source.json").read_text()
    (tmp_path / "weights").write_bytes(b"something else")
    with pytest.raises(table.SourceError, match="not the file"):
        extract(tmp_path / "wrong", cell_cohort, weights=tmp_path / "weights")
    assert not (tmp_path / "wrong").exists()


def test_without_labelled_patients_there_are_no_features(cell_cohort, tmp_path):
    slices, split = cell_cohort
    content = {key: value for key, value in split.items() if key != "hash"}
    empty = split["tasks"]["segmentation"] | {"subjects": [], "sequences": []}
    extract(tmp_path / "none", (slices, freeze(content | {"tasks": {"segmentation": empty}})))
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["source.json"]


def test_unlabelled_patients_are_not_opened(cell_cohort, tmp_path):
    slices, split = cell_cohort
    labelled = {name: path for name, path in slices.items() if name != "u0"}
    found = extract(tmp_path / "features", (labelled, split))
    assert {path.name for path in found.glob("*.npz")} == {f"sub-{name}.npz" for name in labelled}


def test_a_patient_without_tumour_has_background_alone(cell_cohort, tmp_path):
    slices, split = cell_cohort
    healthy = write_slices(tmp_path / "healthy", 3)
    packing.write_packed(healthy / "labels.zlib", np.zeros((8, 40, 33), np.uint8))
    found = arrays(extract(tmp_path / "features", (slices | {"p0": healthy}, split)))
    assert set(found["labels"].tolist()) == {0} and set(found["slice_labels"].tolist()) == {0}


ROWS_POOLING = table.read_sources(TABLE)
NAME_POOLING = "efficientnet-lite0"


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
    found = features.pool_maps(Maps(), stack, [1, 0], segments)
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
    whole = features.pool_maps(Maps(), stack, [0], segments)
    monkeypatch.setattr(features, "BATCH", 2)
    np.testing.assert_allclose(features.pool_maps(Maps(), stack, [0], segments), whole, atol=1e-5)


def pool(folder, cohort, **options):
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
            index = files.read_json(cut[subject] / "index.json")
            np.savez_compressed(cut[subject] / "segments.npz", segments=segments)
            files.write_json(cut[subject] / "index.json", index)
    out = folder / "-".join(["pooled", *map(str, options.values())])
    features.pool_features(
        out,
        weights.SourceFiles(ROWS_POOLING[NAME_POOLING], weights.locate(ROWS_POOLING[NAME_POOLING])),
        split,
        slices,
        cut,
        **options,
    )
    return out


def _numbered(segments):
    return pd.DataFrame({"z_flair": np.arange(segments.max(), dtype=np.float32)})


def test_every_subject_has_finite_features_and_random_ones_differ(cell_cohort, tmp_path):
    own, random = pool(tmp_path, cell_cohort), pool(tmp_path, cell_cohort, random=True)
    for subject in cell_cohort[0]:
        first, second = (np.load(folder / f"sub-{subject}.npy") for folder in (own, random))
        assert first.shape == second.shape and first.shape[1] > 100
        assert np.isfinite(first).all() and np.isfinite(second).all()
        assert first.std(0).mean() > 0.01 and second.std(0).mean() > 1e-4
        assert np.abs(first - second).max() > 0.1
    again = pool(tmp_path / "again", cell_cohort, random=True)
    subject = next(iter(cell_cohort[0]))
    assert (again / f"sub-{subject}.npy").read_bytes() == (random / f"sub-{subject}.npy").read_bytes()


def test_a_source_without_weights_says_so(cell_cohort, tmp_path):
    empty = tmp_path / "weights"
    empty.touch()
    row = ROWS_POOLING[NAME_POOLING] | {"sha256": ""}
    slices, split = cell_cohort
    features.pool_features(tmp_path / "out", weights.SourceFiles(row, empty), split, slices, {})
    assert "no weights" in files.read_json(tmp_path / "out/source.json")["reason"]
