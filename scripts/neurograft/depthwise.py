"""Depthwise convolution with the gradients that oneDNN is slow at computed another way: the same numbers, sooner.

Of a training step of EfficientNet-Lite on a processor, an eighth went to the gradients of depthwise kernels of 5 x 5:
oneDNN's fast code for them ends at a width of 3, beyond which it takes a sixteenfold detour over dense kernels. In
bfloat16 it has no fast code for the gradient of the input of strided ones either, and takes ten times as long as in
float32.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

WIDEST = 3  # columns of a kernel whose gradient oneDNN computes by its fast code


class DepthwiseConv2d(nn.Conv2d):
    """One kernel for each channel; the output has the size of the input over the stride, rounded up.

    Where the margin cannot be the same on both sides, the voxel more is at the end, as in TensorFlow.

    Parameters
    ----------
    channels, size, stride : int
        Of channels; side of the square kernels; in both directions.
    """

    def __init__(self, channels, size, stride=1):
        super().__init__(channels, channels, size, stride=stride, groups=channels, bias=False)

    def forward(self, images):
        """Convolve a batch, shape (batch, channels, X, Y); on a processor also fast where it is differentiated."""
        images, padding = _pad(images, self.kernel_size[0], self.stride[0])
        if images.device.type != "cpu":
            return functional.conv2d(images, self.weight, None, self.stride, padding, groups=len(self.weight))
        # autocast does not reach into a function of one's own
        low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        return _Depthwise.apply(images.to(low), self.weight.to(low), self.stride[0], padding)


class _Depthwise(torch.autograd.Function):
    """The convolution, and its two gradients by `_input_gradient` and `_kernel_gradient`."""

    @staticmethod
    def forward(context, images, kernels, stride, padding):
        context.save_for_backward(images, kernels)
        context.geometry = stride, padding
        return functional.conv2d(images, kernels, None, stride, padding, groups=len(kernels))

    @staticmethod
    @once_differentiable
    def backward(context, gradient):
        images, kernels = context.saved_tensors
        of_images = of_kernels = None
        if context.needs_input_grad[0]:
            of_images = _input_gradient(gradient, images, kernels, *context.geometry)
        if context.needs_input_grad[1]:
            of_kernels = _kernel_gradient(gradient, images, kernels, *context.geometry)
        return of_images, of_kernels, None, None


def _pad(images, size, stride):
    """Give the images, with a margin where its sides differ, and the margin that is left to the convolution."""
    totals = [max((-(-length // stride) - 1) * stride + size - length, 0) for length in images.shape[2:]]
    margins = [(total // 2, total - total // 2) for total in totals]
    if all(before == behind for before, behind in margins):
        return images, [before for before, _ in margins]
    return functional.pad(images, [*margins[1], *margins[0]]), [0, 0]


def _input_gradient(gradient, images, kernels, stride, padding):
    """Carry the gradient of the output back to the images; in float32 where bfloat16 is slow."""
    if stride > 1 and images.dtype == torch.bfloat16:
        like = torch.empty_like(images, dtype=torch.float32)  # its size alone is looked at
        found = _gradient(gradient.float(), like, kernels.float(), stride, padding, (True, False))
        return found.to(images.dtype)
    return _gradient(gradient, images, kernels, stride, padding, (True, False))


def _kernel_gradient(gradient, images, kernels, stride, padding):
    """Carry the gradient of the output back to the kernels, a few of their columns at a time."""
    size = kernels.shape[-1]
    if size <= WIDEST:
        return _gradient(gradient, images, kernels, stride, padding, (False, True))
    (above, before), length = padding, (gradient.shape[-1] - 1) * stride
    whole, found = functional.pad(images, (before, before, above, above)), []
    for first in range(0, size, WIDEST):
        columns = kernels[..., first : first + WIDEST].contiguous()
        under = whole[..., first : first + length + columns.shape[-1]].contiguous(memory_format=torch.channels_last)
        found.append(_gradient(gradient, under, columns, stride, [0, 0], (False, True)))
    return torch.cat(found, -1)


def _gradient(gradient, images, kernels, stride, padding, wanted):
    """Give the gradient of the images or of the kernels, as torch computes it."""
    geometry = [stride, stride], padding, [1, 1], False, [0, 0], len(kernels)
    both = torch.ops.aten.convolution_backward(gradient, images, kernels, None, *geometry, [*wanted, False])
    return both[0] if wanted[0] else both[1]
