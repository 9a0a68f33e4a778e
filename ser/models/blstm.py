"""BLSTM block of paper 003, Figs. 2-3: as the LSTM block, read in both directions."""

from collections.abc import Mapping
from typing import Any

from ser.models.lstm import Recurrent


def build(width: int, settings: Mapping[str, Any]) -> Recurrent:
    """Settings: prep_layers, prep_units, units (per direction), dropout."""
    return Recurrent(width, settings, directions=2)
