"""LSTM, BLSTM and TDNN of many networks of one shape at once, each on a mini-batch of its own.

Weights are those of the modules with a leading dimension [members]. Frames of a member lie one after another, filled up
to as many as the group's longest mini-batch has, [members, frames, width]; what is filled up gets a gradient of zero,
and so changes no weight. Every product is one ``bmm`` over all members.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx

from ser.models._transfer import to_device


@dataclass(frozen=True, eq=False)
class Layout:
    """Which frames are whose: ``lengths``, ``starts`` and ``ends`` int64 [members, batch], all on the device.

    ``frames`` and ``longest`` are more than any member's sum of lengths, and any length: the last place along both is
    free in each member, and serves all that is filled up.
    """

    lengths: Tensor
    starts: Tensor
    ends: Tensor
    frames: int
    longest: int

    @classmethod
    def of(cls, lengths: npt.NDArray[np.int64], device: torch.device, sizes: tuple[int, int] | None = None) -> "Layout":
        """Returns the layout of utterances of ``lengths`` [members, batch]; ``sizes``: larger frames and longest."""
        first, starts, ends = to_device(torch.from_numpy(table(lengths)), device)
        frames, longest = sizes or (int(lengths.sum(1).max()) + 1, int(lengths.max()) + 1)
        return cls(first, starts, ends, frames, longest)

    @property
    def batch(self) -> int:
        """Utterances of each member."""
        return self.lengths.shape[1]

    @cached_property
    def owner(self) -> Tensor:
        """The utterance of each frame, int64 [members, frames]; ``batch`` of those that fill up."""
        return (self._number[None, :, None] >= self.ends[:, None]).sum(2)

    @cached_property
    def inside(self) -> Tensor:
        """1 for frames of utterances and 0 for those that fill up, bool [members, frames]."""
        return self._number < self.ends[:, -1:]

    def rows(self, backwards: bool) -> Tensor:
        """Which frame an LSTM reads at each time, as rows of [members · frames], int64 [longest · members · batch]."""
        time = torch.arange(self.longest, device=self.lengths.device)[:, None, None]
        within = self.lengths - 1 - time if backwards else time
        row = torch.where(time < self.lengths, self.starts + within, self.frames - 1)
        return (row + self.frames * self._member[:, None]).flatten()

    def places(self, backwards: bool) -> Tensor:
        """The inverse of ``rows``: when each frame is read, as rows of [longest · members · batch]."""
        owner = self.owner.clamp_max(self.batch - 1)
        time = self._number - self.starts.gather(1, owner)
        if backwards:
            time = self.lengths.gather(1, owner) - 1 - time
        time = torch.where(self.inside, time, self.longest - 1)
        return ((time * len(self.lengths) + self._member[:, None]) * self.batch + owner).flatten()

    def spaced(self, gap: int) -> tuple[Tensor, Tensor, Tensor]:
        """Each member's utterances in a row, ``gap`` places before each of them and one or more behind the last.

        Returns the frame of each place, as rows of [members · frames]; the place of each frame, as rows of [members ·
        places]; and which places hold a frame, bool [members, places].
        """
        before = gap * torch.arange(1, self.batch + 1, device=self.lengths.device)
        size = self.frames + gap * self.batch
        at = torch.arange(size, device=self.lengths.device)
        owner = (at[None, :, None] >= (self.ends + before)[:, None]).sum(2)
        last = owner.clamp_max(self.batch - 1)
        real = (owner < self.batch) & (at >= (self.starts + before).gather(1, last))
        frame = torch.where(real, at - before[last], self.frames - 1)
        place = self._number + before[self.owner.clamp_max(self.batch - 1)]
        place = torch.where(self.inside, place, size - 1)
        member = self._member[:, None]
        return (frame + self.frames * member).flatten(), (place + size * member).flatten(), real

    @cached_property
    def _member(self) -> Tensor:
        return torch.arange(len(self.lengths), device=self.lengths.device)

    @cached_property
    def _number(self) -> Tensor:
        return torch.arange(self.frames, device=self.lengths.device)


def table(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns lengths, starts and ends of utterances one after another, [3, members, batch]."""
    ends = lengths.cumsum(1)
    return np.stack([lengths, ends - lengths, ends])


