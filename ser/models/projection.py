"""A linear layer on each frame, to be pooled by attention: a small temporal block on a pretrained encoder.

The projection is that of SUPERB (Yang et al. 2021) and EmoBox (Ma et al. 2024), which then take the plain mean over
time: ``dense`` with ``frame_units``. Here the pooling is that of da Silva et al.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ser.models._layers import ACTIVATIONS
from ser.study.settings import setting

VERSION = 1
GIVES = "frames"


@dataclass(frozen=True)
class Settings:
    """Settings of the block (Yang et al. 2021: activation "none"; Ma et al. 2024: "relu")."""

    units: int = setting("outputs for each frame", 256, low=1)
    activation: str = setting("what follows the linear layer", "relu", choices=("relu", "gelu", "tanh", "none"))
    dropout: float = setting("share of the outputs that dropout takes", 0.5, low=0, below=1)


class Projection(nn.Module):
    """Frames [N, width] -> [N, units], each by itself."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        activation = ACTIVATIONS[settings.activation]()
        self.layers = nn.Sequential(nn.Linear(width, settings.units), activation, nn.Dropout(settings.dropout))
        self.outputs: int = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [sum(lengths), units]."""
        out: Tensor = self.layers(frames)
        return out


def build(width: int, settings: Settings) -> Projection:
    """Returns the block."""
    return Projection(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 6, Settings(units=7, activation="gelu", dropout=0.5), 9
