"""Where the frames of a batch lie in a longer table of rows that has holes: padding, or gaps between utterances.

Indices are computed on the host from ``lengths`` and copied to the device: nothing waits for it. Both ways are a
selection of rows, forwards and backwards, which is several times as fast as a scatter or a list of utterances.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ser.models._transfer import to_device


@dataclass(frozen=True)
class Layout:
    """Frames [sum(lengths)] in ``rows`` rows: ``place`` is the row of each frame, ``holes`` are rows of none.

    ``source`` [rows] is the frame of each row, and the first one in holes. All int64.
    """

    rows: int
    place: Tensor
    source: Tensor
    holes: Tensor

    def spread(self, frames: Tensor) -> Tensor:
        """Returns rows [rows, width] of frames [sum(lengths), width], with zeros in the holes."""
        out: Tensor = _Selected.apply(frames, self.source, self.holes, self.place, None)
        return out

    def collect(self, rows: Tensor) -> Tensor:
        """Returns the frames [sum(lengths), width] of rows [rows, width]."""
        out: Tensor = _Selected.apply(rows, self.place, None, self.source, self.holes)
        return out


def in_a_row(lengths: Tensor, gap: int, device: torch.device) -> Layout:
    """Returns utterances one after another, ``gap`` rows before and behind each.

    ``lengths``: int64 [batch], on the CPU.
    """
    place = _parted(lengths, gap) + gap
    return _layout(place, _source(place, int(lengths.sum()) + gap * (len(lengths) + 1)), device)


def in_tiles(lengths: Tensor, device: torch.device) -> Layout:
    """Returns utterances one after another with one row between, in eight planes: row 6 t + k - 1 is row t of plane k.

    Planes 1 to 6 have each row once. 0 and 7 have the rows before and behind a tile's six, as copies: a gradient does
    not pass through them.
    """
    at = _parted(lengths, 1)
    tiles = -(-(int(at[-1]) + 1) // 6)
    place = (1 + at % 6) * tiles + at // 6
    source = _source(place, 8 * tiles)
    planes = source.view(8, tiles)
    planes[0, 1:], planes[7, :-1] = planes[6, :-1], planes[1, 1:]
    return _layout(place, source, device)


def over_time(lengths: Tensor, backwards: bool, device: torch.device) -> Layout:
    """Returns row t * batch + i for step t of utterance i, which has holes behind its end.

    ``backwards``, step 0 is an utterance's own last frame: it never starts in padding.
    """
    first = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    step = torch.arange(len(first)) - first
    if backwards:
        step = lengths.repeat_interleave(lengths) - 1 - step
    column = torch.arange(len(lengths)).repeat_interleave(lengths)
    place = step * len(lengths) + column
    return _layout(place, _source(place, int(lengths.max()) * len(lengths)), device)


def _parted(lengths: Tensor, gap: int) -> Tensor:
    """Returns the place of each frame where utterances lie one after another with ``gap`` rows between them."""
    gaps = gap * torch.arange(len(lengths)).repeat_interleave(lengths)
    return torch.arange(len(gaps)) + gaps


def _source(place: Tensor, rows: int) -> Tensor:
    """Returns the frame of each row, -1 in holes."""
    return torch.full([rows], -1).index_copy_(0, place, torch.arange(len(place)))


def _layout(place: Tensor, source: Tensor, device: torch.device) -> Layout:
    holes = (source < 0).nonzero().ravel()
    return Layout(len(source), *(to_device(index, device) for index in (place, source.clamp(min=0), holes)))


class _Context(FunctionCtx):
    """Indices of the gradient."""

    inverse: tuple[Tensor, Tensor | None]


class _Selected(torch.autograd.Function):
    """Rows ``index``, with zeros in ``holes``; the gradient is selected by the inverse, with its own holes."""

    @staticmethod
    def forward(
        ctx: _Context, x: Tensor, index: Tensor, holes: Tensor | None, inverse: Tensor, inverse_holes: Tensor | None
    ) -> Tensor:
        ctx.inverse = inverse, inverse_holes
        return _select(x, index, holes)

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        return _select(gradient.contiguous(), *ctx.inverse), None, None, None, None


def _select(x: Tensor, index: Tensor, holes: Tensor | None) -> Tensor:
    chosen = x.index_select(0, index)
    return chosen if holes is None else chosen.index_fill_(0, holes, 0)
