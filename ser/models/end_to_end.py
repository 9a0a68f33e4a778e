"""The end-to-end network of Trigeorgis et al. 2016 (Pinto et al., section 4): two convolutions over samples, two LSTMs.

The first has 40 filters of 5 ms, half-wave rectification and a pool of 2 samples; the second 40 filters of 500 ms and a
pool across every 10 filters. What 40 ms hold of the 4 that remain is one step for the LSTMs. The paper answers at each
step; here an utterance has one answer.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import conv1d, max_pool1d, pad

from ser.errors import BadInput
from ser.models._images import whole
from ser.models._long_convolution import convolve_long
from ser.models._recurrent import vectors
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Trigeorgis et al. 2016, at 16 kHz); rows of 40 ms and one answer are ours."""

    frames: int = setting("rows of samples of every utterance", 150, unit="rows", low=1)
    filters: int = setting("filters of either convolution", 40, low=1)
    kernels: tuple[int, int] = setting("samples that filters of the two convolutions see", (80, 4000), low=1)
    pool: int = setting("max pooling after the first convolution", 2, unit="samples", low=1)
    across: int = setting("filters of a max pooling after the second convolution", 10, low=1)
    step: int = setting("samples of a step of the LSTMs", 640, unit="samples", low=1)
    units: int = setting("units of each LSTM", 128, low=1)
    layers: int = setting("LSTMs on top of each other", 2, low=1)
    dropout: float = setting("share that dropout takes after either convolution", 0.5, low=0, below=1)
    answer: str = setting("the LSTM's last output, or the mean of all", "last", choices=("last", "mean"))


class EndToEnd(nn.Module):
    """Samples as rows [batch · frames, width] -> [batch, units]; every utterance has exactly ``settings.frames``."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        filters, (first, second) = settings.filters, settings.kernels
        self.pool, self.across = settings.pool, settings.across
        self.step: int = settings.step
        if filters % self.across:
            raise BadInput(str(self.across), "end_to_end.across", f"divisors of {filters}, the filters", "change it")
        if self.frames * width % self.step or self.step % self.pool:
            allowed = f"multiples of {self.pool}, the pool, and divisors of {self.frames * width} samples"
            raise BadInput(str(self.step), "end_to_end.step", allowed, "change it, or the seconds of the front-end")
        # Convolutions hold the weights, for their start; the second is computed another way, the first padded alike.
        self.first, self.second = nn.Conv1d(1, filters, first), nn.Conv1d(filters, filters, second)
        self.dropout = nn.Dropout(settings.dropout)
        inputs = filters // self.across * (self.step // self.pool)
        self.lstm = nn.LSTM(inputs, settings.units, settings.layers)
        self.answer = settings.answer
        self.outputs: int = settings.units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Rows of utterances one after another [sum(lengths), width] -> [batch, units].

        Raises BadInput for an utterance of another length.
        """
        wave = whole(frames, lengths, self.frames, "end_to_end").flatten(1)[:, None]
        taps = self.first.kernel_size[0]
        x = conv1d(pad(wave, ((taps - 1) // 2, taps // 2)), self.first.weight, self.first.bias)
        x = max_pool1d(self.dropout(x).relu(), self.pool)
        assert self.second.bias is not None
        x = self.dropout(convolve_long(x, self.second.weight, self.second.bias))
        x = x.unflatten(1, (-1, self.across)).amax(2)  # [batch, filters / across, samples / pool]
        steps = x.unflatten(2, (-1, self.step // self.pool)).permute(0, 2, 1, 3).flatten(2)
        return vectors(self.lstm, steps.unbind(), self.answer)


def build(width: int, settings: Settings) -> EndToEnd:
    """Returns the network. Raises BadInput for filters, steps or pools that do not divide each other."""
    return EndToEnd(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and rows per utterance: six steps for the LSTMs."""
    small = Settings(
        frames=12, filters=6, kernels=(4, 9), pool=2, across=3, step=16, units=5, layers=2, dropout=0.3, answer="last"
    )
    return 8, small, 12
