"""The one-dimensional CNN of paper 001 (Khan et al.), Table 4: two convolutions over the values of one vector.

With 80 values and 8 classes it has 80 + 610 + 88 = 778 weights. The table has pooling of 3, the text of 8, with which
the second pooling would have nothing left.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models._keras import glorot

GIVES = "utterance"
VARIES = ("dropout", "init")  # settings in which networks that are trained together may differ


class CNN1D(nn.Module):
    """Convolution, ReLU, max-pooling, dropout; convolution, ReLU, max-pooling; the mean over what is left."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        if not fits(width, settings):
            shape = f"kernel {settings['kernel']} and pool {settings['pool']}, twice each, over {width} values"
            raise BadInput(shape, "cnn1d", "at least one value after the second pooling", "make pool or kernel smaller")
        first, second = settings["filters"]
        self.first = nn.Conv1d(1, first, settings["kernel"])
        self.second = nn.Conv1d(first, second, settings["kernel"])
        self.pool = settings["pool"]
        self.dropout = nn.Dropout(settings["dropout"])
        self.outputs = second
        if settings["init"] == "glorot":
            glorot(self)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """One frame per utterance [batch, width], lengths int64 [batch] all 1 -> [batch, outputs]."""
        if len(frames) != len(lengths):
            given = f"{len(frames)} frames of {len(lengths)} utterances"
            raise BadInput(given, "cnn1d", "one frame per utterance", "use a front-end that averages over time")
        hidden = self.dropout(nn.functional.max_pool1d(self.first(frames[:, None]).relu(), self.pool))
        mean: Tensor = nn.functional.max_pool1d(self.second(hidden).relu(), self.pool).mean(2)
        return mean


def build(width: int, settings: Mapping[str, Any]) -> CNN1D:
    """Settings: filters (of both convolutions), kernel, pool, dropout, init. Raises BadInput for an empty shape."""
    return CNN1D(width, settings)


def fits(width: int, settings: Mapping[str, Any]) -> bool:
    """Whether anything is left of ``width`` values after both poolings; a search leaves out what does not fit."""
    return _lengths(width, settings)[1] > 0


def example() -> tuple[int, dict[str, Any], int]:
    """Width, settings and frames per utterance of a small network."""
    return 20, {"filters": (4, 3), "kernel": 3, "pool": 2, "dropout": 0.25, "init": "glorot"}, 1


def _lengths(width: int, settings: Mapping[str, Any]) -> tuple[int, int]:
    """Values left after the first and after the second pooling; negative where there are none."""
    first = (width - settings["kernel"] + 1) // settings["pool"]
    return first, (first - settings["kernel"] + 1) // settings["pool"]


