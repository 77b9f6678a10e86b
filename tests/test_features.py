"""Frozen features: those that the encoder gives, at the same pixels for every source."""

import copy

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from test_cells import TABLE, cohort, freeze, write_slices  # noqa: F401 (cohort is a fixture)
from torch import nn
from torch.nn import functional

from neurograft import batches, cases, encoders, features, packing, sources

NAME = "efficientnet-lite0"
CHANNELS = ["t1c", "t2", "flair"]
ROWS = sources.read_sources(TABLE)


def extract(folder, made, name=NAME, weights=None, **options):
    """Extract one source's features of the cohort."""
    slices, split = made
    features.extract_features(folder, ROWS[name], weights or sources.locate(ROWS[name]), split, slices, **options)
    return folder


def arrays(folder, subject="p0"):
    with np.load(folder / f"sub-{subject}.npz") as packed:
        return dict(packed)


@pytest.fixture(scope="module")
def extracted(cohort, tmp_path_factory):  # noqa: F811
    return extract(tmp_path_factory.mktemp("features") / NAME, cohort)


def loaded():
    """The encoder and its checkpoint, loaded without `networks`."""
    state = sources.load_weights(sources.locate(ROWS[NAME]))
    encoder = encoders.BACKBONES[NAME]["encoder"](NAME).eval()
    encoder.load_state_dict(state, strict=False)
    return encoder, state


def test_features_are_the_encoders_own(cohort, extracted):  # noqa: F811
    slices, _ = cohort
    case = cases.segmentation_case(slices["p0"], CHANNELS, "brats2018")
    encoder, _ = loaded()
    size = batches.case_canvas([case])
    opened = np.stack([batches.fit(image[1:], size) for image in case["images"]]).astype(np.float32)
    with torch.no_grad():
        maps = encoder(torch.from_numpy(opened))
    found = arrays(extracted)
    tumour = batches.fit(np.asarray(case["labels"]), size) > 0
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


def test_same_seed_same_bytes_and_other_pixels_with_another(cohort, extracted, tmp_path):  # noqa: F811
    again = extract(tmp_path / "again", cohort)
    for path in sorted(extracted.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    other = extract(tmp_path / "other", cohort, seed=1)
    assert not np.array_equal(arrays(other)["map1"], arrays(extracted)["map1"])


def test_all_sources_are_asked_about_the_same_pixels(cohort, extracted, tmp_path):  # noqa: F811
    """Sources with equal weights under two names: all features agree, so all pixels do."""
    weights = tmp_path / "weights.pth"
    state = torch.load(sources.locate(ROWS[NAME]), weights_only=True)
    torch.save({key: value for key, value in state.items() if not key.startswith("_fc")}, weights)
    slices, split = cohort
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


@pytest.mark.parametrize("tumour,rest,counts", [(40, 40, (12, 12)), (3, 40, (12, 3)), (40, 0, (0, 12))])
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


def test_a_source_that_could_not_be_made_says_why(cohort, tmp_path):  # noqa: F811
    (tmp_path / "weights").write_bytes(b"")
    extract(tmp_path / "none", cohort, weights=tmp_path / "weights")
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["source.json"]
    assert "the source has no weights" in (tmp_path / "none/source.json").read_text()
    (tmp_path / "weights").write_bytes(b"something else")
    with pytest.raises(sources.SourceError, match="not the file"):
        extract(tmp_path / "wrong", cohort, weights=tmp_path / "weights")
    assert not (tmp_path / "wrong").exists()


def test_without_labelled_patients_there_are_no_features(cohort, tmp_path):  # noqa: F811
    slices, split = cohort
    content = {key: value for key, value in split.items() if key != "hash"}
    empty = split["tasks"]["segmentation"] | {"subjects": [], "sequences": []}
    extract(tmp_path / "none", (slices, freeze(content | {"tasks": {"segmentation": empty}})))
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["source.json"]


def test_unlabelled_patients_are_not_opened(cohort, tmp_path):  # noqa: F811
    slices, split = cohort
    labelled = {name: path for name, path in slices.items() if name != "u0"}
    found = extract(tmp_path / "features", (labelled, split))
    assert {path.name for path in found.glob("*.npz")} == {f"sub-{name}.npz" for name in labelled}


def test_a_patient_without_tumour_has_background_alone(cohort, tmp_path):  # noqa: F811
    slices, split = cohort
    healthy = write_slices(tmp_path / "healthy", 3)
    packing.write_packed(healthy / "labels.zlib", np.zeros((8, 40, 33), np.uint8))
    found = arrays(extract(tmp_path / "features", (slices | {"p0": healthy}, split)))
    assert set(found["labels"].tolist()) == {0} and set(found["slice_labels"].tolist()) == {0}
