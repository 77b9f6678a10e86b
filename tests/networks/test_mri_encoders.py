"""Checkpoints pretrained on brain scans: made weights under the published names give the published networks' features.

The published networks are written out a second time, as functions of the published tensors.
"""

import argparse

import pytest
import torch
from monai.networks.nets.swin_unetr import SwinTransformer
from torch.nn import functional

from neurograft.networks import builders, encoders_3d, lora, monai_parts, stages
from neurograft.networks.mri_encoders import EachAlike
from neurograft.sources import weights

RESENC = {"widths": (4, 8, 8, 12, 16, 16), "blocks": (1, 2, 1, 1, 1, 2)}
# options of a narrow network of the same kind, and the channels of its maps
SLIM = {
    "resenc-l": (RESENC, RESENC["widths"]),
    "amaes-unet-b": ({"width": 4}, (4, 8, 16, 32, 64)),
    "swin-brainsegfounder": ({"width": 16}, (16, 32, 64, 128, 256)),
    "brain-id": ({"width": 16}, (16, 32, 64, 128, 256)),
}


@pytest.fixture(params=SLIM)
def slim(request, monkeypatch):
    """The name of a backbone, whose row builds a narrow network."""
    options, channels = SLIM[request.param]
    row = encoders_3d.BACKBONES_3D[request.param] | {"options": options, "channels": channels}
    monkeypatch.setitem(encoders_3d.BACKBONES_3D, request.param, row)
    return request.param


def volume(backbone, channels=1):
    """Noise; ResEnc-L needs more than one voxel at 1/32 of the size."""
    size = (64, 32, 32) if backbone == "resenc-l" else (32, 32, 32)
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))


def fill(shapes):
    """Made weights; scales of normalisation are near 1."""
    draw = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(shape, generator=draw) * (0.1 if len(shape) == 1 else (0.5 / shape[1]) ** 0.5)
        + (name.endswith(("norm.weight", "all_modules.1.weight")))
        for name, shape in shapes.items()
    }


def conv_norm(place, before, after, size=3, bias=True):
    shapes = {f"{place}.conv.weight": (after, before, size, size, size)}
    shapes |= {f"{place}.conv.bias": (after,)} if bias else {}
    return shapes | {f"{place}.norm.weight": (after,), f"{place}.norm.bias": (after,)}


