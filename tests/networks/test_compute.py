"""How a network is computed: the same each time, and without a trace afterwards."""

import os
import subprocess
import sys
from pathlib import Path

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


LIBRARY = Path(__file__).parents[2] / "scripts"
LARGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
CODE = """
import re, resource, sys
import numpy as np
from neurograft import memory
kept = memory.keep_freed_memory() if sys.argv[1] == "keep" else False
for _ in range(3):
    np.ones(2**22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(2**22)
count = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
held = np.ones(2**24)
maps = open("/proc/self/smaps").read() if sys.platform == "linux" else ""
print(kept, count, sum(map(int, re.findall(r"\\[heap\\].*?AnonHugePages: +(\\d+)", maps, re.S))))
"""


def words_of(code, *arguments):
    """What a process of its own prints."""
    # NumPy asks for large pages itself, torch does not
    environment = os.environ | {"PYTHONPATH": str(LIBRARY), "NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


def run(way):
    """Page faults of fifty arrays of 32 MB made one after another in a process of its own, and kB in large pages."""
    kept, count, large = words_of(CODE, way)
    if kept != str(way == "keep"):
        pytest.skip("this C library has no mallopt")
    return int(count), int(large)


def test_memory_is_not_fetched_anew_for_every_array():
    assert run("keep")[0] < 0.1 * run("leave")[0]


def test_an_array_lies_in_large_pages():
    if not LARGE.exists() or "[never]" in LARGE.read_text():
        pytest.skip("this system has no large pages to give")
    # of 128 MB all but the ends
    assert run("keep")[1] > 2**16


def test_without_addresses_to_spare_the_memory_is_kept_all_the_same():
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))\n"
    code = (
        limited + "from neurograft.networks import compute; compute.keep_freed_memory(); print(len(bytearray(2**20)))"
    )
    assert words_of(code) == [str(2**20)]
