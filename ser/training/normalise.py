"""Features normalised by corpus or speaker: each bin minus its mean, by its standard deviation, over a group's frames.

A group is all that a corpus has in the three subsets, or all that a speaker has there; no label is looked at. So what
is tested is normalised by itself, which takes more of it than one utterance (Schuller et al. 2010 compare both ways
across corpora). Augmented copies are normalised as the utterances are, and counted in no mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.errors import BadInput
from ser.models import traits
from ser.study import Trial
from ser.training.batches import Frames, Items, inverse_deviation

Sums = Mapping[int, tuple[int, Tensor]]  # group -> its frames, and sums of values and squares float64 [2, width]
GROUPS = ("corpus", "speaker")


def frames_by(trial: Trial) -> str:
    """Returns whose frames a trial's features are normalised over, "corpus" or "speaker"; "" for neither.

    A fitted model of vectors has those of each speaker normalised, and not the frames (``ser.training.fit``).
    """
    model = traits(trial.block.name)
    of_vectors = trial.normalise == "speaker" and not model.is_network and model.takes != "frames"
    return trial.normalise if trial.normalise in GROUPS and not of_vectors else ""


@dataclass(frozen=True, eq=False)
class NormalisedFrames(Frames):
    """Frames of groups, normalised as they are read: item i is of ``group[i]``.

    ``mean`` and ``scale`` float32 [groups, width], on the frames' device; ``group`` int64 [items].
    """

    group: npt.NDArray[np.int64]
    mean: Tensor
    scale: Tensor

    @overload
    def __getitem__(self, i: int) -> Tensor: ...
    @overload
    def __getitem__(self, i: slice) -> list[Tensor]: ...
    def __getitem__(self, i: int | slice) -> Tensor | list[Tensor]:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        place = int(self.group[i])
        return (super().__getitem__(i) - self.mean[place]) * self.scale[place]

    def joined(self, indices: Sequence[int]) -> Tensor:
        """Returns these items one after another, float32 [sum of their lengths, width]."""
        at = np.asarray(indices)
        frames, group = super().joined(indices), self.group[at]
        if (group == group[0]).all():
            return (frames - self.mean[group[0]]) * self.scale[group[0]]
        rows = torch.from_numpy(np.repeat(group, self.length[at])).to(frames.device)
        return (frames - self.mean[rows]) * self.scale[rows]

    def on(self, device: str) -> "NormalisedFrames":
        """Returns all items, copied into one block on ``device``."""
        return _grouped(super().on(device), self.group, self.mean.to(device), self.scale.to(device))

    def selected(self, indices: Sequence[int]) -> "NormalisedFrames":
        """Returns the items of these indices in their order, some perhaps several times; nothing is copied."""
        at = np.asarray(indices, np.int64)
        return _grouped(super().selected(indices), self.group[at], self.mean, self.scale)

    def cut(self, frames: int) -> "NormalisedFrames":
        """Returns every item as items of ``frames`` frames, of which its length is a multiple; nothing is copied."""
        return _grouped(super().cut(frames), np.repeat(self.group, self.length // frames), self.mean, self.scale)

    @classmethod
    def concatenated(cls, several: Sequence[Frames]) -> "NormalisedFrames":
        """Returns all items of several, one after another; no frames are copied."""
        parts = [each for each in several if isinstance(each, NormalisedFrames)]
        before = np.cumsum([0, *(len(each.mean) for each in parts)])
        group = np.concatenate([each.group + n for each, n in zip(parts, before, strict=False)])
        mean, scale = (torch.cat([getattr(each, name) for each in parts]) for name in ("mean", "scale"))
        return _grouped(Frames.concatenated(several), group, mean, scale)


def _grouped(frames: Frames, group: npt.NDArray[np.int64], mean: Tensor, scale: Tensor) -> NormalisedFrames:
    return NormalisedFrames(frames.blocks, frames.block, frames.start, frames.length, group, mean, scale)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and 1 / deviation of every bin, float32 [groups, width] each, and the row of each group by its number."""

    mean: Tensor
    scale: Tensor
    row: Mapping[int, int]

    @classmethod
    def of(cls, sums: Iterable[Sums]) -> "Moments":
        """Returns the moments of groups over all that they have in several parts."""
        whole: dict[int, tuple[int, Tensor]] = {}
        for group, (frames, values) in (pair for part in sums for pair in part.items()):
            before, total = whole.get(group, (0, torch.zeros_like(values)))
            whole[group] = before + frames, total + values
        mean, square = torch.stack([values / frames for frames, values in whole.values()], dim=1)
        scale = inverse_deviation(mean, square)
        return cls(mean.float(), scale.float(), {group: row for row, group in enumerate(whole)})

    def applied(self, items: Items, by: str) -> Items:
        """Returns items whose frames are normalised when they are read, each by its group."""
        if not len(items):
            return items
        frames = items.features
        assert isinstance(frames, Frames)
        device = items.features[0].device
        group = np.array([self.row[number] for number in groups_of(items, by).tolist()], np.int64)
        return replace(items, features=_grouped(frames, group, self.mean.to(device), self.scale.to(device)))


def groups_of(items: Items, by: str) -> npt.NDArray[np.int64]:
    """Returns the number of each item's group, int64 [items]: 0 of the corpus, or that of the speaker."""
    if by == "corpus":
        return np.zeros(len(items), np.int64)
    if len(items) and not len(items.voices):
        raise BadInput(
            "no speakers", f"items of {items.corpus}", "a speaker of each utterance", "--set normalise=corpus"
        )
    return items.voices[:, 0].astype(np.int64)


def normalised(several: Sequence[Items], of: Sequence[Items], by: str) -> list[Items]:
    """Returns ``several`` items of one corpus, each normalised over the frames that its group has in ``of``."""
    moments = Moments.of(_sums(items, by) for items in of if len(items))
    return [moments.applied(items, by) for items in several]


def _sums(items: Items, by: str) -> Sums:
    if by == "speaker":
        groups_of(items, by)  # there are speakers
        return items.sums_by_speaker
    frames = int(items.lengths().sum())
    return {0: (frames, items.moments * frames)}
