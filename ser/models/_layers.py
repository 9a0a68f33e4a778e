"""Layers of the survey's networks (paper 004): what settings say of each, their sizes, and how their weights start."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import conv2d

from ser.errors import BadInput
from ser.models._keras import glorot
from ser.models._winograd import convolve

Size = tuple[int, int]
_STARTS = ("torch", "glorot", "he")


def layers(settings: Mapping[str, Any], names: Sequence[str], model: str) -> list[tuple[Any, ...]]:
    """The settings of each layer; each of ``names`` is a tuple over layers. Raises BadInput for unlike lengths."""
    columns = [tuple(settings[name]) for name in names]
    if len({len(column) for column in columns}) > 1 or not columns[0]:
        told = ", ".join(f"{name} {column}" for name, column in zip(names, columns, strict=True))
        raise BadInput(told, model, "one value for each layer in all of them", "make them of one length")
    return list(zip(*columns, strict=True))


def odd(kernel: int, place: str) -> int:
    """A kernel that, padded by half of itself, keeps the size. Raises BadInput for an even one, which would not."""
    if kernel % 2 == 0:
        raise BadInput(str(kernel), place, "odd numbers", "take one more or less")
    return kernel


def after(size: Size, kernel: int, stride: int, padding: int, model: str) -> Size:
    """Height and width that a convolution or pooling leaves of ``size``. Raises BadInput where it is nothing."""
    height, width = ((n + 2 * padding - kernel) // stride + 1 for n in size)
    if min(height, width) < 1:
        told = f"{size[0]} × {size[1]} pixels before a layer of kernel {kernel}, stride {stride}"
        raise BadInput(told, model, "at least a pixel after every layer", "take larger images, or fewer layers")
    return height, width


def convolved(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """``layer(x)``, the faster way where it has a bias, and one by one pixel not with a stride.

    oneDNN's gradient of that, on channels last, writes beyond its memory where the channels are no multiple of four.
    """
    if layer.kernel_size == (1, 1):
        down, across = layer.stride
        return conv2d(x[:, :, ::down, ::across], layer.weight, layer.bias)
    out: Tensor = layer(x) if layer.bias is None else convolve(x, layer)
    return out


def dense_layers(inputs: int, units: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, ReLU and dropout, as often as there are ``units``."""
    pairs = pairwise((inputs, *units))
    return nn.Sequential(*(m for a, b in pairs for m in (nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout))))


def start(module: nn.Module, settings: Mapping[str, Any], model: str) -> None:
    """Set the weights of all layers below ``module`` as ``settings["init"]`` says; those of its head are not there.

    "torch": as they are. "glorot": ``ser.models._keras``. "he": He et al. 2015, for ReLU: normal, of variance 2 / fan
    in, and biases of zero; with a narrower start the signal fades in ten ReLU layers. Raises BadInput for others.
    """
    if settings["init"] not in _STARTS:
        raise BadInput(repr(settings["init"]), f"{model}.init", ", ".join(_STARTS), "choose one of them")
    if settings["init"] == "glorot":
        glorot(module)
    if settings["init"] == "he":
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
