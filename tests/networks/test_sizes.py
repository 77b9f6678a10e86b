"""What large networks take, known without building them, against what they are."""

import pytest
import torch

from neurograft.networks import builders, encoders_3d, sizes


def count_values(name):
    """The values of a segmenter of two sequences and three regions, built without memory where that is possible."""
    with torch.device("cpu" if name.startswith("swin") else "meta"):
        network = builders.build_segmenter(name, 2, 3)
    return sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize("name", sizes.LARGE)
def test_weights_gradients_and_means_are_as_large_as_the_table_says(name):
    # of each value: itself, its gradient and two means, of four bytes
    assert sizes.LARGE[name][0] == pytest.approx(16e-6 * count_values(name), rel=0.1)


def test_memory_grows_with_the_patches_of_large_networks_alone():
    assert set(sizes.LARGE) < set(encoders_3d.BACKBONES_3D)
    assert sizes.training_memory("deepbet", 8) == sizes.training_memory("alexnet") == sizes.ORDINARY
    assert sizes.training_memory("resenc-l", 3) - sizes.training_memory("resenc-l", 2) == sizes.LARGE["resenc-l"][1]
    assert all(sizes.training_memory(name) >= sizes.ORDINARY for name in sizes.LARGE)
