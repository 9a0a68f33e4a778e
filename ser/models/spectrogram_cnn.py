"""The convolutional network of Badshah et al. 2017, after AlexNet (paper 004, row 1): spectrogram images in.

Three convolutions, each with ReLU and overlapping max pooling; two dense layers with dropout; the head is the seventh.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ser.models._images import whole, with_channel
from ser.models._layers import after, convolved, dense_layers, layers, start

GIVES = "utterance"


class SpectrogramCNN(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings["frames"]``."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frames: int = settings["frames"]
        self.pool: int = settings["pool"]
        self.pool_stride: int = settings["pool_stride"]
        self.convolutions = nn.ModuleList()
        size, channels = (self.frames, width), 1
        shapes = layers(settings, ("filters", "kernels", "strides", "padding"), "spectrogram_cnn")
        for filters, kernel, stride, padding in shapes:
            self.convolutions.append(nn.Conv2d(channels, filters, kernel, stride, padding))
            size = after(size, kernel, stride, padding, "spectrogram_cnn")
            size, channels = after(size, self.pool, self.pool_stride, 0, "spectrogram_cnn"), filters
        inputs = channels * size[0] * size[1]
        self.dense = dense_layers(inputs, settings["dense"], settings["dropout"])
        self.outputs: int = (inputs, *settings["dense"])[-1]
        start(self, settings, "spectrogram_cnn")

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        Raises BadInput for an utterance of another length.
        """
        x = with_channel(whole(frames, lengths, self.frames, "spectrogram_cnn"))
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv2d)
            # ReLU and maximum commute, and so fewer values need to be clipped.
            x = max_pool2d(convolved(x, convolution), self.pool, self.pool_stride).relu()
        out: Tensor = self.dense(x.flatten(1))
        return out


def build(width: int, settings: Mapping[str, Any]) -> SpectrogramCNN:
    """Settings: frames; filters, kernels, strides and padding of each layer; pool, pool_stride; dense, dropout, init.

    The paper: 256 frames and bins; (120, 256, 384), (11, 5, 3), (4, 1, 1); 3, 2; (2048, 2048); dropout 0.5. With
    padding (0, 0, 0) 62, 30, 26, 12, 10 and 4 of its 256 frames are left in turn; AlexNet has (0, 2, 1).
    """
    return SpectrogramCNN(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance."""
    layers = {"filters": (4, 5, 6), "kernels": (5, 3, 3), "strides": (2, 1, 1), "padding": (2, 1, 1)}
    dense = {"pool": 3, "pool_stride": 2, "dense": (16, 12), "dropout": 0.5, "init": "he"}
    return 32, {"frames": 36} | layers | dense, 36
