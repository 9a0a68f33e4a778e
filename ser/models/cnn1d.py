"""The one-dimensional CNN of Khan et al., Table 4: two convolutions over the values of one vector.

With 80 values and 8 classes it has 80 + 610 + 88 = 778 weights. The table has pooling of 3, the text of 8, which would
leave the second pooling nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models import Layer
from ser.models._keras import glorot
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"
VARIES = ("dropout", "init")  # settings in which networks of one stacked training may differ


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Khan et al., Table 4; glorot is Keras's)."""

    filters: tuple[int, int] = setting("filters of the two convolutions", (20, 10), low=1)
    kernel: int = setting("values that a filter sees", 3, low=1)
    pool: int = setting("values of a max pooling; the paper's text has 8", 3, low=1)
    dropout: float = setting("share that dropout takes between the convolutions", 0.25, low=0, below=1)
    init: str = setting("start of the weights", "glorot", choices=("glorot", "torch"))


class CNN1D(nn.Module):
    """Convolution, ReLU, max-pooling, dropout; convolution, ReLU, max-pooling; the mean over the rest."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        if not fits(width, settings):
            shape = f"kernel {settings.kernel} and pool {settings.pool}, twice each, over {width} values"
            raise BadInput(shape, "cnn1d", "at least one value after the second pooling", "make pool or kernel smaller")
        first, second = settings.filters
        self.first = nn.Conv1d(1, first, settings.kernel)
        self.second = nn.Conv1d(first, second, settings.kernel)
        self.pool = settings.pool
        self.dropout = nn.Dropout(settings.dropout)
        self.outputs = second
        if settings.init == "glorot":
            glorot(self)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """One frame per utterance [batch, width], lengths int64 [batch] all 1 -> [batch, outputs]."""
        if len(frames) != len(lengths):
            count = f"{len(frames)} frames of {len(lengths)} utterances"
            raise BadInput(count, "cnn1d", "one frame per utterance", "use a front-end that averages over time")
        hidden = self.dropout(nn.functional.max_pool1d(self.first(frames[:, None]).relu(), self.pool))
        mean: Tensor = nn.functional.max_pool1d(self.second(hidden).relu(), self.pool).mean(2)
        return mean


def build(width: int, settings: Settings) -> CNN1D:
    """Returns the network. Raises BadInput where the poolings leave nothing of ``width`` values."""
    return CNN1D(width, settings)


def fits(width: int, settings: Settings) -> bool:
    """Returns whether both poolings leave anything of ``width`` values; a search leaves out what does not fit."""
    return _lengths(width, settings)[1] > 0


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 20, Settings(filters=(4, 3), kernel=3, pool=2, dropout=0.25, init="glorot"), 1


def layers(block: CNN1D, width: int) -> list[Layer]:
    """Returns the layers as Table 4 names them; shapes are values × filters."""
    pooled, table = width, []
    for number, convolution in enumerate((block.first, block.second), 1):
        values = pooled - convolution.kernel_size[0] + 1
        pooled, filters = values // block.pool, convolution.out_channels
        weights = sum(p.numel() for p in convolution.parameters())
        table += [Layer(f"C{number}", f"{values} × {filters}", weights), Layer(f"S{number}", f"{pooled} × {filters}")]
    table.insert(2, Layer("D1", table[1].output))
    return [*table, Layer("S3", str(block.outputs))]


def _lengths(width: int, settings: Settings) -> tuple[int, int]:
    """Returns the values after the first and after the second pooling; negative where there are none."""
    first = (width - settings.kernel + 1) // settings.pool
    return first, (first - settings.kernel + 1) // settings.pool


class Stacked:
    """``members`` such networks at once, forwards and backwards, each on its own ``batch`` utterances.

    Utterances are the innermost dimension: a convolution is then one matrix product for each of its taps, over views
    that begin so many values later, and pooling compares long contiguous rows. All buffers, and the views of them,
    are kept between calls: making a view takes as long as working on a small one.
    """

    def __init__(self, width: int, settings: Settings, members: int, batch: int, device: torch.device) -> None:
        kernel, pool, (first, second) = settings.kernel, settings.pool, settings.filters
        pooled, last = _lengths(width, settings)
        self.pooled = pooled
        self.kernel, self.pool, self.last = kernel, pool, last
        self.draws = first * pooled  # dropout decisions for each utterance

        def buffer(*shape: int) -> Tensor:
            return torch.zeros(members, *shape, device=device)

        def places(row: Tensor) -> Sequence[Tensor]:
            """[members, filters, values * batch] -> for each place in a pool, [members, filters, pools, batch]."""
            views: Sequence[Tensor] = row.unflatten(2, (last, pool, batch)).unbind(3)
            return views

        def shifted(row: Tensor, values: int) -> list[Tensor]:
            """Returns the part of a row, or of a padded gradient, that each tap of the second convolution sees."""
            return [row[:, :, tap * batch :][:, :, : values * batch] for tap in range(kernel)]

        windows = buffer(kernel, pool, pooled, batch)
        self.windows, self.flat_windows = windows.transpose(2, 3).unbind(1), windows.view(members, kernel, -1)
        high = buffer(first, pool, pooled * batch)
        self.high, self.flat_high = high.unbind(2), high.view(members, first, -1)
        self.hidden, self.spare = buffer(first, pooled * batch), buffer(first, pooled * batch)
        self.inputs = shifted(self.hidden, last * pool)
        self.low = buffer(second, last * pool * batch)
        self.low_places = places(self.low)
        self.end, self.end_spare = buffer(second, last, batch), buffer(second, last, batch)
        # Zeros before and behind make the gradient of a convolution's input a convolution of the same kind.
        padded = buffer(second, (kernel - 1 + pooled) * batch)
        self.behind = shifted(padded, pooled)[::-1]
        self.inner = shifted(padded, last * pool)[-1]
        self.inner_places = places(self.inner)

    def forward(self, weights: Mapping[str, Tensor], values: Tensor, mask: Tensor | None) -> Tensor:
        """Values [members, width, batch] -> [members, outputs, batch].

        ``weights`` are those of CNN1D, each with a leading dimension [members]. ``mask`` [members, draws, batch] is 0
        for what dropout takes and else what the rest is multiplied by; None is no dropout.
        """
        for at, window in enumerate(self.windows):  # [members, pooled, pool, batch]
            window.copy_(values[:, at : at + self.pooled * self.pool].view(window.shape))
        torch.bmm(weights["first.weight"].flatten(2), self.flat_windows, out=self.flat_high)
        _maximum(self.high, (self.hidden, self.spare))
        self.hidden.add_(weights["first.bias"][:, :, None]).relu_()
        self.mask = None if mask is None else mask.view(self.hidden.shape)
        if self.mask is not None:
            self.hidden.mul_(self.mask)
        self.taps = weights["second.weight"].permute(3, 0, 1, 2).contiguous().unbind(0)
        torch.bmm(self.taps[0], self.inputs[0], out=self.low)
        for tap, inputs in zip(self.taps[1:], self.inputs[1:], strict=True):
            self.low.baddbmm_(tap, inputs)
        _maximum(self.low_places, (self.end, self.end_spare))
        self.end.add_(weights["second.bias"][:, :, None, None]).relu_()
        return self.end.mean(2)

    def backward(self, gradient: Tensor) -> dict[str, Tensor]:
        """Gradient of the last answer [members, outputs, batch] -> gradients of the weights, shaped as these are."""
        torch.gt(self.end, 0, out=self.end_spare)
        self.end_spare.mul_((gradient / self.last)[:, :, None])
        grads = {"second.bias": self.end_spare.sum((2, 3))}
        _maximum_backward(self.end_spare, self.low_places, self.inner_places, self.end)
        grads["second.weight"] = torch.stack([torch.bmm(self.inner, inputs.mT) for inputs in self.inputs], dim=3)
        alive = torch.gt(self.hidden, 0, out=self.spare)
        if self.mask is not None:
            alive.mul_(self.mask)
        below = self.hidden  # no longer needed
        torch.bmm(self.taps[0].mT, self.behind[0], out=below)
        for tap, behind in zip(self.taps[1:], self.behind[1:], strict=True):
            below.baddbmm_(tap.mT, behind)
        below.mul_(alive)
        grads["first.bias"] = below.sum(2)
        _maximum_backward(below, self.high, self.high, alive)
        grads["first.weight"] = torch.bmm(self.flat_windows, self.flat_high.mT).mT[:, :, None]
        return grads


def _maximum(slices: Sequence[Tensor], buffers: tuple[Tensor, Tensor]) -> None:
    """Puts the greatest of the slices into the first buffer.

    Each slice but the first is replaced by how far the greatest of those before it is ahead of it.
    """
    best = slices[0]
    for remaining, piece in zip(range(len(slices) - 2, -1, -1), slices[1:], strict=True):
        torch.maximum(best, piece, out=buffers[remaining % 2])
        torch.sub(best, piece, out=piece)
        best = buffers[remaining % 2]
    if len(slices) == 1:
        buffers[0].copy_(best)


def _maximum_backward(gradient: Tensor, ahead: Sequence[Tensor], into: Sequence[Tensor], buffer: Tensor) -> None:
    """Gives ``gradient`` to the slice that was greatest, of equals to the first, as torch's pooling does.

    ``ahead`` are the slices as ``_maximum`` left them, and may be the same as ``into``. Spoils ``gradient``.
    """
    for lead, place in zip(ahead[:0:-1], into[:0:-1], strict=True):
        torch.ge(lead, 0, out=buffer).mul_(gradient)
        torch.sub(gradient, buffer, out=place)
        gradient, buffer = buffer, gradient
    into[0].copy_(gradient)
