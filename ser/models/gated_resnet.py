"""The gated residual network of Zeng et al. 2017, GResNets (Pinto et al., row 12): spectrogram images in.

A block is y = x + conv_a(x) · σ(conv_b(x)): a residual block whose two convolutions are multiplied, not chained. The
tasks (speech, song) share all of this; their heads are those of ``ser.training.network``.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import glu

from ser.models._images import whole, with_channel
from ser.models._layers import check_one_each, convolved, initialise, odd
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network; sizes are ours, smaller than the paper's.

    From the second stage on, the first block halves the image.
    """

    frames: int = setting("frames of every utterance", 128, unit="frames", low=1)
    stem: int = setting("filters of the convolution before the blocks", 32, low=1)
    stem_kernel: int = setting("side of its kernel, odd", 7, unit="pixels", low=1)
    stem_stride: int = setting("its stride", 2, unit="pixels", low=1)
    filters: tuple[int, ...] = setting("filters of each stage", (32, 64, 128), low=1)
    blocks: tuple[int, ...] = setting("blocks of each stage", (2, 2, 2), low=0)
    kernel: int = setting("side of the kernels of blocks, odd", 3, unit="pixels", low=1)
    norm: bool = setting(
        "batch normalisation after the stem, before both convolutions of a block, and before the last ReLU", True
    )
    dropout: float = setting("share that dropout takes of the means over the image", 0.5, low=0, below=1)
    init: str = setting("start of the weights", "he", choices=("torch", "glorot", "he"))


class Gated(nn.Module):
    """[batch, inputs, height, width] -> [batch, filters, height / stride, width / stride]."""

    def __init__(self, inputs: int, filters: int, kernel: int, stride: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs) if norm else nn.Identity()
        self.both = nn.Conv2d(inputs, 2 * filters, kernel, stride, kernel // 2)  # conv_a's filters, then conv_b's
        same = stride == 1 and inputs == filters
        self.across = None if same else nn.Conv2d(inputs, filters, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """conv_a(norm(x)) · σ(conv_b(norm(x))), added to x, or to its projection where the size changes."""
        same_size = x if self.across is None else convolved(x, self.across)
        return same_size + glu(convolved(self.norm(x), self.both), 1)


class GatedResNet(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings.frames``."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        check_one_each("gated_resnet", filters=settings.filters, blocks=settings.blocks)
        kernel = odd(settings.kernel, "gated_resnet.kernel")
        stem = odd(settings.stem_kernel, "gated_resnet.stem_kernel")
        channels, norm = settings.stem, settings.norm
        self.stem = nn.Conv2d(1, channels, stem, settings.stem_stride, stem // 2, bias=not norm)
        self.first = nn.BatchNorm2d(channels) if norm else nn.Identity()
        blocks = []
        for stage, (filters, count) in enumerate(zip(settings.filters, settings.blocks, strict=True)):
            for i in range(count):
                blocks.append(Gated(channels, filters, kernel, 2 if stage and not i else 1, norm))
                channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.dropout = nn.Dropout(settings.dropout)
        self.outputs = channels
        initialise(self, settings.init)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs], means over the image.

        Raises BadInput for an utterance of another length.
        """
        x = with_channel(whole(frames, lengths, self.frames, "gated_resnet"))
        x = self.blocks(self.first(convolved(x, self.stem)).relu())
        out: Tensor = self.dropout(self.last(x).relu().mean((2, 3)))
        return out


def build(width: int, settings: Settings) -> GatedResNet:
    """Returns the network. Raises BadInput for even kernels."""
    return GatedResNet(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    small = Settings(frames=12, stem=4, stem_kernel=5, filters=(4, 6), blocks=(1, 2), dropout=0.25, init="torch")
    return 10, small, 12
