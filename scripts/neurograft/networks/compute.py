"""Set how networks are computed: device, memory layout, precision and reproducibility."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from neurograft.networks.stages import spatial_axes

# typed as Any, because its attribute is missing from torch's type hints
DETERMINISTIC: Any = torch.utils.deterministic
# wraps the forward pass of 3-D networks: on a CPU they compute in float32 (`encoders_3d`)
in_float32 = torch.autocast("cpu", enabled=False)


@contextmanager
def reproducible(seed, threads=1):
    """Fix torch's random numbers, thread count and choice of algorithms; restore the latter two afterwards.

    The thread count affects the result, because sums are split by it, so it does not depend on the number of cores of a
    run.
    """
    filling = DETERMINISTIC.fill_uninitialized_memory
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # Some operations have no deterministic version on CUDA, so there torch warns instead of failing. The usual
    # function, use_deterministic_algorithms, is avoided because it imports torch's compiler, which is not used.
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    # otherwise every new tensor is filled with NaN, which is not needed: no operation reads uninitialised memory
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


def free_memory():
    """Return the memory in MB that a network can have: of the GPU if there is one; None if nobody knows."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] // 10**6
    known = Path("/proc/meminfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((int(line.split()[1]) * 1024 // 10**6 for line in lines if line.startswith("MemAvailable")), None)


def lower_precision():
    """Return the autocast context in which networks run: bfloat16, if the GPU or CPU supports it.

    3-D networks on a CPU disable it themselves (`encoders_3d`). On a CPU with AMX, a step of slices takes a third less
    time.
    """
    if torch.cuda.is_available():
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.autocast("cpu", torch.bfloat16, enabled=processor_has_bfloat16())


def processor_has_bfloat16():
    """Check whether oneDNN computes in bfloat16 on this CPU, instead of converting to float32 and back."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def place_network(network):
    """Move a network to the device (`device`), with its kernels in the memory layout that is fast for convolutions."""
    return network.to(device(), memory_format=LAYOUTS[spatial_axes(network)])


def place_images(images):
    """Move a batch of slices or patches to the device, in the same memory layout as the network."""
    return images.to(device(), memory_format=LAYOUTS[images.ndim - 2])


# number of spatial axes to the memory layout that is fast for convolutions
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
