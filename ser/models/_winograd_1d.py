"""Convolution by three taps along rows with 4 / 3 products per output in place of 3: Lavin & Gray 2016, F(6, 3).

A tile of eight rows gives six rows of output by eight matrix products, interpolating at 0, ±1, ±2, ±1/2 and infinity.
In float32 the answer is wrong by five times as much as the plain sum's (1e-6 of its size).

Rows lie in planes [8, tiles, channels] from the first layer to the last (``ser.models._layout.in_tiles``): plane k has
row k of each tile, so that a transform of all tiles is one matrix product. Planes 1 to 6 have each row once; 0 and 7
are copies of what the neighbouring tiles have in 6 and 1. A gradient is whole in planes 1 to 6, and not read elsewhere.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

_TILE = torch.tensor(
    [
        [1, 0, -21 / 4, 0, 21 / 4, 0, -1, 0],
        [0, 1, 1, -17 / 4, -17 / 4, 1, 1, 0],
        [0, -1, 1, 17 / 4, -17 / 4, -1, 1, 0],
        [0, 1 / 2, 1 / 4, -5 / 2, -5 / 4, 2, 1, 0],
        [0, -1 / 2, 1 / 4, 5 / 2, -5 / 4, -2, 1, 0],
        [0, 2, 4, -5 / 2, -5, 1 / 2, 1, 0],
        [0, -2, 4, 5 / 2, -5, -1 / 2, 1, 0],
        [0, -1, 0, 21 / 4, 0, -21 / 4, 0, 1],
    ],
    device="cpu",
)
_KERNEL = (
    torch.tensor(
        [
            [90.0, 0, 0],
            [-20, -20, -20],
            [-20, 20, -20],
            [1, 2, 4],
            [1, -2, 4],
            [64, 32, 16],
            [64, -32, 16],
            [0, 0, 90],
        ],
        device="cpu",
    )
    / 90
)
_POINTS = torch.tensor([0, 1, -1, 2, -2, 1 / 2, -1 / 2], device="cpu")
_PRODUCT = torch.cat(  # powers of the points; infinity is in the highest alone
    [_POINTS ** torch.arange(6, device="cpu")[:, None], torch.eye(6, device="cpu")[:, -1:]], dim=1
)
_TILES = 1024  # worked on at once


def convolve(rows: Tensor, layer: nn.Conv1d, gaps: Tensor) -> Tensor:
    """Returns ``layer(rows).relu()`` [8 · tiles, out] of rows [8 · tiles, in]; both have zeros in ``gaps``.

    Under autocast operands are rounded to bfloat16 and multiplied in float32.
    """
    assert layer.bias is not None
    operands, device = (rows, layer.weight, layer.bias), rows.device.type
    if not torch.is_autocast_enabled(device):
        out: Tensor = ConvolvedReLU.apply(*operands, gaps)
        return out
    with torch.autocast(device, enabled=False):
        out = ConvolvedReLU.apply(*(x.bfloat16().float() for x in operands), gaps)
    return out.bfloat16()


class _Context(FunctionCtx):
    """The operands that the gradients need."""

    saved_tensors: tuple[Tensor, Tensor, Tensor]
    needs_input_grad: tuple[bool, ...]


class ConvolvedReLU(torch.autograd.Function):
    """ReLU of a convolution over rows, and zeros in some. Only what goes in and out is saved for the gradients."""

    @staticmethod
    def forward(ctx: _Context, rows: Tensor, weight: Tensor, bias: Tensor, zeros: Tensor) -> Tensor:
        """Float32 [8 · tiles, in], weight [out, in, 3] -> [8 · tiles, out], with 0 in the rows ``zeros``."""
        planes, kernels = _planes(rows), _kernels(weight)
        out = rows.new_empty(8, planes.shape[1], len(weight))
        for share in _shares(planes):
            products = torch.bmm(_transformed(_TILE, planes, share), kernels.transpose(1, 2))
            products[1] += bias  # of point 1, which is in all six outputs once
            place = _columns(out[1:7], share)
            torch.mm(_PRODUCT, products.flatten(1), out=place)
            place.relu_()
        answer = out.flatten(0, 1).index_fill_(0, zeros, 0)
        out[0, 1:], out[7, :-1] = out[6, :-1], out[1, 1:]
        ctx.save_for_backward(rows, weight, answer)
        return answer

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Returns the gradients of rows, if they need one, weight and bias."""
        rows, weight, out = ctx.saved_tensors
        planes, kernels = _planes(rows), _kernels(weight)
        # Zero in ``zeros``, too, as the answer is.
        own = torch.ops.aten.threshold_backward(_planes(gradient)[1:7], _planes(out)[1:7], 0)
        of_kernels, of_bias = torch.zeros_like(kernels), torch.zeros_like(own[0, 0])
        of_planes = torch.empty_like(planes) if ctx.needs_input_grad[0] else None
        for share in _shares(planes):
            tiles = _transformed(_TILE, planes, share)
            products = _transformed(_PRODUCT.T, own, share)
            of_bias += products[1].sum(0)
            of_kernels.baddbmm_(products.transpose(1, 2), tiles)
            if of_planes is not None:
                torch.bmm(products, kernels, out=tiles)
                torch.mm(_TILE.T, tiles.flatten(1), out=_columns(of_planes, share))
        of_taps = torch.mm(_KERNEL.T, of_kernels.flatten(1)).view(3, *weight.shape[:2])
        of_weight = of_taps.permute(1, 2, 0).contiguous()
        if of_planes is None:
            return None, of_weight, of_bias, None
        of_planes[6, :-1] += of_planes[0, 1:]
        of_planes[1, 1:] += of_planes[7, :-1]
        return of_planes.flatten(0, 1), of_weight, of_bias, None


def _kernels(weight: Tensor) -> Tensor:
    """[out, in, 3] -> [8, out, in]."""
    return torch.mm(_KERNEL, weight.reshape(-1, 3).T).view(len(_KERNEL), *weight.shape[:2])


def _planes(rows: Tensor) -> Tensor:
    """[8 · tiles, channels] -> [8, tiles, channels]."""
    return rows.reshape(8, -1, rows.shape[1])


def _shares(planes: Tensor) -> list[range]:
    """Returns the tiles to work on at once, in order."""
    tiles = planes.shape[1]
    return [range(first, min(first + _TILES, tiles)) for first in range(0, tiles, _TILES)]


def _columns(planes: Tensor, share: range) -> Tensor:
    """Returns what planes [k, tiles, channels] have of some tiles, [k, share · channels]: a view."""
    channels = planes.shape[2]
    return planes.flatten(1)[:, share.start * channels : share.stop * channels]


def _transformed(transform: Tensor, planes: Tensor, share: range) -> Tensor:
    """Returns the product with ``transform`` [8, k] of planes [k, tiles, channels]: [8, share, channels]."""
    return torch.mm(transform, _columns(planes, share)).view(len(transform), len(share), planes.shape[2])