class Stacked:
    """``members`` such networks at once, forwards and backwards, each on its own ``batch`` utterances.

    Utterances are the innermost dimension: a convolution is then one matrix product for each of its taps, over views
    that begin so many values later, and pooling compares long contiguous rows. All buffers are kept between calls.
    """

    def __init__(self, width: int, settings: Mapping[str, Any], members: int, batch: int, device: torch.device) -> None:
        self.members, self.batch = members, batch
        self.kernel, self.pool = settings["kernel"], settings["pool"]
        self.filters = first, second = settings["filters"]
        self.left = left, last = _lengths(width, settings)
        self.draws = first * left  # dropout decisions for each utterance

        def buffer(*shape: int) -> Tensor:
            return torch.zeros(members, *shape, device=device)

        self.windows = buffer(self.kernel, self.pool, left, batch)
        self.high = buffer(first, self.pool, left * batch)
        self.pooled = buffer(first, left * batch), buffer(first, left * batch)
        self.low = buffer(second, last * self.pool * batch)
        self.ends = buffer(second, last, batch), buffer(second, last, batch)
        # Zeros before and behind make the gradient of a convolution's input a convolution of the same kind.
        self.padded = buffer(second, (self.kernel - 1 + left) * batch)

    def forward(self, weights: Mapping[str, Tensor], values: Tensor, mask: Tensor | None) -> Tensor:
        """Values [members, width, batch] -> [members, outputs, batch].

        ``weights`` are those of CNN1D, each with a leading dimension [members]. ``mask`` [members, draws, batch] is 0
        for what dropout takes and else what the rest is multiplied by; None is no dropout.
        """
        members, first, left = self.members, self.filters[0], self.left[0]
        for tap in range(self.kernel):
            used = values[:, tap : tap + left * self.pool].unflatten(1, (left, self.pool))
            self.windows[:, tap] = used.transpose(1, 2)
        flat = self.windows.view(members, self.kernel, -1)
        torch.bmm(weights["first.weight"].flatten(2), flat, out=self.high.view(members, first, -1))
        self.hidden, self.spare = _maximum(self.high.unbind(2), self.pooled)
        self.hidden.add_(weights["first.bias"][:, :, None]).relu_()
        self.mask = None if mask is None else mask.view(members, first, left * self.batch)
        if self.mask is not None:
            self.hidden.mul_(self.mask)
        self.taps = weights["second.weight"].permute(3, 0, 1, 2).contiguous()
        torch.bmm(self.taps[0], self._shifted(0), out=self.low)
        for tap in range(1, self.kernel):
            self.low.baddbmm_(self.taps[tap], self._shifted(tap))
        self.end, self.end_spare = _maximum(self._slices(self.low), self.ends)
        self.end.add_(weights["second.bias"][:, :, None, None]).relu_()
        return self.end.mean(2)

    def backward(self, gradient: Tensor) -> dict[str, Tensor]:
        """Gradient of the last answer [members, outputs, batch] -> gradients of the weights, shaped as these are."""
        first, last, batch = self.filters[0], self.left[1], self.batch
        torch.gt(self.end, 0, out=self.end_spare)
        self.end_spare.mul_((gradient / last)[:, :, None])
        grads = {"second.bias": self.end_spare.sum((2, 3))}
        inner = self.padded[:, :, (self.kernel - 1) * batch :][:, :, : self.low.shape[2]]
        _maximum_backward(self.end_spare, self._slices(self.low), self._slices(inner), self.end)
        steps = [torch.bmm(inner, self._shifted(tap).mT) for tap in range(self.kernel)]
        grads["second.weight"] = torch.stack(steps, dim=3)
        alive = torch.gt(self.hidden, 0, out=self.spare)
        if self.mask is not None:
            alive.mul_(self.mask)
        below = self.hidden  # no longer needed
        torch.bmm(self.taps[0].mT, self._behind(0), out=below)
        for tap in range(1, self.kernel):
            below.baddbmm_(self.taps[tap].mT, self._behind(tap))
        below.mul_(alive)
        grads["first.bias"] = below.sum(2)
        _maximum_backward(below, self.high.unbind(2), self.high.unbind(2), alive)
        flat = self.windows.view(self.members, self.kernel, -1)
        grads["first.weight"] = torch.bmm(flat, self.high.view(self.members, first, -1).mT).mT[:, :, None]
        return grads

    def _shifted(self, tap: int) -> Tensor:
        """What one tap of the second convolution sees of ``hidden``."""
        return self.hidden[:, :, tap * self.batch :][:, :, : self.low.shape[2]]

    def _behind(self, tap: int) -> Tensor:
        """The same of the padded gradient, for the way back."""
        return self.padded[:, :, (self.kernel - 1 - tap) * self.batch :][:, :, : self.left[0] * self.batch]

    def _slices(self, row: Tensor) -> Sequence[Tensor]:
        """[members, filters, values * batch] -> for each place in a pool, [members, filters, pools, batch]."""
        places: Sequence[Tensor] = row.unflatten(2, (self.left[1], self.pool, self.batch)).unbind(3)
        return places


def _maximum(slices: Sequence[Tensor], buffers: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The greatest of the slices, in one of the buffers, and the other one.

    Each slice but the first is replaced by how far the greatest of those before it is ahead of it.
    """
    best, (free, other) = slices[0], buffers
    for this in slices[1:]:
        torch.maximum(best, this, out=free)
        torch.sub(best, this, out=this)
        best, free, other = free, other, free
    return (best, free) if len(slices) > 1 else (free.copy_(best), other)


def _maximum_backward(gradient: Tensor, ahead: Sequence[Tensor], into: Sequence[Tensor], buffer: Tensor) -> None:
    """Gives ``gradient`` to the slice that was greatest, of equals to the first, as torch's pooling does.

    ``ahead`` are the slices as ``_maximum`` left them, and may be the same as ``into``. Spoils ``gradient``.
    """
    for this, place in zip(ahead[:0:-1], into[:0:-1], strict=True):
        torch.ge(this, 0, out=buffer).mul_(gradient)
        torch.sub(gradient, buffer, out=place)
        gradient, buffer = buffer, gradient
    into[0].copy_(gradient)
