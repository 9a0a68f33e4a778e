"""The CRNN of Qamhan et al. 2020 (paper 004, Table 1): convolutions over a segment's spectrogram, then an LSTM.

Spectrogram segments of a fixed number of frames in, one vector per segment out. The survey names three to four
convolutions with pooling; how many filters and which pools a study states.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ser.models._convolved import Convolved, steps
from ser.models._images import images
from ser.models._recurrent import vectors

GIVES = "segments"


class CRNN(nn.Module):
    """Frames [sum(lengths), width] -> [sum(lengths) / segment, units]."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.segment: int = settings["segment"]
        self.convolved = Convolved(self.segment, width, settings, "crnn")
        self.lstm = nn.LSTM(self.convolved.filters * self.convolved.size[1], settings["units"])
        self.dropout = nn.Dropout(settings["dropout"])
        self.outputs: int = settings["units"]

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another -> the LSTM's last output of each segment, with dropout.

        Raises BadInput where a length is no multiple of ``segment``.
        """
        x = self.convolved(images(frames, lengths, self.segment, "crnn"))
        out: Tensor = self.dropout(vectors(self.lstm, steps(x).unbind(), "last"))
        return out


def build(width: int, settings: Mapping[str, Any]) -> CRNN:
    """Settings: segment, those of ``_convolved`` (filters to partial_pools), units, dropout."""
    return CRNN(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance: two segments."""
    convolutions = {"filters": (3, 4, 5), "kernel": 3, "pools": ((2, 2), (1, 2), (2, 2)), "partial_pools": False}
    rest = {"segment": 12, "activation": "relu", "norm": True, "units": 6, "dropout": 0.5}
    return 8, convolutions | rest, 24
