"""The U-Net for FLAIR abnormalities: equal to a checkpoint's own arithmetic, and handed on with its decoder."""

import pytest
import torch
from torch.nn import functional

from neurograft.networks import builders, flair_unet

WIDTHS = (3, 32, 64, 128, 256, 512)


@pytest.fixture(scope="module")
def checkpoint():
    """Random tensors with the names and shapes of the published file, which cannot be had here."""
    random = torch.Generator().manual_seed(0)
    state = {}

    def block(prefix, name, before, after):
        for number, channels in ((1, before), (2, after)):
            kernel = torch.randn(after, channels, 3, 3, generator=random) * (2 / (9 * channels)) ** 0.5
            state[f"{prefix}.{name}conv{number}.weight"] = kernel
            norm = f"{prefix}.{name}norm{number}"
            state[f"{norm}.weight"] = 0.5 + torch.rand(after, generator=random)
            state[f"{norm}.bias"] = torch.randn(after, generator=random) / 10
            state[f"{norm}.running_mean"] = torch.randn(after, generator=random) / 10
            state[f"{norm}.running_var"] = 0.5 + torch.rand(after, generator=random)
            state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    for number in range(1, 5):
        block(f"encoder{number}", f"enc{number}", WIDTHS[number - 1], WIDTHS[number])
    block("bottleneck", "bottleneck", 256, 512)
    for number in range(4, 0, -1):
        deep, skip = WIDTHS[number + 1], WIDTHS[number]
        state[f"upconv{number}.weight"] = torch.randn(deep, skip, 2, 2, generator=random) / deep**0.5
        state[f"upconv{number}.bias"] = torch.randn(skip, generator=random) / 10
        block(f"decoder{number}", f"dec{number}", 2 * skip, skip)
    state["conv.weight"] = torch.randn(1, 32, 1, 1, generator=random) / 6
    state["conv.bias"] = torch.randn(1, generator=random)
    return state


def compute(state, images):
    """The logits of the checkpoint's network, written out: blocks, pooling, and transposed convolutions with skips."""

    def block(x, prefix, name):
        for number in (1, 2):
            x = functional.conv2d(x, state[f"{prefix}.{name}conv{number}.weight"], padding=1)
            norm = [state[f"{prefix}.{name}norm{number}.{part}"] for part in ("running_mean", "running_var")]
            norm += [state[f"{prefix}.{name}norm{number}.{part}"] for part in ("weight", "bias")]
            x = functional.relu(functional.batch_norm(x, *norm))
        return x

    skips, x = [], images
    for number in range(1, 5):
        skips.append(block(x, f"encoder{number}", f"enc{number}"))
        x = functional.max_pool2d(skips[-1], 2)
    x = block(x, "bottleneck", "bottleneck")
    for number in range(4, 0, -1):
        x = functional.conv_transpose2d(x, state[f"upconv{number}.weight"], state[f"upconv{number}.bias"], stride=2)
        x = block(torch.cat((x, skips[number - 1]), dim=1), f"decoder{number}", f"dec{number}")
    return functional.conv2d(x, state["conv.weight"], state["conv.bias"])


def load(checkpoint, channels=3, outputs=("WT",)):
    network = builders.build_segmenter(flair_unet.NAME, channels, len(outputs))
    loaded = builders.load_source(network, checkpoint)
    top = builders.load_top(network, flair_unet.take_top(checkpoint), list(flair_unet.OUTPUTS), list(outputs))
    return network.eval(), loaded, top


def test_outputs_equal_the_checkpoints(checkpoint):
    network, loaded, top = load(checkpoint)
    assert loaded["loaded_share"] == top["loaded_share"] == 1
    assert not loaded["missing"]
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network(images), compute(checkpoint, images), rtol=1e-4, atol=1e-3)


def test_the_whole_tumours_output_is_handed_on_and_the_others_are_new(checkpoint):
    network, _, top = load(checkpoint, outputs=("WT", "TC", "ET"))
    assert top["loaded_share"] > 0.99 and not {"head.weight", "head.bias"} & top["whole"]
    assert {"decoder1.dec1conv2.weight", "upconv4.bias"} <= top["whole"]
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network(images)
        torch.testing.assert_close(found[:, :1], compute(checkpoint, images), rtol=1e-4, atol=1e-3)
    assert found.shape == (1, 3, 32, 32)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_the_first_kernel_is_shared_out_over_other_channels(checkpoint, channels):
    network, loaded, _ = load(checkpoint, channels)
    assert loaded["loaded_share"] == 1
    one = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = network(one.expand(1, channels, 32, 32))
        wanted = compute(checkpoint, one.expand(1, 3, 32, 32))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-2)


def test_another_checkpoint_is_refused(checkpoint):
    network = builders.build_segmenter(flair_unet.NAME, 3, 1)
    narrow = {
        name: value[..., :16] if value.ndim == 1 else value[:16] for name, value in checkpoint.items() if value.ndim
    }
    with pytest.raises(ValueError, match="of the encoder's weights fit, 90% are asked for"):
        builders.load_source(network, narrow)
    assert flair_unet.take_top({"fc.weight": torch.zeros(1)}) == {}
