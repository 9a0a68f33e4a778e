"""BLSTM block of da Silva et al., Figs. 2-3: the LSTM block, read in both directions."""

from ser.models._stacked_frames import StackedRecurrent
from ser.models.lstm import Recurrent, Settings

VERSION = 2
GIVES = "frames"
Stacked = StackedRecurrent


def build(width: int, settings: Settings) -> Recurrent:
    """Returns the block; ``settings.units`` are per direction."""
    return Recurrent(width, settings, directions=2)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 6, Settings(prep_layers=2, prep_units=5, units=4, dropout=0.5), 9
