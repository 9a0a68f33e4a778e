"""BLSTM block of paper 003, Figs. 2-3: as the LSTM block, read in both directions."""

from collections.abc import Mapping
from typing import Any

from ser.models.lstm import Recurrent

GIVES = "frames"


def build(width: int, settings: Mapping[str, Any]) -> Recurrent:
    """Settings: prep_layers, prep_units, units (per direction), dropout."""
    return Recurrent(width, settings, directions=2)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance."""
    return 6, {"prep_layers": 2, "prep_units": 5, "units": 4, "dropout": 0.5}, 9
