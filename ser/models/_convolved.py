"""Convolution, batch normalisation, activation and max pooling, several times over, on images."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, max_pool2d

from ser.errors import BadInput
from ser.models._images import with_channel
from ser.models._layers import check_one_each, odd
from ser.models._winograd import convolve
from ser.study.settings import setting

_ACTIVATIONS = {"elu": elu, "relu": torch.relu}


@dataclass(frozen=True)
class Convolutions:
    """Settings of the convolutions; the sizes are their model's."""

    filters: tuple[int, ...] = setting("filters of each convolution", low=1)
    kernel: int = setting("side of each kernel, odd, so that the convolutions keep the size", 3, unit="pixels", low=1)
    pools: tuple[int | tuple[int, int], ...] = setting(
        "max pooling after each convolution: a number, or height and width", unit="pixels", low=1
    )
    partial_pools: bool = setting(
        'whether a pool that reaches over the edge counts (Keras\'s padding "same"), or the pixels there fall away '
        '(Keras\'s "valid", the default of torch)',
        False,
    )
    activation: str = setting("function after each normalisation", "relu", choices=("elu", "relu"))
    norm: bool = setting("batch normalisation after each convolution", True)


class Convolved(nn.Module):
    """Images [n, height, width] -> [n, filters, *size]; ``size`` is what the poolings leave of height and width.

    Raises BadInput, with the name ``model``, where the poolings leave nothing of the image.
    """

    def __init__(self, height: int, width: int, settings: Convolutions, model: str) -> None:
        super().__init__()
        check_one_each(model, filters=settings.filters, pools=settings.pools)
        self.pools = [(p, p) if isinstance(p, int) else p for p in settings.pools]
        self.partial = settings.partial_pools
        kernel, filters = odd(settings.kernel, f"{model}.kernel"), settings.filters
        self.activate = _ACTIVATIONS[settings.activation]
        pairs = list(pairwise((1, *filters)))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) if settings.norm else nn.Identity() for _, b in pairs)
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
    """Returns images [n, filters, time, bands] as a sequence of vectors of each [n, time, bands · filters]."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _size(image: tuple[int, int], pools: Sequence[tuple[int, ...]], partial: bool, model: str) -> tuple[int, int]:
    """Returns the size that the poolings leave of an image. Raises BadInput where it is nothing."""
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
