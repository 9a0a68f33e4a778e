"""Recordings whose features are normalised together: those of a speaker, or all that are given, as one corpus."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.prediction.recordings import Recording
from ser.training.batches import inverse_deviation

Frames = npt.NDArray[np.float32]
FEWEST = 5  # recordings whose features can be normalised together: of fewer, means and deviations say little
_REMEDIES = {
    "speaker": "give --one-speaker where all files are of one, or a table with the columns path, speaker",
    "corpus": "give more recordings, which are taken for one corpus",
}


def too_few(count: int, by: str, speaker: str = "") -> str:
    """Returns why recordings of a group, of which there are ``count``, have no answer."""
    unknown = by == "speaker" and not speaker
    reason = "the speaker is not known" if unknown else f"{count} recordings of {speaker or 'all'}"
    return f"{reason}; needed: {FEWEST} or more of a {by}: features are normalised by {by}; {_REMEDIES[by]}"


@dataclass
class GroupSums:
    """Sums over the frames of each group; ``by`` "speaker" or "corpus"."""

    by: str
    _frames: dict[str, int] = field(default_factory=dict)
    _recordings: dict[str, int] = field(default_factory=dict)
    _sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, recording: Recording, frames: Frames | str) -> None:
        """Counts a recording's frames [frames, width] in; none where there is an error in their place."""
        if isinstance(frames, str):
            return
        group, values = self._group(recording), torch.from_numpy(frames).double()
        sums = torch.stack([values.sum(0), values.square().sum(0)])
        self._frames[group] = self._frames.get(group, 0) + len(frames)
        self._recordings[group] = self._recordings.get(group, 0) + 1
        self._sums[group] = self._sums[group] + sums if group in self._sums else sums

    def normalised(self, recording: Recording, frames: Frames | str) -> Frames | str:
        """Returns frames normalised over all of their group, or why they cannot be."""
        group = self._group(recording)
        count = self._recordings.get(group, 0)
        if isinstance(frames, str):
            return frames
        if count < FEWEST or (self.by == "speaker" and not group):
            return too_few(count, self.by, group)
        mean, square = self._sums[group] / self._frames[group]
        scale = inverse_deviation(mean, square)
        values: Frames = ((torch.from_numpy(frames) - mean.float()) * scale.float()).numpy()
        return values

    def _group(self, recording: Recording) -> str:
        return recording.speaker if self.by == "speaker" else ""