def convolve(state, place, x, stride=1):
    kernel, bias = state[f"{place}.conv.weight"], state.get(f"{place}.conv.bias")
    x = functional.conv3d(x, kernel, bias, stride, padding=kernel.shape[2] // 2)
    return functional.instance_norm(x, weight=state[f"{place}.norm.weight"], bias=state[f"{place}.norm.bias"])


def make_openmind():
    """As nnssl saves it: the tensors of `encoder`, again under the second names of its sequences and of the decoder."""
    shapes, before = conv_norm("encoder.stem.convs.0", 1, RESENC["widths"][0]), RESENC["widths"][0]
    for stage, (width, count) in enumerate(zip(RESENC["widths"], RESENC["blocks"], strict=True)):
        for block in range(count):
            place = f"encoder.stages.{stage}.blocks.{block}"
            shapes |= conv_norm(f"{place}.conv1", before, width) | conv_norm(f"{place}.conv2", width, width)
            shapes |= conv_norm(f"{place}.skip.1", before, width, 1, bias=False) if before != width else {}
            before = width
    state = fill(shapes)
    again = {
        name.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1."): state[name] for name in state
    }
    state |= again
    state |= {f"decoder.{name}": value for name, value in state.items()} | {"decoder.seg_layers.0.bias": torch.ones(1)}
    content = {"network_weights": state, "optimizer_state": {}, "trainer_name": "BaseMAETrainer", "current_epoch": 1000}
    return content, len(state) - len(shapes)


def compute_openmind(state, x):
    x, features = functional.leaky_relu(convolve(state, "encoder.stem.convs.0", x), 0.01), []
    for stage, count in enumerate(RESENC["blocks"]):
        for block in range(count):
            place, stride = f"encoder.stages.{stage}.blocks.{block}", 2 if stage and not block else 1
            inner = functional.leaky_relu(convolve(state, f"{place}.conv1", x, stride), 0.01)
            x = functional.avg_pool3d(x, stride) if stride > 1 else x
            x = convolve(state, f"{place}.skip.1", x) if f"{place}.skip.1.conv.weight" in state else x
            x = functional.leaky_relu(convolve(state, f"{place}.conv2", inner) + x, 0.01)
        features.append(x)
    return features


def make_amaes():
    """As AMAES saves it: the names of a compiled network, without a nest."""
    shapes, before = {}, 1
    for stage, width in enumerate(SLIM["amaes-unet-b"][1]):
        place = f"model._orig_mod.encoder.{f'encoder_conv{stage}' if stage else 'in_conv'}"
        shapes |= conv_norm(f"{place}.conv1", before, width) | conv_norm(f"{place}.conv2", width, width)
        before = width
    return fill(shapes) | {"model._orig_mod.rec_head.upsample1.weight": torch.ones(2)}, 1


def compute_amaes(state, x):
    features = []
    for stage in range(5):
        place = f"model._orig_mod.encoder.{f'encoder_conv{stage}' if stage else 'in_conv'}"
        x = functional.max_pool3d(x, 2) if stage else x
        for layer in ("conv1", "conv2"):
            x = functional.leaky_relu(convolve(state, f"{place}.{layer}", x), 0.01)
        features.append(x)
    return features


def published_swin():
    torch.manual_seed(1)
    return SwinTransformer(
        1, 16, (7, 7, 7), (2, 2, 2), (2, 2, 2, 2), (1, 2, 4, 8), spatial_dims=3, qkv_bias=True
    ).eval()


def make_brainsegfounder():
    """As a training on several GPUs saves it, with the heads of its three tasks."""
    state = {f"module.swinViT.{name}": value for name, value in published_swin().state_dict().items()}
    heads = {
        f"module.{name}": torch.ones(2) for name in ("rotation_head.weight", "contrastive_head.bias", "conv.0.weight")
    }
    return {"global_step": 75, "epoch": 1, "state_dict": state | heads, "optimizer": {"state": {}}}, 3


def compute_brainsegfounder(_, x):
    return published_swin().double()(x)


def make_brain_id():
    """As Brain-ID saves it: the settings beside the tensors are an object, and there is a head."""
    widths, shapes = SLIM["brain-id"][1], {}
    paths = [
        ("encoders", number, before, width // 2, width)
        for number, (before, width) in enumerate(zip((1, *widths), widths, strict=False))
    ]
    paths += [("decoders", number, 3 * width, width, width) for number, width in enumerate(widths[-2::-1])]
    for kind, number, before, between, width in paths:
        for layer, ends in (("SingleConv1", (before, between)), ("SingleConv2", (between, width))):
            place = f"backbone.{kind}.{number}.basic_module.{layer}"
            shapes |= {f"{place}.groupnorm.{part}": (ends[0],) for part in ("weight", "bias")}
            shapes |= {f"{place}.conv.weight": (ends[1], ends[0], 3, 3, 3)}
    state = fill(shapes) | {"head.final_conv_image.weight": torch.ones(1)}
    return {"model": state, "epoch": 90, "args": argparse.Namespace(backbone="unet3d"), "best_val_stats": None}, 1


def compute_brain_id(state, x):
    def twice(place, x):
        for layer in ("SingleConv1", "SingleConv2"):
            name, channels = f"backbone.{place}.basic_module.{layer}", x.shape[1]
            scale, shift = state[f"{name}.groupnorm.weight"], state[f"{name}.groupnorm.bias"]
            x = functional.group_norm(x, 8 if channels >= 8 else 1, scale, shift)
            x = functional.leaky_relu(functional.conv3d(x, state[f"{name}.conv.weight"], padding=1), 0.01)
        return x

    skips = [twice("encoders.0", x)]
    for number in range(1, 5):
        skips.append(twice(f"encoders.{number}", functional.max_pool3d(skips[-1], 2)))
    features = [skips.pop()]
    for number in range(4):
        skip = skips.pop()
        wider = functional.interpolate(features[-1], size=skip.shape[2:])
        features.append(twice(f"decoders.{number}", torch.cat((skip, wider), 1)))
    return features[::-1]


PUBLISHED = {
    "resenc-l": (make_openmind, compute_openmind),
    "amaes-unet-b": (make_amaes, compute_amaes),
    "swin-brainsegfounder": (make_brainsegfounder, compute_brainsegfounder),
    "brain-id": (make_brain_id, compute_brain_id),
}


def load(backbone, state, in_channels=1):
    """An encoder with a source's weights, and what the loading reports."""
    holder = torch.nn.Module()
    holder.encoder = encoders_3d.build_encoder(backbone, in_channels)
    report = builders.load_source(holder, encoders_3d.rename_weights(backbone, state))
    return holder.encoder.eval(), report


@pytest.fixture
def checkpoint(slim, tmp_path):
    """A made checkpoint as it is published, and the number of tensors that no encoder has."""
    content, unused = PUBLISHED[slim][0]()
    torch.save(content, tmp_path / "weights")
    return weights.load_weights(tmp_path / "weights"), unused


def test_features_equal_the_published_networks_at_every_scale(slim, checkpoint):
    state, unused = checkpoint
    encoder, report = load(slim, state)
    assert report == {"loaded_share": 1.0, "missing": [], "why": {}, "unused": unused}
    nested = PUBLISHED[slim][0]()[0]
    published = {
        name: value.double() for name, value in nested.get("network_weights", nested.get("model", nested)).items()
        if isinstance(value, torch.Tensor)
    }  # fmt: skip
    # in double precision, because random weights amplify rounding from layer to layer
    with torch.no_grad():
        found = encoder.double()(volume(slim).double())
        wanted = PUBLISHED[slim][1](published, volume(slim).double())
    row = encoders_3d.BACKBONES_3D[slim]
    assert [tuple(one.shape[1:]) for one in found] == [
        (width, *[size // row["finest"] // 2**place for size in volume(slim).shape[2:]])
        for place, width in enumerate(row["channels"])
    ]
    for one, other in zip(found, wanted, strict=True):
        assert float(other.std()) > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_the_weights_on_equal_channels_give_what_one_gives(slim, checkpoint):
    one, _ = load(slim, checkpoint[0])
    three, report = load(slim, checkpoint[0], 3)
    assert report["loaded_share"] == 1
    with torch.no_grad():
        for wanted, found in zip(one(volume(slim)), three(volume(slim).expand(1, 3, -1, -1, -1)), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_another_networks_checkpoint_is_refused(slim, checkpoint):
    state = {name: value[:2] if value.ndim else value for name, value in checkpoint[0].items()}
    with pytest.raises(ValueError, match="of the encoder's weights fit, 90% are asked for"):
        load(slim, state)


def test_segmenters_give_a_logit_a_region_and_voxel_in_float32_and_fall_into_stages(slim):
    network = builders.build_segmenter(slim, 2, 3).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = network(volume(slim, 2))
        assert logits.shape == (1, 3, *volume(slim).shape[2:]) and logits.dtype == torch.float32
        assert {features.dtype for features in network.encoder(volume(slim, 2))} == {torch.float32}
    found = stages.split_stages(network)
    assert len(found) == len(SLIM[slim][1])
    names = [each for stage in found for each in stage]
    assert sorted(names) == sorted(each for each, _ in network.named_parameters() if each.startswith("encoder."))
    assert "encoder." + network.encoder.stem in found[0] and stages.spatial_axes(network) == 3


def test_the_last_stage_of_a_u_net_is_the_one_before_its_output(monkeypatch):
    options, channels = SLIM["brain-id"]
    monkeypatch.setitem(
        encoders_3d.BACKBONES_3D,
        "brain-id",
        encoders_3d.BACKBONES_3D["brain-id"] | {"options": options, "channels": channels},
    )
    found = stages.split_stages(builders.build_segmenter("brain-id", 1, 1))
    assert all(name.startswith("encoder.decoders.3.") for name in found[-1])
    assert all(name.startswith("encoder.encoders.") for name in found[0])


def test_the_first_step_of_lora_equals_the_source_and_changes_every_kind_of_layer(slim):
    network = builders.build_segmenter(slim, 2, 1).eval()
    with torch.no_grad():
        wanted = network(volume(slim, 2))
        factors = len(lora.factor_names(network, 4))
        lora.inject(network, 4)
        assert torch.equal(network(volume(slim, 2)), wanted)
    # the transformer's kernels are in linear layers: four in each of 8 blocks, one in each of 4 mergings of patches
    assert factors == 2 * (8 * 4 + 4 + 1) if slim.startswith("swin") else factors > 10


# tensors and values of the encoder (Brain-ID: of its U-Net) in the authors' own programs
@pytest.mark.parametrize(
    ("name", "tensors", "values"),
    [
        ("resenc-l", 224, 90296576),
        ("amaes-unet-b", 40, 14134944),
        ("swin-brainsegfounder", 126, 8062002),
        ("brain-id", 54, 65869986),
    ],
)
def test_the_whole_networks_have_the_published_tensors(name, tensors, values):
    # without memory, but for the transformer, which reads numbers while it is built
    with torch.device("cpu" if name.startswith("swin") else "meta"):
        encoder = encoders_3d.build_encoder(name, 1)
    assert (len(encoder.state_dict()), sum(each.numel() for each in encoder.parameters())) == (tensors, values)


def test_sequences_of_other_scales_are_normalised_each_by_itself():
    x = volume("brain-id", 2)
    found = EachAlike()(torch.cat([x[:, :1], 50 + 7 * x[:, 1:]], 1))
    torch.testing.assert_close(found, EachAlike()(x), rtol=1e-3, atol=1e-3)


def test_axes_are_reordered_as_einops_would():
    assert monai_parts.permute_axes(torch.zeros(1, 2, 3, 4, 5), "b c d h w -> b d h w c").shape == (1, 3, 4, 5, 2)
