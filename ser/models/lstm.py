"""LSTM block of da Silva et al., Figs. 2-3: linear preparation per frame, one LSTM, dropout."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ser.models import _layout
from ser.models._dropout import Dropout
from ser.models._stacked_frames import StackedRecurrent
from ser.study.settings import setting

VERSION = 2
GIVES = "frames"
Stacked = StackedRecurrent


@dataclass(frozen=True)
class Settings:
    """Settings of the recurrent blocks (da Silva et al., section 4.3)."""

    prep_layers: int = setting("linear layers with ReLU before the recurrence", 1, low=0)
    prep_units: int = setting("outputs of each of them", 512, low=1)
    units: int = setting("units of the LSTM, in each direction that it reads", 128, low=1)
    dropout: float = setting("share of the outputs that dropout takes", 0.5, low=0, below=1)


class Recurrent(nn.Module):
    """Frames [N, width] -> [N, outputs]; ``directions`` 2 adds an LSTM that reads each utterance backwards.

    The backward LSTM reads every utterance from its own last frame: reversing a padded batch would start it in the
    padding and let a neighbour's length move the answer. Packed sequences are exact too, but leave the fast kernels.
    """

    def __init__(self, width: int, settings: Settings, directions: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(settings.prep_layers):
            layers += [nn.Linear(width, settings.prep_units), nn.ReLU(inplace=True)]
            width = settings.prep_units
        self.prepare = nn.Sequential(*layers)
        self.directions = nn.ModuleList(nn.LSTM(width, settings.units) for _ in range(directions))
        self.dropout = Dropout(settings.dropout)
        self.outputs = settings.units * directions

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [sum(lengths), outputs]."""
        prepared = self.prepare(frames)
        ways = [self._read(lstm, prepared, lengths, backwards=i == 1) for i, lstm in enumerate(self.directions)]
        out: Tensor = self.dropout(torch.cat(ways, dim=1) if len(ways) == 2 else ways[0])
        return out

    @staticmethod
    def _read(lstm: nn.Module, frames: Tensor, lengths: Tensor, backwards: bool) -> Tensor:
        """Returns the outputs [sum(lengths), units] of one direction; padding behind an end is harmless to it."""
        if len(lengths) == 1:  # no index: the graph that is traced of one utterance fits any length
            hidden = _recurrence(lstm, (frames.flip(0) if backwards else frames)[:, None])[:, 0]
            return hidden.flip(0) if backwards else hidden
        layout = _layout.over_time(lengths, backwards, frames.device)
        padded = layout.spread(frames).view(-1, len(lengths), frames.shape[1])
        return layout.collect(_recurrence(lstm, padded).flatten(0, 1))


def _recurrence(lstm: nn.Module, padded: Tensor) -> Tensor:
    """[longest, batch, width] -> [longest, batch, units]; rounds by hand where autocast has no LSTM."""
    device = padded.device.type
    hidden: Tensor
    if not torch.is_autocast_enabled(device) or _has_bfloat16(device):
        hidden = lstm(padded)[0]
        return hidden
    rounded = {name: weight.bfloat16().float() for name, weight in lstm.named_parameters()}
    with torch.autocast(device, enabled=False):
        hidden = functional_call(lstm, rounded, (padded.bfloat16().float(),))[0]
    return hidden.bfloat16()


@cache
def _has_bfloat16(device: str) -> bool:
    """Returns whether torch's LSTM learns in bfloat16. On CPUs without AVX-512 it fails, and only when it is run."""
    frame = torch.zeros(1, 1, 1, device=device)
    weights = [torch.zeros(*shape, device=device, requires_grad=True) for shape in ((4, 1), (4, 1), (4,), (4,))]
    try:
        with torch.enable_grad(), torch.autocast(device, torch.bfloat16):
            torch.lstm(frame, (frame, frame), weights, True, 1, 0.0, True, False, False)[0].sum().backward()
    except RuntimeError:
        return False
    return True


def build(width: int, settings: Settings) -> Recurrent:
    """Returns the block."""
    return Recurrent(width, settings, directions=1)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 6, Settings(prep_layers=1, prep_units=5, units=4, dropout=0.5), 9
