"""The CRNN of Qamhan et al. 2020 (Pinto et al., Table 1): convolutions over a segment's spectrogram, then an LSTM.

Spectrogram segments of a fixed number of frames in, one vector per segment out. The survey names three to four
convolutions with pooling; their filters and pools are ours.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ser.models._convolved import Convolutions, Convolved, steps
from ser.models._images import images
from ser.models._recurrent import vectors
from ser.study.settings import setting

VERSION = 1
GIVES = "segments"


@dataclass(frozen=True)
class Settings(Convolutions):
    """Settings of the network; ours."""

    segment: int = setting("frames of every segment", 64, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of each convolution", (32, 64, 64, 128), low=1)
    pools: tuple[int | tuple[int, int], ...] = setting(
        "max pooling after each convolution: a number, or height and width",
        ((2, 4), (2, 4), (2, 2), (1, 2)),
        unit="pixels",
        low=1,
    )
    units: int = setting("units of the LSTM", 128, low=1)
    dropout: float = setting("share of the outputs that dropout takes", 0.5, low=0, below=1)


class CRNN(nn.Module):
    """Frames [sum(lengths), width] -> [sum(lengths) / segment, units]."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.segment: int = settings.segment
        self.convolved = Convolved(self.segment, width, settings, "crnn")
        self.lstm = nn.LSTM(self.convolved.filters * self.convolved.size[1], settings.units)
        self.dropout = nn.Dropout(settings.dropout)
        self.outputs: int = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another -> the LSTM's last output of each segment, with dropout.

        Raises BadInput where a length is no multiple of ``segment``.
        """
        x = self.convolved(images(frames, lengths, self.segment, "crnn"))
        out: Tensor = self.dropout(vectors(self.lstm, steps(x).unbind(), "last"))
        return out


def build(width: int, settings: Settings) -> CRNN:
    """Returns the network. Raises BadInput where the poolings leave nothing of a segment."""
    return CRNN(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance: two segments."""
    return 8, Settings(segment=12, filters=(3, 4, 5), pools=((2, 2), (1, 2), (2, 2)), units=6, dropout=0.5), 24
