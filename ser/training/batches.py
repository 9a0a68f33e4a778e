"""Mini-batches of one corpus: seeded, length-bucketed, and a plain function of their number.

Because batch number b is computed from the seed and b alone, a resumed training needs no sampler state.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.features.entry import Features
from ser.features.recipe import Array
from ser.models._transfer import to_device

_GOLDEN = (5**0.5 - 1) / 2
_MOST_NUMBERS = 1 << 25  # that are added up at once, in float64 and their squares: 0.5 GB


class _Views(Sequence[Tensor]):
    """Blocks of a store entry as tensors, or some columns of them; a block is opened when it is first asked for."""

    def __init__(self, blocks: Sequence[Array], columns: slice | None) -> None:
        self._blocks, self._columns = blocks, columns
        self._views: list[Tensor | None] = [None] * len(blocks)

    def __len__(self) -> int:
        return len(self._views)

    @overload
    def __getitem__(self, i: int) -> Tensor: ...
    @overload
    def __getitem__(self, i: slice) -> list[Tensor]: ...
    def __getitem__(self, i: int | slice) -> Tensor | list[Tensor]:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        if (view := self._views[i]) is None:
            whole = torch.from_numpy(self._blocks[i])
            view = self._views[i] = whole if self._columns is None else whole[:, self._columns]
        return view


class _Chain(Sequence[Tensor]):
    """Blocks of several sequences, one after another; none is asked for before its turn."""

    def __init__(self, parts: Iterable[Sequence[Tensor]]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self._parts]).tolist()

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends else 0

    @overload
    def __getitem__(self, i: int) -> Tensor: ...
    @overload
    def __getitem__(self, i: slice) -> list[Tensor]: ...
    def __getitem__(self, i: int | slice) -> Tensor | list[Tensor]:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        i = range(len(self))[i]
        part = bisect_right(self._ends, i)
        block: Tensor = self._parts[part][i - self._ends[part]]  # from its end: a negative number
        return block


@dataclass(frozen=True, eq=False)
class Frames(Sequence[Tensor]):
    """Features that lie in few large ``blocks`` [frames, width]: float32, made on demand.

    Item i is ``length[i]`` frames of ``blocks[block[i]]`` from ``start[i]`` on; all int64 [items]. Blocks may be
    float16, and columns of wider ones: an item is then a copy, and else a view.
    """

    blocks: Sequence[Tensor]
    block: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.length)

    @overload
    def __getitem__(self, i: int) -> Tensor: ...
    @overload
    def __getitem__(self, i: slice) -> list[Tensor]: ...
    def __getitem__(self, i: int | slice) -> Tensor | list[Tensor]:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        item = self.blocks[int(self.block[i])][int(self.start[i]) : int(self.start[i] + self.length[i])]
        return item.float().contiguous()

    def joined(self, indices: Sequence[int]) -> Tensor:
        """Returns these items one after another, float32 [sum of their lengths, width]."""
        if isinstance(self.blocks, tuple) and self.blocks[0].device.type != "cpu":  # what ``on`` made
            return self._selected_rows(indices)
        strokes = self._strokes(indices)
        if all(stroke.dtype == torch.float32 for stroke in strokes):
            return torch.cat(strokes)
        size = sum(map(len, strokes)), strokes[0].shape[1]
        return torch.cat(strokes, out=torch.empty(size, device=strokes[0].device))  # converted as it is copied

    def _selected_rows(self, indices: Sequence[int]) -> Tensor:
        """``joined`` of one block on a device, in one call there; float16 become float32 there."""
        at, (block,) = np.asarray(indices), self.blocks
        length = self.length[at]
        ends = length.cumsum()
        rows = np.arange(ends[-1]) + np.repeat(self.start[at] - (ends - length), length)
        return block.index_select(0, to_device(torch.from_numpy(rows), block.device)).float()

    def _strokes(self, indices: Sequence[int]) -> list[Tensor]:
        """Views of these items, one of all neighbours."""
        at = np.asarray(indices)
        block, start, end = self.block[at], self.start[at], self.start[at] + self.length[at]
        begins = np.ones(len(at) + 1, bool)  # a stroke, where the one before ends
        begins[1:-1] = (block[1:] != block[:-1]) | (start[1:] != end[:-1])
        first, last = begins[:-1], begins[1:]
        strokes = zip(block[first].tolist(), start[first].tolist(), end[last].tolist(), strict=True)
        return [self.blocks[b][a:z] for b, a, z in strokes]

    def on(self, device: str) -> "Frames":
        """Returns all items, copied into one block on ``device``; float16 stay float16."""
        start = np.cumsum(self.length) - self.length
        block = torch.cat(self._strokes(range(len(self)))).to(device)
        return Frames((block,), np.zeros_like(start), start, self.length)

    def selected(self, indices: Sequence[int]) -> "Frames":
        """Returns the items of these indices in their order, some perhaps several times; nothing is copied."""
        at = np.asarray(indices, np.int64)
        return Frames(self.blocks, self.block[at], self.start[at], self.length[at])

    @classmethod
    def of_entries(
        cls, entries: Iterable[Features], names: Sequence[str], columns: slice | None = None
    ) -> tuple["Frames", npt.NDArray[np.bool_]]:
        """Returns the items of these names out of store entries, mapped and not copied; and which of them there are.

        The second is bool [names]: what was refused when the features were computed is in no entry. ``columns``: those
        of the vectors that are meant, None for all. Blocks are opened when an item of theirs is asked for, which
        raises Damaged then.
        """
        parts: list[_Views] = []
        before = 0  # blocks
        places = np.full((3, len(names)), -1)  # block, start and length of each item
        for entry in entries:
            rows = entry.rows(names)
            is_here = rows >= 0
            rows = rows[is_here]
            places[:, is_here] = entry.block[rows] + before, entry.start[rows], entry.length[rows]
            parts.append(_Views(entry.blocks, columns))
            before += len(entry.blocks)
        is_usable = places[0] >= 0
        return cls(_Chain(parts), *places[:, is_usable]), is_usable

    @classmethod
    def concatenated(cls, several: Sequence["Frames"]) -> "Frames":
        """Returns all items of several, one after another; nothing is copied."""
        before = np.cumsum([0, *(len(f.blocks) for f in several)])
        block = np.concatenate([f.block + n for f, n in zip(several, before, strict=False)])
        start, length = (np.concatenate([getattr(f, name) for f in several]) for name in ("start", "length"))
        return cls(_Chain(f.blocks for f in several), block, start, length)

    def cut(self, frames: int) -> "Frames":
        """Returns every item as items of ``frames`` frames, of which its length is a multiple; nothing is copied."""
        parts = self.length // frames
        within = np.concatenate([np.arange(n) for n in parts]) if len(parts) else np.zeros(0, np.int64)
        start = np.repeat(self.start, parts) + within * frames
        return Frames(self.blocks, np.repeat(self.block, parts), start, np.full_like(start, frames))

    @property
    def nbytes(self) -> int:
        """Size of all items in bytes."""
        if not len(self):
            return 0
        block = self.blocks[int(self.block[0])]
        return int(self.length.sum()) * block.shape[1] * block.element_size()


@dataclass(frozen=True)
class Items:
    """Labelled features of one corpus and subset: ``features[i]`` float32 [frames_i, width], ``labels`` int64 [items].

    Where an item may have several labels, they are float32 [items, classes], 1 for each that it has.
    Labels are on the training device; features are there too, or in mapped memory where they do not fit.
    ``voices`` int32 [items, 2], or [0, 2] where nobody asks: number of the speaker, and sex (1 female, 2 male, 0
    unknown). ``ratings`` float32 [items, dimensions], or [0, 0] where nobody asks: from -1 to 1, nan where there is
    none; on the training device. With ``shares`` labels are float32 [items, classes], the shares of raters' votes.
    """

    corpus: str
    names: tuple[str, ...]
    features: Sequence[Tensor]
    labels: Tensor
    voices: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    ratings: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    shares: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of each item, int64 [items]."""
        return self._lengths

    @cached_property
    def _lengths(self) -> npt.NDArray[np.int64]:
        if isinstance(self.features, Frames):
            return self.features.length
        return np.array([len(f) for f in self.features], dtype=np.int64)

    def _joined(self, indices: Sequence[int]) -> Tensor:
        if isinstance(self.features, Frames):
            return self.features.joined(indices)
        return torch.cat([self.features[i] for i in indices])

    @cached_property
    def moments(self) -> Tensor:
        """Mean and mean square of every bin over all frames, float64 [2, width] on the CPU; computed once."""
        total = torch.zeros(2, self.features[0].shape[1], dtype=torch.float64)
        for indices in self._neighbours(64, _MOST_NUMBERS // total.shape[1]):
            frames = self._joined(indices).double()
            total += torch.stack([frames.sum(0), frames.square().sum(0)]).cpu()
        return total / int(self.lengths().sum())

    @cached_property
    def sums_by_speaker(self) -> dict[int, tuple[int, Tensor]]:
        """Frames of each speaker, and sums of every bin and of its square, float64 [2, width] on the CPU, by number."""
        speakers, place = np.unique(self.voices[:, 0], return_inverse=True)
        totals = torch.zeros(len(speakers), 2, self.features[0].shape[1], dtype=torch.float64)
        for indices in self._neighbours(64, _MOST_NUMBERS // totals.shape[2]):
            frames = self._joined(indices).double()
            rows = torch.from_numpy(np.repeat(place[list(indices)], self.lengths()[list(indices)]))
            totals.index_add_(0, rows, torch.stack([frames, frames.square()], dim=1).cpu())
        counts = np.bincount(place, self.lengths(), len(speakers)).astype(int).tolist()
        return {int(who): (n, total) for who, n, total in zip(speakers, counts, totals, strict=True)}

    def _neighbours(self, items: int, frames: int) -> Iterator[range]:
        """All items in order, so many at once, and fewer where they have more frames than that."""
        lengths = self.lengths().tolist()
        start = size = 0
        for i, length in enumerate(lengths):
            if i > start and (i - start == items or size + length > frames):
                yield range(start, i)
                start, size = i, 0
            size += length
        if lengths:
            yield range(start, len(lengths))

    @classmethod
    def pooled(cls, several: Sequence["Items"]) -> "Items":
        """Returns all items of several corpora, one corpus after another."""
        (first, *others) = several
        if not others:
            return first
        features: Sequence[Tensor] = [x for items in several for x in items.features]
        kinds = {type(items.features) for items in several}
        if isinstance(first.features, Frames) and len(kinds) == 1:
            frames = [items.features for items in several if isinstance(items.features, Frames)]
            features = type(first.features).concatenated(frames)
        names = tuple(name for items in several for name in items.names)
        labels, ratings = (torch.cat([getattr(items, name) for items in several]) for name in ("labels", "ratings"))
        return cls("pooled", names, features, labels, ratings=ratings, shares=first.shares)

    def selected(self, indices: Sequence[int]) -> "Items":
        """Returns the items of these indices in their order, some perhaps several times; no features are copied."""
        features: Sequence[Tensor] = self.features
        features = features.selected(indices) if isinstance(features, Frames) else [features[i] for i in indices]
        names = tuple(self.names[i] for i in indices)
        voices = self.voices[list(indices)] if len(self.voices) else self.voices
        labels, ratings = self.truth_of(indices)
        return Items(self.corpus, names, features, labels, voices, ratings, self.shares)

    def truth_of(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Returns labels and ratings of the items of these indices, in their order; ratings [0, 0] if nobody asks."""
        at = to_device(torch.tensor(list(indices), dtype=torch.int64), self.labels.device)
        return self.labels[at], self.ratings[at] if self.ratings.shape[1] else self.ratings

    def segments(self, frames: int) -> "Items":
        """Returns every item as items of ``frames`` frames, named ``<name>#<number>``; no features are copied."""
        assert isinstance(self.features, Frames)
        counts = self.features.length // frames
        names = tuple(f"{name}#{k}" for name, n in zip(self.names, counts.tolist(), strict=True) for k in range(n))
        repeats = torch.from_numpy(counts).to(self.labels.device)
        labels = self.labels.repeat_interleave(repeats, dim=0)
        ratings = self.ratings.repeat_interleave(repeats, dim=0) if self.ratings.shape[1] else self.ratings
        voices = np.repeat(self.voices, counts, axis=0) if len(self.voices) else self.voices
        return Items(self.corpus, names, self.features.cut(frames), labels, voices, ratings, self.shares)

    def followed_by(self, extra: "Items") -> "Items":
        """Returns these items and then ``extra``, as of this corpus; features are copied only from another device."""
        device, features = self.features[0].device, extra.features
        if features[0].device != device:
            features = features.on(str(device)) if isinstance(features, Frames) else [x.to(device) for x in features]
        return replace(Items.pooled([self, replace(extra, features=features)]), corpus=self.corpus)

    def batch(self, indices: Sequence[int]) -> "Batch":
        """Returns the items of these indices as one batch, in their order."""
        lengths = torch.from_numpy(self._lengths[list(indices)])
        frames = self._joined(indices).to(self.labels.device, non_blocking=True)
        labels, ratings = self.truth_of(indices)
        return Batch(self.corpus, tuple(indices), frames, lengths, labels, ratings)


@dataclass(frozen=True)
class Batch:
    """Items one after another: ``frames`` [sum(lengths), width], ``lengths`` int64 [batch], labels and ratings.

    ``lengths`` are on the CPU, all else on the training device.
    """

    corpus: str
    indices: tuple[int, ...]
    frames: Tensor
    lengths: Tensor
    labels: Tensor
    ratings: Tensor


class Stream:
    """An endless shuffled sequence of batches over ``lengths``.

    The items are permuted again and again; every ``pool`` batches' worth of them is sorted by length and cut into
    batches, which come in random order. ``pool`` 1 leaves the lengths mixed; it is never larger than the corpus.

    With ``turn``, a corpus's number and how many take turns, a batch's place in the order of lengths depends on the
    number of the training's step alone, so that stacked trainings have short batches at the same steps, and long ones.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        batch_size: int,
        pool: int,
        seed: Sequence[int],
        turn: tuple[int, int] | None = None,
    ) -> None:
        self._turn = turn
        self._lengths, self._batch_size, self._seed = lengths, batch_size, tuple(seed)
        # A pool of several permutations would hold each item several times, and sorting would put them in one batch.
        self._pool = max(1, min(pool, len(lengths) // batch_size))
        self._permutation = lru_cache(maxsize=4)(self._draw_permutation)
        self._batches = lru_cache(maxsize=2)(self._cut_pool)

    def indices(self, number: int) -> tuple[int, ...]:
        """Returns the item indices of batch ``number`` (0, 1, 2 ...)."""
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
        if self._turn is not None:
            first, corpora = self._turn
            steps = first + corpora * np.arange(number * self._pool, (number + 1) * self._pool)
            # Multiples of the golden ratio spread evenly over 0 to 1, every second or third of them too.
            order = np.argsort(np.argsort(steps * _GOLDEN % 1.0))
        return [tuple(row) for row in cut[order].tolist()]


class Passes:
    """Batches in which every item comes once per pass, shuffled anew each time; the last of a pass is smaller.

    A last one of fewer than ``smallest`` items is added to the batch before.
    """

    def __init__(self, count: int, batch_size: int, seed: Sequence[int], smallest: int = 1) -> None:
        whole, rest = divmod(count, batch_size)
        self.per_pass = whole + (rest >= smallest or not whole)
        self._count, self._batch_size = count, batch_size
        self._seed = tuple(seed)
        self._permutation = lru_cache(maxsize=2)(self._draw)

    def indices(self, number: int) -> tuple[int, ...]:
        """Returns the item indices of batch ``number`` (0, 1, 2 ...)."""
        turn, place = divmod(number, self.per_pass)
        at = place * self._batch_size
        end = self._count if place == self.per_pass - 1 else at + self._batch_size
        return tuple(self._permutation(turn)[at:end])

    def _draw(self, turn: int) -> list[int]:
        permutation: list[int] = np.random.default_rng([*self._seed, 0, turn]).permutation(self._count).tolist()
        return permutation


def inverse_deviation(mean: Tensor, square: Tensor) -> Tensor:
    """Returns 1 / deviation of bins from means and mean squares, float64 [width]; variances are 1e-6 or more."""
    return (square - mean.square()).clamp_min(1e-6).rsqrt()


def parts(indices: Sequence[int], accumulation_steps: int, smallest: int = 1) -> list[tuple[int, ...]]:
    """Returns ``indices`` in order, in ``accumulation_steps`` parts, as equal as can be.

    There are fewer parts where one would have fewer than ``smallest`` items.
    """
    cut = np.array_split(np.array(indices), max(1, min(accumulation_steps, len(indices) // smallest)))
    return [tuple(part.tolist()) for part in cut]


def sorted_batches(items: Items, accumulation_steps: int = 1, frames: int = 8192) -> Iterator[Batch]:
    """Yields every item once, sorted by length, as many to a batch as ``frames`` padded frames hold: for evaluation.

    With ``accumulation_steps`` a batch holds so many times fewer frames, down to one utterance.
    """
    frames //= accumulation_steps
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
