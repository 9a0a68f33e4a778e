"""ReLU of a convolution over utterances that lie in one long row [rows, channels].

In bfloat16, on a CPU that has instructions for it, this is torch's convolution of an image one pixel wide, channels
last: nothing is transposed but the gradient, once, without which that of the weights takes twice as long.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.functional import conv2d

_CHANNELS = 32  # with fewer, a layer is no gain, and torch's kernels have less to go wrong


def convolve(rows: Tensor, layer: nn.Conv1d, gaps: Tensor) -> Tensor:
    """Returns ``layer(rows).relu()`` [rows, out] of rows [rows, in], which are 0 in ``gaps`` and so is the answer.

    The first and the last rows, as many as the layer's padding, are in ``gaps``.
    """
    device = rows.device.type
    fast = device == "cpu" and torch.is_autocast_enabled(device) and multiplies_bfloat16()
    if fast and min(layer.in_channels, layer.out_channels) >= _CHANNELS:
        out: Tensor = _BFloat16.apply(rows.bfloat16(), layer.weight, layer.bias, gaps, layer.dilation[0])
        return out
    out = layer(rows.T[None])[0].T.relu()
    return out.index_fill(0, gaps, 0)


@cache
def multiplies_bfloat16() -> bool:
    """Returns whether this CPU has instructions for it."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class _Context(FunctionCtx):
    """The operands that the gradients need."""

    saved_tensors: tuple[Tensor, Tensor, Tensor]
    needs_input_grad: tuple[bool, ...]
    step: int


class _BFloat16(torch.autograd.Function):
    """Operands and answer are bfloat16, sums, weights and their gradients float32."""

    @staticmethod
    def forward(ctx: _Context, rows: Tensor, weight: Tensor, bias: Tensor, gaps: Tensor, step: int) -> Tensor:
        """Bfloat16 [rows, in], float32 weight [out, in, taps], taps ``step`` rows apart -> bfloat16 [rows, out]."""
        kernel = weight.bfloat16()[..., None].contiguous(memory_format=torch.channels_last)
        reach = step * (weight.shape[2] // 2)
        image = conv2d(_image(rows), kernel, bias.bfloat16(), padding=(reach, 0), dilation=(step, 1))
        out = _rows(image).relu_().index_fill_(0, gaps, 0)
        ctx.save_for_backward(rows, kernel, out)
        ctx.step = step
        return out

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        """Returns the gradients of rows, if they need one, weight and bias."""
        rows, kernel, out = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, out, 0)
        taps, step = kernel.shape[2], ctx.step
        reach = step * (taps // 2)
        of_rows = None
        if ctx.needs_input_grad[0]:
            form = [1, 1], [reach, 0], [step, 1], False, [0, 0], 1, [True, False, False]
            of_image = torch.ops.aten.convolution_backward(_image(gradient), _image(rows), kernel, None, *form)[0]
            of_rows = _rows(of_image)
        columns = gradient[reach : len(rows) - reach].T.contiguous()
        places = (rows[first : first + columns.shape[1]] for first in range(0, taps * step, step))
        of_weight = torch.stack([columns @ place for place in places], dim=2)
        return of_rows, of_weight.float(), gradient.sum(0, dtype=torch.float32), None, None


def _image(rows: Tensor) -> Tensor:
    """[rows, channels] -> [1, channels, rows, 1], channels last: a view."""
    return rows.view(1, len(rows), 1, -1).permute(0, 3, 1, 2)


def _rows(image: Tensor) -> Tensor:
    """[1, channels, rows, 1], channels last -> [rows, channels]."""
    return image.permute(0, 2, 3, 1).reshape(image.shape[2], -1)
