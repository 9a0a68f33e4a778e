"""Convolution by three taps along rows with 4 / 3 products per output in place of 3: Lavin & Gray 2016, F(6, 3).

A tile of eight rows gives six rows of output by eight matrix products, interpolating at 0, ±1, ±2, ±1/2 and infinity.
In float32 the answer is wrong by five times as much as the plain sum's (1e-6 of its size). Rows are [frames, channels]
all the way; tiles are planes [8, tiles, channels], whose products are a quarter faster than those of strided rows.
"""

import torch
from torch import Tensor
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
OUTPUTS = 6  # rows of a tile's output
_TILES = 1024  # worked on at once


class _Context(FunctionCtx):
    """The operands that the gradients need."""

    saved_tensors: tuple[Tensor, Tensor, Tensor]
    needs_input_grad: tuple[bool, ...]


class ConvolvedReLU(torch.autograd.Function):
    """ReLU of a convolution over rows, and zeros in some. Only what goes in and out is saved for the gradients."""

    @staticmethod
    def forward(ctx: _Context, rows: Tensor, weight: Tensor, bias: Tensor, zeros: Tensor) -> Tensor:
        """Float32 [1 + 6 n + 1, in], weight [out, in, 3] -> [1 + 6 n + 1, out], with 0 in the rows ``zeros``.

        The first row and the last are context alone, and have to be among ``zeros``.
        """
        kernels = _kernels(weight)
        out = rows.new_empty(len(rows), len(weight))
        for share in _shares(rows):
            tiles = _tiles(rows, share)
            products = torch.bmm(tiles, kernels.transpose(1, 2))
            products[1] += bias  # of point 1, which is in all six outputs once
            place = _outputs(out, share)
            torch.bmm(_PRODUCT.expand(len(place), -1, -1), products.transpose(0, 1), out=place)
            place.relu_()
        out.index_fill_(0, zeros, 0)
        ctx.save_for_backward(rows, weight, out)
        return out

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Returns the gradients of rows, if they need one, weight and bias."""
        rows, weight, out = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, out, 0)  # zero in ``zeros``, as ``out`` is
        kernels = _kernels(weight)
        of_kernels, of_bias = torch.zeros_like(kernels), torch.zeros_like(gradient[0])
        of_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for share in reversed(_shares(rows)):  # from the end: a tile adds to the first two rows of the next one
            tiles = _tiles(rows, share)
            values = _outputs(gradient, share)
            products = tiles.new_empty(len(_TILE), len(values), len(weight))
            torch.bmm(_PRODUCT.T.expand(len(values), -1, -1), values, out=products.transpose(0, 1))
            of_bias += products[1].sum(0)
            of_kernels.baddbmm_(products.transpose(1, 2), tiles)
            if of_rows is not None:
                torch.bmm(products, kernels, out=tiles)
                _overlay(tiles, of_rows, share)
        of_weight = torch.mm(of_kernels.view(len(_TILE), -1).T, _KERNEL).view(weight.shape)
        return of_rows, of_weight, of_bias, None


def _kernels(weight: Tensor) -> Tensor:
    """[out, in, 3] -> [8, out, in]."""
    return torch.mm(_KERNEL, weight.reshape(-1, 3).T).view(len(_KERNEL), *weight.shape[:2])


def _shares(rows: Tensor) -> list[range]:
    """Returns the tiles to work on at once, in order."""
    tiles = len(rows) // OUTPUTS
    return [range(first, min(first + _TILES, tiles)) for first in range(0, tiles, _TILES)]


def _tiles(rows: Tensor, share: range) -> Tensor:
    """Returns transformed tiles [8, tiles, channels], one every six rows."""
    channels = rows.shape[1]
    stride = OUTPUTS * channels
    pieces = rows.as_strided((len(share), len(_TILE), channels), (stride, channels, 1), share.start * stride)
    tiles = rows.new_empty(len(_TILE), len(share), channels)
    torch.bmm(_TILE.expand(len(share), -1, -1), pieces, out=tiles.transpose(0, 1))
    return tiles


def _outputs(out: Tensor, share: range) -> Tensor:
    """Returns the rows that tiles give, [tiles, 6, channels]: a view."""
    return out[1 + OUTPUTS * share.start : 1 + OUTPUTS * share.stop].view(len(share), OUTPUTS, -1)


def _overlay(tiles: Tensor, rows: Tensor, share: range) -> None:
    """Puts the sum of gradients of tiles [8, tiles, channels] into those of rows, where they overlap."""
    channels = rows.shape[1]
    stride = OUTPUTS * channels
    back, by_tile = _TILE.T.expand(len(share), -1, -1), tiles.transpose(0, 1)
    if OUTPUTS * share.stop + 2 == len(rows):
        rows[-2:] = 0
    torch.bmm(
        back[:, :OUTPUTS], by_tile, out=rows[OUTPUTS * share.start : OUTPUTS * share.stop].view(-1, OUTPUTS, channels)
    )
    behind = rows.as_strided((len(share), 2, channels), (stride, channels, 1), (share.start + 1) * stride)
    behind += torch.bmm(back[:, OUTPUTS:], by_tile)
