"""The end-to-end network of Trigeorgis et al. 2016 (paper 004, section 4): two convolutions over samples, two LSTMs.

The first has 40 filters of 5 ms, half-wave rectification and a pool of 2 samples; the second 40 filters of 500 ms and a
pool across every 10 filters. What 40 ms hold of the 4 that are left is one step for the LSTMs. The paper answers at
each step; here an utterance has one answer.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import conv1d, max_pool1d, pad

from ser.errors import BadInput
from ser.models._images import whole
from ser.models._long_convolution import convolve_long
from ser.models._recurrent import vectors, way

GIVES = "utterance"


class EndToEnd(nn.Module):
    """Samples as rows [batch · frames, width] -> [batch, units]; every utterance has exactly ``settings["frames"]``."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frames: int = settings["frames"]
        filters, (first, second) = settings["filters"], settings["kernels"]
        self.pool, self.across = int(settings["pool"]), int(settings["across"])
        self.step: int = settings["step"]
        if filters % self.across:
            raise BadInput(str(self.across), "end_to_end.across", f"divisors of {filters}, the filters", "change it")
        if self.frames * width % self.step or self.step % self.pool:
            allowed = f"multiples of {self.pool}, the pool, and divisors of {self.frames * width} samples"
            raise BadInput(str(self.step), "end_to_end.step", allowed, "change it, or the seconds of the front-end")
        # Held by convolutions for their start; the second is computed another way, and the first padded as it is.
        self.first, self.second = nn.Conv1d(1, filters, first), nn.Conv1d(filters, filters, second)
        self.dropout = nn.Dropout(settings["dropout"])
        inputs = filters // self.across * (self.step // self.pool)
        self.lstm = nn.LSTM(inputs, settings["units"], settings["layers"])
        self.answer = way(settings["answer"], "end_to_end.answer")
        self.outputs: int = settings["units"]

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


def build(width: int, settings: Mapping[str, Any]) -> EndToEnd:
    """Settings: frames (rows of an utterance), filters (of either convolution), kernels (of both, in samples), pool,
    across (filters in a pool), step (samples), units, layers, dropout (after either convolution), answer.
    """
    return EndToEnd(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and rows per utterance: six steps for the LSTMs."""
    settings = {"frames": 12, "filters": 6, "kernels": (4, 9), "pool": 2, "across": 3, "step": 16}
    return 8, settings | {"units": 5, "layers": 2, "dropout": 0.3, "answer": "last"}, 12
