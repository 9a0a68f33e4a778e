"""The 2-D CNN-LSTM of Zhao, Mao & Chen 2019 (Pinto et al., Table 1): four local feature learning blocks and an LSTM.

Log-mel images of 8 s in (251 frames of 128 bands), one vector per utterance out. A block is a 3 × 3 convolution, batch
normalisation, ELU and max pooling of 2, 4, 4, 4. That leaves one band and one step in time for the LSTM, or two steps
where partial pools count: 251 → 125 → 31 → 7 → 1, or 251 → 126 → 32 → 8 → 2.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ser.models._convolved import Convolutions, Convolved, steps
from ser.models._images import whole
from ser.models._recurrent import vectors
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Zhao, Mao & Chen 2019); what becomes of partial pools is ours."""

    frames: int = setting("frames of every utterance", 251, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of each convolution", (64, 64, 128, 128), low=1)
    kernel: int = setting("side of each kernel, odd", 3, unit="pixels", low=1)
    pools: tuple[int | tuple[int, int], ...] = setting(
        "max pooling of each block: a number, or height and width", (2, 4, 4, 4), unit="pixels", low=1
    )
    partial_pools: bool = setting("whether a pool that reaches over the edge counts", False)
    units: int = setting("units of the LSTM", 256, low=1)


class CNNLSTM(nn.Module):
    """Frames [batch · frames, width] -> [batch, units]; every utterance has exactly ``settings.frames``."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        convolutions = Convolutions(
            filters=settings.filters,
            kernel=settings.kernel,
            pools=settings.pools,
            partial_pools=settings.partial_pools,
            activation="elu",
            norm=True,
        )
        self.blocks = Convolved(self.frames, width, convolutions, "cnn_lstm")
        self.lstm = nn.LSTM(self.blocks.filters * self.blocks.size[1], settings.units)
        self.outputs: int = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> the LSTM's last output [batch, units].

        Raises BadInput for an utterance of another length.
        """
        x = self.blocks(whole(frames, lengths, self.frames, "cnn_lstm"))
        return vectors(self.lstm, steps(x).unbind(), "last")


def build(width: int, settings: Settings) -> CNNLSTM:
    """Returns the network. Raises BadInput where the poolings leave nothing."""
    return CNNLSTM(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance: two steps for the LSTM."""
    return 8, Settings(frames=17, filters=(4, 5), kernel=3, pools=(2, 4), partial_pools=False, units=6), 17
