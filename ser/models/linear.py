"""A linear classifier of utterance vectors: no layer of its own, so that the network's head is all that learns.

Trained by gradient descent, beside other networks and with their early stopping; ``logistic`` is fitted instead. On a
frozen encoder it is the linear probe of Alain & Bengio 2016, with a sum of all layers that of SUPERB (Yang et al. 2021)
without their projection.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ser.models import _statistics
from ser.study.functionals import STATISTICS
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the classifier; ours."""

    statistics: tuple[str, ...] = setting(
        "statistics of the frames; none: an utterance has one frame", (), choices=STATISTICS
    )
    dropout: float = setting("share of the inputs that dropout takes", 0.0, low=0, below=1)


class Linear(nn.Module):
    """Frames [sum(lengths), width] -> [batch, outputs], to the head."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.statistics = settings.statistics
        self.dropout = nn.Dropout(settings.dropout)
        self.outputs: int = width * max(1, len(self.statistics))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        Raises BadInput for an utterance of several frames where there are no ``statistics``.
        """
        out: Tensor = self.dropout(_statistics.of_frames(frames, lengths, self.statistics, "linear"))
        return out


def build(width: int, settings: Settings) -> Linear:
    """Returns the block, which has no weights."""
    return Linear(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 6, Settings(statistics=("mean", "std", "min", "max"), dropout=0.5), 9
