"""How a network is computed: the same each time, and without a trace afterwards."""

import pytest
import torch
from torch import nn

from neurograft.networks import compute


def convolution(axes):
    return (nn.Conv2d if axes == 2 else nn.Conv3d)(2, 3, 3)


def test_random_numbers_depend_on_the_seed_alone():
    drawn = []
    for seed in (1, 1, 2):
        torch.rand(7)  # whatever the process did before
        with compute.reproducible(seed):
            drawn.append(torch.rand(5))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("fails", [False, True])
def test_settings_are_put_back_also_after_a_failure(fails):
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    try:
        with compute.reproducible(0, threads=before[0] + 1):
            assert torch.get_num_threads() == before[0] + 1
            assert torch.are_deterministic_algorithms_enabled()
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.utils.deterministic.fill_uninitialized_memory == filling


@pytest.mark.parametrize("axes", [2, 3])
def test_layout_changes_where_numbers_lie_and_none_of_them(axes):
    layout = compute.LAYOUTS[axes]
    images = torch.rand(2, 2, *[6] * axes)
    placed = compute.place_images(images)
    assert placed.is_contiguous(memory_format=layout) and torch.equal(placed.cpu(), images)
    network = convolution(axes).requires_grad_(False)
    expected = network(images)
    torch.testing.assert_close(compute.place_network(network)(placed).cpu(), expected, atol=1e-5, rtol=1e-4)
    assert network.weight.is_contiguous(memory_format=layout)


def test_lower_precision_ends_with_its_block():
    network, images = convolution(2), torch.rand(1, 2, 8, 8)
    with compute.lower_precision():
        inside = network(images).dtype
    supported = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert inside == (torch.bfloat16 if supported and not torch.cuda.is_available() else inside)
    assert network(images).dtype == torch.float32


def test_a_machine_without_a_gpu_computes_on_its_processor():
    assert compute.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
