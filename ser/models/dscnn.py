"""The deep stride CNN of Mustaqeem & Kwon 2020 (paper 004, row 14): strides in place of pooling, on spectrogram images.

Seven convolutions, padded so that only strides make the image smaller, then dense layers with dropout.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ser.models._images import whole, with_channel
from ser.models._layers import after, convolved, dense_layers, layers, odd, start

GIVES = "utterance"


class DSCNN(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings["frames"]``."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frames: int = settings["frames"]
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        size, channels, norm = (self.frames, width), 1, bool(settings["norm"])
        for filters, kernel, stride in layers(settings, ("filters", "kernels", "strides"), "dscnn"):
            padding = odd(kernel, "dscnn.kernels") // 2
            self.convolutions.append(nn.Conv2d(channels, filters, kernel, stride, padding, bias=not norm))
            self.norms.append(nn.BatchNorm2d(filters) if norm else nn.Identity())
            size, channels = after(size, kernel, stride, padding, "dscnn"), filters
        inputs = channels * size[0] * size[1]
        self.dense = dense_layers(inputs, settings["dense"], settings["dropout"])
        self.outputs: int = (inputs, *settings["dense"])[-1]
        start(self, settings, "dscnn")

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        Raises BadInput for an utterance of another length.
        """
        x = with_channel(whole(frames, lengths, self.frames, "dscnn"))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(convolution, nn.Conv2d)
            x = norm(convolved(x, convolution)).relu()
        out: Tensor = self.dense(x.flatten(1))
        return out


def build(width: int, settings: Mapping[str, Any]) -> DSCNN:
    """Settings: frames; filters, kernels, strides; norm (batch normalisation before each ReLU); dense, dropout, init.

    The paper: 128 frames and bins; (16, 32, 32, 64, 64, 128, 128), (7, 5, 3, 3, 3, 3, 3), (2, 2, 1, 2, 1, 2, 1); one
    dense layer of 512.
    """
    return DSCNN(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance."""
    layers = {"filters": (4, 5, 6), "kernels": (7, 5, 3), "strides": (2, 1, 2), "norm": True}
    return 10, {"frames": 12} | layers | {"dense": (12,), "dropout": 0.25, "init": "glorot"}, 12
