"""The time-distributed CNN of Lim, Jang & Lee 2016 (paper 004, section 4): one CNN over every window, then LSTMs.

Spectra of any number of frames in, one vector per utterance out. Windows of ``window`` frames begin every ``hop``; all
pass through the same convolutions, and what these make of each is a step for the LSTMs.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models._convolved import Convolved
from ser.models._recurrent import vectors, way

GIVES = "utterance"


class TimeDistributed(nn.Module):
    """Frames [sum(lengths), width] -> [batch, units]."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.window, self.hop = int(settings["window"]), int(settings["hop"])
        if self.hop < 1:
            raise BadInput(str(self.hop), "time_distributed.hop", "1 or more frames", "take half of the window")
        self.convolved = Convolved(self.window, width, settings, "time_distributed")
        height, bands = self.convolved.size
        layers, dropout = settings["layers"], settings["dropout"]
        between = dropout if layers > 1 else 0.0  # torch warns of one that has no place
        self.lstm = nn.LSTM(self.convolved.filters * height * bands, settings["units"], layers, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.answer = way(settings["answer"], "time_distributed.answer")
        self.outputs: int = settings["units"]

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, units], with dropout."""
        images, counts = windows(frames, lengths, self.window, self.hop)
        features = self.convolved(images).flatten(1)
        out: Tensor = self.dropout(vectors(self.lstm, features.split(counts.tolist()), self.answer))
        return out


def windows(frames: Tensor, lengths: Tensor, window: int, hop: int) -> tuple[Tensor, Tensor]:
    """All windows [sum(counts), window, width] of utterances one after another, and how many of each [batch].

    As many as cover an utterance of n frames: 1 + ceil((n - window) / hop), and at least one; what the last lacks is
    filled with zeros, which in normalised spectra are the mean.
    """
    counts = 1 + (-((window - lengths) // hop)).clamp_min(0)
    ends, owner = lengths.cumsum(0), torch.arange(len(lengths), device=frames.device).repeat_interleave(counts)
    number = torch.arange(len(owner), device=frames.device) - (counts.cumsum(0) - counts)[owner]
    at = (ends - lengths)[owner] + number * hop
    index = at[:, None] + torch.arange(window, device=frames.device)
    inside = index < ends[owner][:, None]
    return frames[index.clamp_max(len(frames) - 1)] * inside[:, :, None], counts


def build(width: int, settings: Mapping[str, Any]) -> TimeDistributed:
    """Settings: window, hop, those of ``_convolved`` (filters to partial_pools), units, layers, dropout, answer."""
    return TimeDistributed(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance: three windows."""
    convolutions = {"filters": (4, 5), "kernel": 3, "pools": (2, 2), "partial_pools": False, "activation": "relu"}
    rest = {"window": 6, "hop": 3, "norm": True, "units": 6, "layers": 2, "dropout": 0.3, "answer": "last"}
    return 8, convolutions | rest, 11
