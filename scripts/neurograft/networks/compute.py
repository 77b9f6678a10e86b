"""Set how networks are computed: device, memory layout, precision, loading and reproducibility.

Everything that differs between a GPU and a processor is in one `ComputePlan`, so that a test can take a GPU's way on a
processor. The code has no other question for the device.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neurograft.networks.stages import spatial_axes

# typed as Any, because its attribute is missing from torch's type hints
DETERMINISTIC: Any = torch.utils.deterministic
# wraps the forward pass of 3-D networks: on a CPU they compute in float32 (`encoders_3d`)
in_float32 = torch.autocast("cpu", enabled=False)
AHEAD = 2  # batches that are drawn while a GPU computes
TENSOR_CORES = (7, 0)  # compute capability from which on a GPU multiplies fast in float16
# of cuBLAS: a fixed one, without which products of matrices on a GPU may be summed in another order each time
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


@dataclass(frozen=True)
class ComputePlan:
    """How this process computes networks; the defaults are those of a processor.

    Attributes
    ----------
    device : str
        Its name in torch.
    low : torch.dtype, optional
        Lower precision of convolutions and products of matrices (autocast); None: float32.
    pinned : bool
        Batches are copied to the device from page-locked memory, without waiting for the copy.
    ahead : int
        Batches that a thread draws while the device computes; 0: no thread.
    undetermined : {"error", "warn"}
        What torch does at an operation that has no deterministic version.
    """

    device: str = "cpu"
    low: torch.dtype | None = None
    pinned: bool = False
    ahead: int = 0
    undetermined: str = "error"

    @property
    def scaled(self):
        """Whether losses are scaled up for the backward pass, because small gradients are 0 in float16."""
        return self.low == torch.float16


def choose_plan():
    """Choose how networks are computed: on the GPU if there is one, else on the processor.

    A GPU computes in bfloat16 if it has it, else in float16 if that is fast, else in float32; a processor in bfloat16
    or float32.
    """
    if not torch.cuda.is_available():
        return ComputePlan(low=torch.bfloat16 if processor_has_bfloat16() else None)
    low = torch.float16 if torch.cuda.get_device_capability() >= TENSOR_CORES else None
    low = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else low
    # some operations have no deterministic version on CUDA, so there torch warns instead of failing
    return ComputePlan("cuda", low, pinned=True, ahead=AHEAD, undetermined="warn")


@contextmanager
def reproducible(seed, threads=1):
    """Fix torch's random numbers, thread count and choice of algorithms; restore the latter two afterwards.

    The thread count affects the result, because sums are split by it, so it does not depend on the number of cores of a
    run.
    """
    filling = DETERMINISTIC.fill_uninitialized_memory
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    plan = choose_plan()
    if plan.device != "cpu":
        os.environ.setdefault(*WORKSPACE)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # The usual function, use_deterministic_algorithms, is avoided because it imports torch's compiler, which is not
    # used. Either makes cuDNN choose deterministic algorithms, without trying which is fastest.
    torch.set_deterministic_debug_mode(plan.undetermined)
    # otherwise every new tensor is filled with NaN, which is not needed: no operation reads uninitialised memory
    DETERMINISTIC.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        DETERMINISTIC.fill_uninitialized_memory = filling


def device():
    """Return the device of the plan."""
    return torch.device(choose_plan().device)


def free_memory():
    """Return the memory in MB that a network can have: of the GPU if there is one; None if nobody knows."""
    if device().type == "cuda":
        return torch.cuda.mem_get_info()[0] // 10**6
    known = Path("/proc/meminfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((int(line.split()[1]) * 1024 // 10**6 for line in lines if line.startswith("MemAvailable")), None)


def lower_precision():
    """Return the autocast context in which networks run: float32, or the lower precision of the plan.

    3-D networks on a CPU disable it themselves (`encoders_3d`). On a CPU with AMX, a step of slices takes a third less
    time.
    """
    plan = choose_plan()
    return torch.autocast(plan.device, plan.low or torch.bfloat16, enabled=plan.low is not None)


def make_scaler():
    """Make the scaler of a training's losses, which passes everything through unless the plan is for float16.

    It skips a step whose gradients are not finite and then scales less.
    """
    plan = choose_plan()
    return torch.amp.GradScaler(plan.device, enabled=plan.scaled)


def processor_has_bfloat16():
    """Check whether oneDNN computes in bfloat16 on this CPU, instead of converting to float32 and back."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def place_network(network):
    """Move a network to the device (`device`), with its kernels in the memory layout that is fast for convolutions."""
    return network.to(device(), memory_format=LAYOUTS[spatial_axes(network)])


def place_images(images):
    """Move a batch of slices or patches to the device, in the same memory layout as the network."""
    return place(images, memory_format=LAYOUTS[images.ndim - 2])


def place(tensor, **layout):
    """Move a tensor of a batch to the device; from page-locked memory (`load_ahead`) without waiting for the copy."""
    plan = choose_plan()
    return tensor.to(plan.device, non_blocking=plan.pinned, **layout)


@contextmanager
def load_ahead(batches):
    """Have batches drawn, and put into page-locked memory, by a thread while the device computes.

    Without `ahead` in the plan the batches are drawn where they are used. Batches, their order and their bytes are the
    same either way: one thread draws them, one after the other, and drawing has random numbers of its own.

    Parameters
    ----------
    batches : iterable of tuple
        Of tensors and other values; it may be endless.

    Yields
    ------
    iterator of tuple
        To be used within the context, at whose end the thread ends; an error in drawing is raised where the batch would
        have been.
    """
    plan, batches = choose_plan(), iter(batches)
    if not plan.ahead:
        yield batches
        return
    with ThreadPoolExecutor(1, "drawing") as pool:
        waiting = deque(pool.submit(_draw, batches, plan.pinned) for _ in range(plan.ahead))

        def take():
            while (batch := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(_draw, batches, plan.pinned))
                yield batch

        try:
            yield take()
        finally:
            pool.shutdown(cancel_futures=True)


def _draw(batches, pinned):
    """Draw the next batch, None at the end; in page-locked memory if asked for."""
    batch = next(batches, None)
    if batch is None or not pinned:
        return batch
    return tuple(part.pin_memory() if isinstance(part, torch.Tensor) else part for part in batch)


# number of spatial axes to the memory layout that is fast for convolutions
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
