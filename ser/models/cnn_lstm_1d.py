"""The 1-D CNN-LSTM of Zhao, Mao & Chen 2019 (Pinto et al., Table 1): as ``cnn_lstm``, over the samples of 8 s.

Four blocks of a convolution of 3 samples, batch normalisation, ELU and max pooling of 4; of 128,000 samples that
leaves the LSTM 500 steps.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import elu, max_pool1d

from ser.errors import BadInput
from ser.models._images import whole
from ser.models._layers import check_one_each, odd
from ser.models._recurrent import vectors
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Zhao, Mao & Chen 2019), over rows of 40 ms (ours)."""

    frames: int = setting("rows of samples of every utterance", 200, unit="rows", low=1)
    filters: tuple[int, ...] = setting("filters of each convolution", (64, 64, 128, 128), low=1)
    kernel: int = setting("samples that a filter sees, odd", 3, unit="samples", low=1)
    pools: tuple[int, ...] = setting("max pooling of each block", (4, 4, 4, 4), unit="samples", low=1)
    units: int = setting("units of the LSTM", 256, low=1)


class CNNLSTM1D(nn.Module):
    """Samples as rows [batch · frames, width] -> [batch, units]; every utterance has exactly ``settings.frames``."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        check_one_each("cnn_lstm_1d", filters=settings.filters, pools=settings.pools)
        filters, self.pools = settings.filters, settings.pools
        kernel = odd(settings.kernel, "cnn_lstm_1d.kernel")
        steps = samples = self.frames * width
        for pool in self.pools:
            steps //= pool
        if steps < 1:
            allowed = f"samples that poolings of {self.pools} leave some of"
            raise BadInput(str(samples), "cnn_lstm_1d.frames · width", allowed, "take more, or smaller pools")
        pairs = list(pairwise((1, *filters)))
        self.convolutions = nn.ModuleList(nn.Conv1d(a, b, kernel, padding=kernel // 2) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in filters)
        self.lstm = nn.LSTM(filters[-1], settings.units)
        self.outputs: int = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Rows of utterances one after another [sum(lengths), width] -> the LSTM's last output [batch, units].

        Raises BadInput for an utterance of another length.
        """
        x = whole(frames, lengths, self.frames, "cnn_lstm_1d").flatten(1)[:, None]
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            x = elu(max_pool1d(norm(convolution(x)), pool))  # in either order the same, but this way on a quarter
        return vectors(self.lstm, x.transpose(1, 2).unbind(), "last")


def build(width: int, settings: Settings) -> CNNLSTM1D:
    """Returns the network. Raises BadInput where the poolings leave nothing."""
    return CNNLSTM1D(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and rows per utterance: four steps for the LSTM."""
    return 8, Settings(frames=9, filters=(4, 5), kernel=3, pools=(4, 4), units=6), 9
