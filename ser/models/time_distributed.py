"""The time-distributed CNN of Lim, Jang & Lee 2016 (Pinto et al., section 4): one CNN over every window, then LSTMs.

Spectra of any number of frames in, one vector per utterance out. Windows of ``window`` frames begin every ``hop``; all
pass through the same convolutions, and what these make of each is a step for the LSTMs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ser.models import _utterances
from ser.models._convolved import Convolutions, Convolved
from ser.models._recurrent import vectors
from ser.models._transfer import to_device
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings(Convolutions):
    """Settings of the network; ours."""

    window: int = setting("frames of every window", 32, unit="frames", low=1)
    hop: int = setting("frames from one window to the next", 16, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of each convolution", (16, 32, 64), low=1)
    pools: tuple[int | tuple[int, int], ...] = setting(
        "max pooling after each convolution: a number, or height and width",
        ((2, 4), (2, 4), (2, 4)),
        unit="pixels",
        low=1,
    )
    units: int = setting("units of each LSTM", 128, low=1)
    layers: int = setting("LSTMs on top of each other", 2, low=1)
    dropout: float = setting("share that dropout takes of each LSTM's outputs", 0.3, low=0, below=1)
    answer: str = setting("the LSTM's last output, or the mean of all", "last", choices=("last", "mean"))


class TimeDistributed(nn.Module):
    """Frames [sum(lengths), width] -> [batch, units]."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.window, self.hop = settings.window, settings.hop
        self.convolved = Convolved(self.window, width, settings, "time_distributed")
        height, bands = self.convolved.size
        layers, dropout = settings.layers, settings.dropout
        between = dropout if layers > 1 else 0.0  # torch warns of one that has no place
        self.lstm = nn.LSTM(self.convolved.filters * height * bands, settings.units, layers, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.answer = settings.answer
        self.outputs: int = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, units], with dropout."""
        images, counts = windows(frames, lengths, self.window, self.hop)
        features = self.convolved(images).flatten(1)
        out: Tensor = self.dropout(vectors(self.lstm, _utterances.split(features, counts), self.answer))
        return out


def windows(frames: Tensor, lengths: Tensor, window: int, hop: int) -> tuple[Tensor, Tensor]:
    """Returns all windows [sum(counts), window, width] of utterances one after another, and the count of each [batch].

    As many as cover an utterance of n frames: 1 + ceil((n - window) / hop), and at least one; what the last lacks is
    filled with zeros, which in normalised spectra are the mean.
    """
    counts = 1 + (-((window - lengths) // hop)).clamp_min(0)
    ends, owner = lengths.cumsum(0), torch.arange(len(lengths)).repeat_interleave(counts)
    number = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]
    at = (ends - lengths)[owner] + number * hop
    index = at[:, None] + torch.arange(window)
    inside = to_device(index < ends[owner][:, None], frames.device)
    index = to_device(index.clamp_max(len(frames) - 1), frames.device)
    return frames[index] * inside[:, :, None], counts


def build(width: int, settings: Settings) -> TimeDistributed:
    """Returns the network. Raises BadInput where the poolings leave nothing of a window."""
    return TimeDistributed(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance: three windows."""
    return 8, Settings(window=6, hop=3, filters=(4, 5), pools=(2, 2), units=6, layers=2, dropout=0.3), 11
