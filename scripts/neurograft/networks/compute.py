"""How a network is computed: device, layout, precision, and the same numbers each time."""

from contextlib import contextmanager
from typing import Any

import torch

from neurograft.networks.stages import spatial_axes

# its attribute is not in torch's own types
DETERMINISTIC: Any = torch.utils.deterministic


@contextmanager
def reproducible(seed, threads=1):
    """Fix torch's random numbers, thread count and choice of algorithms; restore the latter two.

    The thread count is part of the result, since sums are split by it: it never follows the
    number of cores that a run was given.
    """
    filling = DETERMINISTIC.fill_uninitialized_memory
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # CUDA lacks a deterministic form of some operations: there it warns instead of failing. The function that is named
    # for this, use_deterministic_algorithms, imports torch's compiler, which nothing here uses.
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    # or every new tensor is first filled with NaN; no operation here reads before it writes
    DETERMINISTIC.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        DETERMINISTIC.fill_uninitialized_memory = filling


def device():
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def lower_precision():
    """Return the context in which a network runs: bfloat16 where the processor, or the GPU, computes in it.

    Not 3-D networks on a processor, which stay out of it by themselves (`encoders_3d`). A step of slices takes a third
    less time by it on a processor with AMX.
    """
    if torch.cuda.is_available():
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.autocast("cpu", torch.bfloat16, enabled=processor_has_bfloat16())


def processor_has_bfloat16():
    """Check whether oneDNN computes in bfloat16 on this processor, instead of converting to and fro."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def place_network(network):
    """Move a network to the GPU where there is one, its kernels in the layout that convolutions like."""
    return network.to(device(), memory_format=LAYOUTS[spatial_axes(network)])


def place_images(images):
    """Move a batch of slices or patches to where the network is, in the same layout."""
    return images.to(device(), memory_format=LAYOUTS[images.ndim - 2])


# axes of the images: the layout that convolutions like
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
