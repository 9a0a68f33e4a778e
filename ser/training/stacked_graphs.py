"""Steps of stacked networks as CUDA graphs: what an LSTM launches hundreds of times a step, a GPU then launches itself.

A graph holds shapes and places in memory, so mini-batches are filled up to one of few sizes, and copied to where the
graph reads them. Off until ``tests/bench/bench_gpu.py`` has shown on a GPU that it pays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ser.models._stacked_frames import Layout

IS_ON = False
_MOST = 48  # graphs: each keeps the memory of its step, and rarer sizes are done without
_WARM_UP = 2  # steps before a graph is taken, in which libraries choose kernels and make work space
_GROWTH = 1.25  # from one size to the next: a tenth more frames on average

Step = Callable[[Tensor, Layout, Tensor | None, Tensor, Tensor, Tensor], Tensor]


def rounded(number: int) -> int:
    """Returns the smallest of the few sizes, multiples of 16, that is not below ``number``."""
    size = 16
    while size < number:
        size = max(size + 16, int(size * _GROWTH) // 16 * 16)
    return size


@dataclass
class Graphs:
    """``step`` in graphs, by the shapes of its inputs. ``state`` is what it changes, in place."""

    step: Step
    state: Sequence[Tensor]
    taken: dict[tuple[int, ...], "_Graph"] = field(default_factory=dict)

    def __call__(
        self, frames: Tensor, layout: Layout, mask: Tensor | None, truth: Tensor, importance: Tensor, heads: Tensor
    ) -> Tensor:
        """As ``step``; the first call with new shapes takes the graph."""
        numbers = torch.stack([layout.lengths, layout.starts, layout.ends])
        inputs = [frames, numbers, truth, importance, heads, *([] if mask is None else [mask])]
        key = (*frames.shape, layout.longest)
        if key not in self.taken:
            if len(self.taken) == _MOST:
                return self.step(frames, layout, mask, truth, importance, heads)
            self.taken[key] = self._take(inputs, layout.frames, layout.longest)
        return self.taken[key].replayed(inputs)

    def _take(self, inputs: Sequence[Tensor], frames: int, longest: int) -> "_Graph":
        """Takes a graph of a step; the state is afterwards as it was."""
        places = [x.clone() for x in inputs]
        before = [x.clone() for x in self.state]

        def step() -> Tensor:
            x, (lengths, starts, ends), truth, importance, heads, *masks = places
            layout = Layout(lengths, starts, ends, frames, longest)
            return self.step(x, layout, masks[0] if masks else None, truth, importance, heads)

        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        pool = next(iter(self.taken.values())).graph.pool() if self.taken else None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            answer = step()
        for x, old in zip(self.state, before, strict=True):
            x.copy_(old)
        return _Graph(graph, places, answer)


@dataclass
class _Graph:
    graph: torch.cuda.CUDAGraph
    places: list[Tensor]
    answer: Tensor

    def replayed(self, inputs: Sequence[Tensor]) -> Tensor:
        for place, x in zip(self.places, inputs, strict=True):
            place.copy_(x)
        self.graph.replay()
        return self.answer.clone()
