"""The convolutional network of Badshah et al. 2017, after AlexNet (Pinto et al., row 1): spectrogram images in.

Three convolutions, each with ReLU and overlapping max pooling; two dense layers with dropout; the head is the seventh.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ser.models._images import whole, with_channel
from ser.models._layers import after, check_one_each, convolved, dense_layers, initialise
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Badshah et al. 2017: 256 frames and bins); padding and init are ours.

    With padding (0, 0, 0) 62, 30, 26, 12, 10 and 4 of its 256 frames remain in turn; AlexNet has (0, 2, 1).
    """

    frames: int = setting("frames of every utterance", 256, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of each convolution", (120, 256, 384), low=1)
    kernels: tuple[int, ...] = setting("side of each kernel", (11, 5, 3), unit="pixels", low=1)
    strides: tuple[int, ...] = setting("stride of each convolution", (4, 1, 1), unit="pixels", low=1)
    padding: tuple[int, ...] = setting("zeros around the image at each convolution", (0, 0, 0), unit="pixels", low=0)
    pool: int = setting("side of each max pooling", 3, unit="pixels", low=1)
    pool_stride: int = setting("stride of each max pooling", 2, unit="pixels", low=1)
    dense: tuple[int, ...] = setting("units of each dense layer", (2048, 2048), low=1)
    dropout: float = setting("share that dropout takes of each dense layer", 0.5, low=0, below=1)
    init: str = setting("start of the weights", "he", choices=("torch", "glorot", "he"))


class SpectrogramCNN(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings.frames``."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        self.pool: int = settings.pool
        self.pool_stride: int = settings.pool_stride
        self.convolutions = nn.ModuleList()
        size, channels = (self.frames, width), 1
        layers = {name: getattr(settings, name) for name in ("filters", "kernels", "strides", "padding")}
        check_one_each("spectrogram_cnn", **layers)
        for filters, kernel, stride, padding in zip(*layers.values(), strict=True):
            self.convolutions.append(nn.Conv2d(channels, filters, kernel, stride, padding))
            size = after(size, kernel, stride, padding, "spectrogram_cnn")
            size, channels = after(size, self.pool, self.pool_stride, 0, "spectrogram_cnn"), filters
        inputs = channels * size[0] * size[1]
        self.dense = dense_layers(inputs, settings.dense, settings.dropout)
        self.outputs: int = (inputs, *settings.dense)[-1]
        initialise(self, settings.init)

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


def build(width: int, settings: Settings) -> SpectrogramCNN:
    """Returns the network. Raises BadInput where an image is too small for its layers."""
    return SpectrogramCNN(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    small = Settings(
        frames=36, filters=(4, 5, 6), kernels=(5, 3, 3), strides=(2, 1, 1), padding=(2, 1, 1), dense=(16, 12)
    )
    return 32, small, 36