class Recurrent(Protocol):
    """Settings of ``ser.models.lstm``."""

    @property
    def prep_layers(self) -> int: ...
    @property
    def prep_units(self) -> int: ...
    @property
    def units(self) -> int: ...


class Convolved(Protocol):
    """Settings of ``ser.models.tdnn``."""

    @property
    def layers(self) -> int: ...
    @property
    def context(self) -> tuple[int, ...]: ...


class StackedRecurrent:
    """``ser.models.lstm.Recurrent`` of all members, before dropout."""

    def __init__(self, settings: Recurrent) -> None:
        self.layers, self.prepared, self.units = settings.prep_layers, settings.prep_units, settings.units

    def numbers(self, width: int, outputs: int) -> int:
        """Returns about how many numbers a step keeps for each frame of a member."""
        return 3 * width + 3 * self.layers * self.prepared + 32 * self.units * (outputs // self.units)

    def __call__(self, weights: Mapping[str, Tensor], frames: Tensor, layout: Layout) -> Tensor:
        """[members, frames, width] -> [members, frames, outputs]."""
        for number in range(self.layers):
            frames = _linear(weights, f"prepare.{2 * number}", frames).relu()
        directions = sorted({name.split(".")[1] for name in weights if name.startswith("directions.")})
        hidden = [self._read(weights, f"directions.{d}", frames, layout, d == "1") for d in directions]
        return torch.cat(hidden, dim=2)

    def _read(
        self, weights: Mapping[str, Tensor], name: str, frames: Tensor, layout: Layout, backwards: bool
    ) -> Tensor:
        """One direction, [members, frames, units]."""
        own = {key: weights[f"{name}.{key}_l0"] for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        gates = torch.baddbmm((own["bias_ih"] + own["bias_hh"])[:, None], frames, own["weight_ih"].mT)
        rows, places = layout.rows(backwards), layout.places(backwards)
        shape = layout.longest, len(frames), layout.batch, gates.shape[2]
        read: Tensor = _Permuted.apply(gates.flatten(0, 1), rows, places)
        hidden: Tensor = _Recurrence.apply(read.view(shape), own["weight_hh"])
        back: Tensor = _Permuted.apply(hidden.flatten(0, 2), places, rows)
        return back.view(*frames.shape[:2], -1)


class StackedTDNN:
    """``ser.models.tdnn.TDNN`` of all members, before dropout."""

    def __init__(self, settings: Convolved) -> None:
        context, self.layers = settings.context, settings.layers
        self.reach, self.step = max(context), context[1] - context[0] if len(context) > 1 else 1

    def numbers(self, width: int, outputs: int) -> int:
        """Returns about how many numbers a step keeps for each frame of a member."""
        return 4 * width + (5 * self.layers + 3) * outputs

    def __call__(self, weights: Mapping[str, Tensor], frames: Tensor, layout: Layout) -> Tensor:
        """[members, frames, width] -> [members, frames, units].

        Utterances lie in one long row, parted by ``reach`` zeros that are restored after every layer.
        """
        rows, places, real = layout.spaced(self.reach)
        row: Tensor = _Permuted.apply(frames.flatten(0, 1), rows, places)
        real = real[:, :, None].to(frames.dtype)
        row = row.view(len(frames), -1, frames.shape[2]) * real
        for number in range(self.layers):
            row = self._layer(weights, f"layers.{number}", row) * real
        back: Tensor = _Permuted.apply(row.flatten(0, 1), places, rows)
        return back.view(*frames.shape[:2], -1)

    def _layer(self, weights: Mapping[str, Tensor], name: str, row: Tensor) -> Tensor:
        """One convolution with ReLU; a product for each frame of the context."""
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        padded = torch.nn.functional.pad(row, (0, 0, self.reach, self.reach))
        total, length = bias[:, None], row.shape[1]
        for number in range(kernel.shape[3]):
            seen = padded[:, number * self.step : number * self.step + length]
            total = torch.baddbmm(total, seen, kernel[..., number].mT)
        return total.relu()


def pooled(frames: Tensor, u: Tensor, layout: Layout, variance: bool) -> Tensor:
    """Attention pooling of all members: [members, frames, width] -> [members, batch, outputs]."""
    scores = torch.bmm(frames, u[:, :, None]).mT.expand(-1, layout.batch, -1)
    foreign = layout.owner[:, None] != torch.arange(layout.batch, device=frames.device)[:, None]
    alpha = scores.masked_fill(foreign, -torch.inf).softmax(dim=2)
    mean = torch.bmm(alpha, frames)
    if not variance:
        return mean
    return torch.cat([mean, (torch.bmm(alpha, frames.square()) - mean.square()).clamp_min(0)], dim=2)


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return torch.baddbmm(weights[f"{name}.bias"][:, None], x, weights[f"{name}.weight"].mT)


class _Permuted(torch.autograd.Function):
    """Rows in another order; the gradient takes the way back, where torch would add up row by row."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, rows: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx: BackwardCFunction, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return gradients[0].index_select(0, back), None, None


class _Recurrence(torch.autograd.Function):
    """An LSTM's steps over time, from what its inputs add to the gates: Hochreiter and Schmidhuber with forget gates.

    Gates lie as in ``torch.nn.LSTM``: input, forget, cell, output. All that does not depend on the step before is
    computed for all steps at once.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, inputs: Tensor, weight: Tensor) -> Tensor:
        """Inputs [time, members, batch, 4 · units], weight [members, 4 · units, units] -> [time, …, units]."""
        units = weight.shape[2]
        gates, back = torch.empty_like(inputs), weight.mT.contiguous()
        hidden, cells = (inputs.new_zeros(len(inputs) + 1, *inputs.shape[1:3], units) for _ in range(2))
        squashed = torch.empty_like(cells[1:])
        for t in range(len(inputs)):
            torch.baddbmm(inputs[t], hidden[t], back, out=gates[t])
            gates[t, ..., : 2 * units].sigmoid_()
            gates[t, ..., 2 * units : 3 * units].tanh_()
            gates[t, ..., 3 * units :].sigmoid_()
            i, f, g, o = gates[t].split(units, dim=2)
            torch.mul(f, cells[t], out=cells[t + 1])
            cells[t + 1].addcmul_(i, g)
            torch.tanh(cells[t + 1], out=squashed[t])
            torch.mul(o, squashed[t], out=hidden[t + 1])
        ctx.save_for_backward(gates, hidden, cells, squashed, weight)
        return hidden[1:]

    @staticmethod
    def backward(ctx: BackwardCFunction, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        kept: tuple[Tensor, ...] = ctx.saved_tensors
        gates, hidden, cells, squashed, weight = kept
        units = weight.shape[2]
        i, f, g, o = gates.split(units, dim=3)
        # Slopes of all steps: of the cell by input, forget and cell gate, of the output by its gate and by the cell.
        slopes = torch.stack([g * i * (1 - i), cells[:-1] * f * (1 - f), i * (1 - g.square())], dim=3)
        slope_o, slope_c = squashed * o * (1 - o), o * (1 - squashed.square())
        change = torch.empty_like(gates)
        by_cell = change[..., : 3 * units].unflatten(3, (3, units))
        later = torch.zeros_like(cells[0])
        for t in range(len(gates) - 1, -1, -1):
            above = gradients[0][t]
            if t + 1 < len(gates):
                above = torch.baddbmm(above, change[t + 1], weight)
            later = torch.addcmul(later, above, slope_c[t])
            torch.mul(slopes[t], later[:, :, None], out=by_cell[t])
            torch.mul(slope_o[t], above, out=change[t, ..., 3 * units :])
            later = later * f[t]
        of_weight = torch.bmm(_by_member(change).mT, _by_member(hidden[:-1]))
        return change, of_weight


def _by_member(x: Tensor) -> Tensor:
    """[time, members, batch, width] -> [members, time · batch, width]."""
    return x.transpose(0, 1).flatten(1, 2)
