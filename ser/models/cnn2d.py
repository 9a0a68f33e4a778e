"""The convolutional network of Pho et al. 2020, Fig. 3: log-mel images of 4.5 s in, one vector per utterance out.

Every convolution is valid, and followed by ReLU, 2 × 2 max pooling and batch normalisation; three dense layers follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ser.errors import BadInput
from ser.models import Layer
from ser.models._images import images, with_channel
from ser.models._keras import EPSILON, MOMENTUM, glorot
from ser.models._winograd import convolve
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Pho et al. 2020, Fig. 3)."""

    filters: tuple[int, ...] = setting("filters of each convolution", (200, 200, 150, 100), low=1)
    kernel: int = setting("side of each kernel", 3, unit="pixels", low=1)
    dense: tuple[int, ...] = setting("units of each dense layer", (512, 256, 512), low=1)
    dropout: float = setting("share that dropout takes of each dense layer", 0.5, low=0, below=1)
    frames: int = setting("frames of every utterance", 278, unit="frames", low=1)
    init: str = setting("start of the weights; glorot is Keras's", "glorot", choices=("glorot", "torch"))


class CNN2D(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings.frames`` frames."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        filters, dense = settings.filters, settings.dense
        height, length = _sizes(width, self.frames, filters, settings.kernel)[-1]
        pairs = list(pairwise((1, *filters)))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, settings.kernel) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, EPSILON, MOMENTUM) for _, b in pairs)
        layers: list[nn.Module] = []
        for a, b in pairwise((filters[-1] * height * length, *dense)):
            layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(settings.dropout)]
        self.dense = nn.Sequential(*layers)
        self.outputs: int = dense[-1]
        if settings.init == "glorot":
            glorot(self)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        Raises BadInput for an utterance of another length. The image is as in the paper: bands down, time across.
        """
        if (lengths != self.frames).any():
            others = ", ".join(str(n) for n in sorted(set(lengths.tolist())) if n != self.frames)
            remedy = "choose a front-end that pads and crops, or change cnn2d.frames"
            raise BadInput(f"{others} frames", "an utterance for cnn2d", f"{self.frames} frames", remedy)
        x = with_channel(images(frames, lengths, self.frames, "cnn2d").transpose(1, 2))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(convolution, nn.Conv2d)
            # ReLU and maximum commute, and so a quarter of the values needs to be clipped.
            x = norm(max_pool2d(convolve(x, convolution), 2).relu())
        out: Tensor = self.dense(x.flatten(1))
        return out


def _sizes(width: int, frames: int, filters: Sequence[int], kernel: int) -> list[tuple[int, int]]:
    """Returns height and width before the first layer and after each. Raises BadInput where one is 0."""
    sizes = [(width, frames)]
    for layer in range(1, len(filters) + 1):
        height, length = ((n - kernel + 1) // 2 for n in sizes[-1])
        if min(height, length) < 1:
            path = " → ".join(f"{a} × {b}" for a, b in sizes)
            allowed = f"an image that {len(filters)} convolutions of kernel {kernel} and poolings of 2 leave a pixel of"
            remedy = "take more bands or frames, or fewer filters, or a smaller kernel"
            raise BadInput(f"{path}, and nothing after layer {layer}", "cnn2d (bands × frames)", allowed, remedy)
        sizes.append((height, length))
    return sizes


def build(width: int, settings: Settings) -> CNN2D:
    """Returns the network. Raises BadInput where an image is too small for its layers."""
    return CNN2D(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 12, Settings(filters=(4, 5), kernel=3, dense=(16, 12), dropout=0.5, frames=14, init="glorot"), 14


def layers(block: CNN2D, width: int) -> list[Layer]:
    """Returns the layers of Fig. 3; shapes are bands × frames × filters."""

    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    height, length, table = width, block.frames, [Layer("input", f"{width} × {block.frames} × 1")]
    for convolution, norm in zip(block.convolutions, block.norms, strict=True):
        assert isinstance(convolution, nn.Conv2d)
        kernel, filters = convolution.kernel_size[0], convolution.out_channels
        height, length = height - kernel + 1, length - kernel + 1
        name = f"convolution {kernel} × {kernel}, ReLU"
        table.append(Layer(name, f"{height} × {length} × {filters}", count(convolution)))
        height, length = height // 2, length // 2
        table.append(Layer("max pooling 2 × 2", f"{height} × {length} × {filters}"))
        table.append(Layer("batch normalisation", f"{height} × {length} × {filters}", count(norm), 2 * filters))
    dropouts = [layer.p for layer in block.dense if isinstance(layer, nn.Dropout)]
    linears = [layer for layer in block.dense if isinstance(layer, nn.Linear)]
    for linear, share in zip(linears, dropouts, strict=True):
        table.append(Layer(f"dense, ReLU, dropout {share:g}", str(linear.out_features), count(linear)))
    return table
