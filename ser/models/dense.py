"""Dense layers over utterance vectors, or over statistics of frames: the usual head on a pretrained encoder.

With ``frame_units`` each frame first passes through a linear layer of its own. ``frame_units=256, layers=0,
statistics=("mean",)`` is the head by which encoders are compared on emotions: emotion2vec's and EmoBox's (Ma et al.
2024, both in their released code) have ReLU; SUPERB's (Yang et al. 2021) has none.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ser.models import _statistics
from ser.models._layers import ACTIVATIONS
from ser.study.functionals import STATISTICS
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the head; the sizes are ours."""

    statistics: tuple[str, ...] = setting(
        "statistics of the frames; none: an utterance has one frame", (), choices=STATISTICS
    )
    frame_units: int = setting("units of a layer on each frame, before the statistics; 0: none", 0, low=0)
    layers: int = setting("dense layers behind the statistics", 1, low=0)
    units: int = setting("units of each of them", 256, low=1)
    activation: str = setting("what follows each layer", "relu", choices=("relu", "gelu", "tanh", "none"))
    norm: bool = setting("whether layer normalisation comes before each activation", False)
    dropout: float = setting("share that dropout takes of each layer's outputs", 0.5, low=0, below=1)


class Dense(nn.Module):
    """Frames [sum(lengths), width] -> [batch, outputs].

    Each layer is linear, then layer normalisation (Ba et al. 2016) if any, activation and dropout. Batch normalisation
    would let an utterance's answer depend on its batch, and could not learn from a batch of one.
    """

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.statistics = settings.statistics
        frame_units = [settings.frame_units] if settings.frame_units else []
        self.frame_layers = _layers([width, *frame_units], settings)
        inputs = (width, *frame_units)[-1] * max(1, len(self.statistics))
        widths = [inputs] + [settings.units] * settings.layers
        self.layers = _layers(widths, settings)
        self.outputs: int = widths[-1]

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        Raises BadInput for an utterance of several frames where there are no ``statistics``.
        """
        vectors = _statistics.of_frames(self.frame_layers(frames), lengths, self.statistics, "dense")
        out: Tensor = self.layers(vectors)
        return out


def _layers(widths: list[int], settings: Settings) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), *([nn.LayerNorm(b)] if settings.norm else [])]
        layers += [ACTIVATIONS[settings.activation](), nn.Dropout(settings.dropout)]
    return nn.Sequential(*layers)


def build(width: int, settings: Settings) -> Dense:
    """Returns the head."""
    return Dense(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    small = Settings(statistics=("mean", "std"), frame_units=5, layers=2, units=7, activation="gelu", norm=True)
    return 6, small, 9
