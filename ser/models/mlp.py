"""The baseline of paper 002: dense layers over a flattened segment, each with ReLU, batch normalisation and dropout."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from ser.models._images import images
from ser.models._keras import EPSILON, MOMENTUM

GIVES = "segments"


class MLP(nn.Module):
    """Frames [sum(lengths), width] -> [sum(lengths) / segment, units]."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.segment: int = settings["segment"]
        self.outputs: int = settings["units"]
        layers: list[nn.Module] = []
        for a, b in pairwise((self.segment * width, *[self.outputs] * settings["layers"])):
            layers += [
                nn.Linear(a, b),
                nn.ReLU(),
                nn.BatchNorm1d(b, EPSILON, MOMENTUM),
                nn.Dropout(settings["dropout"]),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [sum(lengths) / segment, outputs].

        Raises BadInput where a length is no multiple of ``segment``.
        """
        out: Tensor = self.layers(images(frames, lengths, self.segment, "mlp").flatten(1))
        return out


def build(width: int, settings: Mapping[str, Any]) -> MLP:
    """Settings: segment, layers, units, dropout."""
    return MLP(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance: two segments."""
    return 6, {"segment": 4, "layers": 2, "units": 5, "dropout": 0.5}, 8
