"""How a network is computed: the same each time, and without a trace afterwards."""

import os
import re
import threading

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import gpu
from neurograft.networks import builders, compute
from neurograft.training import loop


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


@pytest.mark.parametrize(
    ("bfloat16", "capability", "low"),
    [(True, (8, 0), torch.bfloat16), (False, (7, 5), torch.float16), (False, (6, 1), None)],
)
def test_a_gpu_computes_in_the_lowest_precision_that_it_is_fast_in(bfloat16, capability, low, monkeypatch):
    """Replaced: what torch says of a GPU, since there is none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16 or including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    plan = compute.choose_plan()
    assert (plan.device, plan.low, plan.pinned, plan.ahead > 0) == ("cuda", low, True, True)
    assert plan.scaled == (low == torch.float16) and compute.device().type == "cuda"


def test_a_processor_asks_for_no_page_locked_memory_no_thread_and_no_scaling(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    plan = compute.choose_plan()
    assert (plan.device, plan.pinned, plan.ahead, plan.scaled) == ("cpu", False, 0, False)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pytest.fail("pinned on a processor"))
    drawn = (torch.ones(2), None)
    with compute.load_ahead([drawn]) as batches:
        assert next(batches) is drawn
    loss = torch.ones((), requires_grad=True)
    assert compute.make_scaler().scale(loss) is loss


def test_batches_are_drawn_ahead_into_page_locked_memory_in_their_order(monkeypatch):
    """Replaced: `pin_memory`, which needs CUDA; here it tells who called it."""
    threads, drawn = set(), []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: threads.add(threading.current_thread()) or -self)
    gpu.take(monkeypatch, ahead=2, pinned=True)

    def draw():
        for number in range(6):
            drawn.append(number)
            yield torch.tensor(number), None

    with compute.load_ahead(draw()) as batches:
        first = next(batches)
        assert first == (0, None)
        assert [int(images) for images, _ in batches] == [-1, -2, -3, -4, -5]
    assert drawn == list(range(6)) and threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_no_more_batches_are_drawn_than_asked_for_and_an_error_comes_in_its_place(monkeypatch):
    gpu.take(monkeypatch, ahead=2)
    drawn = []

    def draw():
        for number in range(9):
            drawn.append(number)
            if number == 4:
                raise ValueError("damaged slice")
            yield (number,)

    with compute.load_ahead(draw()) as batches:
        next(batches)
    assert len(drawn) <= 3
    drawn.clear()
    with compute.load_ahead(draw()) as batches:
        assert [next(batches)[0] for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="damaged slice"):
            next(batches)


def test_only_page_locked_batches_are_copied_without_waiting(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **options: asked.append(options) or self)
    for pinned in (False, True):
        gpu.take(monkeypatch, pinned=pinned)
        compute.place(torch.ones(1))
        compute.place_images(torch.ones(1, 1, 2, 2))
    assert [options["non_blocking"] for options in asked] == [False, False, True, True]
    assert asked[3]["memory_format"] == torch.channels_last


def test_a_gpu_warns_where_an_operation_is_not_deterministic_and_sums_in_a_fixed_workspace(monkeypatch):
    """Replaced: the name of the device; nothing is computed on it."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with compute.reproducible(0):
        assert torch.get_deterministic_debug_mode() == 2
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    gpu.take(monkeypatch, device="cuda", undetermined="warn")
    with compute.reproducible(0):
        assert torch.get_deterministic_debug_mode() == 1
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with compute.reproducible(0):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


class Operations(TorchDispatchMode):
    """Lists the operations that run, also those of the backward pass."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.add(operation._schema.name.removeprefix("aten::"))
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("backbone", "size"),
    [("efficientnet-lite0", (32, 32)), ("alexnet", (64, 64)), ("vgg19", (32, 32)), ("flair-unet", (32, 32)),
     ("deepbet", (64, 64, 64)), ("medicalnet-resnet10", (64, 64, 64)), ("segresnet-brats", (32, 32, 32))],
)  # fmt: skip
def test_training_to_segment_has_only_operations_that_are_deterministic_on_a_gpu(backbone, size):
    """Listed on the processor, held against those of which torch says that they have no such version on CUDA."""
    with compute.reproducible(0):
        network = builders.build_segmenter(backbone, 3, 1)
    images, truth = torch.rand(2 if len(size) == 2 else 1, 3, *size), torch.ones(1)
    with Operations() as run:
        logits = network(images)
        loop.dice_and_cross_entropy(logits, truth.expand_as(logits)).backward()
    assert {"convolution", "convolution_backward"} <= run.names
    assert not {name for name in run.names if re.search(UNDETERMINED, name)}


# names of operations in the documentation of `use_deterministic_algorithms` (torch 2.13) that fail under it on CUDA
UNDETERMINED = (
    "avg_pool3d_backward|adaptive_.*backward|fractional_max|max_unpool|upsample_(linear|bilinear|bicubic|trilinear).*"
    "backward|reflection_pad.*backward|nll_loss|ctc_loss|embedding_bag|^put_|histc|bincount|median|grid_sampler.*backward|cumsum"
)
