"""Weights of many networks as one matrix [members, weights], and an optimiser for each of its rows."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ser.study import Training

Places = Mapping[str, tuple[int, torch.Size]]  # of each weight: its first column, and its shape
_ALIGNMENT = 16  # floats: equal places in memory make a matrix product's rounding equal for every member


def places_of(shapes: Mapping[str, torch.Size]) -> tuple[Places, int]:
    """Returns where weights of these shapes lie in a row, and how long it is."""
    places, offset = {}, 0
    for name, shape in shapes.items():
        places[name] = (offset, shape)
        offset += -(-shape.numel() // _ALIGNMENT) * _ALIGNMENT
    return places, offset


def views(matrix: Tensor, places: Places) -> dict[str, Tensor]:
    """Returns views of [members, weights]: each weight with a leading dimension [members]."""
    return {name: matrix[:, a : a + shape.numel()].view(-1, *shape) for name, (a, shape) in places.items()}


class Optimisers:
    """One optimiser for each row of ``weights`` [members, weights]; members lie in runs of the same kind.

    The formulas are torch's: Adam (betas 0.9 and 0.999) and RMSprop (0.9, as in Keras) divide by the root plus epsilon;
    weight decay adds to the gradient, after clipping.
    """

    def __init__(self, settings: Sequence[Training], weights: Tensor) -> None:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=weights.device)[:, None].to(weights.dtype)

        self.weights, self.kinds = weights, [s.optimiser for s in settings]
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        self.updates = torch.zeros(len(settings), 1, dtype=torch.float64, device=weights.device)
        self.rate, self.epsilon, self.decay, self.clip = (
            column([getattr(s, name) or default for s in settings])
            for name, default in (("learning_rate", 0), ("epsilon", 0), ("weight_decay", 0), ("clip_norm", math.inf))
        )
        self.clipped, self.decayed = any(s.clip_norm for s in settings), any(s.weight_decay for s in settings)

    @property
    def state(self) -> dict[str, Tensor]:
        """All that a step changes, a row for each member: weights, both moments, and the number of updates."""
        return {name: getattr(self, name) for name in ("weights", "first", "second", "updates")}

    def reduce_to(self, rows: list[int]) -> None:
        """Drops all other rows."""
        self.kinds = [self.kinds[i] for i in rows]
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value[rows])

    def step(self, gradient: Tensor, idle: Sequence[int] = (), norm: Tensor | None = None) -> None:
        """Makes one update by ``gradient`` [members, weights], which it changes; none of the ``idle`` rows.

        ``norm`` [members]: what is clipped, where a network has more weights than these.
        """
        before = [x[idle] for x in self.state.values()] if idle else []
        starts = [i for i, kind in enumerate(self.kinds) if i == 0 or kind != self.kinds[i - 1]]
        self._clip(gradient, self.clip, gradient.norm(dim=1) if norm is None and self.clipped else norm)
        for a, z in pairwise([*starts, len(self.kinds)]):
            self._update(slice(a, z), gradient[a:z], *(x[a:z] for x in self.state.values()))
        for x, old in zip(self.state.values(), before, strict=False):
            x[idle] = old

    def step_some(self, rows: Tensor, gradient: Tensor, norm: Tensor) -> None:
        """Makes one update of these rows, int64 on the device, by ``gradient`` [rows, weights], which it changes.

        ``norm`` [rows] is what is clipped. All rows are of one kind.
        """
        some = [x.index_select(0, rows) for x in self.state.values()]
        self._clip(gradient, self.clip.index_select(0, rows), norm)
        self._update(rows, gradient, *some)
        for x, new in zip(self.state.values(), some, strict=True):
            x.index_copy_(0, rows, new)

    def _clip(self, gradient: Tensor, most: Tensor, norm: Tensor | None) -> None:
        if self.clipped and norm is not None:
            gradient *= (most / (norm[:, None] + 1e-6)).clamp_max(1)

    def _update(
        self, rows: slice | Tensor, gradient: Tensor, weights: Tensor, first: Tensor, second: Tensor, updates: Tensor
    ) -> None:
        """Changes weights, moments and counts of the rows of one kind, which are given."""
        rate, epsilon = self.rate[rows], self.epsilon[rows]
        kind = self.kinds[rows.start if isinstance(rows, slice) else 0]
        updates += 1
        if self.decayed:
            gradient.addcmul_(self.decay[rows], weights)
        if kind == "sgd":
            weights.addcmul_(rate, gradient, value=-1)
        elif kind == "rmsprop":
            second.mul_(0.9).addcmul_(gradient, gradient, value=1 - 0.9)
            weights.addcdiv_(gradient * rate, second.sqrt().add_(epsilon), value=-1)
        else:
            first.lerp_(gradient, 1 - 0.9)
            second.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
            size = (rate / (1 - 0.9**updates)).to(weights.dtype)
            root = (1 - 0.999**updates).sqrt().to(weights.dtype)
            weights.addcdiv_(first * size, (second.sqrt() / root).add_(epsilon), value=-1)
