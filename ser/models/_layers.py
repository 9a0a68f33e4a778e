"""Layers of the surveyed networks: checks of their settings, their sizes, and how their weights start."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import conv2d

from ser.errors import BadInput
from ser.models._keras import glorot
from ser.models._winograd import convolve

Size = tuple[int, int]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


def check_one_each(model: str, **columns: Sequence[object]) -> None:
    """Raises BadInput unless all settings of the layers of ``model``, by name, have one value for each layer."""
    if len({len(column) for column in columns.values()}) > 1 or not all(columns.values()):
        values = ", ".join(f"{name} {column}" for name, column in columns.items())
        raise BadInput(values, model, "one value for each layer in all of them", "make them of one length")


def odd(kernel: int, place: str) -> int:
    """Returns a kernel that, padded by half of itself, keeps the size. Raises BadInput for an even one."""
    if kernel % 2 == 0:
        raise BadInput(str(kernel), place, "odd numbers", "take one more or less")
    return kernel


def after(size: Size, kernel: int, stride: int, padding: int, model: str) -> Size:
    """Returns height and width after a convolution or pooling of ``size``. Raises BadInput where one is 0."""
    height, width = ((n + 2 * padding - kernel) // stride + 1 for n in size)
    if min(height, width) < 1:
        image = f"{size[0]} × {size[1]} pixels before a layer of kernel {kernel}, stride {stride}"
        raise BadInput(image, model, "at least a pixel after every layer", "take larger images, or fewer layers")
    return height, width


def convolved(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """Returns ``layer(x)``: the faster way where it has a bias, and one by one pixel without a stride.

    oneDNN's gradient of that, on channels last, writes beyond its memory where the channels are no multiple of four.
    """
    if layer.kernel_size == (1, 1):
        down, across = layer.stride
        return conv2d(x[:, :, ::down, ::across], layer.weight, layer.bias)
    out: Tensor = layer(x) if layer.bias is None else convolve(x, layer)
    return out


def dense_layers(inputs: int, units: Sequence[int], dropout: float) -> nn.Sequential:
    """Returns linear layers of ``units`` outputs, each with ReLU and dropout."""
    pairs = pairwise((inputs, *units))
    return nn.Sequential(*(m for a, b in pairs for m in (nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout))))


def initialise(module: nn.Module, init: str) -> None:
    """Sets the weights of all layers below ``module``.

    "torch": as they are. "glorot": ``ser.models._keras``. "he": He et al. 2015, for ReLU: normal, of variance 2 / fan
    in, and biases of zero; with a narrower start the signal fades in ten ReLU layers.
    """
    assert init in ("torch", "glorot", "he"), init
    if init == "glorot":
        glorot(module)
    if init == "he":
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
