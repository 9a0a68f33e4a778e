"""Convolution by 3 × 3 kernels with a quarter of the multiplications, for CPUs: Lavin & Gray 2016, F(4 × 4, 3 × 3).

An output tile of 4 × 4 needs 36 products per pair of channels in place of 144, and these are matrix products, at which
CPUs are best. In float32 the answer is wrong by about five times as much as the plain sum's (1e-6 of its size),
far less than in bfloat16 or TF32. A GPU's library does this by itself.
"""

from itertools import product

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.functional import pad

# The transforms of a tile, a kernel, and a product, along one axis: interpolation at 0, 1, -1, 2, -2 and infinity.
_TILE = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    device="cpu",
)
_KERNEL = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], device="cpu") / 24
_PRODUCT = torch.tensor(
    [[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], device="cpu"
)
_CHANNELS = 32  # with fewer, the transforms cost more than the products saved
_TILES = 1024  # worked on at once: enough for the matrix products, and few enough for the caches


def convolve(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """Returns ``layer(x)``, float [batch, channels, height, width]: by Winograd's way where that is the faster."""
    fit = layer.kernel_size == (3, 3) and layer.stride == layer.dilation == (1, 1) and layer.groups == 1
    fit = fit and min(layer.in_channels, layer.out_channels) >= _CHANNELS
    fit = (
        fit and not torch.onnx.is_in_onnx_export()
    )  # what is traced is for other programs, which have ways of their own
    if not fit or x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        out: Tensor = layer(x)
        return out
    assert layer.bias is not None
    assert isinstance(layer.padding, tuple)
    out = _Winograd.apply(x.permute(0, 2, 3, 1), layer.weight, layer.bias, layer.padding[0])
    return out.permute(0, 3, 1, 2)


class _Context(FunctionCtx):
    """The operands that the gradients need."""

    saved_tensors: tuple[Tensor, Tensor]
    needs_input_grad: tuple[bool, ...]
    padding: int


class _Winograd(torch.autograd.Function):
    """Channels last. Only ``x`` is saved for the gradients: transforming it again is cheaper than saving its tiles."""

    @staticmethod
    def forward(ctx: _Context, x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        """[batch, height, width, in] -> [batch, height, width, out]."""
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        kernels = _kernels(weight)
        batch, height, width, _ = x.shape
        out = x.new_empty(batch, height + 2 * padding - 2, width + 2 * padding - 2, len(weight))
        for share in _shares(out):
            tiles, grid = _tiles(x[share], padding)
            values = _along_both(_PRODUCT, torch.bmm(tiles, kernels)).view(4, 4, *grid, len(weight))
            for i, j in product(range(4), repeat=2):
                place = out[share, i::4, j::4]
                torch.add(values[i, j, :, : place.shape[1], : place.shape[2]], bias, out=place)
        return out

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Returns the gradients of ``x``, if it needs one, weight and bias."""
        x, weight = ctx.saved_tensors
        kernels = _kernels(weight)
        of_kernels = torch.zeros_like(kernels)
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        for share in _shares(gradient):
            tiles, grid = _tiles(x[share], ctx.padding)
            products = _products(gradient[share], grid)
            of_kernels.baddbmm_(tiles.transpose(1, 2), products)
            if of_x is not None:
                of_tiles = _along_both(_TILE.T, torch.bmm(products, kernels.transpose(1, 2)))
                of_x[share] = _overlaid(of_tiles.view(6, 6, *grid, -1), x[share], ctx.padding)
        of_weight = _along_both(_KERNEL.T, of_kernels).view(3, 3, *kernels.shape[1:]).permute(3, 2, 0, 1)
        return of_x, of_weight.contiguous(), gradient.sum((0, 1, 2)), None


def _along_both(matrix: Tensor, grid: Tensor) -> Tensor:
    """``matrix`` [m, n] along both axes of a grid [n · n, ...] -> [m · m, ...]."""
    m, n = matrix.shape
    once = torch.mm(matrix, grid.reshape(n, -1)).view(m, n, -1)
    return torch.matmul(matrix, once).view(m * m, *grid.shape[1:])


def _kernels(weight: Tensor) -> Tensor:
    """[out, in, 3, 3] -> [36, in, out]."""
    return _along_both(_KERNEL, weight.permute(2, 3, 1, 0).reshape(9, *weight.shape[1::-1]))


def _shares(out: Tensor) -> list[slice]:
    """Returns slices of the images [batch, height, width, out] to work on at once."""
    tiles = -(-out.shape[1] // 4) * -(-out.shape[2] // 4)
    step = max(1, _TILES // tiles)
    return [slice(first, first + step) for first in range(0, len(out), step)]


def _tiles(x: Tensor, padding: int) -> tuple[Tensor, tuple[int, int, int]]:
    """Returns transformed tiles of 6 × 6, every 4 pixels [36, images · rows · columns, channels], and their grid."""
    images, height, width, channels = x.shape
    rows, columns = (-(-(n + 2 * padding - 2) // 4) for n in (height, width))
    below, beside = 4 * rows + 2 - height - padding, 4 * columns + 2 - width - padding
    around = pad(x, (0, 0, padding, beside, padding, below))
    strips = torch.stack([around[:, i : i + 4 * rows : 4] for i in range(6)])
    strips = torch.mm(_TILE, strips.view(6, -1)).view_as(strips)
    pieces = torch.stack([strips[:, :, :, j : j + 4 * columns : 4] for j in range(6)], dim=1)
    tiles = torch.matmul(_TILE, pieces.view(6, 6, -1))
    return tiles.view(36, -1, channels), (images, rows, columns)


def _products(gradient: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Gradient of the output [images, height, width, out] -> of the products [36, images · rows · columns, out]."""
    _, rows, columns = grid
    around = pad(gradient, (0, 0, 0, 4 * columns - gradient.shape[2], 0, 4 * rows - gradient.shape[1]))
    values = torch.stack([around[:, i::4, j::4] for i, j in product(range(4), repeat=2)])
    return _along_both(_PRODUCT.T, values).view(36, -1, gradient.shape[3])


def _overlaid(tiles: Tensor, x: Tensor, padding: int) -> Tensor:
    """Gradient of the tiles [6, 6, images, rows, columns, channels] -> of ``x``: where they overlap, the sum."""
    images, height, width, channels = x.shape
    rows, columns = tiles.shape[3:5]
    strips = x.new_zeros(6, images, rows, 4 * columns + 2, channels)
    for j in range(6):
        strips[:, :, :, j : j + 4 * columns : 4] += tiles[:, j]
    around = x.new_zeros(images, 4 * rows + 2, 4 * columns + 2, channels)
    for i in range(6):
        around[:, i : i + 4 * rows : 4] += strips[i]
    return around[:, padding : padding + height, padding : padding + width]
