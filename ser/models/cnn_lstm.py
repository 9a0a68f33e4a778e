"""The 2-D CNN-LSTM of Zhao, Mao & Chen 2019 (paper 004, Table 1): four local feature learning blocks and an LSTM.

Log-mel images of 8 s in (251 frames of 128 bands), one vector per utterance out. A block is a 3 × 3 convolution, batch
normalisation, ELU and max pooling of 2, 4, 4, 4. That leaves one band and one step in time for the LSTM, or two steps
where partial pools count: 251 → 125 → 31 → 7 → 1, or 251 → 126 → 32 → 8 → 2.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ser.models._convolved import Convolved, steps
from ser.models._images import whole
from ser.models._recurrent import vectors

GIVES = "utterance"
_LFLB = {"activation": "elu", "norm": True}


class CNNLSTM(nn.Module):
    """Frames [batch · frames, width] -> [batch, units]; every utterance has exactly ``settings["frames"]``."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frames: int = settings["frames"]
        self.blocks = Convolved(self.frames, width, {**settings, **_LFLB}, "cnn_lstm")
        self.lstm = nn.LSTM(self.blocks.filters * self.blocks.size[1], settings["units"])
        self.outputs: int = settings["units"]

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> the LSTM's last output [batch, units].

        Raises BadInput for an utterance of another length.
        """
        x = self.blocks(whole(frames, lengths, self.frames, "cnn_lstm"))
        return vectors(self.lstm, steps(x).unbind(), "last")


def build(width: int, settings: Mapping[str, Any]) -> CNNLSTM:
    """Settings: frames, filters, kernel, pools, partial_pools, units."""
    return CNNLSTM(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance: two steps for the LSTM."""
    settings = {"frames": 17, "filters": (4, 5), "kernel": 3, "pools": (2, 4), "partial_pools": False, "units": 6}
    return 8, settings, 17
