"""VGGish with one more layer: Sahoo et al., Table 2, after Hershey et al. 2017. Log-mel segments in, a vector each out.

Six 3 × 3 convolutions, three dense layers down to the 128 of the public embedding, all with ReLU (the last one too:
papers on VGGish leave that out, the released network has it), then ``units`` more.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ser.data import pretrained
from ser.errors import BadInput
from ser.models import Layer
from ser.models._images import images, with_channel
from ser.models._winograd import convolve
from ser.study.settings import setting

VERSION = 1
GIVES = "segments"
_POOLED = (True, True, False, True, False, True)  # the convolutions that a 2 × 2 pooling follows
_SHRINKS = 2 ** sum(_POOLED)
_CONVOLUTIONS = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2")  # as Table 2 names them


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Sahoo et al., Table 2)."""

    segment: int = setting("frames of every segment", 96, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of the six convolutions", (64, 128, 256, 256, 512, 512), low=1)
    fc: tuple[int, ...] = setting("units of the dense layers before the embedding", (4096, 4096), low=1)
    embedding: int = setting("width of the embedding", 128, low=1)
    units: int = setting("units of the layer behind the embedding", 200, low=1)
    weights: str = setting("start of the embedding: random, or the fingerprint of a file", "random")


class Embedding(nn.Module):
    """The public part: images [n, 1, segment, bands] to [n, embedding]; keys are those of ``ser.data.pretrained``."""

    def __init__(self, width: int, segment: int, settings: Settings) -> None:
        super().__init__()
        filters = settings.filters
        if len(filters) != len(_POOLED):
            remedy = "give the channels of each, (64, 128, 256, 256, 512, 512) in the paper"
            raise BadInput(str(filters), "vggish.filters", f"{len(_POOLED)} convolutions", remedy)
        if width % _SHRINKS or segment % _SHRINKS:
            allowed = f"multiples of {_SHRINKS}, for it is halved {sum(_POOLED)} times"
            remedy = "change the front-end; the paper has 96 × 64"
            raise BadInput(f"{segment} × {width}", "vggish (frames × bands of a segment)", allowed, remedy)
        flat = filters[-1] * (segment // _SHRINKS) * (width // _SHRINKS)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((1, *filters)))
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((flat, *settings.fc, settings.embedding)))

    def forward(self, x: Tensor) -> Tensor:
        """[n, 1, segment, bands] -> [n, embedding]."""
        for convolution, pooled in zip(self.convolutions, _POOLED, strict=True):
            assert isinstance(convolution, nn.Conv2d)
            x = convolve(x, convolution)
            x = (max_pool2d(x, 2) if pooled else x).relu()  # in either order the same, but this way on a quarter
        x = x.permute(0, 2, 3, 1).flatten(1)  # channels last, as where the public weights were trained
        for layer in self.dense:
            x = layer(x).relu()
        return x


class VGGish(nn.Module):
    """Frames [sum(lengths), width] -> [sum(lengths) / segment, units]."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.segment: int = settings.segment
        self.vggish = Embedding(width, self.segment, settings)
        self.last = nn.Linear(settings.embedding, settings.units)
        self.outputs: int = settings.units
        self.fingerprint: str = settings.weights
        self.waiting = self.fingerprint != "random"
        for layer in self.modules():  # He et al. 2015: with a narrower start the signal fades in ten ReLU layers
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def start_from(self, path: Path) -> None:
        """Takes the embedding's weights from the file that ``settings.weights`` is the fingerprint of.

        Raises BadInput for another file, and for one that does not hold them.
        """
        fingerprint = pretrained.fingerprint(path)
        if fingerprint != self.fingerprint:
            raise BadInput(fingerprint, str(path), f"the file of vggish.weights, {self.fingerprint}", "name that file")
        shapes = {name: tuple(value.shape) for name, value in self.vggish.state_dict().items()}
        self.vggish.load_state_dict(pretrained.load(path, shapes))
        self.waiting = False

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [sum(lengths) / segment, outputs].

        Raises BadInput where a length is no multiple of ``segment``.
        """
        assert not self.waiting, f"start_from() has not given the weights {self.fingerprint}"
        x = with_channel(images(frames, lengths, self.segment, "vggish"))
        out: Tensor = self.last(self.vggish(x)).relu()
        return out


def build(width: int, settings: Settings) -> VGGish:
    """Returns the network, which waits for ``start_from`` where ``settings.weights`` is a fingerprint.

    Raises BadInput for sizes that six convolutions and four halvings do not fit.
    """
    return VGGish(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance: two segments."""
    return 16, Settings(segment=32, filters=(3, 4, 5, 5, 6, 6), fc=(8, 8), embedding=7, units=5), 64


def layers(block: VGGish, width: int) -> list[Layer]:
    """Returns the layers as Table 2 names them; shapes are channels × frames × bands of a segment."""

    def line(name: str, output: str, module: nn.Module) -> Layer:
        return Layer(name, output, sum(p.numel() for p in module.parameters()))

    frames, bands, channels = block.segment, width, 1
    table = [Layer("input", f"1 × {frames} × {bands}")]
    for name, pooled, convolution in zip(_CONVOLUTIONS, _POOLED, block.vggish.convolutions, strict=True):
        assert isinstance(convolution, nn.Conv2d)
        channels = convolution.out_channels
        table.append(line(name, f"{channels} × {frames} × {bands}", convolution))
        if pooled:
            frames, bands = frames // 2, bands // 2
            table.append(Layer(f"pool{name[4]}", f"{channels} × {frames} × {bands}"))
    table.append(Layer("flatten", f"1 × {channels * frames * bands}"))
    *hidden, embedding = block.vggish.dense
    dense = {f"fc1_{i}": layer for i, layer in enumerate(hidden, 1)} | {"fc2": embedding, "fc3": block.last}
    return [*table, *(line(name, f"1 × {layer.out_features}", layer) for name, layer in dense.items())]
