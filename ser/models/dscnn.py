"""The deep stride CNN of Mustaqeem & Kwon 2020 (Pinto et al., row 14): strides in place of pooling.

Seven convolutions over a spectrogram image, padded so that only strides make it smaller, then dense layers with
dropout.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ser.models._images import whole, with_channel
from ser.models._layers import after, check_one_each, convolved, dense_layers, initialise, odd
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Mustaqeem & Kwon 2020: 128 frames and bins); norm and init are ours."""

    frames: int = setting("frames of every utterance", 128, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of each convolution", (16, 32, 32, 64, 64, 128, 128), low=1)
    kernels: tuple[int, ...] = setting("side of each kernel, odd", (7, 5, 3, 3, 3, 3, 3), unit="pixels", low=1)
    strides: tuple[int, ...] = setting("stride of each convolution", (2, 2, 1, 2, 1, 2, 1), unit="pixels", low=1)
    norm: bool = setting("batch normalisation before each ReLU", True)
    dense: tuple[int, ...] = setting("units of each dense layer", (512,), low=1)
    dropout: float = setting("share that dropout takes of each dense layer", 0.25, low=0, below=1)
    init: str = setting("start of the weights", "glorot", choices=("torch", "glorot", "he"))


class DSCNN(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings.frames``."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        size, channels, norm = (self.frames, width), 1, settings.norm
        check_one_each("dscnn", filters=settings.filters, kernels=settings.kernels, strides=settings.strides)
        for filters, kernel, stride in zip(settings.filters, settings.kernels, settings.strides, strict=True):
            padding = odd(kernel, "dscnn.kernels") // 2
            self.convolutions.append(nn.Conv2d(channels, filters, kernel, stride, padding, bias=not norm))
            self.norms.append(nn.BatchNorm2d(filters) if norm else nn.Identity())
            size, channels = after(size, kernel, stride, padding, "dscnn"), filters
        inputs = channels * size[0] * size[1]
        self.dense = dense_layers(inputs, settings.dense, settings.dropout)
        self.outputs: int = (inputs, *settings.dense)[-1]
        initialise(self, settings.init)

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


def build(width: int, settings: Settings) -> DSCNN:
    """Returns the network. Raises BadInput where an image is too small for its layers."""
    return DSCNN(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 10, Settings(frames=12, filters=(4, 5, 6), kernels=(7, 5, 3), strides=(2, 1, 2), dense=(12,)), 12
