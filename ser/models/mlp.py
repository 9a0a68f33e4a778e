"""The baseline of Sahoo et al.: dense layers over a segment, each with ReLU, batch normalisation and dropout."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ser.models._images import images
from ser.models._keras import EPSILON, MOMENTUM
from ser.study.settings import setting

VERSION = 1
GIVES = "segments"


@dataclass(frozen=True)
class Settings:
    """Settings of the baseline (Sahoo et al., Table 5)."""

    segment: int = setting("frames of every segment", 96, unit="frames", low=1)
    layers: int = setting("dense layers", 2, low=1)
    units: int = setting("units of each dense layer", 200, low=1)
    dropout: float = setting("share that dropout takes of each dense layer", 0.5, low=0, below=1)


class MLP(nn.Module):
    """Frames [sum(lengths), width] -> [sum(lengths) / segment, units]."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.segment: int = settings.segment
        self.outputs: int = settings.units
        layers: list[nn.Module] = []
        for a, b in pairwise((self.segment * width, *[self.outputs] * settings.layers)):
            layers += [
                nn.Linear(a, b),
                nn.ReLU(),
                nn.BatchNorm1d(b, EPSILON, MOMENTUM),
                nn.Dropout(settings.dropout),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [sum(lengths) / segment, outputs].

        Raises BadInput where a length is no multiple of ``segment``.
        """
        out: Tensor = self.layers(images(frames, lengths, self.segment, "mlp").flatten(1))
        return out


def build(width: int, settings: Settings) -> MLP:
    """Returns the network for frames of ``width`` values."""
    return MLP(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance: two segments."""
    return 6, Settings(segment=4, layers=2, units=5, dropout=0.5), 8
