"""3-D encoders take published weights over whole, and give the original's numbers."""

import hashlib
from pathlib import Path

import pytest
import torch
from monai.networks.nets import SegResNet

from helpers.server import serve
from neurograft.networks import builders, encoders_3d, lora, stages
from neurograft.sources import downloads, table, weights

TABLE = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")


def volume(channels=1, size=(64, 32, 96)):
    """A volume of noise."""
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))


def load(backbone, state, in_channels):
    """An encoder with a source's weights, and what the loading reports."""
    holder = torch.nn.Module()
    holder.encoder = encoders_3d.build_encoder(backbone, in_channels)
    report = builders.load_source(holder, encoders_3d.rename_weights(backbone, state))
    return holder.encoder.eval(), report


@pytest.fixture(scope="module")
def deepbet():
    """The path of deepbet's weights in its wheel, and their tensors."""
    path = weights.locate(TABLE["deepbet"])
    return path, weights.load_weights(path, TABLE["deepbet"]["sha256"])


def test_deepbets_encoder_equals_the_original_at_every_stage(deepbet):
    path, state = deepbet
    encoder, report = load("deepbet", state, 1)
    assert report["loaded_share"] == 1 and report["missing"] == [] and report["unused"] == len(state) - 20
    original = torch.jit.load(path).eval()
    relu = getattr(original.conv, "2")
    with torch.no_grad():
        features = encoder(volume())
        x = original.init(relu, volume())
        for number, found in enumerate(features[1:]):
            x = getattr(original, f"down{number}")(relu, x)
            torch.testing.assert_close(found, x, rtol=0, atol=1e-6)
    channels = encoders_3d.BACKBONES_3D["deepbet"]["channels"]
    assert [tuple(one.shape[1:]) for one in features] == [
        (width, 64 // stride, 32 // stride, 96 // stride) for width, stride in zip(channels, (2, 4, 8, 16, 32))
    ]


def test_deepbets_weights_on_equal_channels_give_what_one_gives(deepbet):
    one, _ = load("deepbet", deepbet[1], 1)
    four, report = load("deepbet", deepbet[1], 4)
    assert report["loaded_share"] == 1
    with torch.no_grad():
        for wanted, found in zip(one(volume()), four(volume().expand(1, 4, 64, 32, 96)), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_a_torchscript_archive_needs_its_whole_hash(deepbet):
    path, _ = deepbet
    for sha256 in (None, TABLE["deepbet"]["sha256"][:16]):
        with pytest.raises(table.SourceError, match="whole SHA-256"):
            weights.load_weights(path, sha256)


def test_medicalnets_checkpoint_is_fetched_and_loads_whole(tmp_path):
    torch.manual_seed(1)
    original = encoders_3d.build_encoder("medicalnet-resnet10", 1).eval()
    state = {f"module.{name}": value for name, value in original.state_dict().items()}
    # the published file has 72 tensors; a segmentation head would be of no use
    assert len(state) == 72
    torch.save({"state_dict": state | {"module.conv_seg.0.weight": torch.ones(3)}}, tmp_path / "made.pth")
    content = (tmp_path / "made.pth").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    with serve(content, breaks=(1000000,)) as (url, _):
        row = TABLE["medicalnet-resnet10"] | {"location": url, "sha256": sha256}
        downloads.fetch_source(tmp_path / "weights", row["name"], {row["name"]: row}, pause=0)
    encoder, report = load("medicalnet-resnet10", weights.load_weights(tmp_path / "weights", sha256), 1)
    assert report == {"loaded_share": 1.0, "missing": [], "why": {}, "unused": 1}
    with torch.no_grad():
        for found, wanted in zip(encoder(volume()), original(volume()), strict=True):
            assert torch.equal(found, wanted)


# tensors of the published files: shortcuts of 18 layers have no weights, those of 10 and 50 have
@pytest.mark.parametrize(("depth", "tensors"), [(10, 72), (18, 102), (50, 318)])
def test_medicalnets_networks_have_the_published_tensors(depth, tensors):
    names = encoders_3d.build_encoder(f"medicalnet-resnet{depth}", 1).state_dict()
    assert len(names) == tensors
    assert any("downsample" in name for name in names) == (depth != 18)


def test_the_brats_bundles_encoder_gives_the_bundles_numbers(tmp_path):
    # as the bundle's configuration says
    torch.manual_seed(1)
    bundle = SegResNet(
        blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1), init_filters=16, in_channels=4, out_channels=3, dropout_prob=0.2
    ).eval()
    torch.save(bundle.state_dict(), tmp_path / "model.pt")
    encoder, report = load("segresnet-brats", weights.load_weights(tmp_path / "model.pt"), 4)
    assert report["loaded_share"] == 1 and report["unused"] > 0
    with torch.no_grad():
        features, wanted = encoder(volume(4)), bundle.encode(volume(4))[1]
        assert [one.shape[1] for one in features] == list(encoders_3d.BACKBONES_3D["segresnet-brats"]["channels"])
        assert all(torch.equal(one, other) for one, other in zip(features, wanted, strict=True))


def test_another_networks_checkpoint_is_refused(deepbet):
    with pytest.raises(ValueError, match="only 0.0% of the encoder's weights fit"):
        load("segresnet-brats", deepbet[1], 4)


@pytest.mark.parametrize("name", ["deepbet", "medicalnet-resnet10", "segresnet-brats"])
def test_segmenters_give_a_logit_a_region_and_voxel_and_fall_into_stages(name):
    network = builders.build_segmenter(name, 2, 3).eval()
    with torch.no_grad():
        assert network(volume(2, (64, 96, 64))).shape == (1, 3, 64, 96, 64)
    found = stages.split_stages(network)
    assert len(found) == len(encoders_3d.BACKBONES_3D[name]["channels"])
    names = [each for stage in found for each in stage]
    assert sorted(names) == sorted(each for each, _ in network.named_parameters() if each.startswith("encoder."))
    assert "encoder." + network.encoder.stem in found[0]
    assert stages.spatial_axes(network) == 3


def test_the_scale_of_the_input_means_nothing_to_deepbets_encoder(deepbet):
    # so its own scaling of intensities is not needed (docs/explanation/decisions/sources.md)
    encoder, _ = load("deepbet", deepbet[1], 1)
    with torch.no_grad():
        for wanted, found in zip(encoder(volume()), encoder(7 * volume()), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_the_first_step_of_lora_equals_the_source(deepbet):
    network = builders.build_segmenter("deepbet", 2, 1).eval()
    builders.load_source(network, encoders_3d.rename_weights("deepbet", deepbet[1]))
    with torch.no_grad():
        wanted = network(volume(2, (64, 64, 64)))
        names = lora.factor_names(network, 4)
        lora.inject(network, 4)
        assert len(names) > 20 and set(names) <= {name for name, _ in network.named_parameters()}
        assert torch.equal(network(volume(2, (64, 64, 64))), wanted)


@pytest.mark.parametrize("name", ["deepbet", "medicalnet-resnet10", "segresnet-brats"])
def test_on_a_processor_volumes_are_computed_in_float32(name):
    network = builders.build_segmenter(name, 1, 1).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.zeros(1, 1).mm(torch.zeros(1, 1)).dtype == torch.bfloat16
        x = volume(1, (64, 32, 32) if name == "segresnet-brats" else (64, 64, 64))
        assert {features.dtype for features in network.encoder(x)} == {torch.float32}
        assert network(x).dtype == torch.float32


def test_names_of_a_slice_networks_checkpoint_are_left_alone():
    state = {"_conv_stem.weight": torch.ones(1), "down0.block1.double_conv.0.weight": torch.ones(1)}
    assert encoders_3d.rename_weights("efficientnet-lite0", state) == state


def test_an_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="unknown 3-D backbone 'unet'; known are deepbet"):
        encoders_3d.build_encoder("unet", 1)
