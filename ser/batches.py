"""Mini-batches of one corpus: seeded, length-bucketed, and a plain function of their number.

Because batch number b is computed from the seed and b alone, a resumed training needs no sampler state.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Items:
    """Labelled features of one corpus and side: ``features[i]`` float32 [frames_i, width], ``labels`` int64 [items].

    Labels are on the training device; features are there too, or in mapped memory where they do not fit.
    """

    corpus: str
    names: tuple[str, ...]
    features: Sequence[Tensor]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of each item, int64 [items]."""
        return np.array([len(f) for f in self.features], dtype=np.int64)

    @cached_property
    def moments(self) -> Tensor:
        """Mean and mean square of every bin over all frames, float64 [2, width] on the CPU; computed once."""
        total = torch.zeros(2, self.features[0].shape[1], dtype=torch.float64)
        for at in range(0, len(self), 64):
            frames = torch.cat(list(self.features[at : at + 64])).double()
            total += torch.stack([frames.sum(0), frames.square().sum(0)]).cpu()
        return total / int(self.lengths().sum())

    def batch(self, indices: Sequence[int]) -> "Batch":
        """The chosen items as one batch, in the given order."""
        chosen = [self.features[i] for i in indices]
        lengths = torch.tensor([len(f) for f in chosen], device=self.labels.device)
        frames = torch.cat(chosen).to(self.labels.device, non_blocking=True)
        return Batch(self.corpus, tuple(indices), frames, lengths, self.labels[list(indices)])


@dataclass(frozen=True)
class Batch:
    """Utterances one after another: ``frames`` [sum(lengths), width], ``lengths`` and ``labels`` int64 [batch]."""

    corpus: str
    indices: tuple[int, ...]
    frames: Tensor
    lengths: Tensor
    labels: Tensor


class Stream:
    """An endless shuffled sequence of batches over ``lengths``.

    The items are permuted again and again; every ``pool`` batches' worth of them is sorted by length and cut into
    batches, which come in random order. ``pool`` 1 leaves the lengths mixed; it is never larger than the corpus.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], batch_size: int, pool: int, seed: Sequence[int]) -> None:
        self._lengths, self._batch_size, self._seed = lengths, batch_size, tuple(seed)
        # A pool of several permutations would hold each item several times, and sorting would put them in one batch.
        self._pool = max(1, min(pool, len(lengths) // batch_size))
        self._permutation = lru_cache(maxsize=4)(self._draw_permutation)
        self._batches = lru_cache(maxsize=2)(self._cut_pool)

    def indices(self, number: int) -> tuple[int, ...]:
        """Item indices of batch ``number`` (0, 1, 2 ...)."""
        return self._batches(number // self._pool)[number % self._pool]

    def _draw_permutation(self, turn: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([*self._seed, 0, turn]).permutation(len(self._lengths))

    def _cut_pool(self, number: int) -> list[tuple[int, ...]]:
        size, n = self._batch_size * self._pool, len(self._lengths)
        at = np.arange(number * size, (number + 1) * size)
        items = np.array([self._permutation(turn)[i] for turn, i in zip(at // n, at % n, strict=True)])
        if self._pool > 1:
            items = items[np.argsort(self._lengths[items], kind="stable")]
        cut = items.reshape(self._pool, self._batch_size)
        order = np.random.default_rng([*self._seed, 1, number]).permutation(self._pool)
        return [tuple(row) for row in cut[order].tolist()]


def parts(indices: Sequence[int], split: int) -> list[tuple[int, ...]]:
    """``indices`` in order, cut in ``split`` parts of as equal a number as can be; never an empty one."""
    cut = np.array_split(np.array(indices), min(split, len(indices)))
    return [tuple(part.tolist()) for part in cut]


def sorted_batches(items: Items, split: int = 1, frames: int = 8192) -> Iterator[Batch]:
    """Every item once, sorted by length, as many to a batch as ``frames`` padded frames hold: for evaluation.

    With ``split`` a batch holds so many times fewer frames, down to one utterance.
    """
    frames //= split
    lengths = items.lengths()
    order = np.argsort(lengths, kind="stable").tolist()
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * lengths[i] > frames:
            yield items.batch(batch)
            batch = []
        batch.append(i)
    if batch:
        yield items.batch(batch)
