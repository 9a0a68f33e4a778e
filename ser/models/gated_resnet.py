"""The gated residual network of Zeng et al. 2017, GResNets (paper 004, row 12): spectrogram images in.

A block is y = x + conv_a(x) · σ(conv_b(x)): a residual block whose two convolutions are multiplied, not chained. The
tasks (speech, song) share all of this; their heads are those of ``ser.training.network``.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import glu

from ser.models._images import whole, with_channel
from ser.models._layers import convolved, layers, odd, start

GIVES = "utterance"


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
        kept = x if self.across is None else convolved(x, self.across)
        return kept + glu(convolved(self.norm(x), self.both), 1)


class GatedResNet(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings["frames"]``."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frames: int = settings["frames"]
        kernel, stem = (odd(settings[name], f"gated_resnet.{name}") for name in ("kernel", "stem_kernel"))
        channels, norm = int(settings["stem"]), bool(settings["norm"])
        self.stem = nn.Conv2d(1, channels, stem, settings["stem_stride"], stem // 2, bias=not norm)
        self.first = nn.BatchNorm2d(channels) if norm else nn.Identity()
        blocks = []
        for stage, (filters, count) in enumerate(layers(settings, ("filters", "blocks"), "gated_resnet")):
            for i in range(count):
                blocks.append(Gated(channels, filters, kernel, 2 if stage and not i else 1, norm))
                channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.dropout = nn.Dropout(settings["dropout"])
        self.outputs = channels
        start(self, settings, "gated_resnet")

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs], means over the image.

        Raises BadInput for an utterance of another length.
        """
        x = with_channel(whole(frames, lengths, self.frames, "gated_resnet"))
        x = self.blocks(self.first(convolved(x, self.stem)).relu())
        out: Tensor = self.dropout(self.last(x).relu().mean((2, 3)))
        return out


def build(width: int, settings: Mapping[str, Any]) -> GatedResNet:
    """Settings: frames; stem (filters), stem_kernel, stem_stride; filters and blocks of each stage; kernel, norm, init.

    And dropout, of the means. From the second stage on, the first block halves the image. With ``norm`` there is batch
    normalisation after the stem, before both convolutions of a block, and before the last ReLU and the means.
    """
    return GatedResNet(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance."""
    stem = {"stem": 4, "stem_kernel": 5, "stem_stride": 2}
    stages = {"filters": (4, 6), "blocks": (1, 2), "kernel": 3, "norm": True, "dropout": 0.25, "init": "torch"}
    return 10, {"frames": 12} | stem | stages, 12
