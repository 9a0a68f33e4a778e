"""VGG of any depth on grey images: Simonyan & Zisserman 2015. Stages of convolutions and a pooling, dense layers.

In Table 1 of Pinto et al.: row 13, Popova et al., VGG-16 on mel images of 224 × 224; row 3, Chatziagapi et al., VGG-19
on 128 × 128.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ser.data import pretrained
from ser.errors import BadInput
from ser.models import _torchvision
from ser.models._images import whole, with_channel
from ser.models._layers import after, check_one_each, convolved, dense_layers, initialise
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Simonyan & Zisserman 2015; VGG-16 with normalisation, as for Popova et al.).

    With layers (1, 1, 2, 2, 2) it is VGG-11, with (2, 2, 2, 2, 2) VGG-13, with (2, 2, 4, 4, 4) VGG-19.
    """

    frames: int = setting("frames of every utterance", 224, unit="frames", low=1)
    filters: tuple[int, ...] = setting("filters of each stage", (64, 128, 256, 512, 512), low=1)
    layers: tuple[int, ...] = setting("convolutions of each stage", (2, 2, 3, 3, 3), low=1)
    norm: bool = setting("batch normalisation before each ReLU", True)
    grid: int = setting("rows and columns that the last image is averaged to, as torchvision does; 0: none", 7, low=0)
    dense: tuple[int, ...] = setting("units of each dense layer", (4096, 4096), low=1)
    dropout: float = setting("share that dropout takes of each dense layer", 0.5, low=0, below=1)
    init: str = setting("start of the weights", "he", choices=("torch", "glorot", "he"))
    weights: str = setting(
        "start from a file: random, none where no file is to be asked for, or the file's fingerprint", "random"
    )
    weights_for: str = setting("layers that the file gives", "convolutions", choices=("all", "convolutions"))


class VGG(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings.frames``."""

    rows: Tensor
    columns: Tensor

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.frames: int = settings.frames
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        size, channels = (width, self.frames), 1
        check_one_each("vgg", filters=settings.filters, layers=settings.layers)
        for filters, count in zip(settings.filters, settings.layers, strict=True):
            for _ in range(count):
                self.convolutions.append(nn.Conv2d(channels, filters, 3, padding=1))
                self.norms.append(nn.BatchNorm2d(filters) if settings.norm else nn.Identity())
                channels = filters
            size = after(size, 2, 2, 0, "vgg")
        self.counts = settings.layers
        self.grid: int = settings.grid
        self.register_buffer("rows", _means(size[0], self.grid or size[0]), persistent=False)
        self.register_buffer("columns", _means(size[1], self.grid or size[1]), persistent=False)
        inputs = channels * len(self.rows) * len(self.columns)
        self.dense = dense_layers(inputs, settings.dense, settings.dropout)
        self.outputs: int = (inputs, *settings.dense)[-1]
        self.fingerprint: str = settings.weights
        self.waiting = self.fingerprint not in pretrained.STARTS
        self.file_for: str = settings.weights_for
        initialise(self, settings.init)

    def start_from(self, path: Path) -> None:
        """Takes weights from the file that ``settings.weights`` is the fingerprint of, as torchvision saves them.

        Raises BadInput for another file, and for one that does not hold those of this network.
        """
        fingerprint = pretrained.fingerprint(path)
        if fingerprint != self.fingerprint:
            raise BadInput(fingerprint, str(path), f"the file of vgg.weights, {self.fingerprint}", "name that file")
        places, head = _torchvision.places(self.counts, isinstance(self.norms[0], nn.BatchNorm2d)), "classifier"
        if self.file_for == "all":
            places |= {f"dense.{i}": f"classifier.{i}" for i in range(0, len(self.dense), 3)}
            head = f"classifier.{len(self.dense)}"
        shapes = {k: tuple(v.shape) for k, v in self.state_dict().items() if k.rpartition(".")[0] in places}
        shapes = {k: v for k, v in shapes.items() if v}  # without the counts of batches
        self.load_state_dict(_torchvision.load(path, shapes, places, head), strict=False)
        self.waiting = False

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        The image is as spectrograms are printed, for weights that know which way is up: time across, the last band on
        top. Raises BadInput for an utterance of another length.
        """
        assert not self.waiting, f"start_from() has not given the weights {self.fingerprint}"
        x = with_channel(whole(frames, lengths, self.frames, "vgg").transpose(1, 2).flip(1))
        layer = 0
        for count in self.counts:
            for place in range(count):
                convolution, norm = self.convolutions[layer + place], self.norms[layer + place]
                assert isinstance(convolution, nn.Conv2d)
                x = norm(convolved(x, convolution))
                # ReLU and maximum commute, and so a quarter of the values needs to be clipped.
                x = (max_pool2d(x, 2) if place == count - 1 else x).relu()
            layer += count
        if self.grid and x.shape[2:] != (self.grid, self.grid):
            x = self.rows @ x @ self.columns.T
        out: Tensor = self.dense(x.flatten(1))
        return out


def _means(pixels: int, places: int) -> Tensor:
    """[places, pixels]: torch's adaptive average pooling along one axis, as its own has no exact gradient on GPUs.

    Window i goes from ⌊i · pixels / places⌋ to ⌈(i + 1) · pixels / places⌉; with more places than pixels they repeat.
    """
    weights = torch.zeros(places, pixels)
    for i in range(places):
        first, end = i * pixels // places, -(-(i + 1) * pixels // places)
        weights[i, first:end] = 1 / (end - first)
    return weights


def build(width: int, settings: Settings) -> VGG:
    """Returns the network, which waits for ``start_from`` where ``settings.weights`` is a fingerprint.

    Raises BadInput where an image is too small for its layers.
    """
    return VGG(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    small = Settings(frames=12, filters=(4, 5), layers=(1, 2), norm=False, grid=2, dense=(16, 12), weights_for="all")
    return 10, small, 12
