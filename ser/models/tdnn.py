"""TDNN block of da Silva et al., Fig. 4: six layers, each seeing the frames {-1, 0, 1} of the one below."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models import _layout, _row_convolution, _winograd_1d
from ser.models._dropout import Dropout
from ser.models._stacked_frames import StackedTDNN
from ser.study.settings import setting

VERSION = 3
GIVES = "frames"
Stacked = StackedTDNN
_LEAST_UNITS = 32  # with fewer, tiles are no gain


@dataclass(frozen=True)
class Settings:
    """Settings of the block (da Silva et al., section 4.3)."""

    units: int = setting("filters of each layer", 512, low=1)
    layers: int = setting("layers", 6, low=1)
    context: tuple[int, ...] = setting(
        "frames of the layer below that a layer sees, evenly spaced and symmetric", (-1, 0, 1), unit="frames"
    )
    dropout: float = setting("share of the outputs that dropout takes", 0.5, low=0, below=1)


class TDNN(nn.Module):
    """Frames [N, width] -> [N, units], with zeros beyond both ends of an utterance so that its length is kept.

    All utterances of a batch lie in one long row, parted by as many zeros as the context reaches; the zeros are
    restored after every layer. So nothing is computed for padding, and no utterance sees another. On a CPU float32
    goes by Winograd's way, where the row is cut into tiles.
    """

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        context = settings.context
        self.reach = max(context)
        step = context[1] - context[0] if len(context) > 1 else 1
        if context != tuple(range(-self.reach, self.reach + 1, step)):
            raise BadInput(str(context), "tdnn.context", "evenly spaced and symmetric, like (-1, 0, 1)", "change it")
        widths = [width] + [settings.units] * settings.layers
        layers = [nn.Conv1d(a, b, len(context), 1, self.reach, step) for a, b in pairwise(widths)]
        for layer in layers:  # He et al. 2015: with torch's own start the signal halves in every ReLU layer
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.dropout = Dropout(settings.dropout)
        self.outputs = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [sum(lengths), units]."""
        if torch.onnx.is_in_onnx_export():  # of one utterance, as long as another program will have it
            row = frames[None].transpose(1, 2)
            for layer in self.layers:
                row = layer(row).relu()
            alone: Tensor = self.dropout(row.transpose(1, 2)[0])
            return alone
        if self._fits_tiles(frames):
            layout, convolve = _layout.in_tiles(lengths, frames.device), _winograd_1d.convolve
        else:
            layout, convolve = _layout.in_a_row(lengths, self.reach, frames.device), _row_convolution.convolve
        rows = layout.spread(frames)
        for layer in self.layers:
            assert isinstance(layer, nn.Conv1d)
            rows = convolve(rows, layer, layout.holes)
        out: Tensor = self.dropout(layout.collect(rows))
        return out

    def _fits_tiles(self, frames: Tensor) -> bool:
        """Returns whether Winograd's way is the fastest; without instructions for bfloat16 it emulates that, too."""
        layer = self.layers[0]
        assert isinstance(layer, nn.Conv1d)
        return (
            frames.device.type == "cpu"
            and frames.dtype in (torch.float32, torch.bfloat16)
            and (layer.kernel_size, layer.padding) == ((3,), (1,))
            and self.outputs >= _LEAST_UNITS
            and not (torch.is_autocast_enabled("cpu") and _row_convolution.multiplies_bfloat16())
        )


def build(width: int, settings: Settings) -> TDNN:
    """Returns the block. Raises BadInput for a lopsided context."""
    return TDNN(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 6, Settings(units=7, layers=3, context=(-1, 0, 1), dropout=0.5), 9
