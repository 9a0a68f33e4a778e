"""Convolution, batch normalisation, activation and max pooling, several times over, on images."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, max_pool2d

from ser.errors import BadInput
from ser.models._images import with_channel
from ser.models._layers import layers, odd
from ser.models._winograd import convolve

_ACTIVATIONS = {"elu": elu, "relu": torch.relu}


class Convolved(nn.Module):
    """Images [n, height, width] -> [n, filters, *size]; ``size`` is what the poolings leave of height and width.

    Settings:

    - filters; kernel (odd, for the convolutions keep the size); activation ("elu" or "relu"); norm
    - pools, a number or (height, width) for each convolution
    - partial_pools: whether a pool that reaches over the edge counts (as with Keras's padding "same"), or what is left
      there falls away (Keras's "valid", torch's default)

    Raises BadInput where nothing is left of the image.
    """

    def __init__(self, height: int, width: int, settings: Mapping[str, Any], model: str) -> None:
        super().__init__()
        filters, pools = zip(*layers(settings, ("filters", "pools"), model), strict=True)
        self.pools = [(p, p) if isinstance(p, int) else tuple(p) for p in pools]
        self.partial = bool(settings["partial_pools"])
        kernel = odd(settings["kernel"], f"{model}.kernel")
        if settings["activation"] not in _ACTIVATIONS:
            given, allowed = repr(settings["activation"]), ", ".join(_ACTIVATIONS)
            raise BadInput(given, f"{model}.activation", allowed, "choose one of them")
        self.activate = _ACTIVATIONS[settings["activation"]]
        pairs = list(pairwise((1, *filters)))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) if settings["norm"] else nn.Identity() for _, b in pairs)
        self.size = _size((height, width), self.pools, self.partial, model)
        self.filters = filters[-1]

    def forward(self, x: Tensor) -> Tensor:
        """[n, height, width] -> [n, filters, *size]."""
        x = with_channel(x)
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            assert isinstance(convolution, nn.Conv2d)
            # Both activations rise everywhere, so they commute with the maximum, and so fewer values are activated.
            x = self.activate(max_pool2d(norm(convolve(x, convolution)), pool, ceil_mode=self.partial))
        return x


def steps(x: Tensor) -> Tensor:
    """Images [n, filters, time, bands] -> a sequence of vectors of each [n, time, bands · filters]."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _size(image: tuple[int, int], pools: Sequence[tuple[int, ...]], partial: bool, model: str) -> tuple[int, int]:
    """What is left of an image. Raises BadInput where nothing is."""
    sizes = [image]
    for layer, pool in enumerate(pools, 1):
        height, width = (-(-n // p) if partial else n // p for n, p in zip(sizes[-1], pool, strict=True))
        if min(height, width) < 1:
            path = " → ".join(f"{a} × {b}" for a, b in sizes)
            allowed = "images that the poolings leave something of"
            raise BadInput(f"{path}, and nothing after pooling {layer}", f"{model} (frames × bands)", allowed,
                           "take more frames or bands, or smaller pools")  # fmt: skip
        sizes.append((height, width))
    return sizes[-1]
